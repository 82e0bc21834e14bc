public import Audit
public import Consensus
public import Digests
public import Ed25519
public import Ledger
import Bytes
import Merkle

/// The records of a proposed block, or their names.
public enum BlockContents: Hashable, Sendable {
  /// Ids in leaf order, and the records of those that may not have reached everybody, concatenated: the receiver takes the others from its pool and asks
  /// for what it lacks.
  case ids([EventID], records: [UInt8])
  /// The body.
  case body([UInt8])
}

/// A validator's cosignature of a final tree head (ledger formats, section 10).
public struct Cosignature: Hashable, Sendable {
  /// Length of the encoding, bytes.
  public static let byteCount = 120
  public var size: UInt64
  public var root: Digest
  /// Index in the set of the block that reached the size.
  public var validator: Int
  /// Unix seconds.
  public var seconds: UInt64
  public var signature: Signature

  public init(size: UInt64, root: Digest, validator: Int, seconds: UInt64, signature: Signature) {
    self.size = size
    self.root = root
    self.validator = validator
    self.seconds = seconds
    self.signature = signature
  }
}

/// The last block of an epoch with its finality certificate and the set that follows: one step of trust from epoch to epoch.
public struct Boundary: Hashable, Sendable {
  public var header: BlockHeader
  public var certificate: Certificate
  /// The encoded set of the next epoch; empty when it does not change.
  public var nextSet: [UInt8]

  public init(header: BlockHeader, certificate: Certificate, nextSet: [UInt8]) {
    self.header = header
    self.certificate = certificate
    self.nextSet = nextSet
  }
}

/// Consecutive final blocks without their bodies, and what proves them to whoever trusts the hash of one block: its header, whose `history_root` commits to
/// the hash of the last of them, from which the hashes of parents lead to the first. Immutable: every node has the same.
public struct History: Sendable {
  /// The header that the receiver knows by its hash.
  public var anchor: BlockHeader
  public var blocks: [Block]
  /// The finality certificate of the last block.
  public var certificate: Certificate
  /// Inclusion of the hash of the last block in the history of `anchor`; empty when it is that block.
  public var proof: [Digest]

  public init(anchor: BlockHeader, blocks: [Block], certificate: Certificate, proof: [Digest]) {
    self.anchor = anchor
    self.blocks = blocks
    self.certificate = certificate
    self.proof = proof
  }

  /// Whether the blocks follow each other by their hashes, from this height on.
  func isConsecutive(from height: Height) -> Bool {
    blocks.first?.header.height == height
      && zip(blocks, blocks.dropFirst()).allSatisfy { $0.hash == $1.header.parentHash && $0.header.height.next == $1.header.height }
  }

  /// Whether the hash of `anchor` commits to the last block.
  public var isProven: Bool {
    guard let last = blocks.last, last.header.height <= anchor.height else { return false }
    if last.header.height == anchor.height { return proof.isEmpty && last.hash == anchor.hash }
    let inclusion = InclusionProof(index: last.header.height.rawValue, size: anchor.height.rawValue, hashes: proof)
    do { try inclusion.verify(leafHash: TreeHash.leaf(last.hash.bytes.array.bytes), root: anchor.historyRoot) } catch { return false }
    return true
  }
}

/// What replicas say to each other. The encodings are in `ReplicaMessage+Codec.swift`.
public enum ReplicaMessage: Sendable {
  /// Everything that the voting machine says by itself: all but proposals.
  case consensus(Message)
  /// A leader's proposal with its block.
  case propose(Proposal, BlockHeader, BlockContents)
  /// Asks for a block, final or not.
  case getBlock(Digest)
  case block(Block)
  /// Asks for the records at these positions of a block, ascending.
  case getEvents(block: Digest, positions: [UInt16])
  /// Records of a block, concatenated; fewer than asked for when the others would not fit.
  case blockEvents(block: Digest, records: [UInt8])
  /// Pending events that are new to the sender, concatenated records.
  case events([UInt8])
  /// Of the bytes of events that the receiver has sent on this connection, so many were taken in: more may be sent.
  case eventsTaken(UInt64)
  /// Asks for final blocks from this height on, at most so many and so large.
  case syncRequest(from: Height, blocksMax: Int, bytesMax: Int)
  /// Consecutive final blocks and the finality certificate of the last. Without blocks: the sender has none there.
  case syncResponse(from: Height, blocks: [Block], certificate: Certificate?)
  /// Asks for the boundaries that lead from this epoch to the newest.
  case getBoundaries(from: Epoch)
  case boundaries([Boundary])
  /// Asks for final blocks without bodies, from this height on and not past the block `anchor`, at most so many and so large.
  case historyRequest(from: Height, blocksMax: Int, bytesMax: Int, anchor: Height)
  /// The answer; nil: the sender has none there, or does not reach the anchor.
  case history(from: Height, History?)
  /// The same answer from a part of the sender's snapshot. It is only sent: on the wire nothing tells the two apart.
  case part(from: Height, ProvenPart)
  /// Asks for the parts of the peer's snapshot from this height on.
  case getParts(from: Height)
  /// The last heights of these parts, ascending. Only a hint at which ranges the sender has ready.
  case parts(from: Height, ends: [Height])
  case cosignature(Cosignature)
  /// Contradictions of validators, at least one and at most `ReplicationLimit.evidencePerMessage`.
  case evidence([Evidence])
}
