/// The memory of one loop, itemised. Everything is allocated when the loop is made; nothing grows afterwards.
public struct ReactorLimits: Sendable {
  /// Connections open at once; one more is accepted and closed at once.
  public var connections = 4096
  /// Size of a receive buffer, in bytes.
  public var receiveBufferBytes = 4096
  /// Receive buffers of the loop: a power of two up to 32,768.
  public var receiveBuffers = 4096
  /// Receive buffers that one connection may hold unread before its input is suspended.
  public var buffersPerConnection = 8
  /// Unconsumed input of one connection that the driver may see in one piece, in bytes; at least one receive buffer.
  public var inputBytesMax = 16 * 1024
  /// Size of a pooled output segment, in bytes.
  public var outputSegmentBytes = 4096
  /// Output segments of the loop.
  public var outputSegments = 8192
  /// Queued output of one connection, in bytes; beyond it the peer is a slow reader and is disconnected. Changeable per connection.
  public var outputBytesMax = 1 << 20
  /// Falling to this much queued output is reported as `sendDrained`, in bytes.
  public var outputBytesLow = 64 * 1024
  /// Timers of the driver armed at once.
  public var timers = 65_536
  /// Timers fired in one tick; the rest fire in the next.
  public var timersPerTick = 1024
  /// Completions handled in one tick.
  public var completionsPerTick = 1024
  /// Connections accepted per listener in one tick (epoll, memory; io_uring: bounded by `completionsPerTick`).
  public var acceptsPerTick = 64
  /// Listeners of the loop.
  public var listeners = 16
  /// A closing connection waits this long for the peer's end of input, in milliseconds, so that the answer is not lost in a reset.
  public var lingerMilliseconds: UInt64 = 1000
  /// A closing connection may take this long to send what is queued, in milliseconds, unless its driver set a deadline.
  public var drainMilliseconds: UInt64 = 10_000
  /// Accepting rests this long after the process ran out of descriptors, in milliseconds.
  public var acceptRestMilliseconds: UInt64 = 20

  public init() {}

  /// A loop for tests and tools: 256 connections and 1 MiB of buffers.
  public static var small: ReactorLimits {
    var limits = ReactorLimits()
    limits.connections = 256
    limits.receiveBuffers = 256
    limits.outputSegments = 512
    limits.timers = 1024
    return limits
  }

  /// Output pieces: a segment is one, shared bytes are one more without a segment.
  public var outputPieces: Int { 2 * outputSegments }

  /// Bytes of address space; the input rows are touched only by connections that leave bytes unread.
  public var byteCount: Int {
    receiveBuffers * (receiveBufferBytes + 10)  // buffers, their lengths, offsets and links
      + connections * (inputBytesMax + 256)  // input rows and slots
      + outputSegments * (outputSegmentBytes + 4)  // segments and the free list
      + outputPieces * 40  // output pieces
      + (timers + connections) * 40  // timing wheels
      + completionsPerTick * 16  // one batch of completions
  }

  func check() {
    precondition(connections > 0 && connections < 1 << 24, "a slot has 24 bits")
    precondition(receiveBuffers > 0 && receiveBuffers <= 32_768 && receiveBuffers & (receiveBuffers - 1) == 0, "the kernel wants a power of two")
    precondition(inputBytesMax >= receiveBufferBytes, "the rest of a receive buffer must fit in the input row")
    precondition(buffersPerConnection > 0 && outputSegments > 0 && listeners > 0 && completionsPerTick > 0 && timersPerTick > 0)
  }
}
