import Bytes
import HTTP1

/// What a parser made of some bytes, in a form that must not depend on how they were cut.
struct Transcript: Equatable {
  private(set) var events: [String] = []
  private var body: [UInt8] = []

  private mutating func note(_ text: String) {
    if !body.isEmpty { events.append("body \(Hex.encode(body))") }
    body = []
    events.append(text)
  }

  private mutating func finish() { if !body.isEmpty { note("open") } }

  /// Feeds the pieces as the reactor does: what is not consumed is presented again with what follows.
  static func requests(_ pieces: [ArraySlice<UInt8>]) -> Transcript {
    var parser = RequestParser(), transcript = Transcript(), unread: [UInt8] = []
    for piece in pieces {
      unread += piece
      reading: while true {
        switch parser.advance(unread.bytes) {
        case .needMore: break reading
        case .head(let head):
          precondition(head.byteCount <= HTTPLimit.headBytes && head.byteCount <= unread.count, "a head within its bytes and its limit")
          precondition(head.path.upperBound <= head.byteCount && head.query.upperBound <= head.byteCount, "ranges within the head")
          for index in 0..<head.fields.count { precondition(head.fields[index].value.upperBound <= head.byteCount, "fields within the head") }
          transcript.note("\(head.method) \(Hex.encode(Array(unread[head.path]))) \(Hex.encode(Array(unread[head.query]))) \(head.framing) \(head.keepsAlive) \(head.fields.count)")
          unread.removeFirst(head.byteCount)
        case .body(let range, let count):
          precondition(range.upperBound <= count && count <= unread.count, "a piece within what is consumed")
          transcript.body += unread[range]
          unread.removeFirst(count)
        case .end(let count):
          transcript.note("end")
          unread.removeFirst(count)
        case .violation(let violation):
          transcript.note("violation \(violation.status)")
          return transcript
        }
      }
    }
    transcript.finish()
    return transcript
  }

  static func answers(_ pieces: [ArraySlice<UInt8>]) -> Transcript {
    var parser = ResponseParser(), transcript = Transcript(), unread: [UInt8] = []
    for piece in pieces {
      unread += piece
      reading: while true {
        switch parser.advance(unread.bytes) {
        case .needMore: break reading
        case .head(let head):
          precondition(head.byteCount <= unread.count, "a head within its bytes")
          transcript.note("\(head.status) \(head.framing) \(head.keepsAlive) \(head.fields.count)")
          unread.removeFirst(head.byteCount)
        case .body(let range, let count):
          transcript.body += unread[range]
          unread.removeFirst(count)
        case .end(let count):
          transcript.note("end")
          unread.removeFirst(count)
        case .violation(let violation):
          transcript.note("violation \(violation.status)")
          return transcript
        }
      }
    }
    transcript.finish()
    return transcript
  }
}
