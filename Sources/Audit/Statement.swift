public import Bytes
public import Digests
public import Ed25519

/// The 128 bytes that a signer signs (ledger formats, section 3). The event id is their SHA-256.
///
/// | offset | length | field |
/// |---|---|---|
/// | 0 | 16 | tag `moloch-event-v1\0` |
/// | 16 | 1 | flags |
/// | 17 | 1 | content type |
/// | 18 | 2 | reserved, zero |
/// | 20 | 4 | body length, bytes |
/// | 24 | 8 | timestamp, Unix milliseconds |
/// | 32 | 8 | stream |
/// | 40 | 8 | sequence number, 0 = unsequenced |
/// | 48 | 16 | chain tag |
/// | 64 | 32 | signer |
/// | 96 | 32 | body digest, `SHA-256(salt || body)` |
@frozen public struct Statement: Hashable, Sendable, BitwiseCopyable {
  /// Length of the encoding, bytes.
  public static let byteCount = 128
  public static let tag = Bytes16(ascii: "moloch-event-v1\0")

  public var flags: StatementFlags
  public var contentType: ContentType
  /// Length of the body in bytes, without the salt.
  public var bodyLength: UInt32
  public var timestamp: Timestamp
  public var stream: UInt64
  public var sequence: UInt64
  public var chainTag: ChainTag
  public var signer: PublicKey
  public var bodyDigest: Digest

  public init(
    flags: StatementFlags, contentType: ContentType, bodyLength: UInt32, timestamp: Timestamp, stream: UInt64,
    sequence: UInt64, chainTag: ChainTag, signer: PublicKey, bodyDigest: Digest
  ) {
    self.flags = flags
    self.contentType = contentType
    self.bodyLength = bodyLength
    self.timestamp = timestamp
    self.stream = stream
    self.sequence = sequence
    self.chainTag = chainTag
    self.signer = signer
    self.bodyDigest = bodyDigest
  }

  /// Decodes the statement at `offset`; rules E1 and E3 of the ledger hold for what is returned, the chain tag is the caller's check.
  /// - Throws: `FormatError` naming the first field that breaks a rule.
  public init(decoding span: RawSpan, at offset: Int = 0) throws(FormatError) {
    guard offset >= 0, span.byteCount - offset >= Self.byteCount else { throw .truncated(needed: Self.byteCount, got: span.byteCount - offset) }
    guard Bytes16(span, at: offset) == Self.tag else { throw .badTag }
    flags = StatementFlags(rawValue: span.uint8(at: offset + 16))
    guard flags.isSubset(of: .all), span.uint16(at: offset + 18) == 0 else { throw .reservedBits }
    contentType = ContentType(rawValue: span.uint8(at: offset + 17))
    guard contentType.isValid else { throw .badContentType(contentType.rawValue) }
    bodyLength = span.uint32(at: offset + 20)
    timestamp = Timestamp(rawValue: span.uint64(at: offset + 24))
    stream = span.uint64(at: offset + 32)
    sequence = span.uint64(at: offset + 40)
    guard timestamp.rawValue < ordinalLimit else { throw .outOfRange("timestamp_ms") }
    guard stream < ordinalLimit else { throw .outOfRange("stream") }
    guard sequence < ordinalLimit else { throw .outOfRange("seq") }
    chainTag = ChainTag(Bytes16(span, at: offset + 48))
    signer = PublicKey(Bytes32(span, at: offset + 64))
    bodyDigest = Digest(span, at: offset + 96)
  }

  /// Appends the 128 bytes.
  public func encode(into bytes: inout [UInt8]) {
    bytes.append(Self.tag)
    bytes.append(flags.rawValue)
    bytes.append(contentType.rawValue)
    bytes.append(zeros: 2)
    bytes.append(bigEndian: bodyLength)
    bytes.append(bigEndian: timestamp.rawValue)
    bytes.append(bigEndian: stream)
    bytes.append(bigEndian: sequence)
    bytes.append(chainTag.bytes)
    bytes.append(signer.bytes)
    bytes.append(bodyDigest.bytes)
  }

  /// The 128 bytes.
  public var encoded: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Self.byteCount)
    encode(into: &bytes)
    return bytes
  }

  /// Length of the whole record in bytes: 192 detached, else 208 + body.
  public var recordLength: Int { flags.contains(.detached) ? Entry.byteCount : Entry.byteCount + Record.saltByteCount + Int(bodyLength) }
}

/// Flag bits of a statement; bits 3 to 7 are zero.
@frozen public struct StatementFlags: OptionSet, Hashable, Sendable, BitwiseCopyable {
  public var rawValue: UInt8
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
  /// The body is not on the chain, only its digest.
  public static let detached = StatementFlags(rawValue: 1)
  /// The body is encrypted and is not parsed.
  public static let encrypted = StatementFlags(rawValue: 2)
  /// A gateway attests the event for its client.
  public static let gatewayAttested = StatementFlags(rawValue: 4)
  public static let all: StatementFlags = [.detached, .encrypted, .gatewayAttested]
}

/// What the body holds (ledger formats, section 3). The chain accepts every value below 0xF6; admission accepts the assigned ones.
@frozen public struct ContentType: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
  public var rawValue: UInt8
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

  public static let opaque = ContentType(rawValue: 0)
  /// The project's JSON event profile.
  public static let json = ContentType(rawValue: 1)
  public static let cloudEvents = ContentType(rawValue: 2)
  public static let ocsf = ContentType(rawValue: 3)
  public static let dsse = ContentType(rawValue: 4)
  public static let openTelemetryProtobuf = ContentType(rawValue: 5)
  public static let openTelemetryJSON = ContentType(rawValue: 6)
  public static let syslog = ContentType(rawValue: 7)
  public static let kubernetesAudit = ContentType(rawValue: 8)
  public static let gitAudit = ContentType(rawValue: 9)
  public static let cloudTrail = ContentType(rawValue: 10)

  /// Valid on the chain.
  public var isValid: Bool { rawValue < 0xF6 }
  public var isGovernance: Bool { rawValue >= 0xF0 && isValid }
  /// Assigned, hence accepted at admission.
  public var isAssigned: Bool { rawValue <= 10 || isGovernance }
  /// The body is a JSON value.
  public var isJSON: Bool { [1, 2, 3, 4, 6, 8, 9, 10].contains(rawValue) }
}
