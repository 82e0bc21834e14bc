import Audit
import Bytes
import JSON

/// The submission of one file: every line becomes a signed record, a receipt and, when asked, a proof bundle.
struct Submission {
  /// Records of a batch and their bytes together.
  static let batchRecordsMax = 500
  static let batchBytesMax = 4_000_000
  /// A record this close to the end of its signing window is signed again, milliseconds.
  static let windowMargin: UInt64 = 60_000
  /// How long the node is asked to wait for finality in one exchange, milliseconds.
  static let waitMilliseconds: UInt64 = 30_000
  /// Longest wait for the finality of one event, milliseconds.
  static let finalityMilliseconds: UInt64 = 600_000

  let file: String
  let client: NodeClient
  let genesis: Genesis
  let signer: EventSigner
  let contentType: ContentType?
  let waits: Bool
  private(set) var errors: [(line: Int, reason: String)] = []
  private(set) var lineCount = 0
  private(set) var submittedCount = 0
  private let receipts: ReceiptsFile
  private let isAgain: Bool
  private let isRecordFile: Bool

  init(file: String, client: NodeClient, genesis: Genesis, signer: EventSigner, contentType: ContentType?, waits: Bool, again: Bool) throws(CommandFailure) {
    (self.file, self.client, self.genesis, self.signer, self.contentType, self.waits) = (file, client, genesis, signer, contentType, waits)
    isAgain = again
    isRecordFile = file.hasSuffix(".mlrec")
    receipts = try ReceiptsFile(file + ".receipts")
  }

  /// Sends what the node does not have yet.
  mutating func run(_ progress: (Int) -> Void, _ waiting: (UInt64) -> Void) throws(CommandFailure) {
    let unsent = try prepare()
    var done = 0, next = 0
    while next < unsent.count {
      var batch: [Int] = [], bytes = 0
      while next < unsent.count, batch.count < Self.batchRecordsMax {
        let count = receipts.receipts[unsent[next]]?.record.count ?? 0
        guard batch.isEmpty || bytes + count <= Self.batchBytesMax else { break }
        batch.append(unsent[next])
        bytes += count
        next += 1
      }
      // Before the send: after a crash the same records are sent again, and the node knows them.
      try receipts.sync()
      try send(batch, waits: waits && next == unsent.count, waiting)
      try receipts.sync()
      done += batch.count
      progress(done)
    }
    if waits { try collectBundles(waiting) }
    try receipts.sync()
  }

  /// Finds or signs the record of every line. Returns the lines to send, ascending.
  private mutating func prepare() throws(CommandFailure) -> [Int] {
    let bytes = try Files.read(file)
    return isRecordFile ? prepareRecords(bytes) : try prepareLines(bytes)
  }

  private mutating func prepareRecords(_ bytes: [UInt8]) -> [Int] {
    var unsent: [Int] = [], offset = 0
    while offset < bytes.count {
      lineCount += 1
      do throws(FormatError) {
        let record = try Record(parsing: bytes.bytes, at: offset)
        let known = receipts.receipts[lineCount]
        if isAgain || known?.id != record.id || known?.status == .signed || known?.status == .rejected {
          receipts.add(lineCount, Receipt(id: record.id, record: Array(bytes[offset..<offset + record.byteCount]), status: .signed))
          unsent.append(lineCount)
        }
        offset += record.byteCount
      } catch {
        // Records are found one behind the other: behind a broken one nothing can be found.
        errors.append((lineCount, "\(error.reason): the rest of the file cannot be read"))
        return unsent
      }
    }
    return unsent
  }

  private mutating func prepareLines(_ bytes: [UInt8]) throws(CommandFailure) -> [Int] {
    var unsent: [Int] = []
    for (index, slice) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
      let body = Array(slice.last == 0x0D ? slice.dropLast() : slice)
      guard body.contains(where: { $0 != 0x20 && $0 != 0x09 }) else { continue }
      lineCount += 1
      let line = index + 1
      if !isAgain, let known = receipts.receipts[line], known.status != .rejected, isRecord(known.record, of: body) {
        if known.status != .signed { continue }
        if try !mustBeSignedAgain(known, line) {
          if receipts.receipts[line]?.status == .signed { unsent.append(line) }
          continue
        }
      }
      do throws(EventBody.Fault) {
        let type = try EventBody.contentType(of: body, wanted: contentType, byteCountMax: Int(genesis.parameters.bodyBytesMax))
        try sign(body, type, line)
        unsent.append(line)
      } catch {
        errors.append((line, error.reason))
      }
    }
    return unsent
  }

  private func sign(_ body: [UInt8], _ type: ContentType, _ line: Int) throws(EventBody.Fault) {
    do {
      let bytes = signer.record(body, type: type, sequence: UInt64(line))
      let record = try Record(parsing: bytes.bytes)
      receipts.add(line, Receipt(id: record.id, record: bytes, status: .signed))
    } catch { throw EventBody.Fault(reason: "\(error)") }
  }

  /// The record was made for this chain from exactly this line.
  private func isRecord(_ record: [UInt8], of body: [UInt8]) -> Bool {
    guard let entry = try? Entry(decoding: record.bytes), entry.statement.chainTag == genesis.chainTag else { return false }
    return record.count == entry.statement.recordLength && record[min(record.count, Entry.byteCount + Record.saltByteCount)...].elementsEqual(body)
  }

  /// A record of an interrupted run that has left the signing window is signed again, but only when the node does not have it.
  private func mustBeSignedAgain(_ receipt: Receipt, _ line: Int) throws(CommandFailure) -> Bool {
    guard let entry = try? Entry(decoding: receipt.record.bytes) else { return true }
    let window = genesis.parameters.pastWindow - min(Self.windowMargin, genesis.parameters.pastWindow / 2)
    guard entry.statement.timestamp.rawValue + window < SystemTime.unixMilliseconds() else { return false }
    let answer = try client.patiently { () throws(CommandFailure) in try client.get("/v1/events/\(receipt.id)") }
    if answer.status == 404 { return true }
    receipts.set(line, .accepted)
    return false
  }

  /// Sends one batch and notes what became of each record; splits a batch that is refused whole.
  private mutating func send(_ lines: [Int], waits: Bool, _ waiting: (UInt64) -> Void) throws(CommandFailure) {
    var left = lines, pauses = 0
    while !left.isEmpty {
      let body = left.flatMap { receipts.receipts[$0]?.record ?? [] }
      let target = waits ? "/v1/events/batch?wait=finalized&timeout_ms=\(Self.waitMilliseconds)" : "/v1/events/batch"
      let answer = try client.patiently(waiting) { () throws(CommandFailure) in
        try client.post(target, type: "application/vnd.moloch.events", body, extraMilliseconds: waits ? Self.waitMilliseconds : 0)
      }
      if answer.status == 401 || answer.status == 403 && left.count == 1 && NodeError(answer).code == "FORBIDDEN" {
        throw CommandFailure("\(client.endpoint): \(NodeError(answer))", Exit.permission)
      }
      guard answer.status < 300 || [400, 403, 409, 413].contains(answer.status) else { throw CommandFailure("\(client.endpoint): \(NodeError(answer))", Exit.temporary) }
      guard let results = try? answer.json(from: client.endpoint)["results"]?.array, results.count == left.count else {
        try sendHalves(left, answer, waits: waits, waiting)
        return
      }
      let again = note(results, left)
      guard !again.isEmpty else { return }
      pauses = again.count < left.count ? 0 : pauses + 1
      guard pauses < 60 else { throw CommandFailure("\(client.endpoint) accepts no more events: \(NodeError(answer))", Exit.temporary) }
      waiting(1)
      SystemTime.sleep(milliseconds: 1000)
      left = again
    }
  }

  /// An answer without a result per record: one record is rejected by it, more are sent in two parts.
  private mutating func sendHalves(_ lines: [Int], _ answer: Answer, waits: Bool, _ waiting: (UInt64) -> Void) throws(CommandFailure) {
    guard lines.count > 1 else {
      reject(lines[0], "\(NodeError(answer))")
      return
    }
    try send(Array(lines[..<(lines.count / 2)]), waits: false, waiting)
    try send(Array(lines[(lines.count / 2)...]), waits: waits, waiting)
  }

  /// Notes the results of a batch; returns the lines that the node had no room for.
  private mutating func note(_ results: [StrictJSON], _ lines: [Int]) -> [Int] {
    var again: [Int] = []
    for (result, line) in zip(results, lines) {
      switch result["status"]?.string {
      case "finalized": accept(line, .finalized)
      case "pending": accept(line, .accepted)
      case let status:
        let error = result["error"].flatMap { NodeError($0) }
        if let error, error.isTemporary {
          again.append(line)
        } else {
          reject(line, error?.description ?? status ?? "no status")
        }
      }
    }
    return again
  }

  private mutating func accept(_ line: Int, _ status: Receipt.Status) {
    submittedCount += 1
    receipts.set(line, status)
  }

  private mutating func reject(_ line: Int, _ reason: String) {
    receipts.set(line, .rejected)
    errors.append((line, reason))
  }

  // MARK: Finality and bundles

  var finalizedCount: Int { receipts.receipts.values.count { $0.status == .finalized } }
  var pendingCount: Int { receipts.receipts.values.count { $0.status == .accepted } }

  /// Fetches the bundle of every accepted event that has none on disk yet.
  private mutating func collectBundles(_ waiting: (UInt64) -> Void) throws(CommandFailure) {
    let directory = file + ".bundles"
    for (line, receipt) in receipts.receipts.sorted(by: { $0.key < $1.key }) where receipt.status == .accepted || receipt.status == .finalized {
      let path = "\(directory)/\(receipt.id).bundle"
      guard receipt.status != .finalized || !Files.exists(path) else { continue }
      guard let bundle = try bundle(receipt.id, line, waiting) else { continue }
      try Files.makeDirectory(directory, mode: 0o755)
      try Files.replace(path, bundle)
      receipts.set(line, .finalized)
    }
  }

  /// The bundle, once the event is final; nil when the node gave up on it.
  private mutating func bundle(_ id: EventID, _ line: Int, _ waiting: (UInt64) -> Void) throws(CommandFailure) -> [UInt8]? {
    let end = SystemTime.monotonicMilliseconds() + Self.finalityMilliseconds
    while true {
      let answer = try client.patiently(waiting) { () throws(CommandFailure) in
        try client.get("/v1/proofs/inclusion?event_id=\(id)&format=bundle", accept: "*/*")
      }
      if answer.status == 200 { return answer.body }
      guard answer.status == 404, SystemTime.monotonicMilliseconds() < end else { throw CommandFailure("\(client.endpoint): no bundle of \(id): \(NodeError(answer))", Exit.temporary) }
      let event = try client.patiently(waiting) { () throws(CommandFailure) in
        try client.get("/v1/events/\(id)?wait=finalized&timeout_ms=\(Self.waitMilliseconds)", extraMilliseconds: Self.waitMilliseconds)
      }
      let status = event.status == 404 ? "unknown to the node" : try event.json(from: client.endpoint)["status"]?.string
      switch status {
      case "finalized", "pending":
        // A final event whose proof is not there yet, or one that waits for a block: the exchange above bounds the pace, this the worst case.
        SystemTime.sleep(milliseconds: 20)
      default:
        reject(line, status ?? "\(NodeError(event))")
        return nil
      }
    }
  }
}
