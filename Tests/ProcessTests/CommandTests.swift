import Foundation
import Testing

@Suite struct CommandTests {
  /// The root of the checkout, for the data that the README's examples use.
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  static let cloudTrail = root.appendingPathComponent("bench-data/cloudtrail.ndjson")

  @Test func realAuditRecordsAreSubmittedAndEveryBundleVerifies() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let file = scratch.url.appendingPathComponent("cloudtrail.ndjson")
    try FileManager.default.copyItem(at: Self.cloudTrail, to: file)
    let submitted = try Command.moloch("event", "submit", file.path, "--home", scratch.url.path, "--url", "http://127.0.0.1:\(node.apiPort)", "--wait", "--json")
    #expect(submitted.status == 0, "\(submitted.output)\(submitted.errors)")
    let summary = try JSONSerialization.jsonObject(with: Data(submitted.output.utf8)) as? [String: Any] ?? [:]
    #expect(summary["finalized"] as? Int == 103, "\(submitted.output)")
    let bundles = try FileManager.default.contentsOfDirectory(atPath: scratch.url.path + "/cloudtrail.ndjson.bundles").filter { $0.hasSuffix(".bundle") }
    #expect(bundles.count == 103)
    let genesis = scratch.url.appendingPathComponent("config/genesis.json").path
    for bundle in bundles {
      let verified = try Command.moloch("verify", "\(scratch.url.path)/cloudtrail.ndjson.bundles/\(bundle)", "--genesis", genesis)
      #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
    }
    let again = try Command.moloch("event", "submit", file.path, "--home", scratch.url.path, "--url", "http://127.0.0.1:\(node.apiPort)", "--wait", "--json")
    #expect(again.status == 0, "\(again.output)\(again.errors)")
    let size = try node.client().get("/v1/status").json["tree_size"] as? Int
    #expect(size == 103, "a second run of the same file must not send anything twice")
  }

  @Test func badLinesAreReportedByNumberAndTheOthersGoThrough() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let file = scratch.url.appendingPathComponent("events.ndjson")
    let good = "{\"event_type\":\"push\",\"actor\":{\"id\":\"a\"},\"resource\":{\"id\":\"r\"},\"outcome\":\"success\"}"
    try "\(good)\n{\"event_type\":\"push\"}\nnot json\n\(good)\n".write(to: file, atomically: true, encoding: .utf8)
    let submitted = try Command.moloch("event", "submit", file.path, "--home", scratch.url.path, "--url", "http://127.0.0.1:\(node.apiPort)", "--wait")
    #expect(submitted.status == 2, "\(submitted.output)\(submitted.errors)")
    #expect(submitted.errors.contains("line 2") && submitted.errors.contains("line 3") && !submitted.errors.contains("line 4"), "\(submitted.errors)")
    #expect(try node.client().get("/v1/status").json["tree_size"] as? Int == 2)
  }

  @Test func usageErrorsEndWith64AndNameTheNearestCommand() throws {
    let unknown = try Command.moloch("rn")
    #expect(unknown.status == 64 && unknown.errors.contains("did you mean 'run'?"), "\(unknown.errors)")
    let option = try Command.moloch("keygen", "--outptu", "x")
    #expect(option.status == 64, "\(option.errors)")
    let version = try Command.moloch("--version")
    #expect(version.status == 0 && version.output.hasPrefix("moloch 1.0.0 (commit "), "\(version.output)")
  }

  @Test func keygenNeverOverwrites() throws {
    let scratch = try ScratchDirectory()
    let first = try Command.moloch("keygen", "--output", scratch.url.path + "/keys")
    #expect(first.status == 0 && first.output.contains("12D3KooW"), "\(first.output)\(first.errors)")
    let again = try Command.moloch("keygen", "--output", scratch.url.path + "/keys")
    #expect(again.status == 73, "\(again.errors)")
    let mode = try FileManager.default.attributesOfItem(atPath: scratch.url.path + "/keys/node.key")[.posixPermissions] as? Int
    #expect(mode == 0o600)
  }

  @Test func storageStatsPrintsTheGuidesLines() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    _ = try node.status { ($0["head_height"] as? Int ?? -1) >= 0 }
    let stats = try Command.moloch("storage", "stats", "--home", scratch.url.path)
    #expect(stats.status == 0, "\(stats.errors)")
    let labels = stats.output.components(separatedBy: "\n").prefix(6).map { $0.prefix(while: { $0 != ":" }) }
    #expect(labels == ["Chain Data", "MMR Data", "Index Data", "Total", "Events", "Blocks"], "\(stats.output)")
  }
}
