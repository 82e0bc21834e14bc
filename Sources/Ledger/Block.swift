public import Audit
import Bytes
public import Digests
public import Merkle

/// A header and the records it commits to, concatenated in leaf order.
///
/// A block is whole when every inline event has its salt and body. Of a block that is final, some may be withheld: the record is then the entry alone. Nothing
/// of the block's validity hangs on them but E8.
public struct Block: Sendable {
  public let header: BlockHeader
  /// SHA-256 of the header.
  public let hash: Digest
  /// The records, verbatim.
  public let body: [UInt8]
  /// Byte offset of every record in `body`, and as last element its length: `header.eventCount + 1` values.
  public let offsets: [Int]
  /// The inline events whose records are their entries alone: position i is bit `i mod 8`, least significant first, of byte `i / 8`. Empty for a whole block.
  public let withheld: [UInt8]

  public var isWhole: Bool { withheld.isEmpty }

  /// Whether salt and body of an inline event are not here.
  public func withholds(_ position: Int) -> Bool { Self.isSet(position, in: withheld) }

  private static func isSet(_ position: Int, in bits: [UInt8]) -> Bool { !bits.isEmpty && bits[position / 8] >> UInt8(position % 8) & 1 == 1 }

  /// Cuts the body into records.
  /// - Throws: `.bodyLayout` when the body is not exactly `eventCount` records.
  public init(header: BlockHeader, body: [UInt8]) throws(BlockViolation) {
    let offsets = try Self.cut(body, countMax: Int(header.eventCount))
    guard offsets.count == Int(header.eventCount) + 1 else { throw .bodyLayout }
    self.init(header: header, body: body, offsets: offsets)
  }

  /// Cuts a body of which some records are entries alone.
  /// - Parameter withheld: empty, or `ceil(eventCount / 8)` bytes with at least one bit set, each of an inline event.
  /// - Throws: `.bodyLayout` for anything else.
  public init(header: BlockHeader, body: [UInt8], withheld: [UInt8]) throws(BlockViolation) {
    guard !withheld.isEmpty else {
      try self.init(header: header, body: body)
      return
    }
    let count = Int(header.eventCount)
    guard withheld.count == (count + 7) / 8, withheld.contains(where: { $0 != 0 }), count % 8 == 0 || withheld[count / 8] >> UInt8(count % 8) == 0 else {
      throw .bodyLayout
    }
    var offsets = [0]
    offsets.reserveCapacity(count + 1)
    var offset = 0
    for position in 0..<count {
      guard var length = Record.length(peeking: body.bytes, at: offset) else { throw .bodyLayout }
      if Self.isSet(position, in: withheld) {
        guard length > Entry.byteCount else { throw .bodyLayout }
        length = Entry.byteCount
      }
      guard length <= body.count - offset else { throw .bodyLayout }
      offset += length
      offsets.append(offset)
    }
    guard offset == body.count else { throw .bodyLayout }
    self.init(header: header, body: body, offsets: offsets, withheld: withheld)
  }

  /// The block without the salts and bodies of its events, those of governance events excepted.
  /// - Parameter governance: the records of its governance events, concatenated in leaf order.
  /// Nil when the parts are not those of `eventCount` events.
  public init?(header: BlockHeader, entries: [UInt8], governance: [UInt8]) {
    let count = Int(header.eventCount)
    guard entries.count == Entry.byteCount * count else { return nil }
    var (body, offsets): ([UInt8], [Int]) = ([], [0])
    body.reserveCapacity(entries.count + governance.count)
    offsets.reserveCapacity(count + 1)
    var bits = [UInt8](repeating: 0, count: (count + 7) / 8)
    var begin = 0
    for position in 0..<count {
      let offset = position * Entry.byteCount
      let entry = entries.bytes.extracting(offset..<offset + Entry.byteCount)
      if ContentType(rawValue: entry.uint8(at: 17)).isGovernance {
        guard let length = Record.length(peeking: governance.bytes, at: begin), length <= governance.count - begin,
          governance[begin..<begin + Entry.byteCount].elementsEqual(entries[offset..<offset + Entry.byteCount])
        else { return nil }
        body.append(governance.bytes.extracting(begin..<begin + length))
        begin += length
      } else {
        body.append(entry)
        if let length = Record.length(peeking: entry, at: 0), length > Entry.byteCount { bits[position / 8] |= 1 << UInt8(position % 8) }
      }
      offsets.append(body.count)
    }
    guard begin == governance.count else { return nil }
    self.init(header: header, body: body, offsets: offsets, withheld: bits.contains { $0 != 0 } ? bits : [])
  }

  /// Decodes header || body.
  public init(decoding span: RawSpan) throws(BlockViolation) {
    let header: BlockHeader
    do { header = try BlockHeader(decoding: span) } catch { throw .header(error) }
    try self.init(header: header, body: [UInt8](copying: span.extracting(BlockHeader.byteCount..<span.byteCount)))
  }

  /// Puts the parts together that a store keeps. Nil when they are not those of `eventCount` records, those of `withheld` without salt and body.
  public init?(header: BlockHeader, entries: [UInt8], bodies: [UInt8], withheld: [UInt8] = []) {
    guard entries.count == Entry.byteCount * Int(header.eventCount), withheld.isEmpty || withheld.count == (Int(header.eventCount) + 7) / 8 else { return nil }
    var body: [UInt8] = []
    body.reserveCapacity(entries.count + bodies.count)
    var offsets = [0]
    var begin = 0
    for offset in stride(from: 0, to: entries.count, by: Entry.byteCount) {
      guard var length = Record.length(peeking: entries.bytes, at: offset) else { return nil }
      if Self.isSet(offset / Entry.byteCount, in: withheld) { length = Entry.byteCount }
      guard length - Entry.byteCount <= bodies.count - begin else { return nil }
      body.append(entries.bytes.extracting(offset..<offset + Entry.byteCount))
      body.append(bodies.bytes.extracting(begin..<begin + length - Entry.byteCount))
      begin += length - Entry.byteCount
      offsets.append(body.count)
    }
    guard begin == bodies.count else { return nil }
    self.init(header: header, body: body, offsets: offsets, withheld: withheld)
  }

  /// The block without salts and bodies of these events too; detached events and those of governance stay as they are.
  public func withholding(_ positions: [Int]) -> Block {
    let count = offsets.count - 1
    var bits = withheld.isEmpty ? [UInt8](repeating: 0, count: (count + 7) / 8) : withheld
    for position in positions where offsets[position + 1] - offsets[position] > Entry.byteCount {
      if !ContentType(rawValue: body[offsets[position] + 17]).isGovernance { bits[position / 8] |= 1 << UInt8(position % 8) }
    }
    guard bits.contains(where: { $0 != 0 }) else { return self }
    var (kept, ends): ([UInt8], [Int]) = ([], [0])
    for position in 0..<count {
      let end = Self.isSet(position, in: bits) ? offsets[position] + Entry.byteCount : offsets[position + 1]
      kept.append(body.bytes.extracting(offsets[position]..<end))
      ends.append(kept.count)
    }
    return Block(header: header, body: kept, offsets: ends, withheld: bits)
  }

  /// The parts that a store keeps apart: 192 bytes per event, and salt and body of every inline event, both in leaf order.
  public var sections: (entries: [UInt8], bodies: [UInt8]) {
    var (entries, bodies): ([UInt8], [UInt8]) = ([], [])
    let count = offsets.count - 1
    entries.reserveCapacity(Entry.byteCount * count)
    bodies.reserveCapacity(body.count - Entry.byteCount * count)
    for position in 0..<count {
      let begin = offsets[position]
      entries.append(body.bytes.extracting(begin..<begin + Entry.byteCount))
      bodies.append(body.bytes.extracting(begin + Entry.byteCount..<offsets[position + 1]))
    }
    return (entries, bodies)
  }

  init(header: BlockHeader, body: [UInt8], offsets: [Int], withheld: [UInt8] = []) {
    self.withheld = withheld
    self.header = header
    hash = header.hash
    self.body = body
    self.offsets = offsets
  }

  static func cut(_ body: [UInt8], countMax: Int) throws(BlockViolation) -> [Int] {
    var offsets = [0]
    var offset = 0
    while offset < body.count {
      guard offsets.count <= countMax, let length = Record.length(peeking: body.bytes, at: offset), length <= body.count - offset else {
        throw .bodyLayout
      }
      offset += length
      offsets.append(offset)
    }
    return offsets
  }
}

/// A block that the operator vouches for: blocks up to it are taken without their bodies and the check of signatures, because its hash commits to them.
public struct Anchor: Hashable, Sendable {
  public var height: Height
  public var hash: Digest

  public init(height: Height, hash: Digest) { (self.height, self.hash) = (height, hash) }
}

/// What a child block needs of its parent, final or not.
public struct ChainTip: Sendable {
  public let header: BlockHeader
  public let hash: Digest
  /// Frontier over all entries up to `header.treeSize`.
  public let tree: MountainRange
  /// Frontier over the block hashes of the heights below `header.height`.
  public let history: MountainRange
  /// Sets, parameters, signers and proposals after this block.
  public let governance: GovernanceState
  /// Ids of this block and of its ancestors that were not final when it was built, each list ascending.
  let recent: [RecentIDs]

  struct RecentIDs: Sendable {
    var height: Height
    /// Ascending.
    var ids: [EventID]

    func contains(_ id: EventID) -> Bool {
      var (low, high) = (0, ids.count)
      while low < high {
        let middle = (low + high) / 2
        if ids[middle] < id { low = middle + 1 } else { high = middle }
      }
      return low < ids.count && ids[low] == id
    }
  }

  /// A tip whose ancestors are all final. Traps when the frontiers or the state are not those of the header.
  public init(header: BlockHeader, tree: MountainRange, history: MountainRange, governance: GovernanceState) {
    precondition(tree.size == header.treeSize && history.size == header.height.rawValue, "the frontiers are those of the header")
    precondition(governance.height == header.height && governance.validators.hash == header.nextValidatorsHash, "the state is that of the header")
    self.init(header: header, tree: tree, history: history, governance: governance, recent: [])
  }

  /// Height 0.
  public init(genesis header: BlockHeader, governance: GovernanceState) {
    self.init(header: header, tree: MountainRange(), history: MountainRange(), governance: governance)
  }

  init(header: BlockHeader, tree: MountainRange, history: MountainRange, governance: GovernanceState, recent: [RecentIDs]) {
    self.governance = governance
    self.header = header
    hash = header.hash
    self.tree = tree
    self.history = history
    self.recent = recent
  }

  /// Frontier over the block hashes up to and with this block: the history of a child.
  var childHistory: MountainRange {
    var history = history
    history.append(leafHash: TreeHash.leaf(hash.bytes.array.bytes))
    return history
  }
}


/// A built or validated block with what applying it needs.
public struct Candidate: Sendable {
  public let block: Block
  public let tip: ChainTip
  /// One per record, in order.
  public let leafHashes: [Digest]
  public let ids: [EventID]
  /// Redactions that this block approves.
  public let redactions: [ApprovedRedaction]
  /// The records of its governance events, concatenated.
  let governanceRecords: [UInt8]
  let timestamps: [Timestamp]

  /// Whether the block holds this event.
  public func contains(_ id: EventID) -> Bool { tip.recent.last?.contains(id) ?? false }
}

/// Why a block is not valid on its parent (ledger formats, sections 4 and 5).
public enum BlockViolation: Error, Hashable, Sendable {
  case header(FormatError)
  /// The body is not exactly `event_count` records.
  case bodyLayout
  case chainTag, height, parentHash, timestamp, treeSize, proposer
  case validatorsHash, nextValidatorsHash, parametersHash
  /// The parameters in force name a version that this program does not know.
  case protocolVersion(UInt32)
  case eventsRoot, treeRoot, historyRoot
  case tooManyEvents(Int)
  case bodyTooLarge(Int)
  /// The record at this position breaks this rule.
  case event(position: Int, EventViolation)
}

/// The rule of section 5 that an event breaks.
public enum EventViolation: Error, Hashable, Sendable {
  /// E1, E3, E4 (length), E8.
  case format(FormatError)
  /// E2
  case foreignChain
  /// E4
  case bodyTooLong(UInt32)
  /// E5: the signer is not in the registry in force.
  case signerNotAllowed
  /// E5: a validator key signs no application event.
  case signerIsValidator
  /// E5: a governance act that breaks section 9.
  case governance(GovernanceViolation)
  /// E6
  case outsideWindow
  /// E7
  case duplicate
  /// E9
  case badSignature
}
