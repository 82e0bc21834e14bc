/// Limits of this target. Per connected peer: the queues and the reader of `WireCaps`, a TLS session of about 20 KiB, and a row of facts.
enum Limits {
  /// Text of a multiaddr, in bytes; what the wire carries.
  static let multiaddrByteCount = 400
}
