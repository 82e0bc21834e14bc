public import Bytes
import COpenSSL

/// SHA-512 (FIPS 180-4) over input that arrives in pieces; Ed25519's hash. The state is on the stack.
public struct SHA512Stream: ~Copyable {
  private var state = SHA512_CTX()

  public init() {
    // libcrypto writes only into the state it is lent; it cannot fail for a valid pointer.
    _ = unsafe SHA512_Init(&state)
  }

  public mutating func update(_ bytes: RawSpan) {
    // libcrypto reads `count` bytes of the buffer during the call and keeps no pointer.
    unsafe bytes.withUnsafeBytes { buffer in _ = unsafe SHA512_Update(&state, buffer.baseAddress, buffer.count) }
  }

  public mutating func update(_ value: Bytes32) {
    var words = (value.w0.bigEndian, value.w1.bigEndian, value.w2.bigEndian, value.w3.bigEndian)
    // As above, with 32 bytes on the stack.
    _ = unsafe SHA512_Update(&state, &words, 32)
  }

  public consuming func finish() -> Bytes64 {
    typealias Words = (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)
    var words: Words = (0, 0, 0, 0, 0, 0, 0, 0)
    // A tuple of eight 64-bit words is exactly the 64 bytes that libcrypto writes.
    unsafe withUnsafeMutableBytes(of: &words) { buffer in
      _ = unsafe SHA512_Final(buffer.baseAddress?.assumingMemoryBound(to: UInt8.self), &state)
    }
    return Bytes64(
      Bytes32(
        UInt64(bigEndian: words.0), UInt64(bigEndian: words.1), UInt64(bigEndian: words.2), UInt64(bigEndian: words.3)),
      Bytes32(
        UInt64(bigEndian: words.4), UInt64(bigEndian: words.5), UInt64(bigEndian: words.6), UInt64(bigEndian: words.7)))
  }
}
