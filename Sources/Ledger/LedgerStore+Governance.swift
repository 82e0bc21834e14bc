public import Audit
import Bytes
import Digests

/// What is read back of governance: it is never pruned.
extension LedgerStore {
  /// The state after the head, from that after genesis and the stored governance events. Takes time by their number, not by that of the blocks.
  public func governance(from genesis: GovernanceState) throws(StoreError) -> GovernanceState {
    var state = genesis
    while true {
      let blocks = try governanceRecords(from: state.height.next, blocksMax: 256)
      if blocks.isEmpty { break }
      for (height, records) in blocks {
        guard height > state.height, let header = try header(at: height) else { throw .damaged("header \(height.rawValue) of governance events") }
        try Self.advance(&state, header, records)
      }
    }
    if state.height < head.height { _ = state.advance(to: head.height, timestamp: head.timestamp) }
    guard state.validators.hash == head.nextValidatorsHash else { throw .damaged("governance events do not lead to the set of the head") }
    return state
  }

  /// Every redaction that was approved up to the head, in the order of approval.
  public func approvedRedactions(from genesis: GovernanceState) throws(StoreError) -> [ApprovedRedaction] {
    var (state, redactions) = (genesis, [ApprovedRedaction]())
    while true {
      let blocks = try governanceRecords(from: state.height.next, blocksMax: 256)
      if blocks.isEmpty { return redactions }
      for (height, records) in blocks {
        guard height > state.height, let header = try header(at: height) else { throw .damaged("header \(height.rawValue) of governance events") }
        let events: [GovernanceEvent]
        do { events = try GovernanceEvent.parse(records) } catch { throw .damaged("governance events of block \(height.rawValue): \(error)") }
        var outcomes: [ProposalOutcome] = []
        let open = state.open
        _ = state.advance(to: height, timestamp: header.timestamp, events, &outcomes)
        redactions += ApprovedRedaction.all(in: outcomes, open: open, events)
      }
    }
  }

  /// Moves a state on by one stored block.
  public func advance(_ state: inout GovernanceState, to header: BlockHeader) throws(StoreError) {
    let stored = try governanceRecords(from: header.height, blocksMax: 1).first
    try Self.advance(&state, header, stored.flatMap { $0.height == header.height ? $0.records : nil } ?? [])
  }

  private static func advance(_ state: inout GovernanceState, _ header: BlockHeader, _ records: [UInt8]) throws(StoreError) {
    let events: [GovernanceEvent]
    do { events = try GovernanceEvent.parse(records) } catch { throw .damaged("governance events of block \(header.height.rawValue): \(error)") }
    _ = state.advance(to: header.height, timestamp: header.timestamp, events)
  }

  /// The set of a height up to the one after the head.
  /// - Parameter genesis: the set of the first epoch.
  public func validators(at height: Height, genesis: ValidatorSet) throws(StoreError) -> ValidatorSet {
    guard let handoff = try lastNextSet(before: height) else { return genesis }
    return try Self.set(handoff.set, of: handoff.height)
  }

  /// Handoffs of heights from `height` on, ascending, at most `countMax`.
  public func handoffs(from height: Height, countMax: Int) throws(StoreError) -> [Handoff] {
    var handoffs: [Handoff] = []
    for (height, bytes) in try nextSets(from: height, countMax: countMax) {
      guard let header = try header(at: height), let certificate = try certificate(at: height) else { throw .damaged("handoff of block \(height.rawValue)") }
      handoffs.append(Handoff(header: header, certificate: certificate, next: try Self.set(bytes, of: height)))
    }
    return handoffs
  }

  private static func set(_ bytes: [UInt8], of height: Height) throws(StoreError) -> ValidatorSet {
    do { return try ValidatorSet(decoding: bytes.bytes) } catch { throw .damaged("next set of block \(height.rawValue): \(error)") }
  }
}

extension GovernanceEvent {
  /// Reads the stored governance records of a block, which was valid.
  static func parse(_ records: [UInt8]) throws(FormatError) -> [GovernanceEvent] {
    var events: [GovernanceEvent] = []
    var offset = 0
    while offset < records.count {
      let record = try Record(parsing: records.bytes, at: offset)
      guard record.hasBody else { throw .malformed("a governance event without its body") }
      let body = records.bytes.extracting(offset + Entry.byteCount + Record.saltByteCount..<offset + record.byteCount)
      let statement = record.entry.statement
      events.append(GovernanceEvent(id: record.id, signer: statement.signer, act: try GovernanceAct(decoding: body, type: statement.contentType)))
      offset += record.byteCount
    }
    return events
  }
}
