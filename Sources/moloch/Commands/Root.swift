import ArgumentParser
import Configuration
import Glibc

/// The command tree. `main` is our own, so that exit codes are ours: usage errors end with 64, unexpected ones with 70.
@main struct Root: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "moloch",
    abstract: "A node of an audit chain, and the tools to use it.",
    discussion: "Start with 'moloch dev': it makes a chain of its own, runs a node for it and prints what to try next.",
    version: Release.line,
    subcommands: [
      DevCommand.self, RunCommand.self, InitCommand.self, ValidateConfigCommand.self, ConfigCommand.self, KeygenCommand.self, EventCommand.self, VerifyCommand.self, StatusCommand.self, StorageCommand.self, PeersCommand.self,
      ValidatorCommand.self, SignerCommand.self, ParametersCommand.self, RedactCommand.self, GenesisCommand.self, MaintenanceCommand.self, BackupCommand.self, MigrateCommand.self, ReloadCommand.self, DrainCommand.self, LogCommand.self, LocalnetCommand.self, TopCommand.self, SyncCommand.self, DoctorCommand.self, DebugCommand.self, MetricsCommand.self, GenCommand.self, CompletionCommand.self,
    ])

  static func main() {
    let arguments = Array(CommandLine.arguments.dropFirst())
    if let complaint = UnknownCommand.complaint(arguments) {
      Terminal.note(complaint)
      end(Exit.usage.rawValue)
    }
    do {
      var command = try Root.parseAsRoot(arguments)
      try command.run()
      end(0)
    } catch let failure as CommandFailure {
      Terminal.note("error: \(failure.message)")
      end(failure.code.rawValue)
    } catch let code as ExitCode {
      end(code.rawValue)
    } catch {
      let code = Root.exitCode(for: error)
      let message = Root.fullMessage(for: error)
      if code == .success {
        if !message.isEmpty { Terminal.print(message) }
        end(0)
      }
      if !message.isEmpty { Terminal.note(message) }
      end(code == .validationFailure ? Exit.usage.rawValue : Exit.internalError.rawValue)
    }
  }
}

extension Root {
  /// Ends the process without exit handlers. Those of the libraries take away what threads of this process may still use: a start that fails ends while the storage
  /// thread opens the chain. What has to be written was written before, whatever ends a process.
  private static func end(_ code: Int32) -> Never {
    // Of every stream.
    fflush(nil)
    _exit(code)
  }
}

/// A misspelt command names its nearest neighbour instead of printing the whole help.
enum UnknownCommand {
  /// Options that need no command: two for people, two of the argument parser for other programs.
  private static let early = ["--help", "--help-hidden", "--version", "--generate-completion-script", "--experimental-dump-help"]

  /// The message for a first word that is no command, or nil.
  static func complaint(_ arguments: [String]) -> String? {
    var tree: any ParsableCommand.Type = Root.self
    for word in arguments {
      let children = tree.configuration.subcommands
      guard !children.isEmpty else { return nil }
      if word.hasPrefix("-") {
        let isOwn = word == "-h" || early.contains { word == $0 || word.hasPrefix($0 + "=") }
        return isOwn ? nil : "error: \(word) stands before the command: options follow it, as in 'moloch status --home DIR'; 'moloch --help' lists the commands"
      }
      if word == "help" { return nil }
      if let child = children.first(where: { $0._commandName == word }) {
        tree = child
        continue
      }
      let nearest = Nearest.name(to: word, among: children.map { $0._commandName })
      let hint = nearest.map { ", did you mean '\($0)'?" } ?? "; 'moloch --help' lists the commands"
      return "error: unknown command '\(word)'\(hint)"
    }
    return nil
  }
}
