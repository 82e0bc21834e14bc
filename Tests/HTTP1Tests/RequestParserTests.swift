import Bytes
import HTTP1
import Foundation
import Testing

/// What a parser made of some bytes, in a form that does not depend on how they were cut.
struct Transcript: Equatable {
  var events: [String] = []
  private var body: [UInt8] = []

  mutating func piece(_ bytes: [UInt8]) { body += bytes }
  mutating func event(_ text: String) {
    if !body.isEmpty { events.append("body \(Hex.encode(body))") }
    body = []
    events.append(text)
  }

  /// Feeds `pieces` one after the other to the server's parser, as the reactor does: what is not consumed is presented again with what follows.
  static func requests(_ pieces: [[UInt8]]) -> Transcript {
    var parser = RequestParser(), transcript = Transcript(), unread: [UInt8] = []
    for piece in pieces {
      unread += piece
      reading: while true {
        switch parser.advance(unread.bytes) {
        case .needMore: break reading
        case .head(let head):
          let path = String(decoding: unread[head.path], as: UTF8.self), query = String(decoding: unread[head.query], as: UTF8.self)
          transcript.event("\(head.method) \(path)?\(query) \(head.framing) alive=\(head.keepsAlive) continue=\(head.expectsContinue) fields=\(head.fields.count)")
          unread.removeFirst(head.byteCount)
        case .body(let range, let count):
          transcript.piece(Array(unread[range]))
          unread.removeFirst(count)
        case .end(let count):
          transcript.event("end")
          unread.removeFirst(count)
          if unread.isEmpty { break reading }
        case .violation(let violation):
          transcript.event("violation \(violation.status)")
          return transcript
        }
      }
    }
    return transcript
  }
}

@Suite struct RequestParserTests {
  static let valid = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /v1/events?actor=a%20b&x=1 HTTP/1.1\r\nhost: a\r\nX-Request-Id: r-1\r\nConnection: close\r\n\r\n",
    "POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\nhello world",
    "POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    "HEAD /v1/health HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET http://a:80/v1/status?x=1 HTTP/1.1\r\nHost: a:80\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: x, close\r\n\r\n",
  ]

  @Test(arguments: valid) func everySplitGivesTheSameResult(text: String) {
    let bytes = Array(text.utf8)
    let whole = Transcript.requests([bytes])
    #expect(whole.events.last == "end", "\(whole.events)")
    for cut in 0...bytes.count {
      let split = Transcript.requests([Array(bytes[..<cut]), Array(bytes[cut...])])
      #expect(split == whole, "cut at \(cut)")
    }
    #expect(Transcript.requests(bytes.map { [$0] }) == whole, "byte by byte")
  }

  static let violations: [(String, Int)] = [
    ("GET / HTTP/1.1\nHost: a\n\n", 400), ("GET / HTTP/1.1\r\nHost: a\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400), ("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505), ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505), ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("G\u{7F}T / HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", 400), ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501), ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", 417), ("GET / HTTP/1.1\r\nHost: a\r\nX: a\u{0}b\r\n\r\n", 400),
    ("GET /" + String(repeating: "a", count: HTTPLimit.targetBytes) + " HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "a", count: HTTPLimit.headBytes) + "\r\n\r\n", 431),
    ("GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "X: y\r\n", count: HTTPLimit.fields) + "\r\n", 431),
    (String(repeating: "A", count: HTTPLimit.methodBytes + 1) + " / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
  ]

  @Test(arguments: violations.indices) func eachViolationHasItsStatusHoweverItIsCut(index: Int) {
    let (text, status) = Self.violations[index]
    let bytes = Array(text.utf8)
    #expect(Transcript.requests([bytes]).events.last == "violation \(status)", "\(text.prefix(80))")
    #expect(Transcript.requests(bytes.map { [$0] }).events.last == "violation \(status)", "byte by byte: \(text.prefix(80))")
  }

  @Test func limitsHoldExactly() {
    let target = "GET /" + String(repeating: "a", count: HTTPLimit.targetBytes - 1) + " HTTP/1.1\r\nHost: a\r\n\r\n"
    #expect(Transcript.requests([Array(target.utf8)]).events.last == "end")
    let fields = "GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "X: y\r\n", count: HTTPLimit.fields - 1) + "\r\n"
    #expect(Transcript.requests([Array(fields.utf8)]).events.last == "end")
    let frame = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n"
    let head = "GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "a", count: HTTPLimit.headBytes - frame.utf8.count) + "\r\n\r\n"
    #expect(head.utf8.count == HTTPLimit.headBytes)
    #expect(Transcript.requests([Array(head.utf8)]).events.last == "end")
    #expect(Transcript.requests(Array(head.utf8).map { [$0] }).events.last == "end")
    for extra in [0, 1] {
      let line = "1;" + String(repeating: "a", count: HTTPLimit.chunkLineBytes - 2 + extra)
      let chunked = Array("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(line)\r\nx\r\n0\r\n\r\n".utf8)
      let expected = extra == 0 ? "end" : "violation 400"
      #expect(Transcript.requests([chunked]).events.last == expected)
      #expect(Transcript.requests(chunked.map { [$0] }).events.last == expected)
    }
  }

  @Test func randomDamageNeverTrapsAndCutsNeverMatter() {
    let seed = ProcessInfo.processInfo.environment["MOLOCH_TEST_SEED"].flatMap { UInt64($0) } ?? 1
    var state = seed
    func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state >> 33
    }
    for _ in 0..<3000 {
      var bytes = Array(Self.valid[Int(next()) % Self.valid.count].utf8)
      for _ in 0...(next() % 3) { bytes[Int(next()) % bytes.count] = UInt8(truncatingIfNeeded: next()) }
      let cut = Int(next()) % (bytes.count + 1)
      let whole = Transcript.requests([bytes]), split = Transcript.requests([Array(bytes[..<cut]), Array(bytes[cut...])])
      #expect(whole == split, "seed \(seed), bytes \(Hex.encode(bytes)), cut \(cut)")
    }
  }
}
