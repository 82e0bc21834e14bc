import Ambient
import Audit
import Bytes
import Configuration
import Consensus
import Digests
import Ed25519
import Foundation
import Ledger
import Metrics
import Testing

@testable import MolochNode

@Suite struct FiguresTests {
  private static func figures() throws -> Figures {
    let settings = LogTests.settings("log.stderr = false\nlog.file = \"\"")
    return Figures(version: "1", commit: "unknown", log: try Log(settings, home: "/nowhere"))
  }

  private static func sample(_ figures: Figures, _ name: String) -> String? {
    let text = String(decoding: Exposition(figures.metrics.registry, .text, details: false, exemplars: [:]).bytes, as: UTF8.self)
    return text.split(separator: "\n").first { $0.hasPrefix(name + " ") }.map { String($0.dropFirst(name.count + 1)) }
  }

  /// An alarm is about what happens now: pieces that an earlier process has kept count nothing.
  @Test func evidenceIsCountedWhenItIsFound() throws {
    let figures = try Self.figures(), key = SigningKey(seed: Bytes32(1, 2, 3, 4))
    func vote(_ kind: VoteKind, _ block: UInt64) -> SignedVote {
      SignedVote(
        signing: Vote(
          kind: kind, chainTag: ChainTag(Bytes16(1, 2)), epoch: Epoch(0), view: View(9), parentView: View(8), height: Height(3), blockHash: Digest(Bytes32(0, 0, 0, block))), with: key)
    }
    func count(_ kind: String) -> String? { Self.sample(figures, "moloch_evidence_total{kind=\"\(kind)\"}") }
    #expect(count("double_finalise") == "0" && count("double_notarise") == "0" && count("nullify_finalise") == "0")
    for (kind, block) in [(.finalise, 6), (.finalise, 7), (.notarise, 8)] as [(VoteKind, UInt64)] {
      figures.found(try #require(Evidence(vote(kind, 5), vote(kind, block))))
    }
    #expect(count("double_finalise") == "2" && count("double_notarise") == "1" && count("nullify_finalise") == "0")
  }

  @Test func theBlockTimeIsThatOfTheLastBlockMadeHere() throws {
    let figures = try Self.figures(), name = "moloch_block_time_ms"
    #expect(Self.sample(figures, name) == nil, "no block yet")
    figures.final(events: 1, bytes: 100, production: nil, now: Instant(milliseconds: 1000))
    #expect(Self.sample(figures, name) == nil, "a block that was synced took nobody's time")
    figures.final(events: 1, bytes: 100, production: 12_600_000, now: Instant(milliseconds: 2000))
    #expect(Self.sample(figures, name) == "13")
    figures.final(events: 1, bytes: 100, production: nil, now: Instant(milliseconds: 3000))
    #expect(Self.sample(figures, name) == "13" && Self.sample(figures, "moloch_blocks_committed_total") == "3")
  }

  /// A file counts once however many names it has, for the chain where it has one there.
  @Test func bytesAreThoseOfDu() throws {
    let data = FileManager.default.temporaryDirectory.appendingPathComponent("moloch-du-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: data) }
    for directory in ["chain", "mmr", "index", "validator", "backups/one/data/chain", "backups/two"] {
      try FileManager.default.createDirectory(atPath: data + "/" + directory, withIntermediateDirectories: true)
    }
    for (name, count) in [("chain/1.sst", 300_000), ("mmr/0", 70_000), ("index/2.sst", 50_000), ("validator/journal-1", 20_000), ("backups/only", 90_000), ("FORMAT", 14)] {
      try Data(repeating: 7, count: count).write(to: URL(fileURLWithPath: data + "/" + name))
    }
    func du() throws -> UInt64 {
      let process = Process(), output = Pipe()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/du")
      process.arguments = ["-s", "--block-size=1", data]
      process.standardOutput = output
      try process.run()
      let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      return try #require(UInt64(text.prefix { $0.isNumber }))
    }
    let before = DirectoryStatistics(data: data)
    #expect(try before.total == du() && before.chain > 300_000)
    // Names in two backups, one of which was there before its chain was; the second is of a file that is nowhere else.
    for (source, name) in [("chain/1.sst", "backups/one/data/chain/1.sst"), ("chain/1.sst", "backups/two/1.sst"), ("backups/only", "backups/two/only")] {
      try FileManager.default.linkItem(atPath: data + "/" + source, toPath: data + "/" + name)
    }
    let after = DirectoryStatistics(data: data)
    #expect(try after.total == du(), "hard links")
    #expect(after.chain == before.chain && after.mmr == before.mmr && after.index == before.index && after.validator == before.validator)
    // A link that stands for the directory is followed, those in it are not.
    let link = data + ".link"
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: data)
    defer { try? FileManager.default.removeItem(atPath: link) }
    #expect(DirectoryStatistics(data: link).total == after.total)
  }
}
