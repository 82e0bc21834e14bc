import Ambient
import Configuration
import Foundation
import Testing

@testable import MolochNode

@Suite struct LogTests {
  static let time = WallClock(seconds: 1_768_478_400, nanoseconds: 123_456_000)

  static func settings(_ lines: String) -> Settings {
    var layers = Layers()
    layers.file = ("node.toml", Array(lines.utf8))
    return Settings(layers)
  }

  @Test func linesHaveTheFormsOfTheManual() {
    let fields = [("height", "12345"), ("events", "100"), ("ms", "14")]
    #expect(
      Log.line(.text, Self.time, .info, "consensus", "block final", fields)
        == "2026-01-15T12:00:00.123456Z INFO  consensus: block final height=12345 events=100 ms=14")
    let one = [("height", "12345")]
    #expect(
      Log.line(.json, Self.time, .info, "consensus", "block final", one)
        == #"{"ts":"2026-01-15T12:00:00.123456Z","level":"INFO","subsystem":"consensus","msg":"block final","height":12345}"#)
    #expect(
      Log.line(.logfmt, Self.time, .info, "consensus", "block final", one)
        == #"ts=2026-01-15T12:00:00.123456Z level=INFO subsystem=consensus msg="block final" height=12345"#)
    let priorities: [(LogLevel, String)] = [
      (.error, "<3>ERROR"), (.warn, "<4>WARN "), (.notice, "<5>NOTICE"), (.info, "<6>INFO "), (.debug, "<7>DEBUG"), (.trace, "<7>TRACE"),
    ]
    for (level, head) in priorities { #expect(Log.line(.journald, Self.time, level, "node", "x", []) == head + " node: x") }
    #expect(Self.time.httpDate == "Thu, 15 Jan 2026 12:00:00 GMT")
  }

  @Test func whatComesFromOutsideIsEscaped() {
    let fields = [("why", "a \"b\"\n"), ("raw", "\u{1B}[31m\u{9B}"), ("n", "007"), ("empty", "")]
    #expect(
      Log.line(.text, Self.time, .info, "node", "he\rllo", fields)
        == #"2026-01-15T12:00:00.123456Z INFO  node: he\rllo why="a \"b\"\n" raw="\u001b[31m\u009b" n=007 empty="""#)
    let json = Log.line(.json, Self.time, .warn, "node", "x", fields)
    let read = try? JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
    #expect(read?["why"] as? String == "a \"b\"\n" && read?["n"] as? String == "007" && read?["raw"] as? String == "\u{1B}[31m\u{9B}", "\(json)")
  }

  @Test(arguments: [
    ("0", true), ("-1", true), ("-300", true), ("-999999999999999999", true), ("-0", false), ("-", false), ("--1", false), ("-01", false), ("1-", false),
    ("-1000000000000000000", false),
  ])
  func anIntegerIsANumberOfJSON(_ text: String, _ isNumber: Bool) {
    let json = Log.line(.json, Self.time, .warn, "consensus", "x", [("skew_ms", text)])
    #expect(json.hasSuffix(isNumber ? ",\"skew_ms\":\(text)}" : ",\"skew_ms\":\"\(text)\"}"), "\(json)")
    #expect((try? JSONSerialization.jsonObject(with: Data(json.utf8))) != nil, "\(json)")
  }

  @Test func bootNodesWithoutAConnectionAreOneField() {
    let nodes: [(address: String, reason: String?)] = [("/ip4/10.0.0.1/tcp/9000", "timeout"), ("/dns/b/tcp/9000", nil)]
    let fields = Watch.fields(unreachable: nodes)
    #expect(
      Log.line(.text, Self.time, .warn, "peering", "peer_count = 0: no peer is connected", fields)
        == #"2026-01-15T12:00:00.123456Z WARN  peering: peer_count = 0: no peer is connected boot_nodes="/ip4/10.0.0.1/tcp/9000: timeout; /dns/b/tcp/9000: not dialled yet""#)
    let json = Log.line(.json, Self.time, .warn, "peering", "peer_count = 0: no peer is connected", fields)
    #expect(json.hasSuffix(#","boot_nodes":"/ip4/10.0.0.1/tcp/9000: timeout; /dns/b/tcp/9000: not dialled yet"}"#), "\(json)")
    #expect(Watch.fields(unreachable: []).isEmpty)
  }

  @Test func aRecordThatRepeatsANameIsSeen() {
    #expect(Log.repeatedName([("height", "1"), ("ms", "2")]) == nil)
    #expect(Log.repeatedName([("boot_node", "a"), ("ms", "2"), ("boot_node", "b")]) == "boot_node")
    for name in ["ts", "level", "subsystem", "msg"] { #expect(Log.repeatedName([(name, "x")]) == name) }
  }

  @Test func lowerRecordsNeverContainTheWordsOfTrouble() {
    for format in LogFormat.allCases {
      for level in LogLevel.allCases where level < .warn {
        let line = Log.line(format, Self.time, level, "api", "peer says ERROR and WARNING", [("ERROR", "WARN"), ("x", "ERRORERROR")])
        #expect(!line.contains("ERROR") && !line.contains("WARN"), "\(line)")
      }
      #expect(Log.line(format, Self.time, .warn, "api", "an ERROR", []).contains("an ERROR"))
    }
  }

  @Test func aPlaceThatRepeatsItselfIsSuppressedAndCounted() {
    let rules = LogRules()
    rules.apply(Self.settings("log.rate_limit = 10\nlog.rate_burst = 5"))
    let start: UInt64 = 1_000_000_000_000
    for _ in 0..<5 { #expect(rules.admit(site: 1, now: start) == .admitted(suppressed: 0)) }
    for _ in 0..<7 { #expect(rules.admit(site: 1, now: start) == .refused) }
    #expect(rules.admit(site: 2, now: start) == .admitted(suppressed: 0))
    #expect(rules.admit(site: 1, now: start + 100_000_000) == .admitted(suppressed: 7))
    #expect(rules.admit(site: 1, now: start + 100_000_000) == .refused)
    rules.apply(Self.settings("log.rate_limit = 0"))
    for _ in 0..<1000 { #expect(rules.admit(site: 1, now: start) == .admitted(suppressed: 0)) }
  }

  @Test func levelsAreBySubsystemAndSink() {
    let rules = LogRules()
    rules.apply(Self.settings("log.level = \"warn\"\nlog.levels.consensus = \"debug\"\nlog.file_level = \"error\""))
    #expect(rules.sinks(.debug, "consensus") == .stderr)
    #expect(rules.sinks(.debug, "api") == [])
    #expect(rules.sinks(.warn, "api") == .stderr)
    #expect(rules.sinks(.error, "api") == [.stderr, .file])
    rules.apply(Self.settings("log.stderr = false\nlog.file = \"\""))
    #expect(rules.sinks(.error, "api") == [])
  }

  @Test func theFileIsRotatedCompressedAndBounded() throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("moloch-log-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let path = directory + "/logs/moloch.log"
    let file = LogFile(LogFile.Rules(path: path, rotates: true, bytesMax: 100, keep: 3, compresses: true), now: .zero)
    for number in 0..<6 { #expect(file.append(Array((String(repeating: "\(number)", count: 79) + "\n").utf8), now: .zero)) }
    let names = try FileManager.default.contentsOfDirectory(atPath: directory + "/logs").sorted()
    #expect(names == ["moloch.log", "moloch.log.1", "moloch.log.2.gz", "moloch.log.3.gz"])
    #expect(try String(contentsOfFile: path, encoding: .utf8).hasPrefix("55"))
    #expect(try String(contentsOfFile: path + ".1", encoding: .utf8).hasPrefix("44"))
    let unzip = Process(), output = Pipe()
    unzip.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    unzip.arguments = ["python3", "-c", "import gzip,sys; sys.stdout.write(gzip.open(sys.argv[1],'rt').read())", path + ".3.gz"]
    unzip.standardOutput = output
    try unzip.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    unzip.waitUntilExit()
    #expect(text == String(repeating: "2", count: 79) + "\n")
  }

  /// A file takes the place of the directory before the log is moved aside.
  @Test func aFileThatCannotBeOpenedAgainIsTriedOnceASecond() throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("moloch-log-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let logs = directory + "/logs", line = Array("0123456789\n".utf8)
    func at(_ milliseconds: UInt64) -> Instant { Instant(milliseconds: 1_000_000 + milliseconds) }
    let file = LogFile(LogFile.Rules(path: logs + "/x.log", rotates: true, bytesMax: 15, keep: 1, compresses: false), now: at(0))
    #expect(file.append(line, now: at(0)) && file.takeComplaint() == nil)
    try FileManager.default.moveItem(atPath: logs, toPath: logs + ".away")
    try "".write(toFile: logs, atomically: true, encoding: .utf8)
    #expect(!file.append(line, now: at(10)) && !file.isOpen)
    let complaint = try #require(file.takeComplaint())
    #expect(complaint.map { $0.0 } == ["path", "error"] && complaint.map { $0.1 } == [logs + "/x.log", "Not a directory"])
    #expect(file.takeComplaint() == nil, "once")
    var told: [UInt64] = []
    for second in 1...130 as ClosedRange<UInt64> {
      file.retry(at(10 + 1000 * second))
      #expect(!file.append(line, now: at(10 + 1000 * second)))
      if file.takeComplaint() != nil { told.append(second) }
    }
    #expect(told == [60, 120])
    try FileManager.default.removeItem(atPath: logs)
    file.retry(at(131_009))
    #expect(!file.isOpen, "not before the second is over")
    file.retry(at(131_010))
    #expect(file.isOpen && file.append(line, now: at(131_010)) && file.takeComplaint() == nil)
    #expect(try String(contentsOfFile: logs + "/x.log", encoding: .utf8) == "0123456789\n")
  }

  /// A writer that was not started, so that its lane fills.
  @Test func eachSinkIsToldOfItsOwnDrops() throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("moloch-log-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let settings = Self.settings("log.file = \"\(directory)/x.log\"\nlog.format = \"json\"\nlog.file_format = \"logfmt\"")
    let rules = LogRules(), writer = LogWriter(rules)
    rules.apply(settings)
    for _ in 0..<LogWriter.capacity { writer.post(LogRecord(stderr: [0x0A], file: [0x0A])) }
    for number in 0..<7 { writer.post(LogRecord(stderr: [0x0A], file: number < 5 ? [0x0A] : [])) }
    #expect(writer.droppedCount == 7)
    func report() -> (stderr: String, file: String) {
      var (stderr, file): ([UInt8], [UInt8]) = ([], [])
      writer.reportDrops(&stderr, &file)
      return (String(decoding: stderr, as: UTF8.self), String(decoding: file, as: UTF8.self))
    }
    let first = report()
    #expect(first.stderr.hasSuffix(#""level":"WARN","subsystem":"node","msg":"log records dropped","count":7}"# + "\n") && first.stderr.hasPrefix("{"), "\(first)")
    #expect(first.file.isEmpty, "there is no file yet")
    writer.apply(LogFile.Rules(settings, home: directory))
    writer.takeNews(.zero)
    let second = report()
    #expect(second.stderr.isEmpty, "told already: \(second)")
    #expect(second.file.hasPrefix("ts=") && second.file.hasSuffix(" level=WARN subsystem=node msg=\"log records dropped\" count=5\n"), "\(second)")
    rules.apply(Self.settings("log.stderr = false\nlog.file = \"\(directory)/x.log\""))
    writer.post(LogRecord(stderr: [0x0A], file: [0x0A]))
    let third = report()
    #expect(third.stderr.isEmpty && third.file.hasSuffix(" WARN  node: log records dropped count=1\n"), "\(third)")
  }

  @Test func everyRecordOfManyThreadsIsWrittenWhole() async throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("moloch-log-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    let log = try Log(Self.settings("log.stderr = false\nlog.file = \"\(directory)/x.log\"\nlog.rate_limit = 0\nlog.file_format = \"logfmt\""), home: directory)
    await withTaskGroup(of: Void.self) { group in
      for task in 0..<4 { group.addTask { for number in 0..<500 { log.info("api", "record", [("task", "\(task)"), ("number", "\(number)")]) } } }
    }
    log.close()
    let lines = try String(contentsOfFile: directory + "/x.log", encoding: .utf8).split(separator: "\n")
    #expect(lines.count + Int(log.droppedCount) >= 2000 && lines.allSatisfy { $0.hasPrefix("ts=") })
    #expect(log.recordCount(.info) == 2000)
  }
}
