import Foundation
import Testing

/// What strangers send. After each of these the node still serves others.
@Suite struct HostileClientTests {
  private func status(_ bytes: [UInt8]) -> Int? {
    let words = String(decoding: bytes, as: UTF8.self).split(separator: " ", maxSplits: 2)
    return words.count > 1 && words[0] == "HTTP/1.1" ? Int(words[1]) : nil
  }

  @Test func malformedRequestsGetTheirStatus() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let cases: [(request: String, status: Int)] = [
      ("GARBAGE\r\n\r\n", 400),
      ("\u{01}\u{02}\u{03}\r\n\r\n", 400),
      ("GET /v1/health HTTP/1.1\nHost: a\n\n", 400),
      ("GET /v1/health HTTP/1.1\r\n\r\n", 400),
      ("GET /v1/health HTTP/2.0\r\nHost: a\r\n\r\n", 505),
      ("GET /" + String(repeating: "a", count: 20_000) + " HTTP/1.1\r\nHost: a\r\n\r\n", 414),
      ("GET /v1/health HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "a", count: 20_000) + "\r\n\r\n", 431),
      ("POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
      ("POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
      ("POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/vnd.moloch.event\r\nContent-Length: 1073741824\r\n\r\n", 413),
      ("POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/vnd.moloch.event\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
    ]
    for (request, expected) in cases {
      let socket = try Socket(port: node.apiPort)
      // The node may answer and close before a long request is sent whole.
      try? socket.send(request)
      let answer = try socket.receiveAll()
      #expect(status(answer) == expected, "\(request.prefix(60)) -> \(String(decoding: answer.prefix(200), as: UTF8.self))")
    }
    let client = try node.client()
    #expect(try client.get("/v1/health").status == 200)
    let unknown = try client.get("/v1/nothing")
    #expect(unknown.status == 404 && unknown.errorCode == "NOT_FOUND")
    let method = try client.exchange("DELETE", "/v1/status", fields: [], body: nil)
    #expect(method.status == 405 && method.fields["allow"]?.contains("GET") == true)
    let parameter = try client.get("/v1/proofs/inclusion?evnt_id=1")
    #expect(parameter.status == 400 && parameter.text.contains("evnt_id"), "\(parameter.text)")
  }

  @Test func aSlowClientGets408AndDoesNotHoldOthersUp() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url, arguments: ["--set", "api.header_timeout=2s", "--set", "api.request_timeout=4s"])
    /// A busy machine may make a healthy client slow, too: it asks again.
    func expectHealth() throws {
      let deadline = Date(timeIntervalSinceNow: 120)
      var last = 0
      while last != 200, Date() < deadline { last = (try? node.client().get("/v1/health").status) ?? -1 }
      #expect(last == 200)
    }
    let slowHead = try Socket(port: node.apiPort)
    try slowHead.send("GET /v1/hea")
    let slowBody = try Socket(port: node.apiPort)
    try slowBody.send("POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/vnd.moloch.event\r\nContent-Length: 500\r\n\r\nabc")
    try expectHealth()
    #expect(status(try slowHead.receiveAll()) == 408)
    #expect(status(try slowBody.receiveAll()) == 408)
    try expectHealth()
  }

  @Test func pipelinedRequestsAreAnsweredInOrder() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let socket = try Socket(port: node.apiPort)
    var requests = ""
    for index in 0..<20 { requests += "GET /v1/health HTTP/1.1\r\nHost: a\r\nX-Request-Id: r\(index)\r\n\r\n" }
    try socket.send(requests + "GET /v1/status HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Request-Id: last\r\n\r\n")
    let text = String(decoding: try socket.receiveAll(), as: UTF8.self)
    let ids = text.components(separatedBy: "\r\n").filter { $0.lowercased().hasPrefix("x-request-id: ") }.map { String($0.dropFirst(14)) }
    #expect(ids == (0..<20).map { "r\($0)" } + ["last"])
  }
}
