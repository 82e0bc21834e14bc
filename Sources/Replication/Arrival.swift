import Ambient
import Audit
import Consensus
import Digests
import Ledger

/// A block that is wanted and not yet valid here: its bytes, or its parent, are on their way.
struct Arrival: Sendable {
  let hash: Digest
  var header: BlockHeader?
  /// Of a proposal that names its events; empty for others.
  var ids: [EventID] = []
  /// Who has named them.
  var author: PeerLink?
  /// Records that peers have sent for the ids that the pool lacks.
  var records: [EventID: [UInt8]] = [:]
  var block: Block?
  /// The peer that sent the bytes of `block`.
  var sender: PeerLink?
  /// The machine waits for a verdict.
  var isWanted = false
  /// The machine waits for the bytes, because a certificate names the block.
  var isFetched = false
  /// The machine knows that the bytes are here.
  var isAnnounced = false
  /// Peers that should have it, in the order in which they are asked.
  var sources: [PeerLink]
  var asked: PeerLink?
  var attempts = 0
  /// When somebody else is asked; far away while nobody is.
  var deadline = Instant.distantFuture
  let began: Instant

  /// The wait for the answer to the present attempt.
  var patience: UInt64 { min(ReplicationLimit.askMillisecondsMax, ReplicationLimit.askMilliseconds << UInt64(min(attempts, 8))) }
}
