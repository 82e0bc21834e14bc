import Foundation
import Testing

/// A chain that changes to a version of the protocol which the program does not know.
@Suite struct UnknownProtocolTests {
  /// A chain whose validators have approved the next version: on their way to the last height that this program can follow.
  private static func approved(_ chainID: String) throws -> (Cluster, first: Int) {
    // Twenty seconds from the last approval to the end of the epoch: the command that approves finds a node that still answers.
    let cluster = try Cluster(chainID: chainID, epochLength: 40, blockTime: 500)
    try cluster.start()
    let proposal = try ValidatorChangesTests.json(cluster[0].home, "parameters", "propose", "--protocol-version", "2")
    let id = try #require(proposal["id"] as? String), first = try #require(proposal["effective_height"] as? Int)
    func isOpen(_ answer: [String: Any]) -> Bool { (answer["changes"] as? [[String: Any]] ?? []).contains { $0["id"] as? String == id } }
    for member in [cluster[1], cluster[2]] {
      try member.read("/v1/governance", until: isOpen)
      _ = try ValidatorChangesTests.json(member.home, "validator", "approve", id)
    }
    return (cluster, first)
  }

  @Test func nodesWarnAndStopInFrontOfTheEpoch() throws {
    let (cluster, first) = try Self.approved("moloch-upgrade")
    let reason = "the chain uses protocol version 2 from height \(first) on; this program knows 1: install a newer release"
    for member in cluster.members {
      #expect(member.waitForExit(within: 240) == 78, "\(member.lastLines)")
      let warning = member.log.range(of: "a version of the protocol that this program does not know"), end = member.log.range(of: reason)
      #expect(warning != nil && end != nil && warning!.lowerBound < end!.lowerBound, "\(member.lastLines)")
    }
    // A start ends as the run has.
    for member in cluster.members.prefix(2) {
      let again = try Command.moloch("run", "--home", member.home.path)
      #expect(again.status == 78 && (again.output + again.errors).contains(reason), "\(again.output)\(again.errors)")
    }
  }

  /// One that cannot be seen to have the last block is served for a while, and does not keep the others for ever.
  @Test func whoHasTheLastBlockWaitsForTheOthers() throws {
    let (cluster, first) = try Self.approved("moloch-linger")
    for member in cluster.members { try member.logs("a version of the protocol that this program does not know", "height=\(first)") }
    cluster[3].signal(SIGSTOP)
    for member in cluster.members.dropLast() {
      #expect(member.waitForExit(within: 240) == 78, "\(member.lastLines)")
      try member.logs("NOTICE", "the last block that this program can follow is stored")
      try member.logs("WARN", "connected validators have not shown that they have the last block", "height=\(first - 1)")
    }
    cluster[3].kill()
  }
}
