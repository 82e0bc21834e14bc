import Audit
import Consensus
import Digests
import Ed25519

/// What must hold at every moment, over all honest nodes and all their lives.
struct Checker {
  private struct Place: Hashable {
    var epoch: Epoch
    var view: View
  }
  private struct Promise: Hashable {
    var key: PublicKey
    var place: Place
    var kind: VoteKind
  }

  private(set) var violations: [String] = []
  private(set) var final: [Height: Digest] = [:]
  private var released: [Promise: Vote] = [:]
  private var certified: [Place: [VoteKind: Digest]] = [:]
  private(set) var nullifyVotes = 0

  /// An honest node lets a vote out. `isDurable`: its record is on the node's disk.
  mutating func released(_ signed: SignedVote, isDurable: Bool) {
    let vote = signed.vote, place = Place(epoch: vote.epoch, view: vote.view)
    if !isDurable { violations.append("\(vote.kind) of view \(vote.view.rawValue) left before its record was synced") }
    let promise = Promise(key: signed.publicKey, place: place, kind: vote.kind)
    if let earlier = released[promise] {
      if earlier != vote { violations.append("two \(vote.kind) votes in epoch \(vote.epoch.rawValue) view \(vote.view.rawValue)") }
      return
    }
    released[promise] = vote
    if vote.kind == .nullify { nullifyVotes += 1 }
    let opposite: VoteKind? = vote.kind == .nullify ? .finalise : vote.kind == .finalise ? .nullify : nil
    if let opposite, released[Promise(key: signed.publicKey, place: place, kind: opposite)] != nil {
      violations.append("nullify and finalise in epoch \(vote.epoch.rawValue) view \(vote.view.rawValue)")
    }
  }

  /// L1 and L2 over every certificate that an honest node has taken.
  mutating func certified(_ certificate: Certificate) {
    let vote = certificate.vote, place = Place(epoch: vote.epoch, view: vote.view)
    if let earlier = certified[place]?[vote.kind], earlier != vote.blockHash {
      violations.append("two \(vote.kind) certificates in view \(vote.view.rawValue)")
    }
    certified[place, default: [:]][vote.kind] = vote.blockHash
    if let kinds = certified[place], kinds[.nullify] != nil, kinds[.finalise] != nil {
      violations.append("finalisation and nullification of epoch \(vote.epoch.rawValue) view \(vote.view.rawValue)")
    }
  }

  /// L3 as it shows: one hash per height over all nodes, no gap, rising timestamps.
  mutating func committed(_ blocks: [BlockReference], after head: BlockReference) {
    var parent = head
    for block in blocks {
      if block.parentHash != parent.hash || block.height != parent.height.next { violations.append("gap below height \(block.height.rawValue)") }
      if block.timestamp <= parent.timestamp { violations.append("timestamp of height \(block.height.rawValue) does not rise") }
      if let other = final[block.height], other != block.hash { violations.append("two final blocks at height \(block.height.rawValue)") }
      final[block.height] = block.hash
      parent = block
    }
  }

  mutating func halted(_ contradiction: Contradiction) { violations.append("halt: \(contradiction)") }
}
