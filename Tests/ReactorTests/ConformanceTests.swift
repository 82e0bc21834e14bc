import Ambient
import CLinux
import Reactor
import Testing

/// One suite for all back ends.
@Suite(.serialized) struct ConformanceTests {
  @Test(arguments: Kind.allCases) func recordsSurvivePartialTransfers(kind: Kind) throws {
    var scenario = Scenario(server: .records(1000), connections: 20, concurrency: 20, payloadBytes: 300_000)
    scenario.faults.areTransfersPartial = true
    scenario.faults.windowBytes = 5000
    scenario.faults.staleEvery = 50
    let outcome = try scenario.play(on: kind)
    #expect(outcome.wrong == 0)
    #expect(outcome.clientReasons == Array(repeating: .finished, count: 20))
    #expect(outcome.serverReasons == Array(repeating: .finished, count: 20))
    #expect(outcome.leaked == 0)
  }

  @Test(arguments: Kind.allCases) func aHalfClosedConnectionStillAnswers(kind: Kind) throws {
    let outcome = try Scenario(server: .answerAtEnd, payloadBytes: 50_000, clientHalfCloses: true).play(on: kind)
    #expect(outcome.wrong == 0 && outcome.leaked == 0)
    #expect(outcome.ended == 20, "both ends hear the other's end")
    #expect(outcome.clientReasons == Array(repeating: .finished, count: 10))
  }

  @Test(arguments: Kind.allCases) func anAbortIsAResetForThePeer(kind: Kind) throws {
    let outcome = try Scenario(server: .abortOnData).play(on: kind)
    #expect(outcome.clientReasons == Array(repeating: .failed(ECONNRESET), count: 10))
    #expect(outcome.serverReasons == Array(repeating: .aborted, count: 10))
    #expect(outcome.leaked == 0)
  }

  /// 3,000 connections in a debug run; MOLOCH_TEST_SCALE=34 makes them 102,000.
  @Test(arguments: Kind.allCases) func thousandsOfConnectionsLeaveNothingBehind(kind: Kind) throws {
    let outcome = try Scenario(connections: 3000 * scale, concurrency: 100, payloadBytes: 100).play(on: kind)
    #expect(outcome.wrong == 0 && outcome.leaked == 0)
    #expect(outcome.accepted == 3000 * scale && outcome.clientReasons.count == 3000 * scale)
    #expect(outcome.clientReasons.allSatisfy { $0 == .finished })
  }

  @Test(arguments: Kind.allCases) func withoutDescriptorsItRestsAndRecovers(kind: Kind) throws {
    var scenario = Scenario(connections: 8, concurrency: 8, exhaustsDescriptors: true)
    scenario.faults.handlesMax = 12
    let outcome = try scenario.play(on: kind)
    #expect(outcome.refused > 0)
    #expect(outcome.accepted > 0)
    #expect(outcome.ticks < 5000, "no spinning")
    #expect(outcome.clientReasons.count == 8 && outcome.leaked == 0)
  }

  @Test(arguments: Kind.allCases) func fewBuffersServeManyConnections(kind: Kind) throws {
    var scenario = Scenario(server: .records(3000), connections: 40, concurrency: 40, payloadBytes: 60_000)
    scenario.limits.receiveBuffers = 4
    scenario.limits.buffersPerConnection = 2
    let outcome = try scenario.play(on: kind)
    #expect(outcome.wrong == 0 && outcome.leaked == 0)
    #expect(outcome.clientReasons == Array(repeating: .finished, count: 40))
  }

  @Test(arguments: Kind.allCases) func aSlowReaderIsDisconnected(kind: Kind) throws {
    var scenario = Scenario(server: .flood(10_000), connections: 3, payloadBytes: 0, clientPauses: true, serverOutputMax: 200_000, ticksMax: 100_000)
    scenario.serverClosesMax = 3
    let outcome = try scenario.play(on: kind)
    #expect(outcome.serverReasons == Array(repeating: .slowReader, count: 3))
    #expect(outcome.leaked == 0)
  }

  @Test(arguments: Kind.allCases) func moreConnectionsThanSlotsAreRefused(kind: Kind) throws {
    var scenario = Scenario(server: .ignore, connections: 20, concurrency: 20, ticksMax: 100_000)
    scenario.refusalsMax = 15
    scenario.limits.connections = 25
    let outcome = try scenario.play(on: kind)
    #expect(outcome.refused == 15)
    #expect(outcome.leaked == 0)
  }

  @Test(arguments: Kind.allCases) func cancellationInEveryStateLeavesNothingBehind(kind: Kind) throws {
    var scenario = Scenario(server: .records(500), connections: 100 * scale, concurrency: 30, payloadBytes: 20_000, abortEvery: 1, ticksMax: 5000)
    scenario.faults.areTransfersPartial = true
    scenario.faults.staleEvery = 7
    scenario.limits.receiveBuffers = 32
    let outcome = try scenario.play(on: kind)
    #expect(outcome.clientReasons.count == 100 * scale)
    #expect(outcome.wrong == 0 && outcome.leaked == 0)
  }

  @Test(arguments: Kind.allCases) func completionsOfEarlierLivesChangeNothing(kind: Kind) throws {
    var scenario = Scenario(server: .records(500), connections: 300, concurrency: 10, payloadBytes: 20_000)
    scenario.faults.areTransfersPartial = true
    let (outcome, replays) = try scenario.playLate(on: kind)
    #expect(replays > 300, "\(replays) stale completions")
    #expect(outcome.wrong == 0 && outcome.leaked == 0)
    #expect(outcome.clientReasons == Array(repeating: .finished, count: 300))
    scenario.abortEvery = 1
    scenario.ticksMax = 20_000
    let (aborted, more) = try scenario.playLate(on: kind)
    #expect(more > 100, "\(more) stale completions")
    #expect(aborted.wrong == 0 && aborted.leaked == 0 && aborted.clientReasons.count == 300)
  }

  /// The sockets fill up: sends take a part, then nothing, and go on when the reader does.
  @Test(arguments: Kind.allCases) func aReaderThatPausesGetsEverythingInTheEnd(kind: Kind) throws {
    var scenario = Scenario(server: .records(1000), connections: 2, concurrency: 2, payloadBytes: 6_000_000, clientPauses: true, clientResumesAtTick: 1500)
    scenario.serverOutputMax = 64 << 20
    scenario.limits.outputSegments = 4096
    scenario.limits.outputBytesMax = 64 << 20
    let outcome = try scenario.play(on: kind)
    #expect(outcome.wrong == 0 && outcome.leaked == 0)
    #expect(outcome.clientReasons == Array(repeating: .finished, count: 2))
    #expect(outcome.ticks > 1500, "the readers did pause")
  }

  @Test(arguments: Kind.allCases) func aRefusedConnectIsReported(kind: Kind) throws {
    let reasons = try isolated { () -> [CloseReason] in
      func refused<B: Backend & ~Copyable>(_ backend: consuming B) throws -> [CloseReason] {
        let machine = try EventLoop(backend, driver: Players(Scenario(connections: 1)), limits: .small)
        machine.driver.target = .ipv4(0x7F00_0001, port: 1)
        machine.driver.start(machine.loop)
        machine.run()
        return machine.driver.outcome.clientReasons
      }
      return switch kind {
      case .io_uring: try refused(UringBackend())
      case .epoll: try refused(EpollBackend())
      case .memory: try refused(MemoryBackend())
      }
    }
    #expect(reasons == [.connectFailed(ECONNREFUSED)])
  }
}
