import Audit
import Foundation
import Testing

/// `moloch sync --from-checkpoint` with real nodes.
@Suite(.serialized) struct CheckpointSyncTests {
  private static func block(_ height: Int, of member: Cluster.Member) throws -> String {
    try #require(try member.read("/v1/blocks/\(height)") { $0["hash"] is String }["hash"] as? String)
  }

  /// Makes blocks until the head has a height. Returns the ids of some of the first events, and of the last.
  private static func blocks(_ height: Int, _ cluster: Cluster) throws -> (old: [EventID], new: [EventID]) {
    let records = try cluster.records()
    var (old, new): ([EventID], [EventID]) = ([], [])
    while try cluster[0].headHeight() < height {
      let ids = try cluster[0].finalise(4, of: records).ids
      if old.count < 12 { old += ids }
      new = ids
    }
    return (old, new)
  }

  /// A node begins from a checkpoint at its next start.
  private static func begin(_ node: Cluster.Member, _ height: Int, _ hash: String) throws {
    let begun = try Command.moloch("sync", "--from-checkpoint", "\(height):\(hash)", "--yes", "--home", node.home.path)
    #expect(begun.status == 0, "\(begun.output)\(begun.errors)")
  }

  /// Stops nodes and verifies all that they have.
  private static func expectWhole(_ members: [Cluster.Member]) throws {
    for member in members {
      #expect(member.stop() == 0, "\(member.lastLines)")
      let verified = try Command.moloch("maintenance", "verify", "--level", "deep", "--home", member.home.path)
      #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
    }
  }

  /// The members have served parts to the node that has begun. A member whose list of parts comes late is asked for ranges of blocks instead: then another node begins.
  private static func expectParts(_ cluster: Cluster, _ anchor: Int, _ hash: String) throws {
    func served() throws -> Double { try cluster.members.reduce(0) { $0 + (try $1.metric("moloch_snapshot_parts_total{action=\"served\"}") ?? 0) } }
    var (before, parts) = (0.0, try served())
    for attempt in 1...4 where parts - before < 5 {
      before = parts
      let other = try cluster.join("again-\(attempt)", in: cluster.scratch.url)
      try begin(other, anchor, hash)
      try other.start(options: ["--api-only"])
      try other.status { $0["syncing"] as? Bool == false }
      parts = try served()
      other.kill()
    }
    #expect(parts - before >= 5, "\(parts - before) parts were served")
  }

  @Test func aFreshNodeBeginsFromACheckpointAndServesWhatItHas() throws {
    let cluster = try Cluster(epochLength: 40, blockTime: 10)
    try cluster.start()
    let (old, _) = try Self.blocks(260, cluster)
    for member in cluster.members { try member.expectMetric("moloch_snapshot_height") { $0 >= 240 } }
    let anchor = 220
    let hash = try Self.block(anchor, of: cluster[1])
    let node = try cluster.join("fresh", in: cluster.scratch.url)
    let begun = try Command.moloch("sync", "--from-checkpoint", "\(anchor):\(hash)", "--yes", "--home", node.home.path)
    #expect(begun.status == 0 && begun.output == "the next start begins from block \(anchor):\(hash)\n", "\(begun.output)\(begun.errors)")
    // Killed when the first blocks are there, and again a little later; each start goes on where the disk ends.
    for _ in 0..<2 {
      try node.start(options: ["--api-only"])
      try node.status { $0["head_height"] as? Int ?? 0 > 0 }
      node.kill()
    }
    try node.start(options: ["--api-only"])
    let status = try node.status { $0["syncing"] as? Bool == false }
    #expect(status["earliest_body_height"] as? Int == anchor + 1, "\(status)")
    // What it got came from the files of the others' snapshots, and it makes the same files itself.
    try Self.expectParts(cluster, anchor, hash)
    let names = (0..<5).map { "data/snapshots/" + Self.part($0 * 40 + 1, $0 * 40 + 40) }
    try node.expectMetric("moloch_snapshot_height") { $0 >= 240 }
    for name in names {
      let bytes = try Data(contentsOf: node.file(name))
      #expect(try cluster.members.contains { try Data(contentsOf: $0.file(name)) == bytes }, "\(name) differs from all others")
    }
    let (last, height) = try cluster[2].finalise(3, of: try cluster.records())
    try cluster.expectAgreement(at: height, of: cluster.members + [node])

    // New events are whole; old ones are proven and say that their body is not here.
    try node.expectFinal(last)
    try node.expectBundleVerifies(last[1], genesis: cluster.genesis)
    for id in [old[0], old[7]] {
      let answer = try node.client().get("/v1/events/\(id)")
      #expect(answer.status == 410 && answer.text.contains("\"PRUNED\"") && answer.text.contains("\"leaf_index\""), "\(answer.status) \(answer.text)")
      try node.expectBundleVerifies(id, genesis: cluster.genesis)
    }
    // It serves others in its turn.
    let next = try cluster.join("next", in: cluster.scratch.url)
    try next.write(genesis: cluster.genesis, peers: [node.address(port: node.peerPort)], extra: Self.apart)
    #expect(try Command.moloch("sync", "--from-checkpoint", "\(anchor):\(hash)", "--yes", "--home", next.home.path).status == 0)
    try next.start(options: ["--api-only"])
    try next.status { $0["syncing"] as? Bool == false }
    try cluster.expectAgreement(at: height, of: [node, next])
    try Self.expectWhole([node, next])
  }

  private static let apart = "peer_exchange = false"

  /// Forty blocks or more of large bodies; their ids.
  private static func largeBlocks(_ cluster: Cluster, _ records: RecordMaker) throws -> [EventID] {
    var ids: [EventID] = []
    for _ in 0..<40 {
      let batch = (0..<4).map { _ in records.next(note: OldChain.letters(60_000)) }
      let answer = try cluster[0].client().post("/v1/events/batch?wait=finalized", type: SubmissionTests.events, body: batch.flatMap { $0.bytes })
      #expect(answer.status == 201, "\(answer.text.prefix(300))")
      ids += batch.map(\.id)
    }
    return ids
  }

  /// A node that begins from a checkpoint, and from where on it has bodies: what comes from it alone ends there.
  private static func half(_ cluster: Cluster, from height: Int) throws -> (Cluster.Member, earliest: Int) {
    let member = try cluster.join("from-\(height)", in: cluster.scratch.url, extra: apart)
    try begin(member, height, try block(height, of: cluster[0]))
    try member.start(options: ["--api-only"])
    return (member, try #require(try member.status { $0["syncing"] as? Bool == false }["earliest_body_height"] as? Int))
  }

  /// Starts a node that looks for older bodies and knows nobody but this one, or nobody at all.
  private static func fill(_ node: Cluster.Member, from peer: Cluster.Member?, _ cluster: Cluster) throws {
    try? FileManager.default.removeItem(at: node.file("data/peers.json"))
    try node.write(genesis: cluster.genesis, peers: peer.map { [$0.address(port: $0.peerPort)] } ?? [], extra: apart + "\n[retention]\nbackfill = true")
    try node.start(options: ["--api-only"])
  }

  /// With `retention.backfill` the bodies below the checkpoint come later, downwards, and a kill costs nothing that was written.
  @Test func olderBodiesComeLaterWhenTheyAreAskedFor() throws {
    let cluster = try Cluster(extra: Self.apart, epochLength: 40, blockTime: 10)
    try cluster.start()
    let records = try cluster.records()
    let ids = try Self.largeBlocks(cluster, records)
    let anchor = try cluster[0].headHeight(), hash = try Self.block(anchor, of: cluster[0])
    // An event above the checkpoint.
    _ = try cluster[0].finalise(1, of: records)
    let halves = try [anchor * 2 / 3, anchor / 3].map { try Self.half(cluster, from: $0) }
    let node = try cluster.join("fresh", in: cluster.scratch.url)
    try Self.begin(node, anchor, hash)
    var last = anchor + 1
    for (half, bodies) in halves {
      try Self.fill(node, from: half, cluster)
      let status = try node.status { status in
        (status["backfill"] as? [String: Any])?["state"] as? String == "waiting" && (status["earliest_body_height"] as? Int ?? .max) < last
      }
      last = try #require(status["earliest_body_height"] as? Int)
      #expect(last >= bodies && bodies > 1, "below \(bodies) nobody has given anything: \(status)")
      let backfill = try #require(status["backfill"] as? [String: Any], "\(status)")
      #expect(backfill["target_height"] as? Int == 1 && (1..<100).contains(backfill["percent"] as? Double ?? 0), "\(backfill)")
      // New events go on meanwhile.
      try node.expectFinal(try cluster[1].finalise(1, of: records).ids)
      node.kill()
      // What was written is there, and what is missing is said before anything is looked for: a node that is alone is not live.
      try Self.fill(node, from: nil, cluster)
      let after = try node.status { $0["earliest_body_height"] is Int }
      #expect(after["earliest_body_height"] as? Int ?? .max <= last, "\(after)")
      #expect((after["backfill"] as? [String: Any])?["target_height"] as? Int == 1, "\(after)")
      node.kill()
    }
    try Self.fill(node, from: cluster[0], cluster)
    let done = try node.status(within: 240) { $0["earliest_body_height"] as? Int == 1 && $0["syncing"] as? Bool == false }
    #expect(done["head_height"] as? Int ?? 0 > anchor, "\(done)")
    try node.status { $0["backfill"] is NSNull }
    try node.logs("bodies below the checkpoint are fetched", "target_height=1")
    try node.logs("bodies below the checkpoint are complete", "earliest_body_height=1")
    for id in [ids[0], ids[77], ids[159]] {
      let event = try node.client().get("/v1/events/\(id)")
      #expect(event.status == 200 && event.json["body"] is [String: Any], "\(event.status) \(event.text.prefix(300))")
    }
    // Another node syncs all of it from this one alone.
    let next = try cluster.join("next", in: cluster.scratch.url)
    #expect(node.stop() == 0)
    try node.start(options: ["--api-only"])
    try next.write(genesis: cluster.genesis, peers: [node.address(port: node.peerPort)], extra: Self.apart)
    try next.start(options: ["--api-only"])
    let whole = try next.status(within: 240) { $0["syncing"] as? Bool == false && $0["head_height"] as? Int ?? 0 >= anchor }
    #expect(whole["earliest_body_height"] as? Int == 1, "\(whole)")
    try Self.expectWhole([node, next])
  }

  private static func part(_ first: Int, _ last: Int) -> String { String(format: "%016d-%016d.part", first, last) }

  /// A damaged part of a snapshot is named by a verification, moved aside by a repair, never served, and written again as it was.
  @Test func aDamagedPartIsWrittenAgainAsItWas() throws {
    let cluster = try Cluster(count: 1, epochLength: 20, blockTime: 10)
    let keeper = cluster[0]
    try cluster.start()
    let (old, _) = try Self.blocks(90, cluster)
    let hash = try Self.block(85, of: keeper)
    try keeper.expectMetric("moloch_snapshot_height") { $0 >= 80 }
    let name = Self.part(21, 40), file = keeper.file("data/snapshots/" + name)
    let whole = try Data(contentsOf: file)
    func damage() throws {
      var bytes = whole
      bytes[bytes.count / 2] ^= 1
      try bytes.write(to: file)
    }
    func verify() throws -> Command { try Command.moloch("maintenance", "verify", "--home", keeper.home.path) }
    func waitForFile() throws { try keeper.read("/v1/status") { _ in (try? Data(contentsOf: file)) == whole } }

    // With the node up: named, counted, moved aside and written again.
    #expect(try verify().status == 0)
    try damage()
    let found = try verify()
    #expect(found.status == 65 && found.output.contains("DAMAGED  snapshots/\(name)") && found.output.contains("minor"), "\(found.output)\(found.errors)")
    #expect(try IntegrityTests.integrityErrors(keeper.metricsPort, "snapshots") == 1)
    let repaired = try Command.moloch("maintenance", "repair", "--yes", "--home", keeper.home.path)
    #expect(repaired.status == 0 && repaired.output.contains("plan: move snapshots/\(name) to data/damaged-"), "\(repaired.output)\(repaired.errors)")
    try waitForFile()
    #expect(try verify().status == 0)

    // Stopped.
    #expect(keeper.stop() == 0)
    try damage()
    #expect(try verify().status == 65)
    #expect(try Command.moloch("maintenance", "repair", "--yes", "--home", keeper.home.path).status == 0)
    #expect(try verify().status == 0 && !FileManager.default.fileExists(atPath: file.path))
    try keeper.start()
    try waitForFile()

    // A part that is damaged while it is served: the range comes from the chain, and the part is written again.
    let mark = keeper.log.count
    try damage()
    let node = try cluster.join("fresh", in: cluster.scratch.url)
    #expect(try Command.moloch("sync", "--from-checkpoint", "85:\(hash)", "--yes", "--home", node.home.path).status == 0)
    try node.start(options: ["--api-only"])
    try node.status { $0["syncing"] as? Bool == false }
    try node.expectBundleVerifies(old[0], genesis: cluster.genesis)
    try keeper.logs("integrity", "component=snapshots", "it is written anew", after: mark)
    try waitForFile()

    // Without the key nothing is written, and what is there may be deleted.
    #expect(keeper.stop() == 0)
    try FileManager.default.removeItem(at: keeper.file("data/snapshots"))
    try keeper.start(options: ["--set", "storage.snapshots=false"])
    _ = try keeper.finalise(3, of: try cluster.records())
    try keeper.expectMetric("moloch_snapshot_bytes") { $0 == 0 }
    #expect(!FileManager.default.fileExists(atPath: keeper.file("data/snapshots").path))
  }

  @Test func theCommandAsksAndNamesWhatIsWrong() throws {
    let cluster = try Cluster(count: 1, blockTime: 10)
    try cluster.start()
    let (old, new) = try Self.blocks(12, cluster)
    let node = try cluster.join("other", in: cluster.scratch.url)
    func sync(_ text: String, _ more: String..., home: Cluster.Member? = nil) throws -> Command {
      try Command.run(NodeProcess.moloch, ["sync", "--from-checkpoint", text, "--home", (home ?? node).home.path] + more)
    }
    let hash = try Self.block(10, of: cluster[0])
    let bare = try sync("10:\(hash)")
    #expect(bare.status == 64 && bare.errors.contains("--yes"), "\(bare.errors)")
    #expect(!FileManager.default.fileExists(atPath: node.file("data/chain/CURRENT").path))
    #expect(try sync("10:abc", "--yes").errors.contains("64 hexadecimal digits"))
    #expect(try sync("0:\(hash)", "--yes").status == 64)
    #expect(try sync(node.file("nothing.bundle").path, "--yes").status == 66)
    let busy = try sync("10:\(hash)", "--yes", home: cluster[0])
    #expect(busy.status == 75 && busy.errors.contains("stop the node first"), "\(busy.errors)")
    // The block of another chain: the node takes nothing, and says what it sees.
    let wrong = String(repeating: "ab", count: 32)
    #expect(try sync("10:\(wrong)", "--yes").status == 0)
    try node.start(options: ["--api-only"])
    try node.logs("ERROR", "another block at the height of the checkpoint", "checkpoint=10:\(wrong)", "found=\(hash)")
    #expect(try node.headHeight() == 0 && node.stop() == 0)
    // A bundle that is proven from genesis names its block.
    try cluster[0].expectBundleVerifies(new[0], genesis: cluster.genesis)
    let bundle = cluster[0].file("event.bundle").path
    let forged = node.file("forged.bundle")
    try String(contentsOfFile: bundle, encoding: .utf8).replacingOccurrences(of: "\"chain_id\":\"moloch-cluster\"", with: "\"chain_id\":\"moloch-cluster\",\"x\":1")
      .replacingOccurrences(of: "\"leaf_index\":", with: "\"leaf_index\":1").write(to: forged, atomically: true, encoding: .utf8)
    #expect(try sync(forged.path, "--yes").status == 65)
    let begun = try sync(bundle, "--yes")
    #expect(begun.status == 0 && begun.output.hasPrefix("the next start begins from block "), "\(begun.output)\(begun.errors)")
    try node.start(options: ["--api-only"])
    try node.status { $0["syncing"] as? Bool == false }
    try node.expectBundleVerifies(old[0], genesis: cluster.genesis)
    try cluster.expectAgreement(at: try cluster[0].headHeight(), of: [cluster[0], node])
  }

  /// The published note is enough: the node finds its block. What is wrong with one is said at once where genesis shows it.
  @Test func aSignedCheckpointIsAccepted() throws {
    let cluster = try Cluster(epochLength: 20, blockTime: 10)
    try cluster.start()
    let (old, _) = try Self.blocks(90, cluster)
    // Cosignatures come after the block; three are a quorum.
    var published = "", lines: [String] = []
    let deadline = Date(timeIntervalSinceNow: 180)
    repeat {
      published = try cluster[1].client().get("/tlog/checkpoint").text
      lines = published.split(separator: "\n", omittingEmptySubsequences: false).map { String($0) }
    } while lines.count { $0.contains(" cluster.example.com/v") } < 3 && Date() < deadline
    #expect(lines.count >= 9 && lines[0] == "cluster.example.com/moloch-cluster", "\(published)")
    _ = try Self.blocks(130, cluster)
    let node = try cluster.join("fresh", in: cluster.scratch.url)
    func sync(_ text: String, _ more: String...) throws -> Command {
      let file = node.file("checkpoint.txt")
      try text.write(to: file, atomically: true, encoding: .utf8)
      return try Command.run(NodeProcess.moloch, ["sync", "--from-checkpoint", file.path, "--home", node.home.path] + more)
    }
    func expectRefusal(_ text: String, _ words: String) throws {
      let refused = try sync(text, "--yes")
      #expect(refused.status == 65 && refused.errors.contains(words), "\(refused.status) \(refused.errors)")
      #expect(!FileManager.default.fileExists(atPath: node.file("data/chain/CURRENT").path))
    }
    try expectRefusal("no note\n", "neither a proof bundle nor a signed checkpoint")
    try expectRefusal(published.replacingOccurrences(of: "cluster.example.com/moloch-cluster", with: "cluster.example.com/other"), "the chain of this node is cluster.example.com/moloch-cluster")
    try expectRefusal(lines.filter { !$0.contains(" cluster.example.com/v") }.joined(separator: "\n"), "no cosignature of a validator")
    // The size is one more than what they have signed.
    let size = try #require(Int(lines[1]))
    try expectRefusal(published.replacingOccurrences(of: "\n\(size)\n", with: "\n\(size + 1)\n"), "is not accepted")
    let asked = try sync(published)
    #expect(asked.status == 64 && asked.errors.contains("--yes") && asked.errors.contains("cosigned by 3 of the 4 validators of genesis\n"), "\(asked.errors)")
    // Too few to prove anything: the node refuses it when it has found the block.
    let few = try sync(lines.prefix(6).joined(separator: "\n") + "\n", "--yes")
    #expect(few.status == 0 && few.errors.contains("which are no quorum"), "\(few.errors)")
    try node.start(options: ["--api-only"])
    try node.logs("ERROR", "the checkpoint is refused", "no more than two thirds", "tree_size=\(size)")
    let refused = try node.status { $0["sync_obstacle"] is String }
    #expect((refused["sync_obstacle"] as? String)?.hasPrefix("the checkpoint is refused") == true && refused["head_height"] as? Int == 0 && refused["syncing"] as? Bool == true, "\(refused)")
    #expect(node.stop() == 0)

    let begun = try sync(published, "--yes", "--json")
    #expect(begun.status == 0 && begun.output.contains("\"height\":null") && begun.output.contains("\"tree_size\":\(size)"), "\(begun.output)\(begun.errors)")
    // Killed in the search or soon after it.
    try node.start(options: ["--api-only"])
    node.kill()
    try node.start(options: ["--api-only"])
    try node.logs("NOTICE", "the block to begin from is found and proven")
    let status = try node.status { $0["syncing"] as? Bool == false }
    let earliest = try #require(status["earliest_body_height"] as? Int)
    let block = try node.read("/v1/blocks/\(earliest - 1)") { $0["hash"] is String }
    #expect(block["tree_size"] as? Int == size && block["event_count"] as? Int ?? 0 > 0, "\(block)")
    #expect(status["sync_obstacle"] is NSNull, "\(status)")
    let (last, height) = try cluster[2].finalise(3, of: try cluster.records())
    try cluster.expectAgreement(at: height, of: cluster.members + [node])
    try node.expectFinal(last)
    try node.expectBundleVerifies(old[0], genesis: cluster.genesis)
    #expect(try node.client().get("/v1/events/\(old[0])").status == 410)
  }
}
