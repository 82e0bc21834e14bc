import Bytes
import HTTP1
public import Reactor

/// A network of addresses, such as `10.0.0.0/8`.
public struct AddressNetwork: Sendable, Equatable {
  private let key: (UInt64, UInt64)
  private let isIPv4: Bool
  private let bits: Int

  /// Nil for what is no network.
  public init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let bits = Int(parts[1]), bits >= 0, let address = SocketAddress(host: String(parts[0]), port: 0), let key = Self.key(address) else { return nil }
    if case .ipv4 = address { isIPv4 = true } else { isIPv4 = false }
    guard bits <= (isIPv4 ? 32 : 128) else { return nil }
    (self.key, self.bits) = (key, bits)
  }

  public static func == (a: Self, b: Self) -> Bool { a.key == b.key && a.isIPv4 == b.isIPv4 && a.bits == b.bits }

  public func contains(_ address: SocketAddress) -> Bool {
    switch address {
    case .ipv4(let value, _): isIPv4 && UInt64(value) >> UInt64(32 - bits) == key.0 >> UInt64(32 - bits)
    case .ipv6(let high, let low, _):
      !isIPv4 && Self.prefix(high, min(bits, 64)) == Self.prefix(key.0, min(bits, 64)) && Self.prefix(low, max(0, bits - 64)) == Self.prefix(key.1, max(0, bits - 64))
    default: false
    }
  }

  /// The first bits of a word; a shift by 64 gives 0.
  private static func prefix(_ word: UInt64, _ bits: Int) -> UInt64 { word >> UInt64(64 - bits) }

  /// An address as the key of a bucket of rates.
  static func key(_ address: SocketAddress?) -> (UInt64, UInt64)? {
    switch address {
    case .ipv4(let value, _): (UInt64(value), 4)
    case .ipv6(let high, let low, _): (high, low)
    default: nil
    }
  }
}

extension Gate {
  /// Whether the other end of a connection is one of the configured proxies.
  func isProxy(_ address: SocketAddress) -> Bool { options.trustedProxies.contains { $0.contains(address) } }

  /// A line of `X-Forwarded-For`: from a trusted proxy, the last address in it that is no proxy's is the client. Whatever stands before it was said by the client.
  func readForwarded(_ slot: Int, _ value: RawSpan) {
    sessions[slot].request.isForwarded = true
    guard sessions[slot].isProxy, let text = value.text else { return }
    for part in text.split(separator: ",").reversed() {
      var host = part.drop { $0 == " " || $0 == "\t" }
      while let last = host.last, last == " " || last == "\t" { host = host.dropLast() }
      guard let address = SocketAddress(host: String(host), port: 0), let key = AddressNetwork.key(address) else { return }
      sessions[slot].request.clientKey = key
      if !isProxy(address) { return }
    }
  }
}
