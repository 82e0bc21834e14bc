import Audit
import Consensus
import Testing

@testable import MolochNode

@Suite struct ProtectionTests {
  @Test func aJournalInRecoveryPromisesNothingThatCouldBeMoved() {
    let bound = JournalRecord.bound(epoch: Epoch(1), view: View(9))
    #expect(!Protection.isRecovering([]))
    #expect(!Protection.isRecovering([bound]))
    #expect(Protection.isRecovering([.recovering]))
    #expect(Protection.isRecovering([bound, .recovering]))
    #expect(!Protection.isRecovering([.recovering, bound]))
  }
}
