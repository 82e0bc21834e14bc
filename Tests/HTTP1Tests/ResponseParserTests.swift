import Bytes
import HTTP1
import Testing

@Suite struct ResponseParserTests {
  private func read(_ pieces: [[UInt8]], headOnly: Bool = false, ends: Bool = false) -> [String] {
    var parser = ResponseParser(), events: [String] = [], body: [UInt8] = [], unread: [UInt8] = []
    parser.expect(answerToHead: headOnly)
    for piece in pieces {
      unread += piece
      reading: while true {
        switch parser.advance(unread.bytes) {
        case .needMore: break reading
        case .head(let head):
          events.append("\(head.status) \(head.framing) alive=\(head.keepsAlive)")
          unread.removeFirst(head.byteCount)
        case .body(let range, let count):
          body += unread[range]
          unread.removeFirst(count)
        case .end(let count):
          unread.removeFirst(count)
          events.append("end " + String(decoding: body, as: UTF8.self))
          body = []
          if unread.isEmpty { break reading }
        case .violation(let violation): return events + ["violation \(violation.status)"]
        }
      }
    }
    if ends { events.append(parser.inputEnded() ? "closed " + String(decoding: body, as: UTF8.self) : "cut short") }
    return events
  }

  static let answers = [
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "HTTP/1.1 304\r\n\r\nHTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n",
  ]

  @Test(arguments: answers) func everySplitGivesTheSameResult(text: String) {
    let bytes = Array(text.utf8), whole = read([bytes])
    #expect(whole.last?.hasPrefix("end") == true, "\(whole)")
    for cut in 0...bytes.count { #expect(read([Array(bytes[..<cut]), Array(bytes[cut...])]) == whole, "cut at \(cut)") }
  }

  @Test func bodiesMayEndWithTheConnectionOrNotBeThere() {
    let open = Array("HTTP/1.1 200 OK\r\n\r\nuntil the end".utf8)
    #expect(read([open], ends: true) == ["200 untilClose alive=false", "closed until the end"])
    #expect(read([Array("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort".utf8)], ends: true).last == "cut short")
    #expect(read([Array("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".utf8)], headOnly: true).last == "end ")
  }

  @Test(arguments: [
    ("HTTP/1.1 2000 OK\r\n\r\n", 400), ("HTTP/1.1 099 X\r\n\r\n", 400), ("HTTP/1.X 200 OK\r\n\r\n", 505), ("FTP/1.1 200 OK\r\nA: b\r\n\r\n", 400),
    ("HTTP/1.1 101 Switch\r\n\r\n", 400), ("HTTP/1.1 200 OK\r\nX: " + String(repeating: "a", count: 70_000) + "\r\n\r\n", 431),
    (String(repeating: "HTTP/1.1 102 Wait\r\n\r\n", count: 17), 400),
  ])
  func hostileServersAreRefused(text: String, status: Int) {
    #expect(read([Array(text.utf8)]).last == "violation \(status)")
  }

  @Test func queriesAndEscapesAreStrict() throws {
    let query = Array("a=1&b=%C3%A9+x&c&d=".utf8)
    let parsed = QueryParameters(query.bytes)
    let pairs = try #require(parsed).pairs
    #expect(pairs.map { $0.name } == ["a", "b", "c", "d"] && pairs.map { $0.value } == ["1", "é x", "", ""])
    for bad in ["a=%", "a=%4", "a=%zz", "a=%FF"] {
      let bytes = Array(bad.utf8), refused = QueryParameters(bytes.bytes) == nil
      #expect(refused, "\(bad)")
    }
    #expect(PercentEncoding.encode("a b/é") == "a%20b%2F%C3%A9")
  }
}
