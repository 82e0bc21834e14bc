import Foundation
import Testing

/// What the command line says to people and programs whatever the command: colours, hints, notes, paths in JSON.
@Suite struct CommandLineTests {
  /// Runs a shell's line on a terminal. `$0` is the program.
  private static func onTerminal(_ line: String, environment: [String: String]) throws -> Command {
    // Of the surroundings nothing is left that would change the colour.
    let words = ["-i", "PATH=/usr/bin:/bin", "HOME=/"] + environment.map { "\($0)=\($1)" } + ["/usr/bin/script", "-qec", line, "/dev/null"]
    return try Command.run(URL(fileURLWithPath: "/usr/bin/env"), words)
  }

  /// Each command that colours its results, with one stream on a terminal and the other in a file.
  @Test func aStreamIsColouredOnlyWhereItIsATerminal() throws {
    let scratch = try ScratchDirectory(), home = scratch.url.path, moloch = NodeProcess.moloch.path
    #expect(try Command.moloch("init", "--chain-id", "colour-1", "--home", home).status == 0)
    try "no record".write(toFile: home + "/x.record", atomically: true, encoding: .utf8)
    for (position, command) in ["doctor --home \(home)", "verify \(home)/x.record --genesis \(home)/config/genesis.json"].enumerated() {
      func run(_ suffix: String, _ environment: [String: String]) throws -> (terminal: String, file: String) {
        let file = "\(home)/out-\(position)"
        let shown = try Self.onTerminal("\(moloch) \(command) \(suffix) \(file); true", environment: environment)
        #expect(shown.status == 0, "\(command): \(shown)")
        return (shown.output, try String(contentsOfFile: file, encoding: .utf8))
      }
      let escape = "\u{1B}[3", xterm = ["TERM": "xterm"]
      let piped = try run(">", xterm)
      #expect(!piped.file.isEmpty && !piped.file.contains("\u{1B}"), "\(command): stderr is a terminal, stdout is not: \(piped.file)")
      let shown = try run("2>", xterm)
      #expect(shown.terminal.contains(escape), "\(command): stdout is a terminal: \(shown.terminal)")
      for environment in [["TERM": "xterm", "NO_COLOR": "1"], ["TERM": "xterm", "NO_COLOR": "1", "FORCE_COLOR": "1"], ["TERM": "dumb", "FORCE_COLOR": "1"]] {
        #expect(try !run("2>", environment).terminal.contains("\u{1B}"), "\(command): \(environment)")
      }
      #expect(try run(">", ["TERM": "xterm", "FORCE_COLOR": "1"]).file.contains(escape), "\(command): forced")
      #expect(try run("--color always >", ["TERM": "dumb", "NO_COLOR": "1"]).file.contains(escape), "\(command): asked for")
      #expect(try !run("--color never 2>", ["TERM": "xterm", "FORCE_COLOR": "1"]).terminal.contains("\u{1B}"), "\(command): not wanted")
    }
  }

  @Test func keygenPrintsAnyPathAsJSON() throws {
    let scratch = try ScratchDirectory(), directory = scratch.url.path + "/a \"b\" \\c"
    let made = try Command.moloch("keygen", "--output", directory, "--json")
    #expect(made.status == 0, "\(made.errors)")
    let json = try JSONSerialization.jsonObject(with: Data(made.output.utf8)) as? [String: String] ?? [:]
    #expect(json["key_file"] == directory + "/node.key" && json["public_file"] == directory + "/node.pub" && json["schema"] == "moloch.keygen/1", "\(made.output)")
  }

  @Test(arguments: [["--home", "/x", "rn"], ["--json", "status"], ["peers", "--json", "list"], ["-q"]]) func anOptionBeforeTheCommandIsToldToFollowIt(_ words: [String]) throws {
    let option = try #require(words.first { $0.hasPrefix("-") })
    let refused = try Command.run(NodeProcess.moloch, words)
    #expect(refused.status == 64 && refused.output.isEmpty)
    #expect(refused.errors.hasPrefix("error: \(option) stands before the command: options follow it"), "\(refused.errors)")
  }

  @Test(arguments: [["--help"], ["-h"], ["--version"], ["peers", "--help"], ["help", "peers"]]) func whatNeedsNoCommandIsAnswered(_ words: [String]) throws {
    let shown = try Command.run(NodeProcess.moloch, words)
    #expect(shown.status == 0 && !shown.output.isEmpty && shown.errors.isEmpty, "\(shown)")
  }

  @Test func aBalancerThatCannotSeeTheDrainIsWarnedOf() throws {
    let scratch = try ScratchDirectory()
    func made(_ delay: String, _ more: String...) throws -> Command {
      try Command.run(
        NodeProcess.moloch, ["gen", "haproxy", "--home", scratch.url.path, "--servers", "127.0.0.1:8080"] + more, environment: ["MOLOCH_API_DRAIN_DELAY": delay])
    }
    let short = try made("299ms")
    #expect(short.status == 0 && short.output.contains("# 3 checks 100 ms apart do not see it in time"), "\(short.output)")
    #expect(short.errors == "warning: api.drain_delay = 299ms is shorter than 3 checks 100 ms apart: a node that drains is gone before the balancer sees it; set it to 300ms or more\n")
    #expect(try made("0s").errors.hasPrefix("warning: api.drain_delay = 0s is shorter"))
    #expect(try made("0s", "--quiet").errors.isEmpty)
    let enough = try made("300ms")
    #expect(enough.errors.isEmpty && enough.output.contains("# 3 checks 100 ms apart see it in time"), "\(enough)")
  }

  @Test func aHomeThatIsGuessedIsSaidOnce() throws {
    let scratch = try ScratchDirectory()
    #expect(try Command.moloch("init", "--chain-id", "guess-1", "--home", "moloch-dev", directory: scratch.url).status == 0)
    let guessed = try Command.moloch("config", "show", "node.chain_id", directory: scratch.url)
    #expect(guessed.status == 0 && guessed.output.contains("guess-1") && guessed.errors == "home: ./moloch-dev\n", "\(guessed)")
    // A command that asks for the home more than once.
    let again = try Command.moloch("init", "--chain-id", "guess-1", directory: scratch.url)
    #expect(again.status == 73 && again.errors.components(separatedBy: "home: ./moloch-dev\n").count == 2, "\(again)")
    #expect(try Command.moloch("config", "show", "node.chain_id", "--quiet", directory: scratch.url).errors.isEmpty)
    #expect(try Command.moloch("config", "show", "node.chain_id", "--home", "moloch-dev", directory: scratch.url).errors.isEmpty)
    let named = try Command.run(NodeProcess.moloch, ["config", "show", "node.chain_id"], directory: scratch.url, environment: ["MOLOCH_HOME": scratch.url.path + "/moloch-dev"])
    #expect(named.status == 0 && named.errors.isEmpty, "\(named)")
  }
}
