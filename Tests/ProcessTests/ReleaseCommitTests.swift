import Foundation
import Testing

/// The commit of a release: what `.ci/commit` says of a tree, and how it comes into the program.
@Suite struct ReleaseCommitTests {
  private static func git(_ tree: URL, _ words: [String]) throws -> Command {
    try Command.run(
      URL(fileURLWithPath: "/usr/bin/git"), ["-c", "user.name=t", "-c", "user.email=t@t.invalid"] + words, directory: tree,
      environment: ["GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CEILING_DIRECTORIES": tree.deletingLastPathComponent().path])
  }

  private static func commit(_ tree: URL) throws -> String {
    let said = try Command.run(tree.appendingPathComponent(".ci/commit"), [], environment: ["GIT_CEILING_DIRECTORIES": tree.deletingLastPathComponent().path])
    #expect(said.status == 0, "\(said.errors)")
    return said.output
  }

  @Test func theCommitIsThatOfTheTreeAndChangesAreSaid() throws {
    let scratch = try ScratchDirectory(), tree = scratch.url
    try FileManager.default.createDirectory(at: tree.appendingPathComponent(".ci"), withIntermediateDirectories: true)
    try FileManager.default.copyItem(at: CommandTests.root.appendingPathComponent(".ci/commit"), to: tree.appendingPathComponent(".ci/commit"))
    #expect(try Self.commit(tree) == "unknown\n", "no repository")
    for words in [["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]] {
      let done = try Self.git(tree, words)
      #expect(done.status == 0, "\(words): \(done.errors)")
    }
    let hash = String(try Self.git(tree, ["rev-parse", "HEAD"]).output.prefix(7))
    #expect(hash.count == 7)
    #expect(try Self.commit(tree) == "\(hash)\n")
    let file = tree.appendingPathComponent("new.swift")
    try Data("let a = 1\n".utf8).write(to: file)
    #expect(try Self.commit(tree) == "\(hash)-dirty\n", "a new file is built, too")
    try FileManager.default.removeItem(at: file)
    #expect(try Self.commit(tree) == "\(hash)\n")
    let handle = try FileHandle(forWritingTo: tree.appendingPathComponent(".ci/commit"))
    try handle.seekToEnd()
    try handle.write(contentsOf: Data("\n".utf8))
    try handle.close()
    #expect(try Self.commit(tree) == "\(hash)-dirty\n")
  }

  /// Package.swift hands it to the one file that says it; a build that nobody told says "unknown".
  @Test(arguments: [nil, "abc1234", "0e12345-dirty"] as [String?]) func theProgramSaysWhatTheBuildWasTold(_ commit: String?) throws {
    let scratch = try ScratchDirectory(), sources = CommandTests.root.appendingPathComponent("Sources/CRelease")
    let main = scratch.url.appendingPathComponent("main.c"), program = scratch.url.appendingPathComponent("main")
    try "#include <stdio.h>\n#include \"CRelease.h\"\nint main(void) { return puts(crelease_commit()) < 0; }\n".write(to: main, atomically: true, encoding: .utf8)
    let built = try Command.run(
      URL(fileURLWithPath: "/usr/bin/env"),
      ["clang", "-I", sources.path + "/include"] + (commit.map { ["-DMOLOCH_COMMIT=\($0)"] } ?? []) + [sources.path + "/CRelease.c", main.path, "-o", program.path])
    #expect(built.status == 0, "\(built.errors)")
    #expect(try Command.run(program, []).output == (commit ?? "unknown") + "\n")
    let manifest = try String(contentsOf: CommandTests.root.appendingPathComponent("Package.swift"), encoding: .utf8)
    #expect(manifest.contains(".target(name: \"CRelease\", cSettings: commit)") && manifest.contains("Context.environment[\"MOLOCH_COMMIT\"]"))
    for script in ["release", "deb"] {
      let text = try String(contentsOf: CommandTests.root.appendingPathComponent(".ci/\(script)"), encoding: .utf8)
      #expect(text.contains("MOLOCH_COMMIT=$(.ci/commit)\n") && text.contains("export MOLOCH_COMMIT\n"), "\(script)")
    }
  }
}
