enum Limits {
  /// Plaintext of one record, and of one call of SSL_read or SSL_write, in bytes.
  static let recordByteCount = 16_384
  /// A key or certificate file in PEM, in bytes.
  static let pemByteCount = 65_536
  /// Bytes exported for a binding.
  static let exporterByteCount = 32
  /// A protocol name of ALPN, in bytes.
  static let protocolNameByteCount = 255
}
