public import Audit
public import Digests
import Bytes
import Ed25519

/// Who leads which view of an epoch: one cycle of smooth weighted round robin, its order shuffled by the hash of the block that opened the epoch.
/// Nothing in it depends on certificate bytes, of which several valid ones may exist.
public struct LeaderSchedule: Sendable, Hashable {
  /// Validator index of each slot of the cycle.
  public let cycle: [Int]
  private let epoch: Epoch

  /// - Parameter boundary: hash of the last block before the epoch.
  public init(_ set: ValidatorSet, epoch: Epoch, boundary: Digest) {
    self.epoch = epoch
    let divisor = set.validators.reduce(UInt64(0)) { Self.greatestCommonDivisor($0, $1.power) }
    let powers = set.validators.map { Int64($0.power / divisor) }
    let total = powers.reduce(0, +)
    let order = set.validators.indices.sorted {
      Self.ticket(boundary, set.validators[$0].publicKey) < Self.ticket(boundary, set.validators[$1].publicKey)
    }
    var credits = [Int64](repeating: 0, count: powers.count)
    var cycle: [Int] = []
    for _ in 0..<min(Int(total), ConsensusLimit.cycleSlots) {
      for index in order { credits[index] += powers[index] }
      var best = order[0]
      for index in order where credits[index] > credits[best] { best = index }
      credits[best] -= total
      cycle.append(best)
    }
    self.cycle = cycle
  }

  /// Validator index of the leader of a view, which is at least 1.
  public func leader(of view: View) -> Int {
    precondition(view.rawValue >= 1)
    return cycle[Int((view.rawValue - 1 + epoch.rawValue) % UInt64(cycle.count))]
  }

  private static func ticket(_ boundary: Digest, _ key: PublicKey) -> Digest {
    SHA256.hash(boundary.bytes.array + key.bytes.array)
  }

  private static func greatestCommonDivisor(_ a: UInt64, _ b: UInt64) -> UInt64 { b == 0 ? a : greatestCommonDivisor(b, a % b) }
}
