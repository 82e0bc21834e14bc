import Audit
import Foundation
import Testing

/// Data that the release before has written: a home with six events, of which the second was redacted and kept its body.
@Suite(.serialized) struct MigrationTests {
  private static let redacted = "evt_367f31093fb54f3c500d5d6712031339959a9fd9a516af6d97215b80ac013474"
  private static let proposal = "evt_6d911cf7aae99710710251623eaca0c69a45c1870dd18cb991a519317c8b837c"
  private static let whole = "evt_0cba14eaab8c85f05b7b555471d663dce11eb194935fc454a7296cd82602c63f"
  private static let body = "body-of-event-2-ABCDEFGH"
  private static let headHash = "1e93b13b385e41fbae8d53d87839d5681695316dd4dfaa76dafe05642dc07bf9"

  private let scratch: ScratchDirectory
  private let node: Cluster.Member
  private let genesis: Data

  init() throws {
    scratch = try ScratchDirectory()
    node = try Cluster(count: 1).join("old", in: scratch.url, peers: [], extra: RedactionTests.uncompressed)
    let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden/format-1.txt")
    for line in try String(contentsOf: fixture, encoding: .utf8).split(separator: "\n") where !line.hasPrefix("#") {
      let parts = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
      let file = node.file(String(parts[0]))
      try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try #require(Data(base64Encoded: String(parts[1]))).write(to: file)
    }
    genesis = try Data(contentsOf: node.file("config/genesis.json"))
  }

  private func migrate(_ words: String...) throws -> Command { try Command.run(NodeProcess.moloch, ["migrate", "--home", node.home.path] + words) }
  private func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: node.file(path).path) }
  private var format: String { (try? String(contentsOf: node.file("data/FORMAT"), encoding: .utf8)) ?? "" }
  private func isBodyThere(_ path: String) throws -> Bool { try !RedactionTests.files(with: Self.body, below: node.file(path)).isEmpty }

  /// The migrated data serve, with every proof, and without the body.
  private func expectMigrated() throws {
    #expect(format == "moloch-data 2\n")
    #expect(try !isBodyThere("data/chain"))
    #expect(!exists("data/migrating"))
    try node.start(options: ["--api-only"])
    let status = try node.status { $0["head_hash"] is String }
    #expect(status["head_hash"] as? String == Self.headHash && status["tree_size"] as? Int == 7, "\(status)")
    let redacted = try node.read("/v1/events/\(Self.redacted)") { $0["status"] is String }
    #expect(redacted["redacted"] as? Bool == true && redacted["redaction_id"] as? String == Self.proposal && redacted["body"] is NSNull, "\(redacted)")
    let whole = try node.read("/v1/events/\(Self.whole)") { $0["status"] is String }
    #expect(whole["redacted"] as? Bool == false && whole["body"] is [String: Any], "\(whole)")
    for id in [Self.redacted, Self.whole] { try node.expectBundleVerifies(try #require(EventID(text: id)), genesis: [UInt8](genesis)) }
    #expect(node.stop() == 0)
    let verified = try Command.moloch("maintenance", "verify", "--level", "deep", "--home", node.home.path)
    #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
  }

  /// The plan says what the table of `docs/releases.md` says of this release; the page may go on behind it.
  private func expectReleaseNotes(_ plan: String) throws {
    let page = try String(contentsOf: CommandTests.root.appendingPathComponent("docs/releases.md"), encoding: .utf8)
    let version = try #require(Command.moloch("--version").output.split(separator: " ").dropFirst().first)
    let section = try #require(page.components(separatedBy: "\n## ").first { $0.hasPrefix("\(version)\n") }, "\(version) has no section")
    let rows = section.split(separator: "\n").filter { $0.hasPrefix("| ") && !$0.hasPrefix("| |") }.map { $0.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) } }
    #expect(rows.count == 5, "\(rows)")
    #expect(plan.contains("Release:                \(version)\n"))
    for row in rows {
      let said = try #require(plan.split(separator: "\n").first { $0.hasPrefix("\(row[0]):") }, "\(row[0]) is not in the plan: \(plan)")
      let text = said.dropFirst(row[0].count + 1).trimmingCharacters(in: .whitespaces)
      #expect(!text.isEmpty && row[1].replacingOccurrences(of: "`", with: "").hasPrefix(text), "docs/releases.md: \(row[1]); --plan: \(text)")
    }
  }

  private func expectRefusal(_ text: String) throws {
    let run = try Command.moloch("run", "--api-only", "--home", node.home.path)
    #expect(run.status == 78 && (run.errors + run.output).contains(text), "\(run.status) \(run.errors)")
  }

  @Test func theDataOfTheReleaseBeforeIsBroughtForwardAndBack() throws {
    #expect(try isBodyThere("data/chain"))
    try expectRefusal("data format 1 is older than format 2 of moloch 1.0.0; run: moloch migrate")
    let plan = try migrate("--plan")
    #expect(plan.status == 0 && plan.output.contains("Data format:            1, this program has 2\n") && plan.output.hasSuffix("nothing was changed\n"), "\(plan.output)")
    try expectReleaseNotes(plan.output)
    #expect(format == "moloch-data 1\n" && !exists("data/migrating") && !exists("data/pre-migrate-1"))
    #expect(try migrate("--finish").status == 78)
    #expect(try migrate("--rollback").status == 78)
    let done = try migrate()
    #expect(done.status == 0 && done.output.hasPrefix("Data format: 2. 1 redacted events;"), "\(done.output)\(done.errors)")
    #expect(try isBodyThere("data/pre-migrate-1"))
    try expectMigrated()
    #expect(try migrate().output == "Data format: 2 (current). Nothing to migrate.\n")
    let current = try migrate("--plan")
    #expect(current.status == 0 && current.output.hasSuffix("\nData format: 2 (current). Nothing to migrate.\n"), "\(current.output)")
    try expectReleaseNotes(current.output)
    // Back to the release before, and forward again.
    #expect(try migrate("--rollback").status == 0)
    #expect(try format == "moloch-data 1\n" && isBodyThere("data/chain") && !exists("data/pre-migrate-1"))
    try expectRefusal("run: moloch migrate")
    #expect(try migrate().status == 0)
    try expectMigrated()
    let asked = try migrate("--finish")
    #expect(asked.status == 64 && asked.errors.contains("--yes") && exists("data/pre-migrate-1"), "\(asked.errors)")
    #expect(try migrate("--finish", "--yes").status == 0)
    #expect(try !exists("data/pre-migrate-1") && !exists("data/post-migrate-2") && !isBodyThere("data"))
    try expectMigrated()
    let planned = try JSONSerialization.jsonObject(with: Data(migrate("--plan", "--json").output.utf8)) as? [String: Any]
    let release = planned?["release"] as? [String: Any]
    #expect(release?["version"] as? String == "1.0.0" && release?["kind"] as? String == "breaking" && release?["protocol_min"] as? Int == 1, "\(planned ?? [:])")
    let json = try migrate("--json")
    #expect(json.output.hasPrefix("{\"schema\":\"moloch.migrate/1\",\"outcome\":\"current\",\"format_found\":2"), "\(json.output)")
  }

  @Test func dataOfALaterReleaseIsRefused() throws {
    try Data("moloch-data 3\n".utf8).write(to: node.file("data/FORMAT"))
    try expectRefusal("data format 3 needs moloch > 1.0.0, which has format 2")
    let refused = try migrate()
    #expect(refused.status == 78 && refused.errors.contains("data format 3 needs moloch > 1.0.0"), "\(refused.errors)")
    try Data("something\n".utf8).write(to: node.file("data/FORMAT"))
    try expectRefusal("data/FORMAT says \"something\"")
  }

  enum Stop: CaseIterable { case halfBuilt, built, oldAway, newInPlace }

  /// The command was killed at any of its steps: run again, it goes on.
  @Test(arguments: Stop.allCases) func anInterruptedMigrationGoesOn(stop: Stop) throws {
    let files = FileManager.default
    // What each step leaves behind is made of the results of a whole migration.
    #expect(try migrate().status == 0)
    try Data("moloch-data 1\n".utf8).write(to: node.file("data/FORMAT"))
    try files.createDirectory(at: node.file("data/migrating"), withIntermediateDirectories: true)
    func move(_ from: String, _ to: String) throws { try files.moveItem(at: node.file("data/" + from), to: node.file("data/" + to)) }
    if stop != .halfBuilt { try Data("1\n".utf8).write(to: node.file("data/migrating/DONE")) }
    switch stop {
    case .halfBuilt:
      try files.removeItem(at: node.file("data/chain"))
      try move("pre-migrate-1/chain", "chain")
      try files.createDirectory(at: node.file("data/migrating/chain"), withIntermediateDirectories: true)
      try Data("half".utf8).write(to: node.file("data/migrating/chain/CURRENT"))
      try files.createSymbolicLink(atPath: node.file("data/migrating/mmr").path, withDestinationPath: "../mmr")
    case .built:
      try move("chain", "migrating/chain")
      try move("pre-migrate-1/chain", "chain")
    case .oldAway: try move("chain", "migrating/chain")
    case .newInPlace: break
    }
    let again = try migrate()
    #expect(again.status == 0 && again.output.hasPrefix("Data format: 2. 1 redacted events;"), "\(stop): \(again.output)\(again.errors)")
    #expect(try isBodyThere("data/pre-migrate-1"))
    try expectMigrated()
  }
}
