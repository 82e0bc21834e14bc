import Ambient
import CLinux
import Reactor

/// How often completions of earlier lives were delivered. One thread at a time: the loop's, then the test's.
final class Replays: @unchecked Sendable {
  var count = 0
}

/// A back end that delivers completions late: when a slot of the loop has a new life, what its last life was told comes once more, under the name that it had
/// then, as from an operation whose cancellation the kernel was slow to answer. Buffers do not come along, they have other owners by now.
struct LateBackend<Base: Backend & ~Copyable>: Backend, ~Copyable {
  static var name: String { Base.name }
  static var usesDescriptors: Bool { Base.usesDescriptors }

  private var base: Base
  private let replays: Replays
  /// The newest completion of each kind and slot.
  private var newest: [UInt64: Completion] = [:]
  private var late: [Completion] = []

  init(_ base: consuming Base, _ replays: Replays) {
    self.base = base
    self.replays = replays
  }

  func now() -> Instant { base.now() }
  // The memory is the loop's and goes to the back end below as it came.
  mutating func attach(_ memory: UnsafeMutableRawPointer, _ limits: ReactorLimits) throws(ReactorError) { try unsafe base.attach(memory, limits) }
  mutating func provide(_ buffer: UInt16) { base.provide(buffer) }
  mutating func listen(_ address: SocketAddress, backlog: Int32, reusePort: Bool) throws(ReactorError) -> (handle: Int32, bound: SocketAddress) {
    try base.listen(address, backlog: backlog, reusePort: reusePort)
  }
  mutating func accept(_ handle: Int32, _ id: OperationID) { base.accept(handle, id) }
  mutating func refuse(_ listener: Int32) { base.refuse(listener) }
  mutating func open(for address: SocketAddress) -> Int32 { base.open(for: address) }
  mutating func connect(_ handle: Int32, to address: SocketAddress, _ id: OperationID) { base.connect(handle, to: address, id) }
  mutating func receive(_ handle: Int32, _ id: OperationID) { base.receive(handle, id) }
  mutating func send(_ handle: Int32, _ slices: Table<Slice>, _ count: Int, _ id: OperationID) -> Int32? { base.send(handle, slices, count, id) }
  mutating func cancel(_ handle: Int32, _ id: OperationID) { base.cancel(handle, id) }
  mutating func cancelAll(_ handle: Int32, _ connection: ConnectionID) { base.cancelAll(handle, connection) }
  mutating func shutdownOutput(_ handle: Int32) { base.shutdownOutput(handle) }
  mutating func close(_ handle: Int32, _ connection: ConnectionID, reset: Bool) { base.close(handle, connection, reset: reset) }
  mutating func watch(_ descriptor: Int32, _ id: OperationID) { base.watch(descriptor, id) }

  mutating func wait(_ timeout: UInt64, _ completions: Table<Completion>) -> Int {
    var count = base.wait(late.isEmpty ? timeout : 0, completions)
    for index in 0..<count { note(completions[index]) }
    while count < completions.count, let completion = late.popLast() {
      completions[count] = completion
      count += 1
      replays.count += 1
    }
    return count
  }

  private mutating func note(_ completion: Completion) {
    let id = OperationID(rawValue: completion.id)
    guard [.receive, .send, .connect].contains(id.kind) else { return }
    let place = UInt64(id.kind.rawValue) << 32 | UInt64(id.connection.slot)
    if let old = newest[place], OperationID(rawValue: old.id).connection != id.connection {
      late.append(Completion(id: old.id, result: old.result, flags: old.flags & 2))
      late.append(Completion(id: old.id, result: 1, flags: 0))
      late.append(Completion(id: old.id, result: -ECANCELED, flags: 0))
    }
    newest[place] = completion
  }
}
