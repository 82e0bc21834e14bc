import Bytes

/// The server's side of one connection: finds requests in what the client sends.
///
/// Feed it the unread bytes with `step`; it returns one event and how many bytes to drop. After `.end` it is ready for the next request.
public struct RequestParser: Sendable {
  public enum Event: Sendable {
    /// More bytes are needed; none is to be dropped.
    case needMore
    /// A complete head. Its ranges are into the span just given; drop `head.byteCount` bytes when you are done with them.
    case head(RequestHead)
    /// A piece of the body at this range of the span; drop `consumed` bytes, then ask again.
    case body(Range<Int>, consumed: Int)
    /// The message is complete; drop `consumed` bytes.
    case end(consumed: Int)
    /// Answer with the status, then close.
    case violation(Violation)
  }

  /// The same without the head, which the caller keeps.
  public enum Step: Sendable {
    case needMore
    /// The head is filled; drop its bytes when you are done with them.
    case head
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

  public init() {}

  /// No byte of a request was seen since the last one ended.
  public var isIdle: Bool { if case .head(0) = state { true } else { false } }
  public var isReadingHead: Bool { if case .head = state { true } else { false } }
  public var isReadingBody: Bool { if case .body = state { true } else { false } }

  /// Looks at the unread bytes of the connection. The caller drops exactly what the event says before it asks again.
  public mutating func advance(_ span: RawSpan) -> Event {
    var head = RequestHead()
    switch step(span, &head) {
    case .needMore: return .needMore
    case .head: return .head(head)
    case .body(let range, let consumed): return .body(range, consumed: consumed)
    case .end(let consumed): return .end(consumed: consumed)
    case .violation(let violation): return .violation(violation)
    }
  }

  /// As `advance`, with a head that is used again.
  public mutating func step(_ span: RawSpan, _ head: inout RequestHead) -> Step {
    switch state {
    case .failed(let violation): return .violation(violation)
    case .head(let scanned): return stepHead(span, scanned, &head)
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

  private mutating func stepHead(_ span: RawSpan, _ scanned: Int, _ head: inout RequestHead) -> Step {
    do throws(Violation) {
      guard let end = FieldLines.end(span, from: scanned) else {
        if span.byteCount > 0 { try checkPartial(span) }
        guard span.byteCount < HTTPLimit.headBytes else { throw Violation(431, "the head is larger than 8192 bytes") }
        state = .head(scanned: span.byteCount)
        return .needMore
      }
      guard end <= HTTPLimit.headBytes else {
        try checkPartial(span)
        throw Violation(431, "the head is larger than 8192 bytes")
      }
      try head.parse(span, end: end)
      state = .body(BodyState(head.framing))
      return .head
    } catch {
      return fail(error)
    }
  }

  /// Refuses early what can never become a request: garbage on the port, or a target that is too long.
  private func checkPartial(_ span: RawSpan) throws(Violation) {
    var offset = 0
    while offset < span.byteCount, Characters.isToken(span.uint8(at: offset)) { offset += 1 }
    guard offset < span.byteCount else {
      guard offset <= HTTPLimit.methodBytes else { throw Violation(400, "the request line does not begin with a method") }
      return
    }
    guard offset > 0, offset <= HTTPLimit.methodBytes, span.uint8(at: offset) == 0x20 else { throw Violation(400, "the request line does not begin with a method") }
    let start = offset + 1
    offset = start
    while offset < span.byteCount, Characters.isTarget(span.uint8(at: offset)) {
      offset += 1
      guard offset - start <= HTTPLimit.targetBytes else { throw Violation(414, "the request target is longer than 4096 bytes") }
    }
  }

  private mutating func fail(_ violation: Violation) -> Step {
    state = .failed(violation)
    return .violation(violation)
  }
}

extension RequestHead {
  /// Parses a complete head, `span[0 ..< end]`.
  mutating func parse(_ span: RawSpan, end: Int) throws(Violation) {
    var offset = 0
    while Characters.isToken(span.uint8(at: offset)) { offset += 1 }
    guard offset > 0, offset <= HTTPLimit.methodBytes, span.uint8(at: offset) == 0x20 else {
      throw Violation(400, "the request line does not begin with a method")
    }
    method = Method(span, 0..<offset)
    let targetStart = offset + 1
    offset = targetStart
    var question = -1
    while Characters.isTarget(span.uint8(at: offset)) {
      if question < 0, span.uint8(at: offset) == 0x3F { question = offset }
      offset += 1
    }
    guard offset - targetStart <= HTTPLimit.targetBytes else { throw Violation(414, "the request target is longer than 4096 bytes") }
    guard offset > targetStart, span.uint8(at: offset) == 0x20 else { throw Violation(400, "the request target is malformed") }
    // A client that takes this server for a proxy sends the whole URL; the path begins behind its authority (RFC 9112 section 3.2.2).
    let pathStart = Self.pathStart(span, targetStart, offset)
    path = pathStart..<max(pathStart, question < 0 ? offset : question)
    query = question < 0 ? offset..<offset : question + 1..<offset
    let minor = try Self.version(span, offset + 1)
    try FieldLines.parse(span, offset + 11, end, into: &fields)
    byteCount = end
    let isTargetValid = span.uint8(at: pathStart) == 0x2F || (method == .options && span.uint8(at: targetStart) == 0x2A && path.count == 1)
    guard isTargetValid else { throw Violation(400, "the request target is not a path") }
    let hosts = fields.count(of: .host)
    guard hosts == 1 || minor == 0 && hosts == 0 else { throw Violation(400, "exactly one Host field is needed") }
    framing = try FieldLines.framing(span, fields) ?? .none
    if minor == 0, framing == .chunked { throw Violation(400, "HTTP/1.0 has no chunked coding") }
    keepsAlive = minor == 1
    if minor == 0, fields.list(.connection, contains: "keep-alive", in: span) { keepsAlive = true }
    if fields.list(.connection, contains: "close", in: span) { keepsAlive = false }
    expectsContinue = false
    for index in 0..<fields.count where fields[index].name == .expect {
      let expect = fields[index].value
      guard FieldLines.matches(span, expect.lowerBound, expect.upperBound, "100-continue") else { throw Violation(417, "only 100-continue can be expected") }
      expectsContinue = minor == 1 && framing != .none && framing != .length(0)
    }
  }

  /// Where the path of a target begins: at the first slash behind `http://authority`, else at the start.
  private static func pathStart(_ span: RawSpan, _ start: Int, _ end: Int) -> Int {
    let target = span.extracting(start..<end)
    guard target.hasPrefix("http://") || target.hasPrefix("https://") else { return start }
    var offset = start + (target.hasPrefix("http://") ? 7 : 8)
    while offset < end, span.uint8(at: offset) != 0x2F, span.uint8(at: offset) != 0x3F { offset += 1 }
    return offset < end && span.uint8(at: offset) == 0x2F ? offset : start
  }

  /// The minor version of `HTTP/1.x CR LF` at `offset`.
  private static func version(_ span: RawSpan, _ offset: Int) throws(Violation) -> Int {
    guard span.byteCount - offset >= 10, span.extracting(offset..<offset + 5).equals("HTTP/"), span.uint8(at: offset + 6) == 0x2E else {
      throw Violation(400, "the request line does not end with the version")
    }
    let major = span.uint8(at: offset + 5), minor = span.uint8(at: offset + 7)
    guard major >= 0x30, major <= 0x39, minor >= 0x30, minor <= 0x39 else { throw Violation(400, "the version is malformed") }
    guard span.uint8(at: offset + 8) == 0x0D, span.uint8(at: offset + 9) == 0x0A else { throw Violation(400, "the request line ends in a bare line feed") }
    guard major == 0x31, minor <= 0x31 else { throw Violation(505, "the versions served are HTTP/1.1 and HTTP/1.0") }
    return Int(minor - 0x30)
  }
}

extension Method {
  init(_ span: RawSpan, _ range: Range<Int>) {
    let name = span.extracting(range)
    if name.equals("GET") { self = .get } else if name.equals("POST") { self = .post } else if name.equals("HEAD") { self = .head }
    else if name.equals("OPTIONS") { self = .options } else if name.equals("PUT") { self = .put } else if name.equals("DELETE") { self = .delete }
    else if name.equals("PATCH") { self = .patch } else { self = .other }
  }
}
