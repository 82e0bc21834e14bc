import Audit
import Ed25519
import Foundation
import Testing

/// One system call on a file of the data directory fails, or the process dies in it: nothing that was answered as final is lost.
@Suite(.serialized) struct DiskFaultTests {
  /// Faults of a run; the full drill takes some hundreds.
  static let count = ProcessInfo.processInfo.environment["MOLOCH_DISK_FAULTS"].flatMap { Int($0) } ?? 12
  static let seed = ProcessInfo.processInfo.environment["MOLOCH_DISK_FAULT_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0...UInt64.max)

  /// What fails: the nth call of a kind that names or writes a data file, counted by thread.
  struct Fault: CustomStringConvertible {
    static let calls: [(name: String, last: Int)] = [("write", 30), ("pwrite64", 30), ("fsync", 12), ("fdatasync", 16), ("rename", 6), ("openat", 40)]
    var call: String
    var effect: String
    var occurrence: Int
    /// The node has a chain when it starts.
    var hasChain: Bool

    init(_ random: inout SplitMix) {
      let (name, last) = Self.calls.randomElement(using: &random)!
      call = name
      effect = ["error=EIO", "error=ENOSPC", "signal=SIGKILL"].randomElement(using: &random)!
      occurrence = Int.random(in: 1...last, using: &random)
      hasChain = Bool.random(using: &random)
    }

    var description: String { "\(call) \(effect) #\(occurrence) \(hasChain ? "with" : "without") a chain" }

    /// The tracer that lets the node run as its own child and injects the fault.
    func launcher(home: URL, log: URL) -> [String] {
      let data = home.resolvingSymlinksInPath().path + "/data"
      var paths = ["LOCK", "FORMAT", "pending", "pending.new", "peers.json", "peers.json.new"].map { "\(data)/\($0)" }
      for directory in ["chain", "index"] {
        paths += ["", "/CURRENT", "/IDENTITY"].map { "\(data)/\(directory)\($0)" }
        for number in 0...60 {
          let digits = String(format: "%06d", number)
          paths += ["\(digits).log", "\(digits).sst", "\(digits).dbtmp", "MANIFEST-\(digits)", "OPTIONS-\(digits).dbtmp"].map { "\(data)/\(directory)/\($0)" }
        }
      }
      paths += ["", "/journal.new", "/journal-1", "/journal-2", "/LOCK"].map { "\(data)/validator\($0)" }
      paths += [""] + ["level", "history"].flatMap { kind in (0...4).map { "/\(kind)-0\($0)" } }.map { "\(data)/mmr\($0)" }
      return ["/usr/bin/strace", "-D", "-f", "-y", "-qq", "-o", log.path, "-e", "trace=\(call)", "-e", "inject=\(call):\(effect):when=\(occurrence)"]
        + paths.flatMap { ["-P", $0] } + ["--"]
    }
  }

  /// Failures that need not end a node, each with what stands for the call.
  struct Tolerance {
    /// Parts of the traced call.
    var parts: [String]
    /// A part of the traced call before it.
    var before = ""
    var reason: String

    func matches(_ line: String, after previous: String) -> Bool { parts.allSatisfy(line.contains) && (before.isEmpty || previous.contains(before)) }
  }

  static let tolerated = [
    Tolerance(parts: ["OPTIONS-"], reason: "RocksDB writes its options for people; nothing reads them back"),
    Tolerance(parts: ["fsync(", "/data/chain>"], before: "OPTIONS-", reason: "makes the name of the options durable"),
    Tolerance(parts: ["openat(", "/data/chain\"", "O_RDONLY|O_CLOEXEC"], before: "OPTIONS-", reason: "would make the name of the options durable"),
    Tolerance(parts: ["/data/index"], reason: "the index holds nothing that the chain does not: one that does not open starts again"),
    Tolerance(parts: ["openat(", "/data/chain\"", "O_DIRECTORY"], reason: "lists old logs and options for removal; a later start removes them"),
    Tolerance(parts: ["openat(", "/data/chain/", ".log\"", "O_APPEND"], reason: "cuts what was allocated ahead off a log that was replayed; the log is kept longer than it need be"),
  ]

  @Test func aFailedCallLosesNothingThatWasFinal() throws {
    var random = SplitMix(state: Self.seed)
    print("DiskFaultTests: seed \(Self.seed)")
    #expect(FileManager.default.isExecutableFile(atPath: "/usr/bin/strace"), "strace is missing: .ci/setup installs it")
    var injected = 0
    var endings: [String: Int] = [:]
    for round in 0..<Self.count {
      let fault = Fault(&random)
      let note = "seed \(Self.seed), round \(round): \(fault)"
      let (ending, wasInjected) = try run(fault, note)
      if wasInjected { injected += 1 }
      endings[ending, default: 0] += 1
      print("DiskFaultTests: \(fault): \(wasInjected ? "injected" : "not reached"), \(ending)")
    }
    print("DiskFaultTests: \(injected) of \(Self.count) injected, \(endings.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" })")
    #expect(injected > 0, "seed \(Self.seed): no call was reached")
  }

  /// The traced calls of each thread, in its order. A call during which the tracer saw another thread stands in two lines, which are joined.
  static func calls(_ trace: String) -> [[String]] {
    let unfinished = " <unfinished ...>"
    var threads: [Substring: [String]] = [:]
    for line in trace.split(separator: "\n") {
      let words = line.split(separator: " ", maxSplits: 1)
      guard words.count == 2 else { continue }
      let (thread, call) = (words[0], words[1].drop { $0 == " " })
      if call.hasPrefix("<... "), let end = call.firstRange(of: " resumed>"), let begun = threads[thread]?.popLast() {
        threads[thread]?.append(begun.replacing(unfinished, with: "") + call[end.upperBound...])
      } else {
        threads[thread, default: []].append(String(call))
      }
    }
    return threads.sorted { $0.key < $1.key }.map { $0.value }
  }

  @Test func theTraceIsReadByThread() {
    let trace = """
      11 openat(AT_FDCWD</>, "/data/chain/OPTIONS-000007.dbtmp", O_RDONLY) = 5</data/chain/OPTIONS-000007.dbtmp>
      12 write(6</data/pending>, "a", 1 <unfinished ...>
      11 fsync(5</data/chain> <unfinished ...>
      12 <... write resumed>)              = 1
      11 <... fsync resumed>)              = -1 EIO (Input/output error) (INJECTED)
      12 +++ killed by SIGKILL +++
      """
    let calls = Self.calls(trace)
    #expect(calls.map(\.count) == [2, 2] && calls[1] == ["write(6</data/pending>, \"a\", 1)              = 1", "+++ killed by SIGKILL +++"], "\(calls)")
    #expect(calls[0][1] == "fsync(5</data/chain>)              = -1 EIO (Input/output error) (INJECTED)", "\(calls)")
    #expect(Self.tolerated.contains { $0.matches(calls[0][1], after: calls[0][0]) } && !Self.tolerated.contains { $0.matches(calls[0][1], after: "") })
  }

  private func run(_ fault: Fault, _ note: String) throws -> (ending: String, wasInjected: Bool) {
    let scratch = try ScratchDirectory()
    let home = scratch.url.appendingPathComponent("home"), trace = scratch.url.appendingPathComponent("trace")
    var finalIDs: [EventID] = []
    if fault.hasChain {
      let node = try NodeProcess(home: home)
      finalIDs += submit(to: node, batches: 2)
      #expect(finalIDs.count == 20, "\(note)")
      node.signal(SIGTERM)
      #expect(node.waitForExit() == 0, "\(note)\n\(node.log)")
    }
    var status: Int32
    var log = ""
    do {
      let node = try NodeProcess(home: home, launcher: fault.launcher(home: home, log: trace))
      finalIDs += submit(to: node, batches: 5)
      node.signal(SIGTERM)
      // A node that hangs is killed, and then fails the expectation below.
      let guardian = DispatchWorkItem { [identifier = node.identifier] in kill(identifier, SIGABRT) }
      DispatchQueue.global().asyncAfter(deadline: .now() + 180, execute: guardian)
      status = node.waitForExit()
      guardian.cancel()
      log = node.log
    } catch let end as NodeProcess.EarlyEnd { (status, log) = (end.status, end.log) }
    let threads = Self.calls((try? String(contentsOf: trace, encoding: .utf8)) ?? "")
    let injected = threads.flatMap { $0 }.filter { $0.contains("(INJECTED)") || $0.contains("killed by SIGKILL") }
    #expect([0, 74, -SIGKILL].contains(status), "\(note) ended with \(status): \(injected.prefix(2))\n\(log.suffix(1500))")
    // A failed call is an exit with 74, but for those that are tolerated by name.
    if status == 0 {
      let untold = threads.flatMap { calls in
        zip(calls, [""] + calls).filter { call, previous in call.contains("(INJECTED)") && !Self.tolerated.contains { $0.matches(call, after: previous) } }.map { $0.0 }
      }
      #expect(untold.isEmpty, "\(note) ended with 0 in spite of \(untold.prefix(3))")
    }
    if !finalIDs.isEmpty {
      let verified = try Command.moloch("maintenance", "verify", "--level", "deep", "--home", home.path)
      #expect(verified.status == 0, "\(note): \(injected.prefix(2)) \(verified.output)\(verified.errors)")
    }
    do {
      let node = try NodeProcess(home: home)
      let client = try node.client()
      for id in finalIDs {
        let answer = try client.get("/v1/events/\(id)")
        #expect(answer.json["status"] as? String == "finalized", "\(note): \(injected.prefix(2)) \(answer.text)")
      }
      #expect(submit(to: node, batches: 1).count == 10, "\(note): \(node.log.suffix(1000))")
      node.signal(SIGTERM)
      #expect(node.waitForExit() == 0, "\(note)\n\(node.log.suffix(1500))")
      let verified = try Command.moloch("maintenance", "verify", "--level", "deep", "--home", home.path)
      #expect(verified.status == 0, "\(note): \(verified.output)\(verified.errors)")
    } catch let end as NodeProcess.EarlyEnd { Issue.record("\(note): \(injected.prefix(2)) cannot start again: \(end)") }
    return (status == -SIGKILL ? "killed" : "exit \(status)", !injected.isEmpty)
  }

  /// Submits batches of ten until the node no longer answers. Returns what it reported final.
  private func submit(to node: NodeProcess, batches: Int) -> [EventID] {
    var finalIDs: [EventID] = []
    guard let client = try? node.client(), let key = try? SigningKey.forTest(), let records = try? RecordMaker(client, key: key) else { return [] }
    for _ in 0..<batches {
      let batch = (0..<10).map { _ in records.next() }
      let answer = try? client.post("/v1/events/batch?wait=finalized", type: SubmissionTests.events, body: batch.flatMap { $0.bytes })
      guard let answer, answer.status == 201 else { break }
      finalIDs += batch.map { $0.id }
    }
    return finalIDs
  }
}
