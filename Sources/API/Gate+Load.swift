import Ambient
import JSON
import Reactor

extension Gate {
  /// Clients that `GET /v1/admin/load` names at most.
  private static let offendersMax = 10

  /// The body of `GET /v1/admin/load`: how fast requests of the last minute were answered, milliseconds, and who asks beyond its rate. For the node's own people:
  /// it names addresses.
  func loadBody(_ now: Instant) -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.key("api_latency_ms")
    if let seconds = recentLatencies([0.5, 0.99], now: now) {
      json.beginObject()
      for (name, value) in zip(["p50", "p99"], seconds) {
        json.key(name)
        json.number(value * 1000, decimals: 3)
      }
      json.endObject()
    } else {
      json.null()
    }
    json.key("offenders")
    json.beginArray()
    for offender in limiter?.offenders(Self.offendersMax, now: now) ?? [] {
      json.beginObject()
      json.key("address"); json.string(Self.host(offender))
      json.key("refused"); json.number(UInt64(offender.refused))
      json.key("last_refused_ms_ago"); json.number(offender.millisecondsAgo)
      json.endObject()
    }
    json.endArray()
    json.key("quarantined"); json.number(quarantined(now))
    json.endObject()
    return json.bytes
  }

  /// The address behind the key of a bucket; see `AddressNetwork.key`. An IPv6 address in the network of the first 64 zero bits would read as an IPv4 one: only `::4`
  /// with nothing in front of it has the same words, and nobody comes from there.
  private static func host(_ offender: RateLimiter.Offender) -> String {
    let isIPv4 = offender.key2 == 4 && offender.key >> 32 == 0
    let address: SocketAddress = isIPv4 ? .ipv4(UInt32(offender.key), port: 0) : .ipv6(offender.key, offender.key2, port: 0)
    return String("\(address)".dropLast(2).filter { $0 != "[" && $0 != "]" })
  }
}
