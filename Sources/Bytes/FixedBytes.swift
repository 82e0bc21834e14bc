/// 16 bytes by value: a tag, a chain tag, a salt. Ordered and hashed as its bytes.
@frozen public struct Bytes16: Hashable, Comparable, Sendable, BitwiseCopyable {
  /// The bytes read as two big-endian words, first word first.
  public var w0, w1: UInt64

  @inlinable public init(_ w0: UInt64, _ w1: UInt64) { (self.w0, self.w1) = (w0, w1) }

  /// Sixteen times the same byte; zero by default.
  @inlinable public init(repeating byte: UInt8 = 0) {
    let word = UInt64(byte) &* 0x0101_0101_0101_0101
    self.init(word, word)
  }

  /// Reads bytes `offset ..< offset + 16`. Traps when they do not exist.
  @inlinable public init(_ span: RawSpan, at offset: Int) {
    self.init(span.uint64(at: offset), span.uint64(at: offset + 8))
  }

  /// The UTF-8 bytes of a literal of exactly 16 bytes. Traps otherwise: literals are the programmer's.
  public init(ascii: StaticString) {
    precondition(ascii.utf8CodeUnitCount == 16, "a 16-byte tag needs 16 bytes")
    let bytes = Array("\(ascii)".utf8)
    self.init(bytes.bytes, at: 0)
  }

  /// Parses exactly 32 lowercase hexadecimal digits.
  public init?(hex: some StringProtocol) {
    guard let bytes = Hex.decode(hex), bytes.count == 16 else { return nil }
    self.init(bytes.bytes, at: 0)
  }

  @inlinable public static func < (a: Self, b: Self) -> Bool { a.w0 != b.w0 ? a.w0 < b.w0 : a.w1 < b.w1 }

  /// Byte `index`, 0 to 15.
  @inlinable public subscript(index: Int) -> UInt8 {
    precondition(index >= 0 && index < 16)
    return UInt8(truncatingIfNeeded: (index < 8 ? w0 : w1) >> UInt64(56 - 8 * (index & 7)))
  }

  public var array: [UInt8] { [].appending(self) }
  public var hex: String { Hex.encode(array.bytes) }
}

/// 32 bytes by value: a hash, a public key, half a signature. Ordered and hashed as its bytes.
@frozen public struct Bytes32: Hashable, Comparable, Sendable, BitwiseCopyable {
  /// The bytes read as four big-endian words, first word first.
  public var w0, w1, w2, w3: UInt64

  @inlinable public init(_ w0: UInt64, _ w1: UInt64, _ w2: UInt64, _ w3: UInt64) {
    (self.w0, self.w1, self.w2, self.w3) = (w0, w1, w2, w3)
  }

  /// 32 times the same byte; zero by default.
  @inlinable public init(repeating byte: UInt8 = 0) {
    let word = UInt64(byte) &* 0x0101_0101_0101_0101
    self.init(word, word, word, word)
  }

  /// Reads bytes `offset ..< offset + 32`. Traps when they do not exist.
  @inlinable public init(_ span: RawSpan, at offset: Int) {
    self.init(
      span.uint64(at: offset), span.uint64(at: offset + 8), span.uint64(at: offset + 16), span.uint64(at: offset + 24))
  }

  /// Exactly 32 bytes, else nil.
  public init?(_ bytes: [UInt8]) {
    guard bytes.count == 32 else { return nil }
    self.init(bytes.bytes, at: 0)
  }

  /// Parses exactly 64 lowercase hexadecimal digits.
  public init?(hex: some StringProtocol) {
    guard let bytes = Hex.decode(hex) else { return nil }
    self.init(bytes)
  }

  @inlinable public static func < (a: Self, b: Self) -> Bool {
    if a.w0 != b.w0 { return a.w0 < b.w0 }
    if a.w1 != b.w1 { return a.w1 < b.w1 }
    if a.w2 != b.w2 { return a.w2 < b.w2 }
    return a.w3 < b.w3
  }

  /// Byte `index`, 0 to 31.
  @inlinable public subscript(index: Int) -> UInt8 {
    precondition(index >= 0 && index < 32)
    let word = index < 16 ? (index < 8 ? w0 : w1) : (index < 24 ? w2 : w3)
    return UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * (index & 7)))
  }

  public var array: [UInt8] { [].appending(self) }
  public var hex: String { Hex.encode(array.bytes) }
}

/// 64 bytes by value: an Ed25519 signature, first half R, second half S. Hashed and compared as its bytes.
@frozen public struct Bytes64: Hashable, Sendable, BitwiseCopyable {
  public var first, second: Bytes32

  @inlinable public init(_ first: Bytes32, _ second: Bytes32) { (self.first, self.second) = (first, second) }
  @inlinable public init(repeating byte: UInt8 = 0) {
    self.init(Bytes32(repeating: byte), Bytes32(repeating: byte))
  }

  /// Reads bytes `offset ..< offset + 64`. Traps when they do not exist.
  @inlinable public init(_ span: RawSpan, at offset: Int) {
    self.init(Bytes32(span, at: offset), Bytes32(span, at: offset + 32))
  }

  /// Exactly 64 bytes, else nil.
  public init?(_ bytes: [UInt8]) {
    guard bytes.count == 64 else { return nil }
    self.init(bytes.bytes, at: 0)
  }

  public init?(hex: some StringProtocol) {
    guard let bytes = Hex.decode(hex) else { return nil }
    self.init(bytes)
  }

  public var array: [UInt8] { [].appending(first).appending(second) }
  public var hex: String { Hex.encode(array.bytes) }
}
