public import Digests
public import Ed25519
public import Bytes

/// A validator, 136 bytes: public key (32), cosigner key (32), power (8), name (64).
public struct Validator: Hashable, Sendable {
  /// Length of the encoding, bytes.
  public static let byteCount = 136
  /// Signs votes and notes.
  public var publicKey: PublicKey
  /// Signs cosignatures of checkpoints.
  public var cosignerKey: PublicKey
  /// Voting power, 1 to 2^32 - 1.
  public var power: UInt64
  /// `[a-z0-9.-]{1,64}`.
  public var name: String

  public init(publicKey: PublicKey, cosignerKey: PublicKey, power: UInt64, name: String) {
    self.publicKey = publicKey
    self.cosignerKey = cosignerKey
    self.power = power
    self.name = name
  }

  /// Decodes the record at `offset`, checking power and name; whether the keys are registrable is asked where sets are admitted.
  public init(decoding span: RawSpan, at offset: Int = 0) throws(FormatError) {
    guard offset >= 0, span.byteCount - offset >= Self.byteCount else { throw .truncated(needed: Self.byteCount, got: span.byteCount - offset) }
    publicKey = PublicKey(Bytes32(span, at: offset))
    cosignerKey = PublicKey(Bytes32(span, at: offset + 32))
    power = span.uint64(at: offset + 64)
    guard power >= 1, power <= UInt64(UInt32.max) else { throw .outOfRange("power") }
    name = try FixedName.decode(span, at: offset + 72)
  }

  public func encode(into bytes: inout [UInt8]) {
    bytes.append(publicKey.bytes)
    bytes.append(cosignerKey.bytes)
    bytes.append(bigEndian: power)
    FixedName.encode(name, into: &bytes)
  }

  public var encoded: [UInt8] {
    var bytes: [UInt8] = []
    encode(into: &bytes)
    return bytes
  }
}

/// The validators of an epoch: `moloch-vset-v1\0\0` (16), n (2), reserved (6), n records strictly ascending by public key.
/// The position is the validator index.
public struct ValidatorSet: Hashable, Sendable {
  public static let tag = Bytes16(ascii: "moloch-vset-v1\0\0")
  static let headByteCount = 24

  /// Ascending by public key, 1 to 128.
  public let validators: [Validator]
  /// Sum of the powers; below 2^39, so that no threshold can overflow.
  public let totalPower: UInt64
  /// SHA-256 of the encoding: `validators_hash`.
  public let hash: Digest
  public let encoded: [UInt8]

  /// Sorts the validators and checks the rules of a set: 1 to 128, powers and names in range, no key and no name twice. A key counts in both
  /// roles: nobody's cosigner key is another's key. The name may not be the chain id, which only genesis knows.
  public init(_ validators: [Validator]) throws(FormatError) {
    let sorted = validators.sorted { $0.publicKey < $1.publicKey }
    guard !sorted.isEmpty, sorted.count <= LedgerLimit.validators else { throw .outOfRange("validators") }
    for validator in sorted {
      guard validator.power >= 1, validator.power <= UInt64(UInt32.max) else { throw .outOfRange("power") }
      guard FixedName.isValid(validator.name) else { throw .malformed("name") }
    }
    try Self.checkUnique(sorted)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Self.headByteCount + Validator.byteCount * sorted.count)
    bytes.append(Self.tag)
    bytes.append(bigEndian: UInt16(sorted.count))
    bytes.append(zeros: 6)
    for validator in sorted { validator.encode(into: &bytes) }
    self.validators = sorted
    totalPower = sorted.reduce(0) { $0 + $1.power }
    encoded = bytes
    hash = SHA256.hash(bytes)
  }

  /// Decodes a whole set; nothing may follow it.
  public init(decoding span: RawSpan) throws(FormatError) {
    let length = try Self.length(peeking: span, at: 0)
    guard span.byteCount == length else { throw .trailingBytes(span.byteCount - length) }
    var validators: [Validator] = []
    for offset in stride(from: Self.headByteCount, to: length, by: Validator.byteCount) {
      let validator = try Validator(decoding: span, at: offset)
      if let last = validators.last, last.publicKey >= validator.publicKey { throw .malformed("validators ascend by public key") }
      validators.append(validator)
    }
    try self.init(validators)
  }

  /// Length in bytes of the set that starts at `offset`: tag, count and reserved bytes are checked and all its bytes are there.
  static func length(peeking span: RawSpan, at offset: Int) throws(FormatError) -> Int {
    guard offset >= 0, span.byteCount - offset >= headByteCount else { throw .truncated(needed: headByteCount, got: span.byteCount - offset) }
    guard Bytes16(span, at: offset) == tag else { throw .badTag }
    let count = Int(span.uint16(at: offset + 16))
    guard span.isZero(offset + 18..<offset + 24) else { throw .reservedBits }
    guard count >= 1, count <= LedgerLimit.validators else { throw .outOfRange("validators") }
    let length = headByteCount + count * Validator.byteCount
    guard span.byteCount - offset >= length else { throw .truncated(needed: length, got: span.byteCount - offset) }
    return length
  }

  private static func checkUnique(_ validators: [Validator]) throws(FormatError) {
    for (position, validator) in validators.enumerated() {
      for other in validators[..<position] {
        guard other.name != validator.name else { throw .malformed("name \(validator.name) twice") }
        let isShared = other.publicKey == validator.publicKey || other.cosignerKey == validator.cosignerKey
          || other.publicKey == validator.cosignerKey || other.cosignerKey == validator.publicKey
        guard !isShared else { throw .malformed("a key of \(validator.name) twice") }
      }
    }
  }

  public var count: Int { validators.count }
  /// The least integer power that is more than two thirds of the total: `floor(2 * total / 3) + 1`.
  public var quorumPower: UInt64 { 2 * totalPower / 3 + 1 }
  /// `3 * power > 2 * total`.
  public func isQuorum(_ power: UInt64) -> Bool { power >= quorumPower }

  /// Index of the validator with this public key, by binary search.
  public func index(of key: PublicKey) -> Int? {
    var (low, high) = (0, validators.count)
    while low < high {
      let middle = (low + high) / 2
      if validators[middle].publicKey < key { low = middle + 1 } else { high = middle }
    }
    return low < validators.count && validators[low].publicKey == key ? low : nil
  }

  /// Whether every key of the set may be registered (ledger formats, section 1).
  public var isRegistrable: Bool {
    validators.allSatisfy { Verifier.isRegistrable($0.publicKey) && ($0.cosignerKey == $0.publicKey || Verifier.isRegistrable($0.cosignerKey)) }
  }

  public static func == (a: Self, b: Self) -> Bool { a.hash == b.hash }
  public func hash(into hasher: inout Hasher) { hasher.combine(hash) }
}
