public import Digests
public import Bytes

/// The parameters of the chain, 96 bytes: `moloch-parm-v1\0\0` (16), then the fields in the order below; signer mode and protocol version are
/// 32-bit, the windows 64-bit, the rest 32-bit integers. Times in milliseconds.
public struct ChainParameters: Hashable, Sendable {
  /// Length of the encoding, bytes.
  public static let byteCount = 96
  public static let tag = Bytes16(ascii: "moloch-parm-v1\0\0")

  /// Pace of proposals, 10 to 60000 ms.
  public var blockTime: UInt32 = 1000
  /// Heartbeat of an idle chain, `blockTime` to 240000 ms.
  public var emptyBlockInterval: UInt32 = 60_000
  /// 1 to 65536.
  public var eventsPerBlockMax: UInt32 = 10_000
  /// Sum of the record lengths of a block, 2 MiB to 32 MiB.
  public var blockBytesMax: UInt32 = 8 << 20
  /// Inline body, 64 KiB to 1 MiB.
  public var bodyBytesMax: UInt32 = 256 << 10
  /// Blocks of an epoch, 1 to 1000000.
  public var epochLength: UInt32 = 100
  /// How far a statement's time may lie before its block's, 60000 to 604800000 ms.
  public var pastWindow: UInt64 = 86_400_000
  /// How far it may lie after, 1000 to 3600000 ms.
  public var futureWindow: UInt64 = 300_000
  public var signerMode: SignerMode = .any
  public var protocolVersion: UInt32 = 1
  /// Hash of the signer registry; zero in a proposal to change parameters.
  public var signersHash: Digest = SignerRegistry.empty.hash

  /// The defaults of a new chain, with an empty registry.
  public init() {}

  /// Decodes and checks every range.
  public init(decoding span: RawSpan, at offset: Int = 0) throws(FormatError) {
    guard offset >= 0, span.byteCount - offset >= Self.byteCount else { throw .truncated(needed: Self.byteCount, got: span.byteCount - offset) }
    guard Bytes16(span, at: offset) == Self.tag else { throw .badTag }
    blockTime = span.uint32(at: offset + 16)
    emptyBlockInterval = span.uint32(at: offset + 20)
    eventsPerBlockMax = span.uint32(at: offset + 24)
    blockBytesMax = span.uint32(at: offset + 28)
    bodyBytesMax = span.uint32(at: offset + 32)
    epochLength = span.uint32(at: offset + 36)
    pastWindow = span.uint64(at: offset + 40)
    futureWindow = span.uint64(at: offset + 48)
    guard let mode = SignerMode(rawValue: span.uint32(at: offset + 56)) else { throw .outOfRange("signer mode") }
    signerMode = mode
    protocolVersion = span.uint32(at: offset + 60)
    signersHash = Digest(span, at: offset + 64)
    if let field = fieldOutOfRange { throw .outOfRange(field) }
  }

  /// The first field outside its range, or nil.
  public var fieldOutOfRange: String? {
    if !(10...60_000).contains(blockTime) { return "block_time_ms" }
    if emptyBlockInterval < blockTime || emptyBlockInterval > 240_000 { return "empty_block_interval_ms" }
    if !(1...65_536).contains(eventsPerBlockMax) { return "max_events_per_block" }
    if !(2_097_152...33_554_432).contains(blockBytesMax) { return "max_block_bytes" }
    if !(65_536...1_048_576).contains(bodyBytesMax) { return "max_body_bytes" }
    if !(1...1_000_000).contains(epochLength) { return "epoch_length" }
    if !(60_000...604_800_000).contains(pastWindow) { return "past_window_ms" }
    if !(1000...3_600_000).contains(futureWindow) { return "future_window_ms" }
    return protocolVersion == 0 ? "protocol_version" : nil
  }

  public func encode(into bytes: inout [UInt8]) {
    bytes.append(Self.tag)
    for field in [blockTime, emptyBlockInterval, eventsPerBlockMax, blockBytesMax, bodyBytesMax, epochLength] { bytes.append(bigEndian: field) }
    bytes.append(bigEndian: pastWindow)
    bytes.append(bigEndian: futureWindow)
    bytes.append(bigEndian: signerMode.rawValue)
    bytes.append(bigEndian: protocolVersion)
    bytes.append(signersHash.bytes)
  }

  public var encoded: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Self.byteCount)
    encode(into: &bytes)
    return bytes
  }

  /// SHA-256 of the encoding: `params_hash`.
  public var hash: Digest { SHA256.hash(encoded) }

  /// Epoch of a height of at least 1: `floor((h - 1) / epoch_length)`; height 0 counts to epoch 0.
  public func epoch(of height: Height) -> Epoch { Epoch(height.rawValue == 0 ? 0 : (height.rawValue - 1) / UInt64(epochLength)) }

  /// Whether `height` is the last block of its epoch.
  public func isLastOfEpoch(_ height: Height) -> Bool { height.rawValue > 0 && height.rawValue % UInt64(epochLength) == 0 }
}
