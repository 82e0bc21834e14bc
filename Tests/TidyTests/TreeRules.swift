import Foundation

/// Rules over functions, comments and whole targets.
extension Rules {
  /// A function beyond this many lines does not fit a screen.
  static let functionLinesMax = 60

  /// Functions that were longer when the rule came, by path and name, with the lines they may have. Entries go, none comes.
  static let longFunctions: [String: Int] = [:]

  static func functions(_ path: String, _ text: String) -> [Finding] {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    var findings: [Finding] = []
    for (start, line) in lines.enumerated() {
      guard let name = functionName(line) else { continue }
      let indent = line.prefix { $0 == " " }
      // The closing brace stands in the column of the declaration; a declaration without a body ends before the next line of that column.
      var end = start
      if !line.hasSuffix("}") {
        end += 1
        while end < lines.count, lines[end].isEmpty || lines[end].hasPrefix(indent + " ") || lines[end].hasPrefix(indent + ")") { end += 1 }
      }
      let count = min(end, lines.count - 1) - start + 1
      if count > max(functionLinesMax, longFunctions["\(path) \(name)"] ?? 0) {
        findings.append(Finding(path: path, line: start + 1, rule: "\(name) has \(count) lines, more than \(functionLinesMax): name its parts"))
      }
    }
    return findings
  }

  private static func functionName(_ line: String) -> String? {
    guard line.contains("func ") || line.contains("init") else { return nil }
    let words = line.split(separator: " ").map(String.init)
    guard let position = words.firstIndex(where: { $0 == "func" || $0.hasPrefix("init(") || $0.hasPrefix("init?(") || $0 == "deinit" }), position <= 5 else { return nil }
    // In front of the keyword stand attributes and modifiers, never an expression.
    guard words[..<position].allSatisfy({ $0.first == "@" || modifiers.contains($0) }) else { return nil }
    let word = words[position] == "func" && position + 1 < words.count ? words[position + 1] : words[position]
    return String(word.prefix { $0 != "(" && $0 != "<" && $0 != "{" })
  }

  private static let modifiers: Set<String> = [
    "public", "private", "fileprivate", "package", "internal", "static", "mutating", "consuming", "borrowing", "final", "override", "nonisolated", "convenience",
    "required", "isolated",
  ]

  /// Unsafe expressions without a reason that stood there when the rule came, by path. Numbers go down, none goes up.
  static let unreasoned: [String: Int] = [
    "Sources/Ed25519/SigningKey.swift": 3, "Sources/MolochNode/Threads/Mailbox.swift": 4,
  ]

  /// Lines above an unsafe expression among which its reason may stand; an empty line ends the search.
  private static let reasonDistance = 8

  static func reasons(_ path: String, _ text: String) -> [Finding] {
    guard path.hasPrefix("Sources/") else { return [] }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { $0.trimmingCharacters(in: .whitespaces) }
    let bare = lines.indices.filter { index in
      guard holdsUnsafe(lines[index]), !holdsComment(lines[index]) else { return false }
      for above in stride(from: index - 1, through: max(0, index - reasonDistance), by: -1) {
        if lines[above].isEmpty { return true }
        if holdsComment(lines[above]) { return false }
      }
      return true
    }
    guard bare.count > unreasoned[path] ?? 0 else { return [] }
    return bare.map { Finding(path: path, line: $0 + 1, rule: "this unsafe expression has no reason beside it or in the lines above") }
  }

  private static func holdsUnsafe(_ line: String) -> Bool {
    guard line.contains("unsafe"), !line.hasPrefix("//") else { return false }
    let code = line.components(separatedBy: "//")[0].replacing(/"[^"]*"/, with: "\"\"")
    return code.firstMatch(of: /\bunsafe\b/) != nil
  }

  private static func holdsComment(_ line: String) -> Bool {
    guard line.contains("//") || line.contains("/*") else { return false }
    return line.replacing(/"[^"]*"/, with: "\"\"").contains(/\/\/|\/\*/)
  }

  // MARK: Whole targets

  /// A target begins with a document named like it: comment lines before the first code.
  static func header(_ target: String, _ files: [String: String]) -> [Finding] {
    let path = "Sources/\(target)/\(target).swift"
    guard let text = files[path] else { return [Finding(path: path, line: 1, rule: "the target has no header document")] }
    let comments = text.split(separator: "\n").prefix { $0.hasPrefix("//") }
    return comments.count >= 4 ? [] : [Finding(path: path, line: 1, rule: "the header document says too little: purpose, place, invariants, limits, source")]
  }

  /// Targets whose sizes are those of their types or come from their callers.
  static let withoutLimits: Set<String> = ["Bytes", "Lanes", "Ambient", "Digests", "MolochNode", "moloch", "moloch-load", "moloch-sim"]

  static func limits(_ target: String, _ files: [String: String]) -> [Finding] {
    let path = "Sources/\(target)/Limits.swift"
    guard files[path] == nil, !withoutLimits.contains(target) else { return [] }
    return [Finding(path: path, line: 1, rule: "a target states its bounds in one place")]
  }

  /// Links of a document that lead nowhere. `exists` answers for paths from the root of the tree.
  static func links(_ path: String, _ text: String, exists: (String) -> Bool) -> [Finding] {
    var findings: [Finding] = []
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      for match in line.matches(of: /\]\(([^)\s]+)\)/) {
        let link = String(match.1.split(separator: "#", omittingEmptySubsequences: false)[0])
        if link.isEmpty || link.contains("://") || link.hasPrefix("mailto:") { continue }
        let target = URL(fileURLWithPath: "/" + path).deletingLastPathComponent().appendingPathComponent(link).standardized.path
        if !exists(String(target.dropFirst())) { findings.append(Finding(path: path, line: index + 1, rule: "the link to \(link) leads nowhere")) }
      }
    }
    return findings
  }
}
