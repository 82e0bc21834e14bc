import Bytes
import Digests
public import Ed25519

/// Statement and signature, 192 bytes: the leaf data of the tree.
@frozen public struct Entry: Hashable, Sendable, BitwiseCopyable {
  /// Length of the encoding, bytes.
  public static let byteCount = 192
  public var statement: Statement
  public var signature: Signature

  public init(statement: Statement, signature: Signature) {
    self.statement = statement
    self.signature = signature
  }

  /// Decodes the entry at `offset`. The signature is not verified.
  public init(decoding span: RawSpan, at offset: Int = 0) throws(FormatError) {
    guard offset >= 0, span.byteCount - offset >= Self.byteCount else { throw .truncated(needed: Self.byteCount, got: span.byteCount - offset) }
    statement = try Statement(decoding: span, at: offset)
    signature = Signature(span, at: offset + Statement.byteCount)
  }

  public func encode(into bytes: inout [UInt8]) {
    statement.encode(into: &bytes)
    bytes.append(signature.bytes)
  }

  public var encoded: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Self.byteCount)
    encode(into: &bytes)
    return bytes
  }
}

/// A record is an entry, then, unless the event is detached, a 16-byte salt and the body. Records are self-delimiting; a batch is
/// their concatenation. Record bytes are kept verbatim everywhere: this type finds the parts, it never encodes again.
@frozen public struct Record: Sendable {
  public static let saltByteCount = 16

  public var entry: Entry
  /// `SHA-256(statement)`.
  public var id: EventID
  /// Length of the record in bytes.
  public var byteCount: Int

  /// Parses the record that starts at `offset` of `span`, which may hold further records behind it.
  ///
  /// Checks layout (E1, E3), that the bytes are all there and that an inline body has the digest of the statement (E4 without the limit, E8).
  /// Not checked here: chain tag, body limit, window, signature.
  /// - Throws: `FormatError`.
  public init(parsing span: RawSpan, at offset: Int = 0) throws(FormatError) {
    entry = try Entry(decoding: span, at: offset)
    byteCount = entry.statement.recordLength
    guard span.byteCount - offset >= byteCount else { throw .truncated(needed: byteCount, got: span.byteCount - offset) }
    if byteCount > Entry.byteCount {
      // The salt and the body lie side by side, so the digest is one hash over both.
      let blob = span.extracting(offset + Entry.byteCount..<offset + byteCount)
      guard SHA256.hash(blob) == entry.statement.bodyDigest else { throw .digestMismatch }
    }
    id = EventID(SHA256.hash(span.extracting(offset..<offset + Statement.byteCount)))
  }

  /// The entry at `offset` alone, of an event whose salt and body are not at hand.
  ///
  /// Checks layout (E1, E3); E8 cannot be checked.
  /// - Throws: `FormatError`.
  public init(entryOf span: RawSpan, at offset: Int = 0) throws(FormatError) {
    entry = try Entry(decoding: span, at: offset)
    byteCount = Entry.byteCount
    id = EventID(SHA256.hash(span.extracting(offset..<offset + Statement.byteCount)))
  }

  /// Length of the record that starts at `offset`, or nil when fewer than 24 bytes are there to tell.
  public static func length(peeking span: RawSpan, at offset: Int) -> Int? {
    guard offset >= 0, span.byteCount - offset >= 24 else { return nil }
    let detached = StatementFlags(rawValue: span.uint8(at: offset + 16)).contains(.detached)
    return detached ? Entry.byteCount : Entry.byteCount + saltByteCount + Int(span.uint32(at: offset + 20))
  }

  /// Whether salt and body follow the entry.
  public var hasBody: Bool { byteCount > Entry.byteCount }
}
