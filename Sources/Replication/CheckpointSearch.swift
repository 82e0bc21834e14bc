import Ambient
public import Audit
import Consensus
import Digests
import Ledger

/// Why a signed checkpoint does not become the beginning of a store.
public enum CheckpointRefusal: Hashable, Sendable {
  /// A line that names a validator and its key is not that validator's signature.
  case badSignature(name: String)
  /// The final block of this height has the tree, and validators of no quorum of its set have cosigned it.
  case tooFewCosignatures(Height)
  /// The final block of this height holds the last entry of the tree and has another tree; no quorum says otherwise.
  case foreign(Height)
  /// As before, but validators of a quorum of its set have cosigned the other tree: they contradict what they have voted for.
  case contradiction(Height)
}

/// The search for the block of a signed checkpoint, among blocks that are proven final, from the set of genesis alone.
///
/// The sets are followed from genesis (`BoundaryChain`), and each is asked whether a quorum of it has cosigned. What that walk has proven to be final is the
/// *target*: its hash is known, and it commits to the hashes of all blocks below it. So any block below is had, proven, as a range without bodies under the
/// target, of any peer that has version 2 of the protocol. Sizes of trees ascend, and the block that holds the last entry of the tree is found by bisection:
///
///     tree(low) < size <= tree(high), the block is in (low, high]; ask for the middle
///
/// It is the block of the checkpoint when it has that tree, and a quorum of its own set has cosigned. Everything else is a refusal that no later answer changes:
/// two final blocks with other trees at one size are two chains. Empty blocks repeat size and root; the first block of a size is the one with events.
///
/// Nothing is stored before the block is known; a restart searches again.
struct CheckpointSearch: Sendable {
  private struct Request: Sendable {
    let from: Height
    let peer: PeerLink
    let deadline: Instant
  }

  /// What an answer was.
  enum Answer: Sendable, Equatable {
    /// Nobody asked for it.
    case unasked
    /// Nothing that helps: the sender has none there, or another block at the height of the target.
    case useless
    /// It does not prove what it says.
    case lie
    case useful
  }

  let sought: CosignedCheckpoint
  #if MOLOCH_MUTANTS
    /// The rule to leave out.
    var mutant: Mutant?
  #endif
  /// Hashes of the sets of which a quorum has cosigned.
  private var cosigning: [Digest] = []
  private var lastSet: Digest?
  /// The block that is searched under, and whether its tree is known to be large enough.
  private var target: Anchor?
  private var isReached = false
  /// A higher block that was proven since.
  private var newest: Anchor?
  private var low = Height(0), high = Height(0)
  private var request: Request?
  /// Size of the largest tree that was proven to be final and is smaller than the one that is sought.
  private(set) var smaller: UInt64?
  private(set) var found: Anchor?
  private(set) var refusal: CheckpointRefusal?

  init(_ sought: CosignedCheckpoint) { self.sought = sought }

  var deadline: Instant { request?.deadline ?? .distantFuture }
  /// What is proven to be final is too small, or nothing is.
  var isBehind: Bool { !isOver && !isReached && (target == nil ? newest == nil : low >= high && newest == target) }
  var isOver: Bool { found != nil || refusal != nil }

  // MARK: What is proven

  /// A set that the walk from genesis has come to. Each is shown before a block that it has made final.
  mutating func see(_ set: ValidatorSet) {
    let hash = set.hash
    guard hash != lastSet, refusal == nil else { return }
    lastSet = hash
    do throws(NoteError) {
      if try sought.isCosigned(byQuorumOf: set) || isLeftOut(.checkpointWithoutQuorum) { cosigning.append(hash) }
    } catch {
      switch error {
      case .badSignature(let name): refusal = .badSignature(name: name)
      }
    }
  }

  /// A block that is final, by a certificate of a set that was seen.
  mutating func proven(_ block: Anchor) {
    if block.height > newest?.height ?? Height(0) { newest = block }
  }

  // MARK: Asking

  /// Whom to ask for which block, under which block.
  /// - Returns: also the peer that was asked and did not answer in time.
  mutating func plan(_ sources: [BlockSync.Source], now: Instant) -> (ask: (peer: PeerLink, from: Height, target: Height)?, late: PeerLink?) {
    var late: PeerLink?
    if let old = request {
      guard old.deadline <= now else { return (nil, nil) }
      late = old.peer
      request = nil
    }
    guard !isOver else { return (nil, late) }
    if !isReached, let newest, newest.height > target?.height ?? Height(0) { (target, low, high) = (newest, Height(0), newest.height) }
    guard let target, low < high else { return (nil, late) }
    let heard = sources.filter { $0.speaksVersion2 && $0.pausedUntil <= now && $0.link != late }
    let able = heard.filter { $0.head >= target.height }
    // When nobody claims what is certified: those who signed it have it or will.
    guard let source = (able.isEmpty ? heard : able).min(by: { ($0.failures, $0.link.rawValue) < ($1.failures, $1.link.rawValue) }) else { return (nil, late) }
    let middle = Height(low.rawValue + (high.rawValue - low.rawValue + 1) / 2)
    request = Request(from: middle, peer: source.link, deadline: now.adding(milliseconds: ReplicationLimit.rangeMilliseconds))
    return ((source.link, middle, target.height), late)
  }

  mutating func peerDown(_ link: PeerLink) {
    if request?.peer == link { request = nil }
  }

  /// Takes an answer.
  mutating func received(from: Height, _ history: History?, _ link: PeerLink) -> Answer {
    guard let target, let asked = request, asked.peer == link, asked.from == from else { return .unasked }
    request = nil
    guard let history, history.anchor.hash == target.hash else { return .useless }
    guard history.isProven || isLeftOut(.historyWithoutProof), history.isConsecutive(from: from) || isLeftOut(.rangeWithoutLinks), !history.blocks.isEmpty else { return .lie }
    let size = sought.checkpoint.size
    guard history.anchor.treeSize >= size else {
      smaller = max(smaller ?? 0, history.anchor.treeSize)
      // Nothing below it helps; a higher block may.
      low = high
      return .useful
    }
    isReached = true
    guard let place = history.blocks.firstIndex(where: { $0.header.treeSize >= size }) else {
      low = max(low, history.blocks[history.blocks.count - 1].header.height)
      return .useful
    }
    let header = history.blocks[place].header
    if header.firstLeaf.rawValue < size { settle(header, history.blocks[place].hash) } else { high = Height(header.height.rawValue - 1) }
    return .useful
  }

  @inline(__always) private func isLeftOut(_ mutant: Mutant) -> Bool {
    #if MOLOCH_MUTANTS
      return self.mutant == mutant
    #else
      return false
    #endif
  }

  /// The final block that holds the last entry of the tree.
  private mutating func settle(_ header: BlockHeader, _ hash: Digest) {
    let isCosigned = cosigning.contains(header.validatorsHash)
    if header.treeSize == sought.checkpoint.size, header.treeRoot == sought.checkpoint.root {
      if isCosigned { found = Anchor(height: header.height, hash: hash) } else { refusal = .tooFewCosignatures(header.height) }
    } else {
      refusal = isCosigned ? .contradiction(header.height) : .foreign(header.height)
    }
  }
}
