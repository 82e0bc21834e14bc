/// The implementations of the one acceptance rule. Their verdicts are equal; they differ in speed.
public enum Path: String, Sendable, CaseIterable {
  /// Swift alone, on every machine.
  case portable

  /// Those that this processor and its operating system support, the fastest one last.
  static var available: [Path] { [.portable] }
  /// The fastest one that this processor and its operating system support.
  public static let best: Path = .portable
}
