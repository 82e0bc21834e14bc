public import Bytes
import COpenSSL

/// One connection's TLS state. Belongs to one thread.
///
/// | state | `start`, `receive` | `send` | `close` |
/// |---|---|---|---|
/// | handshaking | goes on; open, or failed | nothing is sent | ended, no alert |
/// | open | plaintext; ended after close_notify; or failed | records | close_notify, ended |
/// | ended, failed | nothing | nothing | nothing |
@safe public final class TLSSession {
  public enum State: Equatable, Sendable {
    case handshaking
    /// Data flows. On the client's side the server may still refuse its certificate.
    case open
    /// The peer sent close_notify, or this side did.
    case ended
    case failed(TLSFailure)
  }

  public private(set) var state = State.handshaking
  /// The peer's Ed25519 key, known before the state is open.
  public private(set) var peerKey: Bytes32?

  // Owned, with its BIO; freed in deinit.
  private let ssl: OpaquePointer
  /// Keeps the callbacks' argument alive.
  private let context: TLSContext
  private let pinned: Bytes32?
  private var rejection: TLSFailure?
  /// The input that is lent for the length of a call.
  private var inputBase: UnsafeRawPointer?
  private var inputCount = 0
  /// The caller's array during a call, empty otherwise.
  var wire: [UInt8] = []

  /// - Parameter pinned: the only key that the peer may have; nil: any.
  public init(_ context: TLSContext, pinned: Bytes32? = nil) {
    self.context = context
    self.pinned = pinned
    // Freed in deinit.
    guard let ssl = unsafe SSL_new(context.context) else { preconditionFailure("libcrypto is out of memory") }
    unsafe self.ssl = ssl
    let bio = unsafe SessionBIO.make(for: self)
    // The SSL takes over the one reference, as both its sides.
    unsafe SSL_set_bio(ssl, bio, bio)
    unsafe SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(self).toOpaque())
    if context.options.role == .client {
      unsafe SSL_set_connect_state(ssl)
      // The list is copied; 0 is success in this one function.
      let list = context.protocolList
      if !list.isEmpty { unsafe _ = list.withUnsafeBufferPointer { unsafe SSL_set_alpn_protos(ssl, $0.baseAddress, UInt32($0.count)) } }
    } else {
      unsafe SSL_set_accept_state(ssl)
    }
  }

  deinit { unsafe SSL_free(ssl) /* the only owner; frees the BIO too */ }

  // MARK: Bytes in, bytes out

  /// The first flight of a client; a server appends nothing.
  public func start(wire: inout [UInt8]) {
    let nothing: [UInt8] = []
    var plaintext: [UInt8] = []
    receive(nothing.bytes, plaintext: &plaintext, wire: &wire)
  }

  /// Feeds what the socket received. Appends plaintext, and what must be sent in answer, to the caller's arrays. All input is consumed.
  public func receive(_ input: RawSpan, plaintext: inout [UInt8], wire: inout [UInt8]) {
    guard state == .handshaking || state == .open else { return }
    swap(&self.wire, &wire)
    defer { swap(&self.wire, &wire) }
    // The pointer is dropped before the span ends; OpenSSL copies from it only in `takeInput`.
    unsafe input.withUnsafeBytes { buffer in
      unsafe inputBase = buffer.baseAddress
      inputCount = buffer.count
      advance(&plaintext)
      unsafe inputBase = nil
      inputCount = 0
    }
  }

  private func advance(_ plaintext: inout [UInt8]) {
    if state == .handshaking {
      ERR_clear_error()
      // The SSL is alive as long as `self`; it reads and writes only through the BIO.
      let result = unsafe SSL_do_handshake(ssl)
      guard result == 1 else { return interpret(result) }
      guard rejection == nil, hasProtocol else { return fail(rejection ?? .noCommonProtocol) }
      state = .open
    }
    while state == .open {
      ERR_clear_error()
      // On the stack, without zeroing: OpenSSL writes up to a record, and what it wrote is copied out before the memory is gone.
      let count = unsafe withUnsafeTemporaryAllocation(byteCount: Limits.recordByteCount, alignment: 16) { buffer in
        let count = unsafe SSL_read(ssl, buffer.baseAddress, Int32(Limits.recordByteCount))
        if count > 0 { unsafe plaintext.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[..<Int(count)])) }
        return count
      }
      if count <= 0 { return interpret(count) }
    }
  }

  /// Encrypts plaintext of any length and appends the records. False when the session is not open: nothing was appended.
  @discardableResult public func send(_ plaintext: RawSpan, wire: inout [UInt8]) -> Bool {
    guard state == .open else { return false }
    swap(&self.wire, &wire)
    defer { swap(&self.wire, &wire) }
    var offset = 0
    while offset < plaintext.byteCount {
      ERR_clear_error()
      let count = min(Limits.recordByteCount, plaintext.byteCount - offset)
      // OpenSSL reads `count` bytes during the call; its BIO takes everything, so a write is never partial.
      let result = unsafe plaintext.extracting(offset..<offset + count).withUnsafeBytes { unsafe SSL_write(ssl, $0.baseAddress, Int32($0.count)) }
      guard result == Int32(count) else {
        interpret(result)
        return false
      }
      offset += count
    }
    return true
  }

  /// Ends the session; an open one says so to the peer.
  public func close(wire: inout [UInt8]) {
    if state == .open {
      swap(&self.wire, &wire)
      defer { swap(&self.wire, &wire) }
      ERR_clear_error()
      unsafe _ = SSL_shutdown(ssl)
      ERR_clear_error()
    }
    if state == .open || state == .handshaking { state = .ended }
  }

  /// 32 bytes that only the two ends of this session can know (RFC 8446 section 7.5), for a label that begins with `EXPORTER-`. Nil unless open.
  public func exportKeyingMaterial(label: StaticString) -> Bytes32? {
    guard state == .open else { return nil }
    var bytes = [UInt8](repeating: 0, count: Limits.exporterByteCount)
    // The label is constant memory; libcrypto writes the announced length.
    let status = unsafe bytes.withUnsafeMutableBufferPointer { buffer in
      label.withUTF8Buffer { text in
        unsafe text.withMemoryRebound(to: CChar.self) {
          unsafe SSL_export_keying_material(ssl, buffer.baseAddress, buffer.count, $0.baseAddress, $0.count, nil, 0, 0)
        }
      }
    }
    ERR_clear_error()
    return status == 1 ? Bytes32(bytes) : nil
  }

  // MARK: Callbacks

  /// Copies up to `count` bytes of the lent input; 0 when it is used up.
  func takeInput(_ target: UnsafeMutableRawPointer, _ count: Int) -> Int {
    let taken = min(count, inputCount)
    guard taken > 0, let base = unsafe inputBase else { return 0 }
    // Both ranges have `taken` bytes.
    unsafe target.copyMemory(from: base, byteCount: taken)
    unsafe inputBase = base + taken
    inputCount -= taken
    return taken
  }

  /// Judges the peer's certificate, the first of `count`.
  func accept(_ certificate: OpaquePointer?, of count: Int) -> Bool {
    // The certificate belongs to OpenSSL and is alive during the callback; the key inside it is borrowed.
    guard count == 1, let certificate = unsafe certificate, let key = unsafe X509_get0_pubkey(certificate),
      unsafe EVP_PKEY_get_id(key) == EVP_PKEY_ED25519
    else {
      rejection = .badPeerCertificate
      return false
    }
    var bytes = [UInt8](repeating: 0, count: 32)
    var length = 32
    // Both variables outlive the call, and the length bounds what is written.
    let status = unsafe bytes.withUnsafeMutableBufferPointer { unsafe EVP_PKEY_get_raw_public_key(key, $0.baseAddress, &length) }
    guard status == 1, length == 32, let value = Bytes32(bytes) else {
      rejection = .badPeerCertificate
      return false
    }
    guard pinned == nil || pinned == value else {
      rejection = .wrongPeer
      return false
    }
    peerKey = value
    return true
  }

  /// The protocol was agreed on, or none was asked for.
  private var hasProtocol: Bool {
    guard !context.protocolList.isEmpty else { return true }
    var base: UnsafePointer<UInt8>?
    var count: UInt32 = 0
    // Points into the session's memory, which lives as long as the SSL.
    unsafe SSL_get0_alpn_selected(ssl, &base, &count)
    guard let base = unsafe base else { return false }
    return unsafe UnsafeBufferPointer(start: base, count: Int(count)).elementsEqual(context.protocolList.dropFirst())
  }

  // MARK: Ends

  /// Interprets a result that is no success.
  private func interpret(_ result: Int32) {
    switch unsafe SSL_get_error(ssl, result) {
    case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return
    case SSL_ERROR_ZERO_RETURN: state = .ended
    default:
      let error = ERR_peek_error()
      let reason = Int32(truncatingIfNeeded: err_reason(error))
      let text = reasonOfLastError()
      // Alerts of the peer have reasons of 1000 and their number (SSL_AD_REASON_OFFSET).
      if let rejection { fail(rejection) } else if reason > SSL_AD_REASON_OFFSET, reason < SSL_AD_REASON_OFFSET + 256 {
        fail(.alert(UInt8(reason - SSL_AD_REASON_OFFSET)))
      } else if reason == SSL_R_NO_APPLICATION_PROTOCOL {
        fail(.noCommonProtocol)
      } else if reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE {
        fail(.badPeerCertificate)
      } else {
        fail(.protocol(text))
      }
    }
  }

  private func fail(_ failure: TLSFailure) { state = .failed(failure) }
}
