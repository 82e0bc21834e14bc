import Bytes
import HTTP1
import Testing

/// Every field name that is in the table is found in a head, in any case, and no other.
@Suite struct FieldNameTests {
  static let names: [(FieldName, String)] = [
    (.host, "Host"), (.contentLength, "Content-Length"), (.connection, "Connection"), (.expect, "Expect"), (.contentType, "Content-Type"),
    (.contentEncoding, "Content-Encoding"), (.accept, "Accept"), (.acceptEncoding, "Accept-Encoding"), (.authorization, "Authorization"), (.apiKey, "X-API-Key"),
    (.requestID, "X-Request-Id"), (.prefer, "Prefer"), (.ifNoneMatch, "If-None-Match"), (.idempotencyKey, "Idempotency-Key"), (.forwardedFor, "X-Forwarded-For"),
    (.origin, "Origin"), (.upgrade, "Upgrade"), (.lastEventID, "Last-Event-Id"), (.retryAfter, "Retry-After"), (.location, "Location"),
  ]

  @Test func theTableOfThisTestIsWhole() {
    // Transfer-Encoding decides the framing and is tested with it.
    #expect(Set(Self.names.map { $0.0 }).union([.other, .transferEncoding]) == Set(FieldName.allCases))
  }

  @Test(arguments: names.indices) func aKnownNameIsFound(_ index: Int) throws {
    let (name, text) = Self.names[index]
    for spelled in [text, text.lowercased(), text.uppercased()] {
      let value = name == .contentLength ? "0" : name == .expect ? "100-continue" : "value"
      let host = name == .host ? "" : "Host: a\r\n"
      let request = Array("GET / HTTP/1.1\r\n\(host)\(spelled): \(value)\r\n\r\n".utf8)
      var parser = RequestParser()
      var head = RequestHead()
      let step = parser.step(request.bytes, &head)
      guard case .head = step else { return #expect(Bool(false), "\(spelled): \(step)") }
      #expect(head.fields.first(name) != nil, "\(spelled) is not found")
    }
  }
}
