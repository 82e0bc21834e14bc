/// Why bytes are not the value they claim to be.
public enum FormatError: Error, Hashable, Sendable {
  /// Fewer bytes than the layout needs.
  case truncated(needed: Int, got: Int)
  /// Bytes follow the end of the value.
  case trailingBytes(Int)
  case badTag
  /// A reserved bit or byte is not zero.
  case reservedBits
  case badContentType(UInt8)
  /// The named field is outside its range.
  case outOfRange(String)
  /// `SHA-256(salt || body)` differs from the digest of the statement.
  case digestMismatch
  /// Text that breaks a rule of its format; the reason says which.
  case malformed(String)

  /// The name of the API for this cause (`INVALID_EVENT` details, `reason`).
  public var reason: String {
    switch self {
    case .truncated: "truncated_record"
    case .trailingBytes, .outOfRange: "bad_length"
    case .badTag: "bad_tag"
    case .reservedBits: "reserved_bits"
    case .badContentType: "bad_content_type"
    case .digestMismatch: "digest_mismatch"
    case .malformed: "bad_body"
    }
  }
}
