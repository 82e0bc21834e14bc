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

  /// The digest of one `prefix` byte and two digests: a tree node with prefix 1.
  public static func hash(prefix: UInt8, _ left: Digest, _ right: Digest) -> Digest {
    var stream = SHA256Stream()
    stream.update(prefix)
    stream.update(left)
    stream.update(right)
    return stream.finish()
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
