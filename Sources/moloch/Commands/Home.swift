import ArgumentParser
import Configuration
import Glibc

/// The node's home directory and the files that commands look for in it.
struct Home {
  /// Without a slash at the end.
  let path: String
  let configurationPath: String
  /// Nobody named `./moloch-dev`: it happens to lie in the working directory.
  let isGuessed: Bool

  /// `home`, else the directory that `config` stands in (its parent when that is named `config`), else `MOLOCH_HOME`, else the nearest ancestor of the
  /// working directory with `config/node.toml`, else `./moloch-dev` when `moloch dev` made one, else `/opt/moloch`.
  init(home: String?, config: String?) {
    let named = home ?? config.map { Self.home(ofConfiguration: $0) } ?? Terminal.environment("MOLOCH_HOME") ?? Self.ancestor()
    let found = named ?? Self.development() ?? "/opt/moloch"
    isGuessed = named == nil && found == Self.developmentName
    path = found.count > 1 && found.hasSuffix("/") ? String(found.dropLast()) : found
    configurationPath = config ?? path + "/config/node.toml"
  }

  var signerKeyPath: String { path + "/keys/signer.key" }

  private static func home(ofConfiguration file: String) -> String {
    let directory = parent(file)
    return directory.split(separator: "/").last == "config" ? parent(directory) : directory
  }

  private static func ancestor() -> String? {
    // getcwd allocates the text when it is given no buffer; it is copied and freed here.
    guard let text = unsafe getcwd(nil, 0) else { return nil }
    var directory = unsafe String(cString: text)
    unsafe free(text)
    while true {
      if Files.exists((directory == "/" ? "" : directory) + "/config/node.toml") { return directory }
      if directory == "/" { return nil }
      directory = parent(directory)
    }
  }

  /// The path from the root.
  static func absolute(_ path: String) -> String {
    if path.hasPrefix("/") { return path }
    // getcwd allocates the text when it is given no buffer; it is copied and freed here.
    guard let text = unsafe getcwd(nil, 0) else { return path }
    defer { unsafe free(text) }
    let directory = unsafe String(cString: text)
    return directory + (directory.hasSuffix("/") ? "" : "/") + path
  }

  private static let developmentName = "moloch-dev"
  private static func development() -> String? { Files.exists(developmentName + "/config") ? developmentName : nil }

  /// Says once in a process which home was guessed.
  static let guess: Void = Terminal.note("home: ./\(developmentName)")

  /// The directory part of a path: `.` when it has none.
  private static func parent(_ path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}

/// A span of time as people write it, on the command line as in the configuration: `500ms`, `30s`, `2m`, `1h`, `7d`. More than nothing, at most a year.
struct DurationArgument: ExpressibleByArgument {
  let milliseconds: UInt64

  init(milliseconds: UInt64) { self.milliseconds = milliseconds }

  init?(argument: String) {
    guard let milliseconds = Value.milliseconds(argument), (1...Self.millisecondsMax).contains(milliseconds) else { return nil }
    self.milliseconds = milliseconds
  }

  private static let millisecondsMax: UInt64 = 365 * 86_400_000

  var defaultValueDescription: String { Value.duration(milliseconds) }
}
