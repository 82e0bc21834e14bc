import CLinux
import Glibc
import Lanes
import Synchronization

/// One long piece of work beside the running node, or in a command: how far it is, and how it ended.
public final class MaintenanceTask: Sendable {
  public enum Outcome: Sendable {
    case running
    /// JSON object with the figures.
    case done([UInt8])
    case failed(NodeFailure)
  }

  /// `backup`, `compact`, `prune`, `verify`, `repair`, `scrub`.
  public let name: String
  /// Bytes, or steps of another kind.
  public let unit: String
  private let words = AtomicWords(count: 3)
  private let budget: ByteBudget?
  private let state = Mutex<Outcome>(.running)
  /// Of the thread that does the work.
  private let pace: Mutex<Pace?>
  /// Nil before `start` and after `join`.
  private let thread = Mutex<pthread_t?>(nil)

  init(_ name: String, unit: String, budget: ByteBudget? = nil) {
    (self.name, self.unit, self.budget) = (name, unit, budget)
    pace = Mutex(budget.map { Pace($0) })
  }

  public var done: UInt64 { words.loadRelaxed(0) }
  /// 0 while it is not known.
  public var total: UInt64 { words.loadRelaxed(1) }
  /// The pace of the work in whole MB/s, as it is now; 0 without a limit.
  var megabytesPerSecond: UInt64 { (budget?.bytesPerSecond ?? 0) / 1_000_000 }
  public var isCancelled: Bool { words.loadRelaxed(2) != 0 }
  public var outcome: Outcome { state.withLock { $0 } }

  /// For work that somebody waits for: see `perform`.
  /// - Parameter unit: of `done` and `total`.
  public convenience init(unit: String) { self.init("", unit: unit) }

  func setTotal(_ total: UInt64) { words.storeReleasing(total, 1) }
  func setDone(_ done: UInt64) { words.storeReleasing(done, 0) }
  func add(_ amount: UInt64) { _ = words.add(amount, 0) }
  /// The work has gone through so many bytes: waits until it may go on.
  func wait(after byteCount: UInt64) { pace.withLock { $0?.wait(after: byteCount, self) } }
  /// Asks the work to end soon.
  func cancel() { words.storeReleasing(1, 2) }
  func end(_ outcome: Outcome) { state.withLock { $0 = outcome } }

  deinit { if let thread = thread.withLock({ $0 }) { pthread_detach(thread) } }

  /// Does the work on a thread of its own; `finished` is called there, after the outcome is set.
  func start(_ work: @escaping @Sendable (MaintenanceTask) throws(NodeFailure) -> [UInt8], finished: @escaping @Sendable () -> Void) {
    var handle = pthread_t()
    let result = startThread(name: "maintenance", handle: &handle) { [self] in
      do throws(NodeFailure) { end(.done(try work(self))) } catch { end(.failed(error)) }
      finished()
    }
    if result == 0 { return thread.withLock { [handle] in $0 = handle } }
    end(.failed(NodeFailure(75, "cannot start a thread: errno \(result)")))
    finished()
  }

  private final class Box<Result: Sendable>: Sendable { let result = Mutex<Result?>(nil) }

  /// Does the work on a thread of its own and returns its result; meanwhile `look` is called on this one, ten times a second.
  public func perform<Result: Sendable>(
    _ work: @escaping @Sendable (MaintenanceTask) throws(NodeFailure) -> Result, look: (MaintenanceTask) -> Void
  ) throws(NodeFailure) -> Result {
    let box = Box<Result>()
    start({ (task) throws(NodeFailure) in
      let result = try work(task)
      box.result.withLock { $0 = result }
      return []
    }) {}
    while case .running = outcome {
      look(self)
      var pause = timespec(tv_sec: 0, tv_nsec: 100_000_000)
      // The kernel reads the structure during the call; a signal only makes the next look earlier.
      _ = unsafe nanosleep(&pause, nil)
    }
    join()
    if case .failed(let failure) = outcome { throw failure }
    guard let result = box.result.withLock({ $0 }) else { preconditionFailure("work that has not failed has a result") }
    return result
  }

  /// Returns when the work has ended and let go of what it held: a database that it used can be closed after that, and not before. For the thread that has called `start`.
  func join() {
    if let thread = thread.withLock({ $0.take() }) { pthread_join(thread, nil) }
  }

  /// Ends the work when somebody asked for it.
  func check() throws(NodeFailure) { if isCancelled { throw NodeFailure(75, "interrupted") } }
}
