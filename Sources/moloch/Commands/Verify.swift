import ArgumentParser
import Audit
import Bytes
import Digests
import JSON

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Check proof bundles, tlog-proofs, checkpoints and records offline.",
    discussion: "Exit codes: 0 valid and anchored; 1 invalid; 3 consistent but no trust root given or reached; 4 valid, but a demand cannot be met; "
      + "65 unreadable. With several files the worst result decides: 1, 65, 3, 4, 0.")

  @Argument(help: ArgumentHelp("Bundles, tlog-proofs, checkpoints or records.", valueName: "file")) var files: [String]
  @Option(help: ArgumentHelp("Trust this genesis file.", valueName: "file")) var genesis: String?
  @Option(help: ArgumentHelp("Trust this block.", valueName: "height:hash")) var trust: String?
  @Option(help: ArgumentHelp("Trust the logs and witnesses of this policy.", valueName: "file")) var policy: String?
  @Option(help: ArgumentHelp("Also prove consistency with this older checkpoint or bundle.", valueName: "file")) var since: String?
  @Option(help: ArgumentHelp("The event of a tlog-proof.", valueName: "file")) var record: String?
  @Option(help: ArgumentHelp("Salt and body, for a file without them.", valueName: "file")) var body: String?
  @Flag(help: "End with 4 when the body is absent.") var requireBody = false
  @Option(help: ArgumentHelp("End with 4 unless this many outside witnesses of the policy cosigned.", valueName: "count")) var requireWitness = 0
  @OptionGroup var global: GlobalOptions

  func run() throws {
    var options = OfflineVerification.Options()
    options.requiresBody = requireBody
    guard requireWitness >= 0 else { throw CommandFailure("--require-witness \(requireWitness): write a count", Exit.usage) }
    options.witnessesMin = requireWitness
    if let genesis { options.trust = .genesis(try Files.read(genesis)) }
    if let trust {
      guard genesis == nil else { throw CommandFailure("--genesis and --trust exclude each other", Exit.usage) }
      let parts = trust.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count == 2, let height = UInt64(parts[0]), height < ordinalLimit, let hash = Digest(hex: parts[1]) else {
        throw CommandFailure("--trust \(trust): write HEIGHT:HASH", Exit.usage)
      }
      options.trust = .block(Height(height), hash)
    }
    if let policy {
      do { options.policy = try TlogPolicy(parsing: try Files.read(policy)) } catch let error as PolicyError {
        throw CommandFailure("\(policy): \(error)", Exit.dataCorrupt)
      }
    }
    if let since { options.since = try Files.read(since) }
    if let record { options.record = try Files.read(record) }
    if let body { options.body = try Files.read(body) }
    var worst: Int32 = 0
    for file in files {
      let bytes = try Files.read(file)
      if record == nil, bytes.starts(with: TlogProof.header.utf8) { throw CommandFailure("\(file) is a tlog-proof: give its event with --record", Exit.usage) }
      let result = OfflineVerification(file: bytes, options: options)
      if global.json { Terminal.print(json(file, result)) } else { show(file, result) }
      worst = [1, 65, 3, 4, 0].first { $0 == worst || $0 == result.exitCode } ?? 0
    }
    if worst != 0 { throw ExitCode(worst) }
  }

  private func show(_ file: String, _ result: OfflineVerification) {
    let terminal = global.output
    if files.count > 1 { Terminal.print("\(file):") }
    for check in result.checks {
      switch check.outcome {
      case .pass(let detail): Terminal.print("\(terminal.styled("PASS", .green))  \(check.name): \(detail)")
      case .fail(let expected, let found): Terminal.print("\(terminal.styled("FAIL", .red))  \(check.name): expected \(expected), found \(found)")
      case .skip(let reason): Terminal.print("\(terminal.styled("SKIP", .yellow))  \(check.name): \(reason)")
      }
    }
  }

  private func json(_ file: String, _ result: OfflineVerification) -> String {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema")
    json.string("moloch.verify/1" as StaticString)
    json.key("file")
    json.string(file)
    json.key("exit_code")
    json.number(Int(result.exitCode))
    json.key("checks")
    json.beginArray()
    for check in result.checks {
      json.beginObject()
      json.key("name")
      json.string(check.name)
      switch check.outcome {
      case .pass(let detail): write("PASS", "detail", detail, &json)
      case .skip(let reason): write("SKIP", "detail", reason, &json)
      case .fail(let expected, let found):
        write("FAIL", "expected", expected, &json)
        json.key("found")
        json.string(found)
      }
      json.endObject()
    }
    json.endArray()
    json.endObject()
    return String(decoding: json.bytes, as: UTF8.self)
  }

  private func write(_ outcome: String, _ name: String, _ text: String, _ json: inout JSONWriter) {
    json.key("outcome")
    json.string(outcome)
    json.key(name)
    json.string(text)
  }
}
