import Ambient
import CLinux
import Glibc
import Reactor
import Testing

/// What a loop offers besides connections: signals, timers, wake-ups, the names of peers.
@Suite(.serialized) struct LoopTests {
  private struct Listener: Driver {
    var signals: [Int32] = []
    var fired: [UInt64] = []
    var wakes = 0
    mutating func accepted(_ connection: ConnectionID, on listener: ListenerID, _ loop: Loop) {}
    mutating func received(_ connection: ConnectionID, _ bytes: RawSpan, _ loop: Loop) -> Int { bytes.byteCount }
    mutating func closed(_ connection: ConnectionID, _ reason: CloseReason, _ loop: Loop) {}
    mutating func timer(_ token: UInt64, _ loop: Loop) { fired.append(token) }
    mutating func woken(_ loop: Loop) { wakes += 1 }
    mutating func signalled(_ signal: Int32, _ loop: Loop) { signals.append(signal) }
  }

  private func on<T: Sendable>(_ kind: Kind, _ body: @escaping @Sendable (any Stage) throws -> T) throws -> T {
    try isolated {
      switch kind {
      case .io_uring: try body(Machine(EventLoop(UringBackend(), driver: Listener(), limits: .small)))
      case .epoll: try body(Machine(EventLoop(EpollBackend(), driver: Listener(), limits: .small)))
      case .memory: try body(Machine(EventLoop(MemoryBackend(), driver: Listener(), limits: .small)))
      }
    }
  }

  private protocol Stage {
    var loop: Loop { get }
    var heard: Listener { get }
    func watchSignals() throws
    func turn()
  }

  private final class Machine<B: Backend & ~Copyable>: Stage {
    let events: EventLoop<B, Listener>
    init(_ events: EventLoop<B, Listener>) { self.events = events }
    var loop: Loop { events.loop }
    var heard: Listener { events.driver }
    func watchSignals() throws { try events.watchSignals() }
    func turn() { events.runOnce(timeout: 1_000_000) }
  }

  @Test(arguments: Kind.allCases) func signalsAreEventsOfTheLoop(kind: Kind) throws {
    let signals = try on(kind) { stage in
      // Blocked in this thread alone, and sent to it alone: the rest of the test process never sees them.
      Signals.block()
      try stage.watchSignals()
      for signal in [Signals.hangUp, Signals.terminate] {
        pthread_kill(pthread_self(), signal)
        let seen = stage.heard.signals.count
        for _ in 0..<1000 where stage.heard.signals.count == seen { stage.turn() }
      }
      return stage.heard.signals
    }
    #expect(signals == [Signals.hangUp, Signals.terminate])
  }

  @Test(arguments: Kind.allCases) func timersFireOnceInTheirOrderAndNotWhenCancelled(kind: Kind) throws {
    let fired = try on(kind) { stage in
      let now = stage.loop.now
      let late = stage.loop.setTimer(now.adding(milliseconds: 60), token: 3)
      _ = stage.loop.setTimer(now.adding(milliseconds: 20), token: 2)
      _ = stage.loop.setTimer(now, token: 1)
      let cancelled = stage.loop.setTimer(now.adding(milliseconds: 5), token: 9)
      if let cancelled { stage.loop.cancelTimer(cancelled) }
      let moved = late.flatMap { stage.loop.moveTimer($0, to: now.adding(milliseconds: 40)) }
      guard moved != nil else { return [] as [UInt64] }
      for _ in 0..<10_000 where stage.loop.now < now.adding(milliseconds: 100) { stage.turn() }
      return stage.heard.fired
    }
    #expect(fired == [1, 2, 3])
  }

  @Test(arguments: Kind.allCases) func aWakeBeforeTheWaitIsNotLost(kind: Kind) throws {
    let wakes = try on(kind) { stage in
      stage.loop.waker.wake()
      stage.turn()
      let first = stage.heard.wakes
      for _ in 0..<3 { stage.turn() }
      return [first, stage.heard.wakes]
    }
    #expect(wakes == [1, 1])
  }

  @Test(arguments: [Kind.io_uring, .epoll]) func theOtherEndOfAUnixSocketHasAName(kind: Kind) throws {
    var scenario = Scenario(connections: 3, concurrency: 3)
    scenario.address = .unix(path: "/tmp/moloch-test-\(UInt64.random(in: 0...UInt64.max)).sock")
    let outcome = try scenario.play(on: kind)
    #expect(outcome.wrong == 0 && outcome.clientReasons.count == 3)
    let peer = try #require(outcome.credentials.first ?? nil)
    #expect(peer.processID == getpid() && peer.userID == geteuid() && peer.groupID == getegid())
  }
}
