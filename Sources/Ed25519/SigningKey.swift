public import Bytes
import COpenSSL

/// Why a key could not be made or read.
public enum KeyError: Error, Equatable, Sendable {
  /// The system gave no entropy.
  case noEntropy
  /// More than `Limits.pemLengthMax` bytes.
  case tooLong(Int)
  /// Not an unencrypted PKCS#8 private key in PEM.
  case notPEM
  /// A private key, but not an Ed25519 one.
  case notEd25519
}

/// An Ed25519 private key that signs through libcrypto (RFC 8032, constant time). The seed lives only in libcrypto's memory, which clears it on release.
@safe public final class SigningKey: Sendable {
  public let publicKey: PublicKey
  /// Owned; never changed after init, and libcrypto lets any number of threads sign with one key, so sharing the pointer is sound.
  private nonisolated(unsafe) let key: OpaquePointer

  /// The key of an RFC 8032 seed of 32 bytes. Traps only when libcrypto is out of memory.
  public convenience init(seed: Bytes32) {
    var words = (seed.w0.bigEndian, seed.w1.bigEndian, seed.w2.bigEndian, seed.w3.bigEndian)
    // libcrypto copies the 32 bytes during the call; the copy here is cleared at once.
    let key = unsafe withUnsafeMutableBytes(of: &words) { buffer in
      let key = unsafe EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, buffer.baseAddress, 32)
      unsafe OPENSSL_cleanse(buffer.baseAddress, 32)
      return unsafe key
    }
    guard let key = unsafe key else { preconditionFailure("libcrypto is out of memory") }
    unsafe self.init(owning: key)
  }

  /// Takes over an Ed25519 key.
  private init(owning key: OpaquePointer) {
    unsafe self.key = key
    var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    var length = 32
    // Four words are exactly the 32 bytes that libcrypto writes.
    let status = unsafe withUnsafeMutableBytes(of: &words) { buffer in
      unsafe EVP_PKEY_get_raw_public_key(key, buffer.baseAddress?.assumingMemoryBound(to: UInt8.self), &length)
    }
    precondition(status == 1 && length == 32, "libcrypto gives the public half of every Ed25519 key")
    publicKey = PublicKey(Bytes32(words.0.bigEndian, words.1.bigEndian, words.2.bigEndian, words.3.bigEndian))
  }

  deinit {
    // The only owner; libcrypto clears the seed.
    unsafe EVP_PKEY_free(key)
  }

  /// A new key from libcrypto's private generator, which the system's entropy seeds.
  public static func generate() throws(KeyError) -> SigningKey {
    var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    // Four words are exactly 32 bytes; they are cleared after use.
    let status = unsafe withUnsafeMutableBytes(of: &words) { buffer in
      unsafe RAND_priv_bytes(buffer.baseAddress?.assumingMemoryBound(to: UInt8.self), 32)
    }
    guard status == 1 else { throw .noEntropy }
    let key = SigningKey(seed: Bytes32(words.0.bigEndian, words.1.bigEndian, words.2.bigEndian, words.3.bigEndian))
    // The tuple is on this stack frame.
    unsafe withUnsafeMutableBytes(of: &words) { buffer in unsafe OPENSSL_cleanse(buffer.baseAddress, 32) }
    return key
  }

  /// Signs a message of any length.
  public func sign(_ message: RawSpan) -> Signature {
    typealias Words = (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)
    var words: Words = (0, 0, 0, 0, 0, 0, 0, 0)
    var length = 64
    // A context per call, freed below; the key outlives it. libcrypto reads the message and writes 64 bytes during the call only.
    let context = unsafe EVP_MD_CTX_new()
    defer { unsafe EVP_MD_CTX_free(context) }
    let started = unsafe EVP_DigestSignInit(context, nil, nil, nil, key)
    let status = unsafe message.withUnsafeBytes { text in
      unsafe withUnsafeMutableBytes(of: &words) { out in
        unsafe EVP_DigestSign(
          context, out.baseAddress?.assumingMemoryBound(to: UInt8.self), &length, text.baseAddress?.assumingMemoryBound(to: UInt8.self), text.count)
      }
    }
    precondition(started == 1 && status == 1 && length == 64, "libcrypto signs unless it is out of memory")
    return Signature(
      Bytes64(
        Bytes32(words.0.bigEndian, words.1.bigEndian, words.2.bigEndian, words.3.bigEndian),
        Bytes32(words.4.bigEndian, words.5.bigEndian, words.6.bigEndian, words.7.bigEndian)))
  }

  /// Reads an unencrypted PKCS#8 PEM, as `openssl genpkey -algorithm ed25519` writes it.
  public convenience init(pem: [UInt8]) throws(KeyError) {
    guard pem.count <= Limits.pemLengthMax else { throw .tooLong(pem.count) }
    // The BIO copies nothing and is freed before the array is; the empty password keeps libcrypto from asking on the terminal.
    let parsed = unsafe pem.withUnsafeBytes { buffer -> OpaquePointer? in
      guard let bio = unsafe BIO_new_mem_buf(buffer.baseAddress, Int32(buffer.count)) else { return nil }
      defer { unsafe BIO_free(bio) }
      return unsafe PEM_read_bio_PrivateKey(bio, nil, { _, _, _, _ in -1 }, nil)
    }
    guard let key = unsafe parsed else {
      ERR_clear_error()
      throw .notPEM
    }
    guard unsafe EVP_PKEY_get_id(key) == EVP_PKEY_ED25519 else {
      unsafe EVP_PKEY_free(key)
      throw .notEd25519
    }
    unsafe self.init(owning: key)
  }

  /// The key as unencrypted PKCS#8 PEM, as `openssl pkey` reads it. The caller keeps it secret.
  public func pem() -> [UInt8] {
    // A memory BIO owned by this call; its bytes are copied out before it is freed.
    guard let bio = unsafe BIO_new(BIO_s_mem()) else { preconditionFailure("libcrypto is out of memory") }
    defer { unsafe BIO_free(bio) }
    let status = unsafe PEM_write_bio_PKCS8PrivateKey(bio, key, nil, nil, 0, nil, nil)
    precondition(status == 1, "libcrypto writes its own key")
    var text = [UInt8](repeating: 0, count: Limits.pemLengthMax)
    let count = unsafe text.withUnsafeMutableBytes { buffer in unsafe BIO_read(bio, buffer.baseAddress, Int32(buffer.count)) }
    precondition(count > 0, "the BIO holds what was just written")
    return Array(text.prefix(Int(count)))
  }
}
