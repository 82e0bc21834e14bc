import Bytes
import Glibc
import HTTP1

/// A node's answer.
struct Answer {
  var status = 0
  var contentType: String?
  /// Seconds, when the node asks to come back later.
  var retryAfter: UInt64?
  var body: [UInt8] = []
  var text: String { String(decoding: body, as: UTF8.self) }
}

/// One kept-alive HTTP/1.1 connection, one exchange at a time, blocking.
final class Connection {
  /// Largest answer that is read, bytes: a proof bundle at its limit fits.
  static let bodyBytesMax = 96 << 20
  private static let readBytes = 1 << 16

  private let descriptor: Int32
  private var buffer = [UInt8](repeating: 0, count: Connection.readBytes)
  /// The node allows another exchange on this connection.
  private(set) var isReusable = true

  init(_ endpoint: Endpoint, deadline: Deadline) throws(SocketError) { descriptor = try endpoint.connect(deadline: deadline) }

  deinit { close(descriptor) }

  /// Sends a complete request and reads its answer.
  func exchange(_ head: [UInt8], _ body: [UInt8], deadline: Deadline) throws(SocketError) -> Answer {
    isReusable = false
    do {
      try send(head, deadline)
      try send(body, deadline)
    } catch .system(_, EPIPE), .system(_, ECONNRESET) {
      // A node that refuses a request early answers before it closes: read what it said.
    }
    return try receive(deadline)
  }

  private func send(_ bytes: [UInt8], _ deadline: Deadline) throws(SocketError) {
    var offset = 0
    while offset < bytes.count {
      // The array outlives the call, which reads `count - offset` bytes of it.
      let sent = unsafe bytes.withUnsafeBytes { unsafe Glibc.send(descriptor, $0.baseAddress! + offset, bytes.count - offset, Int32(MSG_NOSIGNAL)) }
      if sent > 0 {
        offset += sent
      } else if errno == EAGAIN {
        try deadline.wait(descriptor, for: POLLOUT)
      } else if errno != EINTR {
        throw .system("send", errno)
      }
    }
  }

  /// Appends what arrives next to `bytes`; false at the end of the stream.
  private func read(into bytes: inout [UInt8], _ deadline: Deadline) throws(SocketError) -> Bool {
    while true {
      // The kernel writes at most the buffer's length.
      let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
      if count > 0 {
        bytes += buffer[0..<count]
        return true
      }
      if count == 0 || errno == ECONNRESET { return false }
      if errno == EAGAIN {
        try deadline.wait(descriptor, for: POLLIN)
      } else if errno != EINTR {
        throw .system("recv", errno)
      }
    }
  }

  private func receive(_ deadline: Deadline) throws(SocketError) -> Answer {
    var parser = ResponseParser()
    var unread: [UInt8] = []
    var start = 0
    var answer = Answer()
    var keepsAlive = false
    var isFresh = true
    while true {
      switch parser.advance(unread.bytes.extracting(start..<unread.count)) {
      case .needMore:
        unread.removeFirst(start)
        start = 0
        guard try read(into: &unread, deadline) else {
          guard parser.inputEnded() else { throw .closed(isFresh: isFresh) }
          return answer
        }
        isFresh = false
      case .head(let head):
        func value(_ name: FieldName) -> String? { head.fields.first(name).flatMap { unread.bytes.extracting(start + $0.lowerBound..<start + $0.upperBound).text } }
        answer.status = head.status
        answer.contentType = value(.contentType)
        answer.retryAfter = value(.retryAfter).flatMap { UInt64($0) }
        keepsAlive = head.keepsAlive
        start += head.byteCount
      case .body(let range, let consumed):
        guard answer.body.count + range.count <= Self.bodyBytesMax else { throw .malformed("a body of more than \(Self.bodyBytesMax) bytes") }
        answer.body += unread[start + range.lowerBound..<start + range.upperBound]
        start += consumed
      case .end(let consumed):
        isReusable = keepsAlive && start + consumed == unread.count
        return answer
      case .violation(let violation):
        throw .malformed("\(violation.reason)")
      }
    }
  }
}
