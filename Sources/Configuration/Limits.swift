/// Bounds of a configuration that no key changes.
public enum ConfigurationLimit {
  /// Bytes of a `node.toml`.
  public static let fileBytes = 1 << 20
  /// Nodes (keys, tables, elements) of a document.
  public static let documentNodes = 100_000
  /// Findings printed; what goes beyond is counted.
  public static let findings = 200
  /// Bytes of a path: that of Linux (PATH_MAX less the terminator).
  public static let pathBytes = 4095
}
