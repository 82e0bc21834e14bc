import Ed25519
import Foundation
import Testing

/// `moloch maintenance prune` on blocks that are old enough: beside a node that makes blocks, and cut off in the middle.
@Suite(.serialized) struct PruneTests {
  private static let policy = ["MOLOCH_RETENTION_MIN_DAYS": "1"]

  private static func prune(_ home: String, _ before: Int, _ more: String...) throws -> Command {
    try Command.run(NodeProcess.moloch, ["maintenance", "prune", "--home", home, "--before-height", "\(before)", "--yes"] + more, environment: policy)
  }

  /// A node on an old chain, with a block of today on it: the replay window ends above the old ones.
  private static func running(_ home: URL) throws -> NodeProcess {
    let node = try NodeProcess(home: home, environment: policy)
    let client = try node.client()
    let answer = try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: try RecordMaker(client, key: .forTest()).next().bytes)
    guard answer.status == 201 else { throw NodeProcess.Failure(description: "\(answer.status) \(answer.text)\n\(node.log)") }
    return node
  }

  @Test func bodiesOfARunningNodeArePrunedAndTheSpaceComesBack() throws {
    let scratch = try ScratchDirectory()
    let home = scratch.url.appendingPathComponent("home")
    let ids = try OldChain.make(home, blocks: 60)
    let node = try Self.running(home)
    let chain = home.path + "/data/chain"
    #expect(try Command.moloch("maintenance", "compact", "--home", home.path).status == 0)
    let before = try OldChain.tableBytes(chain)
    let height = try #require(try node.client().get("/v1/events/\(ids[59])").json["block_height"] as? Int)
    let dry = try Self.prune(home.path, height, "--dry-run", "--force")
    #expect(dry.status == 0 && dry.output.contains("Would prune:   \(height - 1) blocks, bodies from height \(height) on stay"), "\(dry.output)\(dry.errors)")
    // Without a terminal nobody can be asked, and on one the answer counts.
    let prune = ["maintenance", "prune", "--home", home.path, "--before-height", "\(height)", "--force"]
    let asked = try Command.run(NodeProcess.moloch, prune, environment: Self.policy)
    #expect(asked.status == 64 && asked.errors.contains("deletes the bodies of \(height - 1) blocks for ever") && asked.errors.contains("--yes"), "\(asked.errors)")
    let refused = try Command.answering("n", prune, environment: Self.policy)
    #expect(refused.status == 2 && refused.output.contains("Go on? [y/N]") && refused.output.contains("nothing was changed"), "\(refused)")
    #expect(try OldChain.tableBytes(chain) > before / 2, "neither frees anything")
    let few = try Self.prune(home.path, height)
    #expect(few.status == 2 && few.errors.contains("--force"), "\(few.errors)")

    let load = try Load(node)
    try load.waitForFirst()
    let pruned = try Self.prune(home.path, height, "--force")
    #expect(pruned.status == 0 && pruned.errors.contains("online: node pid \(node.identifier)"), "\(pruned.output)\(pruned.errors)")
    #expect(pruned.output.contains("Pruned:        \(height - 1) blocks, bodies from height \(height) on stay"), "\(pruned.output)")
    let after = try OldChain.tableBytes(chain)
    #expect(after < before / 2, "\(before) bytes before, \(after) after")
    let made = try load.end()
    #expect(made.count >= 1, "blocks went on beside the prune")

    let client = try node.client()
    let gone = try client.get("/v1/events/\(ids[10])")
    #expect(gone.status == 410 && gone.errorCode == "PRUNED", "\(gone.text)")
    #expect(try client.get("/v1/proofs/inclusion?event_id=\(ids[10])").status == 200, "its proof is served")
    #expect(try client.get("/v1/events/\(ids[59])").status == 200, "what is not below the height stays")
    for id in made { #expect(try client.get("/v1/events/\(id)").json["status"] as? String == "finalized") }
    _ = try node.status { $0["earliest_body_height"] as? Int == height }
    let verified = try Command.moloch("maintenance", "verify", "--level", "deep", "--home", home.path)
    #expect(verified.status == 0, "\(verified.output)")
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0, "\(node.log)")
  }

  @Test func aPruneThatIsKilledIsEndedByTheNextStart() throws {
    let scratch = try ScratchDirectory()
    let original = scratch.url.appendingPathComponent("original")
    let ids = try OldChain.make(original, blocks: 40)
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SplitMix(state: seed)
    var cutOff = 0
    for round in 0..<4 {
      let home = scratch.url.appendingPathComponent("round\(round)"), note = "seed \(seed), round \(round)"
      try FileManager.default.copyItem(at: original, to: home)
      let node = try Self.running(home)
      let height = try #require(try node.client().get("/v1/events/\(ids[39])").json["block_height"] as? Int)
      let before = try OldChain.tableBytes(home.path + "/data/chain")
      let command = Process()
      command.executableURL = NodeProcess.moloch
      command.arguments = ["maintenance", "prune", "--home", home.path, "--before-height", "\(height)", "--force", "--yes"]
      command.standardOutput = FileHandle.nullDevice
      command.standardError = FileHandle.nullDevice
      try command.run()
      // The task has been begun when the node says so; then somewhere in it.
      try node.logs("begun task=prune")
      usleep(useconds_t(UInt32.random(in: 0...30_000, using: &random)))
      node.signal(SIGKILL)
      _ = node.waitForExit()
      command.waitUntilExit()
      if command.terminationStatus != 0 { cutOff += 1 }
      let isCutOff = FileManager.default.fileExists(atPath: home.path + "/data/compaction.pending")
      let again = try NodeProcess(home: home, environment: Self.policy)
      let client = try again.client()
      #expect(try client.get("/v1/status").json["earliest_body_height"] as? Int == height, "\(note): the watermark was on disk before anything was deleted")
      #expect(try client.get("/v1/events/\(ids[5])").status == 410, "\(note)")
      #expect(try client.get("/v1/events/\(ids[39])").status == 200, "\(note)")
      // One piece of work at a time: what was cut off goes on first.
      if isCutOff { try again.logs("done task=") }
      let verified = try Command.moloch("maintenance", "verify", "--level", "deep", "--home", home.path)
      #expect(verified.status == 0, "\(note): \(verified.output)\(verified.errors)")
      // The space of what was cut off comes back with a compaction.
      #expect(try Command.moloch("maintenance", "compact", "--home", home.path).status == 0)
      let after = try OldChain.tableBytes(home.path + "/data/chain")
      #expect(after < before / 2, "\(note): \(before) bytes before, \(after) after")
      again.signal(SIGTERM)
      #expect(again.waitForExit() == 0, "\(note): \(again.log)")
    }
    print("PruneTests: seed \(seed), \(cutOff) of 4 prunes were cut off before their end")
  }

  @Test func aNodePrunesByItselfWhenItsPolicySaysSo() throws {
    let scratch = try ScratchDirectory()
    let home = scratch.url.appendingPathComponent("home")
    let ids = try OldChain.make(home, blocks: 5)
    // Nobody else holds the bodies: without an archive that is asked for they go, with one they stay.
    var variables = Self.policy
    variables["MOLOCH_RETENTION_AUTO_PRUNE"] = "true"
    let careful = try NodeProcess(home: home, environment: variables)
    let client = try careful.client()
    let today = try RecordMaker(client, key: .forTest()).next()
    #expect(try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: today.bytes).status == 201)
    func height(_ id: String) throws -> Int { try #require(try client.get("/v1/events/\(id)").json["block_height"] as? Int) }
    let (oldest, newest) = (try height(ids[4]), try height("\(today.id)"))
    try careful.logs("nothing is pruned", "0 connected peers hold these bodies")
    #expect(try client.get("/v1/events/\(ids[0])").status == 200)
    careful.signal(SIGTERM)
    #expect(careful.waitForExit() == 0)
    variables["MOLOCH_RETENTION_MIN_ARCHIVE_PEERS"] = "0"
    let node = try NodeProcess(home: home, environment: variables)
    let status = try node.status { ($0["earliest_body_height"] as? Int ?? 0) > 1 }
    // An idle minute of today brings an empty block.
    let earliest = try #require(status["earliest_body_height"] as? Int)
    #expect((oldest + 1...newest).contains(earliest), "all old blocks, and not the one of today: \(status)")
    #expect(try node.client().get("/v1/events/\(ids[0])").errorCode == "PRUNED")
  }

  /// Submits one event after another until it is told to end.
  private final class Load: @unchecked Sendable {
    // Sendable: the lock guards what both threads touch.
    private let lock = NSLock()
    private var ids: [String] = []
    private var failure: String?
    private var isEnding = false
    private let done = DispatchSemaphore(value: 0)

    init(_ node: NodeProcess) throws {
      let port = node.apiPort, genesis = try node.client().get("/v1/genesis").body
      Thread.detachNewThread { [self] in
        defer { done.signal() }
        guard let client = try? HTTPClient(port: port), let key = try? SigningKey.generate() else { return lock.withLock { failure = "no client" } }
        let records = RecordMaker(genesis: genesis, key: key)
        while !lock.withLock({ isEnding }) {
          let (bytes, id) = records.next()
          let answer = try? client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: bytes)
          lock.withLock { if answer?.status == 201 { ids.append("\(id)") } else { failure = answer?.text ?? "no answer" } }
          if answer == nil { break }
        }
      }
    }

    /// Waits until an event is final.
    func waitForFirst(within seconds: Double = 180) throws {
      let deadline = Date(timeIntervalSinceNow: seconds)
      while lock.withLock({ ids.isEmpty && failure == nil }), Date() < deadline { usleep(5000) }
    }

    /// - Returns: ids of the events that became final.
    func end() throws -> [String] {
      lock.withLock { isEnding = true }
      done.wait()
      if let failure = lock.withLock({ failure }) { throw NodeProcess.Failure(description: failure) }
      return lock.withLock { ids }
    }
  }
}
