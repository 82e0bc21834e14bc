import Ambient

/// When each request is due: fixed before the run, whatever the target does. Times are nanoseconds after the start.
struct LoadPlan: Equatable {
  enum Arrival: Equatable {
    case uniform
    /// Exponential gaps drawn from the seed.
    case poisson
    /// `count` requests at once, then a pause of `milliseconds`.
    case burst(count: Int, milliseconds: Int)

    /// Parses `uniform`, `poisson` or `burst:N/ms`.
    init?(_ text: String) {
      switch text {
      case "uniform": self = .uniform
      case "poisson": self = .poisson
      default:
        guard text.hasPrefix("burst:") else { return nil }
        let numbers = text.dropFirst(6).split(separator: "/").map { Int($0) }
        guard numbers.count == 2, let count = numbers[0], let pause = numbers[1], count > 0, pause > 0 else { return nil }
        self = .burst(count: count, milliseconds: pause)
      }
    }
  }

  let arrival: Arrival
  /// Requests per second; 0 means closed loop: a request is due whenever a connection is free.
  let requestsPerSecond: Double
  private var random: SeededGenerator
  private var next: Double = 0
  private var inBurst = 0

  init(arrival: Arrival, requestsPerSecond: Double, seed: UInt64) {
    self.arrival = arrival
    self.requestsPerSecond = requestsPerSecond
    random = SeededGenerator(seed: seed)
  }

  static func == (a: LoadPlan, b: LoadPlan) -> Bool {
    a.arrival == b.arrival && a.requestsPerSecond == b.requestsPerSecond && a.next == b.next && a.inBurst == b.inBurst
  }

  var isClosedLoop: Bool { requestsPerSecond == 0 }

  /// The time of the next request; the one after it is drawn by `advance`.
  var due: UInt64 { UInt64(next) }

  mutating func advance() {
    let mean = 1e9 / requestsPerSecond
    switch arrival {
    case .uniform: next += mean
    case .poisson:
      let uniform = (Double(random.next() >> 11) + 1) / Double(1 << 53)
      next += -mean * logarithm(uniform)
    case .burst(let count, let milliseconds):
      inBurst += 1
      if inBurst == count {
        inBurst = 0
        next += Double(milliseconds) * 1e6
      }
    }
  }
}

/// Natural logarithm of a value in (0, 1], by the series of atanh on the mantissa: the same on every machine, so that a seed is a plan.
func logarithm(_ value: Double) -> Double {
  precondition(value > 0)
  let ratio = (value.significand - 1) / (value.significand + 1)
  let square = ratio * ratio
  var term = ratio, sum = 0.0
  for k in stride(from: 1, through: 31, by: 2) {
    sum += term / Double(k)
    term *= square
  }
  return 2 * sum + Double(value.exponent) * 0.693147180559945309417
}
