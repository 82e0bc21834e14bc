import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Testing

@Suite struct LeaderScheduleTests {
  private func set(_ powers: [UInt64]) throws -> ValidatorSet {
    try ValidatorSet(
      powers.enumerated().map { index, power in
        let key = SigningKey(seed: Bytes32(repeating: UInt8(index + 1))).publicKey
        return Validator(publicKey: key, cosignerKey: key, power: power, name: "v\(index)")
      })
  }

  @Test(arguments: [[1, 1, 1, 1], [2, 4, 6], [10, 1], [5]] as [[UInt64]]) func turnsFollowPower(powers: [UInt64]) throws {
    let set = try set(powers)
    let schedule = LeaderSchedule(set, epoch: Epoch(0), boundary: SHA256.hash([9]))
    let divisor: UInt64 = powers == [2, 4, 6] ? 2 : powers == [5] ? 5 : 1
    for (index, validator) in set.validators.enumerated() {
      #expect(schedule.cycle.filter { $0 == index }.count == Int(validator.power / divisor))
    }
    #expect(schedule == LeaderSchedule(set, epoch: Epoch(0), boundary: SHA256.hash([9])))
  }

  @Test func theOrderDependsOnTheBoundaryAndTheEpochShiftsIt() throws {
    let set = try set(Array(repeating: 1, count: 7))
    let schedules = (0..<20).map { LeaderSchedule(set, epoch: Epoch(0), boundary: SHA256.hash([UInt8($0)])).cycle }
    #expect(Set(schedules).count > 10)
    let first = LeaderSchedule(set, epoch: Epoch(0), boundary: .empty), second = LeaderSchedule(set, epoch: Epoch(1), boundary: .empty)
    #expect(first.leader(of: View(2)) == second.leader(of: View(1)))
  }

  @Test func exactlyTwoThirdsIsNoQuorum() throws {
    let set = try set([1, 1, 1])
    #expect(set.quorumPower == 3 && !set.isQuorum(2) && set.isQuorum(3))
    let four = try self.set([1, 1, 1, 1])
    #expect(four.quorumPower == 3)
  }
}

/// Four validators with instant journals and a network that delivers in seeded random order.
@Suite struct ClusterTests {
  private struct Cluster {
    var nodes: [Machine]
    var commits: [[Digest]]
    var keys: [SigningKey]
    var votes: [Set<[UInt8]>]
    /// Messages under way: sender, receiver.
    var wires: [(from: Int, to: Int, message: Message)] = []
    var now = Instant(milliseconds: 1000)
    var random: SeededGenerator
    var silent: Set<Int>

    init(count: Int, seed: UInt64, silent: Set<Int> = []) throws {
      random = SeededGenerator(seed: seed)
      self.silent = silent
      let keys = (0..<count).map { SigningKey(seed: Bytes32(repeating: UInt8($0 + 1))) }.sorted { $0.publicKey < $1.publicKey }
      let set = try ValidatorSet(
        keys.enumerated().map { Validator(publicKey: $1.publicKey, cosignerKey: $1.publicKey, power: 1, name: "v\($0)") })
      var parameters = ChainParameters()
      parameters.blockTime = 100
      nodes = keys.map { [now] key in
        Machine(
          options: .init(chainTag: ChainTag(Bytes16(1, 2))),
          epoch: EpochFacts(epoch: Epoch(0), set: set, parameters: parameters, boundary: SoleNode.genesis.hash), key: key,
          floor: .init(block: SoleNode.genesis, view: View(0)), journal: [], now: now)
      }
      self.keys = keys
      commits = Array(repeating: [], count: count)
      votes = Array(repeating: [], count: count)
    }

    mutating func step(_ index: Int, _ input: Input) {
      guard !silent.contains(index) else { return }
      var inputs = [input]
      while !inputs.isEmpty {
        var effects: [Effect] = []
        nodes[index].step(inputs.removeFirst(), now: Times(monotonic: now, wall: Timestamp(milliseconds: now.milliseconds)), &effects)
        for effect in effects {
          switch effect {
          case .append(let record, let sequence):
            if case .vote(let vote) = record { votes[index].insert(vote.vote.encoded) }
            inputs.append(.journalSynced(sequence))
          case .send(let message, _, _): for peer in nodes.indices where peer != index { wires.append((index, peer, message)) }
          case .build(let view, let parent, let timestamp):
            let hash = SHA256.hash(parent.hash.bytes.array + [UInt8(index), UInt8(truncatingIfNeeded: view.rawValue)])
            inputs.append(
              .built(
                view,
                BlockReference(
                  hash: hash, parentHash: parent.hash, height: parent.height.next, timestamp: timestamp, proposer: keys[index].publicKey)))
          case .validate(let block): inputs.append(.validated(block.hash, .valid))
          case .storeBody(let block): inputs.append(.bodyDurable(block.hash))
          case .commit(let blocks, _): commits[index] += blocks.map(\.hash)
          case .setTimer, .enterEpoch, .fetch, .requestSync, .evidence, .penalise, .halt: continue
          }
        }
      }
    }

    /// Lets time pass in steps of 10 ms, delivering what is under way in random order; each message is lost with the given chance in percent.
    mutating func run(milliseconds: UInt64, lossPercent: UInt64 = 0) {
      for _ in 0..<(milliseconds / 10) {
        now = now.adding(milliseconds: 10)
        for index in nodes.indices { step(index, .timer) }
        var budget = wires.count * 3 / 4 + 1
        while budget > 0, !wires.isEmpty {
          budget -= 1
          let wire = wires.remove(at: Int(random.next() % UInt64(wires.count)))
          if random.next() % 100 < lossPercent { continue }
          step(wire.to, .received(wire.message, from: PeerLink(UInt64(wire.from))))
        }
      }
    }

    mutating func start() {
      for index in nodes.indices {
        step(index, .start)
        step(index, .pendingChanged(hasEvents: true, fillsBlock: false))
      }
    }

    /// All commit sequences are prefixes of the longest one.
    var agree: Bool {
      let longest = commits.max { $0.count < $1.count } ?? []
      return commits.allSatisfy { $0 == Array(longest.prefix($0.count)) }
    }

    /// Nobody signed two different votes of one kind in a view, nor nullify and finalise of one view.
    var isHonest: Bool {
      for own in votes {
        var seen: [String: String] = [:]
        for encoded in own {
          guard let vote = try? Vote(decoding: encoded.bytes) else { return false }
          let place = "\(vote.epoch.rawValue)/\(vote.view.rawValue)"
          if let other = seen["\(place)/\(vote.kind)"], other != vote.blockHash.hex { return false }
          seen["\(place)/\(vote.kind)"] = vote.blockHash.hex
          if seen["\(place)/nullify"] != nil && seen["\(place)/finalise"] != nil { return false }
        }
      }
      return true
    }
  }

  @Test func fourValidatorsAgreeAndMakeProgress() throws {
    for seed in 0..<10 as Range<UInt64> {
      var cluster = try Cluster(count: 4, seed: seed)
      cluster.start()
      cluster.run(milliseconds: 3000)
      #expect(cluster.agree && cluster.isHonest, "seed \(seed)")
      let slowest = cluster.commits.map { $0.count }.min() ?? 0
      #expect(slowest >= 5, "seed \(seed): \(cluster.commits.map(\.count))")
    }
  }

  @Test func oneSilentValidatorDoesNotStopTheOthers() throws {
    for seed in 0..<5 as Range<UInt64> {
      var cluster = try Cluster(count: 4, seed: seed, silent: [Int(seed % 4)])
      cluster.start()
      cluster.run(milliseconds: 8000)
      #expect(cluster.agree && cluster.isHonest, "seed \(seed)")
      let live = cluster.commits.indices.filter { $0 != Int(seed % 4) }.map { cluster.commits[$0].count }.min() ?? 0
      #expect(live >= 3, "seed \(seed): \(cluster.commits.map(\.count))")
    }
  }

  @Test func lostMessagesNeverCostSafety() throws {
    for seed in 100..<112 as Range<UInt64> {
      var cluster = try Cluster(count: 4, seed: seed)
      cluster.start()
      cluster.run(milliseconds: 3000, lossPercent: 20)
      #expect(cluster.agree && cluster.isHonest, "seed \(seed)")
    }
  }
}
