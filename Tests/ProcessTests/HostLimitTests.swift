import Bytes
import Foundation
import Testing

/// What a start asks of the host: files, ports, keys.
@Suite(.serialized) struct HostLimitTests {
  @Test func theSoftLimitOfOpenFilesIsRaisedToTheHardOne() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url, launcher: ["/usr/bin/prlimit", "--nofile=1024:20000"])
    let limits = try String(contentsOfFile: "/proc/\(node.identifier)/limits", encoding: .utf8)
    let files = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max open files") })
    #expect(files.split(separator: " ").compactMap { Int($0) } == [20_000, 20_000], "\(files)")
    #expect(try HTTPClient(port: node.metricsPort).get("/metrics").text.contains("\nprocess_max_fds 20000\n"))
  }

  @Test func aHardLimitThatIsTooLowRefusesTheStart() throws {
    let scratch = try ScratchDirectory()
    let end = #expect(throws: NodeProcess.EarlyEnd.self) { _ = try NodeProcess(home: scratch.url, launcher: ["/usr/bin/prlimit", "--nofile=300:4096"]) }
    #expect(end?.status == 78, "\(String(describing: end))")
    for words in ["the system allows 4096 open files", "storage.max_open_files = 10000", "raise LimitNOFILE"] { #expect(end?.log.contains(words) == true, "\(end?.log ?? "")") }
  }

  /// The unit gives the node no way to look into processes of other users: the table of sockets still names the user.
  @Test(.enabled(if: geteuid() == 0, "changing the user needs root"))
  func aTakenPortOfAnotherUserIsNamedByThatUser() throws {
    let cluster = try Cluster(count: 1, chainID: "moloch-port"), member = cluster[0]
    let listener = try Listener(port: member.apiPort)
    let owned = try Command.run(
      URL(fileURLWithPath: "/bin/bash"), ["-c", "chmod 0755 \(cluster.scratch.url.path); chown -R 65534:65534 \(member.home.path)"])
    #expect(owned.status == 0, "\(owned.errors)")
    func run(_ words: String...) throws -> Command {
      try Command.run(
        URL(fileURLWithPath: "/usr/bin/setpriv"), ["--reuid=65534", "--regid=65534", "--clear-groups", NodeProcess.moloch.path] + words + ["--home", member.home.path])
    }
    let refused = try run("run"), sentence = "by a process of user root"
    #expect(refused.status == 75 && refused.errors.contains("cannot listen on 127.0.0.1:\(member.apiPort)") && refused.errors.contains(sentence), "\(refused.status) \(refused.errors)")
    let doctor = try run("doctor")
    #expect(doctor.output.contains("127.0.0.1:\(member.apiPort) is taken \(sentence)"), "\(doctor.output)\(doctor.errors)")
    // Who may look sees the process.
    let root = try Command.moloch("doctor", "--home", member.home.path)
    #expect(root.output.contains("127.0.0.1:\(member.apiPort) is taken by process \(getpid()) ("), "\(root.output)\(root.errors)")
    withExtendedLifetime(listener) {}
  }

  @Test(arguments: ["validator", "next"]) func aValidatorKeyThatItsGroupReadsRefusesTheStart(_ name: String) throws {
    let cluster = try Cluster(count: 1, chainID: "moloch-modes"), member = cluster[0]
    let configuration = member.file("config/node.toml"), text = try String(contentsOf: configuration, encoding: .utf8)
    let made = try Command.moloch("keygen", "--validator", "--output", member.file("keys/new").path)
    #expect(made.status == 0, "\(made.errors)")
    try text.replacingOccurrences(of: "validator = true\n", with: "validator = true\nnext_validator_key = \"keys/new/validator.key\"\n")
      .write(to: configuration, atomically: true, encoding: .utf8)
    // The group may read the key of the node.
    try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: member.file("keys/node.key").path)
    let path = member.file(name == "next" ? "keys/new/validator.key" : "keys/validator.key").path
    try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: path)
    let refused = try Command.moloch("run", "--home", member.home.path)
    #expect(refused.status == 77 && refused.errors.contains("\(path) can be read by others; set its mode to 0600"), "\(refused.status) \(refused.errors)")
    let doctor = try Command.moloch("doctor", "--home", member.home.path)
    #expect(doctor.status == 2 && doctor.output.contains("fix: chmod 0600 \(path)"), "\(doctor.output)")
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
    try member.start()
  }

  @Test func aNewNodeKeyIsANewPeer() throws {
    let cluster = try Cluster(count: 1, chainID: "moloch-node-key")
    try cluster.start()
    let node = try cluster.join("api", in: cluster.scratch.url, hasJournal: false)
    func peers() throws -> [String] { (try cluster[0].client().get("/v1/peers").json["peers"] as? [[String: Any]] ?? []).compactMap { $0["peer_id"] as? String } }
    try node.start(options: ["--api-only"])
    try node.status { $0["peer_count"] as? Int == 1 }
    #expect(try peers() == [node.peerID])
    #expect(node.stop() == 0, "\(node.lastLines)")
    let made = try Command.moloch("keygen", "--json", "--output", node.file("keys/new").path)
    let json = try #require(try JSONSerialization.jsonObject(with: Data(made.output.utf8)) as? [String: Any], "\(made.errors)")
    let peer = try #require(json["peer_id"] as? String)
    #expect(peer != node.peerID)
    let configuration = node.file("config/node.toml"), text = try String(contentsOf: configuration, encoding: .utf8)
    try text.replacingOccurrences(of: "[node]\n", with: "[node]\nkey_file = \"keys/new/node.key\"\n").write(to: configuration, atomically: true, encoding: .utf8)
    try cluster[0].status { $0["peer_count"] as? Int == 0 }
    try node.start(options: ["--api-only"])
    try cluster[0].status { $0["peer_count"] as? Int == 1 }
    #expect(try peers() == [peer])
  }
}
