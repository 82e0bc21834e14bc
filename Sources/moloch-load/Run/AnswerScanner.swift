import Bytes
import HTTP1

/// Reads one answer and keeps of it what the load tester counts: status, keep-alive, and how many events of a batch were refused.
struct AnswerScanner {
  enum State: Equatable {
    case reading
    case malformed
    case complete(status: Int, keepsAlive: Bool)
  }

  private var parser = ResponseParser()
  private var status = 0
  private var keepsAlive = true
  private(set) var state = State.reading
  /// The value of `"rejected":` in the body.
  private(set) var rejectedCount = 0
  private var prefix: [UInt8] = []

  /// Takes the unread bytes; returns how many were consumed.
  mutating func feed(_ bytes: RawSpan) -> Int {
    var consumed = 0
    while state == .reading {
      let rest = bytes.extracting(consumed..<bytes.byteCount)
      switch parser.advance(rest) {
      case .needMore: return consumed
      case .head(let head):
        status = head.status
        keepsAlive = head.keepsAlive
        consumed += head.byteCount
      case .body(let range, let count):
        // The counts stand at the beginning of a batch answer.
        if prefix.count < 64 { prefix.append(rest.extracting(range.lowerBound..<min(range.upperBound, range.lowerBound + 64))) }
        consumed += count
      case .end(let count):
        consumed += count
        rejectedCount = Self.number(after: "\"rejected\":", in: String(decoding: prefix, as: UTF8.self))
        state = .complete(status: status, keepsAlive: keepsAlive)
      case .violation: state = .malformed
      }
    }
    return consumed
  }

  private static func number(after label: String, in text: String) -> Int {
    var rest = text[...]
    while !rest.isEmpty {
      if rest.hasPrefix(label) { return Int(rest.dropFirst(label.count).prefix { $0.isNumber }) ?? 0 }
      rest = rest.dropFirst()
    }
    return 0
  }
}
