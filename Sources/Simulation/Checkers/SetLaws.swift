import Audit
import Bytes
import Digests
import Ed25519
import Ledger
import Replication

/// Who may vote when: a recount of the governance events of the chain, apart from the one that the replicas make. A set comes into force with the first block
/// of an epoch if and only if it was proposed against the set before, for this epoch, with the consent of its new keys, and approved by a quorum
/// of the set before in blocks below the last one of the epoch.
struct SetLaws {
  private struct Open {
    let id: EventID
    let proposal: ValidatorsProposal
    var approvals: Set<PublicKey>
  }

  private let chainTag: ChainTag
  private let length: UInt64
  /// By epoch, up to the newest whose beginning is final.
  private var sets: [ValidatorSet]
  private var open: [Open] = []
  private var approved: [ValidatorsProposal] = []
  /// The set has changed: with the next event, every open proposal is weighed anew.
  private var isReweighed = false
  /// Changes that came into force.
  private(set) var changes: UInt64 = 0

  /// - Parameters:
  ///   - epochLength: blocks.
  ///   - genesis: the set of the first epoch.
  init(chainTag: ChainTag, epochLength: UInt32, genesis: ValidatorSet) {
    self.chainTag = chainTag
    length = UInt64(epochLength)
    sets = [genesis]
  }

  var newest: ValidatorSet { sets[sets.count - 1] }
  var newestEpoch: Epoch { Epoch(UInt64(sets.count - 1)) }

  /// The first height of the last epoch for which a change is approved.
  var lastPlanned: UInt64? { approved.filter { $0.base == newest.hash }.map { $0.effectiveEpoch.rawValue * length + 1 }.max() }

  func set(of epoch: Epoch, now: UInt64) throws(Failure) -> ValidatorSet {
    guard epoch <= newestEpoch else {
      throw Failure(kind: .membership, milliseconds: now, detail: "epoch \(epoch.rawValue) has not begun: its set is not known")
    }
    return sets[Int(epoch.rawValue)]
  }

  /// A vote that an honest node lets go.
  func released(_ vote: SignedVote, now: UInt64) throws(Failure) {
    guard try set(of: vote.vote.epoch, now: now).index(of: vote.publicKey) == nil else { return }
    throw Failure(kind: .membership, milliseconds: now, detail: "\(VoteDiscipline.text(vote)): the key is not in the set of the epoch")
  }

  /// Boundaries that an honest node tells another.
  func shown(_ boundaries: [Boundary], now: UInt64) throws(Failure) {
    for boundary in boundaries {
      let epoch = Epoch(boundary.header.height.rawValue / length)
      let next = try set(of: epoch, now: now)
      guard boundary.nextSet.isEmpty ? next == (try set(of: Epoch(epoch.rawValue - 1), now: now)) : boundary.nextSet == next.encoded else {
        throw Failure(kind: .membership, milliseconds: now, detail: "a boundary names another set for epoch \(epoch.rawValue)")
      }
    }
  }

  /// The chain has one block more.
  mutating func extended(_ block: Block, now: UInt64) throws(Failure) {
    let header = block.header, current = newest, height = header.height.rawValue
    func broken(_ what: String) -> Failure { Failure(kind: .membership, milliseconds: now, detail: "height \(height): \(what)") }
    guard header.validatorsHash == current.hash else { throw broken("validators_hash is not that of the set in force") }
    let isLast = height % length == 0
    // What the last block itself decides comes too late for the next epoch.
    let next = isLast ? approved.first { $0.effectiveEpoch.rawValue == height / length && $0.base == current.hash }?.next ?? current : current
    guard header.nextValidatorsHash == next.hash else { throw broken("next_validators_hash is not that of what a quorum has approved") }
    for position in 0..<Int(header.eventCount) { if let (id, signer, act) = try act(block, position, broken) { try count(id, signer, act, height, broken) } }
    guard isLast else { return }
    sets.append(next)
    open.removeAll { $0.proposal.effectiveEpoch.rawValue <= height / length }
    approved.removeAll { $0.effectiveEpoch.rawValue <= height / length }
    if next != current { (isReweighed, changes) = (true, changes + 1) }
  }

  private func act(_ block: Block, _ position: Int, _ broken: (String) -> Failure) throws(Failure) -> (EventID, PublicKey, GovernanceAct)? {
    let offset = block.offsets[position], record = block.body.bytes.extracting(offset..<block.offsets[position + 1])
    do throws(FormatError) {
      let parsed = try Record(parsing: record)
      let statement = parsed.entry.statement
      guard statement.contentType.isGovernance else { return nil }
      let body = record.extracting(Entry.byteCount + Record.saltByteCount..<record.byteCount)
      return (parsed.id, statement.signer, try GovernanceAct(decoding: body, type: statement.contentType))
    } catch { throw broken("event \(position): \(error)") }
  }

  private mutating func count(_ id: EventID, _ signer: PublicKey, _ act: GovernanceAct, _ height: UInt64, _ broken: (String) -> Failure) throws(Failure) {
    guard newest.index(of: signer) != nil else { throw broken("a governance event of \(signer), who is no validator") }
    var touched: EventID?
    switch act {
    case .proposeValidators(let proposal):
      guard proposal.isAccepted(by: newest, chainTag: chainTag) else { throw broken("a proposed set without the consent of its new keys") }
      guard height / length < proposal.effectiveEpoch.rawValue else { break }
      open.append(Open(id: id, proposal: proposal, approvals: [signer]))
      touched = id
    case .decide(let decision):
      guard let place = open.firstIndex(where: { $0.id == decision.proposal }) else { break }
      switch decision.verdict {
      case .approve: open[place].approvals.insert(signer)
      case .withdraw: open[place].approvals.remove(signer)
      }
      touched = decision.proposal
    default: throw broken("an act that nobody has planned")
    }
    let weighed = open.filter { isReweighed || $0.id == touched }
    isReweighed = false
    for entry in weighed where height / length < entry.proposal.effectiveEpoch.rawValue {
      let power = newest.validators.reduce(UInt64(0)) { $0 + (entry.approvals.contains($1.publicKey) ? $1.power : 0) }
      guard 3 * power > 2 * newest.totalPower else { continue }
      approved.append(entry.proposal)
      open.removeAll { $0.id == entry.id }
    }
  }

  /// What a store has kept of the changes leads from the set of genesis to that of its head, proven by the certificates in it.
  /// - Returns: the number of handoffs.
  func verify(_ store: some LedgerStore, node: Int, now: UInt64) throws(Failure) -> Int {
    func broken(_ what: String) -> Failure { Failure(kind: .membership, milliseconds: now, detail: "node \(node): \(what)") }
    do {
      let handoffs = try store.handoffs(from: Height(0), countMax: sets.count)
      var set = sets[0]
      for handoff in handoffs {
        do throws(HandoffError) { try handoff.verify(from: set, epochLength: UInt32(length)) } catch {
          throw broken("the handoff at height \(handoff.header.height.rawValue) proves nothing: \(error)")
        }
        set = handoff.next
        guard set == sets[Int(handoff.header.height.rawValue / length)] else {
          throw broken("the handoff at height \(handoff.header.height.rawValue) leads to another set")
        }
      }
      guard set.hash == store.head.nextValidatorsHash else { throw broken("its handoffs do not lead to the set of its head") }
      return handoffs.count
    } catch let failure as Failure { throw failure } catch { throw broken("its handoffs cannot be read: \(error)") }
  }
}
