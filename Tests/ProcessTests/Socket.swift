import Glibc

/// A blocking TCP connection to a node on loopback, for tests that need to say exactly which bytes travel. Reads time out after 120 s.
final class Socket {
  private let descriptor: Int32

  struct Failure: Error, CustomStringConvertible {
    var call: String
    var code: Int32
    var description: String { "\(call): errno \(code)" }
  }

  init(port: UInt16) throws {
    descriptor = try Self.connected(port: port)
    var timeout = timeval(tv_sec: 120, tv_usec: 0)
    // The kernel copies the value during the call.
    _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
  }

  /// A connected descriptor, which the caller closes.
  static func connected(port: UInt16) throws -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw Failure(call: "socket", code: errno) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    // sockaddr_in is laid out as sockaddr for this family; the kernel reads it during the call.
    let result = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard result == 0 else {
      let code = errno
      _ = Glibc.close(descriptor)
      throw Failure(call: "connect", code: code)
    }
    return descriptor
  }

  deinit { _ = Glibc.close(descriptor) }

  /// The port of this side.
  var localPort: UInt16 {
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    // sockaddr_in is laid out as sockaddr for this family; the kernel fills it during the call.
    _ = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getsockname(descriptor, $0, &length) }
    }
    return UInt16(bigEndian: address.sin_port)
  }

  /// Sends all bytes, or throws what the kernel said (EPIPE when the node closed).
  func send(_ bytes: [UInt8]) throws {
    var offset = 0
    while offset < bytes.count {
      // The buffer outlives the call.
      let sent = unsafe bytes.withUnsafeBytes { buffer in
        unsafe Glibc.send(descriptor, buffer.baseAddress! + offset, bytes.count - offset, Int32(MSG_NOSIGNAL))
      }
      guard sent > 0 else { throw Failure(call: "send", code: errno) }
      offset += sent
    }
  }

  func send(_ text: String) throws { try send(Array(text.utf8)) }

  /// What arrives next; empty when the node closed its side.
  func receive() throws -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: 65536)
    // The kernel writes at most the given count into the buffer.
    let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
    guard count >= 0 else { throw Failure(call: "recv", code: errno) }
    return Array(buffer[0..<count])
  }

  /// Everything until the node closes; a reset counts as the end.
  func receiveAll() throws -> [UInt8] {
    var all: [UInt8] = []
    while true {
      let piece: [UInt8]
      do { piece = try receive() } catch let failure as Failure where failure.code == ECONNRESET { return all }
      if piece.isEmpty { return all }
      all += piece
    }
  }
}
