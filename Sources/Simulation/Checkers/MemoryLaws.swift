import Consensus
import Replication

/// What a replica remembers stays below a bound that does not depend on what its peers send: entries per view, per validator and per connection.
struct MemoryLaws {
  /// Validators of the cluster, liars among them.
  let validators: Int

  private(set) var rounds = 0
  private(set) var votes = 0

  /// - Parameter views: from the floor to the current view.
  mutating func seen(_ footprint: Replica.Footprint, views: UInt64, links: Int, node: Int, now: UInt64) throws(Failure) {
    let machine = footprint.machine
    rounds = max(rounds, machine.rounds)
    votes = max(votes, machine.votes)
    // Views behind the floor, from there to the current one, and ahead; as many again, because a floor that a sync moves past the current view leaves those
    // around it until the next block. A view beyond those is remembered only with a certificate, which no liar can make.
    let window = Int(views) + 4 * Int(ConsensusLimit.windowViews) + 2
    let votingViews = min(window, Int(ConsensusLimit.voteViews + 2 * ConsensusLimit.windowViews) + 2)
    let bounds: [(what: String, found: Int, most: Int)] = [
      ("views", machine.rounds, window + machine.certificates),
      ("votes", machine.votes, 3 * validators * votingViews),
      ("certificates", machine.certificates, 3 * machine.rounds),
      ("blocks of the machine", machine.blocks, ConsensusLimit.blocksMax),
      ("early messages", machine.earlyMessages, ConsensusLimit.earlyMessages * links),
      // Own votes and certificates whose records are not synced: a few per view, and those of the views before the last restart.
      ("held messages", machine.heldMessages, 6 * (window + machine.rounds)),
      ("arrivals", footprint.arrivals, ReplicationLimit.arrivalsMax),
      ("candidates", footprint.candidates, ReplicationLimit.candidatesMax + machine.blocks),
      ("bytes of gossip", footprint.gossipBytes, links * (ReplicationLimit.gossipWindowBytes + ReplicationLimit.gossipBytesMax)),
      ("decided blocks", footprint.decided, ReplicationLimit.blocksInFlight + ReplicationLimit.rangeBlocksMax),
      ("pieces of evidence", footprint.evidence, ReplicationLimit.evidenceMax),
    ]
    for (what, found, most) in bounds where found > most {
      throw Failure(kind: .bounds, milliseconds: now, detail: "node \(node) remembers \(found) \(what), at most \(most) are allowed")
    }
  }
}
