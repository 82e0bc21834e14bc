import Audit
import Bytes
import Glibc
import JSON

/// What is known about one line of a submitted file.
struct Receipt {
  enum Status: String { case signed, accepted, finalized, rejected }
  var id: EventID
  var record: [UInt8]
  var status: Status
}

/// `FILE.receipts`: a line of JSON per change, appended and synced before the records it names are sent. The last line about a record counts, so
/// an interrupted run goes on with the same records, and one that the node already has is not sent twice.
final class ReceiptsFile {
  private let path: String
  private let descriptor: Int32
  private var pending: [UInt8] = []
  /// Latest receipt by line number, from 1.
  private(set) var receipts: [Int: Receipt] = [:]

  init(_ path: String) throws(CommandFailure) {
    self.path = path
    // The path is lent for the call.
    descriptor = unsafe open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw CommandFailure("cannot open \(path): \(Files.reason(errno))", Exit.inputOutput) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { throw CommandFailure("another submission of this file is running (\(path))", Exit.temporary) }
    let bytes = try Files.read(path)
    // A line that a crash cut short was never followed by a send; it goes.
    let whole = (bytes.lastIndex(of: 0x0A) ?? -1) + 1
    if whole < bytes.count { guard ftruncate(descriptor, whole) == 0 else { throw CommandFailure("cannot write \(path): \(Files.reason(errno))", Exit.inputOutput) } }
    for (number, line) in bytes[..<whole].split(separator: 0x0A).enumerated() {
      guard read(Array(line)) else { throw CommandFailure("\(path): line \(number + 1) is no receipt", Exit.dataCorrupt) }
    }
  }

  deinit {
    // The same lock may be held by a copy of the descriptor.
    _ = flock(descriptor, LOCK_UN)
    close(descriptor)
  }

  private func read(_ text: [UInt8]) -> Bool {
    guard let json = try? StrictJSON(parsing: text, byteCountMax: 8 << 20), let line = json["line"]?.unsigned, line < ordinalLimit,
      let id = json["id"]?.string.flatMap({ EventID(text: $0) }), let status = json["status"]?.string.flatMap({ Receipt.Status(rawValue: $0) })
    else { return false }
    if let record = json["record"]?.string {
      guard let bytes = Base64.decode(record) else { return false }
      receipts[Int(line)] = Receipt(id: id, record: bytes, status: status)
    } else {
      guard receipts[Int(line)]?.id == id else { return false }
      receipts[Int(line)]?.status = status
    }
    return true
  }

  /// Notes a new record of a line.
  func add(_ line: Int, _ receipt: Receipt) {
    receipts[line] = receipt
    append(line, receipt, withRecord: true)
  }

  func set(_ line: Int, _ status: Receipt.Status) {
    guard receipts[line]?.status != status, var receipt = receipts[line] else { return }
    receipt.status = status
    receipts[line] = receipt
    append(line, receipt, withRecord: false)
  }

  private func append(_ line: Int, _ receipt: Receipt, withRecord: Bool) {
    var json = JSONWriter()
    json.beginObject()
    json.key("line"); json.number(line)
    json.key("id"); json.string(receipt.id.description)
    if withRecord { json.key("record"); json.base64(receipt.record.bytes) }
    json.key("status"); json.string(receipt.status.rawValue)
    json.endObject()
    pending += json.bytes
    pending.append(0x0A)
  }

  /// Writes what was noted and waits until the disk has it.
  func sync() throws(CommandFailure) {
    var offset = 0
    while offset < pending.count {
      // The array outlives the call.
      let count = unsafe pending.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress! + offset, $0.count - offset) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw CommandFailure("cannot write \(path): \(Files.reason(errno))", Exit.inputOutput) }
      offset += count
    }
    pending.removeAll(keepingCapacity: true)
    guard fdatasync(descriptor) == 0 else { throw CommandFailure("cannot sync \(path): \(Files.reason(errno))", Exit.inputOutput) }
  }
}
