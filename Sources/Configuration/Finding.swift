/// Something wrong or doubtful in a configuration.
public struct Finding: Sendable, Equatable {
  public enum Severity: Sendable { case error, warning }
  public var severity: Severity
  public var message: String
  /// Where it stands: `node.toml:14:1`, `MOLOCH_API_LISTEN_ADDR`, `--set api.listen_addr`; empty for a default.
  public var place: String
  /// The line of the file with a caret below, and what may have been meant.
  public var excerpt: Excerpt?

  public init(severity: Severity, message: String, place: String, excerpt: Excerpt? = nil) {
    (self.severity, self.message, self.place, self.excerpt) = (severity, message, place, excerpt)
  }

  public struct Excerpt: Sendable, Equatable {
    public var line: Int
    public var column: Int
    public var width: Int
    public var source: String
    public var hint: String
  }

  /// The column at which the place stands when the message is shorter.
  private static let placeColumn = 73

  /// As `validate-config` prints it, without a line break at the end.
  public var text: String {
    var text = (severity == .error ? "error: " : "warning: ") + message
    if !place.isEmpty { text += String(repeating: " ", count: max(3, Self.placeColumn - text.count)) + place }
    guard let excerpt else { return text }
    let number = String(excerpt.line)
    let margin = String(repeating: " ", count: max(0, 5 - number.count))
    text += "\n\(margin)\(number) | \(excerpt.source)\n      | "
    // Tabs stay tabs, so that the caret stands below what it points at.
    text += String(excerpt.source.prefix(excerpt.column - 1).map { $0 == "\t" ? "\t" : " " }) + String(repeating: "^", count: max(1, excerpt.width))
    return excerpt.hint.isEmpty ? text : text + " " + excerpt.hint
  }

  /// `2 errors, 1 warning`.
  public static func summary(_ findings: [Finding]) -> String {
    let errors = findings.count { $0.severity == .error }
    let warnings = findings.count - errors
    func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
    return counted(errors, "error") + ", " + counted(warnings, "warning")
  }
}

/// Names that look alike.
public enum Nearest {
  /// The candidate with the smallest edit distance to `word`, when it is small enough to be a slip.
  public static func name(to word: String, among candidates: [String]) -> String? {
    var best: (name: String, distance: Int)?
    for candidate in candidates {
      let distance = distance(candidate, word)
      if distance < best?.distance ?? .max { best = (candidate, distance) }
    }
    guard let best, best.distance <= max(2, word.count / 3) else { return nil }
    return best.name
  }

  /// Edit distance with insertion, deletion, replacement.
  public static func distance(_ a: String, _ b: String) -> Int {
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
