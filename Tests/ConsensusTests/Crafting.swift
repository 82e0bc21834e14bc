import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519

// What a test makes with the keys of the nodes: situations that take luck to meet, and lies.
extension Cluster {
  /// Nodes in the order in which they lead views 1, 2, 3, ... of epoch 0.
  func leaders() throws -> [Int] {
    let set = try set(Epoch(0)), schedule = LeaderSchedule(set, epoch: Epoch(0), boundary: Self.genesis.hash)
    return (1...UInt64(schedule.cycle.count)).compactMap { view in
      let key = set.validators[schedule.leader(of: View(view))].publicKey
      return keys.firstIndex { $0.publicKey == key }
    }
  }

  func certificate(_ kind: VoteKind, view: UInt64, parentView: UInt64 = 0, block: BlockReference? = nil, by signers: [Int]) throws -> Certificate {
    let set = try set(Epoch(0))
    let votes = signers.map { vote(kind, by: $0, view: view, parentView: parentView, block: block) }
    return Certificate(
      vote: votes[0].vote, signatures: votes.compactMap { vote in set.index(of: vote.publicKey).map { ($0, vote.signature) } }, in: set)
  }

  func proposal(by index: Int, view: UInt64, parentView: UInt64 = 0, block: BlockReference, justification: [Certificate] = []) -> Proposal {
    Proposal(vote: vote(.notarise, by: index, view: view, parentView: parentView, block: block), block: block, justification: justification)
  }

  var wall: Timestamp { Timestamp(milliseconds: now.milliseconds) }

  /// The link over which `node` hears `peer`.
  func link(_ node: Int, _ peer: Int) -> PeerLink { nodes[node].links[peer] ?? PeerLink(0) }

  /// All nodes but one are puppets, connected to it.
  static func single(_ seed: UInt64, leading view: Int? = nil, epochLength: UInt32 = 1000, count: Int = 4) throws -> (Cluster, node: Int) {
    var cluster = try Cluster(count, seed: seed, epochLength: epochLength)
    let leaders = try cluster.leaders()
    let node = leaders[(view ?? 4) - 1]
    for index in cluster.nodes.indices where index != node { cluster.nodes[index].isPuppet = true }
    try cluster.start()
    return (cluster, node)
  }
}
