import COpenSSL

/// What all sessions of one kind have in common: role, credential, versions, what is demanded of the peer.
@safe public final class TLSContext: Sendable {
  public enum Role: Sendable { case client, server }

  /// What the other side must show.
  public enum Peer: Sendable {
    /// Nothing: a public server.
    case anyone
    /// Exactly one certificate with an Ed25519 key; the key is the identity, and the certificate's other contents are ignored.
    case ed25519Key
  }

  public struct Options: Sendable {
    public var role: Role
    public var credential: TLSCredential?
    public var peer: Peer
    /// TLS 1.2 is allowed beside 1.3.
    public var allowsTLS12 = false
    /// The one application protocol (ALPN); empty: none is negotiated.
    public var applicationProtocol = ""

    public init(role: Role, credential: TLSCredential?, peer: Peer) {
      self.role = role
      self.credential = credential
      self.peer = peer
    }

    /// Between nodes: both sides show the certificate of their node key.
    public static func node(_ role: Role, _ credential: TLSCredential) -> Options {
      var options = Options(role: role, credential: credential, peer: .ed25519Key)
      options.applicationProtocol = "moloch/1"
      return options
    }
  }

  // Owned; configured in init and only read afterwards. OpenSSL allows sessions on any thread to be made from one context.
  nonisolated(unsafe) let context: OpaquePointer
  public let options: Options
  /// The ALPN list: one byte of length, then the name.
  let protocolList: [UInt8]

  /// - Throws: `.refused` with OpenSSL's reason.
  public init(_ options: Options) throws(TLSError) {
    precondition(options.applicationProtocol.utf8.count <= Limits.protocolNameByteCount, "a protocol name has at most 255 bytes")
    ERR_clear_error()
    guard let context = unsafe SSL_CTX_new(options.role == .client ? TLS_client_method() : TLS_server_method()) else { throw .refused("no memory") }
    unsafe self.context = context
    self.options = options
    let name = Array(options.applicationProtocol.utf8)
    protocolList = name.isEmpty ? [] : [UInt8(name.count)] + name
    // From here on `deinit` frees the context, also when a step fails.
    try configure()
  }

  deinit { unsafe SSL_CTX_free(context) /* the only owner; sessions hold references of their own */ }

  private func configure() throws(TLSError) {
    func demand(_ isDone: Bool) throws(TLSError) {
      guard isDone else { throw .refused(reasonOfLastError()) }
    }
    // The context is alive for the length of `self`; all texts are copied during the calls.
    unsafe ssl_ctx_set_mode(context, Int(SSL_MODE_RELEASE_BUFFERS))
    unsafe ssl_ctx_disable_session_cache(context)
    unsafe ssl_ctx_forbid_extras(context)
    try demand(unsafe ssl_ctx_set_protocols(context, options.allowsTLS12 ? TLS1_2_VERSION : TLS1_3_VERSION, TLS1_3_VERSION) == 1)
    try demand(unsafe SSL_CTX_set_num_tickets(context, 0) == 1)
    try demand(unsafe SSL_CTX_set_max_early_data(context, 0) == 1)
    try demand(unsafe SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") == 1)
    if let credential = options.credential {
      // The context takes references of its own to the key and the certificate.
      try demand(unsafe SSL_CTX_use_certificate(context, credential.certificate) == 1)
      try demand(unsafe SSL_CTX_use_PrivateKey(context, credential.key) == 1)
    }
    if options.peer == .ed25519Key {
      // Constant texts; the callback is a free function and gets the session from the SSL.
      try demand(unsafe ssl_ctx_set_groups(context, "X25519") == 1)
      try demand(unsafe ssl_ctx_set_signature_algorithms(context, "ed25519") == 1)
      unsafe SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
      unsafe SSL_CTX_set_cert_verify_callback(context, verifyPeer, nil)
    } else {
      unsafe SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nil)
    }
    if options.role == .server && !protocolList.isEmpty {
      // The context outlives its sessions' handshakes, because each session holds this object.
      unsafe SSL_CTX_set_alpn_select_cb(context, selectProtocol, Unmanaged.passUnretained(self).toOpaque())
    }
  }
}

/// Takes the reason of the thread's oldest error and clears the queue.
func reasonOfLastError() -> String {
  let error = ERR_get_error()
  ERR_clear_error()
  // The text is a constant of the library.
  guard error != 0, let text = unsafe ERR_reason_error_string(error) else { return "unknown" }
  return unsafe String(cString: text)
}

/// Replaces OpenSSL's chain building: a leaf alone, with an Ed25519 key, which is the pinned one if there is one.
private func verifyPeer(_ store: OpaquePointer?, _ argument: UnsafeMutableRawPointer?) -> Int32 {
  // OpenSSL hands over its live verification state, whose SSL carries the session that is inside `advance` on this thread.
  guard let store = unsafe store, let ssl = unsafe X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()),
    let session = unsafe SSL_get_ex_data(OpaquePointer(ssl), 0)
  else { return 0 }
  let count = unsafe x509_stack_count(X509_STORE_CTX_get0_untrusted(store))
  let isAccepted = unsafe Unmanaged<TLSSession>.fromOpaque(session).takeUnretainedValue().accept(X509_STORE_CTX_get0_cert(store), of: Int(count))
  unsafe X509_STORE_CTX_set_error(store, isAccepted ? X509_V_OK : X509_V_ERR_CERT_REJECTED)
  return isAccepted ? 1 : 0
}

private func selectProtocol(
  _ ssl: OpaquePointer?, _ out: UnsafeMutablePointer<UnsafePointer<UInt8>?>?, _ outCount: UnsafeMutablePointer<UInt8>?, _ offered: UnsafePointer<UInt8>?,
  _ offeredCount: UInt32, _ argument: UnsafeMutableRawPointer?
) -> Int32 {
  // OpenSSL lends all pointers for the call, and the list has `offeredCount` bytes.
  guard let argument = unsafe argument, let offered = unsafe offered else { return SSL_TLSEXT_ERR_ALERT_FATAL }
  // The context is kept alive by the session whose handshake this is. The answer points into the client's list, as OpenSSL allows.
  let wanted = unsafe Unmanaged<TLSContext>.fromOpaque(argument).takeUnretainedValue().protocolList.dropFirst()
  var offset = 0
  while offset < Int(offeredCount) {
    let count = unsafe Int(offered[offset])
    guard offset + 1 + count <= Int(offeredCount) else { return SSL_TLSEXT_ERR_ALERT_FATAL }
    if unsafe wanted.elementsEqual(UnsafeBufferPointer(start: offered + offset + 1, count: count)) {
      unsafe out?.pointee = offered + offset + 1
      unsafe outCount?.pointee = UInt8(count)
      return SSL_TLSEXT_ERR_OK
    }
    offset += 1 + count
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL
}
