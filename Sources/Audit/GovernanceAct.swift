import Bytes
public import Digests
import Ed25519

/// What the body of a governance event says (ledger formats, section 9), by content type 0xF0 to 0xF5. Every body is the version (2) = 1,
/// followed by exactly the layout of its act; a body that decodes encodes to the same bytes.
public enum GovernanceAct: Hashable, Sendable {
  /// 0xF0
  case proposeValidators(ValidatorsProposal)
  /// 0xF1
  case decide(GovernanceDecision)
  /// 0xF2, strictly ascending by key.
  case proposeSigners([SignerChange])
  /// 0xF3
  case proposeRedaction(RedactionProposal)
  /// 0xF4
  case recordPrune(PruneNotice)
  /// 0xF5
  case proposeParameters(ParametersProposal)

  static let version: UInt16 = 1

  /// Decodes the body of an event of content type `type`; nothing may follow the act.
  /// Checked here: everything that the bytes alone decide. What depends on the set and the parameters of a height is `Ledger`'s check.
  /// - Throws: `.badContentType` when the type is no governance act, else the reason why the body is not one of that type.
  public init(decoding span: RawSpan, type: ContentType) throws(FormatError) {
    guard type.isGovernance else { throw .badContentType(type.rawValue) }
    guard span.byteCount >= 8 else { throw .truncated(needed: 8, got: span.byteCount) }
    guard span.uint16(at: 0) == Self.version else { throw .outOfRange("version") }
    switch type {
    case .proposeValidators: self = .proposeValidators(try ValidatorsProposal(decoding: span))
    case .decide: self = .decide(try GovernanceDecision(decoding: span))
    case .proposeSigners: self = .proposeSigners(try SignerChange.decodeList(span))
    case .proposeRedaction: self = .proposeRedaction(try RedactionProposal(decoding: span))
    case .recordPrune: self = .recordPrune(try PruneNotice(decoding: span))
    default: self = .proposeParameters(try ParametersProposal(decoding: span))
    }
  }

  /// The content type of an event with this body.
  public var contentType: ContentType {
    switch self {
    case .proposeValidators: .proposeValidators
    case .decide: .decide
    case .proposeSigners: .proposeSigners
    case .proposeRedaction: .proposeRedaction
    case .recordPrune: .recordPrune
    case .proposeParameters: .proposeParameters
    }
  }

  /// The body.
  public var encoded: [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(bigEndian: Self.version)
    switch self {
    case .proposeValidators(let proposal): proposal.encode(into: &bytes)
    case .decide(let decision): decision.encode(into: &bytes)
    case .proposeSigners(let changes): SignerChange.encode(changes, into: &bytes)
    case .proposeRedaction(let proposal): proposal.encode(into: &bytes)
    case .recordPrune(let notice): notice.encode(into: &bytes)
    case .proposeParameters(let proposal): proposal.encode(into: &bytes)
    }
    return bytes
  }

  /// The length must be exact: fewer bytes are a truncation, more a trailing part.
  static func checkLength(_ span: RawSpan, _ length: Int) throws(FormatError) {
    guard span.byteCount >= length else { throw .truncated(needed: length, got: span.byteCount) }
    guard span.byteCount == length else { throw .trailingBytes(span.byteCount - length) }
  }
}

extension ContentType {
  public static let proposeValidators = ContentType(rawValue: 0xF0)
  public static let decide = ContentType(rawValue: 0xF1)
  public static let proposeSigners = ContentType(rawValue: 0xF2)
  public static let proposeRedaction = ContentType(rawValue: 0xF3)
  public static let recordPrune = ContentType(rawValue: 0xF4)
  public static let proposeParameters = ContentType(rawValue: 0xF5)
}

/// 0xF1, 40 bytes: version (2), decision (2), reserved (4), event id of the proposal (32).
public struct GovernanceDecision: Hashable, Sendable {
  static let byteCount = 40
  public enum Verdict: UInt16, Hashable, Sendable { case approve = 1, withdraw }
  public var verdict: Verdict
  public var proposal: EventID

  public init(_ verdict: Verdict, of proposal: EventID) {
    self.verdict = verdict
    self.proposal = proposal
  }

  init(decoding span: RawSpan) throws(FormatError) {
    try GovernanceAct.checkLength(span, Self.byteCount)
    guard let verdict = Verdict(rawValue: span.uint16(at: 2)) else { throw .outOfRange("decision") }
    guard span.isZero(4..<8) else { throw .reservedBits }
    self.verdict = verdict
    proposal = EventID(Digest(span, at: 8))
  }

  func encode(into bytes: inout [UInt8]) {
    bytes.append(bigEndian: verdict.rawValue)
    bytes.append(zeros: 4)
    bytes.append(proposal.digest.bytes)
  }
}

/// One change of a 0xF2 proposal, 120 bytes: op (1), reserved (7), registry record (112).
/// The proposal is version (2), number of changes (2), reserved (4), then the changes, strictly ascending by key.
public struct SignerChange: Hashable, Sendable {
  static let byteCount = 120
  public enum Operation: UInt8, Hashable, Sendable { case put = 1, revoke }
  public var operation: Operation
  /// Of a revocation only the key counts.
  public var record: SignerRecord

  public init(_ operation: Operation, _ record: SignerRecord) {
    self.operation = operation
    self.record = record
  }

  static func decodeList(_ span: RawSpan) throws(FormatError) -> [SignerChange] {
    let count = Int(span.uint16(at: 2))
    guard (1...LedgerLimit.signerChanges).contains(count) else { throw .outOfRange("c") }
    guard span.isZero(4..<8) else { throw .reservedBits }
    try GovernanceAct.checkLength(span, 8 + byteCount * count)
    var changes: [SignerChange] = []
    for offset in stride(from: 8, to: span.byteCount, by: byteCount) {
      guard let operation = Operation(rawValue: span.uint8(at: offset)) else { throw .outOfRange("op") }
      guard span.isZero(offset + 1..<offset + 8) else { throw .reservedBits }
      let record = try SignerRecord(decoding: span, at: offset + 8)
      if let last = changes.last, last.record.key >= record.key { throw .malformed("records ascend by key") }
      guard Verifier.isRegistrable(record.key) else { throw .malformed("key \(record.key) is not registrable") }
      changes.append(SignerChange(operation, record))
    }
    return changes
  }

  static func encode(_ changes: [SignerChange], into bytes: inout [UInt8]) {
    bytes.append(bigEndian: UInt16(changes.count))
    bytes.append(zeros: 4)
    for change in changes {
      bytes.append(change.operation.rawValue)
      bytes.append(zeros: 7)
      change.record.encode(into: &bytes)
    }
  }
}

/// 0xF3: version (2), reason (2), c (2), t (2), requester hash (32), c event ids (32 each), note (t bytes, UTF-8).
public struct RedactionProposal: Hashable, Sendable {
  static let headByteCount = 40
  public enum Reason: UInt16, Hashable, Sendable {
    case erasureRequest = 1, legalOrder, securityIncident, submittedInError
    case other = 0xFFFF
  }
  public var reason: Reason
  public var requesterHash: Digest
  /// 1 to 1000.
  public var events: [EventID]
  /// At most 1024 bytes, without personal data.
  public var note: String

  public init(reason: Reason, requesterHash: Digest, events: [EventID], note: String) {
    self.reason = reason
    self.requesterHash = requesterHash
    self.events = events
    self.note = note
  }

  init(decoding span: RawSpan) throws(FormatError) {
    guard let reason = Reason(rawValue: span.uint16(at: 2)) else { throw .outOfRange("reason") }
    let (count, noteCount) = (Int(span.uint16(at: 4)), Int(span.uint16(at: 6)))
    guard (1...LedgerLimit.redactedEvents).contains(count) else { throw .outOfRange("c") }
    guard noteCount <= LedgerLimit.redactionNoteByteCount else { throw .outOfRange("t") }
    let noteStart = Self.headByteCount + 32 * count
    try GovernanceAct.checkLength(span, noteStart + noteCount)
    guard let note = span.extracting(noteStart..<noteStart + noteCount).text else { throw .malformed("note is not UTF-8") }
    self.reason = reason
    requesterHash = Digest(span, at: 8)
    events = (0..<count).map { EventID(Digest(span, at: Self.headByteCount + 32 * $0)) }
    self.note = note
  }

  func encode(into bytes: inout [UInt8]) {
    let text = Array(note.utf8)
    bytes.append(bigEndian: reason.rawValue)
    bytes.append(bigEndian: UInt16(events.count))
    bytes.append(bigEndian: UInt16(text.count))
    bytes.append(requesterHash.bytes)
    for event in events { bytes.append(event.digest.bytes) }
    bytes += text
  }
}

/// 0xF4, 32 bytes: version (2), flags (2, bit 0 deep), reserved (4), before_height (8), first leaf with a body (8), minimum index of entries (8).
public struct PruneNotice: Hashable, Sendable {
  static let byteCount = 32
  public var isDeep: Bool
  public var beforeHeight: Height
  public var firstLeafWithBody: LeafIndex
  public var minimumIndex: LeafIndex

  public init(isDeep: Bool, beforeHeight: Height, firstLeafWithBody: LeafIndex, minimumIndex: LeafIndex) {
    self.isDeep = isDeep
    self.beforeHeight = beforeHeight
    self.firstLeafWithBody = firstLeafWithBody
    self.minimumIndex = minimumIndex
  }

  init(decoding span: RawSpan) throws(FormatError) {
    try GovernanceAct.checkLength(span, Self.byteCount)
    let flags = span.uint16(at: 2)
    guard flags <= 1, span.isZero(4..<8) else { throw .reservedBits }
    for (offset, name) in [(8, "before_height"), (16, "first leaf"), (24, "minimum index")] {
      guard span.uint64(at: offset) < ordinalLimit else { throw .outOfRange(name) }
    }
    isDeep = flags == 1
    beforeHeight = Height(span.uint64(at: 8))
    firstLeafWithBody = LeafIndex(span.uint64(at: 16))
    minimumIndex = LeafIndex(span.uint64(at: 24))
  }

  func encode(into bytes: inout [UInt8]) {
    bytes.append(bigEndian: UInt16(isDeep ? 1 : 0))
    bytes.append(zeros: 4)
    bytes.append(bigEndian: beforeHeight.rawValue)
    bytes.append(bigEndian: firstLeafWithBody.rawValue)
    bytes.append(bigEndian: minimumIndex.rawValue)
  }
}

/// 0xF5, 112 bytes: version (2), reserved (6), effective_epoch (8), complete parameters (96) with a zero signers_hash.
public struct ParametersProposal: Hashable, Sendable {
  static let byteCount = 112
  public var effectiveEpoch: Epoch
  /// `signersHash` is zero: a proposal cannot change the registry.
  public var parameters: ChainParameters

  public init(effectiveEpoch: Epoch, parameters: ChainParameters) {
    self.effectiveEpoch = effectiveEpoch
    self.parameters = parameters
    self.parameters.signersHash = .zero
  }

  init(decoding span: RawSpan) throws(FormatError) {
    try GovernanceAct.checkLength(span, Self.byteCount)
    guard span.isZero(2..<8) else { throw .reservedBits }
    effectiveEpoch = Epoch(span.uint64(at: 8))
    guard effectiveEpoch.rawValue < ordinalLimit else { throw .outOfRange("effective_epoch") }
    parameters = try ChainParameters(decoding: span, at: 16)
    guard parameters.signersHash == .zero else { throw .malformed("signers_hash is not zero") }
  }

  func encode(into bytes: inout [UInt8]) {
    bytes.append(zeros: 6)
    bytes.append(bigEndian: effectiveEpoch.rawValue)
    parameters.encode(into: &bytes)
  }
}
