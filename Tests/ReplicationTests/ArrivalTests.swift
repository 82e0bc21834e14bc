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

/// One of four validators, and a proposal whose events come in unusual ways. The test is everybody else, and a disk that is done at once.
private final class Table {
  private static let tag = ChainTag(Bytes16(1, 2))
  private static let keys = (1...4).map { SigningKey(seed: Bytes32(repeating: $0)) }
  private static let author = SigningKey(seed: Bytes32(repeating: 100))
  let replica: Replica
  let block: Block
  let proposal: Consensus.Proposal
  let ids: [EventID]
  /// Connections to the leader of the view and to another validator.
  let leader = PeerLink(1), other = PeerLink(2)
  private(set) var sent: [ReplicaMessage] = []
  private(set) var penalised: [PeerLink] = []
  private static let now = Times(monotonic: Instant(milliseconds: 1_700_000_000_000), wall: Timestamp(milliseconds: 1_700_000_000_000))

  init() throws {
    let set = try ValidatorSet(Self.keys.enumerated().map { Validator(publicKey: $1.publicKey, cosignerKey: $1.publicKey, power: 1, name: "v\($0)") })
    let parameters = ChainParameters()
    let genesis = BlockHeader(
      eventCount: 0, chainTag: Self.tag, height: Height(0), timestamp: Timestamp(milliseconds: 5), treeSize: 0, parentHash: .zero, eventsRoot: .empty,
      treeRoot: .empty, historyRoot: .empty, validatorsHash: set.hash, nextValidatorsHash: set.hash, parametersHash: parameters.hash,
      proposer: PublicKey(Bytes32()))
    let governance = GovernanceState(chainID: "test", chainTag: Self.tag, validators: set, parameters: parameters, signers: .empty)
    func chain() -> Chain { Chain(tip: ChainTip(header: genesis, tree: MountainRange(), history: MountainRange(), governance: governance), seed: 1) }
    func start(_ key: SigningKey) throws -> Replica {
      let state = try RestoredState(chain: chain(), journal: .records([]), from: MemoryStore(genesis: genesis))
      let options = Replica.Options(machine: .init(chainTag: Self.tag), origin: "test/chain", seed: Bytes32(repeating: 5))
      return Replica(state, pool: EventPool(limits: PoolLimits(), seed: 9), key: key, options: options, now: Self.now.monotonic)
    }
    // Who leads the first view is the schedule's choice; this node is another.
    let leading = set.validators[try start(Self.keys[0]).machine.leader].publicKey
    let others = Self.keys.filter { $0.publicKey != leading }
    let leaderKey = try #require(Self.keys.first { $0.publicKey == leading })
    replica = try start(others[0])

    var (records, ids): ([UInt8], [EventID]) = ([], [])
    for number in 0..<4 as Range<UInt64> {
      let blob = [UInt8](repeating: 1, count: 16) + Array("body \(number)".utf8)
      let statement = Statement(
        flags: [], contentType: .opaque, bodyLength: UInt32(blob.count - 16), timestamp: Self.now.wall, stream: 1, sequence: number, chainTag: Self.tag,
        signer: Self.author.publicKey, bodyDigest: SHA256.hash(blob))
      ids.append(EventID(SHA256.hash(statement.encoded)))
      records += Entry(statement: statement, signature: Self.author.sign(statement.encoded.bytes)).encoded + blob
    }
    self.ids = ids
    let candidate = try chain().build(on: chain().tip, records: records, timestamp: Self.now.wall, proposer: leading)
    block = candidate.block
    let vote = Vote(
      kind: .notarise, chainTag: Self.tag, epoch: Epoch(0), view: View(1), parentView: View(0), height: Height(1), blockHash: candidate.block.hash)
    proposal = Consensus.Proposal(vote: SignedVote(signing: vote, with: leaderKey), block: BlockReference(candidate.block.header, hash: candidate.block.hash))
    perform { $0.start(now: $1, &$2) }
    perform { $0.peerUp(self.leader, PeerFacts(validator: leading), now: $1, &$2) }
    perform { $0.peerUp(self.other, PeerFacts(validator: others[1].publicKey), now: $1, &$2) }
  }

  private func perform(_ action: (Replica, Times, inout [ReplicaEffect]) -> Void) {
    var effects: [ReplicaEffect] = []
    action(replica, Self.now, &effects)
    for effect in effects {
      switch effect {
      case .journal(_, let through): perform { $0.journalSynced(through, now: $1, &$2) }
      case .store(let block): perform { $0.stored(block.hash, now: $1, &$2) }
      case .send(let message, _): sent.append(message)
      case .penalise(let peer, _): penalised.append(peer)
      case .halt(let reason): Issue.record("halted: \(reason)")
      default: continue
      }
    }
  }

  func receive(_ message: ReplicaMessage, from peer: PeerLink) { perform { $0.received(message, from: peer, now: $1, &$2) } }

  /// The proposal's message with the first record's body altered: the header, and so the hash, are those of the block.
  var spoiled: [UInt8] {
    var body = block.body
    body[block.offsets[1] - 1] ^= 1
    return body
  }

  var hasVoted: Bool { sent.contains { if case .consensus(.vote(let vote)) = $0 { vote.vote.kind == .notarise && vote.vote.blockHash == block.hash } else { false } } }
  var hasAskedForEvents: Bool { sent.contains { if case .getEvents(block.hash, _) = $0 { true } else { false } } }
  var hasAskedForBlock: Bool { sent.contains { if case .getBlock(block.hash) = $0 { true } else { false } } }
}

@Suite struct ArrivalTests {
  @Test func aProposalWithItsBodyIsVotedFor() throws {
    let table = try Table()
    table.receive(.propose(table.proposal, table.block.header, .body(table.block.body)), from: table.leader)
    #expect(table.hasVoted && table.penalised.isEmpty)
  }

  /// What was asked for comes with the proposal itself, said again: nothing else would ever take it up.
  @Test(arguments: [true, false])
  func aProposalSaidAgainBringsWhatWasMissing(isWhole: Bool) throws {
    let table = try Table()
    table.receive(.propose(table.proposal, table.block.header, .ids(table.ids, records: [])), from: table.leader)
    #expect(table.hasAskedForEvents && !table.hasVoted)
    let contents: BlockContents = isWhole ? .body(table.block.body) : .ids(table.ids, records: table.block.body)
    table.receive(.propose(table.proposal, table.block.header, contents), from: table.leader)
    #expect(table.hasVoted && table.penalised.isEmpty)
  }

  /// A leader gives one validator other bytes than the others: they are asked, and the block is as good as it is.
  @Test func wrongBytesOfTheLeaderSayNothingAboutTheBlock() throws {
    let table = try Table()
    table.receive(.propose(table.proposal, table.block.header, .body(table.spoiled)), from: table.leader)
    #expect(!table.hasVoted && table.hasAskedForBlock && table.penalised == [table.leader])
    table.receive(.block(table.block), from: table.other)
    #expect(table.hasVoted)
  }

  /// A peer that is not the leader repeats the leader's proposal with other bytes, while the right ones are awaited.
  @Test func wrongBytesOfAnotherPeerSayNothingEither() throws {
    let table = try Table()
    table.receive(.propose(table.proposal, table.block.header, .ids(table.ids, records: [])), from: table.leader)
    table.receive(.propose(table.proposal, table.block.header, .body(table.spoiled)), from: table.other)
    #expect(!table.hasVoted && !table.hasAskedForBlock && table.penalised.isEmpty, "only the leader's own word on the contents counts")
    table.receive(.block(try Block(header: table.block.header, body: table.spoiled)), from: table.other)
    #expect(!table.hasVoted && table.penalised.contains(table.other))
    table.receive(.block(table.block), from: table.leader)
    #expect(table.hasVoted)
  }

  /// A peer repeats the leader's proposal with names of its own: the leader's records are not taken for wrong ones.
  @Test func namesOfAnotherPeerDoNotCoverTheLeaders() throws {
    let table = try Table()
    table.receive(.propose(table.proposal, table.block.header, .ids(table.ids, records: [])), from: table.leader)
    table.receive(.propose(table.proposal, table.block.header, .ids(table.ids.map { EventID(SHA256.hash($0.digest.bytes.array)) }, records: [])), from: table.other)
    table.receive(.blockEvents(block: table.block.hash, records: table.block.body), from: table.leader)
    #expect(table.hasVoted && table.penalised.isEmpty)
  }

  /// Records that nobody asked this peer for say nothing, and wrong ones of the leader are its fault: then the block is asked for as a whole.
  @Test func recordsCountFromWhomTheyWereAskedOf() throws {
    let table = try Table()
    let wrong = Array(table.block.body[..<table.block.offsets[1]])
    table.receive(.propose(table.proposal, table.block.header, .ids(Array(table.ids.reversed().prefix(3)) + [EventID(.zero)], records: [])), from: table.leader)
    table.receive(.blockEvents(block: table.block.hash, records: wrong), from: table.other)
    #expect(table.penalised.isEmpty && !table.hasAskedForBlock)
    table.receive(.blockEvents(block: table.block.hash, records: wrong), from: table.leader)
    #expect(table.penalised == [table.leader] && table.hasAskedForBlock)
    table.receive(.block(table.block), from: table.other)
    #expect(table.hasVoted)
  }

  /// A record of another chain in bytes that are not the block's does not make the block invalid.
  @Test func aForgedBlockIsItsSendersFault() throws {
    let table = try Table()
    table.receive(.propose(table.proposal, table.block.header, .ids(table.ids, records: [])), from: table.leader)
    var body = table.block.body
    body[48] ^= 1
    table.receive(.block(try Block(header: table.block.header, body: body)), from: table.other)
    #expect(!table.hasVoted && table.penalised == [table.other] && table.hasAskedForBlock)
    table.receive(.block(table.block), from: table.leader)
    #expect(table.hasVoted)
  }
}
