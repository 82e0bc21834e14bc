public import Audit
import Bytes
import Digests
public import Ed25519
import Merkle

/// The state after the final head.
public struct Chain: Sendable {
  public let chainTag: ChainTag
  /// The final head.
  public private(set) var tip: ChainTip
  public private(set) var window: ReplayWindow
  public private(set) var sequences: SequenceWindow

  /// The state at `tip`, with an empty replay window: `restoreWindow` fills it from stored entries.
  public init(tip: ChainTip, seed: UInt64) {
    chainTag = tip.header.chainTag
    self.tip = tip
    // The windows are among the parameters that never change.
    window = ReplayWindow(pastWindow: tip.governance.parameters.pastWindow, futureWindow: tip.governance.parameters.futureWindow, seed: seed)
    sequences = SequenceWindow(
      pastWindow: tip.governance.parameters.pastWindow, futureWindow: tip.governance.parameters.futureWindow, now: tip.header.timestamp,
      seed: seed ^ 0x6D6F_6C6F_6368_2D73)
  }

  /// In force at the height after the head; of another tip, `tip.governance` knows.
  public var validators: ValidatorSet { tip.governance.validators }
  public var parameters: ChainParameters { tip.governance.parameters }
  public var signers: SignerRegistry { tip.governance.signers }

  /// Earliest time of a block whose entries may lie in the replay window of the head.
  public var windowBegin: Timestamp { Timestamp(milliseconds: saturating(tip.header.timestamp.rawValue, parameters.pastWindow + parameters.futureWindow)) }

  /// Adds the entries of one stored block (192 bytes each) to the replay window, and to the sequences. Blocks come in ascending order.
  public mutating func restoreWindow(entries: RawSpan, firstLeaf: LeafIndex) throws(FormatError) {
    window.expire(before: Timestamp(milliseconds: saturating(tip.header.timestamp.rawValue, parameters.pastWindow)))
    for position in 0..<entries.byteCount / Entry.byteCount {
      let offset = position * Entry.byteCount
      let statement = try Statement(decoding: entries, at: offset)
      let id = EventID(SHA256.hash(entries.extracting(offset..<offset + Statement.byteCount)))
      let leaf = LeafIndex(firstLeaf.rawValue + UInt64(position))
      window.insert(id, timestamp: statement.timestamp, leaf: leaf)
      sequences.insert(entry: entries, at: offset, leaf: leaf)
    }
  }

  /// Builds the block of the next height on `parent`. The records were admitted under the state of an earlier head: the rules that a change of sets,
  /// parameters or signers can have touched are checked here, all others again by every validator.
  /// - Throws: `.bodyLayout`; `.event` with the position of the first record that the block cannot hold; `.protocolVersion`.
  public func build(
    on parent: ChainTip, records: [UInt8], timestamp: Timestamp, proposer: PublicKey
  ) throws(BlockViolation) -> Candidate {
    let state = parent.governance
    try checkProtocol(state)
    let offsets = try Block.cut(records, countMax: Int(state.parameters.eventsPerBlockMax))
    var parts = Parts()
    for position in 0..<offsets.count - 1 {
      parts.leafHashes.append(Self.leafHash(records.bytes, at: offsets[position]))
      let record: Record
      do { record = try parts.append(records.bytes, at: offsets[position]) } catch { throw .event(position: position, .format(error)) }
      if let violation = parts.violation(of: record, records.bytes, at: offsets[position], under: state) { throw .event(position: position, violation) }
    }
    let (tree, history) = frontiers(after: parent, parts.leafHashes)
    let header = BlockHeader(
      eventCount: UInt32(offsets.count - 1), chainTag: chainTag, height: parent.header.height.next, timestamp: timestamp,
      treeSize: tree.size, parentHash: parent.hash, eventsRoot: TreeHash.root(ofLeafHashes: parts.leafHashes), treeRoot: tree.root,
      historyRoot: history.root, validatorsHash: parent.header.nextValidatorsHash,
      nextValidatorsHash: state.validatorsAfterNext.hash, parametersHash: state.parametersHash, proposer: proposer)
    return candidate(Block(header: header, body: records, offsets: offsets), on: parent, parts, tree, history)
  }

  /// Checks every rule of a valid block, but E8 of events whose bodies it withholds. Entries for which `isVerified` is true carry a signature that was accepted before.
  /// - Parameter batch: empty, and empty again afterwards.
  public func validate(
    _ block: Block, on parent: ChainTip, batch: inout SignatureBatch, isVerified: (EventID, Signature) -> Bool = { _, _ in false }
  ) throws(BlockViolation) -> Candidate {
    let (candidate, unverified) = try prepare(block, on: parent, isVerified: isVerified)
    try checkSignatures(of: unverified, in: block, &batch)
    return candidate
  }

  /// The same but for the signatures of the events: the block is valid once those at the positions that are given back are accepted, too.
  ///
  /// What a body says counts only when it is that of the header: one that is not shows `.eventsRoot`, and a record whose salt and body are not those of its entry
  /// `.event` with `.format`. Those two are the fault of whoever sent the bytes; all others are the block's own.
  public func prepare(
    _ block: Block, on parent: ChainTip, isVerified: (EventID, Signature) -> Bool = { _, _ in false }
  ) throws(BlockViolation) -> (candidate: Candidate, unverified: [Int]) {
    try checkHeader(block, on: parent)
    var parts = Parts()
    var unverified: [Int] = []
    // Of the first record that breaks a rule: it counts when the root has shown that the records are those of the header.
    var broken: BlockViolation?
    for position in 0..<block.offsets.count - 1 {
      let offset = block.offsets[position]
      parts.leafHashes.append(Self.leafHash(block.body.bytes, at: offset))
      if broken != nil { continue }
      let record: Record
      do { record = try parts.append(block.body.bytes, at: offset, isWithheld: block.withholds(position)) } catch {
        throw .event(position: position, .format(error))
      }
      let violation = violation(of: record, in: block.header, on: parent) ?? parts.violation(of: record, block.body.bytes, at: offset, under: parent.governance)
      if let violation { broken = .event(position: position, violation) } else if !isVerified(record.id, record.entry.signature) { unverified.append(position) }
    }
    guard TreeHash.root(ofLeafHashes: parts.leafHashes) == block.header.eventsRoot else { throw .eventsRoot }
    guard block.body.count <= Int(parent.governance.parameters.blockBytesMax) else { throw .bodyTooLarge(block.body.count) }
    if let broken { throw broken }
    if let position = firstDuplicate(parts.ids) { throw .event(position: position, .duplicate) }
    let (tree, history) = frontiers(after: parent, parts.leafHashes)
    guard tree.root == block.header.treeRoot else { throw .treeRoot }
    guard history.root == block.header.historyRoot else { throw .historyRoot }
    return (candidate(block, on: parent, parts, tree, history), unverified)
  }

  /// Whether sets, parameters and signers let the record at `offset` into the block after the head: what admission asks once the signature is accepted,
  /// because a governance act may hold further signatures.
  public func violation(of record: Record, in bytes: RawSpan, at offset: Int = 0) -> EventViolation? {
    var parts = Parts()
    return parts.violation(of: record, bytes, at: offset, under: tip.governance)
  }

  /// Makes a candidate on the head final.
  /// - Parameters:
  ///   - certificate: the encoded finality certificate; empty when a descendant carries it.
  ///   - isStored: the store holds the candidate already.
  /// - Returns: what the store must write. Traps when the candidate was not built on the head.
  public mutating func apply(_ candidate: Candidate, certificate: [UInt8], isStored: Bool = false) -> BlockCommit {
    precondition(candidate.block.header.parentHash == tip.hash, "blocks are applied in order")
    let commit = BlockCommit(candidate, certificate: certificate, isStored: isStored, on: tip)
    let header = candidate.block.header
    window.expire(before: Timestamp(milliseconds: saturating(header.timestamp.rawValue, parameters.pastWindow)))
    sequences.advance(to: header.timestamp)
    let body = candidate.block.body.bytes
    for (position, id) in candidate.ids.enumerated() {
      let leaf = LeafIndex(header.firstLeaf.rawValue + UInt64(position))
      window.insert(id, timestamp: candidate.timestamps[position], leaf: leaf)
      sequences.insert(entry: body, at: candidate.block.offsets[position], leaf: leaf)
    }
    tip = ChainTip(header: header, tree: candidate.tip.tree, history: candidate.tip.history, governance: candidate.tip.governance)
    return commit
  }
}

extension Chain {
  /// What one pass over the records yields.
  struct Parts {
    var leafHashes: [Digest] = []
    var ids: [EventID] = []
    var timestamps: [Timestamp] = []
    var governance: [GovernanceEvent] = []
    /// The records of the governance events, concatenated.
    var governanceRecords: [UInt8] = []

    mutating func append(_ body: RawSpan, at offset: Int, isWithheld: Bool = false) throws(FormatError) -> Record {
      let record = isWithheld ? try Record(entryOf: body, at: offset) : try Record(parsing: body, at: offset)
      ids.append(record.id)
      timestamps.append(record.entry.statement.timestamp)
      return record
    }

    /// E4 and E5: the rules that hang on sets, parameters and signers. A valid governance act is noted.
    mutating func violation(of record: Record, _ body: RawSpan, at offset: Int, under state: GovernanceState) -> EventViolation? {
      let statement = record.entry.statement
      if record.hasBody && statement.bodyLength > state.parameters.bodyBytesMax { return .bodyTooLong(statement.bodyLength) }
      let isValidator = state.validators.index(of: statement.signer) != nil
      guard statement.contentType.isGovernance else {
        guard state.signers.allows(statement.signer, at: state.height.next, mode: state.parameters.signerMode) else { return .signerNotAllowed }
        return isValidator ? .signerIsValidator : nil
      }
      guard statement.flags.isEmpty else { return .governance(.flags) }
      guard record.hasBody else { return .format(.malformed("a governance event without its body")) }
      guard isValidator else { return .governance(.signerIsNoValidator) }
      let content = body.extracting(offset + Entry.byteCount + Record.saltByteCount..<offset + record.byteCount)
      let act: GovernanceAct
      do { act = try GovernanceAct(decoding: content, type: statement.contentType) } catch { return .governance(.body(error)) }
      if let violation = state.violation(of: act) { return .governance(violation) }
      governance.append(GovernanceEvent(id: record.id, signer: statement.signer, act: act))
      governanceRecords.append(body.extracting(offset..<offset + record.byteCount))
      return nil
    }
  }

  /// Hash of the entry at an offset of a body.
  private static func leafHash(_ body: RawSpan, at offset: Int) -> Digest { TreeHash.leaf(body.extracting(offset..<offset + Entry.byteCount)) }

  private func frontiers(after parent: ChainTip, _ leafHashes: [Digest]) -> (MountainRange, MountainRange) {
    var tree = parent.tree
    for hash in leafHashes { tree.append(leafHash: hash) }
    return (tree, parent.childHistory)
  }

  private func candidate(_ block: Block, on parent: ChainTip, _ parts: Parts, _ tree: MountainRange, _ history: MountainRange) -> Candidate {
    let recent = parent.recent.filter { $0.height > tip.header.height } + [.init(height: block.header.height, ids: parts.ids.sorted())]
    var state = parent.governance
    var outcomes: [ProposalOutcome] = []
    _ = state.advance(to: block.header.height, timestamp: block.header.timestamp, parts.governance, &outcomes)
    let redactions = ApprovedRedaction.all(in: outcomes, open: parent.governance.open, parts.governance)
    let child = ChainTip(header: block.header, tree: tree, history: history, governance: state, recent: recent)
    return Candidate(
      block: block, tip: child, leafHashes: parts.leafHashes, ids: parts.ids, redactions: redactions, governanceRecords: parts.governanceRecords,
      timestamps: parts.timestamps)
  }

  private func checkHeader(_ block: Block, on parent: ChainTip) throws(BlockViolation) {
    let (header, state) = (block.header, parent.governance)
    try checkProtocol(state)
    guard header.chainTag == chainTag else { throw .chainTag }
    guard header.height == parent.header.height.next else { throw .height }
    guard header.parentHash == parent.hash else { throw .parentHash }
    guard header.timestamp > parent.header.timestamp else { throw .timestamp }
    guard header.treeSize == parent.header.treeSize + UInt64(header.eventCount) else { throw .treeSize }
    guard header.eventCount <= state.parameters.eventsPerBlockMax else { throw .tooManyEvents(Int(header.eventCount)) }
    guard header.validatorsHash == parent.header.nextValidatorsHash else { throw .validatorsHash }
    guard header.nextValidatorsHash == state.validatorsAfterNext.hash else { throw .nextValidatorsHash }
    guard header.parametersHash == state.parametersHash else { throw .parametersHash }
    guard state.validators.index(of: header.proposer) != nil else { throw .proposer }
  }

  private func checkProtocol(_ state: GovernanceState) throws(BlockViolation) {
    guard state.parameters.protocolVersion <= ProtocolVersion.newest else { throw .protocolVersion(state.parameters.protocolVersion) }
  }

  /// E2, E6 and E7.
  private func violation(of record: Record, in header: BlockHeader, on parent: ChainTip) -> EventViolation? {
    let statement = record.entry.statement
    guard statement.chainTag == chainTag else { return .foreignChain }
    let (time, block) = (statement.timestamp.rawValue, header.timestamp.rawValue)
    guard time + parameters.pastWindow >= block, time <= block + parameters.futureWindow else { return .outsideWindow }
    if window.leaf(of: record.id, timestamp: statement.timestamp) != nil { return .duplicate }
    for ancestor in parent.recent where ancestor.height > tip.header.height && ancestor.contains(record.id) { return .duplicate }
    return nil
  }

  private func checkSignatures(of positions: [Int], in block: Block, _ batch: inout SignatureBatch) throws(BlockViolation) {
    var verdicts: [Bool] = []
    var begin = 0
    while begin < positions.count {
      let part = positions[begin..<min(positions.count, begin + batch.capacity)]
      for position in part {
        let span = block.body.bytes
        let offset = block.offsets[position]
        let signer = PublicKey(Bytes32(span, at: offset + 64))
        let message = span.extracting(offset..<offset + Statement.byteCount)
        batch.add(Signature(span, at: offset + Statement.byteCount), over: message, by: signer)
      }
      batch.verify(&verdicts)
      for (index, position) in part.enumerated() where !verdicts[index] { throw .event(position: position, .badSignature) }
      begin = part.endIndex
    }
  }

  /// Position of the first record whose id an earlier record of the block has.
  private func firstDuplicate(_ ids: [EventID]) -> Int? {
    let order = ids.indices.sorted { ids[$0] != ids[$1] ? ids[$0] < ids[$1] : $0 < $1 }
    return zip(order, order.dropFirst()).filter { ids[$0] == ids[$1] }.map(\.1).min()
  }

  private func saturating(_ time: UInt64, _ length: UInt64) -> UInt64 { time > length ? time - length : 0 }
}
