import ArgumentParser
import Audit
import Bytes
import Ed25519
import MolochNode

/// The directory of a network on this machine: one home per validator, `v1`, `v2`, ..., and the process ids.
struct LocalnetPlan {
  static let chainID = "moloch-localnet"
  /// Pace of the blocks, milliseconds.
  static let blockTime: UInt32 = 100

  let directory: String
  let count: Int
  /// Added to the ports 8080 (API), 9000 (peers) and 9090 (metrics), together with the number of the node from 0.
  let baseOffset: Int
  let blockTime: UInt32

  func home(_ index: Int) -> String { "\(directory)/v\(index + 1)" }
  func name(_ index: Int) -> String { "v\(index + 1)" }
  func api(_ index: Int) -> String { "127.0.0.1:\(8080 + baseOffset + index)" }
  func peers(_ index: Int) -> String { "127.0.0.1:\(9000 + baseOffset + index)" }
  func metrics(_ index: Int) -> String { "127.0.0.1:\(9090 + baseOffset + index)" }
  var pidPath: String { directory + "/localnet.pid" }

  /// Number of homes that a directory already holds.
  static func homes(in directory: String) -> Int {
    var count = 0
    while Files.exists("\(directory)/v\(count + 1)/config/genesis.json") { count += 1 }
    return count
  }

  /// Makes homes with keys, the shared genesis and a configuration each, unless they are there.
  func prepare() throws(CommandFailure) {
    let existing = Self.homes(in: directory)
    if existing < count, existing == 0 || (0..<count).contains(where: { NodeHome.isUnfinished(home($0)) }) {
      try Files.makeDirectory(directory, mode: 0o750)
      let founders = (0..<count).map { NodeHome.Founder(path: home($0), name: name($0)) }
      do { try NodeHome.found(founders, chainID: Self.chainID, blockTime: blockTime) } catch { throw CommandFailure(error) }
    } else {
      guard existing == count else {
        throw CommandFailure("\(directory) holds a network of \(existing) nodes; give -n \(existing), or another --dir", Exit.wouldOverwrite)
      }
    }
    for index in 0..<count { try configure(index) }
  }

  /// Ports and peers of a node; written at every start, so that another offset takes effect.
  private func configure(_ index: Int) throws(CommandFailure) {
    var addresses: [String] = []
    for other in 0..<count where other != index {
      let text = String(decoding: try Files.read("\(home(other))/keys/node.pub"), as: UTF8.self)
      guard let key = PublicKey(text: text.filter { !$0.isNewline }) else { throw CommandFailure("\(home(other))/keys/node.pub holds no key", Exit.dataCorrupt) }
      addresses.append("\"/ip4/127.0.0.1/tcp/\(9000 + baseOffset + other)/p2p/\(PeerID(key).text)\"")
    }
    let text = """
      # Written by 'moloch localnet up'; changes are lost at the next start.
      [node]
      name = "\(name(index))"
      [network]
      listen_addr = "\(peers(index))"
      boot_nodes = [\(addresses.joined(separator: ", "))]
      [consensus]
      validator = true
      [api]
      listen_addr = "\(api(index))"
      drain_delay = "0s"
      [api.rate_limit]
      enabled = false
      [metrics]
      prometheus_addr = "\(metrics(index))"

      """
    try Files.replace("\(home(index))/config/node.toml", Array(text.utf8))
  }
}
