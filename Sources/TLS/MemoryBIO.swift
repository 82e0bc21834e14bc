import COpenSSL

// The BIO of a session: reads from the bytes that `TLSSession` was lent for one call, appends to the array that was swapped in for it.
//
// One method table serves all sessions. The BIO's data is the session, unretained: the session owns the SSL, which owns the BIO.

enum SessionBIO {
  /// Made once and never freed: BIOs refer to it for the life of the process.
  nonisolated(unsafe) static let method: OpaquePointer = {
    // The name is a constant; the callbacks are free functions.
    guard let method = unsafe BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "moloch session") else {
      preconditionFailure("libcrypto is out of memory")
    }
    // The table was just made and is ours; the callbacks have the types that OpenSSL declares.
    unsafe BIO_meth_set_read(method, readWire)
    unsafe BIO_meth_set_write(method, writeWire)
    unsafe BIO_meth_set_ctrl(method, controlWire)
    return unsafe method
  }()

  static func make(for session: TLSSession) -> OpaquePointer {
    // The BIO is owned by the SSL that the session owns, so it never outlives its data.
    guard let bio = unsafe BIO_new(method) else { preconditionFailure("libcrypto is out of memory") }
    unsafe BIO_set_data(bio, Unmanaged.passUnretained(session).toOpaque())
    unsafe BIO_set_init(bio, 1)
    return unsafe bio
  }
}

private func session(_ bio: OpaquePointer?) -> TLSSession? {
  // Set by `make`; OpenSSL calls back only from inside calls of the session's own methods.
  guard let bio = unsafe bio, let data = unsafe BIO_get_data(bio) else { return nil }
  return unsafe Unmanaged<TLSSession>.fromOpaque(data).takeUnretainedValue()
}

private func readWire(_ bio: OpaquePointer?, _ target: UnsafeMutablePointer<CChar>?, _ count: Int32) -> Int32 {
  // OpenSSL owns `count` bytes at `target`, and the BIO is the one that it calls for.
  guard let session = unsafe session(bio), let target = unsafe target, count > 0 else { return -1 }
  unsafe bio_clear_retry(bio)
  let taken = unsafe session.takeInput(UnsafeMutableRawPointer(target), Int(count))
  if taken == 0 {
    unsafe bio_set_retry_read(bio)
    return -1
  }
  return Int32(taken)
}

private func writeWire(_ bio: OpaquePointer?, _ source: UnsafePointer<CChar>?, _ count: Int32) -> Int32 {
  // OpenSSL lends `count` bytes at `source` for the call, and the BIO is the one that it calls for.
  guard let session = unsafe session(bio), let source = unsafe source, count > 0 else { return -1 }
  unsafe bio_clear_retry(bio)
  unsafe session.wire.append(contentsOf: UnsafeRawBufferPointer(start: source, count: Int(count)))
  return count
}

private func controlWire(_ bio: OpaquePointer?, _ command: Int32, _ argument: Int, _ pointer: UnsafeMutableRawPointer?) -> Int {
  // Flushing is done by whoever takes the wire bytes; nothing else applies.
  command == BIO_CTRL_FLUSH ? 1 : 0
}
