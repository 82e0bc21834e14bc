import Foundation
import Testing

/// `docs/schemas` against what the commands print, by a validator of JSON Schema that is not ours.
@Suite(.serialized) struct SchemaTests {
  private static let directory = CommandTests.root.appendingPathComponent("docs/schemas")

  /// What the validator says of some objects; nothing when all fit.
  private static func faults(_ objects: [String]) throws -> String {
    let scratch = try ScratchDirectory(), input = scratch.url.appendingPathComponent("objects.ndjson")
    try objects.joined(separator: "\n").write(to: input, atomically: true, encoding: .utf8)
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Independent/validate-schema.py").path
    let run = try Command.run(URL(fileURLWithPath: "/bin/sh"), ["-c", "/usr/bin/python3 \"$0\" \"$1\" < \"$2\"", script, directory.path, input.path])
    #expect((run.status == 0) == run.output.isEmpty && run.errors.isEmpty, "\(run.status) \(run.errors)")
    return run.output
  }

  private static func name(_ object: String) -> String? { object.firstMatch(of: /^\{"schema":"(moloch\.[a-z._-]+)\/1"/).map { String($0.1) } }

  @Test func everySchemaThatACommandNamesHasItsFile() throws {
    var named = Set<String>()
    let sources = CommandTests.root.appendingPathComponent("Sources/moloch")
    for path in try FileManager.default.subpathsOfDirectory(atPath: sources.path) where path.hasSuffix(".swift") {
      for match in try String(contentsOf: sources.appendingPathComponent(path), encoding: .utf8).matches(of: /"(moloch\.[a-z._-]+\/\d+)\\?"/) { named.insert(String(match.1)) }
    }
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.directory.path).filter { $0.hasSuffix(".json") }
    #expect(Set(files) == Set(named.map { $0.replacingOccurrences(of: "/", with: ".") + ".json" }))
    #expect(files.count > 50)
  }

  @Test func whatCommandsPrintFitsTheirSchemas() throws {
    let scratch = try ScratchDirectory()
    let home = scratch.url.path + "/home", other = scratch.url.path + "/other", backup = scratch.url.path + "/backup"
    var objects: [String] = []
    func take(_ words: String, accepting statuses: [Int32] = [0]) throws {
      let run = try Command.run(NodeProcess.moloch, words.split(separator: " ").map { String($0) } + ["--json"])
      #expect(statuses.contains(run.status), "\(words): \(run.status) \(run.errors)")
      // A genesis is printed as it is, with its line breaks.
      let isOne = words.hasPrefix("genesis show")
      objects += isOne ? [run.output.replacingOccurrences(of: "\n", with: " ")] : run.output.split(separator: "\n").map { String($0) }
    }
    let node = try NodeProcess(home: URL(fileURLWithPath: home), arguments: ["--set", "api.rate_limit.enabled=true", "--set", "api.rate_limit.burst_size=5"])
    let client = try node.client()
    for _ in 0..<8 { _ = try client.get("/v1/validators") }
    let events = CommandTests.root.appendingPathComponent("bench-data/cloudtrail.ndjson").path
    let few = scratch.url.appendingPathComponent("few.ndjson")
    try String(contentsOfFile: events, encoding: .utf8).split(separator: "\n").prefix(3).joined(separator: "\n").write(to: few, atomically: true, encoding: .utf8)
    let socket = "--home \(home)", peer = "12D3KooWQK1wnefoLrcVHbbnf5tLzbopUd3K3bFAoJpA7YJgL5pV"
    try take("event submit \(few.path) --wait --url http://127.0.0.1:\(node.apiPort) \(socket)")
    let bundles = try FileManager.default.contentsOfDirectory(atPath: few.path + ".bundles")
    try take("verify \(few.path).bundles/\(try #require(bundles.first)) --genesis \(home)/config/genesis.json")
    let key = try String(contentsOfFile: home + "/keys/validator.pub", encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    for words in [
      "status", "storage stats", "top --count 1", "peers list", "peers add /ip4/127.0.0.1/tcp/9/p2p/\(peer)", "peers remove \(peer)", "validator status", "validator changes",
      "validator pending", "maintenance verify", "maintenance compact", "maintenance repair", "backup create \(backup)", "reload", "log level info", "drain", "drain --cancel",
      "sync --watch", "debug bundle \(scratch.url.path)/debug.tar", "signer put \(key) --name somebody",
    ] { try take("\(words) \(socket)") }
    try take("doctor \(socket)", accepting: [0, 2])
    try take("doctor --watch 1s \(socket)", accepting: [0, 2])
    for words in ["backup verify \(backup)", "backup restore \(backup) --home \(other)", "metrics list", "keygen --output \(scratch.url.path)/keys"] { try take(words) }
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0)
    try take("validator status \(socket)", accepting: [69])
    try take("storage stats \(socket)")
    try take("migrate --plan \(socket)")
    try take("init --chain-id schema --home \(scratch.url.path)/fresh")
    for verb in ["show", "hash", "verify"] { try take("genesis \(verb) \(home)/config/genesis.json") }
    let made = scratch.url.path + "/genesis.json"
    try take("genesis create \(made) --chain-id schema --key \(key) --name v1")
    for verb in ["add-validator", "add-signer"] { try take("genesis \(verb) \(made) --key \(ValidatorChangesTests.stranger) --name other") }
    try take("localnet files --hosts a,b --dir \(scratch.url.path)/network --chain-id schema")
    let file = scratch.url.path + "/fresh/config/node.toml"
    try take("validate-config --home \(scratch.url.path)/fresh")
    for words in ["show", "explain api"] { try take("config \(words) --home \(scratch.url.path)/fresh") }
    try take("config diff \(file) \(scratch.url.path)/network/a/config/node.toml", accepting: [2])
    #expect(objects.allSatisfy { Self.name($0) != nil }, "\(objects.filter { Self.name($0) == nil })")
    #expect(Set(objects.compactMap { Self.name($0) }).count >= 35)
    #expect(try Self.faults(objects) == "")
  }

  /// The validator would notice a member that is missing, one too many, and one of another kind.
  @Test func whatDoesNotFitIsNoticed() throws {
    let good = #"{"schema":"moloch.genesis.hash/1","hash":"\#(String(repeating: "0", count: 64))","chain_id":"c","validators":1}"#
    #expect(try Self.faults([good]) == "")
    for (old, new) in [(#","validators":1"#, ""), (#","validators":1"#, #","validators":1,"power":1"#), (":1}", #":"1"}"#), ("hash/1", "hush/1")] {
      #expect(try Self.faults([good.replacingOccurrences(of: old, with: new)]) != "", "\(new)")
    }
  }
}
