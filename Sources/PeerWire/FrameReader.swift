import Bytes

/// Puts messages together from fragments, however the bytes are cut.
public struct FrameReader: Sendable {
  public enum Reading: Equatable, Sendable {
    /// Everything was consumed; no message is complete.
    case needMore
    case message(MessageType, [UInt8])
    /// The stream is over: what follows has no meaning.
    case violation(WireViolation)
  }

  /// The message under way on a lane.
  private struct Partial {
    var type: MessageType?
    var bytes: [UInt8] = []
  }

  private let caps: WireCaps
  private var partials = [Partial](repeating: Partial(), count: Lane.allCases.count)
  /// Bytes of a header that is not complete.
  private var header: [UInt8] = []
  /// The fragment under way: its lane, the payload bytes still missing, and whether more fragments follow.
  private var fragment: (lane: Int, left: Int, isLast: Bool)?
  private var violation: WireViolation?
  /// Bytes of finished fragments per lane, headers included.
  public private(set) var receivedBytes = [UInt64](repeating: 0, count: Lane.allCases.count)
  /// Only Hello and Goodbye are taken, so that a stranger cannot make this reader keep more than a Hello.
  var isGreeting = true

  public init(caps: WireCaps) {
    self.caps = caps
    header.reserveCapacity(WireLimit.headerByteCount)
  }

  /// Payload bytes held for unfinished messages.
  public var heldByteCount: Int { partials.reduce(0) { $0 + $1.bytes.count } }

  /// Gives up what is held; only for a stream of which nothing more is read.
  mutating func forget() { partials = [Partial](repeating: Partial(), count: Lane.allCases.count) }

  /// True between messages: the end of the stream loses nothing.
  public var isIdle: Bool { header.isEmpty && fragment == nil && partials.allSatisfy { $0.type == nil } }

  /// Reads from `offset` up to the end of the next message, or all bytes; `offset` moves behind what was consumed.
  public mutating func advance(_ bytes: RawSpan, _ offset: inout Int) -> Reading {
    if let violation { return .violation(violation) }
    while offset < bytes.byteCount || fragment?.left == 0 {
      guard let current = fragment else {
        let count = min(WireLimit.headerByteCount - header.count, bytes.byteCount - offset)
        header.append(bytes.extracting(offset..<offset + count))
        offset += count
        guard header.count == WireLimit.headerByteCount else { return .needMore }
        do throws(WireViolation) {
          try begin()
        } catch {
          violation = error
          return .violation(error)
        }
        header.removeAll(keepingCapacity: true)
        continue
      }
      let count = min(current.left, bytes.byteCount - offset)
      partials[current.lane].bytes.append(bytes.extracting(offset..<offset + count))
      offset += count
      fragment!.left -= count
      guard fragment!.left == 0 else { return .needMore }
      fragment = nil
      if current.isLast, let type = partials[current.lane].type {
        let message = partials[current.lane].bytes
        partials[current.lane] = Partial()
        return .message(type, message)
      }
    }
    return .needMore
  }

  /// Checks a complete header and what it announces.
  private mutating func begin() throws(WireViolation) {
    let length = Int(header.bytes.uint32(at: 0))
    let type = MessageType(rawValue: header[5])
    guard length <= WireLimit.fragmentByteCount else { throw .fragmentTooLong(length) }
    guard let lane = type.lane else { throw .unknownType(header[5]) }
    guard lane.rawValue == header[4] else { throw .wrongLane(type: header[5], lane: header[4]) }
    guard header[6] & ~1 == 0 && header[7] == 0 else { throw .reservedBits }
    let isLast = header[6] == 0
    guard length > 0 || isLast else { throw .emptyFragment }
    guard !isGreeting || type == .hello || type == .goodbye else { throw .unexpected(type) }
    if let begun = partials[lane.index].type, begun != type { throw .interleaved(type) }
    let max = caps.byteCount(type)
    guard partials[lane.index].bytes.count + length <= max else { throw .messageTooLong(type, max: max) }
    partials[lane.index].type = type
    fragment = (lane.index, length, isLast)
    receivedBytes[lane.index] += UInt64(length + WireLimit.headerByteCount)
  }
}
