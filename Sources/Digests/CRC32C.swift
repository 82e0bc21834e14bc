import Bytes

/// CRC-32C (Castagnoli), bit-reflected polynomial 0x82F63B78: finds torn and rotten records, and is no defence against an author of bytes.
public enum CRC32C {
  private static let table: [UInt32] = (0..<256).map { index in
    var value = UInt32(index)
    for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0x82F6_3B78 : value >> 1 }
    return value
  }

  /// The checksum of `bytes`, continued from the checksum `seed` of what came before; 0 begins.
  public static func checksum(_ bytes: RawSpan, seed: UInt32 = 0) -> UInt32 {
    var crc = ~seed
    for offset in 0..<bytes.byteCount { crc = crc >> 8 ^ table[Int((crc ^ UInt32(bytes.uint8(at: offset))) & 255)] }
    return ~crc
  }
}
