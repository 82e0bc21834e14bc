import Audit

/// Views that the cluster has used up: in every epoch, up to the furthest one that an honest node was in. A node that goes through old epochs again, because
/// it has lost its chain, adds none.
struct ViewCount {
  private var furthest: [UInt64] = []
  private(set) var total: UInt64 = 0

  mutating func entered(_ epoch: Epoch, _ view: View) {
    while UInt64(furthest.count) <= epoch.rawValue { furthest.append(0) }
    let place = Int(epoch.rawValue)
    guard view.rawValue > furthest[place] else { return }
    total += view.rawValue - furthest[place]
    furthest[place] = view.rawValue
  }
}
