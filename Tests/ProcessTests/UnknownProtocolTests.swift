import Foundation
import Testing

/// A chain that changes to a version of the protocol which the program does not know.
@Suite struct UnknownProtocolTests {
  @Test func nodesWarnAndStopInFrontOfTheEpoch() throws {
    let cluster = try Cluster(chainID: "moloch-upgrade", epochLength: 40)
    try cluster.start()
    let proposal = try ValidatorChangesTests.json(cluster[0].home, "parameters", "propose", "--protocol-version", "2")
    let id = try #require(proposal["id"] as? String), first = try #require(proposal["effective_height"] as? Int)
    func isOpen(_ answer: [String: Any]) -> Bool { (answer["changes"] as? [[String: Any]] ?? []).contains { $0["id"] as? String == id } }
    for member in [cluster[1], cluster[2]] {
      try member.read("/v1/governance", until: isOpen)
      _ = try ValidatorChangesTests.json(member.home, "validator", "approve", id)
    }
    let reason = "the chain uses protocol version 2 from height \(first) on; this program knows 1: install a newer release"
    for member in cluster.members {
      #expect(member.waitForExit(within: 120) == 78, "\(member.lastLines)")
      let warning = member.log.range(of: "a version of the protocol that this program does not know"), end = member.log.range(of: reason)
      #expect(warning != nil && end != nil && warning!.lowerBound < end!.lowerBound, "\(member.lastLines)")
    }
    // A start ends as the run has.
    for member in cluster.members.prefix(2) {
      let again = try Command.moloch("run", "--home", member.home.path)
      #expect(again.status == 78 && (again.output + again.errors).contains(reason), "\(again.output)\(again.errors)")
    }
  }
}
