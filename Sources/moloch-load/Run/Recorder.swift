import Histogram

/// What a run has seen: latencies in microseconds, and outcomes by class.
struct Recorder {
  /// Classes of failed requests.
  enum Failure: String, CaseIterable { case connect, timeout, reset, client4xx = "4xx", rateLimited = "429", server5xx = "5xx" }

  /// From the planned time of the request to its complete answer, microseconds.
  private(set) var submit = Self.histogram()
  /// From the actual send to the complete answer, microseconds.
  private(set) var service = Self.histogram()
  /// From the planned time to the block that holds the event, microseconds.
  private(set) var finality = Self.histogram()
  /// From the planned time to the actual send, microseconds: how late the generator itself was.
  private(set) var sendLag = Self.histogram()
  private(set) var failures = [Int](repeating: 0, count: Failure.allCases.count)
  private(set) var requests = 0
  private(set) var acceptedEvents = 0
  private(set) var rejectedEvents = 0

  private static func histogram() -> Histogram<UInt64> {
    // 1 us to 60 s with three digits; a value above the top counts as the top.
    Histogram(lowestDiscernibleValue: 1, highestTrackableValue: 60_000_000, numberOfSignificantValueDigits: .three)
  }

  mutating func answered(plannedToEnd: UInt64, sentToEnd: UInt64, lag: UInt64) {
    requests += 1
    _ = submit.record(min(60_000_000, plannedToEnd / 1000))
    _ = service.record(min(60_000_000, sentToEnd / 1000))
    _ = sendLag.record(min(60_000_000, lag / 1000))
  }

  mutating func events(accepted: Int, rejected: Int) {
    acceptedEvents += accepted
    rejectedEvents += rejected
  }

  mutating func failed(_ failure: Failure) { failures[Failure.allCases.firstIndex(of: failure)!] += 1 }
  mutating func finalised(after nanoseconds: UInt64) { _ = finality.record(min(60_000_000, nanoseconds / 1000)) }

  var failureCount: Int { failures.reduce(0, +) }

  /// The failure class of an HTTP status, nil for a success.
  static func failure(status: Int) -> Failure? {
    switch status {
    case 200..<300: nil
    case 429: .rateLimited
    case 400..<500: .client4xx
    default: .server5xx
    }
  }
}
