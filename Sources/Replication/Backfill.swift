import Ambient
public import Audit
public import Consensus
public import Ledger

/// What the store is asked to do for a backfill.
public enum BackfillWork: Sendable {
  /// Say what is missing; gaps up to this height have been tried in vain.
  case look(searched: Height)
  /// Check these blocks and write their bodies.
  case write([Block], from: PeerLink, acceptsGaps: Bool)
}

/// What the store has done.
public enum BackfillResult: Hashable, Sendable {
  case looked
  case written
  /// Not written: so many bodies are missing that no redaction names. For a block that has gaps already: no fewer than before.
  case lacking(Int)
  /// Not written: they are not the blocks of the chain.
  case foreign
  /// A certified block is not valid: the reason.
  case invalid(String)
  /// The disk has no room for more.
  case full
}

/// Where a backfill stands.
public struct BackfillFacts: Sendable {
  public enum State: String, Sendable {
    /// Bodies are being fetched.
    case fetching
    /// Nothing is asked for yet, or no connected peer has the bodies that are wanted, or those that have them are passed over for a while.
    case waiting
    /// The disk has no room for more.
    case full
  }
  public var state: State
  public var gap: BodyGap
  /// Of the blocks between the anchor and `gap.floor`, those that have their bodies; 100 when only gaps above are filled.
  public var percent: Double
}

/// Which bodies of old blocks to ask of whom: one range at a time, from the anchor downwards, and single blocks with gaps. Peers' claims steer it; what comes
/// is compared with the chain by the store.
///
/// A range goes to the store when all of it is here. When bodies are missing that no redaction names, the other peers are asked for the same range first, and the one
/// with the fewest gaps is taken when nobody is left to ask; its gaps are looked for again later. After each range it rests `backfillShare - 1` times as long as that took;
/// when nobody has a range, for long, but no longer than until a peer that was only too slow may be asked again.
struct Backfill: Sendable {
  enum Step: Sendable {
    case ask(Request)
    case work(BackfillWork)
  }
  struct Request: Hashable, Sendable {
    let from: Height
    let to: Height
    let peer: PeerLink
    let deadline: Instant
  }
  private struct Answer: Sendable {
    var blocks: [Block]
    var missing: Int
    var peer: PeerLink
  }
  /// What an answer of a peer is worth.
  enum Reception { case notAsked, taken, empty, malformed }

  /// Bodies are looked for; set by whoever runs the replica.
  var isEnabled = false
  private(set) var gap: BodyGap?
  private(set) var request: Request?
  /// Blocks of the wanted range that are here, from its first on, and who sent them.
  private var collected: [Block] = []
  private var sender: PeerLink?
  /// Peers that have given what they have of the range, or have not answered.
  private var asked: [PeerLink] = []
  /// Those of them that have not answered in time.
  private var late: [PeerLink] = []
  private var best: Answer?
  private var isStoreBusy = false
  private var isFull = false
  private var isWaiting = false
  /// Gaps up to here were tried.
  private var searched = Height(0)
  private var began = Instant.zero
  /// Nothing is begun before.
  private var next = Instant.zero
  private(set) var deadline = Instant.distantFuture

  /// - Parameter anchor: the height below which bodies were not fetched at first.
  func facts(anchor: Height?) -> BackfillFacts? {
    guard isEnabled, let gap, gap.earliest > gap.floor || gap.heights != nil else { return nil }
    let top = max(anchor?.next ?? gap.earliest, gap.earliest), all = Double(top.rawValue - gap.floor.rawValue)
    let percent = all > 0 ? 100 * Double(top.rawValue - gap.earliest.rawValue) / all : 100
    return BackfillFacts(state: isFull ? .full : isWaiting ? .waiting : .fetching, gap: gap, percent: percent)
  }

  /// What the store says of itself, unasked: what is to be fetched is known before the first look, and while a node that is behind does not look.
  mutating func know(earliest: Height, floor: Height) {
    if gap == nil { isWaiting = true }
    guard gap?.heights == nil else { return }
    gap = BodyGap(heights: nil, earliest: earliest, floor: floor)
  }

  // MARK: Peers

  /// Somebody new may have what is missing.
  mutating func peerUp() { next = isWaiting || gap?.heights == nil ? .zero : next }

  mutating func peerDown(_ link: PeerLink) {
    asked.removeAll { $0 == link }
    late.removeAll { $0 == link }
    guard request?.peer == link || sender == link else { return }
    request = nil
    restart()
  }

  private mutating func restart() {
    collected = []
    sender = nil
  }

  // MARK: Planning

  /// Takes back the request that was not answered in time: whose it was.
  mutating func expire(_ now: Instant) -> PeerLink? {
    guard let request, request.deadline <= now else { return nil }
    self.request = nil
    asked.append(request.peer)
    late.append(request.peer)
    restart()
    return request.peer
  }

  /// What to do now.
  mutating func plan(_ sources: [BlockSync.Source], isLive: Bool, now: Instant) -> Step? {
    deadline = .distantFuture
    guard isEnabled, isLive, !isStoreBusy else { return nil }
    if let request {
      deadline = request.deadline
      return nil
    }
    guard now >= next else {
      deadline = next
      return nil
    }
    guard let wanted = gap?.heights else {
      isStoreBusy = true
      return .work(.look(searched: searched))
    }
    if collected.isEmpty, asked.isEmpty { began = now }
    let from = collected.last?.header.height.next ?? wanted.lowerBound
    let able = sources.filter { source in
      source.head >= wanted.upperBound && source.earliestBodyHeight <= wanted.lowerBound && !asked.contains(source.link)
    }
    let ready = able.filter { $0.pausedUntil <= now && (sender == nil || sender == $0.link) }
    if let source = ready.min(by: { ($0.failures, $0.link.rawValue) < ($1.failures, $1.link.rawValue) }) {
      isWaiting = false
      let request = Request(from: from, to: wanted.upperBound, peer: source.link, deadline: now.adding(milliseconds: ReplicationLimit.rangeMilliseconds))
      self.request = request
      deadline = request.deadline
      return .ask(request)
    }
    restart()
    if !able.isEmpty {
      isWaiting = best == nil
      deadline = able.reduce(.distantFuture) { min($0, max($1.pausedUntil, now.adding(milliseconds: 1))) }
      return nil
    }
    if let best {
      isStoreBusy = true
      return .work(.write(best.blocks, from: best.peer, acceptsGaps: true))
    }
    let again = sources.filter { late.contains($0.link) }.map { $0.pausedUntil }.min()
    pass(now, until: again.map { max($0, now.adding(milliseconds: 1)) })
    return nil
  }

  /// Nobody has it: what lies below is not asked for, and a gap is left until all were tried.
  /// - Parameter again: when a peer that was too slow may be asked again.
  private mutating func pass(_ now: Instant, until again: Instant? = nil) {
    isWaiting = true
    if let gap, let heights = gap.heights, heights.lowerBound >= gap.earliest { searched = heights.upperBound }
    let end = now.adding(milliseconds: ReplicationLimit.backfillMilliseconds)
    rest(until: min(end, again ?? end))
  }

  /// The next range is another one.
  private mutating func forget() { (asked, late, best) = ([], [], nil) }

  private mutating func rest(until instant: Instant) {
    gap?.heights = nil
    forget()
    restart()
    (next, deadline) = (instant, instant)
  }

  // MARK: Answers

  /// Takes the answer of a peer to `request`.
  mutating func received(from: Height, _ blocks: [Block], _ link: PeerLink) -> Reception {
    guard let request, request.peer == link, request.from == from else { return .notAsked }
    self.request = nil
    guard !blocks.isEmpty else {
      asked.append(link)
      restart()
      return .empty
    }
    let isLinked = zip(blocks, blocks.dropFirst()).allSatisfy { $0.hash == $1.header.parentHash && $0.header.height.next == $1.header.height }
    // An answer goes on to a block with a certificate, which may lie above the range.
    let wanted = blocks.prefix { $0.header.height <= request.to }
    let byteCount = collected.reduce(0) { $0 + $1.body.count } + wanted.reduce(0) { $0 + $1.body.count }
    guard isLinked, blocks[0].header.height == from, collected.last.map({ $0.hash == blocks[0].header.parentHash }) ?? true, byteCount <= gap?.byteCount ?? 0 else {
      asked.append(link)
      restart()
      return .malformed
    }
    sender = link
    collected += wanted
    return .taken
  }

  /// What the store is to look at, when all of the range is here.
  mutating func takeWork() -> BackfillWork? {
    guard let sender, let last = collected.last, last.header.height == gap?.heights?.upperBound, !isStoreBusy else { return nil }
    isStoreBusy = true
    return .write(collected, from: sender, acceptsGaps: false)
  }

  /// The store is done with its work, and this is what is missing now. Returns the peer whose blocks they were.
  mutating func filled(_ result: BackfillResult, _ gap: BodyGap, now: Instant) -> PeerLink? {
    isStoreBusy = false
    let (blocks, peer) = (collected, sender ?? best?.peer)
    restart()
    isFull = result == .full
    switch result {
    case .looked:
      self.gap = gap
      forget()
      if let height = gap.searched { searched = height } else if gap.heights == nil {
        // All were looked at; the next look begins from the front.
        searched = Height(0)
        rest(until: now.adding(milliseconds: ReplicationLimit.backfillMilliseconds))
      }
    case .full:
      self.gap = gap
      rest(until: now.adding(milliseconds: ReplicationLimit.backfillMilliseconds))
    case .written:
      self.gap = gap
      forget()
      isWaiting = false
      next = now.adding(milliseconds: (ReplicationLimit.backfillShare - 1) * now.milliseconds(since: began))
    case .lacking(let missing):
      guard let peer, best == nil || !blocks.isEmpty else {
        // What nobody could better was no better than what is here.
        pass(now)
        return nil
      }
      if missing < best?.missing ?? .max { best = Answer(blocks: blocks, missing: missing, peer: peer) }
      asked.append(peer)
    case .foreign:
      if blocks.isEmpty { best = nil }
      if let peer { asked.append(peer) }
    case .invalid: isEnabled = false
    }
    return peer
  }
}
