public import Audit
import Bytes
import Digests
import Ed25519
import JSON
public import Ledger
import Merkle

/// Answers reads from the store, on the storage thread. Everything it returns is a finished body.
public struct Reader<Store: LedgerStore> {
  let store: Store
  let genesis: Genesis
  let memory: GovernanceMemory
  let edges = EdgeMemory()

  public init(store: Store, genesis: Genesis) {
    self.store = store
    self.genesis = genesis
    memory = GovernanceMemory(genesis: genesis)
  }

  /// Performs one read. Damaged data is an integrity error of this item, never "not found".
  public func answer(_ job: ReadJob) -> Result<Answer, Refusal> {
    do {
      switch job.request {
      case .event(let id, let raw, let bodyOnly, let includes):
        
        if raw { return .success(try rawEvent(id, bodyOnly: bodyOnly, job)) }
        return .success(try event(id, includes, job))
      case .block(let name, let includes, let octets): return .success(try block(name, includes, octets: octets))
      case .inclusion(let event, let size, let format, let since): return .success(try inclusion(event, size, format, since, job))
      case .consistency(let from, let to, let byHeight): return .success(try consistency(from, to, byHeight: byHeight))
      case .tile(let path): return .success(try tile(path, job))
      case .finalised(let id, let attestation, let isMinimal): return .success(try finalised(id, attestation, isMinimal: isMinimal, job))
      case .validators(let height): return .success(try validators(height))
      case .validatorHistory(let epoch, let countMax): return .success(try validatorHistory(epoch, countMax))
      case .signer(let key): return .success(try signer(key))
      case .governance: return .success(try governance())
      case .maintenance: throw Refusal(.notFound, "no such maintenance verb")
      }
    } catch {
      return .failure(refusal(for: error))
    }
  }

  private func refusal(for error: any Error) -> Refusal {
    if let refusal = error as? Refusal { return refusal }
    if case .damaged(let detail)? = error as? StoreError {
      return Refusal(.integrityError, "stored data is damaged: \(detail); see 'moloch maintenance verify'")
    }
    if case .missingNode(let level, let index)? = error as? TreeError {
      return Refusal(.integrityError, "stored data is damaged: mmr/ lacks node \(index) of level \(level); see 'moloch maintenance verify'")
    }
    return Refusal(.internalError, "\(error)")
  }

  // MARK: Look-ups

  struct Found {
    var leaf: LeafIndex
    var record: [UInt8]
    var header: BlockHeader
  }

  /// Where an event is, with its record. For one that the index does not have it is brought up to the head, because it is built behind it.
  func find(_ id: EventID) throws -> Found {
    var leaf = try store.location(of: id)
    if leaf == nil {
      while try store.advanceIndex(blocksMax: 256) {}
      leaf = try store.location(of: id)
    }
    guard let leaf else {
      guard store.earliestEntryHeight.rawValue > 1 else { throw Refusal(.notFound, "no such event") }
      let first = try earliestEntryIndex()
      throw Refusal(
        .notFound, "no such event from leaf \(first) on; what was before it was pruned on this node and cannot be looked up by its id", [("earliest_entry_index", .number(first))])
    }
    return try found(leaf)
  }

  func found(_ leaf: LeafIndex) throws -> Found {
    let stored = try store.record(at: leaf)
    guard let stored else { throw StoreError.damaged("leaf \(leaf.rawValue) is indexed and not stored") }
    guard !stored.record.isEmpty else {
      throw Refusal(
        .pruned, "the entry was pruned on this node, which holds entries from leaf \(try earliestEntryIndex()) on; whoever has it gets its proof with 'leaf_index'",
        [("block_height", .number(stored.height.rawValue)), ("leaf_index", .number(leaf.rawValue))])
    }
    return Found(leaf: leaf, record: stored.record, header: try header(stored.height))
  }

  /// The first leaf whose entry is here.
  func earliestEntryIndex() throws -> UInt64 {
    store.earliestEntryHeight > store.head.height ? store.head.treeSize : try header(store.earliestEntryHeight).firstLeaf.rawValue
  }

  /// - Throws: 410 with what is left of an event whose body was pruned here.
  func requireBody(_ found: Found) throws {
    let entry = try Entry(decoding: found.record.bytes)
    guard found.record.count == Entry.byteCount, !entry.statement.flags.contains(.detached) else { return }
    let isPruned = found.header.height < store.earliestBodyHeight
    throw Refusal(
      .pruned,
      isPruned
        ? "the body was pruned on this node, which holds bodies from height \(store.earliestBodyHeight.rawValue) on; statement and proofs are still there"
        : "the body is not on this node; statement and proofs are still there",
      [
        ("statement", .text(Base64.encode(entry.statement.encoded.bytes))), ("block_height", .number(found.header.height.rawValue)),
        ("leaf_index", .number(found.leaf.rawValue)),
      ])
  }

  func header(_ height: Height) throws -> BlockHeader {
    let header = try store.header(at: height)
    guard let header else { throw Refusal(.notFound, "no such block") }
    return header
  }

  /// The encoded finality certificate of a block, empty when a descendant carries it.
  func certificate(_ height: Height) throws -> [UInt8] {
    let stored = try store.certificate(at: height)
    return stored ?? []
  }
}
