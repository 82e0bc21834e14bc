import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Ledger
import Mempool
import Merkle
import Replication
import Testing

/// One of four validators; the test is its peers, all of them connected.
private final class Court {
  static let tag = ChainTag(Bytes16(1, 2))
  static let keys = (1...4).map { SigningKey(seed: Bytes32(repeating: $0)) }
  let replica: Replica
  let links = [PeerLink(1), PeerLink(2), PeerLink(3)]
  private(set) var sent: [(pieces: [Evidence], to: PeerLink)] = []
  private(set) var penalised: [PeerLink] = []
  private(set) var reported: [Evidence] = []
  private var milliseconds: UInt64 = 1_700_000_000_000
  private var timer = Instant.distantFuture

  /// - Parameter old: position of a peer that speaks version 1 of the protocol.
  init(_ evidence: [Evidence] = [], old: Int? = nil) throws {
    let set = try ValidatorSet(Self.keys.enumerated().map { Validator(publicKey: $1.publicKey, cosignerKey: $1.publicKey, power: 1, name: "v\($0)") })
    let parameters = ChainParameters()
    let genesis = BlockHeader(
      eventCount: 0, chainTag: Self.tag, height: Height(0), timestamp: Timestamp(milliseconds: 5), treeSize: 0, parentHash: .zero, eventsRoot: .empty,
      treeRoot: .empty, historyRoot: .empty, validatorsHash: set.hash, nextValidatorsHash: set.hash, parametersHash: parameters.hash,
      proposer: PublicKey(Bytes32()))
    let governance = GovernanceState(chainID: "test", chainTag: Self.tag, validators: set, parameters: parameters, signers: .empty)
    let chain = Chain(tip: ChainTip(header: genesis, tree: MountainRange(), history: MountainRange(), governance: governance), seed: 1)
    var state = try RestoredState(chain: chain, journal: .records([]), from: MemoryStore(genesis: genesis))
    state.evidence = evidence
    let options = Replica.Options(machine: .init(chainTag: Self.tag), origin: "test/chain", seed: Bytes32(repeating: 5))
    replica = Replica(state, pool: EventPool(limits: PoolLimits(), seed: 9), key: Self.keys[0], options: options, now: Instant(milliseconds: milliseconds))
    perform { $0.start(now: $1, &$2) }
    for (index, link) in links.enumerated() {
      let facts = PeerFacts(validator: Self.keys[index + 1].publicKey, speaksVersion2: index != old)
      perform { $0.peerUp(link, facts, now: $1, &$2) }
    }
  }

  private func perform(_ action: (Replica, Times, inout [ReplicaEffect]) -> Void) {
    var effects: [ReplicaEffect] = []
    action(replica, Times(monotonic: Instant(milliseconds: milliseconds), wall: Timestamp(milliseconds: milliseconds)), &effects)
    for effect in effects {
      switch effect {
      case .journal(_, let through): perform { $0.journalSynced(through, now: $1, &$2) }
      case .send(.evidence(let pieces), .peer(let link)): sent.append((pieces, link))
      case .send(.evidence, _): Issue.record("evidence goes to single peers")
      case .penalise(let link, _): penalised.append(link)
      case .evidence(let piece, isKept: true): reported.append(piece)
      case .setTimer(let instant): timer = instant
      default: continue
      }
    }
  }

  func receive(_ message: ReplicaMessage, from link: PeerLink) { perform { $0.received(message, from: link, now: $1, &$2) } }

  /// Lets time pass, with the timers that were asked for.
  func wait(milliseconds count: UInt64) {
    let end = milliseconds + count
    while timer <= Instant(milliseconds: end) {
      milliseconds = max(milliseconds + 1, timer.milliseconds)
      timer = .distantFuture
      perform { $0.timer(now: $1, &$2) }
    }
    milliseconds = end
  }

  func pieces(to link: PeerLink) -> [Evidence] { sent.filter { $0.to == link }.flatMap(\.pieces) }

  static func piece(_ key: SigningKey, view: UInt64 = 3, blocks: (UInt8, UInt8) = (1, 2), tag: ChainTag = Court.tag) throws -> Evidence {
    func vote(_ block: UInt8) -> SignedVote {
      SignedVote(
        signing: Vote(
          kind: .notarise, chainTag: tag, epoch: Epoch(0), view: View(view), parentView: View(0), height: Height(1), blockHash: SHA256.hash([block])), with: key)
    }
    return try #require(Evidence(vote(blocks.0), vote(blocks.1)))
  }
}

@Suite struct EvidenceGossipTests {
  @Test func whatAPeerProvesIsKeptAndGoesOnOnce() throws {
    let court = try Court(), piece = try Court.piece(Court.keys[3])
    court.receive(.evidence([piece]), from: court.links[0])
    #expect(court.replica.evidence == [piece] && court.reported == [piece] && court.penalised.isEmpty)
    #expect(court.pieces(to: court.links[0]).isEmpty && court.pieces(to: court.links[1]) == [piece] && court.pieces(to: court.links[2]) == [piece])
    // Again, from others, and the other way round: nothing new.
    let turned = try #require(Evidence(piece.second, piece.first))
    for link in court.links { court.receive(.evidence([piece, turned]), from: link) }
    court.wait(milliseconds: 10_000)
    #expect(court.replica.evidence == [piece] && court.sent.count == 2)
  }

  @Test func whatItSeesItselfIsPassedOn() throws {
    let court = try Court(), piece = try Court.piece(Court.keys[2], view: 1)
    court.receive(.consensus(.vote(piece.first)), from: court.links[1])
    court.receive(.consensus(.vote(piece.second)), from: court.links[1])
    #expect(court.replica.evidence == [piece])
    #expect(court.links.allSatisfy { court.pieces(to: $0) == [piece] })
  }

  @Test func badSignaturesArePenalisedAndStrangersIgnored() throws {
    let court = try Court(), good = try Court.piece(Court.keys[3])
    let stranger = try Court.piece(SigningKey(seed: Bytes32(repeating: 50)))
    court.receive(.evidence([stranger]), from: court.links[0])
    #expect(court.replica.evidence.isEmpty && court.penalised.isEmpty)
    for isFirst in [true, false] {
      let wrong = SignedVote(vote: isFirst ? good.first.vote : good.second.vote, publicKey: good.signer, signature: Signature(Bytes64(repeating: 7)))
      let forged = try #require(isFirst ? Evidence(wrong, good.second) : Evidence(good.first, wrong))
      court.receive(.evidence([forged]), from: court.links[isFirst ? 0 : 1])
    }
    #expect(court.penalised == [court.links[0], court.links[1]] && court.replica.evidence.isEmpty && court.sent.isEmpty)
    #expect(throws: FormatError.self) {
      let bytes = try Court.piece(Court.keys[3], tag: ChainTag(Bytes16(9, 9))).encoded
      _ = try ReplicaMessage(type: ReplicaMessageType.evidence, decoding: bytes.bytes, chainTag: Court.tag)
    }
  }

  /// A guilty validator can sign as many contradictions as it likes.
  @Test func aFloodIsNeitherKeptNorPassedOn() throws {
    let court = try Court()
    for view in 0..<40 as Range<UInt64> {
      court.receive(.evidence(try (0..<30).map { try Court.piece(Court.keys[3], view: 1 + view * 30 + $0) }), from: court.links[0])
      court.wait(milliseconds: 100)
    }
    court.wait(milliseconds: 60_000)
    #expect(court.replica.evidence.count == ReplicationLimit.evidenceRelayed && court.penalised.isEmpty)
    for link in court.links { #expect(court.pieces(to: link).count <= ReplicationLimit.evidenceRelayed) }
    #expect(court.pieces(to: court.links[1]).count == ReplicationLimit.evidenceRelayed)
    // Somebody else's first piece still is.
    let other = try Court.piece(Court.keys[2])
    court.receive(.evidence([other]), from: court.links[1])
    court.wait(milliseconds: 10_000)
    #expect(court.replica.evidence.last == other && court.pieces(to: court.links[2]).last == other)
  }

  @Test func messagesKeepTheirPace() throws {
    let court = try Court()
    for view in 1...3 as ClosedRange<UInt64> { court.receive(.evidence([try Court.piece(Court.keys[3], view: view)]), from: court.links[0]) }
    // The first left at once, the others leave together when the pace allows.
    #expect(court.sent.filter { $0.to == court.links[1] }.map(\.pieces.count) == [1])
    court.wait(milliseconds: ReplicationLimit.evidenceMilliseconds)
    #expect(court.sent.filter { $0.to == court.links[1] }.map(\.pieces.count) == [1, 2])
  }

  @Test func whoConnectsIsShownOnePieceOfEveryGuiltyMember() throws {
    let known = [
      try Court.piece(Court.keys[3], view: 1), try Court.piece(Court.keys[3], view: 2), try Court.piece(SigningKey(seed: Bytes32(repeating: 50))),
      try Court.piece(Court.keys[2], view: 9),
    ]
    let court = try Court(known)
    for link in court.links { #expect(court.pieces(to: link) == [known[0], known[3]]) }
  }

  /// A peer of the release before would take the message for a violation.
  @Test func peersOfAnOlderProtocolAreSpared() throws {
    let shown = try Court([try Court.piece(Court.keys[3], view: 1)], old: 0), piece = try Court.piece(Court.keys[2], view: 1)
    shown.receive(.evidence([piece]), from: shown.links[2])
    shown.wait(milliseconds: 10_000)
    #expect(shown.pieces(to: shown.links[0]).isEmpty)
    #expect(shown.pieces(to: shown.links[1]).count == 2 && shown.replica.evidence.count == 2)
  }
}
