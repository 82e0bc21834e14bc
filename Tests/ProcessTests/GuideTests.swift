import Foundation
import Testing

/// Every line of the operations guide that an operator types, reads or configures, with the tests that run it. `docs/guide-lines.md` is made from this table.
@Suite struct GuideTests {
  struct Line {
    var text: String
    /// Names of test functions.
    var tests: [String]
    /// What the tests leave out.
    var remark = ""

    init(_ text: String, _ tests: String..., remark: String = "") { (self.text, self.tests, self.remark) = (text, tests, remark) }
  }

  static var page: String {
    var page = """
      # Lines of the operations guide and their tests

      Made from the table in `Tests/ProcessTests/GuideTests.swift`; a test compares, and another one looks for every test that is named here.

      """
    for (section, lines) in Self.lines {
      page += "\n## \(section)\n\n| line | tests | remark |\n|---|---|---|\n"
      for line in lines {
        let text = line.text.replacingOccurrences(of: "|", with: "\\|")
        page += "| `\(text)` | \(line.tests.isEmpty ? "none" : line.tests.map { "`\($0)`" }.joined(separator: ", ")) | \(line.remark) |\n"
      }
    }
    return page
  }

  @Test func thePageIsMadeFromTheTable() throws {
    let stored = (try? String(contentsOf: ArtifactTests.docs.appendingPathComponent("guide-lines.md"), encoding: .utf8)) ?? ""
    guard stored != Self.page else { return #expect(stored.count > 1000) }
    let fresh = ArtifactTests.fresh("guide-lines.md")
    try Self.page.write(to: fresh, atomically: true, encoding: .utf8)
    Issue.record("docs/guide-lines.md differs from the table; the page of the table is \(fresh.path)")
  }

  @Test func everyNamedTestIsThere() throws {
    let tests = CommandTests.root.appendingPathComponent("Tests")
    var text = ""
    for case let file as URL in FileManager.default.enumerator(at: tests, includingPropertiesForKeys: nil)! where file.pathExtension == "swift" {
      text += try String(contentsOf: file, encoding: .utf8)
    }
    for line in Self.lines.flatMap({ $0.lines }) {
      for test in line.tests { #expect(text.contains("func \(test)("), "\(test) is named for '\(line.text)' and does not exist") }
      #expect(!line.tests.isEmpty || !line.remark.isEmpty, "nothing runs '\(line.text)'")
    }
    #expect(!text.contains("func " + "aTestThatIsNotThere("))
  }

  // MARK: Lines that no other test runs

  static func shell(_ script: String) throws -> Command { try Command.run(URL(fileURLWithPath: "/bin/bash"), ["-c", script]) }

  @Test func jqReadsTheGuidesAnswers() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let api = "http://localhost:\(node.apiPort)"
    let keys = try Self.shell("curl -s \(api)/v1/status | jq -r 'keys_unsorted[:6] | join(\" \")'")
    #expect(keys.output == "chain_id head_height head_hash peer_count syncing version\n", "\(keys.output)\(keys.errors)")
    #expect(try Self.shell("curl -s \(api)/v1/status | jq .peer_count").output == "0\n")
    #expect(try Self.shell("curl -s \(api)/v1/status | jq .mempool_size").output == "0\n")
    let watched = try Self.shell("curl -s \(api)/v1/status | jq -c \"{height: .head_height, syncing: .syncing}\"")
    // An empty block may have come.
    #expect(watched.output.wholeMatch(of: /{"height":\d+,"syncing":false}\n/) != nil, "\(watched.output)")
    #expect(try Self.shell("curl -s \(api)/v1/peers | jq -c '[.count, (.peers | length)]'").output == "[0,0]\n")
    #expect(try Self.shell("curl -sf \(api)/v1/health | jq -r .status").output == "ok\n")
  }

  /// The section on resyncing, line by line, with the home of the test in the place of /opt/moloch and signals in the place of systemctl.
  @Test func theGuidesResyncIsRunAsPrinted() throws {
    let cluster = try Cluster()
    try cluster.start()
    let (ids, total) = try cluster[0].finalise(30, of: try cluster.records())
    let member = cluster[3]
    try member.expectFinal([ids[29]])
    #expect(member.stop() == 0, "\(member.lastLines)")
    let home = member.home.path
    func kept() throws -> String { try Self.shell("cd \(home) && sha256sum config/* keys/* && ls data/validator && test -f data/peers.json && echo peers").output }
    let before = try kept()
    #expect(before.hasSuffix("peers\n"))
    for line in ["rm -rf /opt/moloch/data/chain/*", "rm -rf /opt/moloch/data/mmr/*", "rm -rf /opt/moloch/data/index/*"] {
      #expect(try Self.shell(line.replacingOccurrences(of: "/opt/moloch", with: home)).status == 0)
    }
    #expect(try Self.shell("ls \(home)/data/chain \(home)/data/mmr \(home)/data/index | grep -v : | grep -c .").output == "0\n")
    try member.start()
    // What `watch` would show, as often as it can be asked.
    let watched = "curl -s http://localhost:\(member.apiPort)/v1/status | jq -c \"{height: .head_height, syncing: .syncing}\""
    var heights: [Int] = []
    let deadline = Date(timeIntervalSinceNow: 180)
    while Date() < deadline {
      let shown = try Self.shell(watched).output
      let object = try JSONSerialization.jsonObject(with: Data(shown.utf8)) as? [String: Any]
      // Null until the store is open.
      guard let height = object?["height"] as? Int else { continue }
      heights.append(height)
      if object?["syncing"] as? Bool == false, height >= total { break }
    }
    #expect(heights.last ?? 0 >= total && heights == heights.sorted(), "\(heights)")
    #expect(try kept() == before)
    try member.expectFinal(ids)
    try cluster.expectAgreement(at: total)
  }

  @Test func duListsTheDirectoriesOfTheGuide() throws {
    let scratch = try ScratchDirectory()
    let node = try BackupTests.node(scratch, events: 1)
    let listed = try Self.shell("du -sh \(node.home.path)/data/*")
    #expect(listed.status == 0)
    let names = Set(listed.output.split(separator: "\n").compactMap { $0.split(separator: "/").last.map(String.init) })
    #expect(names.isSuperset(of: ["chain", "mmr", "index", "validator"]), "\(listed.output)")
  }

  @Test func aCopiedDataDirectoryIsComplete() throws {
    let scratch = try ScratchDirectory()
    let node = try BackupTests.node(scratch, events: 3)
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0)
    let copied = try Self.shell("cd \(node.home.path) && cp -r data data.incident-$(date +%s) && find data -type s -o -type p | wc -l && rm -r data && mv data.incident-* data")
    #expect(copied.status == 0 && copied.output.hasPrefix("0"), "\(copied.output)\(copied.errors)")
    let verified = try Command.moloch("maintenance", "verify", "--level", "deep", "--home", node.home.path)
    #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
  }
}
