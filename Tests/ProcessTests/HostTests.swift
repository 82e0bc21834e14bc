import Foundation
import Testing

/// The node among other users, processes and views of the file system of its host.
@Suite(.serialized) struct HostTests {
  private static let root = geteuid() == 0

  private static func shell(_ script: String, _ words: String...) throws -> Command {
    try Command.run(URL(fileURLWithPath: "/bin/bash"), ["-c", script, "bash"] + words)
  }

  /// Runs `moloch` as a member of the node's group, by a supplementary one.
  private static func member(_ words: String...) throws -> Command {
    try Command.run(URL(fileURLWithPath: "/usr/bin/setpriv"), ["--reuid=60002", "--regid=60002", "--groups=60001", NodeProcess.moloch.path] + words)
  }

  /// As the unit runs it: a user of its own, a umask that keeps others out.
  @Test(.enabled(if: root, "changing the user needs root"))
  func aMemberOfTheNodesGroupOperatesIt() throws {
    let cluster = try Cluster(count: 1, chainID: "moloch-group"), member = cluster[0], home = member.home.path
    let owned = try Self.shell(
      "chmod 0755 \(cluster.scratch.url.path); chown -R 60001:60001 \(home) && chmod 0750 \(home) \(home)/data \(home)/config && chmod 0700 \(home)/keys \(home)/data/validator")
    #expect(owned.status == 0, "\(owned.errors)")
    try member.start(["/bin/sh", "-c", "umask 027; exec /usr/bin/setpriv --reuid=60001 --regid=60001 --clear-groups \"$@\"", "sh"])
    try member.finalise(2, of: cluster.records())
    let key = try String(contentsOf: member.file("keys/validator.pub"), encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)

    let status = try Self.member("validator", "status", "--home", home)
    #expect(status.status == 0 && status.output.hasPrefix("Validator: active\nPublic Key: \(key)\nPower: 1\n"), "\(status.status) \(status.output)\(status.errors)")
    for words in [["status"], ["storage", "stats"], ["peers", "list"], ["reload"], ["maintenance", "compact"]] {
      let done = try Command.run(
        URL(fileURLWithPath: "/usr/bin/setpriv"), ["--reuid=60002", "--regid=60002", "--groups=60001", NodeProcess.moloch.path] + words + ["--home", home])
      #expect(done.status == 0, "\(words): \(done.status) \(done.output)\(done.errors)")
    }
    let doctor = try Self.member("doctor", "--json", "--home", home)
    let findings = (try JSONSerialization.jsonObject(with: Data(doctor.output.utf8)) as? [String: Any])?["findings"] as? [[String: String]] ?? []
    for subject in ["keys", "fsync", "disk", "node"] {
      let found = findings.filter { $0["subject"] == subject }
      // A write that was synced is enough: how long it took is a matter of the machine.
      #expect(!found.isEmpty && found.allSatisfy { $0["verdict"] != "fail" || $0["text"]?.hasPrefix("a synced write takes ") == true }, "\(subject): \(found)")
    }
    let stranger = try Command.run(
      URL(fileURLWithPath: "/usr/bin/setpriv"), ["--reuid=60003", "--regid=60003", "--clear-groups", NodeProcess.moloch.path, "status", "--home", home])
    #expect(stranger.status == 77, "\(stranger.status) \(stranger.errors)")

    #expect(member.stop() == 0, "\(member.lastLines)")
    let stopped = try Self.member("validator", "status", "--home", home)
    #expect(stopped.status == 69 && stopped.output.hasPrefix("Validator: stopped\nPublic Key: -\n"), "\(stopped.status) \(stopped.output)\(stopped.errors)")
    #expect(stopped.errors.contains("readable by the user of the node alone"), "\(stopped.errors)")
  }

  /// A unit with `PrivateTmp` has its own `/tmp`; here the node has its own view of one directory.
  @Test(.enabled(if: root, "a mount needs root"))
  func aBackupThatOnlyTheNodeSeesIsNone() throws {
    let cluster = try Cluster(count: 1, chainID: "moloch-view"), member = cluster[0]
    let hidden = member.file("hidden"), data = member.file("data/backups")
    try FileManager.default.createDirectory(at: hidden, withIntermediateDirectories: true)
    try member.start(["/usr/bin/unshare", "-m", "/bin/sh", "-c", "mount -t tmpfs none '\(hidden.path)' && exec \"$@\"", "sh"])
    let lost = try Command.moloch("backup", "create", hidden.path + "/b", "--home", member.home.path)
    #expect(lost.status == 74 && lost.errors.contains("in its own view of"), "\(lost.status) \(lost.output)\(lost.errors)")
    let made = try Command.moloch("backup", "create", data.path, "--home", member.home.path)
    #expect(made.status == 0 && made.output.hasPrefix("backup of height"), "\(made.output)\(made.errors)")
  }

  /// The lock before the listeners: what is wrong is named, and not the port that follows from it.
  @Test func aSecondNodeOfAHomeNamesTheLock() throws {
    let cluster = try Cluster(count: 1, chainID: "moloch-second")
    try cluster[0].start()
    let second = try Command.moloch("run", "--home", cluster[0].home.path)
    #expect(second.status == 75 && second.errors.contains("data is in use by process"), "\(second.status) \(second.errors)")
    #expect(!second.errors.contains("cannot listen"), "\(second.errors)")
    #expect(cluster[0].stop() == 0, "\(cluster[0].lastLines)")

    try "moloch-data 99\n".write(to: cluster[0].file("data/FORMAT"), atomically: true, encoding: .utf8)
    // A ring of the ended process is taken down behind its end, and its ports with it.
    let deadline = Date(timeIntervalSinceNow: 120)
    var taken = try? Listener(port: cluster[0].metricsPort)
    while taken == nil, Date() < deadline {
      usleep(20_000)
      taken = try? Listener(port: cluster[0].metricsPort)
    }
    let listener = try #require(taken)
    let foreign = try Command.moloch("run", "--home", cluster[0].home.path)
    #expect(foreign.status == 78 && foreign.errors.contains("data format 99"), "\(foreign.status) \(foreign.errors)")
    withExtendedLifetime(listener) {}
  }

  @Test func aCommandSaysWhoHoldsTheDataAndDoesNotAnswer() throws {
    let scratch = try ScratchDirectory()
    #expect(try Command.moloch("init", "--chain-id", "audit-1", "--home", scratch.url.path).status == 0)
    let path = scratch.url.appendingPathComponent("data/LOCK").path
    #expect(FileManager.default.createFile(atPath: path, contents: Data("\(getpid())\n".utf8)))
    // The path is lent to the call.
    let file = unsafe open(path, O_RDWR)
    defer { close(file) }
    #expect(flock(file, LOCK_EX | LOCK_NB) == 0)
    let verified = try Command.moloch("maintenance", "verify", "--home", scratch.url.path)
    #expect(verified.status == 75 && verified.errors.contains("node (pid \(getpid())) is starting or stuck"), "\(verified.status) \(verified.errors)")
  }

  @Test func spansOfTimeOnTheCommandLineAreThoseOfTheConfiguration() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    #expect(try Command.moloch("log", "level", "debug", "--for", "7d", "--home", node.home.path).status == 0)
    #expect(try Command.moloch("status", "--timeout", "1d", "--home", node.home.path).status == 0)
    for wrong in ["0s", "4000d", "7", "7w", "1.5h"] {
      #expect(try Command.moloch("status", "--timeout", wrong, "--home", node.home.path).status == 64, "\(wrong)")
    }
  }

  /// More than the bound goes through the node: what is kept of it beyond caches and pools would be seen.
  @Test func residentMemoryStaysWithinCachesAndPools() throws {
    let scratch = try ConfigurationTests.home("[storage]\ncache_size_mb = 16\nwrite_buffer_size_mb = 8\n[mempool]\nmax_bytes = \"16MB\"\nper_signer_percent = 100\n")
    let node = try NodeProcess(home: scratch.url), client = try node.client()
    let bound = Double(24 << 20) + 16e6 + 256e6
    let records = try RecordMaker(client, key: .forTest()), note = String(repeating: "m", count: 120_000)
    var (sent, most) = (0, 0.0)
    while Double(sent) < bound * 1.2 {
      let body = (0..<50).flatMap { _ in records.next(note: note).bytes }
      let answer = try client.post("/v1/events/batch?wait=finalized", type: SubmissionTests.events, body: body)
      guard answer.status == 201 else { throw NodeProcess.Failure(description: "\(answer.status) \(answer.text.prefix(400))") }
      sent += body.count
      let text = try HTTPClient(port: node.metricsPort).get("/metrics").text
      let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("process_resident_memory_bytes ") })
      most = max(most, try #require(Double(line.split(separator: " ")[1])))
    }
    print("MEASURED resident memory: at most \(Int(most / 1e6)) MB of \(Int(bound / 1e6)) MB, \(sent / 1_000_000) MB of events")
    #expect(most > 0 && most <= bound)
  }
}
