import Foundation

/// A plain HTTP/1.1 client over one kept-alive connection: independent of the node's own codec, so that it can disagree with it.
final class HTTPClient {
  struct Answer {
    var status: Int
    /// Field names in lower case.
    var fields: [String: String]
    var body: [UInt8]

    var text: String { String(decoding: body, as: UTF8.self) }
    var json: [String: Any] { (try? JSONSerialization.jsonObject(with: Data(body)) as? [String: Any]) ?? [:] }
    /// `error.code` of an error answer.
    var errorCode: String? { (json["error"] as? [String: Any])?["code"] as? String }
    /// `error.details.reason` of an error answer.
    var errorReason: String? { ((json["error"] as? [String: Any])?["details"] as? [String: Any])?["reason"] as? String }
  }

  enum Failure: Error { case closed(soFar: String), malformed(String) }

  private let socket: Socket
  private var pending: [UInt8] = []

  init(port: UInt16) throws { socket = try Socket(port: port) }

  func get(_ path: String, accept: String? = nil) throws -> Answer {
    try exchange("GET", path, fields: accept.map { [("Accept", $0)] } ?? [], body: nil)
  }

  func post(_ path: String, type: String, body: [UInt8], fields: [(String, String)] = []) throws -> Answer {
    try exchange("POST", path, fields: fields + [("Content-Type", type)], body: body)
  }

  func exchange(_ method: String, _ path: String, fields: [(String, String)], body: [UInt8]?) throws -> Answer {
    // The longest wait that may be asked for: how long a block takes on a busy machine is no matter of these tests.
    let path = path.contains("wait=finalized") && !path.contains("timeout_ms") ? path + "&timeout_ms=30000" : path
    var head = "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\n"
    for (name, value) in fields { head += "\(name): \(value)\r\n" }
    if let body { head += "Content-Length: \(body.count)\r\n" }
    try socket.send(Array((head + "\r\n").utf8) + (body ?? []))
    return try answer(headOnly: method == "HEAD")
  }

  /// Sends bytes as they are; `answer` reads what comes back.
  func send(_ bytes: [UInt8]) throws { try socket.send(bytes) }

  /// Waits until the node has read all that was sent: nothing lies in a queue of the kernel on either side.
  func waitUntilRead(within seconds: Double = 180) throws {
    let port = ":" + String(String(Int(socket.localPort) + 0x10000, radix: 16, uppercase: true).dropFirst())
    let deadline = Date(timeIntervalSinceNow: seconds)
    var queues: [Substring] = []
    while Date() < deadline {
      // Read to its end: the file has no size, and one read gives a page of it.
      let table = try FileHandle(forReadingFrom: URL(fileURLWithPath: "/proc/net/tcp")).readToEnd() ?? Data()
      queues = String(decoding: table, as: UTF8.self).split(separator: "\n").map { $0.split(separator: " ") }
        .filter { $0.count > 4 && ($0[1].hasSuffix(port) || $0[2].hasSuffix(port)) }.map { $0[4] }
      if queues.count == 2, queues.allSatisfy({ $0 == "00000000:00000000" }) { return }
      usleep(5000)
    }
    throw Failure.malformed("the node does not read: \(queues)")
  }

  /// Reads one answer from the connection.
  func answer(headOnly: Bool = false) throws -> Answer {
    let separator = Array("\r\n\r\n".utf8)
    while true {
      if let end = pending.firstRange(of: separator) {
        let lines = String(decoding: pending[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        pending.removeSubrange(..<end.upperBound)
        let words = lines[0].split(separator: " ", maxSplits: 2)
        guard words.count >= 2, words[0] == "HTTP/1.1", let status = Int(words[1]) else { throw Failure.malformed(lines[0]) }
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
          guard let colon = line.firstIndex(of: ":") else { throw Failure.malformed(line) }
          fields[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        }
        if status == 100 { continue }
        if headOnly || status == 204 || status == 304 { return Answer(status: status, fields: fields, body: []) }
        return Answer(status: status, fields: fields, body: try body(fields))
      }
      try fill()
    }
  }

  private func body(_ fields: [String: String]) throws -> [UInt8] {
    guard let length = fields["content-length"].flatMap({ Int($0) }) else { throw Failure.malformed("no Content-Length") }
    while pending.count < length { try fill() }
    defer { pending.removeSubrange(..<length) }
    return Array(pending[..<length])
  }

  private func fill() throws {
    let piece = try socket.receive()
    guard !piece.isEmpty else { throw Failure.closed(soFar: String(decoding: pending, as: UTF8.self)) }
    pending += piece
  }
}
