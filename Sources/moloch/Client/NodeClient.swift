import ArgumentParser
import Bytes
import Glibc
import HTTP1
import JSON

/// A client of one node: keeps a connection, opens it again when the node has closed it, and turns failures into messages with exit codes.
/// Every request of the commands may be repeated safely: reads change nothing, and a record is its own key.
final class NodeClient {
  /// Longest time without any progress that `patiently` waits for a busy node.
  static let patienceMilliseconds: UInt64 = 600_000

  let endpoint: Endpoint
  private let timeoutMilliseconds: UInt64
  private var connection: Connection?

  init(_ endpoint: Endpoint, timeoutMilliseconds: UInt64) {
    self.endpoint = endpoint
    self.timeoutMilliseconds = timeoutMilliseconds
  }

  func get(_ target: String, accept: String = "application/json", extraMilliseconds: UInt64 = 0) throws(CommandFailure) -> Answer {
    try exchange("GET", target, fields: [("Accept", accept)], body: nil, extraMilliseconds: extraMilliseconds)
  }

  func post(_ target: String, type: String, _ body: [UInt8], extraMilliseconds: UInt64 = 0) throws(CommandFailure) -> Answer {
    try exchange("POST", target, fields: [("Accept", "application/json"), ("Content-Type", type)], body: body, extraMilliseconds: extraMilliseconds)
  }

  func delete(_ target: String) throws(CommandFailure) -> Answer {
    try exchange("DELETE", target, fields: [("Accept", "application/json")], body: nil, extraMilliseconds: 0)
  }

  /// Repeats `request` while the node answers 429 or 503, after the time it names. Gives up after `patienceMilliseconds`.
  func patiently(_ waiting: (UInt64) -> Void = { _ in }, _ request: () throws(CommandFailure) -> Answer) throws(CommandFailure) -> Answer {
    var waited: UInt64 = 0
    while true {
      let answer = try request()
      guard answer.status == 429 || answer.status == 503 else { return answer }
      let pause = min(max(1, answer.retryAfter ?? 1), 60) * 1000
      guard waited + pause <= Self.patienceMilliseconds else {
        throw CommandFailure("\(endpoint) stays busy: \(NodeError(answer))", Exit.temporary)
      }
      waiting(pause / 1000)
      SystemTime.sleep(milliseconds: pause)
      waited += pause
    }
  }

  /// `extraMilliseconds`: time that the node was asked to wait itself before it answers.
  private func exchange(
    _ method: String, _ target: String, fields: [(String, String)], body: [UInt8]?, extraMilliseconds: UInt64
  ) throws(CommandFailure) -> Answer {
    var head: [UInt8] = []
    RequestWriter.write(method, target, host: endpoint.authority, fields: fields, bodyByteCount: body?.count, into: &head)
    let deadline = Deadline(after: timeoutMilliseconds + extraMilliseconds)
    do throws(SocketError) {
      if let connection, connection.isReusable {
        // The node may have closed the idle connection meanwhile; that shows as an end without an answer, and the request goes out once more.
        do throws(SocketError) { return try connection.exchange(head, body ?? [], deadline: deadline) } catch .closed(isFresh: true) {}
      }
      let fresh = try Connection(endpoint, deadline: deadline)
      connection = fresh
      return try fresh.exchange(head, body ?? [], deadline: deadline)
    } catch {
      connection = nil
      throw CommandFailure("cannot reach the node at \(endpoint): \(error.reason)", Self.code(error))
    }
  }

  private static func code(_ error: SocketError) -> ExitCode {
    switch error {
    case .timedOut: Exit.temporary
    case .system(_, EACCES), .system(_, EPERM): Exit.permission
    case .malformed: Exit.dataCorrupt
    default: Exit.unreachable
    }
  }
}

/// An error as a node reports it: `{"error":{"code","message","details"}}`.
struct NodeError: CustomStringConvertible {
  var code: String
  var message: String
  /// `details.reason`
  var reason: String?

  init(_ answer: Answer) {
    let error = (try? StrictJSON(parsing: answer.body, byteCountMax: 1 << 20))?["error"]
    self = error.flatMap { NodeError($0) } ?? NodeError(code: "HTTP \(answer.status)", message: "the node gave no reason", reason: nil)
  }

  init?(_ error: StrictJSON) {
    guard let code = error["code"]?.string else { return nil }
    self.init(code: code, message: error["message"]?.string ?? "", reason: error["details"]?["reason"]?.string)
  }

  init(code: String, message: String, reason: String?) { (self.code, self.message, self.reason) = (code, message, reason) }

  /// The same request may succeed later.
  var isTemporary: Bool { ["RATE_LIMITED", "SYNCING", "MEMPOOL_FULL", "STORAGE_FULL", "NOT_READY", "DRAINING"].contains(code) }

  var description: String { (message.isEmpty ? code : message) + (reason.map { " (\($0))" } ?? " (\(code))") }
}

extension Answer {
  /// The body as JSON.
  func json(from endpoint: Endpoint) throws(CommandFailure) -> StrictJSON {
    do { return try StrictJSON(parsing: body, byteCountMax: Connection.bodyBytesMax) } catch {
      throw CommandFailure("\(endpoint) answered \(status) with something that is not JSON: \(error)", Exit.dataCorrupt)
    }
  }
}
