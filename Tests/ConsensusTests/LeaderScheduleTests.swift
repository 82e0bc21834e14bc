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
