/// Limits of one message; all apply before anything is buffered.
public enum HTTPLimit {
  /// Bytes of a head: request line or status line, fields, and the empty line.
  public static let headBytes = 8192
  /// Fields of a head.
  public static let fields = 64
  /// Bytes of a request target.
  public static let targetBytes = 4096
  /// Bytes of a method.
  public static let methodBytes = 32
  /// Interim answers (1xx) before a final one.
  public static let interimAnswers = 16
  /// Bytes of a chunk-size line with its extensions.
  public static let chunkLineBytes = 128
  /// Bytes of all trailer fields together.
  public static let trailerBytes = 4096
}
