import PeerWire

/// Counters since the start of the process, for metrics.
public struct PeeringStatistics: Equatable, Sendable {
  /// Upper bounds of the round-trip histogram, in milliseconds; one more bucket holds the rest.
  public static let roundTripBounds: [Double] = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500]

  public struct Traffic: Equatable, Sendable {
    /// Bytes on the wire without TLS, by lane.
    public var bytes = [UInt64](repeating: 0, count: Lane.allCases.count)
    /// Messages by type, in the order of `MessageType.all`.
    public var messages = [UInt64](repeating: 0, count: MessageType.all.count)
  }

  public var connectsInbound: UInt64 = 0
  public var connectsOutbound: UInt64 = 0
  /// By `Goodbye.Reason`, in the order of its codes.
  public var disconnects = [UInt64](repeating: 0, count: Goodbye.Reason.allCases.count)
  public var refusedHandshakes: UInt64 = 0
  public var bans: UInt64 = 0
  public var received = Traffic()
  public var sent = Traffic()
  /// Messages that did not fit in a queue, that exceeded their rate, that were no messages.
  public var droppedFull: UInt64 = 0
  public var droppedRate: UInt64 = 0
  public var droppedInvalid: UInt64 = 0
  /// Round trips by bucket of `roundTripBounds`, and their sum.
  public var roundTrips = [UInt64](repeating: 0, count: roundTripBounds.count + 1)
  public var roundTripMillisecondsSum = 0.0

  mutating func noteRoundTrip(milliseconds: Double) {
    roundTrips[Self.roundTripBounds.firstIndex { milliseconds <= $0 } ?? Self.roundTripBounds.count] += 1
    roundTripMillisecondsSum += milliseconds
  }

  static let typeIndex: [Int] = (0...255).map { code in MessageType.all.firstIndex(of: MessageType(rawValue: UInt8(code))) ?? 0 }
}
