import Bytes

/// What waits for one peer: five lanes of messages, cut into fragments when there is room to send them.
///
/// A payload is an array that many outboxes share; a broadcast is encoded once and never copied into the queues.
public struct Outbox: Sendable {
  /// What became of a message.
  public enum Admission: Equatable, Sendable {
    case queued
    /// It was queued, and so many older events were dropped for it.
    case dropped(Int)
    /// It was not queued: the lane is full of what the peer asked for itself.
    case refused
    /// A consensus lane is full: the peer is too slow to take part, and must be disconnected.
    case overflow
    /// It was not queued: it is longer than the cap of its type, bytes, which no peer would take. A fault of this program; the peer waits for something that
    /// will not come.
    case tooLong(max: Int)
  }

  private struct Entry {
    var type: MessageType
    var payload: [UInt8]
  }

  private struct Row {
    /// Entries before `head` are gone.
    var entries: [Entry] = []
    var head = 0
    /// Payload bytes of the first entry that already left; meaningful when it has begun.
    var sent = 0
    var hasBegun = false
    /// Payload bytes that still wait, headers not counted.
    var byteCount = 0

    var count: Int { entries.count - head }

    mutating func removeFirst() {
      byteCount -= entries[head].payload.count - sent
      entries[head].payload = []
      head += 1
      (sent, hasBegun) = (0, false)
      if head == entries.count {
        entries.removeAll(keepingCapacity: entries.count <= 64)
        head = 0
      } else if head >= 64 && head * 2 >= entries.count {
        entries.removeFirst(head)
        head = 0
      }
    }
  }

  private let caps: WireCaps
  private let eventMessagesMax: Int
  private var rows = [Row](repeating: Row(), count: Lane.allCases.count)
  /// Bytes that left per lane, headers included.
  public private(set) var sentBytes = [UInt64](repeating: 0, count: Lane.allCases.count)

  /// - Parameter eventMessagesMax: messages of the events lane that may wait.
  public init(caps: WireCaps, eventMessagesMax: Int) {
    precondition(eventMessagesMax > 0)
    self.caps = caps
    self.eventMessagesMax = eventMessagesMax
  }

  public var isEmpty: Bool { rows.allSatisfy { $0.count == 0 } }
  public func queuedBytes(_ lane: Lane) -> Int { rows[lane.index].byteCount }
  public func queuedMessages(_ lane: Lane) -> Int { rows[lane.index].count }

  /// Queues a message. Traps on an unknown type: that is the programmer's.
  public mutating func queue(_ type: MessageType, _ payload: [UInt8]) -> Admission {
    guard let lane = type.lane else { preconditionFailure("a message has a known type") }
    guard payload.count <= caps.byteCount(type) else { return .tooLong(max: caps.byteCount(type)) }
    let max = caps.queueByteCount(lane)
    var dropped = 0
    if lane == .events {
      while rows[lane.index].count >= eventMessagesMax || rows[lane.index].byteCount + payload.count > max {
        // The first entry may have begun to leave; the peer needs the rest of it.
        let oldest = rows[lane.index].head + (rows[lane.index].hasBegun ? 1 : 0)
        guard oldest < rows[lane.index].entries.count else { return .refused }
        if oldest == rows[lane.index].head {
          rows[lane.index].removeFirst()
        } else {
          rows[lane.index].byteCount -= rows[lane.index].entries.remove(at: oldest).payload.count
        }
        dropped += 1
      }
    } else if rows[lane.index].count >= Self.messagesMax
      || (rows[lane.index].byteCount + payload.count > max && rows[lane.index].count >= caps.messagesAnyway(lane))
    {
      return lane == .votes || lane == .blocks ? .overflow : .refused
    }
    rows[lane.index].entries.append(Entry(type: type, payload: payload))
    rows[lane.index].byteCount += payload.count
    return dropped > 0 ? .dropped(dropped) : .queued
  }

  /// Messages that may wait in any other lane, so that small ones are bounded too.
  public static let messagesMax = 16_384

  /// Drops everything that waits and queues a last message. The rest of a message that has begun on its lane goes first, because the reader takes
  /// the fragments of one message in a row.
  public mutating func finish(with type: MessageType, _ payload: [UInt8]) {
    guard let lane = type.lane else { preconditionFailure("a message has a known type") }
    for index in rows.indices {
      let row = rows[index]
      rows[index] = Row()
      guard index == lane.index, row.hasBegun else { continue }
      rows[index].entries = [row.entries[row.head]]
      (rows[index].sent, rows[index].hasBegun) = (row.sent, true)
      rows[index].byteCount = row.entries[row.head].payload.count - row.sent
    }
    rows[lane.index].entries.append(Entry(type: type, payload: payload))
    rows[lane.index].byteCount += payload.count
  }

  /// Appends fragments, the most urgent first, while the result has at most `limit` bytes. False when nothing waited.
  public mutating func fill(_ bytes: inout [UInt8], limit: Int = WireLimit.flightByteCount) -> Bool {
    let start = bytes.count
    while let lane = rows.firstIndex(where: { $0.count > 0 }) {
      let room = limit - bytes.count - WireLimit.headerByteCount
      let left = rows[lane].entries[rows[lane].head].payload.count - rows[lane].sent
      guard room >= min(left, WireLimit.fragmentByteCountMin) else { break }
      append(lane, min(left, room, WireLimit.fragmentByteCount), of: left, to: &bytes)
    }
    return bytes.count > start
  }

  private mutating func append(_ lane: Int, _ count: Int, of left: Int, to bytes: inout [UInt8]) {
    let entry = rows[lane].entries[rows[lane].head]
    bytes.append(bigEndian: UInt32(count))
    bytes.append(UInt8(lane))
    bytes.append(entry.type.rawValue)
    bytes.append(count < left ? 1 : 0)
    bytes.append(0)
    let sent = rows[lane].sent
    bytes.append(entry.payload.bytes.extracting(sent..<sent + count))
    sentBytes[lane] += UInt64(count + WireLimit.headerByteCount)
    if count == left {
      rows[lane].removeFirst()
    } else {
      rows[lane].sent += count
      rows[lane].hasBegun = true
      rows[lane].byteCount -= count
    }
  }
}
