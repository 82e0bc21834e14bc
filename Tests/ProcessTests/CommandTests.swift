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
    #expect(stats.errors == "online: node pid \(node.identifier)\n")
  }

  @Test func storageStatsOfAStoppedNodeAreThoseOfTheRunningOne() throws {
    let scratch = try ScratchDirectory()
    let home = scratch.url.path
    #expect(try Command.moloch("storage", "stats", "--home", home + "/none").status == 66)
    let node = try NodeProcess(home: scratch.url)
    let client = try node.client()
    let records = try RecordMaker(client, key: .forTest())
    for _ in 0..<5 { #expect(try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: records.next().bytes).status == 201) }
    func figures() throws -> (json: [String: Any], errors: String) {
      let stats = try Command.moloch("storage", "stats", "--json", "--home", home)
      #expect(stats.status == 0, "\(stats.errors)")
      return (try #require(JSONSerialization.jsonObject(with: Data(stats.output.utf8)) as? [String: Any]), stats.errors)
    }
    let online = try figures()
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0)
    let before = try FileManager.default.subpathsOfDirectory(atPath: home + "/data").sorted()
    let offline = try figures()
    #expect(offline.errors == "offline: lock on \(home)/data\n")
    #expect(try FileManager.default.subpathsOfDirectory(atPath: home + "/data").sorted() == before, "nothing is changed")
    for (json, _) in [online, offline] {
      #expect(json["schema"] as? String == "moloch.storage.stats/1" && json["events"] as? Int == 5 && json["blocks"] as? Int == 5, "\(json)")
      let families = json["column_families"] as? [[String: Any]] ?? []
      #expect(families.count == 11 && families.last?["database"] as? String == "index", "\(families)")
      let blocks = try #require(families.first { $0["name"] as? String == "blocks" })
      // Rows of a node that runs are still in memory.
      #expect(blocks["keys_estimated"] as? Int == 5 && (blocks["table_bytes"] as? Int ?? 0) + (blocks["memory_bytes"] as? Int ?? 0) > 0, "\(blocks)")
      let levels = (json["tree_levels"] as? [[String: Any]] ?? []).map { "\($0["tree"] ?? "") \($0["level"] ?? "") \($0["nodes"] ?? "") \($0["bytes"] ?? "")" }
      #expect(levels == ["entries 0 5 160", "entries 1 2 64", "entries 2 1 32", "history 0 5 160", "history 1 2 64", "history 2 1 32"], "\(levels)")
    }
    // Somebody holds the data and does not answer.
    let held = try Command.run(
      URL(fileURLWithPath: "/usr/bin/flock"), [home + "/data/LOCK", NodeProcess.moloch.path, "storage", "stats", "--home", home])
    #expect(held.status == 75 && held.output.isEmpty, "\(held.errors)")
  }

  @Test func whatPrintsAResultPrintsItAsAnObject() throws {
    let scratch = try ScratchDirectory()
    let home = scratch.url.path + "/h"
    func object(_ words: String...) throws -> [String: Any] {
      let run = try Command.run(NodeProcess.moloch, words + ["--json"])
      #expect(run.status == 0 && run.output.hasPrefix("{\"schema\":\"moloch."), "\(words): \(run.output)\(run.errors)")
      return try #require(JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any], "\(words)")
    }
    let made = try object("init", "--chain-id", "moloch-json", "--home", home), hash = try #require(made["genesis_hash"] as? String)
    #expect(made["schema"] as? String == "moloch.init/1" && made["home"] as? String == home && hash.count == 64)
    let genesis = home + "/config/genesis.json"
    for verb in ["hash", "verify"] {
      let facts = try object("genesis", verb, genesis)
      #expect(facts["hash"] as? String == hash && facts["chain_id"] as? String == "moloch-json" && facts["validators"] as? Int == 1, "\(facts)")
    }
    let explained = try object("config", "explain", "api.rate_limit", "--home", home)["keys"] as? [[String: Any]] ?? []
    let burst = try #require(explained.first { $0["key"] as? String == "api.rate_limit.burst_size" })
    #expect(burst["value"] as? Int == 100 && burst["default"] as? Int == 100 && burst["environment"] as? String == "MOLOCH_API_RATE_LIMIT_BURST_SIZE", "\(burst)")
    #expect(burst["reloadable"] as? Bool == true && burst["origin"] as? String == "default")
    let waits = try object("config", "explain", "api.drain_delay", "--home", home)["keys"] as? [[String: Any]] ?? []
    #expect(waits.first?["default"] as? Int == 10, "spans of time are seconds: \(waits)")
  }

  @Test func spansOfTimeOnTheCommandLineAreThoseOfTheConfiguration() throws {
    let scratch = try ScratchDirectory()
    for span in ["500ms", "30s", "5m", "24h", "7d", "365d"] {
      #expect(try Command.moloch("status", "--timeout", span, "--home", scratch.url.path).status == 69, "\(span)")
    }
    for span in ["0s", "366d", "1w", "5", "1.5s", ""] {
      let refused = try Command.moloch("status", "--timeout", span, "--home", scratch.url.path)
      #expect(refused.status == 64 && refused.errors.contains("'\(span)'"), "\(span): \(refused.status) \(refused.errors)")
    }
  }

  @Test func devBeginsAnewOnlyWhatItHasMade() throws {
    let scratch = try ScratchDirectory()
    var node: NodeProcess? = try NodeProcess(home: scratch.url)
    func hash() throws -> String { try Command.moloch("genesis", "hash", scratch.url.path + "/config/genesis.json").output }
    let client = try #require(try node?.client()), first = try hash(), key = try String(contentsOfFile: scratch.url.path + "/keys/node.pub", encoding: .utf8)
    #expect(try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: RecordMaker(client, key: .forTest()).next().bytes).status == 201)
    let dev = ["dev", "--reset", "--home", scratch.url.path]
    let running = try Command.run(NodeProcess.moloch, dev + ["--yes"])
    #expect(running.status == 75 && running.errors.contains("in use by process"), "\(running.errors)")
    node?.signal(SIGTERM)
    #expect(node?.waitForExit() == 0)
    let asked = try Command.run(NodeProcess.moloch, dev)
    #expect(asked.status == 64 && asked.errors.contains("--yes"), "\(asked.errors)")
    #expect(try hash() == first)
    node = try NodeProcess(home: scratch.url, arguments: ["--reset", "--yes"])
    let status = try #require(try node?.client().get("/v1/status").json)
    #expect(status["head_height"] as? Int == 0 && status["tree_size"] as? Int == 0, "\(status)")
    #expect(try hash() != first && key == String(contentsOfFile: scratch.url.path + "/keys/node.pub", encoding: .utf8))
    // Its validator votes on the new chain.
    let fresh = try #require(try node?.client())
    #expect(try fresh.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: RecordMaker(fresh, key: .forTest()).next().bytes).status == 201)
    // Not a chain of somebody else.
    let other = scratch.url.appendingPathComponent("other").path
    #expect(try Command.moloch("init", "--chain-id", "moloch-mainnet", "--home", other).status == 0)
    let foreign = try Command.moloch("dev", "--reset", "--yes", "--home", other)
    #expect(foreign.status == 64 && foreign.errors.contains("moloch-mainnet"), "\(foreign.errors)")
  }
}
