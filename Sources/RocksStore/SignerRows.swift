import Audit
import Bytes
public import Ed25519
public import Ledger

/// Rows of the index about signers. `s` || key (32) -> time of the first block (8) || events (8); `t` || key (32) || stream (8) -> last number (8) || conflicts (8) ||
/// gaps, each first and last (8 each).
extension RocksLedgerStore {
  private static func signerKey(_ signer: Bytes32) -> [UInt8] { [UInt8(ascii: "s")] + signer.array }
  private static func streamKey(_ signer: Bytes32, _ stream: UInt64) -> [UInt8] { [UInt8(ascii: "t")] + signer.array + key(Height(stream)) }

  public func activity(of signer: PublicKey) throws(StoreError) -> SignerActivity? {
    while try advanceIndex(blocksMax: 256) {}
    guard let value = try index.value(0, Self.signerKey(signer.bytes)), value.count == 16 else { return nil }
    var activity = SignerActivity(firstSeen: Timestamp(milliseconds: value.bytes.uint64(at: 0)), eventCount: value.bytes.uint64(at: 8))
    let prefix = Self.streamKey(signer.bytes, 0).prefix(33)
    for row in try index.rows(0, from: Self.streamKey(signer.bytes, 0), countMax: StoreLimit.signerStreams) {
      guard row.key.starts(with: prefix), row.key.count == 41 else { break }
      activity.streams.append(try Self.stream(row.value, row.key.bytes.uint64(at: 33)))
    }
    return activity
  }

  private static func stream(_ value: [UInt8], _ stream: UInt64) throws(StoreError) -> SignerStream {
    guard value.count >= 16, value.count % 16 == 0 else { throw .damaged("index row of stream \(stream)") }
    var gaps: [ClosedRange<UInt64>] = []
    for offset in stride(from: 16, to: value.count, by: 16) {
      let (first, last) = (value.bytes.uint64(at: offset), value.bytes.uint64(at: offset + 8))
      guard first <= last else { throw .damaged("index row of stream \(stream)") }
      gaps.append(first...last)
    }
    return SignerStream(stream: stream, lastSequence: value.bytes.uint64(at: 0), gaps: gaps, conflicts: value.bytes.uint64(at: 8))
  }

  /// The rows after further events, in the order of the chain.
  /// - Parameter stored: the row of a key, as it was before.
  func signerRows(
    adding events: [IndexedEvent], to stored: (_ key: [UInt8]) throws(StoreError) -> [UInt8]?
  ) throws(StoreError) -> [(family: Int, key: [UInt8], value: [UInt8])] {
    var (signers, streams): ([Bytes32: SignerActivity], [[UInt8]: SignerStream]) = ([:], [:])
    for event in events {
      if signers[event.signer] == nil {
        let value = try stored(Self.signerKey(event.signer)) ?? []
        signers[event.signer] =
          value.count == 16
          ? SignerActivity(firstSeen: Timestamp(milliseconds: value.bytes.uint64(at: 0)), eventCount: value.bytes.uint64(at: 8))
          : SignerActivity(firstSeen: event.time)
      }
      signers[event.signer]?.eventCount += 1
      guard event.sequence > 0 else { continue }
      let key = Self.streamKey(event.signer, event.stream)
      if streams[key] == nil {
        let value = try stored(key)
        streams[key] = if let value { try Self.stream(value, event.stream) } else { SignerStream(stream: event.stream) }
      }
      streams[key]?.add(event.sequence)
    }
    var rows = signers.map { (family: 0, key: Self.signerKey($0.key), value: Self.key(Height($0.value.firstSeen.rawValue)) + Self.key(Height($0.value.eventCount))) }
    for (key, stream) in streams {
      let gaps = stream.gaps.flatMap { Self.key(Height($0.lowerBound)) + Self.key(Height($0.upperBound)) }
      rows.append((0, key, Self.key(Height(stream.lastSequence)) + Self.key(Height(stream.conflicts)) + gaps))
    }
    return rows.sorted { $0.key.lexicographicallyPrecedes($1.key) }
  }
}

/// What the index notes of an event beside its place.
struct IndexedEvent {
  var signer: Bytes32
  var stream: UInt64
  var sequence: UInt64
  /// Of its block.
  var time: Timestamp

  init(_ entry: RawSpan, time: Timestamp) {
    (signer, stream, sequence, self.time) = (Bytes32(entry, at: 64), entry.uint64(at: 32), entry.uint64(at: 40), time)
  }
}
