public import Audit
public import Consensus
public import Digests
public import Ledger
import Bytes

/// What the vote journal of this validator says.
public enum RestoredJournal: Sendable {
  /// Its records, oldest first; none for a new key or an observer.
  case records([JournalRecord])
  /// Missing or damaged although the key was used: no vote before others have witnessed where they stand (consensus rule R14).
  case lost
  /// The records are there, and whether they are all that the key has promised is in doubt: it listens (consensus rule R15).
  case doubtful([JournalRecord])
  /// Another instance was seen to vote with the key: nothing is signed.
  case halted([JournalRecord])
}

/// Where a replica begins: what the driver has read from the disk.
public struct RestoredState: Sendable {
  /// The state of the durable head, with its replay window restored.
  public var chain: Chain
  /// The finality certificate of the head; nil for genesis.
  public var certificate: Certificate?
  /// Hash of the last block of the epoch before the next height, and its finality certificate; nil for genesis.
  public var boundary: Digest
  public var boundaryCertificate: Certificate?
  public var journal: RestoredJournal
  /// Blocks above the head whose bodies are stored.
  public var candidates: [Block]
  /// The newest final block with events, whose tree head a checkpoint is about, with the set of its height; nil while there is none, or when nobody
  /// asks for checkpoints.
  public var newestHead: (header: BlockHeader, validators: ValidatorSet)?
  /// The block that the store was begun from; nil when that is genesis.
  public var anchor: Anchor?
  /// The checkpoint whose block the store is to begin from, as long as that is not known.
  public var soughtCheckpoint: CosignedCheckpoint?
  /// Contradictions of validators that this node has seen, oldest first.
  public var evidence: [Evidence] = []

  public init(
    chain: Chain, certificate: Certificate?, boundary: Digest, boundaryCertificate: Certificate?, journal: RestoredJournal, candidates: [Block]
  ) {
    self.chain = chain
    self.certificate = certificate
    self.boundary = boundary
    self.boundaryCertificate = boundaryCertificate
    self.journal = journal
    self.candidates = candidates
  }

  /// Reads certificates, boundary and candidates of the head from a store; the chain state is that of its head.
  public init(chain: Chain, journal: RestoredJournal, from store: some LedgerStore) throws(StoreError) {
    let head = chain.tip.header
    let length = UInt64(chain.parameters.epochLength)
    let last = Height(head.height.rawValue / length * length)
    guard let boundary = try store.header(at: last) else { throw .damaged("the block before the epoch is missing") }
    self.init(
      chain: chain, certificate: try Self.certificate(at: head.height, store, chain.chainTag), boundary: boundary.hash,
      boundaryCertificate: try Self.certificate(at: last, store, chain.chainTag), journal: journal, candidates: try store.candidates())
    anchor = store.anchor
    if let note = store.soughtCheckpoint {
      do { soughtCheckpoint = try CosignedCheckpoint(parsing: note) } catch { throw .damaged("the checkpoint to begin from: \(error)") }
    }
  }

  private static func certificate(at height: Height, _ store: some LedgerStore, _ chainTag: ChainTag) throws(StoreError) -> Certificate? {
    guard height.rawValue > 0, let bytes = try store.certificate(at: height), !bytes.isEmpty else { return nil }
    do { return try Certificate(decoding: bytes.bytes, chainTag: chainTag) } catch { throw .damaged("certificate of height \(height.rawValue)") }
  }
}
