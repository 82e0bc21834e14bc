import Bytes
import COpenSSL

/// SHA-256 (FIPS 180-4).
public enum SHA256 {
  /// The digest of `bytes`.
  public static func hash(_ bytes: RawSpan) -> Digest {
    var stream = SHA256Stream()
    stream.update(bytes)
    return stream.finish()
  }

  public static func hash(_ bytes: [UInt8]) -> Digest { hash(bytes.bytes) }

  /// The digest of one `prefix` byte followed by `bytes`: a tree leaf with prefix 0.
  public static func hash(prefix: UInt8, _ bytes: RawSpan) -> Digest {
    if bytes.byteCount <= paddedMax { return padded(prefix, bytes) }
    var stream = SHA256Stream()
    stream.update(prefix)
    stream.update(bytes)
    return stream.finish()
  }

  /// The digest of `a` followed by `b`, for example of salt and body.
  public static func hash(_ a: RawSpan, _ b: RawSpan) -> Digest {
    var stream = SHA256Stream()
    stream.update(a)
    stream.update(b)
    return stream.finish()
  }

  /// The digest of one `prefix` byte and two digests: a tree node with prefix 1. The 65 bytes and their padding are two blocks, made up in registers: nothing is
  /// buffered, and no end is left to process.
  public static func hash(prefix: UInt8, _ left: Digest, _ right: Digest) -> Digest {
    let (l, r) = (left.bytes, right.bytes)
    var blocks: (
      UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64
    ) = (
      (UInt64(prefix) << 56 | l.w0 >> 8).bigEndian, (l.w0 << 56 | l.w1 >> 8).bigEndian, (l.w1 << 56 | l.w2 >> 8).bigEndian, (l.w2 << 56 | l.w3 >> 8).bigEndian,
      (l.w3 << 56 | r.w0 >> 8).bigEndian, (r.w0 << 56 | r.w1 >> 8).bigEndian, (r.w1 << 56 | r.w2 >> 8).bigEndian, (r.w2 << 56 | r.w3 >> 8).bigEndian,
      // The last byte, the bit that ends the message, zeros, and the length in bits.
      (r.w3 << 56 | 0x80 << 48).bigEndian, 0, 0, 0, 0, 0, 0, UInt64(65 * 8).bigEndian
    )
    var state = SHA256_CTX()
    // libcrypto writes only into the state it is lent, and reads the 128 bytes of the tuple: two whole blocks, after which the chaining value is the digest.
    _ = unsafe SHA256_Init(&state)
    _ = unsafe SHA256_Update(&state, &blocks, 128)
    return chainingValue(state)
  }

  /// Bytes behind the prefix of which message and padding fill four blocks: prefix, the bit that ends the message, and eight bytes of length are the rest.
  private static let paddedMax = 256 - 10

  /// A short message with its padding, whole blocks in one piece: as for a node, nothing is buffered and no end is left. An entry's 193 bytes are four blocks.
  private static func padded(_ prefix: UInt8, _ bytes: RawSpan) -> Digest {
    let count = bytes.byteCount
    let blockBytes = (count + 10 + 63) & ~63
    var blocks = InlineArray<256, UInt8>(repeating: 0)
    var state = SHA256_CTX()
    var span = blocks.mutableSpan
    // `paddedMax` keeps all offsets inside the 256 bytes; source and target do not overlap; libcrypto reads the whole blocks during the call and keeps nothing.
    unsafe span.withUnsafeMutableBytes { blocks in
      unsafe blocks[0] = prefix
      unsafe bytes.withUnsafeBytes { source in unsafe UnsafeMutableRawBufferPointer(rebasing: blocks[1..<count + 1]).copyMemory(from: source) }
      unsafe blocks[count + 1] = 0x80
      unsafe blocks.storeBytes(of: UInt64((count + 1) * 8).bigEndian, toByteOffset: blockBytes - 8, as: UInt64.self)
      _ = unsafe SHA256_Init(&state)
      _ = unsafe SHA256_Update(&state, blocks.baseAddress, blockBytes)
    }
    return chainingValue(state)
  }

  /// The digest once whole blocks have been processed and nothing is left.
  private static func chainingValue(_ state: SHA256_CTX) -> Digest {
    let h = state.h
    return Digest(
      Bytes32(
        UInt64(h.0) << 32 | UInt64(h.1), UInt64(h.2) << 32 | UInt64(h.3), UInt64(h.4) << 32 | UInt64(h.5), UInt64(h.6) << 32 | UInt64(h.7)))
  }
}

/// SHA-256 over input that arrives in pieces. The state is 112 bytes on the stack.
public struct SHA256Stream: ~Copyable {
  private var state = SHA256_CTX()

  public init() {
    // libcrypto writes only into the state it is lent; it cannot fail for a valid pointer.
    _ = unsafe SHA256_Init(&state)
  }

  public mutating func update(_ bytes: RawSpan) {
    // libcrypto reads `count` bytes of the buffer during the call and keeps no pointer.
    unsafe bytes.withUnsafeBytes { buffer in _ = unsafe SHA256_Update(&state, buffer.baseAddress, buffer.count) }
  }

  public mutating func update(_ byte: UInt8) {
    var byte = byte
    // As above, with one byte on the stack.
    _ = unsafe SHA256_Update(&state, &byte, 1)
  }

  public mutating func update(_ digest: Digest) {
    var words = (
      digest.bytes.w0.bigEndian, digest.bytes.w1.bigEndian, digest.bytes.w2.bigEndian, digest.bytes.w3.bigEndian
    )
    // As above, with 32 bytes on the stack.
    _ = unsafe SHA256_Update(&state, &words, 32)
  }

  public consuming func finish() -> Digest {
    var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    // A tuple of four 64-bit words is exactly the 32 bytes that libcrypto writes.
    unsafe withUnsafeMutableBytes(of: &words) { buffer in
      _ = unsafe SHA256_Final(buffer.baseAddress?.assumingMemoryBound(to: UInt8.self), &state)
    }
    return Digest(
      Bytes32(
        UInt64(bigEndian: words.0), UInt64(bigEndian: words.1), UInt64(bigEndian: words.2), UInt64(bigEndian: words.3)))
  }
}
