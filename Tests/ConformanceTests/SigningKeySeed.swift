import Bytes
import Ed25519

/// Keys of the vectors: a seed of 32 equal bytes.
enum SigningKeySeed {
  static func key(_ byte: UInt8) -> SigningKey { SigningKey(seed: Bytes32(repeating: byte)) }
}
