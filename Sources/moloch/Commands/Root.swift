import ArgumentParser
import Glibc

/// The command tree. `main` is our own, so that exit codes are ours: usage errors end with 64, unexpected ones with 70.
@main struct Root: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "moloch",
    abstract: "A node of an audit chain, and the tools to use it.",
    discussion: "Start with 'moloch dev': it makes a chain of its own, runs a node for it and prints what to try next.",
    version: Release.line,
    subcommands: [
      DevCommand.self, RunCommand.self, InitCommand.self, KeygenCommand.self, EventCommand.self, VerifyCommand.self, StatusCommand.self, StorageCommand.self,
      GenesisCommand.self, MaintenanceCommand.self, LocalnetCommand.self,
    ])

  static func main() {
    let arguments = Array(CommandLine.arguments.dropFirst())
    if let complaint = UnknownCommand.complaint(arguments) {
      Terminal.note(complaint)
      Glibc.exit(Exit.usage.rawValue)
    }
    do {
      var command = try Root.parseAsRoot(arguments)
      try command.run()
    } catch let failure as CommandFailure {
      Terminal.note("error: \(failure.message)")
      Glibc.exit(failure.code.rawValue)
    } catch let code as ExitCode {
      Glibc.exit(code.rawValue)
    } catch {
      let code = Root.exitCode(for: error)
      let message = Root.fullMessage(for: error)
      if code == .success {
        if !message.isEmpty { Terminal.print(message) }
        Glibc.exit(0)
      }
      if !message.isEmpty { Terminal.note(message) }
      Glibc.exit(code == .validationFailure ? Exit.usage.rawValue : Exit.internalError.rawValue)
    }
  }
}

/// A misspelt command names its nearest neighbour instead of printing the whole help.
enum UnknownCommand {
  /// The message for a first word that is no command, or nil.
  static func complaint(_ arguments: [String]) -> String? {
    var tree: any ParsableCommand.Type = Root.self
    for word in arguments {
      if word.hasPrefix("-") { return nil }
      let children = tree.configuration.subcommands
      guard !children.isEmpty else { return nil }
      if word == "help" { return nil }
      if let child = children.first(where: { $0._commandName == word }) {
        tree = child
        continue
      }
      let names = children.map { $0._commandName }
      let nearest = names.min { distance($0, word) < distance($1, word) } ?? ""
      let hint = distance(nearest, word) <= max(2, word.count / 3) ? ", did you mean '\(nearest)'?" : "; 'moloch --help' lists the commands"
      return "error: unknown command '\(word)'\(hint)"
    }
    return nil
  }

  /// Edit distance with insertion, deletion, replacement.
  static func distance(_ a: String, _ b: String) -> Int {
    let a = Array(a), b = Array(b)
    var row = Array(0...b.count)
    for i in 0..<a.count {
      var diagonal = row[0]
      row[0] = i + 1
      for j in 0..<b.count {
        let replaced = diagonal + (a[i] == b[j] ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(replaced, row[j] + 1, diagonal + 1)
      }
    }
    return row[b.count]
  }
}
