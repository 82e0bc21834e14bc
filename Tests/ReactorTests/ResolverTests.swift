import Ambient
import Reactor
import Testing

@Suite struct ResolverTests {
  @Test func namesAreResolvedAndTheLoopIsWoken() throws {
    let probe = try EventLoop(EpollBackend(), driver: Idle(), limits: .small)
    let resolver = try Resolver(waker: probe.loop.waker)
    #expect(resolver.resolve(7, host: "localhost", family: .ipv4))
    // A name with a blank cannot exist, so nobody is asked for it.
    #expect(resolver.resolve(8, host: "no such host", family: .any))
    var answers: [Resolver.Answer] = []
    while answers.count < 2 {
      probe.runOnce(timeout: 1_000_000_000)
      while let answer = resolver.take() { answers.append(answer) }
    }
    #expect(answers.map(\.token) == [7, 8])
    #expect(answers.map(\.addresses) == [[.ipv4(0x7F00_0001, port: 0)], []])
  }

  /// Questions are posted while the thread takes others: what it wrote to the queue, the owner writes next, with the lock alone between them.
  @Test func questionsArePostedWhileOthersAreAnswered() throws {
    let probe = try EventLoop(EpollBackend(), driver: Idle(), limits: .small)
    let resolver = try Resolver(waker: probe.loop.waker)
    var asked: [UInt64] = []
    var answered: [UInt64] = []
    while answered.count < 2_000 {
      while asked.count < 2_000, resolver.resolve(UInt64(asked.count), host: "127.0.0.1", family: .ipv4) { asked.append(UInt64(asked.count)) }
      probe.runOnce(timeout: 1_000_000_000)
      while let answer = resolver.take() {
        #expect(answer.addresses == [.ipv4(0x7F00_0001, port: 0)])
        answered.append(answer.token)
      }
    }
    #expect(answered == asked)
  }

  struct Idle: Driver {
    mutating func accepted(_ connection: ConnectionID, on listener: ListenerID, _ loop: Loop) {}
    mutating func received(_ connection: ConnectionID, _ bytes: RawSpan, _ loop: Loop) -> Int { bytes.byteCount }
    mutating func closed(_ connection: ConnectionID, _ reason: CloseReason, _ loop: Loop) {}
  }
}
