public import Bytes
public import Digests

/// Upper bound of heights, views, leaf indexes, sizes and times: values are below 2^53, so that every one is exact as a JSON number.
public let ordinalLimit: UInt64 = 1 << 53

/// Height of a block; genesis is 0.
@frozen public struct Height: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
  public var rawValue: UInt64
  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable public init(_ value: UInt64) { rawValue = value }
  @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  @inlinable public var next: Height { Height(rawValue + 1) }
}

/// View of an epoch, counted from 1; view 0 stands for the last block of the epoch before.
@frozen public struct View: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
  public var rawValue: UInt64
  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable public init(_ value: UInt64) { rawValue = value }
  @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  @inlinable public var next: View { View(rawValue + 1) }
}

/// Epoch: a run of `epoch_length` heights with one validator set.
@frozen public struct Epoch: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
  public var rawValue: UInt64
  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable public init(_ value: UInt64) { rawValue = value }
  @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// Position of an event in the log, from 0.
@frozen public struct LeafIndex: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
  public var rawValue: UInt64
  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable public init(_ value: UInt64) { rawValue = value }
  @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// Unix time in milliseconds.
@frozen public struct Timestamp: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
  /// Milliseconds since 1970-01-01T00:00:00Z.
  public var rawValue: UInt64
  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable public init(milliseconds: UInt64) { rawValue = milliseconds }
  @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// The first 16 bytes of `SHA-256(genesis.json)`: names the chain in every signed message.
@frozen public struct ChainTag: Hashable, Sendable, BitwiseCopyable {
  public var bytes: Bytes16
  @inlinable public init(_ bytes: Bytes16) { self.bytes = bytes }
  public init(genesisHash: Digest) { bytes = Bytes16(genesisHash.bytes.w0, genesisHash.bytes.w1) }
  public var hex: String { bytes.hex }
}

/// `SHA-256(statement)`. Text form `evt_<64 hex>`; the signature is not part of the identity.
@frozen public struct EventID: Hashable, Comparable, Sendable, BitwiseCopyable, CustomStringConvertible {
  public var digest: Digest
  @inlinable public init(_ digest: Digest) { self.digest = digest }

  /// Parses `evt_` and 64 lowercase hexadecimal digits; the prefix may be missing, as the API allows on input.
  public init?(text: some StringProtocol) {
    guard let digest = Digest(hex: text.hasPrefix("evt_") ? text.dropFirst(4) : text[...]) else { return nil }
    self.digest = digest
  }

  @inlinable public static func < (a: Self, b: Self) -> Bool { a.digest < b.digest }
  public var description: String { "evt_" + digest.hex }
}
