import Bytes

/// Where the reader stands inside a body.
struct BodyState: Sendable {
  enum Event {
    case needMore
    case piece(Range<Int>, consumed: Int)
    case end(consumed: Int)
    case violation(Violation)
  }

  private enum State: Sendable {
    case fixed(UInt64)
    case untilClose
    case chunkSize
    case chunkData(UInt64)
    case chunkEnd
    case trailers(seen: Int)
    case done
  }

  private var state: State

  init(_ framing: Framing) {
    state =
      switch framing {
      case .none: .done
      case .length(let length): length == 0 ? .done : .fixed(length)
      case .chunked: .chunkSize
      case .untilClose: .untilClose
      }
  }

  var endsWithConnection: Bool { if case .untilClose = state { true } else { false } }

  mutating func advance(_ span: RawSpan) -> Event {
    switch state {
    case .done: return .end(consumed: 0)
    case .fixed(let left): return take(span, left) { $0 == 0 ? .done : .fixed($0) }
    case .untilClose: return take(span, .max) { _ in .untilClose }
    case .chunkData(let left): return take(span, left) { $0 == 0 ? .chunkEnd : .chunkData($0) }
    case .chunkSize: return chunkSize(span)
    case .chunkEnd:
      guard span.byteCount >= 2 else { return .needMore }
      guard span.uint8(at: 0) == 0x0D, span.uint8(at: 1) == 0x0A else { return .violation(Violation(400, "a chunk does not end where its size says")) }
      state = .chunkSize
      return .piece(0..<0, consumed: 2)
    case .trailers(let seen): return trailers(span, seen)
    }
  }

  private mutating func take(_ span: RawSpan, _ left: UInt64, _ next: (UInt64) -> State) -> Event {
    guard span.byteCount > 0 else { return .needMore }
    let count = left < UInt64(span.byteCount) ? Int(left) : span.byteCount
    state = next(left - UInt64(count))
    return .piece(0..<count, consumed: count)
  }

  private mutating func chunkSize(_ span: RawSpan) -> Event {
    // The line itself has at most `chunkLineBytes`; its CR and LF may still be on their way.
    guard let end = line(span, HTTPLimit.chunkLineBytes + 1) else {
      return span.byteCount >= HTTPLimit.chunkLineBytes + 2 ? .violation(Violation(400, "a chunk-size line is too long")) : .needMore
    }
    var size: UInt64 = 0, offset = 0
    while offset < end, let digit = Self.hexadecimal(span.uint8(at: offset)) {
      guard offset < 15 else { return .violation(Violation(400, "a chunk size has too many digits")) }
      size = size << 4 | UInt64(digit)
      offset += 1
    }
    guard offset > 0, offset == end || span.uint8(at: offset) == 0x3B else { return .violation(Violation(400, "a chunk size is malformed")) }
    for position in offset..<end where !Characters.isFieldValue(span.uint8(at: position)) {
      return .violation(Violation(400, "a chunk extension holds a control character"))
    }
    state = size == 0 ? .trailers(seen: 0) : .chunkData(size)
    return .piece(0..<0, consumed: end + 2)
  }

  private mutating func trailers(_ span: RawSpan, _ seen: Int) -> Event {
    guard let end = line(span, HTTPLimit.trailerBytes + 1 - seen) else {
      return seen + span.byteCount >= HTTPLimit.trailerBytes + 2 ? .violation(Violation(431, "the trailers are too long")) : .needMore
    }
    if end == 0 {
      state = .done
      return .end(consumed: 2)
    }
    for position in 0..<end where !Characters.isFieldValue(span.uint8(at: position)) {
      return .violation(Violation(400, "a trailer holds a control character"))
    }
    state = .trailers(seen: seen + end + 2)
    return .piece(0..<0, consumed: end + 2)
  }

  /// Index of the CR of the first CR LF within `limit` bytes. A bare LF counts as content and is refused there.
  private func line(_ span: RawSpan, _ limit: Int) -> Int? {
    var offset = 0
    while offset + 1 < span.byteCount && offset < limit {
      if span.uint8(at: offset) == 0x0D && span.uint8(at: offset + 1) == 0x0A { return offset }
      offset += 1
    }
    return nil
  }

  private static func hexadecimal(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
  }
}
