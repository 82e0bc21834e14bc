import Bytes
import COpenSSL

/// A private key and its certificates: what one side of a session shows.
@safe public final class TLSCredential: Sendable {
  // Owned, never changed after init; OpenSSL counts references atomically, so contexts of several threads may take their own.
  nonisolated(unsafe) let key: OpaquePointer
  nonisolated(unsafe) let certificate: OpaquePointer

  /// Unix time at which a certificate of `selfSigned` expires, seconds: the last second of the year 9999.
  public static let selfSignedExpirySeconds: UInt64 = 253_402_300_799

  private init(key: OpaquePointer, certificate: OpaquePointer) {
    // The caller's references become this object's.
    unsafe self.key = key
    unsafe self.certificate = certificate
  }

  deinit {
    // The only owner of these references.
    unsafe EVP_PKEY_free(key)
    unsafe X509_free(certificate)
  }

  /// A credential of a node: the Ed25519 key in PKCS#8 PEM, with a self-signed certificate made here. It has no names and is valid from 1970 to
  /// 9999: only its key counts. The same key gives the same bytes.
  /// - Throws: `.badKey`.
  public static func selfSigned(keyPEM: [UInt8]) throws(TLSError) -> TLSCredential {
    let key = try unsafe readKey(keyPEM)
    guard unsafe EVP_PKEY_get_id(key) == EVP_PKEY_ED25519, let certificate = unsafe X509_new() else {
      unsafe EVP_PKEY_free(key)
      throw .badKey
    }
    // All pointers below belong to the certificate; OpenSSL copies what it is given during each call.
    let isMade =
      unsafe X509_set_version(certificate, 2) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1
      && ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate), "19700101000000Z") == 1
      && ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate), "99991231235959Z") == 1
      && X509_set_pubkey(certificate, key) == 1
      && X509_sign(certificate, key, nil) > 0
    precondition(isMade, "libcrypto signs unless it is out of memory")
    return unsafe TLSCredential(key: key, certificate: certificate)
  }

  /// A credential from files: a private key and its certificate in PEM.
  /// - Throws: `.badKey`, `.badCertificate`, `.keyMismatch`.
  public static func files(keyPEM: [UInt8], certificatePEM: [UInt8]) throws(TLSError) -> TLSCredential {
    // Both are owned from here on and freed on every way out.
    let key = try unsafe readKey(keyPEM)
    guard let certificate = unsafe readCertificate(certificatePEM) else {
      unsafe EVP_PKEY_free(key)
      throw .badCertificate
    }
    // Compares the public halves; owns nothing.
    guard unsafe X509_check_private_key(certificate, key) == 1 else {
      ERR_clear_error()
      unsafe EVP_PKEY_free(key)
      unsafe X509_free(certificate)
      throw .keyMismatch
    }
    return unsafe TLSCredential(key: key, certificate: certificate)
  }

  /// The certificate in DER.
  public var certificateBytes: [UInt8] {
    let count = unsafe i2d_X509(certificate, nil)
    precondition(count > 0, "libcrypto encodes what it made")
    var bytes = [UInt8](repeating: 0, count: Int(count))
    // libcrypto writes exactly the bytes that it announced and moves its copy of the pointer.
    unsafe bytes.withUnsafeMutableBufferPointer { buffer in
      var cursor = buffer.baseAddress
      unsafe _ = i2d_X509(certificate, &cursor)
    }
    return bytes
  }

  private static func readKey(_ pem: [UInt8]) throws(TLSError) -> OpaquePointer {
    guard pem.count <= Limits.pemByteCount else { throw .badKey }
    // The BIO borrows the array for the length of the call; the failing callback keeps libcrypto from asking a terminal for a password.
    let key = unsafe pem.withUnsafeBytes { buffer -> OpaquePointer? in
      guard let bio = unsafe BIO_new_mem_buf(buffer.baseAddress, Int32(buffer.count)) else { return nil }
      defer { unsafe BIO_free(bio) }
      return unsafe PEM_read_bio_PrivateKey(bio, nil, { _, _, _, _ in -1 }, nil)
    }
    ERR_clear_error()
    guard let key = unsafe key else { throw .badKey }
    return unsafe key
  }

  private static func readCertificate(_ pem: [UInt8]) -> OpaquePointer? {
    guard pem.count <= Limits.pemByteCount else { return nil }
    // As above.
    let certificate = unsafe pem.withUnsafeBytes { buffer -> OpaquePointer? in
      guard let bio = unsafe BIO_new_mem_buf(buffer.baseAddress, Int32(buffer.count)) else { return nil }
      defer { unsafe BIO_free(bio) }
      return unsafe PEM_read_bio_X509(bio, nil, { _, _, _, _ in -1 }, nil)
    }
    ERR_clear_error()
    return unsafe certificate
  }
}
