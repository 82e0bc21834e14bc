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
      for rule in [
        Rules.length, Rules.names, Rules.unsafeCode, Rules.purity, Rules.promises, Rules.foundation, Rules.functions, Rules.reasons,
      ] { findings += rule(path, text) }
      findings += Rules.imports(path, text, declared: declared)
      findings += Rules.systemTypes(path, text)
    }
    let byPath = Dictionary(uniqueKeysWithValues: files.map { ($0.path, $0.text) })
    let targets = Set(files.map { $0.path.split(separator: "/").map(String.init) }.filter { $0[0] == "Sources" }.map { $0[1] })
    #expect(targets.count > 15)
    for target in targets.sorted() { findings += Rules.header(target, byPath) + Rules.limits(target, byPath) }
    #expect(findings.isEmpty, "\(findings.map(\.description).joined(separator: "\n"))")
  }

  @Test func everyLinkOfTheDocumentsLeadsSomewhere() throws {
    var documents = ["README.md", "perf/README.md", "bench-data/README.md"]
    let names = try #require(FileManager.default.enumerator(atPath: Self.root.appendingPathComponent("docs").path))
    for case let name as String in names where name.hasSuffix(".md") { documents.append("docs/\(name)") }
    #expect(documents.count > 6)
    var findings: [Finding] = []
    for path in documents {
      let text = try String(contentsOf: Self.root.appendingPathComponent(path), encoding: .utf8)
      findings += Rules.links(path, text) { FileManager.default.fileExists(atPath: Self.root.appendingPathComponent($0).path) }
    }
    #expect(findings.isEmpty, "\(findings.map(\.description).joined(separator: "\n"))")
  }

  /// The lists of old debts name files that exist, so that an entry leaves with its file.
  @Test func noDebtOutlivesItsFile() throws {
    let paths = Set(try Self.files().map(\.path))
    for path in Rules.unreasoned.keys { #expect(paths.contains(path)) }
    for key in Rules.longFunctions.keys { #expect(paths.contains(String(key.split(separator: " ")[0]))) }
  }

  @Test func theRulesOverFunctionsCommentsAndTargetsHaveCanaries() {
    let body = String(repeating: "    x()\n", count: 60)
    #expect(!Rules.functions("Sources/A/B.swift", "  public static func f(\n    _ a: Int\n  ) {\n\(body)  }\n").isEmpty)
    #expect(!Rules.functions("Sources/A/B.swift", "  init?(a: Int) {\n\(body)  }\n").isEmpty)
    #expect(Rules.functions("Sources/A/B.swift", "  func f()\n  func g() {\n    x()\n  }\n  var h: Int {\n\(body)  }\n").isEmpty)
    #expect(Rules.reasons("Sources/A/B.swift", "  let a = 1\n\n  let x = unsafe y\n  let z = \"// unsafe\"").map(\.line) == [3])
    #expect(Rules.reasons("Sources/A/B.swift", "  // Owned until deinit.\n  let x = unsafe y\n  let z = unsafe y  // also").isEmpty)
    #expect(Rules.reasons("Sources/A/B.swift", "  let x = unsafe y(\"http://a\")").map(\.line) == [1])
    #expect(!Rules.header("A", [:]).isEmpty && !Rules.header("A", ["Sources/A/A.swift": "import B\n"]).isEmpty)
    #expect(Rules.header("A", ["Sources/A/A.swift": "// A: x\n//\n// y\n// z\n"]).isEmpty)
    #expect(!Rules.limits("A", [:]).isEmpty && Rules.limits("A", ["Sources/A/Limits.swift": ""]).isEmpty)
    #expect(!Rules.links("docs/a.md", "see [b](../b.md#x)") { $0 == "docs/b.md" }.isEmpty)
    #expect(Rules.links("docs/a.md", "[b](../b.md#x) [c](https://c) [d](#d)") { $0 == "b.md" }.isEmpty)
  }

  /// Every rule flags a file that breaks it.
  @Test func everyRuleHasACanary() {
    #expect(!Rules.length("Sources/A/B.swift", String(repeating: "x\n", count: 601)).isEmpty)
    #expect(!Rules.names("Sources/A/SocketHelper.swift", "").isEmpty)
    #expect(!Rules.unsafeCode("Sources/Audit/B.swift", "  let x = unsafe y").isEmpty)
    #expect(!Rules.purity("Sources/Ledger/B.swift", "  clock_gettime(a, b)").isEmpty)
    #expect(!Rules.promises("Sources/A/B.swift", "// TO" + "DO: later").isEmpty)
    #expect(!Rules.systemTypes("Sources/MolochNode/F.swift", "import CLinux\n").isEmpty && !Rules.systemTypes("Sources/MolochNode/F.swift", "import A\nimport Glibc\n").isEmpty)
    #expect(Rules.systemTypes("Sources/MolochNode/F.swift", "import CLinux\nimport Glibc\n").isEmpty && Rules.systemTypes("Sources/Reactor/F.swift", "import CLinux\n").isEmpty)
    #expect(!Rules.foundation("Sources/A/B.swift", "import Foundation").isEmpty)
    let declared = Rules.declared("    .target(name: \"A\"),\n    .target(name: \"B\", dependencies: [\"C\"]),\n    .target(name: \"C\"),\n")
    #expect(declared == ["A": [], "B": ["C"], "C": []])
    #expect(!Rules.imports("Sources/B/F.swift", "public import A", declared: declared).isEmpty)
    #expect(Rules.imports("Sources/B/F.swift", "import C", declared: declared).isEmpty)
  }
}
