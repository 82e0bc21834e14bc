import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Ledger
import Replication
import Testing

/// The files of a snapshot: what they hold, what they refuse, and that they say on the wire what the chain says.
@Suite struct SnapshotPartTests {
  private static let epochLength: UInt32 = 6

  /// A chain of some epochs with events in most blocks.
  private func cluster() throws -> Cluster {
    let cluster = try Cluster(validators: 4, seed: 71, epochLength: Self.epochLength)
    try cluster.startAll()
    for round in 0..<10 {
      for _ in 0..<3 { cluster.admit(at: round % 4) }
      cluster.run(milliseconds: 400)
    }
    #expect(cluster.nodes[0].store.head.height > Height(12))
    return cluster
  }

  private func parts(_ store: some LedgerStore) throws -> [SnapshotPart] {
    var (builder, parts): (SnapshotPartBuilder, [SnapshotPart]) = (SnapshotPartBuilder(), [])
    var height = Height(1)
    while height <= store.head.height {
      let block = try #require(try store.abridged(at: height), "\(height)")
      switch builder.add(block, certificate: try store.certificate(at: height), epochLength: Self.epochLength) {
      case .open: height = height.next
      case .complete(let part):
        parts.append(part)
        height = part.last.next
      case .passed(let first): Issue.record("the end of an epoch without a certificate, from \(first)")
      }
    }
    return parts
  }

  @Test func aPartSaysWhatTheChainSays() throws {
    let store = try cluster().nodes[0].store
    let parts = try parts(store), anchor = store.head
    #expect(parts.map(\.first.rawValue) == parts.indices.map { UInt64($0) * 6 + 1 } && parts.allSatisfy { $0.count == 6 })
    for part in parts {
      let read = try SnapshotPart(file: part.encoded(chainTag: Cluster.tag), chainTag: Cluster.tag)
      #expect(read.first == part.first && read.last == part.last)
      let hash = try #require(store.header(at: part.last)).hash
      #expect(try read.finalBlock(chainTag: Cluster.tag) == Anchor(height: part.last, hash: hash))
      let query = StoreQuery.history(from: part.first, blocksMax: part.count, bytesMax: 4 << 20, anchor: anchor.height, PeerLink(1))
      guard case .history(let from, let history?) = try store.load(query, epochLength: Self.epochLength, chainTag: Cluster.tag) else {
        Issue.record("no range from \(part.first)")
        continue
      }
      let ofChain = ReplicaMessage.history(from: from, history).encoded()
      let ofFile = ReplicaMessage.part(from: from, try read.proven(under: anchor, in: store)).encoded()
      #expect(ofFile == ofChain, "the part from \(from)")
    }
    // Under the block that it ends with, a part needs no proof.
    let last = try #require(parts.last), header = try #require(store.header(at: last.last))
    let (type, bytes) = ReplicaMessage.part(from: last.first, try last.proven(under: header, in: store)).encoded()
    guard case .history(_, let history?) = try ReplicaMessage(type: type, decoding: bytes.bytes, chainTag: Cluster.tag) else {
      Issue.record("no history")
      return
    }
    #expect(history.proof.isEmpty && history.isProven)
  }

  @Test func damageOfAFileIsSeen() throws {
    let part = try #require(try parts(try cluster().nodes[0].store).first)
    let file = part.encoded(chainTag: Cluster.tag)
    for offset in file.indices where offset < 120 || offset >= file.count - 40 || offset % 61 == 0 {
      var damaged = file
      damaged[offset] ^= 1 << UInt8(offset % 8)
      #expect(throws: FormatError.digestMismatch, "byte \(offset)") { _ = try SnapshotPart(file: damaged, chainTag: Cluster.tag) }
    }
    for length in [0, 79, 80, file.count - 1] {
      #expect(throws: FormatError.self, "\(length) bytes") { _ = try SnapshotPart(file: Array(file.prefix(length)), chainTag: Cluster.tag) }
    }
    #expect(throws: FormatError.self) { _ = try SnapshotPart(file: file + [0], chainTag: Cluster.tag) }
    #expect(throws: FormatError.badTag) { _ = try SnapshotPart(file: file, chainTag: ChainTag(Bytes16(3, 4))) }
    // A file that somebody has made to measure: its digest is right, its lengths are not.
    for (offset, value) in [(32, UInt32(0)), (32, 257), (36, 70_000), (44, 1)] {
      var forged = Array(file.dropLast(32))
      for byte in 0..<4 { forged[offset + byte] = UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * byte)) }
      forged.append(SHA256.hash(forged).bytes)
      #expect(throws: FormatError.self, "\(value) at \(offset)") { _ = try SnapshotPart(file: forged, chainTag: Cluster.tag) }
    }
  }

  /// A part ends with the last block that has a certificate of its own; blocks before the first such block are in none.
  @Test func blocksWithoutACertificateEndNoPart() throws {
    let store = try cluster().nodes[0].store
    let blocks = try (1...6).map { try #require(try store.abridged(at: Height($0))) }
    let certificate = try #require(store.certificate(at: Height(6)))
    var builder = SnapshotPartBuilder()
    for (index, block) in blocks.enumerated() {
      switch builder.add(block, certificate: index == 3 ? certificate : nil, epochLength: Self.epochLength) {
      case .open: #expect(index < 5)
      case .complete(let part): #expect(index == 5 && part.first == Height(1) && part.last == Height(4))
      case .passed: Issue.record("passed at \(index)")
      }
    }
    var empty = SnapshotPartBuilder()
    for (index, block) in blocks.enumerated() {
      if case .passed(let first) = empty.add(block, certificate: nil, epochLength: Self.epochLength) { #expect(index == 5 && first == Height(1)) } else { #expect(index < 5) }
    }
  }
}
