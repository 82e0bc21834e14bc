import Lanes

/// Declares families and keeps them for the exposition, in the order of declaration.
public struct Registry: Sendable {
  public enum Kind: String, Sendable { case counter, gauge, histogram }

  /// What a raw unit is of the unit in the name.
  public enum Unit: Sendable {
    case none, bytes, secondsOfNanoseconds, millisecondsOfMicroseconds
    var rawPerUnit: UInt64 {
      switch self {
      case .none, .bytes: 1
      case .secondsOfNanoseconds: 1_000_000_000
      case .millisecondsOfMicroseconds: 1000
      }
    }
    /// The unit's name for OpenMetrics; families in milliseconds keep theirs out, since it is no base unit.
    var name: String? {
      switch self {
      case .none, .millisecondsOfMicroseconds: nil
      case .bytes: "bytes"
      case .secondsOfNanoseconds: "seconds"
      }
    }
  }

  /// A name and the values it can have.
  public struct Label: Sendable {
    let name: String
    let values: [String]
    public init(_ name: String, _ values: [String]) {
      self.name = name
      self.values = values
    }
  }

  struct Family: Sendable {
    let name: String
    let help: String
    let kind: Kind
    let unit: Unit
    let labels: [String]
    let series: [[String]]
    let bounds: [UInt64]
    let words: AtomicWords
    let stride: Int
    /// Left out of an exposition without details.
    let isDetail: Bool
  }

  private(set) var families: [Family] = []

  public init() {}

  /// Names of all families.
  public var names: [String] { families.map { $0.name } }

  /// What a family is, for readers of a catalogue.
  public struct Description: Sendable {
    public let name: String
    public let help: String
    public let kind: Kind
    /// `bytes`, `seconds`, `milliseconds`, or empty for plain numbers.
    public let unit: String
    public let labels: [String]
    /// Lines of samples that the family can have at most, buckets included.
    public let samplesMax: Int
  }

  /// All families, in the order of declaration.
  public var catalogue: [Description] {
    families.map { family in
      let lines = family.kind == .histogram ? family.bounds.count + 3 : 1
      let unit = family.unit.name ?? (family.unit.rawPerUnit == 1000 ? "milliseconds" : "")
      return Description(name: family.name, help: family.help, kind: family.kind, unit: unit, labels: family.labels, samplesMax: family.series.count * lines)
    }
  }

  // MARK: Declaring

  public mutating func counter(_ name: String, _ help: String, _ unit: Unit = .none) -> Counter { Counter(declare(name, help, .counter, unit).words, 0) }

  public mutating func counters(_ name: String, _ help: String, _ unit: Unit = .none, by labels: Label...) -> Series<Counter> {
    let family = declare(name, help, .counter, unit, labels)
    return Series(handles: family.series.indices.map { Counter(family.words, $0 * family.stride) }, values: family.series)
  }

  public mutating func gauge(_ name: String, _ help: String, _ unit: Unit = .none) -> Gauge { Gauge(declare(name, help, .gauge, unit).words, 0) }

  public mutating func gauges(_ name: String, _ help: String, _ unit: Unit = .none, by labels: Label...) -> Series<Gauge> {
    let family = declare(name, help, .gauge, unit, labels)
    return Series(handles: family.series.indices.map { Gauge(family.words, $0 * family.stride) }, values: family.series)
  }

  /// - Parameter bounds: rising upper bounds in the raw unit.
  public mutating func histogram(_ name: String, _ help: String, _ unit: Unit = .none, _ bounds: [UInt64]) -> Histogram {
    Histogram(declare(name, help, .histogram, unit, [], bounds).words, 0, bounds)
  }

  public mutating func histograms(_ name: String, _ help: String, _ unit: Unit = .none, _ bounds: [UInt64], by labels: Label...) -> Series<Histogram> {
    let family = declare(name, help, .histogram, unit, labels, bounds)
    return Series(handles: family.series.indices.map { Histogram(family.words, $0 * family.stride, bounds) }, values: family.series)
  }

  /// A family in detail: series for chosen combinations of values only, shown when asked for.
  /// - Parameter series: values of the labels, one list for each series.
  public mutating func detail(_ name: String, _ help: String, _ unit: Unit, _ bounds: [UInt64], by labels: [String], series: [[String]]) -> Series<Histogram> {
    precondition(series.allSatisfy { $0.count == labels.count } && Set(series).count == series.count, "\(name): one value for each label, no series twice")
    let family = declare(name, help, .histogram, unit, labels, series, bounds, isDetail: true)
    return Series(handles: series.indices.map { Histogram(family.words, $0 * family.stride, bounds) }, values: series)
  }

  private mutating func declare(_ name: String, _ help: String, _ kind: Kind, _ unit: Unit, _ labels: [Label] = [], _ bounds: [UInt64] = []) -> Family {
    var series: [[String]] = [[]]
    for label in labels { series = series.flatMap { head in label.values.map { head + [$0] } } }
    return declare(name, help, kind, unit, labels.map { $0.name }, series, bounds)
  }

  private mutating func declare(
    _ name: String, _ help: String, _ kind: Kind, _ unit: Unit, _ labels: [String], _ series: [[String]], _ bounds: [UInt64], isDetail: Bool = false
  ) -> Family {
    precondition(!families.contains { $0.name == name }, "\(name) is declared twice")
    precondition(kind != .counter || name.hasSuffix("_total"), "\(name): a counter ends in _total")
    precondition(kind != .histogram || !bounds.isEmpty && bounds.count < MetricsLimit.buckets && zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 }, "\(name): bounds rise")
    precondition(!series.isEmpty && series.count <= MetricsLimit.seriesPerFamily, "\(name): too many series")
    // A histogram holds its buckets, the one without a bound, and the sum.
    let needed = kind == .histogram ? bounds.count + 2 : 1
    let stride = (needed + MetricsLimit.stride - 1) / MetricsLimit.stride * MetricsLimit.stride
    let family = Family(
      name: name, help: help, kind: kind, unit: unit, labels: labels, series: series, bounds: bounds,
      words: AtomicWords(count: series.count * stride, value: kind == .gauge ? Gauge.absent : 0), stride: stride, isDetail: isDetail)
    families.append(family)
    return family
  }

  /// Spans of time from 100 us to 10 s, nanoseconds.
  public static let spans: [UInt64] = [
    100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000, 250_000_000, 500_000_000, 1_000_000_000, 2_500_000_000,
    5_000_000_000, 10_000_000_000,
  ]
  /// Spans of time from 10 ms to 5 min, nanoseconds.
  public static let longSpans: [UInt64] = [10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 120_000, 300_000].map { $0 * 1_000_000 }
  /// Counts from 1 to 65536 in powers of four.
  public static let counts: [UInt64] = [1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536]
  /// Sizes from 1 KiB to 64 MiB in powers of four.
  public static let sizes: [UInt64] = [1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864]
}
