import Audit
import Bytes
import Ed25519
import Ledger
import Mempool

extension EventPool {
  /// Builds the block of a proposal on `parent`. Events that a change of set, parameters or signers has made invalid since their admission leave proposal
  /// and pool as rejected.
  /// - Returns: nil when the parameters in force name a protocol version that this program does not know.
  func block(
    of proposal: inout Mempool.Proposal, on parent: ChainTip, of chain: Chain, timestamp: Timestamp, proposer: PublicKey
  ) -> Candidate? {
    while true {
      do throws(BlockViolation) {
        return try chain.build(on: parent, records: body(of: proposal), timestamp: timestamp, proposer: proposer)
      } catch {
        switch error {
        case .protocolVersion: return nil
        case .event(_, .format): preconditionFailure("the pool holds records that were parsed at admission, and one cannot be read: \(error)")
        case .event(let position, _): reject(position, of: &proposal)
        default: preconditionFailure("a proposal is within the limits of a block: \(error)")
        }
      }
    }
  }
}
