public import Bytes

/// A SHA-256 value, 32 bytes. Text form: 64 lowercase hexadecimal digits.
@frozen public struct Digest: Hashable, Comparable, Sendable, BitwiseCopyable, CustomStringConvertible {
  public var bytes: Bytes32

  @inlinable public init(_ bytes: Bytes32) { self.bytes = bytes }
  /// Reads bytes `offset ..< offset + 32`. Traps when they do not exist.
  @inlinable public init(_ span: RawSpan, at offset: Int) { bytes = Bytes32(span, at: offset) }
  public init?(hex: some StringProtocol) {
    guard let bytes = Bytes32(hex: hex) else { return nil }
    self.bytes = bytes
  }

  @inlinable public static func < (a: Self, b: Self) -> Bool { a.bytes < b.bytes }

  /// 32 zero bytes: the parent of height 0, the block hash of a nullify vote.
  public static let zero = Digest(Bytes32())
  /// `SHA-256("")`, the root of an empty tree.
  public static let empty = SHA256.hash([])

  public var hex: String { bytes.hex }
  public var description: String { hex }
}
