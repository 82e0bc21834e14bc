/// How bytes broke the protocol. Whoever sent them is faulty: no honest node sends such bytes, however the network cuts them.
public enum WireViolation: Error, Hashable, Sendable {
  /// A payload length above `WireLimit.fragmentByteCount`.
  case fragmentTooLong(Int)
  case unknownType(UInt8)
  /// The type does not travel on this lane.
  case wrongLane(type: UInt8, lane: UInt8)
  /// Unknown flags, or a reserved byte that is not zero.
  case reservedBits
  /// An empty fragment that is not the last of its message.
  case emptyFragment
  /// Another message began on a lane before the one under way had ended.
  case interleaved(MessageType)
  /// The message is longer than the cap of its type.
  case messageTooLong(MessageType, max: Int)
  /// The payload is not a message of its type.
  case malformed(MessageType)
  /// Not allowed now: a second Hello, or anything else before the first.
  case unexpected(MessageType)
}
