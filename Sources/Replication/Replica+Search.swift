import Ambient
import Audit
import Consensus
import Ledger

/// A store that is to begin from a signed checkpoint: until its block is known, the machine is not started and no blocks are taken.
extension Replica {
  /// Asks for the block that is due. Nothing else is asked for meanwhile but the boundaries.
  func seek(_ now: Times, _ effects: inout [ReplicaEffect]) {
    guard let (asked, late) = search?.plan(sync.sources, now: now.monotonic) else { return }
    if let late { sync.strike(late, now.monotonic) }
    if let asked {
      let message = ReplicaMessage.historyRequest(from: asked.from, blocksMax: 1, bytesMax: ReplicationLimit.searchBytesMax, anchor: asked.target)
      effects.append(.send(message, to: .peer(asked.peer)))
    }
    // Whoever is passed over may be asked again later.
    searchDue = .distantFuture
    for source in sync.sources where source.pausedUntil > now.monotonic { searchDue = min(searchDue, source.pausedUntil) }
  }

  /// A proven part of the chain, or a lie, in answer to the search.
  func receivedSought(from: Height, _ history: History?, _ link: PeerLink, _ now: Times, _ effects: inout [ReplicaEffect]) {
    switch search?.received(from: from, history, link) {
    case .useless: sync.strike(link, now.monotonic)
    case .lie:
      sync.strike(link, now.monotonic)
      effects.append(.penalise(link, .malformed))
    case .unasked, .useful, nil: break
    }
    settleSearch(now, &effects)
  }

  /// The block is known: the store begins from it, and the node takes part.
  func settleSearch(_ now: Times, _ effects: inout [ReplicaEffect]) {
    guard let anchor = search?.found else { return }
    search = nil
    sync.begin(from: anchor)
    effects.append(.adopt(anchor))
    step(.start, now, &effects)
  }
}
