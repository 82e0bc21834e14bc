import ArgumentParser
import Glibc

extension Terminal.ColorChoice: ExpressibleByArgument {}

/// The options that every command takes.
struct GlobalOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The node's home directory.", valueName: "dir")) var home: String?
  @Option(help: ArgumentHelp("The configuration file; default HOME/config/node.toml.", valueName: "file")) var config: String?
  @Flag(help: "Print one JSON object instead of text.") var json = false
  @Option(help: ArgumentHelp("Colour: auto, always or never.", valueName: "when")) var color: Terminal.ColorChoice = .auto
  @Flag(help: "Print results and errors only.") var quiet = false
  @Flag(help: "Answer yes to every question.") var yes = false
  @Option(
    name: .customLong("timeout"), help: ArgumentHelp("How long a node may take to answer, for example 500ms, 30s or 2m; default 30s.", valueName: "duration"))
  var timeLimit: DurationArgument?

  var timeout: DurationArgument { timeLimit ?? DurationArgument(milliseconds: 30_000) }
  /// Standard error, and standard output.
  var terminal: Terminal { Terminal(STDERR_FILENO, color: color) }
  var output: Terminal { Terminal(STDOUT_FILENO, color: color) }
  /// The home; one that was guessed is said on stderr, unless quiet.
  var directory: Home {
    let found = Home(home: home, config: config)
    if found.isGuessed, !quiet { Home.guess }
    return found
  }

  /// Asks on a terminal before something is deleted or given up; `--yes` answers.
  /// - Parameter what: what is about to happen, as a sentence without its full stop.
  /// - Throws: 2 when the answer is no, 64 without a terminal.
  func confirm(_ what: String) throws(CommandFailure) {
    guard !yes else { return }
    guard isatty(STDIN_FILENO) == 1 else { throw CommandFailure("\(what), and there is no terminal to ask: repeat with --yes", Exit.usage) }
    Terminal.write("\(what). Go on? [y/N] ", to: STDERR_FILENO)
    guard ["y", "yes"].contains(readLine()?.lowercased() ?? "") else { throw CommandFailure("nothing was changed", Exit.no) }
  }

  /// A note on stderr, unless quiet.
  func note(_ line: String) { if !quiet { Terminal.note(line) } }
}
