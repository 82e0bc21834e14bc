internal import CLinux

/// Where a socket listens or a peer is: an address of IPv4 or IPv6 with a port, or the path of a Unix-domain socket. Names are not resolved.
public enum SocketAddress: Hashable, Sendable, CustomStringConvertible {
  /// The address as a big-endian number.
  case ipv4(UInt32, port: UInt16)
  /// The address as two big-endian numbers.
  case ipv6(UInt64, UInt64, port: UInt16)
  /// A path of 1 to 107 bytes; empty for a peer without a name.
  case unix(path: String)

  /// Parses a numeric host (`127.0.0.1`, `::1`, `[::1]`) or `localhost`. Nil for everything else.
  public init?(host: String, port: UInt16) {
    if host == "localhost" {
      self = .ipv4(0x7F00_0001, port: port)
      return
    }
    var text = host
    if text.hasPrefix("[") && text.hasSuffix("]") { text = String(text.dropFirst().dropLast()) }
    var v4 = in_addr()
    var v6 = in6_addr()
    // The results are written to local variables of the type that each family demands.
    if unsafe inet_pton(AF_INET, text, &v4) == 1 {
      self = .ipv4(UInt32(bigEndian: v4.s_addr), port: port)
    } else if unsafe inet_pton(AF_INET6, text, &v6) == 1 {
      // Sixteen bytes without padding.
      let words = unsafe withUnsafeBytes(of: v6) {
        unsafe ($0.loadUnaligned(fromByteOffset: 0, as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      }
      self = .ipv6(UInt64(bigEndian: words.0), UInt64(bigEndian: words.1), port: port)
    } else {
      return nil
    }
  }

  /// Zero for a Unix-domain socket.
  public var port: UInt16 {
    switch self {
    case .ipv4(_, let port), .ipv6(_, _, let port): port
    case .unix: 0
    }
  }

  /// `127.0.0.1:80`, `[::1]:80` or `unix:/path`.
  public var description: String {
    switch self {
    case .ipv4(let a, let port): "\(a >> 24).\(a >> 16 & 255).\(a >> 8 & 255).\(a & 255):\(port)"
    case .ipv6(let high, let low, let port):
      "[\(Self.groups(high)):\(Self.groups(low))]:\(port)"
    case .unix(let path): "unix:\(path)"
    }
  }

  private static func groups(_ word: UInt64) -> String {
    [48, 32, 16, 0].map { (shift: UInt64) in String(word >> shift & 0xFFFF, radix: 16) }.joined(separator: ":")
  }

  var family: Int32 {
    switch self {
    case .ipv4: AF_INET
    case .ipv6: AF_INET6
    case .unix: AF_UNIX
    }
  }

  /// Bytes of the largest encoding, and the room that `encode` needs.
  static let encodedBytesMax = 128

  /// Writes the kernel's form into `encodedBytesMax` bytes and returns its length; nil for a path that is too long or empty.
  func encode(_ memory: UnsafeMutableRawPointer) -> UInt32? {
    // All offsets are those of sockaddr_in, sockaddr_in6 and sockaddr_un, the largest of which has 110 bytes.
    unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: Self.encodedBytesMax)
    unsafe memory.storeBytes(of: UInt16(family), as: UInt16.self)
    switch self {
    case .ipv4(let address, let port):
      // The fields of sockaddr_in6 and sockaddr_in; the caller gives `encodedBytesMax` zeroed bytes.
      unsafe memory.storeBytes(of: port.bigEndian, toByteOffset: 2, as: UInt16.self)
      unsafe memory.storeBytes(of: address.bigEndian, toByteOffset: 4, as: UInt32.self)
      return 16
    case .ipv6(let high, let low, let port):
      unsafe memory.storeBytes(of: port.bigEndian, toByteOffset: 2, as: UInt16.self)
      unsafe memory.storeBytes(of: high.bigEndian, toByteOffset: 8, as: UInt64.self)
      unsafe memory.storeBytes(of: low.bigEndian, toByteOffset: 16, as: UInt64.self)
      return 28
    case .unix(let path):
      let bytes = Array(path.utf8)
      guard bytes.count >= 1 && bytes.count <= 107 else { return nil }
      // At most 107 bytes, checked above: sun_path has 108.
      for (index, byte) in bytes.enumerated() { unsafe memory.storeBytes(of: byte, toByteOffset: 2 + index, as: UInt8.self) }
      return UInt32(2 + bytes.count + 1)
    }
  }

  /// Reads the kernel's form; nil for another family.
  init?(_ memory: UnsafeRawPointer, length: Int) {
    guard length >= 2 else { return nil }
    // Offsets as in `encode`; the caller's memory has `encodedBytesMax` bytes, of which the kernel wrote `length`.
    let family = unsafe Int32(memory.load(as: UInt16.self))
    if family == AF_INET && length >= 16 {
      self = unsafe .ipv4(
        UInt32(bigEndian: memory.load(fromByteOffset: 4, as: UInt32.self)), port: UInt16(bigEndian: memory.load(fromByteOffset: 2, as: UInt16.self)))
    } else if family == AF_INET6 && length >= 28 {
      self = unsafe .ipv6(
        UInt64(bigEndian: memory.load(fromByteOffset: 8, as: UInt64.self)), UInt64(bigEndian: memory.load(fromByteOffset: 16, as: UInt64.self)),
        port: UInt16(bigEndian: memory.load(fromByteOffset: 2, as: UInt16.self)))
    } else if family == AF_UNIX {
      var path: [UInt8] = []
      for offset in 2..<max(2, min(length, Self.encodedBytesMax)) {
        // Below `encodedBytesMax`, which the caller provides.
        let byte = unsafe memory.load(fromByteOffset: offset, as: UInt8.self)
        if byte == 0 { break }
        path.append(byte)
      }
      self = .unix(path: String(decoding: path, as: UTF8.self))
    } else {
      return nil
    }
  }

  /// The local or the peer's name of a descriptor; nil when it has none.
  static func of(_ descriptor: Int32, peer: Bool) -> SocketAddress? {
    // The buffer outlives both calls, and its size is passed along.
    unsafe withUnsafeTemporaryAllocation(byteCount: encodedBytesMax, alignment: 8) { memory in
      guard let base = memory.baseAddress else { return nil }
      let length = unsafe socket_name(descriptor, peer ? 1 : 0, base, UInt32(encodedBytesMax))
      return length < 0 ? nil : unsafe SocketAddress(base, length: Int(length))
    }
  }
}

/// Who is on the other end of a Unix-domain socket (SO_PEERCRED).
public struct PeerCredentials: Hashable, Sendable {
  public let processID: Int32
  public let userID: UInt32
  public let groupID: UInt32
}
