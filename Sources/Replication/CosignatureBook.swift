import Ambient
public import Audit
import Bytes
import Consensus
public import Digests
import Ed25519

/// A final tree head with cosignatures of more than two thirds of the power, as a published checkpoint carries them: largest power first, no more than needed.
public struct CosignedHead: Hashable, Sendable {
  public let size: UInt64
  public let root: Digest
  public let cosignatures: [Cosignature]
  /// The set that the validator indexes are of.
  public let validators: ValidatorSet
}

extension Cosignature {
  /// What a validator has cosigned last, by its vote journal: tree size, root, Unix seconds.
  public typealias Mark = (size: UInt64, root: Digest, seconds: UInt64)

  /// The time at which a validator may cosign a head, Unix seconds; nil when it may not: size and time never go back, and the last head again, as after a
  /// restart, has the time of its record.
  public static func time(of checkpoint: Checkpoint, after last: Mark?, now seconds: UInt64) -> UInt64? {
    guard let last else { return seconds }
    if checkpoint.size == last.size { return checkpoint.root == last.root ? last.seconds : nil }
    return checkpoint.size > last.size ? max(seconds, last.seconds) : nil
  }
}

/// Cosignatures of the newest tree heads, own and of peers, each verified once.
struct CosignatureBook: Sendable {
  enum Outcome: Sendable { case kept, ignored, refused }

  private struct Known: Sendable {
    let checkpoint: Checkpoint
    let validators: ValidatorSet
    var cosignatures: [Cosignature] = []
  }

  private let origin: String
  /// Heads that this node has on disk, ascending by size, above the published one.
  private var heads: [Known] = []
  /// Cosignatures of sizes that this node has not reached, with the peer that sent each: whose name they bear is not known yet, and what one peer says in
  /// the name of another must not keep that one's own words out.
  private var early: [(source: PeerLink, cosignature: Cosignature)] = []
  private var sets: [ValidatorSet] = []
  private var published: UInt64 = 0
  /// The newest own one.
  private(set) var own: (cosignature: Cosignature, since: Instant)?

  init(origin: String) { self.origin = origin }

  /// A non-empty block is on disk: its head can be published.
  mutating func reached(_ header: BlockHeader, set: ValidatorSet) {
    if sets.last != set { sets = sets.suffix(1) + [set] }
    guard header.eventCount > 0, header.treeSize > published, let set = sets.first(where: { $0.hash == header.validatorsHash }) else { return }
    heads.append(Known(checkpoint: Checkpoint(origin: origin, size: header.treeSize, root: header.treeRoot), validators: set))
    if heads.count > ReplicationLimit.cosignedHeadsMax { heads.removeFirst() }
    let due = early.filter { $0.cosignature.size <= header.treeSize }
    early.removeAll { $0.cosignature.size <= header.treeSize }
    for (_, cosignature) in due { _ = record(cosignature) }
  }

  mutating func peerDown(_ link: PeerLink) { early.removeAll { $0.source == link } }

  mutating func addOwn(_ cosignature: Cosignature, now: Instant) {
    own = (cosignature, now)
    _ = record(cosignature)
  }

  /// - Parameter head: size of the durable head.
  /// - Returns: `.refused` when the signature is not accepted.
  mutating func add(_ cosignature: Cosignature, from source: PeerLink, head: UInt64) -> Outcome {
    guard cosignature.size > head else { return record(cosignature) }
    let older = early.filter { $0.source == source }
    if older.contains(where: { $0.cosignature.size == cosignature.size }) { return .ignored }
    if older.count >= ReplicationLimit.cosignaturesPerPeer, let oldest = older.map(\.cosignature.size).min() {
      early.removeAll { $0.source == source && $0.cosignature.size == oldest }
    }
    early.append((source, cosignature))
    return .kept
  }

  private mutating func record(_ cosignature: Cosignature) -> Outcome {
    guard cosignature.size > published,
      let index = heads.firstIndex(where: { $0.checkpoint.size == cosignature.size && $0.checkpoint.root == cosignature.root }),
      cosignature.validator < heads[index].validators.count, !heads[index].cosignatures.contains(where: { $0.validator == cosignature.validator })
    else { return .ignored }
    let key = heads[index].validators.validators[cosignature.validator].cosignerKey
    let message = Array("cosignature/v1\ntime \(cosignature.seconds)\n\(heads[index].checkpoint.text)".utf8)
    guard Verifier.isValid(cosignature.signature, over: message.bytes, by: key) else { return .refused }
    heads[index].cosignatures.append(cosignature)
    return .kept
  }

  /// The largest head that has a quorum and was not handed out before; older ones are skipped for ever.
  mutating func take() -> CosignedHead? {
    for index in heads.indices.reversed() {
      let known = heads[index]
      let ordered = known.cosignatures.sorted {
        let (a, b) = (known.validators.validators[$0.validator].power, known.validators.validators[$1.validator].power)
        return a != b ? a > b : $0.validator < $1.validator
      }
      var power: UInt64 = 0
      var chosen: [Cosignature] = []
      for cosignature in ordered where !known.validators.isQuorum(power) {
        power += known.validators.validators[cosignature.validator].power
        chosen.append(cosignature)
      }
      guard known.validators.isQuorum(power) else { continue }
      heads.removeFirst(index + 1)
      published = known.checkpoint.size
      return CosignedHead(size: known.checkpoint.size, root: known.checkpoint.root, cosignatures: chosen, validators: known.validators)
    }
    return nil
  }
}
