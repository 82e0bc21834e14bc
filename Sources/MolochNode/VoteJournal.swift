import Audit
import Bytes
import Consensus
import Digests
import CLinux
import Glibc
import Ledger
import RocksStore

/// The promises of this validator on disk: the segments `journal-1`, `journal-2`, ... of `data/validator/`, which lies outside of what a resync deletes.
///
/// Segments are written whole with zeros when they come into being, so that later writes neither move the end of a file nor allocate: one write with
/// O_DSYNC is one barrier. `JournalFormat` in Consensus fixes the bytes.
final class VoteJournal: @unchecked Sendable {
  // Sendable: opened by the storage thread, then handed once to the journal thread, which alone uses it.
  /// What was found when the journal was opened.
  enum Condition: Equatable {
    /// There was none.
    case missing
    case intact
    /// Promises are lost: nothing may be signed before recovery. The files stay until the first append, which moves them aside.
    case damaged(String)
  }

  private let directory: String
  private let chainTag: ChainTag
  private let lock: DirectoryLock
  private var writer: JournalWriter
  /// The segment in use, -1 before the first append.
  private var file: Int32 = -1
  /// File of each segment that may still be read, by ascending id.
  private var names: [(segment: UInt64, name: UInt64)] = []
  private var spare: [UInt64] = []
  let condition: Condition
  /// What was in the journal when it was opened, oldest first.
  let records: [JournalRecord]
  private(set) var floorHeight: Height?
  private(set) var cosignature: (size: UInt64, root: Digest, seconds: UInt64)?

  /// Opens the journal; the directory is created when it is missing, a segment only by the first append.
  /// - Throws: 75 when another process has it, 78 for the journal of another chain, 74 for the system's errors.
  init(directory: String, chainTag: ChainTag, segmentBytes: Int = ConsensusLimit.journalSegmentBytes) throws(NodeFailure) {
    self.directory = directory
    self.chainTag = chainTag
    try HomeFile.makeDirectory(directory, mode: 0o700)
    do { lock = try DirectoryLock(path: directory + "/LOCK") } catch {
      guard case .locked(let pid) = error else { throw NodeFailure(74, "\(error)") }
      throw NodeFailure(75, "\(directory) is in use by process \(pid)")
    }
    var files: [JournalSegment] = []
    for name in try Self.segmentNames(directory) {
      files.append(JournalSegment(name: name, bytes: try HomeFile.readUsed(Self.path(directory, name))))
    }
    var torn: (segment: UInt64, offset: Int)?
    switch JournalOutcome(reading: files, chainTag: chainTag, segmentBytes: segmentBytes) {
    case .missing:
      (condition, records, spare) = (.missing, [], files.map(\.name))
      writer = JournalWriter(chainTag: chainTag, segmentBytes: segmentBytes)
    case .damaged(let reason):
      (condition, records) = (.damaged(reason), [])
      writer = JournalWriter(chainTag: chainTag, segmentBytes: segmentBytes)
    case .foreign(let tag):
      throw NodeFailure(78, "\(directory) is the vote journal of another chain (tag \(tag.hex), this chain has \(chainTag.hex))")
    case .intact(let reading):
      (condition, records, spare, names, writer) = (.intact, reading.records, reading.spare, reading.names, reading.writer)
      torn = reading.torn
    }
    for record in records { remember(record) }
    if case .intact = condition { try resume(torn) }
  }

  /// What a journal holds, oldest first, for a look at a stopped node; nothing when it is missing, damaged or that of another chain.
  static func records(directory: String, chainTag: ChainTag) throws(NodeFailure) -> [JournalRecord] {
    guard HomeFile.exists(directory) else { return [] }
    var files: [JournalSegment] = []
    for name in try segmentNames(directory) { files.append(JournalSegment(name: name, bytes: try HomeFile.readUsed(path(directory, name)))) }
    guard case .intact(let reading) = JournalOutcome(reading: files, chainTag: chainTag, segmentBytes: ConsensusLimit.journalSegmentBytes) else { return [] }
    return reading.records
  }

  deinit {
    if file >= 0 { close(file) }
  }

  /// Makes the records durable with one write. Traps never, throws 74: after that the process must end, because what is on disk is unknown.
  func append(_ records: [JournalRecord]) throws(NodeFailure) {
    guard !records.isEmpty else { return }
    if case .damaged = condition, writer.segment == 0 { try setAside() }
    try perform(writer.append(records))
    for record in records { remember(record) }
  }

  /// The last barrier would be taken for torn if it were damaged now.
  var hasUnacknowledged: Bool { writer.hasUnacknowledged }

  /// Writes the empty record that acknowledges the last barrier. Call it when no barrier came for 100 ms.
  func acknowledge() throws(NodeFailure) {
    if let write = writer.acknowledgement() { try perform(write) }
  }

  private func remember(_ record: JournalRecord) {
    switch record {
    case .floor(_, _, let height, _): floorHeight = max(floorHeight ?? height, height)
    case .cosignature(let size, let root, let seconds): cosignature = (size, root, seconds)
    default: break
    }
  }

  /// Writes what ties the journal to its place.
  func bind(_ binding: Binding) throws(NodeFailure) { try binding.write(directory) }

  /// Ties it to the place where it lies.
  func bindHere() throws(NodeFailure) { try Binding.place(directory).write(directory) }

  // MARK: Files

  private static func path(_ directory: String, _ name: UInt64) -> String { "\(directory)/journal-\(name)" }

  private static func segmentNames(_ directory: String) throws(NodeFailure) -> [UInt64] {
    // The directory stream is closed before this returns; an entry is valid until the next call.
    guard let stream = unsafe opendir(directory) else { throw NodeFailure(74, "cannot read \(directory): \(HomeFile.reason())") }
    defer { unsafe closedir(stream) }
    var names: [UInt64] = []
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self)) }
      if name.hasPrefix("journal-"), let number = UInt64(name.dropFirst(8)) { names.append(number) }
    }
    return names.sorted()
  }

  /// Zeroes a torn barrier, gives recycled files their names, and opens the segment in use.
  private func resume(_ torn: (segment: UInt64, offset: Int)?) throws(NodeFailure) {
    for index in names.indices where names[index].name != names[index].segment {
      try rename(names[index].name, to: names[index].segment)
      names[index].name = names[index].segment
    }
    guard let last = names.last else { return }
    try open(last.segment)
    if let torn { try write([UInt8](repeating: 0, count: writer.segmentBytes - torn.offset), at: torn.offset) }
  }

  private func perform(_ write: JournalWrite) throws(NodeFailure) {
    if write.opensSegment { try create(write) } else { try self.write(write.bytes, at: write.offset) }
    writer.synced()
  }

  private func create(_ first: JournalWrite) throws(NodeFailure) {
    if file >= 0 { close(file) }
    file = -1
    let oldest = names.first { $0.segment < writer.oldestKept }
    if let used = spare.popLast() ?? oldest?.name {
      names.removeAll { $0.name == used }
      try open(used)
      try write(first.bytes, at: 0)
      try rename(used, to: first.segment)
    } else {
      let temporary = directory + "/journal.new"
      // The path is lent to the call.
      file = unsafe Glibc.open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
      guard file >= 0 else { throw NodeFailure(74, "cannot create \(temporary): \(HomeFile.reason())") }
      try write(first.bytes + [UInt8](repeating: 0, count: writer.segmentBytes - first.bytes.count), at: 0)
      guard fsync(file) == 0 else { throw NodeFailure(74, "cannot sync \(temporary): \(HomeFile.reason())") }
      close(file)
      file = -1
      // The paths are lent to the call.
      guard unsafe Glibc.rename(temporary, Self.path(directory, first.segment)) == 0 else {
        throw NodeFailure(74, "cannot rename \(temporary): \(HomeFile.reason())")
      }
      try HomeFile.syncDirectory(directory)
      try open(first.segment)
    }
    names.append((first.segment, first.segment))
  }

  private func open(_ name: UInt64) throws(NodeFailure) {
    let path = Self.path(directory, name)
    // The path is lent to the call.
    file = unsafe Glibc.open(path, O_RDWR | O_DSYNC | O_CLOEXEC)
    guard file >= 0 else { throw NodeFailure(74, "cannot open \(path): \(HomeFile.reason())") }
  }

  private func rename(_ name: UInt64, to segment: UInt64) throws(NodeFailure) {
    let (old, new) = (Self.path(directory, name), Self.path(directory, segment))
    // The paths are lent to the call.
    guard unsafe Glibc.rename(old, new) == 0 else { throw NodeFailure(74, "cannot rename \(old): \(HomeFile.reason())") }
    try HomeFile.syncDirectory(directory)
  }

  private func write(_ bytes: [UInt8], at offset: Int) throws(NodeFailure) {
    // The array outlives the call.
    let written = unsafe bytes.withUnsafeBytes { unsafe pwrite(file, $0.baseAddress, $0.count, offset) }
    guard written == bytes.count else { throw NodeFailure(74, "cannot write the vote journal in \(directory): \(HomeFile.reason())") }
  }

  /// Moves the files of a damaged journal to `damaged-<n>/`, where they stay for whoever looks for the cause.
  private func setAside() throws(NodeFailure) {
    var number = 1
    while HomeFile.exists("\(directory)/damaged-\(number)") { number += 1 }
    let aside = "\(directory)/damaged-\(number)"
    try HomeFile.makeDirectory(aside, mode: 0o700)
    for name in try Self.segmentNames(directory) {
      // The paths are lent to the call.
      guard unsafe Glibc.rename(Self.path(directory, name), Self.path(aside, name)) == 0 else {
        throw NodeFailure(74, "cannot move a damaged journal to \(aside): \(HomeFile.reason())")
      }
    }
    try HomeFile.syncDirectory(aside)
    try HomeFile.syncDirectory(directory)
  }
}
