import Ambient
import Audit
import Consensus
import Digests
import Ledger

/// Block sync: which ranges of final blocks to ask of whom. Peers' claims steer it; what it hands out proves itself by a certificate and hash links.
///
/// Ranges lie within an epoch, several are under way at a time, of different peers, and they are handed out in ascending order. A peer that gives no answer in time,
/// has nothing or sends what does not hold together is passed over for a while, longer each time.
///
/// Links differ. After a range that did not come in time a peer is asked for half as much, down to a block, and after one that did for twice as much again. What comes
/// late is taken when it is still wanted, and until it comes, or has been waited for long, its peer is not asked for the same again. When the range that everything else
/// waits for does not come soon and a peer has nothing to do, that one is asked for it, too.
///
/// Up to an anchor, a block whose hash the operator vouches for, ranges come without bodies: the hash commits to every one of them, so that each proves itself
/// when it comes. They are asked of peers that have the anchor, whatever these have pruned. No range lies on both sides of it.
///
/// A peer that keeps a snapshot says first at which heights the parts end, and is asked for them one by one: what it has ready it needs not put together.
///
/// Claims grow old: a peer says where it stands when it connects and when it repeats itself, and then may say nothing for a minute. Whatever else it says
/// raises its claim, and a height that a certificate has shown to be final is asked of anybody when nobody claims it: those who signed have it or will.
struct BlockSync: Sendable {
  /// A peer as a source of blocks.
  struct Source: Sendable {
    let link: PeerLink
    /// The head that it claims, or that follows from what it says.
    var head: Height
    /// Blocks below it are not asked of this peer: it has said that their bodies are gone.
    var earliestBodyHeight = Height(1)
    /// It speaks a version of the protocol that has blocks without bodies.
    var speaksVersion2 = true
    /// Whether it has a snapshot, and where the parts end; nil for a peer that cannot say.
    var parts: PartList?
    /// The highest height from which on it had no blocks without bodies although it said that it had the anchor: the entries up to there are gone, as it seems.
    var lacksEntriesTo = Height(0)
    var failures: UInt64 = 0
    var pausedUntil = Instant.zero
    /// What it is asked for at a time.
    var bytesMax = ReplicationLimit.rangeBytesMax
  }

  /// What a peer has said of its parts. Only a hint.
  struct PartList: Sendable {
    /// Last heights, ascending.
    var ends: [Height] = []
    /// Until then an answer is waited for.
    var awaited: Instant?
    /// There are no more, or the peer does not say.
    var isComplete = false

    /// Where the part that holds a height ends.
    func end(holding height: Height) -> Height? {
      var (low, high) = (0, ends.count)
      while low < high {
        let middle = (low + high) / 2
        if ends[middle] < height { low = middle + 1 } else { high = middle }
      }
      return low < ends.count ? ends[low] : nil
    }
  }

  /// A range that was asked for.
  struct Request: Hashable, Sendable {
    let from: Height
    let to: Height
    let peer: PeerLink
    let bytesMax: Int
    let sent: Instant
    /// The blocks are asked for without bodies, with their proof under this block.
    var anchor: Anchor?
    var blocksMax: Int { Int(to.rawValue - from.rawValue) + 1 }
    var deadline: Instant { sent.adding(milliseconds: ReplicationLimit.rangeMilliseconds) }
    /// Then it is not waited for any more, not even as a late one.
    var end: Instant { deadline.adding(milliseconds: ReplicationLimit.lateMilliseconds) }
    /// Then another peer may be asked, too.
    var doubt: Instant { sent.adding(milliseconds: ReplicationLimit.slowMilliseconds) }
  }

  /// A range that came: consecutive blocks, linked by their hashes, and a certificate that names the last. Its signatures are not verified yet.
  struct Range: Sendable {
    let from: Height
    let blocks: [Block]
    let certificate: Certificate
    let peer: PeerLink
    /// The anchor commits to it; bodies are withheld.
    var isHistory = false
    var to: Height { Height(from.rawValue + UInt64(blocks.count) - 1) }
    /// Events whose bodies the peer does not have, although nobody asked for less.
    var missing: Int { isHistory ? 0 : blocks.reduce(0) { $0 + $1.withheld.reduce(0) { $0 + $1.nonzeroBitCount } } }
    var byteCount: Int { blocks.reduce(0) { $0 + BlockHeader.byteCount + $1.body.count } }
  }

  #if MOLOCH_MUTANTS
    /// The rule to leave out.
    var mutant: Mutant?
  #endif
  private(set) var sources: [Source] = []
  private(set) var requests: [Request] = []
  /// Requests whose answers are not waited for any more and may still come: they were too slow, or another peer was faster.
  private(set) var late: [Request] = []
  /// Lists of parts to ask for: of whom, and from which height on. Emptied by whoever sends the questions.
  var listsWanted: [(peer: PeerLink, from: Height)] = []
  private(set) var ranges: [Range] = []
  /// Ranges that were handed out and are being verified: their heights and bytes.
  private var taken: [(from: Height, to: Height, byteCount: Int)] = []
  /// Ranges in which bodies are missing: taken when every peer that can be asked has been asked, and none has them.
  private var partial: [(best: Range, asked: [PeerLink])] = []
  /// The height up to which blocks are applied, in memory.
  private(set) var applied: Height
  /// The highest height that a verified finality certificate has named; nil before the first.
  private(set) var certified: Height?
  private(set) var isSyncing = true
  /// Blocks up to it come without bodies.
  private(set) var anchor: Anchor?
  /// The block to begin from is still looked for: nothing is asked for, and the node does not know where it stands.
  private(set) var awaitsAnchor: Bool
  /// Somebody who is past the anchor had no range up to it, because no block there has a certificate of its own: several blocks became final by one. Then the
  /// range that holds the anchor goes on to the next block that has one, proven under `proven`, and that block becomes the anchor.
  private(set) var lacksCertificate = false
  /// The highest block that the walk over the sets has proven final.
  private var proven: Anchor?
  /// Another block at the height of the anchor, which a peer has shown.
  private(set) var foreignAnchor: Digest?
  /// Ranges asked for or waiting at a time.
  var rangesInFlight: Int
  private var lastProgress: Instant
  /// Since when something above the applied blocks has been claimed.
  private var behindSince: Instant?
  private var isActive = false
  /// When `plan` has something to decide again.
  private(set) var deadline = Instant.distantFuture

  init(applied: Height, anchor: Anchor? = nil, awaitsAnchor: Bool = false, rangesInFlight: Int = ReplicationLimit.rangesInFlight, now: Instant) {
    self.applied = applied
    self.anchor = anchor
    self.awaitsAnchor = awaitsAnchor
    self.rangesInFlight = rangesInFlight
    lastProgress = now
  }

  /// The block to begin from is known.
  mutating func begin(from anchor: Anchor) {
    (self.anchor, awaitsAnchor) = (anchor, false)
  }

  /// A block is final, by the sets from the one that is trusted on.
  mutating func proven(_ block: Anchor) {
    if block.height > proven?.height ?? Height(0) { proven = block }
    certify(block.height)
  }

  // MARK: What is known

  mutating func peerUp(_ link: PeerLink, head: Height, earliestBodyHeight: Height = Height(1), speaksVersion2: Bool = true, speaksVersion3: Bool = false) {
    sources.append(
      Source(link: link, head: head, earliestBodyHeight: earliestBodyHeight, speaksVersion2: speaksVersion2, parts: speaksVersion3 ? PartList() : nil))
  }

  mutating func peerDown(_ link: PeerLink) {
    sources.removeAll { $0.link == link }
    requests.removeAll { $0.peer == link }
    late.removeAll { $0.peer == link }
  }

  mutating func peer(_ link: PeerLink, claims head: Height, now: Instant) {
    guard let index = sources.firstIndex(where: { $0.link == link }) else { return }
    sources[index].head = head
  }

  /// What the peer said cannot come from a node below this height. As little believed as what it claims.
  mutating func peer(_ link: PeerLink, reached head: Height) {
    guard let index = sources.firstIndex(where: { $0.link == link }) else { return }
    sources[index].head = max(sources[index].head, head)
  }

  /// Validators of a quorum, this node included, stand where this node stands: what it holds is the tip.
  mutating func confirm() {
    guard isSyncing else { return }
    certify(applied)
  }

  /// A certificate of this height would say something new.
  func wantsProof(of height: Height) -> Bool {
    height > (awaitsAnchor || lacksCertificate ? proven?.height : certified) ?? Height(0)
  }

  /// The anchor commits to a block, for whose signatures the operator stands.
  func isVouched(_ height: Height) -> Bool { anchor.map { height <= $0.height } ?? false }

  /// A verified certificate names this height as final.
  mutating func certify(_ height: Height) {
    certified = max(certified ?? height, height)
    settleState()
  }

  /// The machine asks for blocks up to a height that a certificate has shown to be final.
  mutating func aim(at height: Height, now: Instant) {
    certify(height)
    isActive = true
  }

  /// Blocks up to this height are applied.
  mutating func applied(_ height: Height, now: Instant) {
    guard height > applied else { return }
    applied = height
    lastProgress = now
    ranges.removeAll { $0.to <= applied }
    taken.removeAll { $0.to <= applied }
    partial.removeAll { $0.best.from <= applied }
    certify(height)
  }

  /// Blocks between the certified tip and the durable head; nil before a certificate has shown the tip.
  func lag(durable: Height) -> UInt64? {
    certified.map { $0 > durable ? $0.rawValue - durable.rawValue : 0 }
  }

  private mutating func settleState() {
    guard let certified, !awaitsAnchor, anchor.map({ applied >= $0.height }) ?? true else { return }
    let lag = certified > applied ? certified.rawValue - applied.rawValue : 0
    if lag <= 2 { isSyncing = false } else if lag > 10 { isSyncing = true }
  }

  // MARK: Planning

  /// The highest head that anybody claims or a certificate has shown.
  var goal: Height { sources.reduce(certified ?? Height(0)) { max($0, $1.head) } }

  /// Decides what to ask for now.
  mutating func plan(epochLength: UInt32, now: Instant) -> [Request] {
    expire(now)
    settlePartial()
    let goal = goal
    deadline = .distantFuture
    guard goal > applied else {
      isActive = false
      behindSince = nil
      return []
    }
    let since = behindSince ?? now
    behindSince = since
    let stall = max(lastProgress, since).adding(milliseconds: ReplicationLimit.syncStallMilliseconds)
    if !isActive {
      let isFar = goal.rawValue - applied.rawValue >= ReplicationLimit.syncLagMin
      let isAnotherEpoch = (goal.rawValue - 1) / UInt64(epochLength) > applied.rawValue / UInt64(epochLength)
      isActive = isFar || isAnotherEpoch || now >= stall
    }
    guard isActive else {
      deadline = stall
      return []
    }
    var planned: [Request] = []
    var bytes = backlogBytes + requests.count * ReplicationLimit.rangeBytesMax
    while requests.count + ranges.count < rangesInFlight, requests.isEmpty || bytes < ReplicationLimit.rangeBacklogBytes {
      let from = firstUncovered()
      let epochEnd = ((from.rawValue - 1) / UInt64(epochLength) + 1) * UInt64(epochLength)
      guard from <= goal else { break }
      let history = anchor(of: from, epochEnd: epochEnd)
      if history != nil { askForParts(from, now) }
      guard let source = source(holding: from, epochEnd, now) else { break }
      let end = min(from.rawValue + UInt64(ReplicationLimit.rangeBlocksMax) - 1, epochEnd, history?.height.rawValue ?? max(goal.rawValue, from.rawValue))
      planned.append(ask(source, from, Height(end), history, now))
      bytes += ReplicationLimit.rangeBytesMax
    }
    if let second = secondOpinion(epochLength, now) { planned.append(second) }
    for request in requests { deadline = min(deadline, request.deadline, request.doubt > now ? request.doubt : .distantFuture) }
    for request in late { deadline = min(deadline, request.end) }
    for source in sources where source.pausedUntil > now { deadline = min(deadline, source.pausedUntil) }
    for source in sources { if let awaited = source.parts?.awaited { deadline = min(deadline, awaited) } }
    return planned
  }

  /// Gives up what did not come in time. It may come late.
  private mutating func expire(_ now: Instant) {
    var slow: [PeerLink] = []
    for request in requests where request.deadline <= now {
      late.append(request)
      if !slow.contains(request.peer) { slow.append(request.peer) }
    }
    requests.removeAll { $0.deadline <= now }
    late.removeAll { $0.end <= now }
    // Who gives no list of parts is asked without one.
    for index in sources.indices { if let awaited = sources[index].parts?.awaited, awaited <= now { sources[index].parts = PartList(isComplete: true) } }
    for link in slow {
      strike(link, now)
      guard let index = sources.firstIndex(where: { $0.link == link }) else { continue }
      sources[index].bytesMax = max(ReplicationLimit.rangeBytesMin, sources[index].bytesMax / 2)
    }
  }

  private mutating func ask(_ source: Source, _ from: Height, _ to: Height, _ anchor: Anchor?, _ now: Instant) -> Request {
    var end = to
    if anchor != nil, let part = source.parts?.end(holding: from) {
      // Parts come whole, however little is asked for. For a peer that is too slow for one the range ends in front of where it does.
      end = min(end, source.bytesMax >= ReplicationLimit.partBytesMin || part == from ? part : Height(part.rawValue - 1))
    }
    let request = Request(from: from, to: end, peer: source.link, bytesMax: source.bytesMax, sent: now, anchor: anchor)
    requests.append(request)
    return request
  }

  /// Asks a peer that has nothing to do for the range that all others wait for, when it is long in coming.
  private mutating func secondOpinion(_ epochLength: UInt32, _ now: Instant) -> Request? {
    guard !isReady, let front = requests.min(by: { $0.from < $1.from }), front.from <= frontier.next, front.doubt <= now, requests.count(where: { $0.from == front.from }) == 1
    else { return nil }
    let epochEnd = ((front.from.rawValue - 1) / UInt64(epochLength) + 1) * UInt64(epochLength)
    guard let source = source(holding: front.from, epochEnd, now), source.link != front.peer, busyness(source.link) == 0 else { return nil }
    return ask(source, front.from, front.to, front.anchor, now)
  }

  /// Ranges that a peer is sending, as far as is known.
  private func busyness(_ link: PeerLink) -> Int { requests.count { $0.peer == link } + late.count { $0.peer == link } }

  /// Asks the peers that have not said yet whether they have parts from this height on.
  private mutating func askForParts(_ height: Height, _ now: Instant) {
    for index in sources.indices {
      guard let parts = sources[index].parts, !parts.isComplete, parts.awaited == nil, parts.end(holding: height) == nil else { continue }
      sources[index].parts?.awaited = now.adding(milliseconds: ReplicationLimit.partListMilliseconds)
      listsWanted.append((sources[index].link, height))
    }
  }

  /// A peer says where parts of its snapshot end.
  mutating func listed(from: Height, _ ends: [Height], _ link: PeerLink) {
    guard let index = sources.firstIndex(where: { $0.link == link }), sources[index].parts?.awaited != nil else { return }
    sources[index].parts = PartList(ends: ends, awaited: nil, isComplete: ends.count < ReplicationLimit.partsListed)
  }

  /// The first height that is wanted and of which every connected peer says that its body is gone; nil while anybody may have it.
  var unobtainable: Height? {
    guard goal > applied, !sources.isEmpty, !isReady, !awaitsAnchor, anchor.map({ applied >= $0.height }) ?? true else { return nil }
    return sources.allSatisfy { $0.earliestBodyHeight > applied.next } ? applied.next : nil
  }

  /// The next height up to the anchor, when every connected peer has had nothing of it; nil while anybody may have it.
  var withoutEntries: Height? {
    guard let anchor, applied < anchor.height, !sources.isEmpty, !isReady, taken.isEmpty else { return nil }
    return sources.allSatisfy { $0.lacksEntriesTo > applied } ? applied.next : nil
  }

  /// The block under which a height is asked for; nil above the anchor.
  private func anchor(of height: Height, epochEnd: UInt64) -> Anchor? {
    guard let anchor, height <= anchor.height else { return nil }
    // Only where the range can hold the anchor: its hash is what counts.
    let isLast = anchor.height.rawValue <= min(epochEnd, height.rawValue + UInt64(ReplicationLimit.rangeBlocksMax) - 1)
    if lacksCertificate, isLast, let proven, proven.height > anchor.height { return proven }
    return anchor
  }

  /// The first height that is neither here nor under way.
  private func firstUncovered() -> Height {
    var next = applied.next
    var hasMoved = true
    while hasMoved {
      hasMoved = false
      for range in taken where range.from <= next && next <= range.to { (next, hasMoved) = (range.to.next, true) }
      for range in ranges where range.from <= next && next <= range.to { (next, hasMoved) = (range.to.next, true) }
      for request in requests where request.from <= next && next <= request.to { (next, hasMoved) = (request.to.next, true) }
    }
    return next
  }

  /// Whom to ask for a height: the least busy of the peers that claim it and are not passed over; among equals the one with the fewest failures, then the
  /// oldest connection. When nobody claims what is certified, anybody.
  private func source(holding height: Height, _ epochEnd: UInt64, _ now: Instant) -> Source? {
    let history = anchor(of: height, epochEnd: epochEnd)?.height
    let asked = (partial.first { $0.best.from == height }?.asked ?? []) + (late + requests).filter { $0.from == height }.map(\.peer)
    let heard = sources.filter { $0.pausedUntil <= now && !asked.contains($0.link) && (history == nil ? $0.earliestBodyHeight <= height : $0.speaksVersion2 && $0.parts?.awaited == nil) }
    var able = heard.filter { $0.head >= history ?? height }
    if able.isEmpty, let certified, height <= certified { able = heard }
    able.removeAll { busyness($0.link) >= ReplicationLimit.rangesPerPeer }
    return able.min { a, b in (busyness(a.link), a.failures, a.link.rawValue) < (busyness(b.link), b.failures, b.link.rawValue) }
  }

  // MARK: Answers

  /// The request that an answer is for; nil for one that nobody has asked for, or that is not wanted any more.
  private mutating func request(from: Height, _ link: PeerLink, isHistory: Bool) -> Request? {
    func matches(_ request: Request) -> Bool { request.peer == link && request.from == from && (request.anchor != nil) == isHistory }
    if let index = requests.firstIndex(where: matches) { return requests.remove(at: index) }
    guard let index = late.firstIndex(where: matches) else { return nil }
    let request = late.remove(at: index)
    // It is slow and sends: there is no need to wait before it is asked for less.
    if let source = sources.firstIndex(where: { $0.link == link }) { sources[source].pausedUntil = .zero }
    let isHere = from <= applied || taken.contains { $0.from <= from && from <= $0.to } || ranges.contains { $0.from <= from && from <= $0.to }
    return isHere ? nil : request
  }

  /// Takes an answer. False when it contradicts itself, which no peer in good faith sends.
  mutating func received(
    from: Height, _ blocks: [Block], _ certificate: Certificate?, _ link: PeerLink, epochLength: UInt32, now: Instant
  ) -> Bool {
    guard let request = request(from: from, link, isHistory: false) else { return true }
    if !blocks.isEmpty { praise(request, now) }
    return take(from, blocks, certificate, link, isHistory: false, epochLength: epochLength, now: now)
  }

  /// Takes an answer to a request for blocks without bodies. False when it does not prove itself.
  mutating func received(from: Height, _ history: History?, _ link: PeerLink, epochLength: UInt32, now: Instant) -> Bool {
    guard let anchor, let request = request(from: from, link, isHistory: true) else { return true }
    if history != nil { praise(request, now) }
    guard let history else {
      if let index = sources.firstIndex(where: { $0.link == link }), sources[index].head >= anchor.height {
        sources[index].lacksEntriesTo = max(sources[index].lacksEntriesTo, from)
      }
      if request.to >= anchor.height { lacksCertificate = true }
      return take(from, [], nil, link, isHistory: true, epochLength: epochLength, now: now)
    }
    guard history.anchor.hash == request.anchor?.hash else {
      // The peer is on another chain, or the operator has misread a hash: nobody is at fault for certain.
      if history.anchor.height == anchor.height { foreignAnchor = history.anchor.hash }
      strike(link, now)
      return true
    }
    guard history.isProven || isLeftOut(.historyWithoutProof) else {
      strike(link, now)
      return false
    }
    if let other = history.blocks.first(where: { $0.header.height == anchor.height }), other.hash != anchor.hash {
      foreignAnchor = other.hash
      strike(link, now)
      return true
    }
    foreignAnchor = nil
    if let index = sources.firstIndex(where: { $0.link == link }), sources[index].lacksEntriesTo >= from { sources[index].lacksEntriesTo = Height(0) }
    return take(from, history.blocks, history.certificate, link, isHistory: true, epochLength: epochLength, now: now)
  }

  /// What came in time may be twice as much the next time.
  private mutating func praise(_ request: Request, _ now: Instant) {
    guard now < request.deadline, let index = sources.firstIndex(where: { $0.link == request.peer }) else { return }
    sources[index].bytesMax = min(ReplicationLimit.rangeBytesMax, max(sources[index].bytesMax, 2 * request.bytesMax))
  }

  private mutating func take(
    _ from: Height, _ blocks: [Block], _ certificate: Certificate?, _ link: PeerLink, isHistory: Bool, epochLength: UInt32, now: Instant
  ) -> Bool {
    guard let last = blocks.last, let certificate else {
      strike(link, now)
      if let source = sources.firstIndex(where: { $0.link == link }) {
        sources[source].head = min(sources[source].head, Height(from.rawValue - 1))
      }
      return true
    }
    let isLinked = zip(blocks, blocks.dropFirst()).allSatisfy { $0.hash == $1.header.parentHash && $0.header.height.next == $1.header.height }
    // The last block of an epoch keeps its own certificate, so no range leads past it.
    let isOneEpoch = (last.header.height.rawValue - 1) / UInt64(epochLength) == (from.rawValue - 1) / UInt64(epochLength)
    guard isLinked || isLeftOut(.rangeWithoutLinks), blocks[0].header.height == from, isOneEpoch, certificate.vote.kind == .finalise, certificate.vote.blockHash == last.hash,
      certificate.vote.height == last.header.height
    else {
      strike(link, now)
      return false
    }
    let range = wholest(Range(from: from, blocks: blocks, certificate: certificate, peer: link, isHistory: isHistory), now)
    if let range, range.to > applied, range.from <= frontier.next || backlogBytes + range.byteCount <= ReplicationLimit.rangeBacklogBytes {
      ranges.insert(range, at: ranges.firstIndex { $0.from > from } ?? ranges.count)
      late += requests.filter { $0.from == from }
      requests.removeAll { $0.from == from }
    }
    return true
  }

  /// Redacted bodies are nowhere; others are. A range without some bodies waits until the peers that may have them were asked for it, too.
  private mutating func wholest(_ range: Range, _ now: Instant) -> Range? {
    let known = partial.firstIndex { $0.best.from == range.from }
    guard range.missing > 0 else {
      if let known { partial.remove(at: known) }
      return range
    }
    var (best, asked) = known.map { partial[$0] } ?? (range, [])
    if range.missing < best.missing { best = range }
    asked.append(range.peer)
    if let known { partial.remove(at: known) }
    partial.append((best, asked))
    return nil
  }

  /// Lets ranges without some bodies go on when nobody is left who may have more.
  private mutating func settlePartial() {
    for (best, asked) in partial {
      let isHope = sources.contains { source in
        source.earliestBodyHeight <= best.from && source.head >= best.from && source.failures < ReplicationLimit.partialFailuresMax && !asked.contains(source.link)
      }
      guard !isHope else { continue }
      partial.removeAll { $0.best.from == best.from }
      requests.removeAll { $0.from == best.from }
      if best.to > applied { ranges.insert(best, at: ranges.firstIndex { $0.from > best.from } ?? ranges.count) }
    }
  }

  /// Of the ranges that are here. One that is larger than it was asked for, and has no room beside them, is asked for again when its turn has come.
  private var backlogBytes: Int { ranges.reduce(0) { $0 + $1.byteCount } + taken.reduce(0) { $0 + $1.byteCount } }

  /// Up to here blocks are applied or are being verified.
  private var frontier: Height { max(applied, taken.last?.to ?? applied) }

  @inline(__always) private func isLeftOut(_ mutant: Mutant) -> Bool {
    #if MOLOCH_MUTANTS
      return self.mutant == mutant
    #else
      return false
    #endif
  }

  /// Whether the range that continues the blocks applied and handed out is here.
  var isReady: Bool { ranges.first.map { $0.from <= frontier.next } ?? false }

  /// That range. It is handed out until `succeeded` or `failed` says what came of it.
  mutating func take() -> Range? {
    guard let first = ranges.first, first.from <= frontier.next else { return nil }
    taken.append((first.from, first.to, first.byteCount))
    return ranges.removeFirst()
  }

  private mutating func giveBack(_ range: Range) { taken.removeAll { $0.from == range.from && $0.to == range.to } }

  /// The whole range was verified: its source has done well.
  mutating func succeeded(_ range: Range) {
    giveBack(range)
    succeeded(range.peer)
  }

  mutating func succeeded(_ link: PeerLink) {
    if let index = sources.firstIndex(where: { $0.link == link }) { sources[index].failures = 0 }
  }

  /// The range does not prove what it says.
  mutating func failed(_ range: Range, now: Instant) {
    giveBack(range)
    strike(range.peer, now)
  }

  /// The peer has not done what was asked of it.
  mutating func strike(_ link: PeerLink, _ now: Instant) {
    guard let index = sources.firstIndex(where: { $0.link == link }) else { return }
    let doublings = min(sources[index].failures, ReplicationLimit.syncPauseDoublingsMax)
    sources[index].pausedUntil = now.adding(milliseconds: ReplicationLimit.syncPauseMilliseconds << doublings)
    sources[index].failures += 1
  }
}
