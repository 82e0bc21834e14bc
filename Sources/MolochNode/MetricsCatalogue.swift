import Metrics

/// Every family of metrics that a node of this release can show.
public enum MetricsCatalogue {
  public struct Row: Sendable {
    public let name: String
    /// `counter`, `gauge`, `histogram`.
    public let type: String
    /// `bytes`, `seconds`, `milliseconds`, or empty for plain numbers.
    public let unit: String
    public let labels: [String]
    /// Lines of samples at most, buckets included.
    public let samplesMax: Int
    public let help: String
  }

  public static var rows: [Row] {
    Figures.emptyMetrics(version: Node.version, commit: "").registry.catalogue.map {
      Row(name: $0.name, type: $0.kind.rawValue, unit: $0.unit, labels: $0.labels, samplesMax: $0.samplesMax, help: $0.help)
    }
  }
}
