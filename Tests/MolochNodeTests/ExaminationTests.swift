import Foundation
import Testing

@testable import MolochNode

@Suite struct ExaminationTests {
  typealias Peers = Examination.Peers

  static func findings(_ peers: Peers, _ lines: String = "") -> [String] {
    Examination(NodeOptionsTests.options(lines), isRunning: true).findings(peers).map { "\($0.verdict.rawValue) \($0.subject): \($0.text): \($0.fix)" }
  }

  static let chain = "compare: moloch genesis hash config/genesis.json on both hosts"

  @Test func aPartitionNamesThePortOfThisNode() {
    let alone = Peers(connected: [], known: [Peers.Absent("a", "refused"), Peers.Absent("b", nil)], rejected: [])
    let rest = "both ways; moloch peers list says what became of each dial"
    #expect(Self.findings(alone, "network.listen_addr = \"0.0.0.0:9107\"") == ["fail partition: none of 2 known peers is connected: open port 9107/tcp \(rest)"])
    #expect(Self.findings(alone) == ["fail partition: none of 2 known peers is connected: open port 9000/tcp \(rest)"])
    #expect(Self.findings(alone, "network.listen_addr = \"0.0.0.0:0\"").first?.contains("open the port of network.listen_addr both ways") == true)
    #expect(Self.findings(Peers(connected: [nil], known: alone.known, rejected: [])).isEmpty, "one is connected")
    #expect(Self.findings(Peers(connected: [], known: [], rejected: [])).isEmpty, "nobody is known")
  }

  /// Peers of another chain answered: the network is whole.
  @Test func aForeignChainIsNoPartition() {
    let foreign = Peers.Absent("a", "chain_mismatch"), other = Peers.Absent("b", "chain_mismatch"), lost = Peers.Absent("c", "timeout")
    #expect(Self.findings(Peers(connected: [], known: [foreign, other], rejected: [])) == ["fail chain: 2 peers are of another chain: \(Self.chain)"])
    // One peer, dialled and refused time and again.
    #expect(Self.findings(Peers(connected: [], known: [foreign], rejected: [foreign, foreign])) == ["fail chain: 1 peer is of another chain: \(Self.chain)"])
    #expect(Self.findings(Peers(connected: [0], known: [], rejected: [foreign, Peers.Absent("d", "full")])) == ["fail chain: 1 peer is of another chain: \(Self.chain)"])
    let both = Self.findings(Peers(connected: [], known: [foreign, lost], rejected: []))
    #expect(both.count == 2 && both[0].hasPrefix("fail partition: none of 1 known peers") && both[1].hasPrefix("fail chain: 1 peer is"), "\(both)")
  }

  @Test(arguments: [([250, -250], nil), ([251], "warn"), ([nil, 2000], "warn"), ([-2001, nil], "fail"), ([nil], nil), ([0, 5000, 0], nil)] as [([Int64?], String?)])
  func theMedianOfTheSkewsCounts(_ skews: [Int64?], _ verdict: String?) {
    let found = Self.findings(Peers(connected: skews, known: [], rejected: []))
    #expect(found.map { $0.split(separator: ":")[0] } == (verdict.map { ["\($0) skew"] } ?? []), "\(found)")
  }

  @Test func eachNumberOfASystemSettingIsCompared() {
    let wanted: [UInt64] = [4096, 87_380, 134_217_728]
    for enough in ["4096\t87380\t134217728\n", "8192 131072 268435456"] { #expect(Examination.shortfall("k", enough, wanted) == nil) }
    for (low, words) in [
      ("4095\t87380\t134217728", "k is 4095, the guide says 4096"), ("4096\t87379\t134217728", "k is 87379, the guide says 87380"),
      ("4096\t87380\t134217727", "k is 134217727, the guide says 134217728"), ("4096\t16384\t4194304", "k: 16384 < 87380, 4194304 < 134217728"),
    ] { #expect(Examination.shortfall("k", low + "\n", wanted) == words) }
    for strange in [nil, "", "4096 87380", "4096 87380 134217728 1", "4096 many 134217728"] as [String?] { #expect(Examination.shortfall("k", strange, wanted) == "k cannot be read") }
    #expect(Examination.shortfall("k", "999999\n", [1_000_000]) == "k is 999999, the guide says 1000000")
    #expect(Examination.guideSysctls.map { $0.values.count } == [1, 1, 1, 3, 3])
  }

  /// The keys of a validator are for their owner alone, the next one among them; the node's may be read by its group.
  @Test func keysWithLooseModesAreFound() throws {
    let home = FileManager.default.temporaryDirectory.appendingPathComponent("moloch-keys-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: home) }
    try NodeHome.makeDirectories(home)
    for name in ["node", "validator", "next"] { try NodeHome.makeKey("\(home)/keys/\(name)") }
    let lines = "consensus.validator = true\nconsensus.next_validator_key = \"keys/next.key\"\nnode.data_dir = \"\(home)/data\"", settings = NodeOptionsTests.options(lines).settings
    let examination = Examination(NodeOptions(home: home, settings: settings) { settings }, isRunning: false)
    func verdicts() -> [String] { examination.keys().map { "\($0.verdict.rawValue) \($0.fix)" } }
    #expect(verdicts() == ["ok ", "ok ", "ok "])
    for (name, mode, isRefused) in [
      ("node", 0o640, false), ("node", 0o644, true), ("validator", 0o640, true), ("validator", 0o400, false), ("next", 0o640, true), ("next", 0o604, true),
    ] as [(String, Int, Bool)] {
      let path = "\(home)/keys/\(name).key", position = ["node", "validator", "next"].firstIndex(of: name)!
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
      #expect(verdicts()[position] == (isRefused ? "fail chmod 0600 \(path)" : "ok "), "\(name) \(String(mode, radix: 8))")
      var code: Int32?
      do throws(NodeFailure) { _ = try name == "node" ? NodeHome.key(path) : NodeHome.validatorKey(path) } catch { code = error.code }
      #expect(code == (isRefused ? 77 : nil))
      try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
    }
  }
}
