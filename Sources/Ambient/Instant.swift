/// A point on a monotonic clock, in nanoseconds since an arbitrary start.
@frozen public struct Instant: Hashable, Comparable, Sendable, BitwiseCopyable {
  public var nanoseconds: UInt64

  @inlinable public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }
  @inlinable public init(milliseconds: UInt64) { self.nanoseconds = milliseconds &* 1_000_000 }

  public static let zero = Instant(nanoseconds: 0)
  /// Later than every deadline: a wait until then is a wait without a timeout.
  public static let distantFuture = Instant(nanoseconds: .max)

  @inlinable public static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }

  /// Whole milliseconds since the start of the clock.
  @inlinable public var milliseconds: UInt64 { nanoseconds / 1_000_000 }

  /// Saturates at `distantFuture`.
  @inlinable public func adding(nanoseconds delta: UInt64) -> Instant {
    let (sum, overflow) = nanoseconds.addingReportingOverflow(delta)
    return Instant(nanoseconds: overflow ? .max : sum)
  }

  /// Saturates at `distantFuture`.
  @inlinable public func adding(milliseconds delta: UInt64) -> Instant {
    let (product, overflow) = delta.multipliedReportingOverflow(by: 1_000_000)
    return adding(nanoseconds: overflow ? .max : product)
  }

  /// Nanoseconds from `earlier` to this instant; zero when `earlier` is later.
  @inlinable public func nanoseconds(since earlier: Instant) -> UInt64 {
    nanoseconds > earlier.nanoseconds ? nanoseconds - earlier.nanoseconds : 0
  }

  /// Whole milliseconds from `earlier` to this instant; zero when `earlier` is later.
  @inlinable public func milliseconds(since earlier: Instant) -> UInt64 { nanoseconds(since: earlier) / 1_000_000 }
}
