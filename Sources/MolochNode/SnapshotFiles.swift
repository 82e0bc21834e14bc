import Audit
import CLinux
import Glibc
import Ledger
import Replication
import RocksStore

/// The parts of this node's snapshot, `data/snapshots/FIRST-LAST.part`: blocks without their bodies, written once and read for nodes that sync from a checkpoint. All of it
/// can be made again from the chain, so it is written without a sync, and what is damaged or missing is written anew. Used by the storage thread.
struct SnapshotFiles {
  /// Heights of a part, and its length in bytes; 0 for blocks that are in none.
  struct Entry: Hashable, Sendable {
    let first: Height
    let last: Height
    let byteCount: UInt64
  }

  private static let digits = 16
  private let directory: String
  private let chainTag: ChainTag
  private let epochLength: UInt32
  private let log: Log
  /// Ascending by their first heights.
  private(set) var entries: [Entry] = []
  /// Parts that are there, and their bytes.
  private(set) var count = 0
  private(set) var byteCount: UInt64 = 0
  private var builder = SnapshotPartBuilder()
  /// The next block of the builder.
  private var next: Height
  /// Entries of blocks below it were pruned: no part begins there.
  private var floor = Height(1)
  /// A file could not be written; the next start tries again.
  private var isStuck = false

  init(data: String, genesis: Genesis, log: Log) {
    (directory, chainTag, epochLength, self.log) = (data + "/snapshots", genesis.chainTag, genesis.parameters.epochLength, log)
    next = Height(1)
    // The names sort as the heights do.
    for name in FileCopy.names(in: directory).sorted() {
      // What a crash has left of a write.
      if name.hasSuffix(".new") { HomeFile.remove("\(directory)/\(name)") }
      guard let (first, last) = Self.heights(name), let facts = try? FileCopy.facts("\(directory)/\(name)") else { continue }
      insert(Entry(first: first, last: last, byteCount: facts.bytes))
    }
    next = firstUncovered
  }

  // MARK: Names

  static func name(_ first: Height, _ last: Height) -> String { "\(padded(first))-\(padded(last)).part" }

  private static func padded(_ height: Height) -> String {
    let text = String(height.rawValue)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }

  /// Nil for a name that is not that of a part.
  static func heights(_ name: String) -> (first: Height, last: Height)? {
    guard name.hasSuffix(".part") else { return nil }
    let parts = name.dropLast(".part".count).split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 2, let first = UInt64(parts[0]), let last = UInt64(parts[1]), 0 < first, first <= last, last < ordinalLimit else { return nil }
    return Self.name(Height(first), Height(last)) == name ? (Height(first), Height(last)) : nil
  }

  private func path(_ entry: Entry) -> String { "\(directory)/\(Self.name(entry.first, entry.last))" }

  // MARK: Writing

  /// Goes on with the next block. Returns whether more are left.
  /// - Throws: `.damaged` when the chain cannot give the block; nothing is gone on with then, until the next start.
  mutating func advance(_ store: RocksLedgerStore) throws(StoreError) -> Bool {
    guard !isStuck, next <= store.head.height else { return false }
    do {
      guard let block = try store.abridged(at: next) else { throw StoreError.damaged("no block \(next.rawValue)") }
      let certificate = try store.certificate(at: next)
      switch builder.add(block, certificate: certificate.flatMap { $0.isEmpty ? nil : $0 }, epochLength: epochLength) {
      case .open: next = next.next
      case .complete(let part):
        try write(part)
        next = firstUncovered
      case .passed(let first):
        insert(Entry(first: first, last: next, byteCount: 0))
        next = firstUncovered
      }
      return true
    } catch let error as StoreError {
      isStuck = true
      throw error
    } catch {
      isStuck = true
      log.warn("storage", "parts of the snapshot are not written until the next start", [("reason", "\(error)")])
      return false
    }
  }

  private mutating func write(_ part: SnapshotPart) throws(NodeFailure) {
    try FileCopy.makeDirectories(directory)
    let bytes = part.encoded(chainTag: chainTag)
    let entry = Entry(first: part.first, last: part.last, byteCount: UInt64(bytes.count))
    try HomeFile.write(path(entry), bytes, mode: 0o640, isSynced: false)
    insert(entry)
  }

  /// Of two that begin with one block the later one counts.
  private mutating func insert(_ entry: Entry) {
    let place = position(of: entry.first)
    if place < entries.count, entries[place].first == entry.first { forget(place) }
    entries.insert(entry, at: place)
    byteCount += entry.byteCount
    if entry.byteCount > 0 { count += 1 }
  }

  private mutating func forget(_ place: Int) {
    let entry = entries.remove(at: place)
    byteCount -= entry.byteCount
    if entry.byteCount > 0 { count -= 1 }
  }

  /// The first entry that begins at a height or above it.
  private func position(of first: Height) -> Int {
    var (low, high) = (0, entries.count)
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].first < first { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// The blocks below a height have no entries any more: parts that begin there go, and the first one begins with that block.
  mutating func drop(below height: Height) {
    guard height > floor else { return }
    floor = height
    while let entry = entries.first, entry.first < floor {
      HomeFile.remove(path(entry))
      forget(0)
    }
    (builder, next) = (SnapshotPartBuilder(), firstUncovered)
  }

  /// Bytes of the parts that begin below a height.
  static func bytes(data: String, below height: Height) -> UInt64 {
    FileCopy.names(in: data + "/snapshots").reduce(0) { sum, name in
      guard let (first, _) = heights(name), first < height, let facts = try? FileCopy.facts("\(data)/snapshots/\(name)") else { return sum }
      return sum + facts.bytes
    }
  }

  /// The lowest height above the pruned entries that is in no entry.
  private var firstUncovered: Height {
    var height = floor
    for entry in entries where entry.first <= height && height <= entry.last { height = entry.last.next }
    return height
  }

  /// The last block of the last part; 0 without parts.
  var height: Height { entries.last { $0.byteCount > 0 }?.last ?? Height(0) }

  // MARK: Reading

  /// Where the parts end that hold a height or lie above it.
  func ends(from height: Height) -> [Height] { Array(entries.lazy.filter { $0.last >= height && $0.byteCount > 0 }.map(\.last).prefix(ReplicationLimit.partsListed)) }

  /// The part that begins at a height, when it ends at most at `last`. A file that is damaged or gone is forgotten and written anew.
  mutating func part(from first: Height, upTo last: Height, _ integrity: Integrity) -> SnapshotPart? {
    let index = position(of: first)
    guard index < entries.count, entries[index].first == first, entries[index].last <= last, entries[index].byteCount > 0 else { return nil }
    let entry = entries[index]
    do {
      let part = try Self.read(path(entry), chainTag)
      guard part.first == entry.first, part.last == entry.last else { throw FormatError.outOfRange("heights") }
      return part
    } catch {
      integrity.healed(component: "snapshots", "\(Self.name(entry.first, entry.last)): \(error)")
      HomeFile.remove(path(entry))
      forget(index)
      (builder, next) = (SnapshotPartBuilder(), firstUncovered)
      return nil
    }
  }

  private static func read(_ path: String, _ chainTag: ChainTag) throws -> SnapshotPart { try SnapshotPart(file: HomeFile.read(path), chainTag: chainTag) }

  /// Reads every part below a data directory and compares its last block with the chain.
  /// - Parameter found: called with the name of each file and what is wrong with it, nil for nothing; false ends the walk.
  static func examine(data: String, _ store: RocksLedgerStore, _ chainTag: ChainTag, _ found: (_ name: String, _ byteCount: UInt64, _ fault: String?) -> Bool) {
    let directory = data + "/snapshots"
    for name in FileCopy.names(in: directory).sorted() {
      guard let (first, last) = heights(name) else { continue }
      var byteCount: UInt64 = 0, fault: String?
      do {
        byteCount = try FileCopy.facts("\(directory)/\(name)").bytes
        let part = try read("\(directory)/\(name)", chainTag), final = try part.finalBlock(chainTag: chainTag)
        let header = try store.header(at: last)
        if part.first != first || part.last != last { fault = "has other blocks than its name says" }
        // A node that began again may have parts above its head.
        if let header, final.height != last || final.hash != header.hash { fault = "is not of this chain" }
      } catch {
        // The running node may have replaced it.
        guard HomeFile.exists("\(directory)/\(name)") else { continue }
        fault = "\(error)"
      }
      guard found(name, byteCount, fault) else { return }
    }
  }
}
