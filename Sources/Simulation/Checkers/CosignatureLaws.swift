import Audit
import Bytes
import Digests
import Ed25519
import Replication

/// What honest validators cosign: tree heads of the chain, once their record is on disk, and never one behind another that they have cosigned, across restarts.
/// And what honest nodes publish: heads with sound cosignatures of a quorum of the set of their block.
struct CosignatureLaws {
  private let origin: String
  /// The newest that each node has sent; nil after the loss of its journal.
  private var newest: [Cosignature?]
  /// Records on disk by node.
  private var durable: [Set<JournalMark>]
  /// Size of the newest checkpoint that each process has put together.
  private var published: [UInt64]
  private(set) var cosignatures: UInt64 = 0
  private(set) var checkpoints: UInt64 = 0

  private struct JournalMark: Hashable {
    var size: UInt64
    var root: Digest
    var seconds: UInt64
  }

  init(origin: String, nodes: Int) {
    self.origin = origin
    newest = Array(repeating: nil, count: nodes)
    durable = Array(repeating: [], count: nodes)
    published = Array(repeating: 0, count: nodes)
  }

  func published(by node: Int) -> UInt64 { published[node] }

  mutating func started(_ node: Int) { published[node] = 0 }

  mutating func recorded(size: UInt64, root: Digest, seconds: UInt64, node: Int) { durable[node].insert(JournalMark(size: size, root: root, seconds: seconds)) }

  /// Nothing tells the node any more what it has cosigned.
  mutating func lostJournal(_ node: Int) { newest[node] = nil }

  /// An honest validator has sent a cosignature of its own.
  /// - Parameters:
  ///   - head: the block of the chain with this tree size; nil when there is none.
  ///   - set: that of the block.
  mutating func released(_ cosignature: Cosignature, head: BlockHeader?, set: ValidatorSet, node: Int, now: UInt64) throws(Failure) {
    let name = "the cosignature of \(cosignature.size) events at \(cosignature.seconds) s by node \(node)"
    func broken(_ kind: Failure.Class, _ what: String) -> Failure { Failure(kind: kind, milliseconds: now, detail: "\(name) \(what)") }
    guard durable[node].contains(JournalMark(size: cosignature.size, root: cosignature.root, seconds: cosignature.seconds)) else {
      throw broken(.earlyVote, "left before its record was on disk")
    }
    guard head?.treeRoot == cosignature.root else { throw broken(.agreement, "is of no head of the chain") }
    guard isSound(cosignature, set) else { throw broken(.certificate, "is not sound") }
    defer { newest[node] = cosignature }
    guard let last = newest[node] else { return cosignatures += 1 }
    if last.size != cosignature.size { cosignatures += 1 }
    guard cosignature.size >= last.size, cosignature.seconds >= last.seconds, cosignature.size > last.size || cosignature.seconds == last.seconds else {
      throw broken(.doubleVote, "goes back behind that of \(last.size) events at \(last.seconds) s")
    }
  }

  /// An honest node has put together a checkpoint.
  mutating func published(_ checkpoint: CosignedHead, head: BlockHeader?, set: ValidatorSet, node: Int, now: UInt64) throws(Failure) {
    func broken(_ kind: Failure.Class, _ what: String) -> Failure {
      Failure(kind: kind, milliseconds: now, detail: "the checkpoint of \(checkpoint.size) events at node \(node) \(what)")
    }
    guard head?.treeRoot == checkpoint.root, checkpoint.validators == set else { throw broken(.agreement, "is of no head of the chain") }
    guard checkpoint.size > published[node] else { throw broken(.validity, "follows one of \(published[node]) events") }
    let signers = Set(checkpoint.cosignatures.map(\.validator))
    guard signers.count == checkpoint.cosignatures.count, checkpoint.cosignatures.allSatisfy({ $0.size == checkpoint.size && isSound($0, set) }) else {
      throw broken(.certificate, "has unsound cosignatures")
    }
    let power = set.validators.indices.reduce(UInt64(0)) { $0 + (signers.contains($1) ? set.validators[$1].power : 0) }
    guard 3 * power > 2 * set.totalPower else { throw broken(.certificate, "has no quorum") }
    published[node] = checkpoint.size
    checkpoints += 1
  }

  private func isSound(_ cosignature: Cosignature, _ set: ValidatorSet) -> Bool {
    guard cosignature.validator < set.count else { return false }
    let checkpoint = Checkpoint(origin: origin, size: cosignature.size, root: cosignature.root)
    let message = Array("cosignature/v1\ntime \(cosignature.seconds)\n\(checkpoint.text)".utf8)
    return Verifier.isValid(cosignature.signature, over: message.bytes, by: set.validators[cosignature.validator].cosignerKey)
  }
}
