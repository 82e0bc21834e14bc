import Foundation
import Testing

@Suite struct TidyTests {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// All Swift files of the package, by path from its root.
  static func files() throws -> [(path: String, text: String)] {
    var files: [(path: String, text: String)] = []
    for top in ["Sources", "Tests"] {
      let names = try #require(FileManager.default.enumerator(atPath: root.appendingPathComponent(top).path))
      for case let name as String in names where name.hasSuffix(".swift") {
        let path = "\(top)/\(name)"
        files.append((path, try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)))
      }
    }
    return files.sorted { $0.path < $1.path }
  }

  @Test func theTreeKeepsItsRules() throws {
    let files = try Self.files()
    #expect(files.count > 100)
    let declared = Rules.declared(try String(contentsOf: Self.root.appendingPathComponent("Package.swift"), encoding: .utf8))
    #expect(declared.count > 25)
    var findings: [Finding] = []
    for (path, text) in files {
      for rule in [Rules.length, Rules.names, Rules.unsafeCode, Rules.purity, Rules.promises, Rules.foundation] { findings += rule(path, text) }
      findings += Rules.imports(path, text, declared: declared)
    }
    #expect(findings.isEmpty, "\(findings.map(\.description).joined(separator: "\n"))")
  }

  /// Every rule flags a file that breaks it.
  @Test func everyRuleHasACanary() {
    #expect(!Rules.length("Sources/A/B.swift", String(repeating: "x\n", count: 601)).isEmpty)
    #expect(!Rules.names("Sources/A/SocketHelper.swift", "").isEmpty)
    #expect(!Rules.unsafeCode("Sources/Audit/B.swift", "  let x = unsafe y").isEmpty)
    #expect(!Rules.purity("Sources/Ledger/B.swift", "  clock_gettime(a, b)").isEmpty)
    #expect(!Rules.promises("Sources/A/B.swift", "// TO" + "DO: later").isEmpty)
    #expect(!Rules.foundation("Sources/A/B.swift", "import Foundation").isEmpty)
    let declared = Rules.declared("    .target(name: \"A\"),\n    .target(name: \"B\", dependencies: [\"C\"]),\n    .target(name: \"C\"),\n")
    #expect(declared == ["A": [], "B": ["C"], "C": []])
    #expect(!Rules.imports("Sources/B/F.swift", "public import A", declared: declared).isEmpty)
    #expect(Rules.imports("Sources/B/F.swift", "import C", declared: declared).isEmpty)
  }
}
