import Ambient
import Audit
import Consensus
import Digests
import Ed25519
import Ledger

/// Evidence on its way to the peers.
struct EvidenceRelay: Sendable {
  /// Pieces that were not said yet, with whom they came from.
  var pending: [(piece: Evidence, from: PeerLink?)] = []
  /// When the next message may leave.
  var due = Instant.zero
}

/// Contradictions of validators: kept, and passed on so that the alarm is raised at every node.
///
/// One piece is proof enough. Of a validator the first `ReplicationLimit.evidenceRelayed` pieces are passed on, each once, in messages that leave at most
/// every `evidenceMilliseconds`; and a peer that connects is given one piece of everybody of the set. What a peer brings is kept, and goes on from here, only
/// when both signatures are accepted and their key is a validator of the set in force: nobody else's contradictions are of interest, and a flood of them costs
/// whoever makes it a key of the set. A peer's pieces beyond its allowance are not looked at.
extension Replica {
  /// The machine has seen it: the signatures were accepted then.
  func keepEvidence(_ piece: Evidence, from peer: PeerLink?, _ effects: inout [ReplicaEffect]) {
    switch evidenceRecord.add(piece) {
    case .known: break
    case .kept:
      effects.append(.evidence(piece, isKept: true))
      guard evidenceRecord.count(piece.signer) <= ReplicationLimit.evidenceRelayed else { return }
      evidenceRelay.pending.append((piece, peer))
    case .dropped: effects.append(.evidence(piece, isKept: false))
    }
  }

  /// Says what has not been said, as far as the pace allows.
  func relayEvidence(_ now: Times, _ effects: inout [ReplicaEffect]) {
    guard !evidenceRelay.pending.isEmpty, now.monotonic >= evidenceRelay.due else { return }
    evidenceRelay.due = now.monotonic.adding(milliseconds: ReplicationLimit.evidenceMilliseconds)
    let count = min(evidenceRelay.pending.count, ReplicationLimit.evidencePerMessage)
    let said = Array(evidenceRelay.pending.prefix(count))
    evidenceRelay.pending.removeFirst(count)
    for peer in peers where peer.speaksVersion2 {
      // Not back to where it came from.
      let news = said.filter { $0.from != peer.link }.map(\.piece)
      if !news.isEmpty { effects.append(.send(.evidence(news), to: .peer(peer.link))) }
    }
  }

  /// One piece of every guilty validator of the set, the oldest, for a peer that has just connected.
  func showEvidence(_ link: PeerLink, _ effects: inout [ReplicaEffect]) {
    var signers: Set<PublicKey> = []
    let pieces = evidence.filter { chain.validators.index(of: $0.signer) != nil && signers.insert($0.signer).inserted }
    if !pieces.isEmpty, peers.contains(where: { $0.link == link && $0.speaksVersion2 }) {
      effects.append(.send(.evidence(Array(pieces.prefix(ReplicationLimit.evidencePerMessage))), to: .peer(link)))
    }
  }

  func receivedEvidence(_ pieces: [Evidence], _ index: Int, _ now: Times, _ effects: inout [ReplicaEffect]) {
    let link = peers[index].link
    for piece in pieces {
      guard piece.first.vote.chainTag == chain.chainTag else { return effects.append(.penalise(link, .wrongChain)) }
      // Sets differ from node to node for a while: a stranger's votes are nobody's fault.
      guard chain.validators.index(of: piece.signer) != nil, !evidenceRecord.holds(piece) else { continue }
      // What would not be kept, or is enough already, is not worth two verifications.
      guard evidenceRecord.count(piece.signer) < ReplicationLimit.evidenceRelayed, peers[index].mayBringEvidence(now.monotonic) else { continue }
      guard piece.first.isAccepted(memory: options.machine.signatures), piece.second.isAccepted(memory: options.machine.signatures) else {
        return effects.append(.penalise(link, .badSignature))
      }
      keepEvidence(piece, from: link, &effects)
    }
    relayEvidence(now, &effects)
  }
}
