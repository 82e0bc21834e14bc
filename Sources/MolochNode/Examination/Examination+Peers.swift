import Reactor

// What a running node says of its peers: one finding per cause for which it has none, or the wrong ones.
extension Examination {
  public struct Peers: Sendable {
    /// One that is not connected, and why: `chain_mismatch`, `refused`, ...
    public struct Absent: Sendable {
      /// Peer id, else address.
      public var identity: String
      public var reason: String?
      public init(_ identity: String, _ reason: String?) { (self.identity, self.reason) = (identity, reason) }
    }

    /// Clock skew of each that is connected, milliseconds; nil before it is measured.
    public var connected: [Int64?]
    /// Known addresses with what became of the last dial.
    public var known: [Absent]
    /// Handshakes refused in the last hour.
    public var rejected: [Absent]

    public init(connected: [Int64?], known: [Absent], rejected: [Absent]) { (self.connected, self.known, self.rejected) = (connected, known, rejected) }
  }

  private static let foreignReason = "chain_mismatch"
  private static let skewMilliseconds: UInt64 = 250
  private static let grossSkewMilliseconds: UInt64 = 2000

  public func findings(_ peers: Peers) -> [Finding] {
    var findings: [Finding] = []
    // Those of another chain were reached: nothing is wrong with the network between.
    let own = peers.known.filter { $0.reason != Self.foreignReason }
    if peers.connected.isEmpty, !own.isEmpty {
      let port = NodeOptions.parse(options.peersAddress)?.port ?? 0
      let path = port > 0 ? "port \(port)/tcp" : "the port of network.listen_addr"
      findings.append(
        Finding(.fail, "partition", "none of \(own.count) known peers is connected", fix: "open \(path) both ways; moloch peers list says what became of each dial"))
    }
    let foreign = Set((peers.known + peers.rejected).filter { $0.reason == Self.foreignReason }.map(\.identity)).count
    if foreign > 0 {
      findings.append(
        Finding(
          .fail, "chain", foreign == 1 ? "1 peer is of another chain" : "\(foreign) peers are of another chain",
          fix: "compare: moloch genesis hash config/genesis.json on both hosts"))
    }
    let skews = peers.connected.compactMap { $0 }.sorted()
    if !skews.isEmpty, case let median = skews[skews.count / 2], median.magnitude > Self.skewMilliseconds {
      findings.append(
        Finding(median.magnitude > Self.grossSkewMilliseconds ? .fail : .warn, "skew", "the peers' clocks differ by \(median) ms", fix: "chronyc tracking"))
    }
    return findings
  }
}
