import Audit
import Foundation
import Testing

/// A network in which every validator has pruned its old bodies, and nodes that come later.
@Suite(.serialized) struct PrunedNetworkTests {
  private static let retention = ["/usr/bin/env", "MOLOCH_RETENTION_MIN_DAYS=1"]
  /// Runs a program with the clock of some days ago. The program between is the one that the library is loaded into first.
  private static var past: [String] { ["/usr/bin/env"] + OldChain.clock(-OldChain.days * 86_400).map { "\($0)=\($1)" } + OldChain.launcher }

  /// Four validators with a chain of some days ago and blocks of today. Returns ids of old events, the height of the first block of today, and that of the last with
  /// events.
  private static func old(_ height: Int, batchOf count: Int = 4) throws -> (Cluster, old: [EventID], first: Int, last: Int) {
    // Blocks are younger than genesis, and this chain is older than the bodies that are pruned.
    let age = UInt64(OldChain.days + 1) * 86_400_000
    let cluster = try Cluster(epochLength: 20, blockTime: 10, timestamp: Timestamp(milliseconds: RecordMaker.now().rawValue - age))
    for member in cluster.members { try member.start(Self.past) }
    for member in cluster.members { try member.status { $0["peer_count"] as? Int ?? 0 >= 3 } }
    let records = try cluster.records()
    var old: [EventID] = []
    while try cluster[0].headHeight() < height {
      let batch = (0..<count).map { _ in
        records.next(note: "old", timestamp: .init(milliseconds: UInt64((Date().timeIntervalSince1970 - Double(OldChain.days * 86_400)) * 1000)))
      }
      let answer = try cluster[0].client().post("/v1/events/batch", type: SubmissionTests.events, body: batch.flatMap { $0.bytes })
      guard answer.status == 202 else { throw NodeProcess.Failure(description: "\(answer.status) \(answer.text.prefix(600))\n\(cluster[0].lastLines)") }
      old += batch.map(\.id)
      // Throws, so that a network that stands still ends the test.
      try cluster[0].read("/v1/events/\(batch[count - 1].id)") { $0["status"] as? String == "finalized" }
    }
    for member in cluster.members { #expect(member.stop() == 0, "\(member.lastLines)") }
    for member in cluster.members { try member.start(Self.retention) }
    for member in cluster.members { try member.status { $0["peer_count"] as? Int ?? 0 >= 3 } }
    let (_, last) = try cluster[0].finalise(3, of: records)
    try cluster.expectAgreement(at: last)
    // There may be blocks of today without events before it.
    let yesterday = Int(RecordMaker.now().rawValue) - 86_400_000
    var first = last
    while first > 1, try cluster[0].client().get("/v1/blocks/\(first - 1)").json["timestamp_ms"] as? Int ?? 0 > yesterday { first -= 1 }
    return (cluster, old, first, last)
  }

  private static func prune(_ member: Cluster.Member, below height: Int, _ more: String...) throws {
    let command = ["maintenance", "prune", "--home", member.home.path, "--before-height", "\(height)", "--force", "--yes"] + more
    let pruned = try Command.run(NodeProcess.moloch, command, environment: ["MOLOCH_RETENTION_MIN_DAYS": "1"])
    #expect(pruned.status == 0, "\(pruned.output)\(pruned.errors)")
    try member.status { $0["earliest_body_height"] as? Int == height }
  }

  /// The same, where the blocks of today alone have their bodies.
  private static func pruned() throws -> (Cluster, old: [EventID], first: Int, last: Int) {
    let found = try old(50)
    for member in found.0.members { try prune(member, below: found.first) }
    return found
  }

  /// A node that begins from a checkpoint needs entries from the first block on. Of its two peers one has given them up: the other one gives them, and the first stays a
  /// peer and serves what it has.
  @Test func aPeerWithoutOldEntriesIsNoHindranceBesideOneThatHasThem() throws {
    let (cluster, old, first, newest) = try Self.old(50, batchOf: 32)
    try Self.prune(cluster[0], below: first, "--deep")
    let deep = try cluster[0].status { $0["earliest_entry_index"] as? Int ?? 0 > 0 }
    #expect(deep["earliest_entry_index"] as? Int ?? 0 > 200, "\(deep)")
    let hash = try #require(try cluster[1].read("/v1/blocks/\(newest)") { $0["hash"] is String }["hash"] as? String)
    // Of the pruned one alone nothing is to be had, and the node says so.
    let lonely = try cluster.join("lonely", in: cluster.scratch.url, peers: [cluster[0]], extra: "peer_exchange = false")
    #expect(try Command.moloch("sync", "--from-checkpoint", "\(newest):\(hash)", "--yes", "--home", lonely.home.path).status == 0)
    try lonely.start(options: ["--api-only"])
    let waiting = try lonely.status { $0["sync_obstacle"] is String }
    #expect((waiting["sync_obstacle"] as? String)?.hasPrefix("every connected peer has pruned the entries of the next block") == true, "\(waiting)")
    #expect(waiting["head_height"] as? Int == 0 && waiting["peer_count"] as? Int == 1, "\(waiting)")

    let node = try cluster.join("fresh", in: cluster.scratch.url, peers: [cluster[0], cluster[1]], extra: "peer_exchange = false")
    #expect(try Command.moloch("sync", "--from-checkpoint", "\(newest):\(hash)", "--yes", "--home", node.home.path).status == 0)
    try node.start(options: ["--api-only"])
    try node.status { $0["syncing"] as? Bool == false }
    let synced = try node.status { $0["peer_count"] as? Int == 2 }
    #expect(synced["sync_obstacle"] is NSNull && synced["earliest_entry_index"] as? Int == 0, "\(synced)")
    let (last, head) = try cluster[1].finalise(3, of: try cluster.records())
    try cluster.expectAgreement(at: head, of: cluster.members + [node])
    try node.expectFinal(last)
    // It has the entries that its first peer lacks.
    for id in [old[0], old[old.count - 1]] { try node.expectBundleVerifies(id, genesis: cluster.genesis) }
    #expect(try cluster[0].client().get("/v1/events/\(old[0])").status == 404)
    // The lonely one goes on as soon as it has a peer that has them.
    #expect(lonely.stop() == 0, "\(lonely.lastLines)")
    try lonely.write(genesis: cluster.genesis, peers: [cluster[0], node].map { $0.address(port: $0.peerPort) }, extra: "peer_exchange = false")
    try lonely.start(options: ["--api-only"])
    try lonely.status { $0["syncing"] as? Bool == false }
    try cluster.expectAgreement(at: head, of: [lonely])
  }

  @Test func aNewNodeSaysWhatItLacksAndComesUpFromACheckpoint() throws {
    let (cluster, old, first, newest) = try Self.pruned()
    // Genesis alone does not do.
    let node = try cluster.join("fresh", in: cluster.scratch.url)
    try node.start(options: ["--api-only"])
    try node.logs("WARN", "every connected peer has pruned the next block", "sync --from-checkpoint", "height=1")
    let lacking = try node.status { $0["sync_obstacle"] is String }
    #expect((lacking["sync_obstacle"] as? String)?.hasPrefix("every connected peer has pruned the next block") == true, "\(lacking)")
    #expect(lacking["syncing"] as? Bool == true && lacking["head_height"] as? Int == 0 && lacking["sync_target_height"] as? Int ?? 0 >= newest, "\(lacking)")
    // From where it could come: each peer says from which height on it has bodies.
    try node.read("/v1/peers") { answer in
      let peers = answer["peers"] as? [[String: Any]] ?? []
      return peers.count >= 4 && peers.allSatisfy { $0["earliest_body_height"] as? Int == first }
    }
    #expect(try node.client().get("/v1/ready").status == 503)
    #expect(node.stop() == 0)

    let checkpoint = node.file("checkpoint.txt")
    try cluster[3].status { $0["checkpoint_size"] as? Int == $0["tree_size"] as? Int }
    try Data(try cluster[3].client().get("/tlog/checkpoint").body).write(to: checkpoint)
    let begun = try Command.moloch("sync", "--from-checkpoint", checkpoint.path, "--yes", "--home", node.home.path)
    #expect(begun.status == 0, "\(begun.errors)")
    try node.start(options: ["--api-only"])
    let synced = try node.status { $0["syncing"] as? Bool == false }
    #expect(synced["sync_obstacle"] is NSNull && synced["earliest_body_height"] as? Int ?? 0 == newest + 1, "\(synced)")
    let (last, head) = try cluster[1].finalise(3, of: try cluster.records())
    try cluster.expectAgreement(at: head, of: cluster.members + [node])
    try node.expectFinal(last)
    for id in [old[0], old[old.count - 1]] {
      #expect(try node.client().get("/v1/events/\(id)").errorCode == "PRUNED")
      try node.expectBundleVerifies(id, genesis: cluster.genesis)
    }
  }

  /// What the node is told lies above all that its only peer has: it waits, and begins when the peer has come so far.
  @Test func aCheckpointAboveTheHeadOfTheOnlyPeerIsWaitedFor() throws {
    let cluster = try Cluster(epochLength: 20, blockTime: 10)
    try cluster.start()
    let records = try cluster.records()
    while try cluster[0].headHeight() < 30 { try cluster[0].finalise(4, of: records) }
    let relay = try cluster.join("relay", in: cluster.scratch.url)
    try relay.start(options: ["--api-only"])
    try relay.status { $0["syncing"] as? Bool == false }
    let carried = try relay.headHeight()
    #expect(relay.stop() == 0)
    // What the relay has may be above the head of one of the others.
    let reached = try cluster.members.reduce(carried) { try max($0, $1.headHeight()) }
    while try cluster[0].headHeight() < reached + 40 { try cluster[0].finalise(4, of: records) }

    try cluster[2].status { $0["head_height"] as? Int ?? 0 >= reached + 40 && $0["checkpoint_size"] as? Int == $0["tree_size"] as? Int }
    let note = try cluster[2].client().get("/tlog/checkpoint")
    let size = try #require(Int(note.text.split(separator: "\n")[1]))
    let hash = try #require(try cluster[0].read("/v1/blocks/\(reached + 40)") { $0["hash"] is String }["hash"] as? String)
    // The relay is the only node that runs.
    for member in cluster.members { #expect(member.stop() == 0, "\(member.lastLines)") }
    try relay.start(options: ["--api-only"])
    #expect(try relay.headHeight() <= reached)
    var nodes: [Cluster.Member] = []
    for name in ["tree", "block"] {
      let node = try cluster.join(name, in: cluster.scratch.url, peers: [relay], extra: "peer_exchange = false")
      try Data(note.body).write(to: node.file("checkpoint.txt"))
      let target = name == "tree" ? node.file("checkpoint.txt").path : "\(reached + 40):\(hash)"
      let begun = try Command.moloch("sync", "--from-checkpoint", target, "--yes", "--home", node.home.path)
      #expect(begun.status == 0, "\(begun.errors)")
      try node.start(options: ["--api-only"])
      nodes.append(node)
    }
    try nodes[0].logs("WARN", "no connected peer has shown a final tree as large as that of the checkpoint", "tree_size=\(size)")
    try nodes[1].logs("WARN", "no connected peer has come as far as the checkpoint", "checkpoint=\(reached + 40):\(hash)")
    for node in nodes {
      let waiting = try node.status { $0["sync_obstacle"] is String }
      #expect(waiting["head_height"] as? Int == 0 && waiting["syncing"] as? Bool == true, "\(waiting)")
    }
    for member in cluster.members { try member.start() }
    for node in nodes {
      let status = try node.status { $0["syncing"] as? Bool == false }
      #expect(status["sync_obstacle"] is NSNull && status["earliest_body_height"] as? Int ?? 0 > reached, "\(status)")
    }
    let (last, head) = try cluster[1].finalise(3, of: records)
    try cluster.expectAgreement(at: head, of: cluster.members + nodes)
    for node in nodes { try node.expectFinal(last) }
  }
}
