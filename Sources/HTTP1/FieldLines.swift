import Bytes

/// Parsing of the field lines that both kinds of head share.
enum FieldLines {
  /// Finds the end of a head: the index behind `CR LF CR LF`, starting the search at `from`. Returns nil when it is not there yet.
  static func end(_ span: RawSpan, from start: Int) -> Int? {
    var offset = max(3, start)
    let count = span.byteCount
    // Look at every LF: the third byte before it tells whether it ends the head.
    while offset < count {
      if offset &+ 8 <= count {
        // Eight bytes at once: is any of them LF?
        let word = span.uint64(at: offset) ^ 0x0A0A_0A0A_0A0A_0A0A
        if (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080 == 0 {
          offset &+= 8
          continue
        }
      }
      if span.uint8(at: offset) == 0x0A, span.uint8(at: offset - 2) == 0x0A || span.uint8(at: offset - 1) == 0x0A {
        return offset + 1
      }
      offset &+= 1
    }
    return nil
  }

  /// Parses the field lines of `span[start ..< end]`, where `end` is behind the empty line.
  static func parse(_ span: RawSpan, _ start: Int, _ end: Int, into table: inout FieldTable) throws(Violation) {
    table.removeAll()
    var offset = start
    while true {
      if span.uint8(at: offset) == 0x0D {
        guard offset + 2 == end, span.uint8(at: offset + 1) == 0x0A else { throw Violation(400, "a carriage return stands inside the head") }
        return
      }
      guard table.count < HTTPLimit.fields else { throw Violation(431, "more than 64 header fields") }
      let nameStart = offset
      while Characters.isToken(span.uint8(at: offset)) { offset += 1 }
      guard span.uint8(at: offset) == 0x3A, offset > nameStart else { throw Violation(400, "a header field name is malformed") }
      let name = field(span, nameStart, offset)
      offset += 1
      while Characters.isBlank(span.uint8(at: offset)) { offset += 1 }
      let valueStart = offset
      while Characters.isFieldValue(span.uint8(at: offset)) { offset += 1 }
      guard span.uint8(at: offset) == 0x0D, span.uint8(at: offset + 1) == 0x0A else {
        throw Violation(400, "a header field holds a control character or a bare line feed")
      }
      var valueEnd = offset
      while valueEnd > valueStart, Characters.isBlank(span.uint8(at: valueEnd - 1)) { valueEnd -= 1 }
      table.append(name, valueStart..<valueEnd)
      offset += 2
      guard offset < end, !Characters.isBlank(span.uint8(at: offset)) else { throw Violation(400, "a header field is folded over two lines") }
    }
  }

  private static func field(_ span: RawSpan, _ start: Int, _ end: Int) -> FieldName {
    let (first, second) = candidates(end - start)
    if first != .other, matches(span, start, end, first.literal) { return first }
    if second != .other, matches(span, start, end, second.literal) { return second }
    switch end - start {
    case 6: return six(span, start, end)
    case 13: return thirteen(span, start, end)
    case 15: return matches(span, start, end, "x-forwarded-for") ? .forwardedFor : .other
    default: return .other
    }
  }

  /// The names of a length, two at most; those of 6 and 13 letters, and the third one of 15, are looked at apart.
  private static func candidates(_ length: Int) -> (FieldName, FieldName) {
    switch length {
    case 4: (.host, .other)
    case 7: (.upgrade, .other)
    case 8: (.location, .other)
    case 9: (.apiKey, .other)
    case 10: (.connection, .other)
    case 11: (.retryAfter, .other)
    case 12: (.contentType, .requestID)
    case 14: (.contentLength, .other)
    case 15: (.acceptEncoding, .idempotencyKey)
    case 16: (.contentEncoding, .other)
    case 17: (.transferEncoding, .other)
    default: (.other, .other)
    }
  }

  private static func six(_ span: RawSpan, _ start: Int, _ end: Int) -> FieldName {
    if matches(span, start, end, "accept") { return .accept }
    if matches(span, start, end, "expect") { return .expect }
    if matches(span, start, end, "prefer") { return .prefer }
    return matches(span, start, end, "origin") ? .origin : .other
  }

  private static func thirteen(_ span: RawSpan, _ start: Int, _ end: Int) -> FieldName {
    if matches(span, start, end, "authorization") { return .authorization }
    if matches(span, start, end, "if-none-match") { return .ifNoneMatch }
    return matches(span, start, end, "last-event-id") ? .lastEventID : .other
  }

  /// Case-insensitive comparison with a lower-case literal.
  static func matches(_ span: RawSpan, _ start: Int, _ end: Int, _ literal: StaticString) -> Bool {
    guard literal.utf8CodeUnitCount == end - start else { return false }
    for index in 0..<(end - start) where Characters.lowercased(span.uint8(at: start + index)) != literal.byte(index) { return false }
    return true
  }

  /// Whether a comma-separated list holds a token, ignoring case.
  static func list(_ span: RawSpan, _ range: Range<Int>, contains literal: StaticString) -> Bool {
    var elements = ListElements(range)
    while let element = elements.next(span) {
      if matches(span, element.lowerBound, element.upperBound, literal) { return true }
    }
    return false
  }

  /// How the body is delimited (RFC 9112 section 6.3), the strict way.
  static func framing(_ span: RawSpan, _ table: FieldTable) throws(Violation) -> Framing? {
    let lengths = table.count(of: .contentLength), codings = table.count(of: .transferEncoding)
    if codings > 0 {
      guard lengths == 0 else { throw Violation(400, "both Transfer-Encoding and Content-Length are given") }
      guard codings == 1, let coding = table.first(.transferEncoding) else { throw Violation(400, "Transfer-Encoding is repeated") }
      guard matches(span, coding.lowerBound, coding.upperBound, "chunked") else { throw Violation(501, "the only transfer coding is chunked") }
      return .chunked
    }
    guard lengths > 0 else { return nil }
    guard lengths == 1, let range = table.first(.contentLength), let value = decimal(span, range) else {
      throw Violation(400, "Content-Length is repeated or no number")
    }
    return .length(value)
  }

  private static func decimal(_ span: RawSpan, _ range: Range<Int>) -> UInt64? {
    guard !range.isEmpty, range.count <= 19 else { return nil }
    var value: UInt64 = 0
    for offset in range {
      let digit = span.uint8(at: offset) &- 0x30
      guard digit < 10 else { return nil }
      value = value * 10 + UInt64(digit)
    }
    return value
  }
}

extension StaticString {
  /// Byte `index` of an ASCII literal.
  @inline(__always) func byte(_ index: Int) -> UInt8 {
    precondition(index >= 0 && index < utf8CodeUnitCount)
    // The index was checked on the line above; a static string is constant memory.
    return unsafe utf8Start[index]
  }
}
