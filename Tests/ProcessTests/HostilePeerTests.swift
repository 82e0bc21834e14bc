import Audit
import Ed25519
import Foundation
import Testing

/// Strangers on the peer port: refused with a reason that the operator sees, while the chain goes on.
@Suite(.serialized) struct HostilePeerTests {
  @Test func strangersAreRefusedAndOthersServed() throws {
    let cluster = try Cluster()
    // The node that strangers come to, and it alone, waits for a handshake no longer than this: true peers on a busy machine get as long as ever from the others.
    let victim = cluster[0]
    try victim.write(genesis: cluster.genesis, peers: cluster.members[1...].map { $0.address(port: $0.peerPort) }, extra: "handshake_timeout = \"5s\"")
    try cluster.start()
    let records = try cluster.records()
    try victim.finalise(5, of: records)
    func rejection(_ reason: String, _ peer: String? = nil) throws -> [String: Any] {
      let answer = try victim.read("/v1/peers") { answer in
        (answer["rejected"] as? [[String: Any]])?.contains { $0["reason"] as? String == reason && (peer == nil || $0["peer_id"] as? String == peer) } == true
      }
      return (answer["rejected"] as? [[String: Any]])?.last { $0["reason"] as? String == reason } ?? [:]
    }

    // A node of another chain that has the address of this one.
    let stranger = try Cluster(count: 1, chainID: "moloch-other")
    try stranger[0].write(genesis: stranger.genesis, peers: [victim.address(port: victim.peerPort)])
    try stranger[0].start()
    _ = try rejection("chain_mismatch", stranger[0].peerID)
    try victim.logs("handshake refused", "chain_mismatch")
    try stranger[0].logs("handshake refused", "chain_mismatch")

    // The same, with the id of somebody else for this node: the caller sees a key that it did not ask for.
    stranger[0].kill()
    let mark = stranger[0].log.count
    let somebody = PeerID(try SigningKey.generate().publicKey).text
    try stranger[0].write(genesis: stranger.genesis, peers: ["/ip4/127.0.0.1/tcp/\(victim.peerPort)/p2p/\(somebody)"])
    try stranger[0].start()
    try stranger[0].logs("handshake refused", "identity", after: mark)
    stranger[0].kill()

    // Bytes that are no TLS; a client of HTTP; a connection that says nothing.
    let garbage = try Socket(port: victim.peerPort)
    try garbage.send((0..<2000).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) })
    _ = try garbage.receiveAll()
    let web = try Socket(port: victim.peerPort)
    try web.send("GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
    let answer = try web.receiveAll()
    #expect(!String(decoding: answer, as: UTF8.self).contains("HTTP/1.1"))
    _ = try rejection("other")
    let silent = try Socket(port: victim.peerPort)
    #expect(try silent.receiveAll().isEmpty)
    _ = try rejection("timeout")

    // A crowd of silent connections keeps nobody out.
    let crowd = (0..<40).compactMap { _ in try? Socket(port: victim.peerPort) }
    #expect(crowd.count == 40)
    cluster[3].kill()
    let back = Stopwatch()
    try cluster[3].start()
    try cluster[3].status { ($0["peer_count"] as? Int ?? 0) >= 3 }
    back.report("a validator is back among the others while 40 silent connections came to one of them")
    let (ids, height) = try victim.finalise(10, of: records)
    try cluster.expectAgreement(at: height)
    for member in cluster.members { try member.expectFinal(ids) }
    try victim.status { $0["peer_count"] as? Int == 3 }
  }
}
