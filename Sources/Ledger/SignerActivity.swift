public import Audit

/// What a signer has on the chain.
public struct SignerActivity: Hashable, Sendable {
  /// Time of the block with its first event.
  public var firstSeen: Timestamp
  public var eventCount: UInt64
  /// Ascending by stream; streams of unsequenced events only are not among them.
  public var streams: [SignerStream]

  public init(firstSeen: Timestamp, eventCount: UInt64 = 0, streams: [SignerStream] = []) {
    (self.firstSeen, self.eventCount, self.streams) = (firstSeen, eventCount, streams)
  }
}

/// The sequence numbers of one stream of a signer.
///
/// Numbers begin with 1. A number that comes late closes its gap; one that is neither new nor missing has been used by another event. At most
/// `LedgerLimit.sequenceGaps` gaps are kept, the highest: a late number of one that was forgotten counts as used twice.
public struct SignerStream: Hashable, Sendable {
  public let stream: UInt64
  public private(set) var lastSequence: UInt64 = 0
  /// Numbers that are missing, ascending.
  public private(set) var gaps: [ClosedRange<UInt64>] = []
  /// Events whose number another event has.
  public private(set) var conflicts: UInt64 = 0

  public init(stream: UInt64) { self.stream = stream }

  public init(stream: UInt64, lastSequence: UInt64, gaps: [ClosedRange<UInt64>], conflicts: UInt64) {
    (self.stream, self.lastSequence, self.gaps, self.conflicts) = (stream, lastSequence, gaps, conflicts)
  }

  /// Notes the number of an event of this stream, in the order of the chain; 0 is none.
  public mutating func add(_ sequence: UInt64) {
    guard sequence > 0 else { return }
    if sequence > lastSequence {
      if sequence > lastSequence + 1 { gaps.append(lastSequence + 1...sequence - 1) }
      if gaps.count > LedgerLimit.sequenceGaps { gaps.removeFirst() }
      lastSequence = sequence
    } else if let place = gaps.firstIndex(where: { $0.contains(sequence) }) {
      let gap = gaps.remove(at: place)
      if sequence < gap.upperBound { gaps.insert(sequence + 1...gap.upperBound, at: place) }
      if sequence > gap.lowerBound { gaps.insert(gap.lowerBound...sequence - 1, at: place) }
      if gaps.count > LedgerLimit.sequenceGaps { gaps.removeFirst() }
    } else {
      conflicts += 1
    }
  }
}
