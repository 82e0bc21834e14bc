import Foundation
import Testing

/// `moloch verify` on the files of the reference vectors: kinds of input, trust roots, exit codes.
@Suite struct VerifyCommandTests {
  static let vectors = CommandTests.root.appendingPathComponent("Tests/ConformanceTests/Vectors")
  let scratch: ScratchDirectory
  let bundle: String
  let genesis: String
  let proof: String
  let record: String
  let policy: String

  init() throws {
    scratch = try ScratchDirectory()
    let path = scratch.url.path
    let chain = try JSONSerialization.jsonObject(with: Data(contentsOf: Self.vectors.appendingPathComponent("chain-vectors.json"))) as? [String: Any]
    let ledger = try JSONSerialization.jsonObject(with: Data(contentsOf: Self.vectors.appendingPathComponent("ledger-vectors.json"))) as? [String: Any]
    (bundle, genesis, proof, record, policy) = (path + "/a.bundle", path + "/genesis.json", path + "/a.tlog-proof", path + "/a.record", path + "/policy")
    try JSONSerialization.data(withJSONObject: try #require(chain?["bundle"])).write(to: URL(fileURLWithPath: bundle))
    try Data((try #require(chain?["genesis_json"] as? String)).utf8).write(to: URL(fileURLWithPath: genesis))
    try FileManager.default.copyItem(at: Self.vectors.appendingPathComponent("example.tlog-proof"), to: URL(fileURLWithPath: proof))
    let entry = try #require((ledger?["entries"] as? [String])?[5])
    let bytes = stride(from: 0, to: entry.count, by: 2).compactMap { UInt8(entry.dropFirst($0).prefix(2), radix: 16) }
    try Data(bytes).write(to: URL(fileURLWithPath: record))
    let keys = try #require(ledger?["vkeys"] as? [String: String])
    try policyText(keys, threshold: 3).write(toFile: policy, atomically: true, encoding: .utf8)
    try policyText(keys, threshold: 4).write(toFile: policy + "4", atomically: true, encoding: .utf8)
  }

  private func policyText(_ keys: [String: String], threshold: Int) -> String {
    let names = keys.keys.filter { $0 != "log" }.sorted()
    let witnesses = names.map { "witness \($0) \(keys[$0] ?? "") https://\($0).example.com\n" }.joined()
    return "log \(keys["log"] ?? "") https://log.example.com/tlog\n\(witnesses)group validators \(threshold) \(names.joined(separator: " "))\nquorum validators\n"
  }

  private func status(_ arguments: String...) throws -> Int32 {
    let result = try Command.run(NodeProcess.moloch, ["verify"] + arguments)
    if result.status != 0 { #expect(!(result.output + result.errors).isEmpty) }
    return result.status
  }

  @Test func exitCodesAreThoseOfTheSpecification() throws {
    let hash = "7c03e5d17c03e5d17c03e5d17c03e5d17c03e5d17c03e5d17c03e5d17c03e5d1"
    #expect(try status(bundle, "--genesis", genesis) == 0)
    #expect(try status(bundle) == 3)
    #expect(try status(bundle, "--trust", "2:\(hash)") == 1)
    #expect(try status(bundle, "--trust", "7:\(hash)") == 3)
    #expect(try status(bundle, "--policy", policy) == 0)
    #expect(try status(bundle, "--policy", policy + "4") == 1)
    #expect(try status(bundle, "--genesis", genesis, "--require-witness", "1") == 4)
    #expect(try status(proof, "--record", record, "--policy", policy) == 0)
    #expect(try status(proof, "--record", record, "--policy", policy, "--require-body") == 4)
    #expect(try status(proof, "--record", record) == 3)
    #expect(try status(record) == 3)
    #expect(try status(bundle, record, "--policy", policy) == 3)
    #expect(try status(record, "--genesis", genesis) == 1, "the record is of another chain")
    #expect(try status(bundle, policy, "--genesis", genesis) == 65)
    #expect(try status(proof, "--policy", policy) == 64)
    #expect(try status(bundle, "--genesis", genesis, "--trust", "2:\(hash)") == 64)
    #expect(try status(bundle, "--trust", "2") == 64)
    #expect(try status(bundle, "--policy", record) == 65)
    #expect(try status(bundle, "--genesis", scratch.url.path + "/missing") == 66)
    #expect(try status(scratch.url.path + "/missing") == 66)
  }

  @Test func aCheckpointIsVerifiedByItselfAndAsAnOlderHead() throws {
    let text = try String(contentsOfFile: proof, encoding: .utf8)
    let begin = try #require(text.range(of: "\n\n")?.upperBound)
    let checkpoint = scratch.url.path + "/checkpoint"
    try String(text[begin...]).write(toFile: checkpoint, atomically: true, encoding: .utf8)
    #expect(try status(checkpoint, "--policy", policy) == 0)
    #expect(try status(checkpoint, "--policy", policy + "4") == 1)
    #expect(try status(checkpoint) == 3)
    #expect(try status(checkpoint, "--since", checkpoint) == 0)
    #expect(try status(bundle, "--genesis", genesis, "--since", checkpoint) == 1)
  }

  /// The checkpoint of a node, once it has that size.
  private static func checkpoint(of node: Cluster.Member, size: Int) throws -> Data {
    let deadline = Date(timeIntervalSinceNow: 60)
    while Date() < deadline {
      let answer = try node.client().get("/tlog/checkpoint")
      if answer.status == 200, answer.text.split(separator: "\n").dropFirst().first == "\(size)" { return Data(answer.body) }
      usleep(20_000)
    }
    throw NodeProcess.Failure(description: "no checkpoint of size \(size)\n\(node.lastLines)")
  }

  /// A checkpoint that was kept is a prefix of the log that a later bundle proves, when the bundle was fetched with that size.
  @Test func anOlderCheckpointIsAPrefixOfALaterBundle() throws {
    let cluster = try Cluster(count: 1, blockTime: 10)
    try cluster.start()
    let node = cluster[0], records = try cluster.records(), client = try node.client()
    try node.finalise(5, of: records)
    let old = node.file("old.checkpoint"), genesis = node.file("anchor.json"), bundle = node.file("new.bundle")
    try Self.checkpoint(of: node, size: 5).write(to: old)
    try Data(cluster.genesis).write(to: genesis)
    let (ids, _) = try node.finalise(7, of: records)
    func verified(_ query: String, since: URL) throws -> Int32 {
      let answer = try client.get("/v1/proofs/inclusion?event_id=\(ids[6])&format=bundle\(query)")
      #expect(answer.status == 200, "\(answer.text)")
      try Data(answer.body).write(to: bundle)
      return try status(bundle.path, "--genesis", genesis.path, "--since", since.path)
    }
    #expect(try verified("&since_size=5", since: old) == 0)
    // Without the proof in the file the demand cannot be met; another log of that size is refused.
    #expect(try verified("", since: old) == 4)
    #expect(try verified("&since_size=4", since: old) == 4)
    let other = try Cluster(count: 1, blockTime: 10)
    try other.start()
    try other[0].finalise(5, of: try other.records())
    let foreign = node.file("foreign.checkpoint")
    try Self.checkpoint(of: other[0], size: 5).write(to: foreign)
    #expect(try verified("&since_size=5", since: foreign) == 1)
  }

  @Test func everyCheckIsOneLineAndOneObjectMember() throws {
    let plain = try Command.moloch("verify", bundle, "--genesis", genesis)
    let lines = plain.output.split(separator: "\n")
    #expect(lines.count >= 9 && lines.allSatisfy { $0.hasPrefix("PASS  ") || $0.hasPrefix("SKIP  ") }, "\(plain.output)")
    let json = try Command.moloch("verify", bundle, "--genesis", genesis, "--json")
    let object = try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any]
    #expect(object?["exit_code"] as? Int == 0)
    #expect((object?["checks"] as? [[String: Any]])?.count == lines.count)
  }
}
