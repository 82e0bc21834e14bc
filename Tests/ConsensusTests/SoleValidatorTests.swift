import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Testing

/// A sole validator driven by hand: effects are performed at once, unless a test holds them back.
struct SoleNode {
  var machine: Machine
  var now = Instant(milliseconds: 1_000_000)
  var committed: [(block: BlockReference, certificate: Certificate)] = []
  var records: [JournalRecord] = []
  var nextTimer = Instant.distantFuture
  let set: ValidatorSet
  let parameters: ChainParameters
  var effects: [Effect] = []

  static let key = SigningKey(seed: Bytes32(repeating: 7))
  static let genesis = BlockReference(
    hash: SHA256.hash([1]), parentHash: .zero, height: Height(0), timestamp: Timestamp(milliseconds: 5), proposer: PublicKey(Bytes32()))

  init(epochLength: UInt32 = 100, records: [JournalRecord] = [], floor: Machine.Floor? = nil, boundary: Digest? = nil) throws {
    set = try ValidatorSet([Validator(publicKey: Self.key.publicKey, cosignerKey: Self.key.publicKey, power: 3, name: "v1")])
    var parameters = ChainParameters()
    parameters.blockTime = 100
    parameters.emptyBlockInterval = 60_000
    parameters.epochLength = epochLength
    self.parameters = parameters
    let floor = floor ?? Machine.Floor(block: Self.genesis, view: View(0))
    let epoch = EpochFacts(
      epoch: parameters.epoch(of: floor.block.height.next), set: set, parameters: parameters, boundary: boundary ?? Self.genesis.hash)
    machine = Machine(options: .init(chainTag: ChainTag(Bytes16(1, 2))), epoch: epoch, key: Self.key, floor: floor, journal: records, now: now)
  }

  mutating func step(_ input: Input) {
    var inputs = [input]
    while !inputs.isEmpty {
      effects.removeAll()
      machine.step(inputs.removeFirst(), now: Times(monotonic: now, wall: Timestamp(milliseconds: now.milliseconds)), &effects)
      for effect in effects {
        switch effect {
        case .append(let record, let sequence):
          records.append(record)
          inputs.append(.journalSynced(sequence))
        case .build(let view, let parent, let timestamp):
          let hash = SHA256.hash(parent.hash.bytes.array + [UInt8(truncatingIfNeeded: view.rawValue)])
          let block = BlockReference(hash: hash, parentHash: parent.hash, height: parent.height.next, timestamp: timestamp, proposer: Self.key.publicKey)
          inputs.append(.built(view, block))
        case .storeBody(let block): inputs.append(.bodyDurable(block.hash))
        case .setTimer(let instant): nextTimer = instant
        case .commit(let blocks, let certificate):
          for block in blocks {
            committed.append((block, certificate))
            inputs.append(.applied(block.height))
          }
        case .enterEpoch(let epoch, let boundary):
          inputs.append(.epochOpened(EpochFacts(epoch: epoch, set: set, parameters: parameters, boundary: boundary)))
        case .send, .validate, .fetch, .requestSync, .evidence, .penalise, .halt, .standing: continue
        }
      }
    }
  }

  mutating func advance(milliseconds: UInt64) {
    now = now.adding(milliseconds: milliseconds)
    step(.timer)
  }
}

@Suite struct SoleValidatorTests {
  @Test func pendingEventsBecomeABlockAfterTheBlockTime() throws {
    var node = try SoleNode()
    node.step(.start)
    node.step(.pendingChanged(hasEvents: true, fillsBlock: false))
    #expect(node.committed.isEmpty)
    #expect(node.nextTimer == node.now.adding(milliseconds: 100))
    node.advance(milliseconds: 99)
    #expect(node.committed.isEmpty)
    node.advance(milliseconds: 1)
    #expect(node.committed.count == 1)
    let final = try #require(node.committed.first)
    #expect(final.block.height == Height(1) && final.certificate.vote.kind == .finalise && final.certificate.vote.blockHash == final.block.hash)
    try final.certificate.verify(in: node.set)
  }

  @Test func aFullBlockDoesNotWait() throws {
    var node = try SoleNode()
    node.step(.start)
    node.step(.pendingChanged(hasEvents: true, fillsBlock: true))
    #expect(node.committed.count >= 1)
    node.step(.pendingChanged(hasEvents: false, fillsBlock: false))
    let count = node.committed.count
    node.advance(milliseconds: 1000)
    #expect(node.committed.count == count)
  }

  @Test func anIdleChainMakesHeartbeatBlocks() throws {
    var node = try SoleNode()
    node.step(.start)
    node.advance(milliseconds: 59_999)
    #expect(node.committed.isEmpty)
    node.advance(milliseconds: 1)
    #expect(node.committed.map { $0.block.height } == [Height(1)])
    #expect(node.nextTimer <= node.now.adding(milliseconds: 60_000))
  }

  @Test func heightsAreGapFreeAcrossEpochsAndViewsStartAgain() throws {
    var node = try SoleNode(epochLength: 5)
    node.step(.start)
    node.step(.pendingChanged(hasEvents: true, fillsBlock: false))
    for _ in 0..<23 { node.advance(milliseconds: 100) }
    #expect(node.committed.map { $0.block.height.rawValue } == Array(1...23))
    for (previous, next) in zip(node.committed, node.committed.dropFirst()) {
      #expect(next.block.parentHash == previous.block.hash && next.block.timestamp > previous.block.timestamp)
    }
    #expect(node.committed.map { $0.certificate.vote.epoch.rawValue } == (1...23).map { UInt64($0 - 1) / 5 })
    #expect(node.committed[5].certificate.vote.view == View(1) && node.machine.epoch == Epoch(4))
  }

  @Test func aLateTimerNeverNullifiesTheOnlyVoter() throws {
    var node = try SoleNode()
    node.step(.start)
    node.step(.pendingChanged(hasEvents: true, fillsBlock: false))
    node.advance(milliseconds: 3_600_000)
    #expect(node.committed.count == 1)
    let nullified = node.records.contains { if case .vote(let vote) = $0 { vote.vote.kind == .nullify } else { false } }
    #expect(!nullified)
  }

  @Test func timestampsRiseWhenTheWallClockDoesNot() throws {
    var node = try SoleNode()
    node.step(.start)
    node.step(.pendingChanged(hasEvents: true, fillsBlock: false))
    node.advance(milliseconds: 100)
    let first = try #require(node.committed.last).block.timestamp
    // The monotonic clock goes on, the wall clock was set back an hour.
    var effects: [Effect] = []
    node.now = node.now.adding(milliseconds: 100)
    node.machine.step(.timer, now: Times(monotonic: node.now, wall: Timestamp(milliseconds: 1)), &effects)
    let built = effects.compactMap { if case .build(_, _, let timestamp) = $0 { timestamp } else { nil } }
    #expect(built == [Timestamp(milliseconds: first.rawValue + 1)])
  }

  /// A restart from the durable head goes on behind it and never votes again at or below it.
  @Test func aRestartContinuesBehindTheFloor() throws {
    var node = try SoleNode()
    node.step(.start)
    node.step(.pendingChanged(hasEvents: true, fillsBlock: false))
    for _ in 0..<7 { node.advance(milliseconds: 100) }
    let last = try #require(node.committed.last)
    var again = try SoleNode(records: node.records, floor: .init(block: last.block, view: last.certificate.vote.view))
    again.step(.start)
    again.step(.pendingChanged(hasEvents: true, fillsBlock: false))
    again.advance(milliseconds: 100)
    let next = try #require(again.committed.first)
    #expect(next.block.height == last.block.height.next && next.certificate.vote.view > last.certificate.vote.view)
  }
}
