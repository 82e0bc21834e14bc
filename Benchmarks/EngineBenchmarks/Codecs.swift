import Audit
import Benchmark
import Bytes
import Foundation
import HTTP1
import JSON

/// HTTP, records and event bodies.
func registerCodecs() {
  let get = Array("GET /v1/health HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: wrk/4.1.0\r\nAccept: */*\r\n\r\n".utf8)
  let post = Array("POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/octet-stream\r\nContent-Length: 492\r\n\r\n".utf8) + Events.record(1)
  for (name, request) in [("GET", get), ("POST of one event", post)] {
    measure("HTTP: parse \(name)", operations: 1000) {
      for _ in 0..<1000 { parse(request) }
    }
  }
  let record = Events.record(1)
  measure("record: parse and hash, 492 B", operations: 1000) {
    for _ in 0..<1000 { blackHole(try? Record(parsing: record.bytes).id) }
  }
  let body = Array(profileEvent.utf8)
  nonisolated(unsafe) var profile = EventProfile(bodyBytesMax: 1 << 20)  // one benchmark runs at a time
  measure("JSON: check a body of \(body.count) B", operations: 1000) {
    for _ in 0..<1000 { blackHole(profile.fault(in: body.bytes)) }
  }
  measure("JSON: loser, strict tree reader", operations: 1000) {
    for _ in 0..<1000 { blackHole(try? StrictJSON(parsing: body, byteCountMax: 1 << 20).members?.count) }
  }
  let data = Data(body)
  measure("JSON: loser, Foundation", operations: 1000) {
    for _ in 0..<1000 { blackHole(try? JSONSerialization.jsonObject(with: data)) }
  }
}

private func parse(_ request: [UInt8]) {
  var parser = RequestParser(), offset = 0
  while offset < request.count || !parser.isIdle {
    let rest = request.bytes.extracting(offset..<request.count)
    switch parser.advance(rest) {
    case .head(let head): offset += head.byteCount
    case .body(_, let count): offset += count
    case .end(let count):
      offset += count
      if offset == request.count { return }
    case .needMore, .violation: fatalError("the request is complete and valid")
    }
  }
}

private let profileEvent = """
  {"event_type":"object.read","actor":{"id":"arn:aws:iam::123837892323:user/jmartinez","type":"user","ip":"10.1.2.3"},"resource":{"id":"arn:aws:s3:::audit-lo\
  gs-2026/2026/11/24/part-000017.json.gz","type":"object","owner":"security"},"outcome":"success","reason":"scheduled export","context":{"request_id":"7f9c2b\
  4e-3a51-4a0c-9a0e-5d9d2c0f7a11","user_agent":"aws-cli/2.15.30 Python/3.11.8 Linux/6.1.0","region":"eu-central-1","mfa":true,"bytes":1048576,"latency_ms":12.5},\
  "tags":["export","nightly","s3"],"before":null,"after":{"version":17}}
  """
