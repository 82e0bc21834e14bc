import Ambient
import Audit
import Bytes
import HTTP1
import JSON
import Reactor

/// Who a listener talks to.
public enum Audience: Sendable { case api, admin, metrics }

/// One connection: its parser, and the request that it is busy with.
struct Session {
  enum Phase { case reading, verifying, waitingForFinality, waitingForCheckpoint, waitingForStore, closing }

  let connection: ConnectionID
  let audience: Audience
  /// The client's address in two words, for rate limits.
  let addressKey: (UInt64, UInt64)
  /// The peer is on this host.
  let isLoopback: Bool
  var parser = RequestParser()
  var phase = Phase.reading
  var request = Request()
  /// The body so far; its storage is kept for the next request.
  var body: [UInt8] = []
  /// Counts requests, so that an answer of the store finds only the request it belongs to.
  var serial: UInt32 = 0
  /// When the client has waited or dawdled too long.
  var deadline: Instant
  /// Input was paused because the client sent ahead while a request was in work.
  var isPaused = false
  var inputEnded = false

  // The submission in work.
  var results: [SubmissionResult] = []
  /// Next record of the body, and records whose signature is being checked.
  var cursor = 0
  var unverified = 0
  /// Accepted events of this request that are not final yet.
  var unfinalised = 0
}

/// What the head of a request asked for.
struct Request {
  enum ContentType { case none, event, events, json, ndjson, other }

  var route: Route?
  var method = Method.get
  var keepsAlive = true
  var contentType = ContentType.none
  var acceptsJSON = false
  var acceptsOctets = false
  var prefersMinimal = false
  var waitMilliseconds: UInt64?
  var query: [(name: String, value: String)] = []
  /// The client's id if it was well-formed, else ours.
  var id: [UInt8] = []
  var began = Instant.zero
  var bodyLimit = 0
  var refusal: Refusal?
  var rate: RateLimiter.Verdict?

  var isHead: Bool { method == .head }

  mutating func reset(now: Instant) {
    route = nil
    method = .get
    keepsAlive = true
    contentType = .none
    acceptsJSON = false
    acceptsOctets = false
    prefersMinimal = false
    waitMilliseconds = nil
    query.removeAll(keepingCapacity: true)
    id.removeAll(keepingCapacity: true)
    began = now
    bodyLimit = 0
    refusal = nil
    rate = nil
  }
}

/// What became of one submitted record.
struct SubmissionResult {
  enum Outcome {
    /// Its signature is being checked.
    case undecided
    case pending, duplicatePending, duplicateFinal
    /// It was pending when the request came and is final now.
    case final
    case refused(ErrorCode, StaticString)
  }

  var id: EventID?
  var timestamp = Timestamp(milliseconds: 0)
  var range: Range<Int>
  var isGatewayAttested = false
  /// Why the body was refused, with the outcome `bad_body`.
  var fault: ProfileFault?
  var outcome: Outcome
}
