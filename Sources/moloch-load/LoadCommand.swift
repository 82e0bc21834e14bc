import Ambient
import ArgumentParser
import Audit
import Bytes
import Glibc
import Histogram
import JSON
import Reactor

@main struct LoadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "moloch-load", abstract: "Load tester for audit-chain nodes: pre-signed corpora, open loop, latencies that count from the planned time.",
    subcommands: [CorpusCommand.self, RunCommand.self])
}

/// A failure with its exit code (64 usage, 66 input missing, 69 target unreachable, 74 I/O, 78 wrong chain).
struct LoadFailure: Error {
  static func end(_ message: String, _ code: Int32) -> ExitCode {
    Output.write("error: \(message)\n", to: STDERR_FILENO)
    return ExitCode(code)
  }
}

/// Whole files and streams.
enum Output {
  static func write(_ text: String, to descriptor: Int32) { _ = write(Array(text.utf8), to: descriptor) }

  static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    var offset = 0
    while offset < bytes.count {
      // The array outlives the call.
      let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress! + offset, bytes.count - offset) }
      guard count > 0 else { return false }
      offset += count
    }
    return true
  }

  static func save(_ bytes: [UInt8], _ path: String) throws {
    // The path is lent to the call.
    let file = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard file >= 0, write(bytes, to: file) else { throw LoadFailure.end("cannot write \(path): errno \(errno)", 74) }
    close(file)
  }

  static func load(_ path: String) throws -> [UInt8] {
    // The path is lent to the call.
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw LoadFailure.end("cannot read \(path): errno \(errno)", 66) }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: max(0, Int(lseek(file, 0, SEEK_END))))
    var offset = 0
    while offset < bytes.count {
      // The kernel writes at most what is left of the buffer.
      let count = unsafe bytes.withUnsafeMutableBytes { unsafe pread(file, $0.baseAddress! + offset, $0.count - offset, offset) }
      guard count > 0 else { throw LoadFailure.end("cannot read \(path): errno \(errno)", 74) }
      offset += count
    }
    return bytes
  }
}

struct CorpusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "corpus", abstract: "Make and inspect files of pre-signed records.", subcommands: [MakeCommand.self, InfoCommand.self])

  struct MakeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "make", abstract: "Sign events for one chain. The same seed and start give the same bytes.")
    @Option(help: "File to write.") var out: String
    @Option(help: "Genesis file of the chain.") var genesis: String
    @Option(help: "Number of events.") var events = 100_000
    @Option(help: "Number of signers.") var signers = 100
    @Option(help: "Body sizes: N, fixed:N or lognormal:MEDIAN,MAX.") var size = "lognormal:300,4096"
    @Option(help: "Event types by weight.") var mix = "push=60,access=40"
    @Option(help: "Seed.") var seed: UInt64 = 42
    @Option(help: "Statement timestamp of all events, Unix ms; default now.") var timestamp: UInt64?

    func run() throws {
      guard let size = EventGenerator.Size(size), let mix = EventGenerator.Mix(mix), events > 0, signers > 0 else {
        throw LoadFailure.end("--size, --mix, --events or --signers is malformed", 64)
      }
      let chain: Genesis
      do { chain = try Genesis(json: try Output.load(genesis)) } catch let error as GenesisError {
        throw LoadFailure.end("\(genesis): \(error.faults.first?.message ?? "malformed")", 78)
      }
      var now = timespec()
      // The kernel fills the structure during the call.
      unsafe clock_gettime(CLOCK_REALTIME, &now)
      let time = Timestamp(milliseconds: timestamp ?? UInt64(now.tv_sec) * 1000 + UInt64(now.tv_nsec) / 1_000_000)
      var generator = EventGenerator(seed: seed, signers: signers, size: size, mix: mix, chainTag: chain.chainTag)
      var records: [[UInt8]] = []
      var ids: [EventID] = []
      for _ in 0..<events {
        let (record, id) = generator.next(timestamp: time)
        records.append(record)
        ids.append(id)
      }
      try Output.save(
        Corpus.assemble(records: records, ids: ids, chainTag: chain.chainTag, genesisHash: chain.hash, seed: seed, first: time, last: time), out)
    }
  }

  struct InfoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "info", abstract: "Print what a corpus holds.")
    @Argument var file: String

    func run() throws {
      let corpus = try RunCommand.corpus(file)
      let header = corpus.header
      Output.write(
        "events     \(header.count)\nbytes      \(corpus.contents.count)\nchain tag  \(header.chainTag.hex)\nseed       \(header.seed)\nsigned at  \(header.first.rawValue)\nsha256     \(header.contentHash)\n",
        to: STDOUT_FILENO)
    }
  }
}

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Send a corpus in open loop (--rate) or as fast as connections allow (no --rate).",
    discussion: "Latencies count from the planned time of a request. Exit codes: 0 done, 3 the generator could not keep its own plan, 4 events were refused or lost.")

  @Option(help: "Address of the node, HOST:PORT.") var target: String
  @Option(help: "Corpus file.") var corpus: String
  @Option(help: "Requests per second; none: closed loop.") var rate: Double = 0
  @Option(help: "Seconds.") var duration = 10
  @Option(help: "Connections.") var connections = 64
  @Option(help: "Events per request.") var batch = 1
  @Option(help: "uniform, poisson or burst:N/ms.") var arrival = "uniform"
  @Option(help: "Request time-out, seconds.") var timeout = 30
  @Option(help: "Write the report as JSON.") var out: String?

  static func corpus(_ path: String) throws -> Corpus {
    do { return try Corpus(contents: try Output.load(path)) } catch let error as CorpusHeader.Violation {
      throw LoadFailure.end("\(path): \(error)", 65)
    }
  }

  func run() throws {
    guard let colon = target.lastIndex(of: ":"), let port = UInt16(target[target.index(after: colon)...]),
      let address = SocketAddress(host: String(target[..<colon]), port: port), let arrival = LoadPlan.Arrival(arrival), batch > 0, connections > 0
    else { throw LoadFailure.end("--target is HOST:PORT with a numeric host; --arrival uniform, poisson or burst:N/ms", 64) }
    let loaded = try Self.corpus(corpus)
    var limits = ReactorLimits()
    limits.connections = connections + 16
    limits.outputBytesMax = 64 << 20
    limits.outputSegments = 65_536
    let driver = LoadDriver(
      corpus: loaded, targets: [Target(host: target, port: port, address: address)],
      plan: LoadPlan(arrival: arrival, requestsPerSecond: rate, seed: loaded.header.seed), batch: batch,
      durationNanoseconds: UInt64(duration) * 1_000_000_000, timeoutMilliseconds: UInt64(timeout) * 1000, slots: limits.connections)
    let loop: EventLoop<EpollBackend, LoadDriver>
    do { loop = try EventLoop(EpollBackend(), driver: driver, limits: limits) } catch { throw LoadFailure.end("\(error)", 75) }
    loop.driver.begin(connections: connections, loop.loop)
    loop.run()
    loop.closeAll()
    let report = Report(loop.driver, rate: rate, batch: batch, connections: connections)
    Output.write(report.text, to: STDOUT_FILENO)
    if let out { try Output.save(report.json, out) }
    if report.sendLagP99Microseconds > 10_000 && rate > 0 { throw ExitCode(3) }
    if report.failures > 0 || report.rejected > 0 { throw ExitCode(4) }
  }
}

/// The figures of a run.
struct Report {
  let text: String
  let json: [UInt8]
  let sendLagP99Microseconds: UInt64
  let failures: Int
  let rejected: Int

  init(_ driver: LoadDriver, rate: Double, batch: Int, connections: Int) {
    let recorder = driver.recorder
    let seconds = Double(driver.elapsedNanoseconds) / 1e9
    let perSecond = seconds > 0 ? Double(recorder.acceptedEvents) / seconds : 0
    sendLagP99Microseconds = recorder.sendLag.valueAtPercentile(99)
    failures = recorder.failureCount
    rejected = recorder.rejectedEvents
    func line(_ name: String, _ histogram: Histogram<UInt64>) -> String {
      "\(name)  p50 \(histogram.valueAtPercentile(50)) us  p99 \(histogram.valueAtPercentile(99)) us  p99.9 \(histogram.valueAtPercentile(99.9)) us  max \(histogram.max) us\n"
    }
    text =
      "events accepted \(recorder.acceptedEvents), rejected \(recorder.rejectedEvents), requests \(recorder.requests), failures \(recorder.failureCount)\n"
      + "events/s \(UInt64(perSecond))  seconds \(UInt64(seconds * 1000)) ms\n" + line("submit  ", recorder.submit) + line("service ", recorder.service)
      + line("send lag", recorder.sendLag)
    var json = JSONWriter()
    json.beginObject()
    json.key("schema")
    json.string("moloch-load/1" as StaticString)
    let numbers: [(StaticString, UInt64)] = [
      ("batch", UInt64(batch)), ("connections", UInt64(connections)), ("accepted", UInt64(recorder.acceptedEvents)),
      ("rejected", UInt64(recorder.rejectedEvents)), ("requests", UInt64(recorder.requests)), ("failures", UInt64(recorder.failureCount)),
      ("elapsed_ns", driver.elapsedNanoseconds), ("submit_p50_us", recorder.submit.valueAtPercentile(50)),
      ("submit_p99_us", recorder.submit.valueAtPercentile(99)), ("service_p99_us", recorder.service.valueAtPercentile(99)),
      ("send_lag_p99_us", sendLagP99Microseconds),
    ]
    for (name, value) in numbers {
      json.key(name)
      json.number(value)
    }
    json.key("rate")
    json.number(rate, decimals: 3)
    json.key("events_per_second")
    json.number(perSecond, decimals: 1)
    json.endObject()
    self.json = json.bytes
  }
}
