public import Audit
public import Digests
public import Ledger

/// What keeps a sync from going on, as far as this node can tell. For people: text and fields.
public enum SyncObstacle: Hashable, Sendable {
  /// Every connected peer has given up the body of this block, which is the next.
  case pruned(Height)
  /// Every connected peer that says it has the anchor had no entries of this block, which is the next up to the anchor, when it was asked.
  case entriesPruned(Height)
  /// Peers have another block at the height of the anchor.
  case foreignAnchor(Anchor, found: Digest)
  /// No connected peer says that it has come as far as the anchor; the highest that is known.
  case anchorAhead(Anchor, highest: Height)
  /// No tree that is proven to be final is as large as that of the checkpoint; the largest, when one is known.
  case checkpointAhead(size: UInt64, largest: UInt64?)
  case checkpointRefused(size: UInt64, CheckpointRefusal)

  /// Waiting does not help.
  public var isError: Bool {
    switch self {
    case .pruned, .entriesPruned, .anchorAhead, .checkpointAhead: false
    case .foreignAnchor, .checkpointRefused: true
    }
  }

  /// What is the matter, and what to do.
  public var text: String {
    switch self {
    case .pruned: "every connected peer has pruned the next block: connect a peer with its body, or begin from a checkpoint (moloch sync --from-checkpoint)"
    case .entriesPruned: "every connected peer has pruned the entries of the next block: connect a peer that has them"
    case .foreignAnchor: "peers have another block at the height of the checkpoint: run sync --from-checkpoint with the right hash, or connect peers of this chain"
    case .anchorAhead: "no connected peer has come as far as the checkpoint: the sync begins when one has"
    case .checkpointAhead: "no connected peer has shown a final tree as large as that of the checkpoint: the sync begins when one has"
    case .checkpointRefused(_, let refusal): "the checkpoint is refused, and nothing is taken: \(refusal.text)"
    }
  }

  public var fields: [(String, String)] {
    switch self {
    case .pruned(let height), .entriesPruned(let height): [("height", "\(height.rawValue)")]
    case .foreignAnchor(let anchor, let found): [("checkpoint", "\(anchor.height.rawValue):\(anchor.hash)"), ("found", "\(found)")]
    case .anchorAhead(let anchor, let highest): [("checkpoint", "\(anchor.height.rawValue):\(anchor.hash)"), ("highest", "\(highest.rawValue)")]
    case .checkpointAhead(let size, let largest): [("tree_size", "\(size)"), ("largest", largest.map { "\($0)" } ?? "-")]
    case .checkpointRefused(let size, let refusal): [("tree_size", "\(size)"), ("height", refusal.height.map { "\($0.rawValue)" } ?? "-")]
    }
  }
}

extension CheckpointRefusal {
  var height: Height? {
    switch self {
    case .badSignature: nil
    case .tooFewCosignatures(let height), .foreign(let height), .contradiction(let height): height
    }
  }

  public var text: String {
    switch self {
    case .badSignature(let name): "the signature of \(name) is not accepted"
    case .tooFewCosignatures: "validators with no more than two thirds of the power of the block's set have cosigned it"
    case .foreign: "it is not of this chain, which has another tree at this size"
    case .contradiction:
      "validators with more than two thirds of the power have cosigned a tree that the chain which they made final does not have: keep the file, and ask them"
    }
  }
}
