import Ambient
public import Audit
public import Consensus
import Digests
public import Ed25519
import Ledger

/// What the handshake has shown of a peer.
public struct PeerFacts: Hashable, Sendable {
  /// The validator key that the peer has proved to hold.
  public var validator: PublicKey?
  /// The head that it claims.
  public var head: Height
  /// From where on it says to hold bodies.
  public var earliestBodyHeight: Height
  /// It speaks version 2 of the protocol, which has blocks without bodies, and evidence.
  public var speaksVersion2: Bool
  /// It speaks version 3, which has lists of the parts of snapshots.
  public var speaksVersion3: Bool
  public init(
    validator: PublicKey?, head: Height = Height(0), earliestBodyHeight: Height = Height(1), speaksVersion2: Bool = true, speaksVersion3: Bool = true
  ) {
    (self.speaksVersion2, self.speaksVersion3) = (speaksVersion2, speaksVersion2 && speaksVersion3)
    self.validator = validator
    self.head = head
    self.earliestBodyHeight = earliestBodyHeight
  }
}

/// A connected peer.
struct Peer: Sendable {
  let link: PeerLink
  let validator: PublicKey?
  /// It understands blocks without bodies, and evidence.
  let speaksVersion2: Bool
  /// What it claims: steers whom to ask, and is never believed.
  var head: Height
  /// Store look-ups that are made for it.
  var loads = 0
  /// When it was told last, in answer to its own word, where this node stands.
  var statusAnswered: Instant?
  /// Pieces of evidence that it may bring, in thousandths, and when that was.
  private var evidenceLeft = ReplicationLimit.evidenceBurst * 1000
  private var evidenceSince: Instant?
  /// The largest size that it has cosigned.
  var cosigned: UInt64 = 0

  // Gossip.
  /// The relay log up to here was sent to it.
  var place: UInt64
  /// Bytes of events sent to it, and those of them that it has taken in.
  var sent: UInt64 = 0
  var taken: UInt64 = 0
  /// `taken` at the last rebroadcast.
  var takenBefore: UInt64 = 0
  var nextGossip = Instant.zero
  /// Bytes of events received from it, those of them that were taken in, and how many it was told of.
  var received: UInt64 = 0
  var processed: UInt64 = 0
  var reported: UInt64 = 0

  init(link: PeerLink, _ facts: PeerFacts, place: UInt64) {
    (self.link, validator, head, speaksVersion2, self.place) = (link, facts.validator, facts.head, facts.speaksVersion2, place)
  }

  /// Takes one piece of evidence from its allowance.
  mutating func mayBringEvidence(_ now: Instant) -> Bool {
    if let evidenceSince, now > evidenceSince {
      let credit = min(now.milliseconds(since: evidenceSince) * 1000 / ReplicationLimit.evidenceMilliseconds, UInt64(ReplicationLimit.evidenceBurst) * 1000)
      evidenceLeft = min(ReplicationLimit.evidenceBurst * 1000, evidenceLeft + Int(credit))
    }
    evidenceSince = now
    guard evidenceLeft >= 1000 else { return false }
    evidenceLeft -= 1000
    return true
  }

  /// Less is under way to it than it may have.
  var mayTake: Bool { sent - taken < UInt64(ReplicationLimit.gossipWindowBytes) }
}

extension Replica {
  public func peerUp(_ link: PeerLink, _ facts: PeerFacts, now: Times, _ effects: inout [ReplicaEffect]) {
    peers.append(Peer(link: link, facts, place: log.begin))
    sync.peerUp(link, head: facts.head, earliestBodyHeight: facts.earliestBodyHeight, speaksVersion2: facts.speaksVersion2, speaksVersion3: facts.speaksVersion3)
    backfill.peerUp()
    step(.peerUp(link, validator: facts.validator), now, &effects)
    if let own = cosignatures.own?.cosignature { effects.append(.send(.cosignature(own), to: .peer(link))) }
    showEvidence(link, &effects)
    synchronise(now, &effects)
    finish(now, &effects)
  }

  public func peerDown(_ link: PeerLink, now: Times, _ effects: inout [ReplicaEffect]) {
    peers.removeAll { $0.link == link }
    // It is sent again on the next connection.
    backlog.removeAll { $0.peer == link }
    sync.peerDown(link)
    backfill.peerDown(link)
    boundaries.peerDown(link)
    search?.peerDown(link)
    cosignatures.peerDown(link)
    // Whoever was asked is gone: somebody else is asked at once.
    for index in arrivals.indices where arrivals[index].asked == link && arrivals[index].block == nil { arrivals[index].deadline = now.monotonic }
    askAgain(now, &effects)
    step(.peerDown(link), now, &effects)
    synchronise(now, &effects)
    finish(now, &effects)
  }

  /// A decoded message of a connected peer.
  public func received(_ message: ReplicaMessage, from link: PeerLink, now: Times, _ effects: inout [ReplicaEffect]) {
    guard let index = peers.firstIndex(where: { $0.link == link }) else { return }
    switch message {
    case .consensus(let inner):
      if case .proposal = inner { return effects.append(.penalise(link, .malformed)) }
      hear(inner, index, now, &effects)
      step(.received(inner, from: link), now, &effects)
      synchronise(now, &effects)
    case .propose(let proposal, let header, let contents):
      note(proposal.vote.vote, isFinal: false, index)
      proposed(proposal, header, contents, link, now, &effects)
    case .getBlock(let hash): answerBlock(hash, link, &effects)
    case .block(let block): receivedBlock(block, link, now, &effects)
    case .getEvents(let hash, let positions): answerEvents(hash, positions, link, &effects)
    case .blockEvents(let hash, let records): receivedEvents(hash, records, link, now, &effects)
    case .events(let records): gossiped(records, index)
    case .eventsTaken(let count): peers[index].taken = max(peers[index].taken, min(count, peers[index].sent))
    case .syncRequest(let from, let blocks, let bytes): load(.range(from: from, blocksMax: blocks, bytesMax: bytes, link), &effects)
    case .syncResponse(let from, let blocks, let certificate):
      if receivedBodies(from: from, blocks, link, now, &effects) { break }
      let length = chain.parameters.epochLength
      if !sync.received(from: from, blocks, certificate, link, epochLength: length, now: now.monotonic) { effects.append(.penalise(link, .malformed)) }
      synchronise(now, &effects)
    case .historyRequest(let from, let blocks, let bytes, let anchor):
      load(.history(from: from, blocksMax: blocks, bytesMax: bytes, anchor: anchor, link), &effects)
    case .history(let from, let history) where search != nil:
      receivedSought(from: from, history, link, now, &effects)
      synchronise(now, &effects)
    case .history(let from, let history):
      let length = chain.parameters.epochLength
      if !sync.received(from: from, history, link, epochLength: length, now: now.monotonic) { effects.append(.penalise(link, .malformed)) }
      synchronise(now, &effects)
    case .part: break
    case .getParts(let from): load(.parts(from: from, link), &effects)
    case .parts(let from, let ends):
      sync.listed(from: from, ends, link)
      synchronise(now, &effects)
    case .getBoundaries(let epoch): load(.boundaries(from: epoch, countMax: ReplicationLimit.boundariesMax, link), &effects)
    case .boundaries(let list):
      if boundaries.received(list, link, head: peers[index].head), list.isEmpty { sync.strike(link, now.monotonic) }
    case .cosignature(let cosignature): receivedCosignature(cosignature, index, now, &effects)
    case .evidence(let pieces): receivedEvidence(pieces, index, now, &effects)
    }
    finish(now, &effects)
  }

  /// What a message says about how far its sender is.
  private func hear(_ message: Message, _ index: Int, _ now: Times, _ effects: inout [ReplicaEffect]) {
    let link = peers[index].link
    switch message {
    case .status(let status):
      peers[index].head = status.finalHeight
      sync.peer(link, claims: status.finalHeight, now: now.monotonic)
      answerStatus(status, index, now, &effects)
    case .vote(let vote): note(vote.vote, isFinal: false, index)
    case .certificate(let certificate):
      note(certificate.vote, isFinal: certificate.vote.kind == .finalise, index)
      guard certificate.vote.kind == .finalise else { return }
      // Finality of the head that this node has needs no further proof.
      if certificate.vote.blockHash == chain.tip.hash { sync.certify(chain.tip.header.height) }
      let isAhead = certificate.vote.epoch > machine.epoch || search != nil || sync.lacksCertificate
      if isAhead, sync.wantsProof(of: certificate.vote.height) { boundaries.shown(certificate, link) }
    case .proposal, .getCertificate, .witnessRequest, .witness: break
    }
  }

  /// Who votes in an epoch has the end of the one before, and who shows finality of a block has it or will have it.
  private func note(_ vote: Vote, isFinal: Bool, _ index: Int) {
    let (end, overflows) = vote.epoch.rawValue.multipliedReportingOverflow(by: UInt64(chain.parameters.epochLength))
    guard !overflows, end < ordinalLimit else { return }
    let height = Height(isFinal ? max(end, vote.height.rawValue) : end)
    guard height > peers[index].head else { return }
    peers[index].head = height
    sync.peer(peers[index].link, reached: height)
  }

  /// Reads from the store for a peer, a few at a time.
  func load(_ query: StoreQuery, _ effects: inout [ReplicaEffect]) {
    guard let index = peers.firstIndex(where: { $0.link == query.peer }), peers[index].loads < ReplicationLimit.loadsPerPeer else { return }
    peers[index].loads += 1
    effects.append(.load(query))
  }

  /// The store's answer to `load`.
  public func loaded(_ query: StoreQuery, _ answer: StoreAnswer, now: Times, _ effects: inout [ReplicaEffect]) {
    guard let index = peers.firstIndex(where: { $0.link == query.peer }) else { return }
    peers[index].loads -= 1
    switch answer {
    case .range(let from, let blocks, let certificate):
      // A peer of an older release cannot read a block that redactions have changed; it goes elsewhere.
      guard peers[index].speaksVersion2 || blocks.allSatisfy(\.isWhole) else {
        return effects.append(.send(.syncResponse(from: from, blocks: [], certificate: nil), to: .peer(query.peer)))
      }
      effects.append(.send(.syncResponse(from: from, blocks: blocks, certificate: certificate), to: .peer(query.peer)))
    case .history(let from, let history): effects.append(.send(.history(from: from, history), to: .peer(query.peer)))
    case .part(let from, let part): effects.append(.send(.part(from: from, part), to: .peer(query.peer)))
    case .parts(let from, let ends): effects.append(.send(.parts(from: from, ends: ends), to: .peer(query.peer)))
    case .block(let block?): effects.append(.send(.block(block), to: .peer(query.peer)))
    case .block(nil): break
    case .boundaries(let boundaries): effects.append(.send(.boundaries(boundaries), to: .peer(query.peer)))
    }
  }
}
