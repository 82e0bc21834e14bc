import Foundation
import Glibc
import Synchronization

/// A listening TCP socket on loopback, which no process that is started meanwhile inherits.
final class Listener: Sendable {
  let descriptor: Int32
  let port: UInt16

  /// - Parameter port: 0 lets the kernel choose.
  convenience init(port: UInt16 = 0) throws { try self.init(port, listens: true) }

  /// Finds out whether a port is free, without listening on it: a process that is just being started may have a copy of the descriptor for a moment.
  convenience init(probing port: UInt16) throws { try self.init(port, listens: false) }

  private init(_ port: UInt16, listens: Bool) throws {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw Socket.Failure(call: "socket", code: errno) }
    self.descriptor = descriptor
    var one: Int32 = 1
    // The kernel copies the value during the call.
    _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    // sockaddr_in is laid out as sockaddr for this family; the calls read and fill it while they run.
    let result = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe bind(descriptor, address, length) == 0 && (!listens || listen(descriptor, 64) == 0) && getsockname(descriptor, address, &length) == 0
      }
    }
    guard result else {
      let code = errno
      _ = Glibc.close(descriptor)
      throw Socket.Failure(call: "bind", code: code)
    }
    self.port = UInt16(bigEndian: address.sin_port)
  }

  deinit { _ = Glibc.close(descriptor) }
}

/// Carries TCP connections to a port, and delays, damages or cuts them on request.
final class Relay: Sendable {
  private struct State {
    var delayMicroseconds: UInt32 = 0
    /// Pieces that get a flipped bit.
    var pendingDamage = 0
    var isCut = false
    var open: [Int32] = []
    var carriedByteCount = 0
  }

  private let listener: Listener
  private let target: UInt16
  private let state = Mutex(State())

  var port: UInt16 { listener.port }
  var carriedByteCount: Int { state.withLock { $0.carriedByteCount } }
  var connectionCount: Int { state.withLock { $0.open.count / 2 } }

  init(to target: UInt16) throws {
    listener = try Listener()
    self.target = target
    Thread { [self] in accept() }.start()
  }

  /// Ends the relay's thread and all connections.
  func end() {
    cut()
    _ = shutdown(listener.descriptor, Int32(SHUT_RDWR))
  }

  /// Every piece waits this long, in each direction.
  func delay(milliseconds: Int) { state.withLock { $0.delayMicroseconds = UInt32(milliseconds) * 1000 } }

  /// Flips a bit in the next pieces.
  func damage(pieces: Int) { state.withLock { $0.pendingDamage = pieces } }
  var pendingDamage: Int { state.withLock { $0.pendingDamage } }

  /// Closes all connections and refuses new ones until `heal`.
  func cut() {
    // Under the lock: what is on the list is open, and its number nobody else's.
    state.withLock { state in
      state.isCut = true
      for descriptor in state.open { _ = shutdown(descriptor, Int32(SHUT_RDWR)) }
    }
  }

  func heal() { state.withLock { $0.isCut = false } }

  private func accept() {
    while true {
      let client = Glibc.accept(listener.descriptor, nil, nil)
      guard client >= 0 else {
        // Only the end of the listener ends the relay: a client may have left, or descriptors be short for a while.
        guard errno != EINVAL else { return }
        usleep(1000)
        continue
      }
      _ = fcntl(client, F_SETFD, FD_CLOEXEC)
      guard !state.withLock({ $0.isCut }), let server = try? Socket.connected(port: target) else {
        _ = Glibc.close(client)
        continue
      }
      let pair = Pair(client, server)
      // A cut that came while it was connected holds for this one, too.
      let isCarried = state.withLock { state in
        if !state.isCut { state.open += [client, server] }
        return !state.isCut
      }
      guard isCarried else { continue }
      Thread { [self] in carry(client, server, pair) }.start()
      Thread { [self] in carry(server, client, pair) }.start()
    }
  }

  /// Both sockets of a carried connection; they are closed when neither direction uses them.
  private final class Pair: Sendable {
    let descriptors: [Int32]
    init(_ descriptors: Int32...) { self.descriptors = descriptors }
    deinit { for descriptor in descriptors { _ = Glibc.close(descriptor) } }
  }

  private func carry(_ source: Int32, _ sink: Int32, _ pair: Pair) {
    var buffer = [UInt8](repeating: 0, count: 16 << 10)
    while true {
      // The kernel writes at most the buffer's length.
      let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(source, $0.baseAddress, $0.count, 0) }
      guard count > 0 else { break }
      let (pause, isDamaged) = state.withLock { state in
        state.carriedByteCount += count
        let isDamaged = state.pendingDamage > 0
        if isDamaged { state.pendingDamage -= 1 }
        return (state.delayMicroseconds, isDamaged)
      }
      if pause > 0 { usleep(pause) }
      if isDamaged { buffer[count / 2] ^= 0x10 }
      var offset = 0
      while offset < count {
        // The buffer outlives the call.
        let sent = unsafe buffer.withUnsafeBytes { unsafe send(sink, $0.baseAddress! + offset, count - offset, Int32(MSG_NOSIGNAL)) }
        guard sent > 0 else { break }
        offset += sent
      }
      if offset < count { break }
    }
    // The descriptors leave the list before they can be closed and their numbers used again.
    state.withLock { state in state.open.removeAll { pair.descriptors.contains($0) } }
    for descriptor in pair.descriptors { _ = shutdown(descriptor, Int32(SHUT_RDWR)) }
  }
}
