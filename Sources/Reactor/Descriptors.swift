import CLinux

/// What both kernel back ends do with descriptors in the same way.
enum Descriptors {
  static func listen(_ address: SocketAddress, _ backlog: Int32, _ reusePort: Bool) throws(ReactorError) -> (handle: Int32, bound: SocketAddress) {
    // The buffer has the size that `encode` asks for and outlives the call.
    let handle = unsafe withUnsafeTemporaryAllocation(byteCount: SocketAddress.encodedBytesMax, alignment: 8) { memory in
      guard let length = unsafe address.encode(memory.baseAddress!) else { return -EINVAL }
      return unsafe socket_listen(memory.baseAddress!, length, backlog, reusePort ? 1 : 0)
    }
    guard handle >= 0 else { throw .listen(address: address, errno: -handle) }
    return (handle, SocketAddress.of(handle, peer: false) ?? address)
  }

  static func connect(_ handle: Int32, _ address: SocketAddress) -> Int32 {
    // As above.
    unsafe withUnsafeTemporaryAllocation(byteCount: SocketAddress.encodedBytesMax, alignment: 8) { memory in
      guard let length = unsafe address.encode(memory.baseAddress!) else { return -EINVAL }
      return unsafe socket_connect(handle, memory.baseAddress!, length)
    }
  }

  /// Accepts and closes one connection with the descriptor that was kept for it.
  static func refuse(_ listener: Int32, _ reserve: inout Int32) {
    if reserve >= 0 { _ = close(reserve) }
    let accepted = socket_accept(listener)
    if accepted >= 0 { _ = close(accepted) }
    reserve = reserve_open()
  }
}
