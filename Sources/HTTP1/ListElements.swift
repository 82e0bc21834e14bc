import Bytes

/// The elements of a comma-separated field value (RFC 9110 section 5.6.1), one by one and without a copy.
///
///     var elements = ListElements(0..<value.byteCount)
///     while let element = elements.next(value) { ... }
public struct ListElements: Sendable, BitwiseCopyable {
  private var start: Int
  private let end: Int

  /// - Parameter range: the value inside the span that is handed to `next`.
  public init(_ range: Range<Int>) { (start, end) = (range.lowerBound, range.upperBound) }

  /// Where the next element lies, without surrounding blanks; empty elements are passed over. Commas inside quotes separate, too: no list that the
  /// node reads has such elements.
  public mutating func next(_ span: RawSpan) -> Range<Int>? {
    while start < end {
      var comma = start
      while comma < end, span.uint8(at: comma) != 0x2C { comma += 1 }
      var first = start, last = comma
      start = comma + 1
      while first < last, Characters.isBlank(span.uint8(at: first)) { first += 1 }
      while last > first, Characters.isBlank(span.uint8(at: last - 1)) { last -= 1 }
      if first < last { return first..<last }
    }
    return nil
  }
}

extension RawSpan {
  /// True when the bytes are those of a lower-case ASCII literal, in any case.
  public func equalsIgnoringCase(_ literal: StaticString) -> Bool { FieldLines.matches(self, 0, byteCount, literal) }

  /// Length of a media type or list element without its parameters: up to the first `;`, without blanks before it.
  public var byteCountOfEssence: Int {
    var end = 0
    while end < byteCount, uint8(at: end) != 0x3B { end += 1 }
    while end > 0, Characters.isBlank(uint8(at: end - 1)) { end -= 1 }
    return end
  }
}
