/// Why a context could not be made.
public enum TLSError: Error, Equatable, Sendable {
  /// The text is no unencrypted private key in PEM, or above 64 KiB.
  case badKey
  /// The text is no certificate in PEM, or above 64 KiB.
  case badCertificate
  /// The certificate belongs to another key.
  case keyMismatch
  /// OpenSSL refused the configuration; its reason.
  case refused(String)
}

/// Why a session ended badly.
public enum TLSFailure: Error, Equatable, Sendable {
  /// The peer's key is not the one that was expected.
  case wrongPeer
  /// The peer showed no certificate, more than one, or one without an Ed25519 key.
  case badPeerCertificate
  /// The peer did not agree to the application protocol.
  case noCommonProtocol
  /// The peer refused us: the alert, RFC 8446 section 6.
  case alert(UInt8)
  /// The bytes are not TLS, not TLS of an allowed version, or were tampered with: OpenSSL's reason.
  case `protocol`(String)
}
