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
    let package = try String(contentsOf: CommandTests.root.appendingPathComponent(".ci/deb"), encoding: .utf8)
    #expect(package.contains("MOLOCH_COMMIT=$(.ci/commit)\n  export MOLOCH_COMMIT\n  for product in"))
  }

  /// With a compiler that makes a program which says what it was told, and with one that tells it nothing.
  @Test func aReleaseThatDoesNotSayItsCommitIsNone() throws {
    let scratch = try ScratchDirectory(), tree = scratch.url.appendingPathComponent("tree"), compiler = scratch.url.appendingPathComponent("bin/swift")
    for directory in [tree.appendingPathComponent(".ci"), scratch.url.appendingPathComponent("bin")] { try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true) }
    for script in ["commit", "release"] {
      try FileManager.default.copyItem(at: CommandTests.root.appendingPathComponent(".ci/" + script), to: tree.appendingPathComponent(".ci/" + script))
    }
    try ".build/\ntarget/\n".write(to: tree.appendingPathComponent(".gitignore"), atomically: true, encoding: .utf8)
    for words in [["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]] { #expect(try Self.git(tree, words).status == 0) }
    func release(_ says: String) throws -> Command {
      let program = "#!/bin/sh\\necho \"moloch 1.0.0 (commit \(says), protocol 3)\"\\n"
      try "#!/bin/sh\nmkdir -p .build/release\nprintf '\(program)' >.build/release/moloch\nchmod 0755 .build/release/moloch\n".write(to: compiler, atomically: true, encoding: .utf8)
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: compiler.path)
      return try Command.run(
        tree.appendingPathComponent(".ci/release"), [],
        environment: ["PATH": "\(compiler.deletingLastPathComponent().path):/usr/bin:/bin", "GIT_CEILING_DIRECTORIES": scratch.url.path])
    }
    let hash = try Self.commit(tree).trimmingCharacters(in: .whitespacesAndNewlines)
    let made = try release("'\"$MOLOCH_COMMIT\"'")
    #expect(made.status == 0, "\(made.output)\(made.errors)")
    let said = try Command.run(tree.appendingPathComponent("target/release/moloch"), [])
    #expect(said.output == "moloch 1.0.0 (commit \(hash), protocol 3)\n", "\(said.output)\(said.errors)")
    #expect(try Self.git(tree, ["status", "--porcelain"]).output.isEmpty, "the tree is as it was")
    let silent = try release("unknown")
    #expect(silent.status == 1 && silent.errors.contains("built of commit \(hash), and it says: moloch 1.0.0 (commit unknown"), "\(silent.status) \(silent.errors)")
  }
}
