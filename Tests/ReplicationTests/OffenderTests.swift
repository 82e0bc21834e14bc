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
import Verification

/// A node that only follows, before the first block, and what it asks for.
final class Follower {
  let replica: Replica
  let genesis: BlockHeader
  var now = Instant(milliseconds: 1_700_000_000_000)
  /// Penalties, in order.
  var penalised: [PeerLink] = []
  /// Peers that were told that their records were taken in.
  var taken: [PeerLink] = []
  private let keys = (0..<4).map { SigningKey(seed: Bytes32(repeating: UInt8(100 + $0))) }
  private var sequence: UInt64 = 0

  init() throws {
    let validator = SigningKey(seed: Bytes32(repeating: 3)).publicKey
    let set = try ValidatorSet([Validator(publicKey: validator, cosignerKey: validator, power: 1, name: "v1")])
    let parameters = ChainParameters()
    genesis = BlockHeader(
      eventCount: 0, chainTag: ChainTag(Bytes16(1, 2)), height: Height(0), timestamp: Timestamp(milliseconds: 5), treeSize: 0, parentHash: .zero,
      eventsRoot: .empty, treeRoot: .empty, historyRoot: .empty, validatorsHash: set.hash, nextValidatorsHash: set.hash,
      parametersHash: parameters.hash, proposer: PublicKey(Bytes32()))
    let store = MemoryStore(genesis: genesis)
    let governance = GovernanceState(chainID: "test", chainTag: genesis.chainTag, validators: set, parameters: parameters, signers: .empty)
    let tip = ChainTip(header: genesis, tree: MountainRange(), history: MountainRange(), governance: governance)
    var limits = PoolLimits()
    limits.eventsMax = 20_000
    limits.perSignerPercent = 100
    let options = Replica.Options(machine: .init(chainTag: genesis.chainTag), origin: "test/chain", seed: Bytes32(repeating: 5))
    replica = Replica(
      try RestoredState(chain: Chain(tip: tip, seed: 1), journal: .records([]), from: store), pool: EventPool(limits: limits, seed: 9), key: nil, options: options,
      now: now)
    perform { $0.start(now: $1, &$2) }
  }

  private var times: Times { Times(monotonic: now, wall: Timestamp(milliseconds: now.milliseconds)) }

  func perform(_ action: (Replica, Times, inout [ReplicaEffect]) -> Void) {
    var effects: [ReplicaEffect] = []
    action(replica, times, &effects)
    for effect in effects {
      switch effect {
      case .penalise(let peer, .badSignature): penalised.append(peer)
      case .send(.eventsTaken, .peer(let peer)): taken.append(peer)
      default: continue
      }
    }
  }

  func connect(_ peer: UInt64) { perform { $0.peerUp(PeerLink(peer), PeerFacts(validator: nil), now: $1, &$2) } }
  func hear(_ records: [UInt8], from peer: UInt64) { perform { $0.received(.events(records), from: PeerLink(peer), now: $1, &$2) } }
  func collect() { perform { $0.collect(now: $1, &$2) } }

  /// Records of fresh events, concatenated; the signatures of bad ones are those of something else.
  func records(_ count: Int, areBad: Bool = false) -> [UInt8] {
    var records: [UInt8] = []
    for _ in 0..<count {
      sequence += 1
      let key = keys[Int(sequence % 4)]
      let blob = [UInt8](repeating: 1, count: 16) + Array("body \(sequence)".utf8)
      let statement = Statement(
        flags: [], contentType: .opaque, bodyLength: UInt32(blob.count - 16), timestamp: Timestamp(milliseconds: now.milliseconds), stream: 1,
        sequence: sequence, chainTag: genesis.chainTag, signer: key.publicKey, bodyDigest: SHA256.hash(blob))
      let signature = areBad ? key.sign([1].bytes) : key.sign(statement.encoded.bytes)
      records += Entry(statement: statement, signature: signature).encoded + blob
    }
    return records
  }
}

/// Peers that pass on what they cannot have verified.
@Suite struct OffenderTests {
  /// One penalty for all bad signatures of a turn; from then on the offender's records take a little of each turn, and those of others pass them by.
  @Test func whoRelaysBadSignaturesIsPenalisedAndHoldsNobodyUp() throws {
    let follower = try Follower()
    for peer in 1...3 as ClosedRange<UInt64> { follower.connect(peer) }
    follower.hear(follower.records(40, areBad: true), from: 1)
    follower.hear(follower.records(60), from: 2)
    follower.collect()
    #expect(follower.penalised == [PeerLink(1)])
    #expect(follower.replica.pool.load.events == 60)
    let first = follower.replica.signatureFacts(now: follower.now)
    #expect(first.refused == 40 && first.quarantined == 1)
    // The batch of two sources took two combinations to tell them apart; the others were in no more.
    #expect(first.combinations <= 2 + 39)

    // The driver may have to keep it, when a quorum hangs on it.
    follower.hear(follower.records(400, areBad: true), from: 1)
    follower.hear(follower.records(300), from: 2)
    follower.hear(follower.records(100), from: 3)
    follower.collect()
    #expect(follower.replica.pool.load.events == 460, "the others' are through in one turn")
    #expect(follower.replica.footprint.gossipBytes > 0 && follower.replica.hasWork, "the offender's wait")
    let second = follower.replica.signatureFacts(now: follower.now)
    #expect(second.refused - first.refused == UInt64(Verification.Limits.aloneCountMax))
    // In batches of 128: nothing is bisected any more.
    #expect(second.combinations - first.combinations <= 4)
    #expect(follower.penalised == [PeerLink(1), PeerLink(1)])

    var turns = 0
    while follower.replica.hasWork, turns < 100 {
      follower.collect()
      turns += 1
    }
    // The last of them finds the end of the message.
    #expect(turns == 400 / Verification.Limits.aloneCountMax)
    #expect(follower.replica.signatureFacts(now: follower.now).refused == 440)
  }
}
