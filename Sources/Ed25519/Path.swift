import CEd25519

/// The implementations of the one acceptance rule. Their verdicts are equal; they differ in speed.
public enum Path: String, Sendable, CaseIterable {
  /// Swift alone, on every machine.
  case portable
  /// AVX-512 IFMA, eight lanes.
  case ifma

  private static let hasIFMA = ced25519_has_ifma()

  /// True when this processor and its operating system can run it.
  public var isAvailable: Bool { self == .portable || Self.hasIFMA }
  /// Those that can run here, the fastest one last.
  public static var available: [Path] { allCases.filter(\.isAvailable) }
  /// The fastest one that can run here.
  public static let best: Path = hasIFMA ? .ifma : .portable
}
