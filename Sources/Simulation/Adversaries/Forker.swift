import Audit
import Consensus
import Digests
import Replication

/// Proposes on the parent of its parent, as if the view between had been nullified: a valid block but for that.
struct Forker: Liar {
  /// Newest proposals, own ones too.
  private var seen: [(view: View, header: BlockHeader)] = []

  mutating func incoming(_ message: ReplicaMessage, from peer: Int, _ stage: inout Stage) { remember(message) }

  private mutating func remember(_ message: ReplicaMessage) {
    guard case .propose(let proposal, let header, _) = message else { return }
    seen.append((proposal.vote.vote.view, header))
    if seen.count > 16 { seen.removeFirst() }
  }

  mutating func outgoing(_ message: ReplicaMessage, to peers: [Int], _ stage: inout Stage) {
    defer { remember(message) }
    guard case .propose(let proposal, let header, _) = message,
      let parent = seen.last(where: { $0.header.hash == header.parentHash })?.header,
      let old = seen.last(where: { $0.header.hash == parent.parentHash && $0.view < proposal.vote.vote.parentView })
    else { return stage.send(message, to: peers) }
    // Beside the parent, without events: what the parent's header says of the blocks before it holds for this one too.
    var fork = parent
    fork.proposer = header.proposer
    fork.timestamp = header.timestamp
    fork.eventCount = 0
    fork.treeSize = old.header.treeSize
    fork.treeRoot = old.header.treeRoot
    fork.eventsRoot = .empty
    var vote = proposal.vote.vote
    vote.parentView = old.view
    vote.blockHash = fork.hash
    vote.height = fork.height
    let forged = Proposal(vote: stage.sign(vote), block: BlockReference(fork, hash: fork.hash), justification: proposal.justification)
    stage.send(.propose(forged, fork, .body([])), to: peers)
  }
}
