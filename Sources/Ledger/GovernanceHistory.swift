public import Audit
public import Ed25519
import Digests

/// Every proposal of a chain and what became of it: the state of governance with a memory of what it has decided.
///
/// Replayed from stored governance events like the state itself; nothing of it has a say in the validity of a block.
public struct GovernanceHistory: Sendable {
  public struct Entry: Sendable {
    public let id: EventID
    public let signer: PublicKey
    /// Of its block.
    public let height: Height
    public let timestamp: Timestamp
    public let act: GovernanceAct
    /// The set in force at its block, against which a proposal of a set reads as a difference.
    public let base: ValidatorSet
    public fileprivate(set) var fate = ProposalFate.open
    /// The block in which the fate was met; the last block of the epoch before for a change that begins with one.
    public fileprivate(set) var decided: Height?
    /// Keys whose latest decision is to approve, ascending; as they were when the proposal was decided.
    public fileprivate(set) var approvals: [PublicKey]
  }

  public private(set) var state: GovernanceState
  /// In the order of the chain; beside all that are open or approved, the newest `LedgerLimit.decidedProposals`.
  public private(set) var entries: [Entry] = []

  public init(genesis: Genesis) { state = GovernanceState(genesis: genesis) }

  public subscript(id: EventID) -> Entry? { entries.last { $0.id == id } }

  /// Moves on to a block with these governance events in leaf order; blocks between held none.
  public mutating func advance(to height: Height, timestamp: Timestamp, _ events: [GovernanceEvent] = []) {
    let base = state.validators
    for event in events {
      if event.act.isProposal {
        entries.append(
          Entry(id: event.id, signer: event.signer, height: height, timestamp: timestamp, act: event.act, base: base, approvals: [event.signer]))
      } else if case .decide(let decision) = event.act, let place = entries.lastIndex(where: { $0.id == decision.proposal }), entries[place].fate == .open {
        entries[place].note(decision.verdict, by: event.signer)
      }
    }
    var outcomes: [ProposalOutcome] = []
    _ = state.advance(to: height, timestamp: timestamp, events, &outcomes)
    for outcome in outcomes {
      guard let place = entries.lastIndex(where: { $0.id == outcome.id }) else { continue }
      entries[place].fate = outcome.fate
      entries[place].decided = height
    }
    forget()
  }

  private mutating func forget() {
    func isDecided(_ entry: Entry) -> Bool { entry.fate == .active || entry.fate == .lapsed }
    var surplus = entries.count(where: isDecided) - LedgerLimit.decidedProposals
    guard surplus > 0 else { return }
    entries.removeAll { entry in
      guard surplus > 0, isDecided(entry) else { return false }
      surplus -= 1
      return true
    }
  }
}

extension GovernanceHistory.Entry {
  fileprivate mutating func note(_ verdict: GovernanceDecision.Verdict, by key: PublicKey) {
    let place = approvals.firstIndex { $0 >= key } ?? approvals.endIndex
    let isThere = place < approvals.endIndex && approvals[place] == key
    switch verdict {
    case .approve: if !isThere { approvals.insert(key, at: place) }
    case .withdraw: if isThere { approvals.remove(at: place) }
    }
  }

  /// Power of the approvals in a set.
  public func power(in set: ValidatorSet) -> UInt64 {
    approvals.reduce(0) { $0 + (set.index(of: $1).map { set.validators[$0].power } ?? 0) }
  }
}

extension LedgerStore {
  /// Moves a history on to the head. Takes time by the number of governance events since its last block.
  public func advance(_ history: inout GovernanceHistory) throws(StoreError) {
    while true {
      let blocks = try governanceRecords(from: history.state.height.next, blocksMax: 256)
      if blocks.isEmpty { break }
      for (height, records) in blocks {
        guard height > history.state.height, let header = try header(at: height) else { throw .damaged("header \(height.rawValue) of governance events") }
        let events: [GovernanceEvent]
        do { events = try GovernanceEvent.parse(records) } catch { throw .damaged("governance events of block \(height.rawValue): \(error)") }
        history.advance(to: height, timestamp: header.timestamp, events)
      }
    }
    if history.state.height < head.height { history.advance(to: head.height, timestamp: head.timestamp) }
  }
}
