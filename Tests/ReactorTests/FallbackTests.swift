import CLinux
import Reactor
import Testing

@Suite struct FallbackTests {
  @Test func aRefusedRingFallsBackWithItsReason() throws {
    let decision = try BackendDecision(.auto, probe: { -EPERM })
    #expect(decision.kind == .epoll)
    #expect(decision.fallbackReason?.contains("errno 1") == true)
    #expect(throws: ReactorError.ring(errno: EPERM)) { try BackendDecision(.io_uring, probe: { -EPERM }) }
    #expect(try BackendDecision(.epoll, probe: { 0 }) == BackendDecision(.epoll, probe: { -1 }))
  }
}
