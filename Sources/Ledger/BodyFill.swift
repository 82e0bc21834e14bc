public import Audit
import Bytes
import Digests
public import Ed25519

/// What a store lacks of bodies, and what to ask for first.
public struct BodyGap: Hashable, Sendable {
  /// Consecutive final blocks whose bodies are wanted; nil when nothing is found to be.
  public var heights: ClosedRange<Height>?
  /// Blocks below this height have no bodies here.
  public var earliest: Height
  /// The height down to which bodies are wanted; `earliest` when none below it are.
  public var floor: Height
  /// Gaps up to this height were looked for; nil when all were.
  public var searched: Height?
  /// Of the records of these blocks with all of their bodies, by the entries that are here; more does not belong to them.
  public var byteCount: Int

  public init(heights: ClosedRange<Height>?, earliest: Height, floor: Height, searched: Height? = nil, byteCount: Int = 0) {
    (self.heights, self.earliest, self.floor, self.searched, self.byteCount) = (heights, earliest, floor, searched, byteCount)
  }
}

/// Blocks that a peer has sent for their salts and bodies, compared with what the store has of them, a part at a time.
///
/// The store's headers and entries are proven; a block must have the same. Each body is hashed into the digest of its statement, and every signature is verified:
/// of blocks up to an anchor nobody has done it before. Bodies that an approved redaction names are left out. The statement's `body_len` gives the length of
/// each body, so that nothing is taken that is not the chain's.
public struct BodyFill: Sendable {
  public enum Progress: Hashable, Sendable {
    /// More of it is to be looked at.
    case more
    /// All of it is as it must be; `missing` events have no body although no redaction names them.
    case done(missing: Int)
    /// It is not what the chain has at this height: the sender's fault.
    case foreign(Height)
    /// The chain itself holds an event whose signature is not valid.
    case badSignature(Height, position: Int)
  }

  /// Events looked at in one step, at most.
  public static let eventsPerStep = 256

  /// Whole blocks, or without the bodies that redactions name and those that the peer has left out; complete when `step` has said `.done`.
  public private(set) var blocks: [Block]
  private var block = 0
  private var position = 0
  private var missing = 0
  private var redacted: [Int] = []

  /// - Parameter blocks: consecutive, ascending.
  public init(_ blocks: [Block]) { self.blocks = blocks }

  /// Looks at the next events.
  /// - Parameter batch: empty, of at least `eventsPerStep`.
  /// - Throws: what reading the store throws.
  public mutating func step(_ store: some LedgerStore, _ batch: inout SignatureBatch) throws(StoreError) -> Progress {
    guard block < blocks.count else { return .done(missing: missing) }
    let current = blocks[block], height = current.header.height
    if position == 0 {
      guard try store.header(at: height)?.hash == current.hash, let entries = try store.entries(at: height), current.sections.entries == entries else { return .foreign(height) }
    }
    let begin = position, end = min(begin + Self.eventsPerStep, Int(current.header.eventCount))
    // Nothing enters the batch before all of it can: who comes next finds it empty, whatever a peer has sent.
    var entries: [Entry] = []
    entries.reserveCapacity(end - begin)
    let span = current.body.bytes
    for index in begin..<end {
      let offset = current.offsets[index]
      guard let record = current.withholds(index) ? try? Record(entryOf: span, at: offset) : try? Record(parsing: span, at: offset) else { return .foreign(height) }
      let isInline = !record.entry.statement.flags.contains(.detached) && !record.entry.statement.contentType.isGovernance
      if isInline, try store.redaction(of: record.id) != nil { redacted.append(index) } else if current.withholds(index) { missing += 1 }
      entries.append(record.entry)
    }
    for (index, entry) in zip(begin..<end, entries) {
      let offset = current.offsets[index]
      batch.add(entry.signature, over: span.extracting(offset..<offset + Statement.byteCount), by: entry.statement.signer)
    }
    var verdicts: [Bool] = []
    batch.verify(&verdicts)
    if let bad = verdicts.firstIndex(of: false) { return .badSignature(height, position: begin + bad) }
    position = end
    guard position == Int(current.header.eventCount) else { return .more }
    if !redacted.isEmpty { blocks[block] = current.withholding(redacted) }
    (block, position, redacted) = (block + 1, 0, [])
    return block < blocks.count ? .more : .done(missing: missing)
  }
}

extension LedgerStore {
  /// Bytes of the salts and bodies of a block, redacted ones included, as its entries say.
  public func bodyByteCount(at height: Height) throws(StoreError) -> Int {
    guard let entries = try entries(at: height) else { throw .damaged("entries of block \(height.rawValue)") }
    var count = 0
    for offset in stride(from: 0, to: entries.count, by: Entry.byteCount) {
      guard let length = Record.length(peeking: entries.bytes, at: offset) else { throw .damaged("entries of block \(height.rawValue)") }
      count += length - Entry.byteCount
    }
    return count
  }

  /// Events of a block whose bodies are not here although no redaction names them.
  public func missingBodies(at height: Height) throws(StoreError) -> Int {
    let withheld = try withheld(at: height)
    guard !withheld.isEmpty, let entries = try entries(at: height) else { return 0 }
    var count = 0
    for position in 0..<entries.count / Entry.byteCount where position / 8 < withheld.count && withheld[position / 8] >> UInt8(position % 8) & 1 == 1 {
      let offset = position * Entry.byteCount
      let id = EventID(SHA256.hash(entries.bytes.extracting(offset..<offset + Statement.byteCount)))
      if try redaction(of: id) == nil { count += 1 }
    }
    return count
  }

  /// The blocks whose bodies are to be fetched next: right below `earliestBodyHeight` while that is above `floor`, otherwise one block of those above `searched`
  /// that lacks bodies which no redaction names.
  /// - Parameters:
  ///   - bytesMax: of the blocks' records; one block is taken however large it is.
  public func bodyGap(floor: Height, searched: Height, blocksMax: Int, bytesMax: Int) throws(StoreError) -> BodyGap {
    let earliest = earliestBodyHeight, floor = min(floor, earliest)
    var gap = BodyGap(heights: nil, earliest: earliest, floor: floor)
    // What lies above the head comes with the sync.
    guard earliest <= head.height.next else { return gap }
    if earliest > floor {
      let last = Height(earliest.rawValue - 1)
      var (first, bytes) = (last, 0)
      while true {
        guard let header = try header(at: first) else { throw .damaged("no header at height \(first.rawValue)") }
        let count = Entry.byteCount * Int(header.eventCount) + (try bodyByteCount(at: first))
        bytes += count
        if bytes > bytesMax, first < last {
          (first, bytes) = (first.next, bytes - count)
          break
        }
        guard first > floor, last.rawValue - first.rawValue + 1 < UInt64(blocksMax) else { break }
        first = Height(first.rawValue - 1)
      }
      (gap.heights, gap.byteCount) = (first...last, bytes)
      return gap
    }
    let heights = try withheldHeights(from: max(searched.next, earliest), countMax: blocksMax)
    for height in heights where try missingBodies(at: height) > 0 {
      guard let header = try header(at: height) else { throw .damaged("no header at height \(height.rawValue)") }
      (gap.heights, gap.byteCount) = (height...height, Entry.byteCount * Int(header.eventCount) + (try bodyByteCount(at: height)))
      return gap
    }
    if heights.count == blocksMax { gap.searched = heights.last }
    return gap
  }
}
