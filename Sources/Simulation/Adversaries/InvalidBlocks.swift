import Audit
import Bytes
import Digests
import Replication

/// Proposes blocks that break a rule each.
struct InvalidBlocks: Liar {
  mutating func outgoing(_ message: ReplicaMessage, to peers: [Int], _ stage: inout Stage) {
    guard case .propose(let proposal, var header, let contents) = message else { return stage.send(message, to: peers) }
    let wrong = SHA256.hash(header.treeRoot.bytes.array)
    switch stage.random.below(7) {
    case 0: header.treeRoot = wrong
    case 1: header.historyRoot = wrong
    case 2: header.eventsRoot = wrong
    case 3: header.treeSize += 1
    case 4: header.nextValidatorsHash = wrong
    case 5: header.parametersHash = wrong
    default: header.eventCount += 1
    }
    stage.send(.propose(stage.proposal(like: proposal, header: header), header, contents), to: peers)
  }
}
