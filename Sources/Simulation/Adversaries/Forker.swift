import Audit
import Consensus
import Digests
import Replication

/// Proposes on a parent that is not the newest, as if the views between had been nullified.
struct Forker: Liar {
  private var parents: [(view: View, header: BlockHeader)] = []

  mutating func incoming(_ message: ReplicaMessage, from peer: Int, _ stage: inout Stage) {
    guard case .propose(let proposal, let header, _) = message else { return }
    parents.append((proposal.vote.vote.view, header))
    if parents.count > 8 { parents.removeFirst() }
  }

  mutating func outgoing(_ message: ReplicaMessage, to peers: [Int], _ stage: inout Stage) {
    guard case .propose(let proposal, let header, _) = message, let old = parents.first, old.header.height < header.height else {
      return stage.send(message, to: peers)
    }
    var fork = header
    fork.parentHash = old.header.hash
    fork.height = old.header.height.next
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
