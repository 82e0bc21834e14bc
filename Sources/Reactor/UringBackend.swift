public import Ambient
import CLinux

/// io_uring: multishot accept and receive, one ring of provided buffers, one enter per tick.
///
/// The ring is for the thread that makes it, and completions appear only while that thread waits (SINGLE_ISSUER, DEFER_TASKRUN). Arguments of
/// a submission (addresses, message headers, slices) are read by the kernel while it is submitted, so one arena serves all submissions of a
/// batch; the bytes themselves stay with the kernel until the completion. Needs Linux 6.1.
@safe public struct UringBackend: Backend, ~Copyable {
  public static var name: String { "io_uring" }
  public static var usesDescriptors: Bool { true }

  private static let group: UInt16 = 1
  /// One argument of a submission: a message header and 16 slices, or an address.
  private static let argumentBytes = 512

  // Owned by this value; freed in `deinit`. The ring must not move: the kernel library keeps pointers into it.
  private let ring: UnsafeMutablePointer<io_uring>
  private let submissions: Int
  private let arguments: UnsafeMutableRawPointer
  private var argumentCount = 0
  private var buffers: UnsafeMutablePointer<io_uring_buf_ring>?
  private var bufferBase: UnsafeMutableRawPointer?
  private var bufferCount = 0
  private var bufferBytes = 0
  private var bufferRingBytes = 0
  private var unpublished = 0
  private var reserve: Int32

  /// - Parameter submissions: entries of the submission queue; the completion queue has eight times as many.
  public init(submissions: Int = 1024) throws(ReactorError) {
    unsafe ring = UnsafeMutablePointer<io_uring>.allocate(capacity: 1)
    let result = unsafe ring_open(ring, UInt32(submissions), UInt32(8 * submissions))
    if result < 0 {
      unsafe ring.deallocate()
      throw .ring(errno: -result)
    }
    // A registered ring descriptor saves the table look-up of each enter; without it the ring works as well.
    _ = unsafe io_uring_register_ring_fd(ring)
    self.submissions = submissions
    unsafe arguments = .allocate(byteCount: submissions * Self.argumentBytes, alignment: 16)
    reserve = reserve_open()
  }

  deinit {
    // The ring goes first: afterwards the kernel uses none of the memory.
    unsafe io_uring_queue_exit(ring)
    unsafe ring.deallocate()
    unsafe arguments.deallocate()
    if let buffers = unsafe buffers { unsafe munmap(buffers, bufferRingBytes) }
    if reserve >= 0 { _ = CLinux.close(reserve) }
  }

  /// Opens a ring with a small ring of buffers and closes both. 0, or the negated error number of the first refusal.
  public static func probe() -> Int32 {
    let ring = UnsafeMutablePointer<io_uring>.allocate(capacity: 1)
    defer { unsafe ring.deallocate() }
    let opened = unsafe ring_open(ring, 8, 64)
    guard opened >= 0 else { return opened }
    defer { unsafe io_uring_queue_exit(ring) }
    guard let memory = unsafe mapped(4096) else { return -ErrorNumber.noMemory }
    defer { unsafe munmap(memory, 4096) }
    // One page, mapped above, for 8 entries of 16 bytes; nothing is ever received on this ring.
    return unsafe ring_register_buffers(ring, memory.assumingMemoryBound(to: io_uring_buf_ring.self), 8, group)
  }

  private static func mapped(_ bytes: Int) -> UnsafeMutableRawPointer? {
    // Anonymous pages: no memory of ours is touched.
    unsafe memory_map(bytes)
  }

  public func now() -> Instant { Instant(nanoseconds: clock_monotonic_nanoseconds()) }

  public mutating func attach(_ base: UnsafeMutableRawPointer, _ limits: ReactorLimits) throws(ReactorError) {
    // Sixteen bytes per entry, the size of struct io_uring_buf; page aligned as the kernel demands.
    bufferRingBytes = max(4096, limits.receiveBuffers * 16)
    guard let memory = unsafe Self.mapped(bufferRingBytes) else { throw .ring(errno: ErrorNumber.noMemory) }
    let bound = unsafe memory.bindMemory(to: io_uring_buf_ring.self, capacity: 1)
    unsafe buffers = bound
    let result = unsafe ring_register_buffers(ring, bound, UInt32(limits.receiveBuffers), Self.group)
    guard result >= 0 else { throw .ring(errno: -result) }
    unsafe bufferBase = base
    bufferCount = limits.receiveBuffers
    bufferBytes = limits.receiveBufferBytes
    for buffer in 0..<bufferCount { provide(UInt16(buffer)) }
  }

  public mutating func provide(_ buffer: UInt16) {
    // `buffer` is one of the `bufferCount` that `attach` lent; the entry is inside the ring because at most all of them are unpublished.
    unsafe ring_provide(buffers!, bufferBase! + Int(buffer) * bufferBytes, UInt32(bufferBytes), buffer, Int32(bufferCount - 1), Int32(unpublished))
    unpublished += 1
  }

  public mutating func listen(_ address: SocketAddress, backlog: Int32, reusePort: Bool) throws(ReactorError) -> (handle: Int32, bound: SocketAddress) {
    try Descriptors.listen(address, backlog, reusePort)
  }

  // The ring lives as long as the back end.
  public mutating func accept(_ handle: Int32, _ id: OperationID) { unsafe ring_accept(ring, handle, id.rawValue) }
  public mutating func refuse(_ listener: Int32) { Descriptors.refuse(listener, &reserve) }
  public mutating func open(for address: SocketAddress) -> Int32 { socket_open(address.family, 0) }

  public mutating func connect(_ handle: Int32, to address: SocketAddress, _ id: OperationID) {
    // The argument stays untouched until the kernel has read it: a slot per submission in flight.
    let memory = unsafe argument()
    // An address that cannot be encoded is submitted with length 0, which the kernel refuses as it does every malformed address.
    let length = unsafe address.encode(memory) ?? 0
    unsafe ring_connect(ring, handle, memory, length, id.rawValue)
  }

  // The ring lives as long as the back end.
  public mutating func receive(_ handle: Int32, _ id: OperationID) { unsafe ring_receive(ring, handle, Self.group, id.rawValue) }

  public mutating func send(_ handle: Int32, _ slices: Table<Slice>, _ count: Int, _ id: OperationID) -> Int32? {
    if count == 1 {
      // The slices name memory that the loop keeps until the send settles.
      unsafe ring_send(ring, handle, slices[0].base, slices[0].count, id.rawValue)
      return nil
    }
    let memory = unsafe argument()
    // A header of 56 bytes, then at most 16 slices of 16 bytes from offset 64: inside the argument's 512 bytes.
    let header = unsafe memory.bindMemory(to: msghdr.self, capacity: 1)
    let pieces = unsafe memory + 64
    unsafe pieces.copyMemory(from: slices.base, byteCount: count * MemoryLayout<Slice>.stride)
    unsafe header.initialize(to: msghdr())
    unsafe header.pointee.msg_iov = pieces.bindMemory(to: iovec.self, capacity: count)
    unsafe header.pointee.msg_iovlen = count
    unsafe ring_send_gathered(ring, handle, header, id.rawValue)
    return nil
  }

  /// The next free argument; submits what is queued when all are in use.
  private mutating func argument() -> UnsafeMutableRawPointer {
    if argumentCount == submissions {
      _ = unsafe io_uring_submit(ring)
      argumentCount = 0
    }
    defer { argumentCount += 1 }
    return unsafe arguments + argumentCount * Self.argumentBytes
  }

  // The ring lives as long as the back end.
  public mutating func cancel(_ handle: Int32, _ id: OperationID) { unsafe ring_cancel(ring, id.rawValue, 0) }
  public mutating func cancelAll(_ handle: Int32, _ connection: ConnectionID) { unsafe ring_cancel_all(ring, handle, 0) }
  // The ring's own shutdown goes to a worker thread; the system call does not block.
  public mutating func shutdownOutput(_ handle: Int32) { socket_shutdown_output(handle) }

  public mutating func close(_ handle: Int32, _ connection: ConnectionID, reset: Bool) {
    if reset { socket_reset_on_close(handle) }
    // The ring lives as long as the back end.
    unsafe ring_close(ring, handle, 0)
  }

  // The ring lives as long as the back end.
  public mutating func watch(_ descriptor: Int32, _ id: OperationID) { unsafe ring_watch(ring, descriptor, id.rawValue) }

  public mutating func wait(_ timeout: UInt64, _ completions: Table<Completion>) -> Int {
    if unpublished > 0 {
      // Registered by init; what is published was written before.
      unsafe ring_publish(buffers!, Int32(unpublished))
      unpublished = 0
    }
    // Interrupted, timed out or busy: in each case the completions that exist are reaped, and what was not submitted stays queued.
    _ = unsafe ring_submit_and_wait(ring, timeout)
    if unsafe io_uring_sq_ready(ring) == 0 { argumentCount = 0 }
    // Completion has the layout of the C structure.
    return unsafe completions.base.withMemoryRebound(to: ring_completion.self, capacity: completions.count) {
      Int(unsafe ring_reap(ring, $0, UInt32(completions.count)))
    }
  }
}
