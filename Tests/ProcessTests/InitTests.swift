import Audit
import Ed25519
import Foundation
import Testing

/// `init`, and where the vote journal of a key comes from.
@Suite(.serialized) struct InitTests {
  private static func exists(_ home: URL, _ path: String) -> Bool { FileManager.default.fileExists(atPath: home.appendingPathComponent(path).path) }
  private static func text(_ home: URL, _ path: String) throws -> String { try String(contentsOf: home.appendingPathComponent(path), encoding: .utf8) }

  private static func initialise(_ home: URL, _ words: String...) throws -> Command {
    try Command.run(NodeProcess.moloch, ["init", "--home", home.path] + words)
  }

  /// A chain of one validator whose key has neither journal nor mark.
  private static func unmarked() throws -> Cluster {
    let cluster = try Cluster(count: 1, chainID: "moloch-sole")
    try FileManager.default.removeItem(at: cluster[0].file("data/validator"))
    try FileManager.default.removeItem(at: cluster[0].file("keys/validator.key.used"))
    return cluster
  }

  @Test func aHomeIsMadeForAChainThatThereIs() throws {
    let scratch = try ScratchDirectory()
    let first = scratch.url.appendingPathComponent("first"), follower = scratch.url.appendingPathComponent("follower"), voter = scratch.url.appendingPathComponent("voter")
    #expect(try Self.initialise(first, "--chain-id", "audit-1").status == 0)
    #expect(Self.exists(first, "data/validator/journal-1") && Self.exists(first, "keys/validator.key.used"))
    let genesis = first.appendingPathComponent("config/genesis.json").path

    let followed = try Self.initialise(follower, "--genesis", genesis)
    #expect(followed.status == 0, "\(followed.errors)")
    #expect(try Self.text(follower, "config/genesis.json") == Self.text(first, "config/genesis.json"))
    #expect(try Self.text(follower, "config/node.toml").contains("validator = false"))
    #expect(Self.exists(follower, "keys/node.key") && !Self.exists(follower, "keys/validator.key") && !Self.exists(follower, "data/validator"))

    #expect(try Self.initialise(voter, "--genesis", genesis, "--validator", "--chain-id", "audit-2").status == 64)
    #expect(!Self.exists(voter, "config"))
    let voted = try Self.initialise(voter, "--genesis", genesis, "--validator", "--chain-id", "audit-1", "--name", "v9")
    #expect(voted.status == 0, "\(voted.errors)")
    #expect(Self.exists(voter, "data/validator/journal-1") && Self.exists(voter, "keys/validator.key.used"))
    #expect(try Self.text(voter, "config/node.toml").contains("validator = true"))
    let key = try Self.text(voter, "keys/validator.pub")
    #expect(try Self.initialise(voter, "--genesis", genesis, "--validator").status == 0, "the same once more changes nothing")
    #expect(try Self.text(voter, "keys/validator.pub") == key)

    let other = scratch.url.appendingPathComponent("other")
    #expect(try Self.initialise(other, "--chain-id", "audit-1").status == 0)
    let refused = try Self.initialise(other, "--genesis", genesis)
    #expect(refused.status == 73 && refused.errors.contains("another genesis"), "\(refused.errors)")
    #expect(try Self.initialise(other, "--chain-id", "audit-1").status == 73)
    #expect(try Self.initialise(scratch.url.appendingPathComponent("none")).status == 64)
  }

  /// The genesis comes last: whatever ends `init`, the same call goes on, and another one is told what lies there.
  @Test func anInterruptedInitGoesOn() throws {
    let scratch = try ScratchDirectory(), home = scratch.url.appendingPathComponent("home")
    func block(_ home: URL) throws {
      try FileManager.default.createDirectory(at: home.appendingPathComponent("data"), withIntermediateDirectories: true)
      try Data().write(to: home.appendingPathComponent("data/validator"))
    }
    try block(home)
    let failed = try Self.initialise(home, "--chain-id", "audit-1")
    #expect(failed.status == 74 && failed.errors.contains("data/validator"), "\(failed.status) \(failed.errors)")
    #expect(!Self.exists(home, "config/genesis.json") && !Self.exists(home, "keys/validator.key.used"))
    let pending = try Self.text(home, "config/genesis.json.pending"), key = try Self.text(home, "keys/validator.pub")
    for other in [["--chain-id", "audit-2"], ["--chain-id", "audit-1", "--block-time", "50"], ["--genesis", home.appendingPathComponent("config/genesis.json.pending").path]] {
      let refused = try Command.run(NodeProcess.moloch, ["init", "--home", home.path] + other)
      #expect(refused.status == 73 && refused.errors.contains("genesis.json.pending"), "\(other): \(refused.status) \(refused.errors)")
    }
    #expect(try Command.run(NodeProcess.moloch, ["run", "--home", home.path]).status == 66)
    // A journal of which less was written than was meant.
    try FileManager.default.removeItem(at: home.appendingPathComponent("data/validator"))
    try FileManager.default.createDirectory(at: home.appendingPathComponent("data/validator"), withIntermediateDirectories: false)
    try Data(repeating: 0xA5, count: 5000).write(to: home.appendingPathComponent("data/validator/journal-1"))
    let made = try Self.initialise(home, "--chain-id", "audit-1")
    #expect(made.status == 0, "\(made.errors)")
    #expect(try Self.text(home, "config/genesis.json") == pending && Self.text(home, "keys/validator.pub") == key)
    #expect(Self.exists(home, "keys/validator.key.used") && !Self.exists(home, "config/genesis.json.pending"))
    #expect(try Self.initialise(home, "--chain-id", "audit-1").status == 73)
    let node = try NodeProcess(home: home)
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0, "\(node.log)")

    // Of several homes some may be whole.
    let network = scratch.url.appendingPathComponent("network"), words = ["localnet", "files", "--hosts", "a.example,b.example", "--dir", network.path, "--chain-id", "audit-1"]
    try block(network.appendingPathComponent("b.example"))
    #expect(try Command.run(NodeProcess.moloch, words).status == 74)
    #expect(!Self.exists(network, "a.example/config/genesis.json") && Self.exists(network, "a.example/data/validator/journal-1"))
    try FileManager.default.moveItem(
      at: network.appendingPathComponent("a.example/config/genesis.json.pending"), to: network.appendingPathComponent("a.example/config/genesis.json"))
    try FileManager.default.removeItem(at: network.appendingPathComponent("b.example/data/validator"))
    let whole = try Command.run(NodeProcess.moloch, words)
    #expect(whole.status == 0, "\(whole.errors)")
    #expect(try Self.text(network, "a.example/config/genesis.json") == Self.text(network, "b.example/config/genesis.json"))
    #expect(Self.exists(network, "b.example/data/validator/journal-1"))
  }

  @Test func aMarkedKeyNeverGetsAFreshJournal() throws {
    let scratch = try ScratchDirectory()
    #expect(try Self.initialise(scratch.url, "--chain-id", "audit-1").status == 0)
    try FileManager.default.removeItem(at: scratch.url.appendingPathComponent("data/validator"))
    let genesis = scratch.url.appendingPathComponent("config/genesis.json").path
    let again = try Self.initialise(scratch.url, "--genesis", genesis, "--validator")
    #expect(again.status == 65 && again.errors.contains("no fresh one"), "\(again.status) \(again.errors)")
    #expect(!Self.exists(scratch.url, "data/validator/journal-1"))
    let accepted = try Command.moloch("validator", "accept", "--name", "v9", "--epoch", "3", "--home", scratch.url.path)
    #expect(accepted.status == 0 && !Self.exists(scratch.url, "data/validator/journal-1"), "\(accepted.errors)")
  }

  /// The home of a release whose first start made journal and mark: the key may be a copy of one that votes.
  @Test func aKeyWithoutMarkAndJournalGetsNoneFromAStart() throws {
    let cluster = try Self.unmarked(), home = cluster[0].home
    // A node that starts all the same is ended after a while.
    let started = try Command.run(URL(fileURLWithPath: "/usr/bin/timeout"), ["-k", "5", "30", NodeProcess.moloch.path, "run", "--home", home.path])
    #expect(started.status == 65 && started.errors.contains("moloch init --validator --genesis"), "\(started.status) \(started.errors)")
    #expect(!Self.exists(home, "keys/validator.key.used") && !Self.exists(home, "data/validator/journal-1"))
    // The operator says that it never voted, which the empty chain does not contradict.
    try cluster[0].beginJournal()
    try cluster[0].start()
    let (ids, _) = try cluster[0].finalise(3, of: cluster.records())
    #expect(cluster[0].stop() == 0, "\(cluster[0].lastLines)")
    #expect(try Self.text(home, "data/validator/binding").hasPrefix("here "))
    // With blocks, and without journal and mark, the chain contradicts.
    for path in ["data/validator", "keys/validator.key.used"] { try FileManager.default.removeItem(at: cluster[0].file(path)) }
    let refused = try Command.moloch("init", "--validator", "--genesis", cluster[0].file("config/genesis.json").path, "--home", home.path)
    #expect(refused.status == 65 && refused.errors.contains("may have voted"), "\(refused.status) \(refused.errors)")
    let key = try Self.text(home, "keys/validator.pub").trimmingCharacters(in: .whitespacesAndNewlines)
    let reset = try Command.moloch("validator", "protection", "reset", "--unsafe", "--key", key, "--home", home.path)
    #expect(reset.status == 0, "\(reset.errors)")
    try cluster[0].start()
    try cluster[0].expectFinal(ids)
    try cluster[0].finalise(1, of: cluster.records())
  }

  @Test func amongOthersAKeyWithoutMarkAndJournalListens() throws {
    let cluster = try Cluster(chainID: "moloch-unmarked", listenWindow: "10s")
    try cluster.start()
    let records = try cluster.records()
    try cluster[0].finalise(3, of: records)
    let member = cluster[3]
    #expect(member.stop() == 0, "\(member.lastLines)")
    for path in ["data/validator", "keys/validator.key.used"] { try FileManager.default.removeItem(at: member.file(path)) }
    try member.start()
    try member.logs("WARN", "the validator listens", "may have voted elsewhere")
    #expect(!FileManager.default.fileExists(atPath: member.file("keys/validator.key.used").path))
    let key = try String(contentsOf: member.file("keys/validator.pub"), encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    try member.read("/v1/validators/\(key)") { $0["state"] as? String == "listening" }
    // It comes back by rule R14.
    try member.read("/v1/validators/\(key)") { _ in
      (try? cluster[0].finalise(1, of: records)) != nil && (try? member.client().get("/v1/validators/\(key)").json["state"] as? String) == "active"
    }
  }

  /// Under the unit only data and logs can be written. Root could write everywhere, so the node is somebody else.
  @Test(.enabled(if: geteuid() == 0, "changing the user needs root"))
  func aValidatorRunsWithKeysThatItCannotWrite() throws {
    let cluster = try Cluster(count: 1, chainID: "moloch-readonly", epochLength: 40), member = cluster[0]
    // A key for later, and a home of the node's user whose keys nobody writes.
    let made = try Command.moloch("keygen", "--output", member.file("keys/new").path, "--validator")
    #expect(made.status == 0, "\(made.errors)")
    let owned = try Command.run(
      URL(fileURLWithPath: "/bin/bash"), ["-c", "chmod 0755 \(cluster.scratch.url.path); chown -R 65534:65534 \(member.home.path) && chmod 0500 \(member.home.path)/keys \(member.home.path)/keys/new"])
    #expect(owned.status == 0, "\(owned.errors)")
    let nobody = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    let probe = try Command.run(URL(fileURLWithPath: nobody[0]), nobody.dropFirst() + ["/usr/bin/touch", member.file("keys/probe").path])
    #expect(probe.status != 0, "the keys can be written: this test shows nothing")
    try member.start(nobody)
    _ = try member.finalise(3, of: cluster.records())
    try member.expectMetric("moloch_validator_active") { $0 == 1 }
    #expect(!member.log.contains("mark"), "\(member.lastLines)")

    let configuration = member.file("config/node.toml")
    let text = try String(contentsOf: configuration, encoding: .utf8)
    try text.replacingOccurrences(of: "validator = true\n", with: "validator = true\nnext_validator_key = \"keys/new/validator.key\"\n")
      .write(to: configuration, atomically: true, encoding: .utf8)
    let reloaded = try Command.moloch("reload", "--home", member.home.path)
    #expect(reloaded.status == 0 && reloaded.output.contains("consensus.next_validator_key"), "\(reloaded.output)\(reloaded.errors)")
    // Whoever proposes can write the keys, and leaves the mark; it belongs to the node's user.
    let key = try String(contentsOf: member.file("keys/new/validator.pub"), encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    _ = try ValidatorChangesTests.json(member.home, "validator", "propose-change", "--rotate", "v1=\(key)")
    let mark = try FileManager.default.attributesOfItem(atPath: member.file("keys/new/validator.key.used").path)
    #expect(mark[.ownerAccountID] as? Int == 65534, "\(mark)")
    #expect(member.stop() == 0, "\(member.lastLines)")
    try member.start(nobody)
    _ = try member.finalise(1, of: cluster.records())
  }
}

/// `genesis create`, `add-validator` and `add-signer`.
@Suite struct GenesisEditingTests {
  private static func key(_ name: String, _ scratch: ScratchDirectory) throws -> String {
    let made = try Command.moloch("keygen", "--validator", "--json", "--output", scratch.url.appendingPathComponent(name).path)
    let json = try JSONSerialization.jsonObject(with: Data(made.output.utf8)) as? [String: Any] ?? [:]
    return try #require(json["public_key"] as? String)
  }

  @Test func aGenesisIsPutTogetherAndStartsAChain() throws {
    let scratch = try ScratchDirectory(), file = scratch.url.appendingPathComponent("genesis.json").path
    let keys = try ["v1", "v2"].map { try Self.key($0, scratch) }
    let created = try Command.moloch(
      "genesis", "create", file, "--chain-id", "audit-1", "--key", keys[0], "--name", "v1", "--domain", "audit.example.com", "--block-time", "100", "--epoch-length", "40",
      "--registered-only")
    #expect(created.status == 0 && created.output.hasPrefix("\(file): chain audit-1, 1 validator, 0 registered signers\nHash: "), "\(created.output)\(created.errors)")
    let again = try Command.moloch("genesis", "create", file, "--chain-id", "audit-1", "--key", keys[0], "--name", "v1")
    #expect(again.status == 73, "\(again.errors)")
    let added = try Command.moloch("genesis", "add-validator", file, "--key", keys[1], "--name", "v2", "--power", "3", "--json")
    #expect(added.status == 0, "\(added.errors)")
    let signer = try Command.moloch("genesis", "add-signer", file, "--key", ValidatorChangesTests.stranger, "--name", "gate", "--from", "5", "--to", "900")
    #expect(signer.status == 0 && signer.output.contains("2 validators, 1 registered signer\n"), "\(signer.output)\(signer.errors)")

    let shown = try JSONSerialization.jsonObject(with: Data(try Command.moloch("genesis", "show", file, "--json").output.utf8)) as? [String: Any] ?? [:]
    let genesis = shown["genesis"] as? [String: Any] ?? [:], validators = genesis["validators"] as? [[String: Any]] ?? []
    #expect(shown["origin"] as? String == "audit.example.com/audit-1", "\(shown)")
    #expect(Set(validators.map { "\($0["name"] ?? "") \($0["power"] ?? "") \($0["public_key"] ?? "")" }) == ["v1 1 \(keys[0])", "v2 3 \(keys[1])"], "\(validators)")
    let consensus = genesis["consensus"] as? [String: Any] ?? [:], signers = genesis["signers"] as? [String: Any] ?? [:]
    #expect(consensus["block_time_ms"] as? Int == 100 && consensus["epoch_length"] as? Int == 40, "\(consensus)")
    let registered = (signers["registered"] as? [[String: Any]])?.first ?? [:]
    #expect(signers["mode"] as? String == "registered" && registered["name"] as? String == "gate" && registered["valid_to_height"] as? Int == 900, "\(signers)")

    for (words, fragment) in [
      (["add-validator", file, "--key", keys[1], "--name", "v3"], "validator v3"), (["add-validator", file, "--key", keys[0], "--name", "UP"], "name is"),
      (["add-signer", file, "--key", ValidatorChangesTests.stranger, "--name", "twice"], "twice"),
    ] {
      let before = try Data(contentsOf: URL(fileURLWithPath: file))
      let refused = try Command.run(NodeProcess.moloch, ["genesis"] + words)
      #expect(refused.status == 64 && refused.errors.contains(fragment), "\(words): \(refused.status) \(refused.errors)")
      #expect(try Data(contentsOf: URL(fileURLWithPath: file)) == before)
    }
  }

  @Test func theGenesisOfAHomeWithDataIsNotChanged() throws {
    let scratch = try ScratchDirectory(), home = scratch.url.appendingPathComponent("home")
    let key = try Self.key("other", scratch)
    #expect(try Command.moloch("init", "--chain-id", "audit-1", "--home", home.path).status == 0)
    let file = home.appendingPathComponent("config/genesis.json").path
    let words = ["genesis", "add-validator", file, "--key", key, "--name", "v2"]
    let used = try Command.run(NodeProcess.moloch, words)
    #expect(used.status == 73 && used.errors.contains("is in use by \(home.path)/data"), "\(used.status) \(used.errors)")
    // The same file elsewhere is nobody's.
    let copy = scratch.url.appendingPathComponent("copy.json")
    try FileManager.default.copyItem(atPath: file, toPath: copy.path)
    #expect(try Command.moloch("genesis", "add-validator", copy.path, "--key", key, "--name", "v2").status == 0)
    #expect(try Command.moloch("genesis", "add-signer", file, "--key", key, "--name", "s", "--home", home.path).status == 73)
  }
}
