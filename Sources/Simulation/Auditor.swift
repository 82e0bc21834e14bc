import Bytes
import Digests

/// A running hash over everything that a run does: two runs of one seed must end with the same value.
struct Auditor {
  private var state = SHA256.hash([UInt8]("moloch-sim".utf8))
  private var pending: [UInt8] = []

  mutating func note(_ kind: UInt8, _ node: Int, _ time: UInt64, _ bytes: [UInt8]) {
    pending.append(kind)
    pending.append(UInt8(truncatingIfNeeded: node))
    pending.append(bigEndian: time)
    pending += bytes
    if pending.count >= 16 << 10 { fold() }
  }

  private mutating func fold() {
    state = SHA256.hash(state.bytes.array.bytes, pending.bytes)
    pending.removeAll(keepingCapacity: true)
  }

  /// The hash so far.
  var digest: Digest {
    var copy = self
    copy.fold()
    return copy.state
  }
}
