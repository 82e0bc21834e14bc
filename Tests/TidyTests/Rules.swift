import Foundation

/// A breach of a rule of style, with what to do about it.
struct Finding: Equatable, CustomStringConvertible {
  var path: String
  var line: Int
  var rule: String
  var description: String { "\(path):\(line): \(rule)" }
}

/// The rules that no compiler checks, each a function over one file.
enum Rules {
  /// A file beyond this many lines is to be split by theme.
  static let fileLinesMax = 600

  static func length(_ path: String, _ text: String) -> [Finding] {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).count
    return lines > fileLinesMax ? [Finding(path: path, line: lines, rule: "more than \(fileLinesMax) lines: split the file by theme")] : []
  }

  static func names(_ path: String, _ text: String) -> [Finding] {
    let file = path.split(separator: "/").last.map { String($0.dropLast(6)) } ?? ""
    let bad = ["Manager", "Helper", "Util", "Utils", "Common", "Misc", "Wrapper", "Impl"]
    return bad.contains { file.hasSuffix($0) } ? [Finding(path: path, line: 1, rule: "the name '\(file)' says nothing: use the field's noun")] : []
  }

  /// Unsafe code stands in the modules that handle memory, the kernel or C libraries; in others no file may need it.
  static let unsafeModules: Set<String> = ["Bytes", "Lanes", "Digests", "Configuration", "Ed25519", "Mempool", "Reactor", "RocksStore", "MolochNode", "HTTP1", "JSON", "moloch", "moloch-load", "moloch-sim", "TLS"]

  static func unsafeCode(_ path: String, _ text: String) -> [Finding] {
    let parts = path.split(separator: "/").map(String.init)
    guard parts.first == "Sources", parts.count > 1, !unsafeModules.contains(parts[1]) else { return [] }
    return lines(text) { $0.contains("unsafe ") && !$0.hasPrefix("//") }.map {
      Finding(path: path, line: $0, rule: "unsafe code has an address: \(unsafeModules.sorted().joined(separator: ", "))")
    }
  }

  /// Engines read no clock and draw no entropy: time and seeds are arguments.
  static let pureModules: Set<String> = [
    "Bytes", "Lanes", "Ambient", "Digests", "Metrics", "Configuration", "Merkle", "HTTP1", "JSON", "PeerWire", "Audit", "Verification", "Mempool", "Consensus", "Ledger", "Replication", "Simulation",
  ]

  static func purity(_ path: String, _ text: String) -> [Finding] {
    let parts = path.split(separator: "/").map(String.init)
    guard parts.first == "Sources", parts.count > 1, pureModules.contains(parts[1]) else { return [] }
    let banned = ["clock_gettime", "SystemRandomNumberGenerator", "gettimeofday", "getrandom(", ".random(in", "Date()", "pthread_", " print("]
    return lines(text) { line in !line.hasPrefix("//") && banned.contains { (" " + line).contains($0) } }.map {
      Finding(path: path, line: $0, rule: "a pure target reads no clock, draws no entropy and prints nothing")
    }
  }

  static func promises(_ path: String, _ text: String) -> [Finding] {
    let words = ["TO" + "DO", "FIX" + "ME", "not " + "implemented yet"]
    return lines(text) { line in words.contains { line.contains($0) } }.map { Finding(path: path, line: $0, rule: "code instead of a promise, please") }
  }

  static func foundation(_ path: String, _ text: String) -> [Finding] {
    guard path.hasPrefix("Sources/") else { return [] }
    return lines(text) { $0.hasSuffix("import Foundation") }.map { Finding(path: path, line: $0, rule: "no Foundation in the node") }
  }

  /// Imports of the package's own targets must be declared in the manifest.
  /// Both modules declare the system's types. For the files that a compiler takes together, the one that is asked first owns them, and a file that imports only the other one
  /// does not compile: in a target that uses both, every file imports both or none.
  static func systemTypes(_ path: String, _ text: String) -> [Finding] {
    let imports = text.split(separator: "\n").filter { $0 == "import CLinux" || $0 == "import Glibc" }
    return path.hasPrefix("Sources/MolochNode/") && !(imports.isEmpty || imports == ["import CLinux", "import Glibc"]) ? [Finding(path: path, line: 1, rule: "import CLinux and Glibc together")] : []
  }

  static func imports(_ path: String, _ text: String, declared: [String: Set<String>]) -> [Finding] {
    let parts = path.split(separator: "/").map(String.init)
    guard parts.count > 1, let allowed = declared[parts[1]] else { return [] }
    return lines(text) { line in
      let words = line.split(separator: " ").map(String.init)
      guard let index = words.firstIndex(of: "import"), index <= 1, index + 1 < words.count, words[0] == "import" || words[0] == "public" || words[0] == "@testable" else { return false }
      let module = words[index + 1]
      return declared[module] != nil && module != parts[1] && !allowed.contains(module)
    }.map { Finding(path: path, line: $0, rule: "the manifest does not give \(parts[1]) this dependency") }
  }

  /// Targets of a manifest with their dependencies, read from its text.
  static func declared(_ manifest: String) -> [String: Set<String>] {
    var targets: [String: Set<String>] = [:]
    for line in manifest.split(separator: "\n") {
      let line = line.trimmingCharacters(in: .whitespaces)
      guard [".target(", ".executableTarget(", ".testTarget(", ".systemLibrary("].contains(where: { line.hasPrefix($0) }) else { continue }
      let quoted = line.split(separator: "\"", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }.map { String($0.element) }
      guard let name = quoted.first else { continue }
      targets[name] = line.hasPrefix(".systemLibrary(") ? [] : Set(quoted.dropFirst())
    }
    return targets
  }

  private static func lines(_ text: String, where matches: (String) -> Bool) -> [Int] {
    text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().filter { matches($0.element.trimmingCharacters(in: .whitespaces)) }.map { $0.offset + 1 }
  }
}
