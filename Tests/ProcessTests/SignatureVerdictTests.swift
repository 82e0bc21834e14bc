import Foundation
import Testing

/// What a processor can do decides how fast signatures are verified, never which ones are accepted.
@Suite struct SignatureVerdictTests {
  /// The path and what it said of the signatures, by path.
  private static func verdicts(_ command: Command) throws -> [String: Substring] {
    #expect(command.status == 0, "\(command.errors)")
    let lines = command.output.split(separator: "\n").map { $0.split(separator: " ", maxSplits: 1) }
    return Dictionary(uniqueKeysWithValues: lines.map { (String($0[0]), $0[1]) })
  }

  @Test func verdictsAreTheSameOnAProcessorThatHidesItsVectorUnits() throws {
    let scratch = try ScratchDirectory()
    let program = NodeProcess.moloch.deletingLastPathComponent().appendingPathComponent("signature-verdicts")
    let here = try Self.verdicts(Command.run(program, []))
    // The reader of debugging information of valgrind does not know this compiler's.
    let stripped = scratch.url.appendingPathComponent("signature-verdicts")
    #expect(try Command.run(URL(fileURLWithPath: "/usr/bin/strip"), ["-g", "-o", stripped.path, program.path]).status == 0)
    let hidden = try Self.verdicts(Command.run(URL(fileURLWithPath: "/usr/bin/valgrind"), ["-q", "--tool=none", stripped.path]))
    // Valgrind shows a processor without AVX-512.
    #expect(hidden["ifma"] == nil && hidden["portable"] != nil, "\(hidden)")
    #expect(Set(here.values).count == 1 && Set(hidden.values) == Set(here.values), "\(here), under valgrind \(hidden)")
    let accepted = try #require(here["portable"]?.split(separator: " ").first.flatMap { Int($0) })
    #expect(accepted > 250, "\(here)")
  }
}
