/// Names one arming of one timer. The name of a timer that fired, was cancelled or was armed again is inert.
@frozen public struct TimerID: Hashable, Sendable, BitwiseCopyable {
  @usableFromInline let index: UInt32
  @usableFromInline let generation: UInt32

  /// Names no timer.
  public static let none = TimerID(index: .max, generation: 0)

  @usableFromInline init(index: UInt32, generation: UInt32) { (self.index, self.generation) = (index, generation) }
}

/// A hashed timing wheel: deadlines with a 64-bit token each, in buckets of about one millisecond.
///
/// Arming and cancelling cost a few list links. Due timers come out in the order of their buckets, and inside a bucket in the order in which
/// they were armed; a timer armed for the past goes into the present bucket. Deadlines beyond one turn of the wheel wait in their bucket for
/// their turn.
public struct TimingWheel {
  /// Width of a bucket: 2^20 ns, about 1.05 ms. It bounds the disorder of timers that fire together, not the precision of a deadline.
  static let bucketShift: UInt64 = 20
  static let bucketCount = 1024

  private struct Entry {
    var deadline: UInt64 = 0
    var token: UInt64 = 0
    /// The absolute bucket number in which the entry waits.
    var bucket: UInt64 = 0
    var generation: UInt32 = 1
    var previous: Int32 = -1
    /// The next entry of the bucket, or of the free list.
    var next: Int32 = -1
    var isArmed = false
  }

  private var entries: [Entry]
  private var heads = [Int32](repeating: -1, count: bucketCount)
  private var tails = [Int32](repeating: -1, count: bucketCount)
  /// One bit per bucket that holds an entry.
  private var occupied = [UInt64](repeating: 0, count: bucketCount / 64)
  private var freeHead: Int32
  /// The absolute number of the first bucket that may hold a due timer.
  private var present: UInt64
  /// The earliest deadline, when known.
  private var earliest: UInt64?

  /// Armed timers.
  public private(set) var count = 0
  /// The limit of `count`.
  public let capacity: Int

  /// - Parameter capacity: the most timers armed at once.
  public init(capacity: Int, now: Instant) {
    precondition(capacity > 0 && capacity < Int32.max)
    self.capacity = capacity
    entries = Array(repeating: Entry(), count: capacity)
    for index in 0..<capacity - 1 { entries[index].next = Int32(index + 1) }
    freeHead = 0
    present = now.nanoseconds >> Self.bucketShift
  }

  /// Arms a timer. Nil when `capacity` timers are armed.
  public mutating func arm(at deadline: Instant, token: UInt64) -> TimerID? {
    guard freeHead >= 0 else { return nil }
    let index = freeHead
    freeHead = entries[Int(index)].next
    link(index, deadline.nanoseconds, token)
    count += 1
    return TimerID(index: UInt32(index), generation: entries[Int(index)].generation)
  }

  /// Cancels a timer. False when it had fired, been cancelled or been armed again.
  @discardableResult public mutating func cancel(_ id: TimerID) -> Bool {
    guard isArmed(id) else { return false }
    release(Int32(id.index))
    return true
  }

  /// Moves an armed timer to another deadline and gives it a new name; nil when the old name is inert.
  public mutating func rearm(_ id: TimerID, at deadline: Instant) -> TimerID? {
    guard isArmed(id) else { return nil }
    let token = entries[Int(id.index)].token
    unlink(Int32(id.index))
    entries[Int(id.index)].generation &+= 1
    link(Int32(id.index), deadline.nanoseconds, token)
    return TimerID(index: id.index, generation: entries[Int(id.index)].generation)
  }

  public func isArmed(_ id: TimerID) -> Bool {
    id.index < UInt32(entries.count) && entries[Int(id.index)].isArmed && entries[Int(id.index)].generation == id.generation
  }

  /// Takes one due timer out of the wheel and returns its token; nil when no deadline is at or before `now`.
  public mutating func expire(now: Instant) -> UInt64? {
    if count == 0 || (earliest.map { $0 > now.nanoseconds } ?? false) { return nil }
    let last = now.nanoseconds >> Self.bucketShift
    guard last >= present else { return nil }
    // One turn visits every bucket, whatever was missed before it.
    if last - present >= UInt64(Self.bucketCount) { present = last - UInt64(Self.bucketCount) + 1 }
    while true {
      var index = heads[Int(present % UInt64(Self.bucketCount))]
      while index >= 0 {
        let entry = entries[Int(index)]
        if entry.deadline <= now.nanoseconds {
          release(index)
          return entry.token
        }
        index = entry.next
      }
      guard present < last else { return nil }
      present += 1
      skipEmptyBuckets(upTo: last)
    }
  }

  /// The earliest deadline, exactly; nil when no timer is armed.
  public mutating func nextDeadline() -> Instant? {
    if count == 0 { return nil }
    if let earliest { return Instant(nanoseconds: earliest) }
    var minimum = UInt64.max
    var bucket = present
    let end = present + UInt64(Self.bucketCount)
    while bucket < end {
      let hashed = Int(bucket % UInt64(Self.bucketCount))
      var isPresentTurn = false
      if occupied[hashed / 64] >> UInt64(hashed % 64) & 1 == 1 {
        var index = heads[hashed]
        while index >= 0 {
          let entry = entries[Int(index)]
          minimum = min(minimum, entry.deadline)
          isPresentTurn = isPresentTurn || entry.bucket <= bucket
          index = entry.next
        }
        // Every bucket after this one holds later deadlines, this turn or the next.
        if isPresentTurn && minimum >> Self.bucketShift <= bucket { break }
      }
      bucket += 1
    }
    earliest = minimum
    return Instant(nanoseconds: minimum)
  }

  private mutating func skipEmptyBuckets(upTo last: UInt64) {
    while present < last {
      let hashed = Int(present % UInt64(Self.bucketCount))
      let word = occupied[hashed / 64] >> UInt64(hashed % 64)
      if word != 0 {
        present = min(last, present + UInt64(word.trailingZeroBitCount))
        return
      }
      present = min(last, present + UInt64(64 - hashed % 64))
    }
  }

  private mutating func link(_ index: Int32, _ deadline: UInt64, _ token: UInt64) {
    let bucket = max(deadline >> Self.bucketShift, present)
    let hashed = Int(bucket % UInt64(Self.bucketCount))
    let tail = tails[hashed]
    entries[Int(index)].deadline = deadline
    entries[Int(index)].token = token
    entries[Int(index)].bucket = bucket
    entries[Int(index)].previous = tail
    entries[Int(index)].next = -1
    entries[Int(index)].isArmed = true
    if tail >= 0 { entries[Int(tail)].next = index } else { heads[hashed] = index }
    tails[hashed] = index
    occupied[hashed / 64] |= 1 << UInt64(hashed % 64)
    if count == 0 { earliest = deadline } else if let known = earliest, deadline < known { earliest = deadline }
  }

  private mutating func unlink(_ index: Int32) {
    let entry = entries[Int(index)]
    let hashed = Int(entry.bucket % UInt64(Self.bucketCount))
    if entry.previous >= 0 { entries[Int(entry.previous)].next = entry.next } else { heads[hashed] = entry.next }
    if entry.next >= 0 { entries[Int(entry.next)].previous = entry.previous } else { tails[hashed] = entry.previous }
    if heads[hashed] < 0 { occupied[hashed / 64] &= ~(1 << UInt64(hashed % 64)) }
    entries[Int(index)].isArmed = false
    if earliest == entry.deadline { earliest = nil }
  }

  private mutating func release(_ index: Int32) {
    unlink(index)
    entries[Int(index)].generation &+= 1
    entries[Int(index)].next = freeHead
    freeHead = index
    count -= 1
  }
}
