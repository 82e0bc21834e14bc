/// Names one connection for its whole life: a slot of the table and the generation of its use. Names of ended connections are inert.
@frozen public struct ConnectionID: Hashable, Sendable, BitwiseCopyable, CustomStringConvertible {
  /// Generation in bits 24 to 55, slot in bits 0 to 23.
  public let rawValue: UInt64

  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable init(slot: Int, generation: UInt32) { rawValue = UInt64(generation) << 24 | UInt64(slot) }

  /// Index of the connection in tables of `ReactorLimits.connections` rows. A slot is reused after `closed`.
  @inlinable public var slot: Int { Int(rawValue & 0xFF_FFFF) }
  @inlinable public var generation: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 24) }

  public var description: String { "\(slot)#\(generation)" }
}

/// Names a listener of one loop, in the order of `listen`.
@frozen public struct ListenerID: Hashable, Sendable, BitwiseCopyable {
  public let rawValue: UInt16
  @inlinable init(rawValue: UInt16) { self.rawValue = rawValue }
}

/// What a completion is about: the operation's kind in bits 56 to 63, and the connection, listener or descriptor in the rest.
@frozen public struct OperationID: Hashable, Sendable, BitwiseCopyable {
  public let rawValue: UInt64

  @frozen public enum Kind: UInt8, Sendable { case ignored = 0, accept, receive, send, connect, wake, signal }

  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable public init(_ kind: Kind, _ connection: ConnectionID) { rawValue = UInt64(kind.rawValue) << 56 | connection.rawValue }
  @inlinable public init(_ kind: Kind, index: Int = 0) { rawValue = UInt64(kind.rawValue) << 56 | UInt64(index) }

  @inlinable public var kind: Kind { Kind(rawValue: UInt8(rawValue >> 56)) ?? .ignored }
  @inlinable public var connection: ConnectionID { ConnectionID(rawValue: rawValue & 0xFF_FFFF_FFFF_FFFF) }
  @inlinable public var index: Int { Int(rawValue & 0xFF_FFFF) }
}

/// Why a connection ended. Reported once per connection, when its slot is free again.
public enum CloseReason: Hashable, Sendable, BitwiseCopyable {
  /// The driver closed it and all output was sent.
  case finished
  /// The driver aborted it.
  case aborted
  /// The peer reset it, or the network failed; the error number.
  case failed(Int32)
  /// The connection was never made; the error number.
  case connectFailed(Int32)
  /// More output was queued than its limit allows.
  case slowReader
  /// The loop had no output segment left.
  case outputExhausted
  /// The driver wanted more contiguous input than its limit allows.
  case inputLimit
  /// Its deadline passed.
  case timedOut
  /// The loop ended.
  case stopped
}

/// Why a loop could not be made or a listener not be opened. Error numbers are those of Linux.
public enum ReactorError: Error, Hashable {
  /// io_uring was refused, or this kernel lacks what the back end needs.
  case ring(errno: Int32)
  case epoll(errno: Int32)
  /// The wake-up, signal or reserve descriptor could not be opened.
  case descriptor(errno: Int32)
  case listen(address: SocketAddress, errno: Int32)
  /// More listeners than `ReactorLimits.listeners`.
  case listenersExhausted(max: Int)
}
