import Audit

/// Writes tables anew without what was deleted or overwritten, a few tables at a time. May run on a thread of its own while the store is used.
public struct Compaction: Sendable {
  /// Keys of a family up to `end`; nil for all.
  struct Part: Sendable {
    let database: Database
    let family: Int
    var end: [UInt8]?
  }

  /// Neighbouring tables of one part, by the keys at their ends; nil for an end of the part.
  private struct Step {
    var part: Part
    var begin: [UInt8]?
    var end: [UInt8]?
    var byteCount: UInt64
  }

  let parts: [Part]

  /// - Parameter progress: called before the first step and after each one with the bytes of tables that are done and of all; false ends the work there.
  public func run(_ progress: (_ done: UInt64, _ total: UInt64) -> Bool) {
    // So that what is in memory is counted, too. The store hears of a flush that fails with its next write.
    for part in parts { try? part.database.flush(part.family) }
    let steps = parts.flatMap { Self.steps($0) }, total = steps.reduce(0) { $0 + $1.byteCount }
    var done: UInt64 = 0
    guard progress(0, total) else { return }
    for step in steps {
      step.part.database.compact(step.part.family, from: step.begin, upTo: step.end)
      done += step.byteCount
      guard progress(done, total) else { return }
    }
  }

  /// Between them the steps cover the whole part.
  private static func steps(_ part: Part) -> [Step] {
    var step = Step(part: part, begin: nil, end: part.end, byteCount: 0)
    var steps: [Step] = []
    for table in part.database.tables(part.family) {
      if let end = part.end, end.lexicographicallyPrecedes(table.first) { break }
      if step.byteCount >= StoreLimit.compactionStepBytes {
        step.end = table.first
        steps.append(step)
        step = Step(part: part, begin: table.first, end: part.end, byteCount: 0)
      }
      step.byteCount += table.byteCount
    }
    return steps + [step]
  }

  /// Any thread: ends `run` soon. What was written anew so far counts.
  public func interrupt() { for part in parts { part.database.interruptCompaction() } }

  /// Any thread: after `interrupt`, lets the next one begin.
  public func allow() { for part in parts { part.database.allowCompaction() } }
}

extension RocksLedgerStore {
  /// Everything.
  public var compaction: Compaction {
    Compaction(parts: [chain, index].flatMap { database in (0..<database.familyCount).map { Compaction.Part(database: database, family: $0) } })
  }

  /// The bodies that were pruned, after a deep prune also the entries and their rows of the index, which lie everywhere in it.
  public var prunedCompaction: Compaction {
    var parts = [Compaction.Part(database: chain, family: Family.bodies, end: Self.key(earliestBodyHeight))]
    if earliestEntryHeight.rawValue > 1 {
      parts += [Compaction.Part(database: chain, family: Family.entries, end: Self.key(earliestEntryHeight)), Compaction.Part(database: index, family: 0)]
    }
    return Compaction(parts: parts)
  }

  /// What an erasure of bodies is interrupted by.
  public var bodyCompaction: Compaction { Compaction(parts: [Compaction.Part(database: chain, family: Family.bodies, end: Self.key(earliestBodyHeight))]) }
}
