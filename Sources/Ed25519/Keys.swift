public import Bytes

/// An Ed25519 public key as its 32 encoded bytes. Text form: `ed25519:<64 hex>`. Holding one says nothing about its validity on the curve.
@frozen public struct PublicKey: Hashable, Comparable, Sendable, BitwiseCopyable, CustomStringConvertible {
  public var bytes: Bytes32

  @inlinable public init(_ bytes: Bytes32) { self.bytes = bytes }

  /// Parses `ed25519:` and exactly 64 lowercase hexadecimal digits.
  public init?(text: some StringProtocol) {
    guard text.hasPrefix("ed25519:"), let bytes = Bytes32(hex: text.dropFirst(8)) else { return nil }
    self.bytes = bytes
  }

  @inlinable public static func < (a: Self, b: Self) -> Bool { a.bytes < b.bytes }
  public var description: String { "ed25519:" + bytes.hex }
}

/// An Ed25519 signature, 64 bytes: R, then S in little-endian order.
@frozen public struct Signature: Hashable, Sendable, BitwiseCopyable {
  public var bytes: Bytes64

  @inlinable public init(_ bytes: Bytes64) { self.bytes = bytes }
  /// Reads bytes `offset ..< offset + 64`. Traps when they do not exist.
  @inlinable public init(_ span: RawSpan, at offset: Int) { bytes = Bytes64(span, at: offset) }
}
