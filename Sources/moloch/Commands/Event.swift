import ArgumentParser
import Audit
import Bytes
import Ed25519
import Glibc
import JSON
import MolochNode

struct EventCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "event", abstract: "Sign events and send them to a node.", subcommands: [EventSignCommand.self, EventSubmitCommand.self])
}

struct EventSignCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sign", abstract: "Sign the contents of a file as one event.",
    discussion: "Writes the record (statement, signature, salt, body) to stdout or to a new file.")

  @Option(help: ArgumentHelp("Private key, PEM.", valueName: "file")) var key: String
  @Option(help: "Sequence space of the signer.") var stream: UInt64 = 0
  @Option(help: "Number within the stream; 0 = unsequenced.") var seq: UInt64 = 0
  @Option(help: "Content type; recognised when missing: 1 event profile, 10 CloudTrail.") var contentType: UInt8?
  @Option(help: ArgumentHelp("The chain's genesis file; default HOME/config/genesis.json.", valueName: "file")) var genesis: String?
  @Option(help: "The chain tag instead, 32 hexadecimal digits.") var chainTag: String?
  @Option(help: ArgumentHelp("Write a new file.", valueName: "file")) var out: String?
  @Argument(help: "The body.") var file: String
  @OptionGroup var global: GlobalOptions

  func validate() throws {
    guard stream < ordinalLimit, seq < ordinalLimit else { throw ValidationError("--stream and --seq are below 2^53") }
    guard genesis == nil || chainTag == nil else { throw ValidationError("give --genesis or --chain-tag, not both") }
    if let contentType, !ContentType(rawValue: contentType).isAssigned { throw ValidationError("--content-type \(contentType) is not assigned") }
  }

  func run() throws {
    if out == nil && isatty(STDOUT_FILENO) == 1 { throw CommandFailure("a record is binary: give --out FILE or redirect the output", Exit.usage) }
    let (tag, bodyMax) = try chain()
    let body = try Files.read(file)
    let type: ContentType
    do throws(EventBody.Fault) { type = try EventBody.contentType(of: body, wanted: contentType.map { ContentType(rawValue: $0) }, byteCountMax: bodyMax) } catch {
      throw CommandFailure("\(file): \(error.reason)", Exit.dataCorrupt)
    }
    let signer = EventSigner(key: try EventSigner.key(key, createsMissing: false, note: global.note), chainTag: tag, stream: stream)
    let record = signer.record(body, type: type, sequence: seq)
    if let out { try Files.create(out, record, mode: 0o644) } else { Terminal.write(record, to: STDOUT_FILENO) }
    global.note("\(try Record(parsing: record.bytes).id)")
  }

  /// Chain tag, and the largest body in bytes.
  private func chain() throws -> (ChainTag, Int) {
    if let chainTag {
      guard let bytes = Bytes16(hex: chainTag) else { throw CommandFailure("--chain-tag takes 32 lowercase hexadecimal digits", Exit.usage) }
      return (ChainTag(bytes), 1 << 20)
    }
    let path = try genesis ?? LoadedConfiguration(global).options.genesisPath
    do { let genesis = try Genesis(json: try Files.read(path)); return (genesis.chainTag, Int(genesis.parameters.bodyBytesMax)) } catch let error as GenesisError {
      throw CommandFailure("\(path): \(error)", Exit.dataCorrupt)
    }
  }
}

struct EventSubmitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "submit", abstract: "Sign the lines of files and send them to a node.",
    discussion: """
      Every line of an NDJSON file is an event of the JSON profile or a CloudTrail record; a .mlrec file holds signed records. FILE.receipts keeps what was \
      sent, so that the same command finishes an interrupted run and sends nothing twice. With --wait, FILE.bundles receives a proof per event.
      """)

  @Argument(help: "NDJSON files, or .mlrec files of signed records.") var files: [String]
  @Option(help: "The node's address; default MOLOCH_URL, else http://127.0.0.1:8080.") var url: String?
  @Option(help: ArgumentHelp("Private key, PEM; default HOME/keys/signer.key, made when missing.", valueName: "file")) var key: String?
  @Option(help: "Content type of every line; recognised when missing.") var contentType: UInt8?
  @Flag(help: "Wait until the events are final and store their proofs.") var wait = false
  @Flag(help: "Sign and send lines again that were sent before.") var again = false
  @OptionGroup var global: GlobalOptions

  func validate() throws {
    guard !files.isEmpty else { throw ValidationError("give at least one file") }
    if let contentType, !ContentType(rawValue: contentType).isAssigned { throw ValidationError("--content-type \(contentType) is not assigned") }
  }

  func run() throws {
    for file in files where !Files.exists(file) { throw CommandFailure("cannot read \(file): no such file", Exit.inputMissing) }
    let endpoint = try Endpoint(url: url ?? Terminal.environment("MOLOCH_URL") ?? "http://127.0.0.1:8080")
    let client = NodeClient(endpoint, timeoutMilliseconds: global.timeout.milliseconds)
    let answer = try client.patiently { () throws(CommandFailure) in try client.get("/v1/genesis") }
    guard answer.status == 200 else { throw CommandFailure("\(endpoint): \(NodeError(answer))", Exit.temporary) }
    let genesis: Genesis
    do { genesis = try Genesis(json: answer.body) } catch { throw CommandFailure("\(endpoint) serves a genesis file with faults: \(error)", Exit.dataCorrupt) }
    let key = try EventSigner.key(self.key ?? global.directory.signerKeyPath, createsMissing: self.key == nil, note: global.note)
    var isRejected = false
    for file in files {
      let signer = EventSigner(key: key, chainTag: genesis.chainTag, stream: Entropy.stream())
      var submission = try Submission(
        file: file, client: client, genesis: genesis, signer: signer, contentType: contentType.map { ContentType(rawValue: $0) }, waits: wait, again: again)
      var bar = ProgressBar("Submitting", total: 0, unit: "events", terminal: global.terminal, isQuiet: global.quiet || global.json)
      var done: UInt64 = 0
      try submission.run(
        { done = UInt64($0); bar.update(done) }, { seconds in if seconds > 1 { global.note("the node is busy: next try in \(seconds) s") } })
      bar.finish(done)
      report(submission)
      isRejected = isRejected || !submission.errors.isEmpty
    }
    if isRejected { throw Exit.no }
  }

  private func report(_ submission: Submission) {
    let errors = submission.errors.sorted { $0.line < $1.line }
    for error in errors { Terminal.note("\(submission.file): line \(error.line): \(error.reason)") }
    guard global.json else {
      var text = "\(submission.file): \(submission.lineCount) lines, \(submission.submittedCount) submitted, \(submission.finalizedCount) finalized, "
      text += "\(submission.pendingCount) pending, \(errors.count) rejected"
      return Terminal.print(text)
    }
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string("moloch.event.submit/1" as StaticString)
    json.key("file"); json.string(submission.file)
    json.key("lines"); json.number(submission.lineCount)
    json.key("submitted"); json.number(submission.submittedCount)
    json.key("finalized"); json.number(submission.finalizedCount)
    json.key("pending"); json.number(submission.pendingCount)
    json.key("rejected"); json.number(errors.count)
    json.key("errors")
    json.beginArray()
    for error in errors {
      json.beginObject()
      json.key("line"); json.number(error.line)
      json.key("reason"); json.string(error.reason)
      json.endObject()
    }
    json.endArray()
    json.endObject()
    Terminal.print(String(decoding: json.bytes, as: UTF8.self))
  }
}
