/// Compares a document with the table of keys.
struct FileReading {
  let name: String
  let lines: [String]
  let allowsUnknown: Bool
  var values: [(position: Int, value: Value, place: Place)] = []
  var findings: [Finding] = []

  init(name: String, lines: [String], allowsUnknown: Bool) {
    self.name = name
    self.lines = lines
    self.allowsUnknown = allowsUnknown
  }

  private static let sections: Set<String> = {
    var all: Set<String> = []
    for key in Key.table {
      var section = key.section
      while !section.isEmpty {
        all.insert(section)
        section = section.lastIndex(of: ".").map { String(section[..<$0]) } ?? ""
      }
    }
    return all
  }()

  mutating func walk(_ nodes: [TOMLNode], section: String) {
    for node in nodes {
      let path = section.isEmpty ? node.key : section + "." + node.key
      if let position = Key.position(of: path) {
        take(position, node)
      } else if Self.sections.contains(path) {
        if case .table(let members) = node.value {
          walk(members, section: path)
        } else {
          complain(.error, "'\(path)' is a section: write [\(path)]", node.place)
        }
      } else {
        unknown(path, section: section, node)
      }
    }
  }

  private mutating func take(_ position: Int, _ node: TOMLNode) {
    let key = Key.table[position]
    if let value = key.value(node) { return values.append((position, value, node.place)) }
    var parts: [String] = []
    switch node.value {
    case .text(let text): parts = [text]
    case .array(let items):
      for case .text(let text) in items.map({ $0.value }) { parts.append(text) }
    default: break
    }
    complain(.error, Settings.refusal(key, quoted: node.quoted, parts: parts), node.place)
  }

  private mutating func unknown(_ path: String, section: String, _ node: TOMLNode) {
    if Key.chainParameters.contains(node.key) { return complain(.error, Settings.chainParameter(path), node.keyPlace) }
    var what = "key"
    if case .table = node.value { what = "section" }
    let siblings = Key.table.filter { $0.section == section }.map { $0.leaf } + Self.sections.sorted().filter { parent($0) == section }.map { last($0) }
    var nearest = Nearest.name(to: node.key, among: siblings)
    // The right name in the wrong section.
    if nearest == nil, let elsewhere = Key.table.first(where: { $0.leaf == node.key }) { nearest = elsewhere.name }
    let place = node.keyPlace
    let source = place.line <= lines.count ? lines[place.line - 1] : ""
    complain(
      allowsUnknown ? .warning : .error, "unknown \(what) '\(path)'", place,
      Finding.Excerpt(line: place.line, column: place.column, width: node.key.count, source: source, hint: nearest.map { "did you mean '\($0)'?" } ?? ""))
  }

  private func parent(_ section: String) -> String { section.lastIndex(of: ".").map { String(section[..<$0]) } ?? "" }
  private func last(_ section: String) -> String { String(section[(section.lastIndex(of: ".").map { section.index(after: $0) } ?? section.startIndex)...]) }

  private mutating func complain(_ severity: Finding.Severity, _ message: String, _ place: Place, _ excerpt: Finding.Excerpt? = nil) {
    findings.append(Finding(severity: severity, message: message, place: "\(name):\(place.line):\(place.column)", excerpt: excerpt))
  }
}
