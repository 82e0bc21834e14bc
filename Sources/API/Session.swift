import Ambient
import Audit
import Bytes
import HTTP1
import JSON
import Reactor

/// Who a listener talks to.
public enum Audience: Sendable { case api, admin, metrics }

/// The row of one connection: its parser, and the request that it is busy with. Rows are made at the start and used again; it holds no memory while
/// it is idle.
struct Session: ~Copyable {
  enum Phase { case free, reading, verifying, waitingForFinality, waitingForCheckpoint, waitingForStore, waitingForNode, closing }

  var connection = ConnectionID(rawValue: .max)
  var audience = Audience.api
  /// The client's address in two words, for rate limits.
  var addressKey: (UInt64, UInt64) = (0, 0)
  /// The other end is one of the trusted proxies.
  var isProxy = false
  /// The peer is on this host.
  var isLoopback = false
  var parser = RequestParser()
  var phase = Phase.free
  var request = Request()
  /// The body so far, in storage lent by the gate.
  var body: [UInt8] = []
  /// Counts requests, so that an answer of the store finds only the request it belongs to.
  var serial: UInt32 = 0
  /// When the client has waited or dawdled too long.
  var deadline = Instant.zero
  /// Input was paused because the client sent ahead while a request was in work.
  var isPaused = false
  var inputEnded = false

  // The submission in work.
  /// In storage lent by the gate.
  var results: [SubmissionResult] = []
  /// Next record of the body, and records whose signature is being checked.
  var cursor = 0
  var unverified = 0
  /// Accepted events of this request that are not final yet.
  var unfinalised = 0

  mutating func open(_ connection: ConnectionID, _ audience: Audience, deadline: Instant) {
    self.connection = connection
    self.audience = audience
    self.deadline = deadline
    parser = RequestParser()
    phase = .reading
    isPaused = false
    inputEnded = false
    request.reset(now: .zero)
  }
}

/// The id of a request, inline: 1 to 64 characters, or none yet.
struct RequestID: BitwiseCopyable {
  private var characters = InlineArray<64, UInt8>(repeating: 0)
  private(set) var count = 0

  var isEmpty: Bool { count == 0 }
  var text: String { String(decoding: (0..<count).map { characters[$0] }, as: UTF8.self) }

  mutating func removeAll() { count = 0 }

  mutating func append(_ character: UInt8) {
    characters[count] = character
    count += 1
  }

  mutating func append(_ text: String) { for character in text.utf8 { append(character) } }

  /// Takes a client's id; false when it is not 1 to 64 of `A-Za-z0-9._-`.
  mutating func take(_ value: RawSpan) -> Bool {
    guard value.byteCount > 0, value.byteCount <= APILimit.requestIDBytes else { return false }
    for offset in 0..<value.byteCount {
      switch value.uint8(at: offset) {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: continue
      default: return false
      }
    }
    for offset in 0..<value.byteCount { append(value.uint8(at: offset)) }
    return true
  }

  /// An id of our own: `r-` and eight digits.
  mutating func make(from counter: UInt64) {
    append(0x72)
    append(0x2D)
    var shift: UInt64 = 64
    while shift > 32 {
      shift -= 4
      append(Hex.digit(UInt8(truncatingIfNeeded: counter >> shift & 15)))
    }
  }

  func write(to out: inout ByteWriter) { out.append(characters, count: count) }
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
  var acceptsOpenMetrics = false
  var prefersMinimal = false
  var acceptsGzip = false
  /// A proxy says that it asks for somebody else.
  var isForwarded = false
  /// The client that a trusted proxy names, as the key of a bucket.
  var clientKey: (UInt64, UInt64)?
  /// Position in the configured origins of the page that asks; -1: none of them.
  var origin = -1
  /// All records of a batch or none.
  var isAtomic = false
  var waitMilliseconds: UInt64?
  var query: [(name: String, value: String)] = []
  var id = RequestID()
  /// `If-None-Match` as it came.
  var knownTags: [UInt8] = []
  var began = Instant.zero
  var bodyLimit = 0
  var refusal: Refusal?
  var rate: RateLimiter.Verdict?

  mutating func reset(now: Instant) {
    route = nil
    method = .get
    keepsAlive = true
    contentType = .none
    acceptsJSON = false
    acceptsOctets = false
    acceptsOpenMetrics = false
    prefersMinimal = false
    acceptsGzip = false
    isForwarded = false
    clientKey = nil
    origin = -1
    isAtomic = false
    waitMilliseconds = nil
    if !query.isEmpty { query = [] }
    id.removeAll()
    if !knownTags.isEmpty { knownTags = [] }
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
    /// Its signature is good; it waits for the others of its atomic batch.
    case verified
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

  var isRefused: Bool { if case .refused = outcome { true } else { false } }
}
