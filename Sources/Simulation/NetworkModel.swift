import Ambient

/// How messages travel between nodes: by default within a few milliseconds, in order, once.
struct NetworkModel {
  /// Parts per million, while faults are on.
  struct Faults {
    var loss: UInt64 = 0
    var duplication: UInt64 = 0
    /// Messages that get an extra delay of up to `delayMillisecondsMax`.
    var straggling: UInt64 = 0
  }

  let delayMillisecondsMin: UInt64
  let delayMillisecondsTypical: UInt64
  let delayMillisecondsMax: UInt64
  var faults = Faults()
  /// `isCut[from][to]`: nothing sent in this direction arrives.
  private var isCut: [[Bool]]
  /// Latest arrival per direction, for links that keep the order.
  private var latest: [[Instant]]
  let keepsOrder: Bool

  private(set) var sent: UInt64 = 0
  private(set) var lost: UInt64 = 0
  private(set) var duplicated: UInt64 = 0

  init(_ scenario: Scenario, nodes: Int) {
    delayMillisecondsMin = scenario.delayMillisecondsMin
    delayMillisecondsTypical = scenario.delayMillisecondsTypical
    delayMillisecondsMax = scenario.delayMillisecondsMax
    keepsOrder = scenario.keepsOrder
    isCut = Array(repeating: Array(repeating: false, count: nodes), count: nodes)
    latest = Array(repeating: Array(repeating: .zero, count: nodes), count: nodes)
  }

  mutating func cut(_ from: Int, _ to: Int, _ isCut: Bool) { self.isCut[from][to] = isCut }
  func isCut(_ from: Int, _ to: Int) -> Bool { isCut[from][to] }

  mutating func heal() {
    for from in isCut.indices { for to in isCut.indices { isCut[from][to] = false } }
    faults = Faults()
  }

  /// When a message that is sent now arrives: not at all, once, or twice.
  mutating func arrivals(from: Int, to: Int, now: Instant, _ random: inout SeededGenerator) -> [Instant] {
    sent += 1
    if isCut[from][to] || random.happens(faults.loss) {
      lost += 1
      return []
    }
    var times = [arrival(from, to, now, &random)]
    if random.happens(faults.duplication) {
      duplicated += 1
      times.append(arrival(from, to, now, &random))
    }
    return times
  }

  private mutating func arrival(_ from: Int, _ to: Int, _ now: Instant, _ random: inout SeededGenerator) -> Instant {
    var delay = random.between(delayMillisecondsMin * 1_000_000, delayMillisecondsTypical * 1_000_000)
    if random.happens(faults.straggling) { delay = random.between(delay, max(delay, delayMillisecondsMax * 1_000_000)) }
    var time = now.adding(nanoseconds: max(1, delay))
    guard keepsOrder else { return time }
    if time < latest[from][to] { time = latest[from][to].adding(nanoseconds: 1) }
    latest[from][to] = time
    return time
  }
}
