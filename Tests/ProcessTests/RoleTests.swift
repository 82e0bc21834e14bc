import Audit
import Ed25519
import Foundation
import Testing

/// Nodes without a vote: they serve the chain and pass on what they are given.
@Suite(.serialized) struct RoleTests {
  private static func apiNode(_ name: String, in cluster: Cluster, knows peers: [Cluster.Member]) throws -> Cluster.Member {
    let node = try cluster.join(name, in: cluster.scratch.url, peers: peers, extra: "peer_exchange = false", hasJournal: false)
    // No file of a validator is there to be used.
    for name in ["validator.key", "validator.pub"] { try FileManager.default.removeItem(at: node.file("keys/\(name)")) }
    try node.start(options: ["--api-only"])
    return node
  }

  @Test func anAPINodeServesAndForwardsWhileAValidatorItTalksToDies() throws {
    let cluster = try Cluster(extra: "peer_exchange = false")
    try cluster.start()
    let records = try cluster.records()
    let (old, _) = try cluster[0].finalise(5, of: records)
    // It knows two of the four validators; the other node knows only it.
    let api = try Self.apiNode("api", in: cluster, knows: [cluster[0], cluster[1]])
    try api.status { $0["peer_count"] as? Int ?? 0 >= 2 && $0["syncing"] as? Bool == false }
    let behind = try Self.apiNode("behind", in: cluster, knows: [api])
    for node in [api, behind] {
      let status = try node.status { $0["syncing"] as? Bool == false }
      #expect(status["role"] as? String == "api" && status["validator"] as? Bool == false, "\(status)")
      try node.expectFinal(old)
    }
    let peers = try cluster[0].client().get("/v1/peers").json["peers"] as? [[String: Any]] ?? []
    #expect(peers.first { $0["peer_id"] as? String == api.peerID }?["role"] as? String == "api", "\(peers)")

    for node in [api, behind] {
      let answer = try node.client().post("/v1/events?wait=finalized&timeout_ms=30000", type: SubmissionTests.event, body: records.next().bytes)
      #expect(answer.status == 201, "\(node.name): \(answer.status) \(answer.text.prefix(600))\n\(node.lastLines)")
    }
    // What was accepted a moment before the validator dies reaches the others, directly and over the node between.
    let batches = try [api, behind].map { node in
      let batch = (0..<50).map { _ in records.next() }
      let answer = try node.client().post("/v1/events/batch", type: SubmissionTests.events, body: batch.flatMap { $0.bytes })
      #expect(answer.status == 202, "\(node.name): \(answer.text.prefix(600))")
      return batch.map { $0.id }
    }
    cluster[0].kill()
    for ids in batches { for node in [api, behind, cluster[3]] { try node.expectFinal(ids) } }
    let (last, height) = try api.finalise(20, of: records)
    try cluster.expectAgreement(at: height, of: [cluster[1], cluster[2], cluster[3], api, behind])
    try api.expectBundleVerifies(last[7], genesis: cluster.genesis)
    try behind.expectBundleVerifies(batches[0][3], genesis: cluster.genesis)
    // Nothing was ever promised here.
    for node in [api, behind] {
      #expect(!FileManager.default.fileExists(atPath: node.file("keys/validator.key.used").path))
      #expect(node.stop() == 0, "\(node.lastLines)")
    }
  }

  /// What a signer has on the chain, the same on a node that made its index from blocks of a sync.
  @Test func aSignersSequencesAreShownWithTheirGaps() throws {
    let cluster = try Cluster(count: 1)
    try cluster.start()
    let key = try SigningKey.forTest()
    let records = try cluster.records(key: key)
    for (stream, sequence) in [(3, 1), (3, 2), (3, 6), (3, 4), (9, 2), (5, 0)] as [(UInt64, UInt64)] {
      let record = records.next {
        $0.stream = stream
        $0.sequence = sequence
      }
      let answer = try cluster[0].client().post("/v1/events?wait=finalized&timeout_ms=30000", type: SubmissionTests.event, body: record.bytes)
      #expect(answer.status == 201, "\(answer.text.prefix(400))")
    }
    let other = try cluster.join("other", in: cluster.scratch.url)
    try other.start(options: ["--api-only"])
    try other.status { $0["syncing"] as? Bool == false && $0["tree_size"] as? Int == 6 }
    for member in [cluster[0], other] {
      let answer = try member.client().get("/v1/signers/\(key.publicKey)")
      #expect(answer.text.hasPrefix("{\"public_key\":\"\(key.publicKey)\",\"name\":null,\"first_seen_ms\":1"), "\(answer.text)")
      let streams = #""event_count":6,"streams":[{"stream":3,"last_seq":6,"gaps":[[3,3],[5,5]],"conflicts":0},{"stream":9,"last_seq":2,"gaps":[[1,1]],"conflicts":0}]}"#
      #expect(answer.status == 200 && answer.text.hasSuffix(streams), "\(answer.text)")
    }
    #expect(try cluster[0].client().get("/v1/signers/\(try SigningKey.generate().publicKey)").status == 404)
    #expect(try cluster[0].client().get("/v1/signers/ed25519:12").status == 400)
  }

  @Test func aNodeCannotVoteAndNotVote() throws {
    let scratch = try ScratchDirectory()
    let run = try Command.moloch("run", "--validator", "--api-only", "--home", scratch.url.path)
    #expect(run.status == 64 && run.errors.contains("contradict"), "\(run.errors)")
  }

  @Test func syncIsWatchedUntilTheNodeHasCaughtUp() throws {
    let cluster = try Cluster()
    let alone = cluster[0]
    try alone.start()
    // One of four hears nobody: it cannot know that it stands at the tip.
    let late = try Command.moloch("sync", "--watch", "--timeout", "3s", "--home", alone.home.path)
    #expect(late.status == 75 && late.errors.contains("not caught up") && late.errors.contains("from 0 peers"), "\(late.output)\(late.errors)")
    for member in cluster.members.dropFirst() { try member.start() }
    let (_, height) = try cluster[1].finalise(5, of: try cluster.records())
    let done = try Command.moloch("sync", "--watch", "--timeout", "1m", "--home", alone.home.path)
    #expect(done.status == 0 && done.output.hasPrefix("Synced: height "), "\(done.output)\(done.errors)")
    #expect(!done.errors.contains("\u{1B}"))
    try alone.status { $0["head_height"] as? Int ?? 0 >= height }
    let json = try Command.moloch("sync", "--watch", "--json", "--home", alone.home.path)
    #expect(json.status == 0, "\(json.errors)")
    for line in json.output.split(separator: "\n") { #expect(line.hasPrefix("{\"schema\":\"moloch.sync/1\",\"state\":"), "\(line)") }
    #expect(json.output.contains("\"syncing\":false"), "\(json.output)")
    #expect(alone.stop() == 0)
    let gone = try Command.moloch("sync", "--watch", "--home", alone.home.path)
    #expect(gone.status == 69, "\(gone.errors)")
    let bare = try Command.moloch("sync", "--home", alone.home.path)
    #expect(bare.status == 64, "\(bare.errors)")
  }

  /// A node that fetches a chain over a slow line: `/v1/status` and the bar of the command say how far it is, how fast, and how long it takes.
  @Test func progressOfASyncIsSeen() throws {
    let cluster = try Cluster(count: 1, blockTime: 10, emptyBlockInterval: 240_000)
    try cluster.start()
    let records = try cluster.records(), client = try cluster[0].client()
    for _ in 0..<60 {
      let batch = (0..<2).map { _ in records.next(note: OldChain.letters(200_000)) }
      let answer = try client.post("/v1/events/batch?wait=finalized", type: SubmissionTests.events, body: batch.flatMap { $0.bytes })
      #expect(answer.status == 201, "\(answer.text.prefix(300))")
    }
    let head = try cluster[0].headHeight()
    let relay = try Relay(to: cluster[0].peerPort)
    defer { relay.end() }
    // 16 KiB every 8 ms at most: 24 MB take twelve seconds or more, and the longest range, of 4 MiB, comes in two.
    relay.delay(milliseconds: 8)
    let node = try cluster.join("slow", in: cluster.scratch.url, extra: "peer_exchange = false", address: { _ in relay.port })
    try node.start(options: ["--api-only"])
    // On a terminal of its own the command draws a bar.
    let command = "stty cols 100; \(NodeProcess.moloch.path) sync --watch --home \(node.home.path)"
    let drawn = try RunningCommand(["-qec", command, "/dev/null"], of: URL(fileURLWithPath: "/usr/bin/script"))
    let seen = try node.status { ($0["sync"] as? [String: Any])?["eta_seconds"] is Int }
    let sync = try #require(seen["sync"] as? [String: Any])
    let percent = try #require(sync["percent"] as? Double), rate = try #require(sync["blocks_per_second"] as? Double)
    #expect(0..<100 ~= percent && rate > 0 && seen["syncing"] as? Bool == true, "\(seen)")
    try drawn.waitForOutput { printed in
      printed.split(separator: "\r").contains { bar in
        bar.hasPrefix("Syncing  [") && ["%", " / \(head)", "blocks/s", "from 1 peer"].allSatisfy { bar.contains($0) }
      }
    }
    relay.delay(milliseconds: 0)
    let ended = drawn.end()
    #expect(ended.output.contains("Synced: height "), "\(ended.output)")
    try cluster.expectAgreement(at: head, of: [cluster[0], node])
    // Nothing is left to say.
    try node.status { $0["sync"] is NSNull || $0["sync"] == nil }
  }
}
