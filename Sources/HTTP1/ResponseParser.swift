import Bytes

/// The client's side of one connection: finds answers in what the server sends. Interim answers (1xx) are passed over.
public struct ResponseParser: Sendable {
  public enum Event: Sendable {
    case needMore
    /// A complete head of a final answer; drop `head.byteCount` bytes.
    case head(ResponseHead)
    case body(Range<Int>, consumed: Int)
    case end(consumed: Int)
    case violation(Violation)
  }

  private enum State: Sendable {
    case head(scanned: Int)
    case body(BodyState)
    case failed(Violation)
  }

  private var state = State.head(scanned: 0)
  private var isHeadRequest = false
  private var interimCount = 0

  public init() {}

  /// Says what the next answer belongs to: an answer to HEAD has no body whatever its fields say.
  public mutating func expect(answerToHead: Bool) { isHeadRequest = answerToHead }

  /// Looks at the unread bytes; see `RequestParser.advance`.
  public mutating func advance(_ span: RawSpan) -> Event {
    switch state {
    case .head(let scanned):
      do throws(Violation) {
        guard let end = FieldLines.end(span, from: scanned) else {
          guard span.byteCount < HTTPLimit.headBytes else { throw Violation(431, "the head of the answer is larger than 8192 bytes") }
          state = .head(scanned: span.byteCount)
          return .needMore
        }
        guard end <= HTTPLimit.headBytes else { throw Violation(431, "the head of the answer is larger than 8192 bytes") }
        let head = try ResponseHead(parsing: span, end: end, isHeadRequest: isHeadRequest)
        if head.status < 200 {
          guard head.status != 101 else { throw Violation(400, "the server switches to a protocol that nobody asked for") }
          interimCount += 1
          guard interimCount <= HTTPLimit.interimAnswers else { throw Violation(400, "too many interim answers") }
          state = .head(scanned: 0)
          return .body(0..<0, consumed: end)
        }
        interimCount = 0
        state = .body(BodyState(head.framing))
        return .head(head)
      } catch {
        return fail(error)
      }
    case .failed(let violation): return .violation(violation)
    case .body(var body):
      let event = body.advance(span)
      state = .body(body)
      switch event {
      case .needMore: return .needMore
      case .piece(let range, let consumed): return .body(range, consumed: consumed)
      case .end(let consumed):
        state = .head(scanned: 0)
        return .end(consumed: consumed)
      case .violation(let violation): return fail(violation)
      }
    }
  }

  private mutating func fail(_ violation: Violation) -> Event {
    state = .failed(violation)
    return .violation(violation)
  }

  /// The server closed its side: true when that is a proper end of the answer in progress.
  public mutating func inputEnded() -> Bool {
    guard case .body(let body) = state, body.endsWithConnection else { return false }
    state = .head(scanned: 0)
    return true
  }
}

extension ResponseHead {
  init(parsing span: RawSpan, end: Int, isHeadRequest: Bool) throws(Violation) {
    guard end >= 16, span.extracting(0..<7).equals("HTTP/1."), span.uint8(at: 8) == 0x20 else { throw Violation(400, "the status line is malformed") }
    let minor = span.uint8(at: 7)
    guard minor == 0x30 || minor == 0x31 else { throw Violation(505, "the answer is neither HTTP/1.1 nor HTTP/1.0") }
    var code = 0
    for offset in 9..<12 {
      let digit = span.uint8(at: offset) &- 0x30
      guard digit < 10 else { throw Violation(400, "the status is no number") }
      code = code * 10 + Int(digit)
    }
    guard code >= 100, span.uint8(at: 12) == 0x20 || span.uint8(at: 12) == 0x0D else { throw Violation(400, "the status is not three digits from 100 on") }
    var offset = 12
    while Characters.isFieldValue(span.uint8(at: offset)) { offset += 1 }
    guard span.uint8(at: offset) == 0x0D, span.uint8(at: offset + 1) == 0x0A else { throw Violation(400, "the status line is malformed") }
    status = code
    fields = FieldTable()
    try FieldLines.parse(span, offset + 2, end, into: &fields)
    byteCount = end
    keepsAlive = minor == 0x31
    if fields.list(.connection, contains: "close", in: span) { keepsAlive = false }
    if isHeadRequest || code < 200 || code == 204 || code == 304 {
      framing = .none
    } else {
      framing = try FieldLines.framing(span, fields) ?? .untilClose
      if minor == 0x30, framing == .chunked { throw Violation(400, "HTTP/1.0 has no chunked coding") }
      if framing == .untilClose { keepsAlive = false }
    }
  }
}
