public import Digests
public import Ed25519
public import Bytes

/// Who may sign events.
public enum SignerMode: UInt32, Hashable, Sendable {
  /// Every key.
  case any = 0
  /// Keys of the registry.
  case registered = 1
}

/// A registered signer, 112 bytes: key (32), valid from height (8), valid to height (8), name (64).
public struct SignerRecord: Hashable, Sendable {
  /// Length of the encoding, bytes.
  public static let byteCount = 112
  public var key: PublicKey
  /// First height at which the key may sign.
  public var validFrom: Height
  /// First height at which it may not any more; 0 = no end.
  public var validTo: Height
  public var name: String

  public init(key: PublicKey, validFrom: Height, validTo: Height, name: String) {
    self.key = key
    self.validFrom = validFrom
    self.validTo = validTo
    self.name = name
  }

  public init(decoding span: RawSpan, at offset: Int = 0) throws(FormatError) {
    guard offset >= 0, span.byteCount - offset >= Self.byteCount else { throw .truncated(needed: Self.byteCount, got: span.byteCount - offset) }
    key = PublicKey(Bytes32(span, at: offset))
    validFrom = Height(span.uint64(at: offset + 32))
    validTo = Height(span.uint64(at: offset + 40))
    guard validFrom.rawValue < ordinalLimit else { throw .outOfRange("valid_from_height") }
    guard validTo.rawValue < ordinalLimit else { throw .outOfRange("valid_to_height") }
    name = try FixedName.decode(span, at: offset + 48)
  }

  public func encode(into bytes: inout [UInt8]) {
    bytes.append(key.bytes)
    bytes.append(bigEndian: validFrom.rawValue)
    bytes.append(bigEndian: validTo.rawValue)
    FixedName.encode(name, into: &bytes)
  }

  /// Whether the key may sign an event of the block at `height`.
  public func isValid(at height: Height) -> Bool { validFrom <= height && (validTo.rawValue == 0 || validTo > height) }
}

/// The registry: `moloch-sgnr-v1\0\0` (16), count (4), reserved (4), records strictly ascending by key.
public struct SignerRegistry: Hashable, Sendable {
  public static let tag = Bytes16(ascii: "moloch-sgnr-v1\0\0")
  static let headByteCount = 24

  public let records: [SignerRecord]
  public let encoded: [UInt8]
  /// SHA-256 of the encoding: `signers_hash`.
  public let hash: Digest

  public static let empty = SignerRegistry(sorted: [])

  /// Sorts the records and checks that no key is there twice and that names are well-formed.
  public init(_ records: [SignerRecord]) throws(FormatError) {
    let sorted = records.sorted { $0.key < $1.key }
    guard sorted.count <= LedgerLimit.registeredSigners else { throw .outOfRange("signers") }
    for record in sorted {
      guard FixedName.isValid(record.name) else { throw .malformed("name") }
      guard record.validFrom.rawValue < ordinalLimit, record.validTo.rawValue < ordinalLimit else { throw .outOfRange("height") }
    }
    for (record, next) in zip(sorted, sorted.dropFirst()) where record.key == next.key { throw .malformed("key \(record.key) twice") }
    self.init(sorted: sorted)
  }

  private init(sorted: [SignerRecord]) {
    var bytes: [UInt8] = []
    bytes.append(Self.tag)
    bytes.append(bigEndian: UInt32(sorted.count))
    bytes.append(zeros: 4)
    for record in sorted { record.encode(into: &bytes) }
    records = sorted
    encoded = bytes
    hash = SHA256.hash(bytes)
  }

  /// Decodes a whole registry; nothing may follow it.
  public init(decoding span: RawSpan) throws(FormatError) {
    guard span.byteCount >= Self.headByteCount else { throw .truncated(needed: Self.headByteCount, got: span.byteCount) }
    guard Bytes16(span, at: 0) == Self.tag else { throw .badTag }
    let count = Int(span.uint32(at: 16))
    guard span.isZero(20..<24) else { throw .reservedBits }
    guard count <= LedgerLimit.registeredSigners else { throw .outOfRange("signers") }
    let length = Self.headByteCount + count * SignerRecord.byteCount
    guard span.byteCount >= length else { throw .truncated(needed: length, got: span.byteCount) }
    guard span.byteCount == length else { throw .trailingBytes(span.byteCount - length) }
    var records: [SignerRecord] = []
    for offset in stride(from: Self.headByteCount, to: length, by: SignerRecord.byteCount) {
      let record = try SignerRecord(decoding: span, at: offset)
      if let last = records.last, last.key >= record.key { throw .malformed("records ascend by key") }
      records.append(record)
    }
    self.init(sorted: records)
  }

  /// The registry after an approved proposal, in force from `height` on: a put replaces or adds its record, a revocation ends the key's record at
  /// `height`. A put that would overfill the registry and a revocation of an unknown key do nothing.
  public func applying(_ changes: [SignerChange], from height: Height) -> SignerRegistry {
    var records = records
    for change in changes {
      let place = records.firstIndex { $0.key >= change.record.key } ?? records.endIndex
      let isThere = place < records.endIndex && records[place].key == change.record.key
      switch change.operation {
      case .put where isThere: records[place] = change.record
      case .put: if records.count < LedgerLimit.registeredSigners { records.insert(change.record, at: place) }
      case .revoke: if isThere { records[place].validTo = height }
      }
    }
    return SignerRegistry(sorted: records)
  }

  /// Rule E5 for application events: mode `any` allows every key, `registered` a key whose record holds at `height`.
  public func allows(_ key: PublicKey, at height: Height, mode: SignerMode) -> Bool {
    if mode == .any { return true }
    guard let record = record(of: key) else { return false }
    return record.isValid(at: height)
  }

  /// The record of `key`, by binary search.
  public func record(of key: PublicKey) -> SignerRecord? {
    var (low, high) = (0, records.count)
    while low < high {
      let middle = (low + high) / 2
      if records[middle].key < key { low = middle + 1 } else { high = middle }
    }
    return low < records.count && records[low].key == key ? records[low] : nil
  }

  public static func == (a: Self, b: Self) -> Bool { a.hash == b.hash }
  public func hash(into hasher: inout Hasher) { hasher.combine(hash) }
}
