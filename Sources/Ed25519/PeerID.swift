import Bytes

/// The name of a node in the network: base58btc of `00 24 08 01 12 20` and its Ed25519 node key (multiformats identity hash), 52 characters.
@frozen public struct PeerID: Hashable, Comparable, Sendable, BitwiseCopyable, CustomStringConvertible {
  public let key: PublicKey

  private static var prefix: [UInt8] { [0x00, 0x24, 0x08, 0x01, 0x12, 0x20] }

  @inlinable public init(_ key: PublicKey) { self.key = key }

  /// Parses the text form; nil for anything else. The key may still be no point of the curve.
  public init?(text: some StringProtocol) {
    guard let bytes = Base58.decode(text), bytes.count == 38, bytes.starts(with: Self.prefix) else { return nil }
    key = PublicKey(Bytes32(bytes.bytes, at: 6))
  }

  public var text: String { Base58.encode(Self.prefix.appending(key.bytes)) }
  public var description: String { text }
  /// The order of the key bytes.
  @inlinable public static func < (a: Self, b: Self) -> Bool { a.key < b.key }
}
