public import Ambient

/// How sockets are driven. The interface is that of io_uring: operations are submitted, completions are reaped, one wait per tick submits
/// and collects. Completions carry the identifier of their operation; `more` says that the operation goes on.
///
/// * `accept` and `receive` go on until a completion without `more`. A receive takes its buffers from the pool given to `attach`.
/// * Memory named in `send` belongs to the back end until the completion.
/// * `cancel` and `cancelAll` only ask: the operation still ends with its own completion, perhaps a successful one.
/// * A handle is closed only after all its operations ended.
public protocol Backend: ~Copyable {
  /// As in the configuration: `io_uring`, `epoll` or `memory`.
  static var name: String { get }
  /// True when handles are descriptors of the process.
  static var usesDescriptors: Bool { get }

  func now() -> Instant

  /// Lends the receive buffers: `count` times `bytes` bytes from `base`, alive as long as the back end. Called once, with the loop's limits.
  mutating func attach(_ base: UnsafeMutableRawPointer, _ limits: ReactorLimits) throws(ReactorError)
  /// Gives a receive buffer back.
  mutating func provide(_ buffer: UInt16)

  mutating func listen(_ address: SocketAddress, backlog: Int32, reusePort: Bool) throws(ReactorError) -> (handle: Int32, bound: SocketAddress)
  mutating func accept(_ handle: Int32, _ id: OperationID)
  /// Takes one waiting connection with the reserve descriptor and closes it, so that its client learns that there is no room.
  mutating func refuse(_ listener: Int32)

  /// A new socket for `connect`, or the negated error number.
  mutating func open(for address: SocketAddress) -> Int32
  mutating func connect(_ handle: Int32, to address: SocketAddress, _ id: OperationID)
  mutating func receive(_ handle: Int32, _ id: OperationID)
  /// Sends the first `count` slices, at most 16. Returns the result when the operation ended at once, without a completion; else nil.
  mutating func send(_ handle: Int32, _ slices: Table<Slice>, _ count: Int, _ id: OperationID) -> Int32?
  mutating func cancel(_ handle: Int32, _ id: OperationID)
  mutating func cancelAll(_ handle: Int32, _ connection: ConnectionID)
  mutating func shutdownOutput(_ handle: Int32)
  /// Closes; with `reset` the peer learns of it as a reset and unsent bytes are dropped.
  mutating func close(_ handle: Int32, _ connection: ConnectionID, reset: Bool)

  /// Completes, again and again, when a descriptor of the process becomes readable.
  mutating func watch(_ descriptor: Int32, _ id: OperationID)

  /// Submits, waits up to `timeout` nanoseconds (`UInt64.max`: forever) for one completion, and stores up to all rows of `completions`.
  mutating func wait(_ timeout: UInt64, _ completions: Table<Completion>) -> Int
}

/// `runtime.io_backend`.
public enum BackendChoice: String, Sendable, CaseIterable { case auto, io_uring, epoll }

/// Which back end to use, found by trying.
public struct BackendDecision: Sendable, Equatable {
  public enum Kind: Sendable, Equatable { case io_uring, epoll }
  public let kind: Kind
  /// Set when `auto` fell back to epoll: one sentence for the log, with the error number and its text.
  public let fallbackReason: String?

  /// Tries a ring when the choice allows it. Throws only when io_uring was demanded and refused.
  ///
  /// - Parameter probe: opens and closes a ring with everything the back end needs; 0 or the negated error number.
  public init(_ choice: BackendChoice, probe: () -> Int32 = UringBackend.probe) throws(ReactorError) {
    guard choice != .epoll else {
      (kind, fallbackReason) = (.epoll, nil)
      return
    }
    let result = probe()
    if result >= 0 {
      (kind, fallbackReason) = (.io_uring, nil)
    } else if choice == .io_uring {
      throw .ring(errno: -result)
    } else {
      (kind, fallbackReason) = (.epoll, "io_uring was refused (errno \(-result), \(ErrorNumber.text(-result))): using epoll")
    }
  }
}
