import Ambient

/// The slot of one connection: what is open, what is in flight, what is queued. Lives in a table and never moves.
struct Connection: BitwiseCopyable {
  enum Phase: UInt8 { case free, connecting, open, ending }

  struct Flags: OptionSet, BitwiseCopyable {
    let rawValue: UInt32
    /// In flight.
    static let receiving = Flags(rawValue: 1 << 0)
    static let sending = Flags(rawValue: 1 << 1)
    static let connecting = Flags(rawValue: 1 << 2)
    /// Asked, not yet ended.
    static let receiveCancelled = Flags(rawValue: 1 << 3)
    static let allCancelled = Flags(rawValue: 1 << 4)
    /// Input.
    static let paused = Flags(rawValue: 1 << 5)
    static let ended = Flags(rawValue: 1 << 6)
    static let endPresented = Flags(rawValue: 1 << 7)
    static let starved = Flags(rawValue: 1 << 8)
    static let presentAgain = Flags(rawValue: 1 << 9)
    /// Output.
    static let shutdownWanted = Flags(rawValue: 1 << 10)
    static let shutdownDone = Flags(rawValue: 1 << 11)
    static let aboveLow = Flags(rawValue: 1 << 12)
    /// End.
    static let closeWanted = Flags(rawValue: 1 << 13)
    static let reset = Flags(rawValue: 1 << 14)
    static let dirty = Flags(rawValue: 1 << 15)
    static let drainDue = Flags(rawValue: 1 << 16)
  }

  var handle: Int32 = -1
  var generation: UInt32 = 1
  var phase = Phase.free
  var flags: Flags = []
  var reason = CloseReason.finished
  /// Listener that accepted the connection, or `.max`.
  var listener = UInt16.max

  /// The rest that the driver left, in the slot's input row.
  var inputStart: Int32 = 0
  var inputCount: Int32 = 0
  var inputMax: Int32 = 0
  /// Received buffers that were not presented yet, linked by number.
  var heldHead = UInt16.max
  var heldTail = UInt16.max
  var heldCount: UInt16 = 0

  /// Queued pieces, linked by number.
  var outputHead: Int32 = -1
  var outputTail: Int32 = -1
  var outputBytes = 0
  var outputMax = 0

  var deadline = Instant.distantFuture
  var timer = TimerID.none
  var nextFree: Int32 = -1
}

/// One piece of queued output: a range of a pooled segment, or of shared bytes.
@safe struct OutputPiece: BitwiseCopyable {
  // Inside the segment or the shared object below, both held until the piece is released.
  var base: UnsafeMutableRawPointer?
  var count = 0
  /// The segment, or -1.
  var segment: Int32 = -1
  /// The next piece of the connection, or of the free list.
  var next: Int32 = -1
  var shared: Unmanaged<SharedBytes>?
}
