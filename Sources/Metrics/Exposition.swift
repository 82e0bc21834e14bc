import Lanes

/// One observation of a bucket, and where it comes from.
public struct Exemplar: Sendable {
  let name: String
  let text: String
  let value: UInt64
  let unixMilliseconds: UInt64

  /// - Parameters:
  ///   - name: of the label that says where it comes from; `text` is the label's value, together at most 128 characters.
  ///   - value: in the raw unit of the histogram.
  public init(name: String, text: String, value: UInt64, unixMilliseconds: UInt64) {
    self.name = name
    self.text = text
    self.value = value
    self.unixMilliseconds = unixMilliseconds
  }

  /// ` # {request_id="r-1"} 0.0015 1700000000.123`
  func openMetrics(_ unit: Registry.Unit) -> String {
    let milliseconds = String(1000 + unixMilliseconds % 1000).dropFirst()
    return " # {\(name)=\"\(Exposition.escaped(text))\"} \(Exposition.scaled(value, unit)) \(unixMilliseconds / 1000).\(milliseconds)"
  }
}

/// The text of a registry.
public struct Exposition: Sendable {
  public enum Format: Sendable {
    /// Prometheus text format 0.0.4.
    case text
    /// OpenMetrics 1.0.
    case openMetrics

    public var contentType: StaticString {
      switch self {
      case .text: "text/plain; version=0.0.4; charset=utf-8"
      case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
      }
    }

    /// OpenMetrics when the client's Accept field names it with a weight above zero.
    public init(accept: some StringProtocol) {
      self = .text
      for part in accept.split(separator: ",") {
        let parameters = part.split(separator: ";").map { String($0.filter { $0 != " " && $0 != "\t" }).lowercased() }
        if parameters.first == "application/openmetrics-text", !parameters.dropFirst().contains(where: { $0 == "q=0" || $0 == "q=0.0" }) { self = .openMetrics }
      }
    }
  }

  /// The bytes of the answer.
  public private(set) var bytes: [UInt8] = []
  private let format: Format

  /// - Parameters:
  ///   - details: families in detail are shown, too.
  ///   - exemplars: by the name of a histogram, one for each bucket of each series in order; OpenMetrics has a place for them.
  public init(_ registry: Registry, _ format: Format, details: Bool = false, exemplars: [String: [Exemplar?]] = [:]) {
    self.format = format
    bytes.reserveCapacity(32_768)
    for family in registry.families where details || !family.isDetail { write(family, exemplars[family.name] ?? []) }
    if format == .openMetrics { bytes += "# EOF\n".utf8 }
  }

  private mutating func write(_ family: Registry.Family, _ exemplars: [Exemplar?]) {
    // In OpenMetrics the family of a counter has no _total, its sample has.
    let name = format == .openMetrics && family.kind == .counter ? String(family.name.dropLast(6)) : family.name
    bytes += "# HELP \(name) \(Self.escaped(family.help))\n# TYPE \(name) \(family.kind.rawValue)\n".utf8
    if format == .openMetrics, let unit = family.unit.name, name.hasSuffix("_" + unit) { bytes += "# UNIT \(name) \(unit)\n".utf8 }
    for (position, values) in family.series.enumerated() {
      let labels = zip(family.labels, values).map { "\($0)=\"\(Self.escaped($1))\"" }
      let base = position * family.stride
      switch family.kind {
      case .counter: sample(family.name, labels, Self.scaled(family.words.loadRelaxed(base), family.unit))
      case .gauge:
        let gauge = Gauge(family.words, base)
        if let value = gauge.value { sample(family.name, labels, Self.number(value)) }
      case .histogram:
        let first = position * (family.bounds.count + 1)
        histogram(family, labels, base, first + family.bounds.count < exemplars.count ? exemplars[first...first + family.bounds.count] : [])
      }
    }
  }

  private mutating func histogram(_ family: Registry.Family, _ labels: [String], _ base: Int, _ exemplars: ArraySlice<Exemplar?>) {
    func exemplar(_ bucket: Int) -> String {
      guard format == .openMetrics, bucket < exemplars.count, let exemplar = exemplars[exemplars.startIndex + bucket] else { return "" }
      return exemplar.openMetrics(family.unit)
    }
    var total: UInt64 = 0
    for (bucket, bound) in family.bounds.enumerated() {
      total += family.words.loadRelaxed(base + bucket)
      var text = Self.scaled(bound, family.unit)
      // OpenMetrics wants bounds as floating-point numbers.
      if format == .openMetrics, !text.contains(where: { $0 == "." || $0 == "e" }) { text += ".0" }
      sample(family.name + "_bucket", labels + ["le=\"\(text)\""], "\(total)\(exemplar(bucket))")
    }
    total += family.words.loadRelaxed(base + family.bounds.count)
    sample(family.name + "_bucket", labels + ["le=\"+Inf\""], "\(total)\(exemplar(family.bounds.count))")
    sample(family.name + "_sum", labels, Self.scaled(family.words.loadRelaxed(base + family.bounds.count + 1), family.unit))
    sample(family.name + "_count", labels, "\(total)")
  }

  private mutating func sample(_ name: String, _ labels: [String], _ value: String) {
    bytes += name.utf8
    if !labels.isEmpty { bytes += "{\(labels.joined(separator: ","))}".utf8 }
    bytes += " \(value)\n".utf8
  }

  /// A raw number in the unit of the name, exactly: `1500000` nanoseconds are `0.0015`.
  static func scaled(_ raw: UInt64, _ unit: Registry.Unit) -> String {
    let scale = unit.rawPerUnit
    let (whole, rest) = raw.quotientAndRemainder(dividingBy: scale)
    guard rest > 0 else { return "\(whole)" }
    // scale + rest has one digit more than the fraction, a leading 1.
    var fraction = String(scale + rest).dropFirst()
    while fraction.last == "0" { fraction.removeLast() }
    return "\(whole).\(fraction)"
  }

  static func number(_ value: Double) -> String {
    if value == value.rounded(), abs(value) < 9_007_199_254_740_992 { return "\(Int64(value))" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    return "\(value)"
  }

  static func escaped(_ text: String) -> String {
    var escaped = ""
    for character in text {
      switch character {
      case "\\": escaped += "\\\\"
      case "\"": escaped += "\\\""
      case "\n": escaped += "\\n"
      default: escaped.append(character)
      }
    }
    return escaped
  }
}
