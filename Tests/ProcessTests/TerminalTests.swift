import Foundation
import Testing

/// What commands show: on a terminal of 80 columns, without colour, and in a pipe; and that `docs/terminal.md` shows the same.
@Suite struct TerminalTests {
  /// Commands of the page, as they are printed there. Places of the test stand for those of the page.
  private static let shown = [
    "moloch top --count 1", "moloch peers list", "moloch validator status", "moloch storage stats", "moloch status", "moloch maintenance verify",
    "moloch backup create /backup/today",
  ]

  /// The lines that a terminal of 80 columns is left with.
  private static func onTerminal(_ command: String) throws -> (lines: [String], raw: String) {
    let shown = try Command.run(
      URL(fileURLWithPath: "/usr/bin/script"), ["-qec", "stty cols 80 rows 24; \(command)", "/dev/null"], environment: ["TERM": "xterm", "NO_COLOR": "1"])
    let plain = shown.output.replacing(/\u{1B}\[[0-9;?]*[A-Za-z]/, with: "")
    // A bar is drawn over itself: what follows the last carriage return stays.
    let lines = plain.replacingOccurrences(of: "\r\n", with: "\n").split(separator: "\n", omittingEmptySubsequences: false)
      .map { String($0.split(separator: "\r").last ?? "") }
    return (lines, shown.output)
  }

  /// A line without what is another at each time.
  private static func skeleton(_ line: String) -> String {
    line.replacing(/12D3\S+/, with: "ID").replacing(/[0-9a-f]{64}/, with: "HEX").replacing(/\d[\d,]*(\.\d+)?/, with: "N").replacing(/N (B|kB|MB|GB)/, with: "N B")
      .replacing(/N m N s|N s|N ms/, with: "T").replacing(/(█| )+/, with: " ").trimmingCharacters(in: .whitespaces)
  }

  /// Blocks of the page by their command.
  private static func blocks(_ page: String) -> [String: [String]] {
    var (blocks, command): ([String: [String]], String?) = ([:], nil)
    for line in page.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("    $ ") { command = String(line.dropFirst(6)) }
      else if line.hasPrefix("    ") || line.isEmpty, let command { blocks[command, default: []].append(String(line.dropFirst(4))) }
      else { command = nil }
    }
    return blocks
  }

  @Test func thePageShowsWhatATerminalShows() throws {
    let cluster = try Cluster(chainID: "moloch-localnet")
    try cluster.start()
    _ = try cluster[0].finalise(20, of: try cluster.records())
    for member in cluster.members {
      try member.status {
        $0["tree_size"] as? Int == 20 && $0["checkpoint_size"] as? Int == 20 && $0["syncing"] as? Bool == false && $0["peer_count"] as? Int == 3 && $0["sync_lag"] as? Int == 0
      }
    }
    let home = cluster[0].home.path, page = try String(contentsOf: CommandTests.root.appendingPathComponent("docs/terminal.md"), encoding: .utf8)
    let blocks = Self.blocks(page)
    var fresh = ""
    for command in Self.shown {
      let words = command.replacingOccurrences(of: "moloch ", with: "\(NodeProcess.moloch.path) ").replacingOccurrences(of: "/backup/today", with: home + "/b1")
      let (lines, raw) = try Self.onTerminal(words + " --home \(home)")
      // A key and a path are printed whole.
      for line in lines where !line.contains("ed25519:") && !line.contains(home) { #expect(line.count <= 80, "\(command): \(line)") }
      #expect(!raw.contains(/\u{1B}\[[0-9;]*m/), "\(command) is coloured: \(raw)")
      let named = lines.map { $0.replacingOccurrences(of: home + "/b1", with: "/backup/today") }
      fresh += "    $ \(command)\n" + named.map { $0.isEmpty ? "\n" : "    \($0)\n" }.joined() + "\n"
      let wanted = (blocks[command] ?? []).map(Self.skeleton).filter { !$0.isEmpty }, seen = named.map(Self.skeleton).filter { !$0.isEmpty }
      #expect(seen == wanted, "docs/terminal.md shows another '\(command)'")
      // Piped, no escape code and no bar that is drawn over itself.
      let piped = try Command.run(URL(fileURLWithPath: "/bin/sh"), ["-c", words.replacingOccurrences(of: "/b1", with: "/b2") + " --home \(home)"])
      #expect(piped.status == 0 && !(piped.output + piped.errors).contains(/\u{1B}|\r/), "\(command): \(piped)")
      #expect(!piped.output.isEmpty)
      // What a narrow terminal does without is in the pipe.
      if command == "moloch peers list" { #expect(piped.output.contains("VERSION") && !raw.contains("VERSION")) }
    }
    #expect(Set(blocks.keys) == Set(Self.shown))
    try fresh.write(to: ArtifactTests.fresh("terminal.md"), atomically: true, encoding: .utf8)
  }
}
