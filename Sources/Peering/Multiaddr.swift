import Bytes
public import Ed25519
public import Reactor

/// Where a node can be reached, and as whom: `/ip4/10.0.1.2/tcp/9000/p2p/12D3KooW...`.
///
/// Hosts are `/dns/NAME`, `/dns4/NAME`, `/dns6/NAME`, `/ip4/A.B.C.D` and `/ip6/A:B::C`; the peer is a base58 peer id or `ed25519:<64 hex>`, and
/// may be missing where the reader allows it. Text form: canonical, with the base58 peer id.
public struct Multiaddr: Hashable, Sendable, CustomStringConvertible {
  public enum Host: Hashable, Sendable {
    /// A name of any family, of IPv4 only, of IPv6 only; lowercase.
    case dns(String), dns4(String), dns6(String)
    /// The address as a big-endian number.
    case ip4(UInt32)
    /// The address as two big-endian numbers.
    case ip6(UInt64, UInt64)
  }

  public var host: Host
  /// 1 to 65,535.
  public var port: UInt16
  public var peer: PeerID?

  public init(host: Host, port: UInt16, peer: PeerID?) {
    self.host = host
    self.port = port
    self.peer = peer
  }

  /// The address of a socket; nil for a Unix-domain socket.
  public init?(_ address: SocketAddress, port: UInt16? = nil, peer: PeerID?) {
    switch address {
    case .ipv4(let number, let own): self.init(host: .ip4(number), port: port ?? own, peer: peer)
    case .ipv6(let high, let low, let own): self.init(host: .ip6(high, low), port: port ?? own, peer: peer)
    case .unix: return nil
    }
  }

  /// - Throws: which component is wrong, and how.
  public init(parsing text: String, needsPeer: Bool = true) throws(MultiaddrError) {
    guard text.utf8.count <= Limits.multiaddrByteCount else { throw MultiaddrError("address", "is longer than \(Limits.multiaddrByteCount) bytes") }
    guard text.hasPrefix("/") else { throw MultiaddrError("address", "begins with '/'") }
    let parts = text.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard parts.count >= 2 else { throw MultiaddrError("host", "is missing") }
    host = try Self.host(parts[0], parts[1])
    guard parts.count >= 4, parts[2] == "tcp" else {
      throw parts.count > 2 && parts[2] != "tcp" ? MultiaddrError(parts[2], "is no transport: use tcp") : MultiaddrError("tcp", "and its port are missing")
    }
    guard let port = Self.decimal(parts[3]), port > 0 else { throw MultiaddrError("tcp", "'\(parts[3])' is no port from 1 to 65535") }
    self.port = port
    if parts.count == 4 {
      guard !needsPeer else { throw MultiaddrError("p2p", "and the peer id are missing") }
      return
    }
    guard parts[4] == "p2p" else { throw MultiaddrError(parts[4], "is unknown: use p2p and the peer id") }
    guard parts.count >= 6, let peer = Self.peer(parts[5]) else {
      throw MultiaddrError("p2p", "'\(parts.count >= 6 ? parts[5] : "")' is no peer id: 12D3KooW... or ed25519:<64 hex>")
    }
    guard parts.count == 6 else { throw MultiaddrError(parts[6], "follows the peer id") }
    self.peer = peer
  }

  /// A peer id in base58 or as `ed25519:<64 hex>`; nil for other text and for keys that are no usable points of the curve.
  public static func peer(_ text: String) -> PeerID? {
    guard let id = PublicKey(text: text).map({ PeerID($0) }) ?? PeerID(text: text), Verifier.isRegistrable(id.key) else { return nil }
    return id
  }

  private static func host(_ kind: String, _ value: String) throws(MultiaddrError) -> Host {
    switch kind {
    case "ip4":
      guard case .ipv4(let number, _)? = SocketAddress(host: value, port: 0), value != "localhost" else {
        throw MultiaddrError("ip4", "'\(value)' is no IPv4 address")
      }
      return .ip4(number)
    case "ip6":
      guard case .ipv6(let high, let low, _)? = SocketAddress(host: value, port: 0), !value.hasPrefix("[") else {
        throw MultiaddrError("ip6", "'\(value)' is no IPv6 address")
      }
      return .ip6(high, low)
    case "dns", "dns4", "dns6":
      guard isName(value) else { throw MultiaddrError(kind, "'\(value)' is no host name") }
      let name = value.lowercased()
      return kind == "dns" ? .dns(name) : kind == "dns4" ? .dns4(name) : .dns6(name)
    default: throw MultiaddrError(kind, "is no host: use dns, dns4, dns6, ip4 or ip6")
    }
  }

  /// Labels of letters, digits, hyphens and underscores, at most 253 bytes in all.
  private static func isName(_ text: String) -> Bool {
    guard text.utf8.count <= 253 else { return false }
    return text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
      (1...63).contains(label.utf8.count) && !label.hasPrefix("-") && !label.hasSuffix("-")
        && label.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x2D || $0 == 0x5F }
    }
  }

  private static func decimal(_ text: String) -> UInt16? {
    guard (1...5).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return UInt16(text)
  }

  public var description: String {
    let start =
      switch host {
      case .dns(let name): "/dns/\(name)"
      case .dns4(let name): "/dns4/\(name)"
      case .dns6(let name): "/dns6/\(name)"
      case .ip4(let number): "/ip4/\(number >> 24).\(number >> 16 & 255).\(number >> 8 & 255).\(number & 255)"
      case .ip6(let high, let low): "/ip6/\(Self.ipv6(high, low))"
      }
    return "\(start)/tcp/\(port)" + (peer.map { "/p2p/\($0.text)" } ?? "")
  }

  /// RFC 5952: the first longest run of two or more zero groups becomes `::`.
  private static func ipv6(_ high: UInt64, _ low: UInt64) -> String {
    let groups = [high, low].flatMap { word in [48, 32, 16, 0].map { (shift: UInt64) in word >> shift & 0xFFFF } }
    var longest = 0..<0
    var start = 0
    for index in 0...8 where index == 8 || groups[index] != 0 {
      if index - start > longest.count { longest = start..<index }
      start = index + 1
    }
    func text(_ range: Range<Int>) -> String { groups[range].map { String($0, radix: 16) }.joined(separator: ":") }
    return longest.count < 2 ? text(0..<8) : "\(text(0..<longest.lowerBound))::\(text(longest.upperBound..<8))"
  }

  /// The socket address, when the host is a number.
  public var socketAddress: SocketAddress? {
    switch host {
    case .ip4(let number): .ipv4(number, port: port)
    case .ip6(let high, let low): .ipv6(high, low, port: port)
    case .dns, .dns4, .dns6: nil
    }
  }
}

/// A component of a multiaddr that is wrong.
public struct MultiaddrError: Error, Hashable, Sendable, CustomStringConvertible {
  /// `ip4`, `tcp`, `p2p` and so on, `host` or `address`; or the unknown component as written.
  public let component: String
  public let reason: String

  init(_ component: String, _ reason: String) { (self.component, self.reason) = (component, reason) }

  public var description: String { "\(component) \(reason)" }
}
