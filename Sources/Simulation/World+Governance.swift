import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Ledger
import Mempool
import Replication

/// A proposed set on its way.
struct Campaign {
  let id: EventID
  let proposal: ValidatorsProposal
  /// Nobody honest approves it.
  let isRefused: Bool
}

// What the operators of the validators do: they propose sets, look at what others propose, and approve what keeps a quorum.
extension World {
  static let triesMax = 40

  /// The key of somebody who runs no node.
  static let ghost = SigningKey(seed: Bytes32(99, 98, 97, 96))

  /// Proposes at a node that runs, a little later when there is none.
  mutating func propose(_ change: PlannedChange, for planned: Epoch?, triesLeft: Int) {
    guard healed == nil else { return }
    let kind = change.kind
    let able = nodes.indices.filter { index in
      guard let replica = nodes[index].replica, let key = replica.key else { return false }
      let set = replica.chain.validators
      guard let member = set.index(of: key.publicKey).map({ set.validators[$0] }) else { return false }
      guard kind == .loseQuorum else { return nodes[index].isHonest }
      // A liar's own idea, or a slip of somebody honest who is no quorum with the approvals of liars.
      let liars = power(in: set) { !$0.isHonest }
      return !nodes[index].isHonest || !set.isQuorum(liars + member.power)
    }
    guard !able.isEmpty else {
      if triesLeft > 0 { agenda.add(.propose(change, for: planned, triesLeft: triesLeft - 1), at: now.adding(milliseconds: 200)) }
      return
    }
    let proposer = random.pick(able)
    guard let replica = nodes[proposer].replica, let key = replica.key else { return }
    let state = replica.chain.tip.governance, length = UInt64(scenario.epochLength)
    let epoch = planned ?? Epoch((state.height.rawValue + random.between(6, 24)) / length + 1)
    guard let next = successor(of: state.validators, kind, leader: replica.leader) else { return }
    var acceptances: [Signature] = []
    for validator in next.validators where state.validators.index(of: validator.publicKey) == nil {
      let message = ValidatorsProposal.acceptanceMessage(validator, effectiveEpoch: epoch, chainTag: genesis.chainTag)
      guard let key = secret(of: validator.publicKey) else { return }
      acceptances.append(key.sign(message.bytes))
    }
    let proposal = ValidatorsProposal(effectiveEpoch: epoch, base: state.validators.hash, next: next, acceptances: acceptances)
    guard let id = say(.proposeValidators(proposal), at: proposer, key) else { return }
    if kind == .loseQuorum { statistics.unsafeProposals += 1 } else { statistics.proposals += 1 }
    trace("node \(proposer) proposes for epoch \(epoch.rawValue): \(kind)")
    if let rival = change.rival {
      let at = now.adding(milliseconds: random.between(1, 300))
      agenda.add(.propose(PlannedChange(at: at, kind: rival, rival: nil), for: epoch, triesLeft: 1), at: at)
    }
    campaigns.append(Campaign(id: id, proposal: proposal, isRefused: kind == .loseQuorum))
    for node in nodes.indices where node != proposer {
      agenda.add(.approve(campaign: campaigns.count - 1, node: node, triesLeft: Self.triesMax), at: now.adding(milliseconds: random.between(20, 400)))
    }
  }

  /// The operator of a node looks at its copy of the chain, and approves once the proposal is in it.
  mutating func approve(_ campaign: Int, _ index: Int, triesLeft: Int) {
    let proposal = campaigns[campaign]
    guard healed == nil, !proposal.isRefused || !nodes[index].isHonest else { return }
    if let replica = nodes[index].replica, let key = replica.key {
      let state = replica.chain.tip.governance
      if state.validators.index(of: key.publicKey) == nil || isPast(proposal, replica) { return }
      if state.open.contains(where: { $0.id == proposal.id }) {
        // One in ten has second thoughts, and third ones.
        let verdicts: [GovernanceDecision.Verdict] = random.below(10) == 0 ? [.approve, .withdraw, .approve] : [.approve]
        for verdict in verdicts { _ = say(.decide(GovernanceDecision(verdict, of: proposal.id)), at: index, key) }
        return
      }
    }
    if triesLeft > 0 { agenda.add(.approve(campaign: campaign, node: index, triesLeft: triesLeft - 1), at: now.adding(milliseconds: 100)) }
  }

  private func isPast(_ campaign: Campaign, _ replica: Replica) -> Bool {
    replica.chain.parameters.epoch(of: replica.chain.tip.header.height.next) >= campaign.proposal.effectiveEpoch
  }

  /// A governance event at a node; nil when the node does not take it.
  private mutating func say(_ act: GovernanceAct, at index: Int, _ key: SigningKey) -> EventID? {
    guard let replica = nodes[index].replica else { return nil }
    let (record, id, statement) = workload.governance(act, by: key, at: nodes[index].wall(now))
    guard case .accepted = replica.pool.admit(record.bytes, id: id, statement: statement, reactor: 0, now: now) else { return nil }
    agenda.add(.work(node: index, incarnation: nodes[index].incarnation), at: now)
    return id
  }

  // MARK: Sets

  private func secret(of key: PublicKey) -> SigningKey? {
    if key == Self.ghost.publicKey { return Self.ghost }
    for node in nodes { for own in node.keys where own.publicKey == key { return own } }
    return nil
  }

  /// The set after a change; nil when it changes nothing, or would break the assumptions of the protocol and is not meant to.
  private func successor(of set: ValidatorSet, _ kind: PlannedChange.Kind, leader: PublicKey) -> ValidatorSet? {
    var members = set.validators
    func place(_ node: Int) -> Int? { members.firstIndex { member in nodes[node].keys.contains { $0.publicKey == member.publicKey } } }
    switch kind {
    case .removeLeader: members.removeAll { $0.publicKey == leader }
    case .remove(let node):
      guard let place = place(node) else { return nil }
      members.remove(at: place)
    case .add(let node, let power):
      guard place(node) == nil, let key = nodes[node].key?.publicKey else { return nil }
      members.append(Validator(publicKey: key, cosignerKey: key, power: power, name: "v\(node + 1)"))
    case .rotate(let node):
      guard let place = place(node), let key = nodes[node].nextKey?.publicKey, members[place].publicKey != key else { return nil }
      members[place].publicKey = key
      members[place].cosignerKey = key
    case .power(let node, let power):
      guard let place = place(node), members[place].power != power else { return nil }
      members[place].power = power
    case .loseQuorum:
      let key = Self.ghost.publicKey
      members.append(Validator(publicKey: key, cosignerKey: key, power: set.totalPower, name: "ghost"))
    }
    guard let next = try? ValidatorSet(members), next != set, kind == .loseQuorum || keepsQuorum(next) else { return nil }
    return next
  }

  private func power(in set: ValidatorSet, _ isCounted: (SimulatedNode) -> Bool) -> UInt64 {
    set.validators.reduce(0) { sum, member in
      // Twins share a key: the first of them stands for both.
      guard let node = nodes.first(where: { node in node.keys.contains { $0.publicKey == member.publicKey } }), isCounted(node) else { return sum }
      return sum + member.power
    }
  }

  /// Those who lie, will be gone, or will have lost the chain or the time are few enough in the set, and those free to vote are a quorum of it.
  private func keepsQuorum(_ set: ValidatorSet) -> Bool {
    guard set.count >= 3 else { return false }
    let tolerated = (set.totalPower - 1) / 3
    let failed = scenario.roles.map(\.node) + scenario.dead
    for weak in [scenario.wiped, scenario.jumped] where power(in: set, { failed.contains($0.index) || weak.contains($0.index) }) > tolerated { return false }
    return set.isQuorum(freePower(in: set, besides: nil))
  }

  /// Power of those who are honest, alive in the end and not barred from voting.
  private func freePower(in set: ValidatorSet, besides index: Int?) -> UInt64 {
    power(in: set) { $0.isHonest && !$0.isRestricted && !scenario.dead.contains($0.index) && $0.index != index }
  }

  /// Recovery needs witnesses of a quorum who are free: now, and in every set that may be in force before it is over.
  func mayLoseJournal(_ index: Int) -> Bool {
    let current = setLaws.newest
    let coming = campaigns.filter { !$0.isRefused && $0.proposal.effectiveEpoch.rawValue >= setLaws.newestEpoch.rawValue }.map(\.proposal.next)
    func isMember(_ set: ValidatorSet) -> Bool { nodes[index].keys.contains { set.index(of: $0.publicKey) != nil } }
    return isMember(current) && (coming + [current]).allSatisfy { !isMember($0) || $0.isQuorum(freePower(in: $0, besides: index)) }
  }

  // MARK: Keys

  /// Peers know which key a node votes with from the handshake: with another key it connects anew.
  mutating func rekey(_ index: Int) {
    trace("node \(index) votes with another key")
    statistics.rotations += 1
    for other in nodes.indices where nodes[index].links[other] != nil { breakLink(index, other, milliseconds: random.between(1, 50)) }
  }
}
