import Audit
import Bytes
import Digests
import Ed25519
import Foundation
import PeerWire
import TLS
import Testing

/// A node of another protocol version, as far as the handshake: TLS with its own key, and a Hello.
private final class Greeter {
  let key: SigningKey
  private let socket: Socket
  private let tls: TLSSession
  private let caps = WireCaps(blockByteCount: 1 << 20)

  init(port: UInt16) throws {
    key = try SigningKey.generate()
    socket = try Socket(port: port)
    tls = TLSSession(try TLSContext(.node(.client, try TLSCredential.selfSigned(keyPEM: key.pem()))))
  }

  /// Says Hello with these versions and returns what the node says: up to its Goodbye, or only its Hello.
  func greet(_ genesis: [UInt8], protocols: ClosedRange<UInt16>, staysForGoodbye: Bool = true) throws -> (hello: Hello?, goodbye: Goodbye?) {
    var wire: [UInt8] = [], reader = FrameReader(caps: caps)
    var said: (hello: Hello?, goodbye: Goodbye?)
    tls.start(wire: &wire)
    var hasGreeted = false
    while said.goodbye == nil, staysForGoodbye || said.hello == nil {
      if tls.state == .open, !hasGreeted {
        hasGreeted = true
        let frames = hello(genesis, protocols)
        tls.send(frames.bytes, wire: &wire)
      }
      if !wire.isEmpty { try? socket.send(wire) }
      wire.removeAll()
      guard tls.state == .handshaking || tls.state == .open, let input = try? socket.receive(), !input.isEmpty else { break }
      var text: [UInt8] = [], offset = 0
      tls.receive(input.bytes, plaintext: &text, wire: &wire)
      while case .message(let type, let payload) = reader.advance(text.bytes, &offset) {
        if type == .hello { said.hello = Hello(decoding: payload.bytes) }
        if type == .goodbye { said.goodbye = Goodbye(decoding: payload.bytes) }
      }
    }
    return said
  }

  private func hello(_ genesis: [UInt8], _ protocols: ClosedRange<UInt16>) -> [UInt8] {
    let hash = SHA256.hash(genesis)
    let preamble = Hello.Preamble(chainTag: ChainTag(genesisHash: hash).bytes, genesisHash: hash.bytes, protocols: protocols)
    var outbox = Outbox(caps: caps, eventMessagesMax: 1), frames: [UInt8] = []
    _ = outbox.queue(.hello, Hello(preamble: preamble, nodeKey: key.publicKey.bytes).encoded())
    _ = outbox.fill(&frames)
    return frames
  }
}

@Suite struct ProtocolVersionTests {
  @Test func anotherVersionIsRefusedWithTheRangesOnBothSides() throws {
    let cluster = try Cluster(count: 1, chainID: "moloch-versions")
    let node = cluster[0]
    try node.start()
    // Its API answers before the store is open, and the peers' listener comes after that.
    try node.logs("listening", "peers=127.0.0.1:\(node.peerPort)")
    for (protocols, shown) in [(UInt16(0)...UInt16(0), "protocol 0 to 0 there, 1 to 3 here"), (4...7, "protocol 4 to 7 there, 1 to 3 here")] {
      let greeter = try Greeter(port: node.peerPort)
      let said = try greeter.greet(cluster.genesis, protocols: protocols)
      // The other side learns the range of this node from its Hello, and the reason from its Goodbye.
      let range = said.hello.map { $0.preamble.protocolMin...$0.preamble.protocolMax }
      #expect(range == 1...3 && said.goodbye?.reason == .version && said.goodbye?.text == shown, "\(said)")
      try node.logs("handshake refused", "reason=version", shown, PeerID(greeter.key.publicKey).text)
      let rejected = try node.client().get("/v1/peers").json["rejected"] as? [[String: Any]] ?? []
      #expect(rejected.contains { $0["peer_id"] as? String == PeerID(greeter.key.publicKey).text && $0["reason"] as? String == "version" }, "\(rejected)")
    }
    // Ranges that overlap are welcome: an older node, one of the next release, one that has given up the oldest version.
    for protocols in [1...1, 1...4, 2...2] as [ClosedRange<UInt16>] {
      let other = try Greeter(port: node.peerPort)
      let marked = try other.greet(cluster.genesis, protocols: protocols, staysForGoodbye: false)
      #expect(marked.hello != nil && marked.goodbye?.reason != .version, "\(protocols): \(marked)")
    }
    #expect(try node.finalise(1, of: cluster.records()).ids.count == 1)
  }

  private static let older = "protocol_max = 1\n"

  /// Two validators speak version 1 only, as a release behind would, and two the newest: one network, whoever is asked and whoever syncs.
  @Test func nodesOfTwoVersionsMakeBlocksAndSyncFromEachOther() throws {
    let cluster = try Cluster(chainID: "moloch-mixed", epochLength: 20, blockTime: 10)
    for member in cluster.members.prefix(2) {
      let path = member.file("config/node.toml")
      let text = try String(contentsOf: path, encoding: .utf8)
      try text.replacingOccurrences(of: "[network]\n", with: "[network]\n" + Self.older).write(to: path, atomically: true, encoding: .utf8)
    }
    try cluster.start()
    let records = try cluster.records()
    var ids: [EventID] = []
    for round in 0..<8 { ids += try cluster[round % 4].finalise(3, of: records).ids }
    for member in cluster.members { try member.expectFinal(ids) }
    // A newcomer of each kind, which knows validators of the other kind alone.
    let older = try cluster.join("older", in: cluster.scratch.url, peers: [cluster[2], cluster[3]], extra: "peer_exchange = false\n" + Self.older)
    let newer = try cluster.join("newer", in: cluster.scratch.url, peers: [cluster[0], cluster[1]], extra: "peer_exchange = false")
    for member in [older, newer] {
      try member.start(options: ["--api-only"])
      try member.status { $0["syncing"] as? Bool == false }
      try member.expectFinal(ids)
    }
    // With one of each kind away the others need each other.
    #expect(cluster[0].stop() == 0)
    let (last, height) = try cluster[3].finalise(3, of: records)
    try cluster.expectAgreement(at: height, of: [cluster[1], cluster[2], cluster[3], older, newer])
    // The upgrade of one: it comes back with the newest version, and catches up.
    let path = cluster[0].file("config/node.toml")
    try String(contentsOf: path, encoding: .utf8).replacingOccurrences(of: Self.older, with: "").write(to: path, atomically: true, encoding: .utf8)
    try cluster[0].start()
    try cluster[0].expectFinal(last)
    try cluster.expectAgreement(at: try cluster[0].finalise(2, of: records).height, of: cluster.members + [older, newer])
  }

  @Test func nodesWhoseRangesDoNotOverlapPartAndBothSayWhy() throws {
    let cluster = try Cluster(count: 1, chainID: "moloch-apart", extra: "protocol_min = 2")
    try cluster[0].start()
    let older = try cluster.join("older", in: cluster.scratch.url, extra: Self.older)
    try older.start(options: ["--api-only"])
    try cluster[0].logs("handshake refused", "reason=version", "protocol 1 to 1 there, 2 to 3 here", older.peerID)
    try older.logs("handshake refused", "reason=version", "protocol 2 to 3 there, 1 to 1 here", cluster[0].peerID)
    let status = try older.status { $0["peer_count"] is Int }
    #expect(status["peer_count"] as? Int == 0 && status["head_height"] as? Int == 0, "\(status)")
    // They meet again when one of them speaks what the other does.
    #expect(older.stop() == 0)
    try older.write(genesis: cluster.genesis, peers: [cluster[0].address(port: cluster[0].peerPort)])
    let (ids, _) = try cluster[0].finalise(2, of: try cluster.records())
    try older.start(options: ["--api-only"])
    try older.expectFinal(ids)
  }
}
