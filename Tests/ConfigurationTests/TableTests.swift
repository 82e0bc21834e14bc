import Configuration
import Foundation
import Testing

@Suite struct TableTests {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  @Test func namesAreUnique() {
    #expect(Key.table.count > 120)
    #expect(Set(Key.table.map { $0.name }).count == Key.table.count)
    #expect(Set(Key.table.map { $0.variable }).count == Key.table.count)
  }

  /// A key written into a file with its own default is accepted and means the same.
  @Test func everyDefaultIsAcceptable() {
    for key in Key.table {
      guard let standard = key.standard else { continue }
      let result = settings("\(key.name) = \(standard.toml)")
      #expect(!result.hasErrors, "\(key.name): \(result.findings.map { $0.text })")
      #expect(result[key.name].value == standard, "\(key.name)")
    }
  }

  @Test func theFileOfInitSetsWhatItIsTold() {
    let text = Manual.nodeFile([("node.chain_id", .text("audit-1")), ("network.max_peers", .integer(20))])
    let result = settings(text)
    #expect(!result.hasErrors, "\(result.findings.map { $0.text })")
    #expect(result.text("node.chain_id") == "audit-1" && result.integer("network.max_peers") == 20)
    for key in Key.table where key.name != "node.chain_id" && key.name != "network.max_peers" { #expect(result[key.name].origin == .standard) }
    // With the comment signs gone every default stands there and is read.
    let full = text.split(separator: "\n").map { $0.hasPrefix("# ") && $0.contains(" = ") && !$0.contains("(") ? String($0.dropFirst(2)) : String($0) }.joined(separator: "\n")
    let everything = settings(full)
    #expect(!everything.hasErrors, "\(everything.findings.map { $0.text })")
    for key in Key.table where key.standard != nil { #expect(everything[key.name].origin != .standard, "\(key.name)") }
  }

  /// The guide's tuning example, as printed there.
  @Test func theKeysOfTheGuideAreAccepted() {
    let result = settings(
      """
      [storage]
      cache_size_mb = 1024
      write_buffer_size_mb = 128
      max_open_files = 50000
      compression = "lz4"
      [network]
      max_peers = 100
      max_concurrent_requests = 10
      message_buffer_size = 1000
      """)
    #expect(!result.hasErrors)
    #expect(result.integer("storage.cache_size_mb") == 1024 && result.integer("network.message_buffer_size") == 1000)
  }

  @Test func theManualPageIsThatOfTheTable() throws {
    let page = try String(contentsOf: Self.root.appendingPathComponent("docs/configuration.md"), encoding: .utf8)
    if page != Manual.page {
      let fresh = FileManager.default.temporaryDirectory.appendingPathComponent("moloch-\(getuid())-configuration.md")
      try Manual.page.write(to: fresh, atomically: true, encoding: .utf8)
      Issue.record("docs/configuration.md differs from the table; the page of the table is \(fresh.path)")
    }
  }

  @Test func keysWithoutEffectAreListedUnderLimits() throws {
    let limits = try String(contentsOf: Self.root.appendingPathComponent("docs/limits.md"), encoding: .utf8)
    let list = Key.inert.map { "`\($0)`" }.joined(separator: " ")
    #expect(limits.split(whereSeparator: { $0 == " " || $0 == "\n" }).joined(separator: " ").contains(list), "docs/limits.md should list: \(list)")
    for name in Key.inert { #expect(Key.table.contains { $0.name == name || $0.name.hasPrefix(name + ".") }, "\(name) is no key or section") }
  }

  @Test func anExplanationNamesEverything() throws {
    let key = try #require(Key.table.first { $0.name == "api.rate_limit.burst_size" })
    let text = Manual.explanation(key, settings("")["api.rate_limit.burst_size"])
    for part in ["api.rate_limit.burst_size", "100 (default)", "MOLOCH_API_RATE_LIMIT_BURST_SIZE", "SIGHUP"] { #expect(text.contains(part), "\(text)") }
  }
}
