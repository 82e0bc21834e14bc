/// Bounds of the registry, checked when a family is declared.
public enum MetricsLimit {
  /// Series of one family.
  public static let seriesPerFamily = 128
  /// Buckets of one histogram, the last one without a bound.
  public static let buckets = 32
  /// Words between two series: 128 bytes, since adjacent cache lines are fetched in pairs.
  static let stride = 16
}
