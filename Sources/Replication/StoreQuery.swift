public import Audit
import Bytes
import Merkle
public import Consensus
public import Digests
public import Ledger

/// A read of the store on behalf of a peer.
public enum StoreQuery: Hashable, Sendable {
  /// Final blocks from a height on, up to one that has a finality certificate.
  case range(from: Height, blocksMax: Int, bytesMax: Int, PeerLink)
  /// Final blocks without their bodies from a height on, up to one that has a finality certificate, and at most up to the anchor.
  case history(from: Height, blocksMax: Int, bytesMax: Int, anchor: Height, PeerLink)
  /// The parts of a snapshot that end at a height or above it. A store has none; the driver may keep some.
  case parts(from: Height, PeerLink)
  /// A block, final or candidate.
  case block(Digest, PeerLink)
  /// The boundaries of an epoch and of later ones that lead to the newest.
  case boundaries(from: Epoch, countMax: Int, PeerLink)

  /// The answer that there is nothing, whatever the reason: the peer asks another one.
  public var nothing: StoreAnswer {
    switch self {
    case .range(let from, _, _, _): .range(from: from, [], nil)
    case .history(let from, _, _, _, _): .history(from: from, nil)
    case .parts(let from, _): .parts(from: from, ends: [])
    case .block: .block(nil)
    case .boundaries: .boundaries([])
    }
  }

  /// On whose behalf.
  public var peer: PeerLink {
    switch self {
    case .range(_, _, _, let peer), .history(_, _, _, _, let peer), .parts(_, let peer), .block(_, let peer), .boundaries(_, _, let peer): peer
    }
  }
}

/// What the store holds of it.
public enum StoreAnswer: Sendable {
  case range(from: Height, [Block], Certificate?)
  case history(from: Height, History?)
  /// In answer to `history`, too.
  case part(from: Height, ProvenPart)
  case parts(from: Height, ends: [Height])
  case block(Block?)
  case boundaries([Boundary])
}

extension LedgerStore {
  /// Reads what a query asks for. Called on the thread that owns the store.
  public func load(_ query: StoreQuery, epochLength: UInt32, chainTag: ChainTag) throws(StoreError) -> StoreAnswer {
    switch query {
    case .range(let from, let blocksMax, let bytesMax, _):
      let found = try range(from: from, to: head.height, blocksMax: blocksMax, bytesMax: bytesMax, chainTag) { (height) throws(StoreError) in try block(at: height) }
      return .range(from: from, found?.blocks ?? [], found?.certificate)
    case .history(let from, let blocksMax, let bytesMax, let anchor, _):
      return .history(from: from, try history(from: from, blocksMax: blocksMax, bytesMax: bytesMax, anchor: anchor, chainTag))
    case .parts(let from, _): return .parts(from: from, ends: [])
    case .block(let hash, _):
      if let candidate = try candidate(hash) { return .block(candidate) }
      guard let height = try height(ofBlock: hash) else { return .block(nil) }
      // Whoever votes on a block needs all of it; redactions name events of blocks that are final for long.
      return .block(try block(at: height).flatMap { $0.isWhole ? $0 : nil })
    case .boundaries(let epoch, let countMax, _): return .boundaries(try boundaries(from: epoch, countMax: countMax, epochLength, chainTag))
    }
  }

  /// The blocks from `from` on, up to the last one within the limits that has a certificate of its own. Where several in a row have none, the range goes
  /// on to the first that has one, as far as a message carries it; nil when that is farther.
  private func range(
    from: Height, to: Height, blocksMax: Int, bytesMax: Int, _ chainTag: ChainTag, _ read: (Height) throws(StoreError) -> Block?
  ) throws(StoreError) -> (blocks: [Block], certificate: Certificate)? {
    var blocks: [Block] = []
    var bytes = 0
    var proven: (count: Int, certificate: Certificate)?
    var height = from
    while height.rawValue > 0, height <= to, blocks.count < ReplicationLimit.rangeBlocksMax {
      let isBeyond = blocks.count >= blocksMax || bytes >= bytesMax
      if isBeyond, proven != nil { break }
      guard let block = try read(height) else { break }
      if bytes + block.body.count > bytesMax, proven != nil { break }
      let byteCount = BlockHeader.byteCount + block.withheld.count + block.body.count
      guard bytes + byteCount <= ReplicationLimit.rangeBytesCarried else { break }
      blocks.append(block)
      bytes += byteCount
      if let certificate = try decodedCertificate(at: height, chainTag) { proven = (blocks.count, certificate) }
      height = height.next
    }
    guard let proven else { return nil }
    return (Array(blocks.prefix(proven.count)), proven.certificate)
  }

  /// Blocks without bodies, and the proof of the last under the anchor.
  private func history(from: Height, blocksMax: Int, bytesMax: Int, anchor: Height, _ chainTag: ChainTag) throws(StoreError) -> History? {
    guard anchor <= head.height, let header = try header(at: anchor) else { return nil }
    let found = try range(from: from, to: anchor, blocksMax: blocksMax, bytesMax: bytesMax, chainTag) { (height) throws(StoreError) in try abridged(at: height) }
    guard let found, let last = found.blocks.last else { return nil }
    var proof: [Digest] = []
    if last.header.height < anchor {
      do { proof = try InclusionProof.make(index: last.header.height.rawValue, size: anchor.rawValue, from: reader(of: .history)).hashes } catch {
        throw .damaged("the history of block \(anchor.rawValue): \(error)")
      }
    }
    return History(anchor: header, blocks: found.blocks, certificate: found.certificate, proof: proof)
  }

  /// The boundaries that hand over to another set, and the newest one: whoever trusts the set of the first epoch can verify each with what the one before
  /// has given it. The others prove nothing that these do not.
  private func boundaries(from: Epoch, countMax: Int, _ epochLength: UInt32, _ chainTag: ChainTag) throws(StoreError) -> [Boundary] {
    let length = UInt64(epochLength)
    let newest = Height(head.height.rawValue / length * length)
    // An epoch beyond the newest boundary has none; the comparison also keeps the product below in range.
    guard from.rawValue < newest.rawValue / length else { return [] }
    var boundaries: [Boundary] = []
    for (height, set) in try nextSets(from: Height(from.rawValue * length + 1), countMax: countMax) {
      boundaries.append(try boundary(at: height, nextSet: set, chainTag))
    }
    if boundaries.count < countMax, (boundaries.last?.header.height ?? Height(0)) < newest {
      boundaries.append(try boundary(at: newest, nextSet: [], chainTag))
    }
    return boundaries
  }

  private func boundary(at height: Height, nextSet: [UInt8], _ chainTag: ChainTag) throws(StoreError) -> Boundary {
    guard let header = try header(at: height), let certificate = try decodedCertificate(at: height, chainTag) else {
      throw .damaged("the last block of an epoch, \(height.rawValue), has no certificate")
    }
    return Boundary(header: header, certificate: certificate, nextSet: nextSet)
  }

  private func decodedCertificate(at height: Height, _ chainTag: ChainTag) throws(StoreError) -> Certificate? {
    guard let bytes = try certificate(at: height), !bytes.isEmpty else { return nil }
    do { return try Certificate(decoding: bytes.bytes, chainTag: chainTag) } catch { throw .damaged("certificate of height \(height.rawValue)") }
  }
}
