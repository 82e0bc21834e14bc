import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Foundation
import Replication
import Testing

@testable import MolochNode

/// The last check in front of the vote journal, and what ties the journal to its place.
@Suite struct VoteGuardTests {
  private static let key = SigningKey(seed: Bytes32(1, 2, 3, 4))
  private static let tag = ChainTag(Bytes16(1, 2))

  private func vote(_ kind: VoteKind, _ view: UInt64, epoch: UInt64 = 0, block: UInt64 = 1) -> Vote {
    kind == .nullify
      ? Vote(nullify: View(view), epoch: Epoch(epoch), chainTag: Self.tag)
      : Vote(
        kind: kind, chainTag: Self.tag, epoch: Epoch(epoch), view: View(view), parentView: View(0), height: Height(1), blockHash: Digest(Bytes32(0, 0, 0, block)))
  }

  private func record(_ vote: Vote) -> JournalRecord { .vote(SignedVote(signing: vote, with: Self.key)) }

  @Test func votesThatContradictEarlierOnesAreRefused() {
    var votes = VoteGuard([record(vote(.notarise, 5)), record(vote(.nullify, 6)), record(vote(.finalise, 7))])
    #expect(votes.objection(vote(.notarise, 5)) == nil, "the same vote again")
    #expect(votes.objection(vote(.notarise, 5, block: 2)) != nil)
    #expect(votes.objection(vote(.nullify, 5)) == nil && votes.objection(vote(.finalise, 5, block: 2)) == nil, "no offence of a vote")
    #expect(votes.objection(vote(.finalise, 6)) != nil && votes.objection(vote(.notarise, 6)) == nil)
    #expect(votes.objection(vote(.nullify, 7)) != nil && votes.objection(vote(.finalise, 7, block: 2)) != nil)
    votes.note(.floor(epoch: Epoch(0), view: View(6), height: Height(3), blockHash: .zero))
    #expect(votes.objection(vote(.notarise, 5)) != nil && votes.objection(vote(.notarise, 6)) != nil, "nothing at or below the floor")
    #expect(votes.objection(vote(.nullify, 7)) != nil && votes.objection(vote(.nullify, 8)) == nil)
    votes.note(.bound(epoch: Epoch(1), view: View(2)))
    #expect(votes.objection(vote(.nullify, 2, epoch: 1)) != nil && votes.objection(vote(.nullify, 3, epoch: 1)) == nil)
  }

  @Test func whatIsForgottenIsRefused() {
    var votes = VoteGuard([])
    for view in 1...UInt64(VoteGuard.viewsMax + 1) { votes.note(record(vote(.nullify, view))) }
    #expect(votes.objection(vote(.nullify, 1)) != nil && votes.objection(vote(.nullify, 2)) == nil)
  }

  /// A journal that takes no vote takes no later one either, and says so once.
  @Test func theJournalThreadWritesNoContradiction() throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("guard-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let file = try VoteJournal(directory: directory, chainTag: Self.tag, segmentBytes: ConsensusLimit.journalSegmentBytesMin)
    let thread = JournalThread(journal: file)
    #expect(try thread.perform([.votes([record(vote(.notarise, 3))], through: 1)]))
    #expect(try thread.perform([.votes([record(vote(.nullify, 4)), record(vote(.notarise, 3, block: 2))], through: 3), .votes([record(vote(.nullify, 5))], through: 4)]))
    var synced: [UInt64] = [], refusals = 0
    while let report = thread.reports.take() {
      switch report.kind {
      case .synced(let through, _): synced.append(through)
      case .refused: refusals += 1
      default: Issue.record("\(report.kind)")
      }
    }
    #expect(synced == [1] && refusals == 1)
    let votes = try VoteJournal.records(directory: directory, chainTag: Self.tag)
    #expect(votes == [record(vote(.notarise, 3))])
  }

  private func floor(_ view: UInt64) -> JournalRecord { .floor(epoch: Epoch(0), view: View(view), height: Height(view), blockHash: .zero) }

  /// A floor that nobody awaits costs no barrier while votes follow, and is on disk soon when none do; only the newest of several is written.
  @Test func aFloorGoesAlongWithVotes() throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("floor-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let thread = JournalThread(journal: try VoteJournal(directory: directory, chainTag: Self.tag, segmentBytes: ConsensusLimit.journalSegmentBytesMin))
    func written() throws -> [JournalRecord] { try VoteJournal.records(directory: directory, chainTag: Self.tag) }
    var now = Instant(milliseconds: 1000)
    func post(_ kinds: [JournalJob.Kind]) throws { for kind in kinds { try thread.post(kind) } }
    try post([.floor(FloorRecord(floor(3), isAwaited: false), Height(3)), .floor(FloorRecord(floor(4), isAwaited: false), Height(4))])
    #expect(thread.take(now: now) == .rest(milliseconds: 100))
    now = now.adding(milliseconds: 99)
    #expect(thread.take(now: now) == .rest(milliseconds: 1))
    #expect(try written().isEmpty)
    try post([.votes([record(vote(.notarise, 5))], through: 1)])
    #expect(thread.take(now: now) == .write)
    #expect(try thread.write())
    #expect(try written() == [floor(4), record(vote(.notarise, 5))])
    try post([.floor(FloorRecord(floor(5), isAwaited: false), Height(5))])
    #expect(thread.take(now: now) == .rest(milliseconds: 100))
    now = now.adding(milliseconds: 100)
    #expect(thread.take(now: now) == .write)
    #expect(try thread.write())
    try post([.floor(FloorRecord(floor(6), isAwaited: true), Height(6))])
    #expect(thread.take(now: now) == .write)
    #expect(try thread.write())
    #expect(try written().suffix(2) == [floor(5), floor(6)])
    var floored: [Height] = []
    while let report = thread.reports.take() { if case .floored(let height) = report.kind { floored.append(height) } }
    #expect(floored == [Height(6)])
    try post([.stop])
    #expect(thread.take(now: now) == .write)
    #expect(try thread.write() == false)
  }

  @Test func aBindingIsThatOfItsDirectory() throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("binding-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: directory) }
    let first = directory.appendingPathComponent("a"), second = directory.appendingPathComponent("b")
    for place in [first, second] { try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true) }
    let here = try Binding.place(first.path)
    #expect(Binding.read(first.path) == nil)
    for binding in [here, try Binding.place(first.path, isReset: true), .listening, .halted] {
      try binding.write(first.path)
      #expect(Binding.read(first.path) == binding)
    }
    #expect(try Binding.place(second.path) != here && Binding.place(first.path) == here)
    for text in ["", "here", "here 12", "here 12 x", "listening 1", "else\n"] {
      try Data(text.utf8).write(to: first.appendingPathComponent("binding"))
      #expect(Binding.read(first.path) == nil, "\(text)")
    }
  }
}
