import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519

/// Several machines with journals, stores, clocks and connections of their own, in one thread and from one seed: a discrete simulation in which every
/// barrier takes time and everything that is not synced is lost in a crash.
struct Cluster {
  /// Delays in microseconds.
  struct Conditions {
    var network: ClosedRange<UInt64> = 500...3000
    var lossPercent: UInt64 = 0
    var journal: ClosedRange<UInt64> = 200...1500
    var body: ClosedRange<UInt64> = 500...4000
    var apply: ClosedRange<UInt64> = 500...3000
  }

  struct Node {
    var machine: Machine
    var isUp = false
    var isFrozen = false
    /// Runs no machine; a test speaks for it.
    var isPuppet = false
    var boot: UInt64 = 0
    var timer = Instant.distantFuture
    var wallOffset: Int64 = 0
    var mustRecover = false
    /// The journal is there and may not be all that the key has promised.
    var isDoubtful = false
    // Disk
    var journal: [JournalRecord] = []
    var bodies: [BlockReference] = []
    var chain: [BlockReference]
    var floor: Machine.Floor
    var boundary: Certificate?
    // Memory
    var pending: [(sequence: UInt64, record: JournalRecord)] = []
    var committed: BlockReference
    var committing: [(blocks: [BlockReference], certificate: Certificate)] = []
    var links: [Int: PeerLink] = [:]
    var backlog: [Event] = []
    var penalties: [Fault] = []
    var evidence: [Evidence] = []
    var standings: [StandingChange] = []
    var inbox: [(from: Int, message: Message)] = []
    var builds = 0
    var fetches = 0
  }

  enum Event {
    case message(from: Int, link: PeerLink, code: UInt8, bytes: [UInt8])
    case timer(boot: UInt64, at: Instant)
    case journalSynced(boot: UInt64, UInt64)
    case bodyDurable(boot: UInt64, BlockReference)
    case validated(boot: UInt64, Digest)
    case applied(boot: UInt64)
    case available(boot: UInt64, BlockReference)
    case synced(boot: UInt64)
  }

  private struct Scheduled {
    var at: Instant
    var order: UInt64
    var node: Int
    var event: Event
  }

  static let chainTag = ChainTag(Bytes16(1, 2))
  static let genesis = BlockReference(
    hash: SHA256.hash([1]), parentHash: .zero, height: Height(0), timestamp: Timestamp(milliseconds: 5), proposer: PublicKey(Bytes32()))

  let keys: [SigningKey]
  var parameters: ChainParameters
  /// Members of each epoch, by node; the last entry holds for all later epochs.
  var members: [[Int]]
  var powers: [UInt64]
  var options: Machine.Options
  var conditions = Conditions()
  var nodes: [Node] = []
  var checker = Checker()
  var now = Instant(milliseconds: 1_700_000_000_000)
  var hasEvents = true
  var invalid: Set<Digest> = []
  /// Blocks whose bodies reach no disk.
  var losesBodies = false
  /// Journals keep only what is above the floor, and standing promises.
  var recycles = true
  private var random: SeededGenerator
  private var queue: [Scheduled] = []
  private var order: UInt64 = 0
  private var linkCount: UInt64 = 0
  /// Looks at every message on its way; false drops it.
  var filter: (@Sendable (_ from: Int, _ to: Int, _ message: Message) -> Bool)?

  init(
    _ count: Int, seed: UInt64, members: [[Int]]? = nil, powers: [UInt64]? = nil, epochLength: UInt32 = 1000, blockTime: UInt32 = 20,
    listenMilliseconds: UInt64? = nil
  ) throws {
    random = SeededGenerator(seed: seed)
    keys = (0..<count).map { SigningKey(seed: Bytes32(repeating: UInt8($0 + 1))) }.sorted { $0.publicKey < $1.publicKey }
    self.members = members ?? [Array(0..<count)]
    self.powers = powers ?? Array(repeating: 1, count: count)
    parameters = ChainParameters()
    parameters.blockTime = blockTime
    parameters.emptyBlockInterval = 60_000
    parameters.epochLength = epochLength
    options = Machine.Options(chainTag: Self.chainTag)
    options.listenMilliseconds = listenMilliseconds
    for index in 0..<count {
      let floor = Machine.Floor(block: Self.genesis, view: View(0))
      nodes.append(
        Node(
          machine: Machine(options: options, epoch: try facts(Epoch(0), Self.genesis.hash, nil), key: keys[index], floor: floor, journal: [], now: now),
          chain: [Self.genesis], floor: floor, committed: Self.genesis))
    }
  }

  func set(_ epoch: Epoch) throws -> ValidatorSet {
    let members = members[min(Int(epoch.rawValue), members.count - 1)]
    return try ValidatorSet(
      members.map { Validator(publicKey: keys[$0].publicKey, cosignerKey: keys[$0].publicKey, power: powers[$0], name: "v\($0)") })
  }

  func facts(_ epoch: Epoch, _ boundary: Digest, _ certificate: Certificate?) throws -> EpochFacts {
    EpochFacts(epoch: epoch, set: try set(epoch), parameters: parameters, boundary: boundary, boundaryCertificate: certificate)
  }

  // MARK: Life

  mutating func start(connected: Bool = true) throws {
    for index in nodes.indices { if nodes[index].isPuppet { nodes[index].isUp = true } else { try begin(index) } }
    if connected { for a in nodes.indices { for b in nodes.indices where a < b { try connect(a, b) } } }
  }

  private mutating func begin(_ index: Int) throws {
    nodes[index].isUp = true
    let stored = nodes[index].bodies
    for block in stored where block.height > nodes[index].floor.block.height {
      try step(index, .available(block))
      try step(index, .bodyDurable(block.hash))
    }
    try step(index, .start)
    try step(index, .pendingChanged(hasEvents: hasEvents, fillsBlock: false))
  }

  mutating func crash(_ index: Int) throws {
    for other in nodes.indices { try disconnect(index, other) }
    nodes[index].isUp = false
    nodes[index].boot += 1
    nodes[index].pending = []
    nodes[index].committing = []
    nodes[index].timer = .distantFuture
    nodes[index].backlog = []
    nodes[index].isFrozen = false
  }

  mutating func restart(_ index: Int, connected: Bool = true) throws {
    let node = nodes[index]
    let epoch = parameters.epoch(of: node.floor.block.height.next)
    let isOpening = parameters.isLastOfEpoch(node.floor.block.height)
    let boundary = epoch.rawValue == 0 ? Self.genesis : node.chain[Int(epoch.rawValue) * Int(parameters.epochLength)]
    var options = options
    options.nonce = SHA256.hash([UInt8(index), UInt8(truncatingIfNeeded: node.boot), 77])
    nodes[index].committed = node.floor.block
    nodes[index].machine = Machine(
      options: options, epoch: try facts(epoch, boundary.hash, isOpening ? node.floor.certificate : node.boundary), key: keys[index], floor: node.floor,
      journal: node.journal, mustRecover: node.mustRecover && node.journal.isEmpty || node.isDoubtful,
      now: now)
    try begin(index)
    if connected { for other in nodes.indices where other != index { try connect(index, other) } }
  }

  /// The journal's files are gone; the key and the store are not.
  mutating func wipeJournal(_ index: Int) {
    nodes[index].journal = []
    nodes[index].mustRecover = true
  }

  /// The store is deleted; journal and key are not.
  mutating func resetStore(_ index: Int) {
    nodes[index].chain = [Self.genesis]
    nodes[index].floor = Machine.Floor(block: Self.genesis, view: View(0))
    nodes[index].boundary = nil
    nodes[index].bodies = []
  }

  /// The synchroniser of the layer above has noticed that the node is epochs behind.
  mutating func sync(_ index: Int) { schedule(index, .synced(boot: nodes[index].boot), after: 20_000_000) }

  mutating func connect(_ a: Int, _ b: Int) throws {
    guard a != b, nodes[a].isUp, nodes[b].isUp, nodes[a].links[b] == nil else { return }
    for (from, to) in [(a, b), (b, a)] {
      linkCount += 1
      nodes[from].links[to] = PeerLink(linkCount)
    }
    for (from, to) in [(a, b), (b, a)] {
      if let link = nodes[from].links[to] { try step(from, .peerUp(link, validator: keys[to].publicKey)) }
    }
  }

  mutating func disconnect(_ a: Int, _ b: Int) throws {
    for (from, to) in [(a, b), (b, a)] {
      if let link = nodes[from].links.removeValue(forKey: to), nodes[from].isUp { try step(from, .peerDown(link)) }
    }
  }

  mutating func freeze(_ index: Int) { nodes[index].isFrozen = true }

  mutating func thaw(_ index: Int) throws {
    nodes[index].isFrozen = false
    let backlog = nodes[index].backlog
    nodes[index].backlog = []
    for event in backlog { schedule(index, event, after: 0) }
    try step(index, .timer)
  }

  // MARK: Time

  private func chance(_ range: ClosedRange<UInt64>, _ random: inout SeededGenerator) -> UInt64 { UInt64.random(in: range, using: &random) * 1000 }
  mutating func number(below limit: UInt64) -> UInt64 { random.next() % limit }

  private mutating func schedule(_ node: Int, _ event: Event, after nanoseconds: UInt64) {
    order += 1
    push(Scheduled(at: now.adding(nanoseconds: nanoseconds), order: order, node: node, event: event))
  }

  private func precedes(_ a: Scheduled, _ b: Scheduled) -> Bool { a.at != b.at ? a.at < b.at : a.order < b.order }

  private mutating func push(_ item: Scheduled) {
    queue.append(item)
    var child = queue.count - 1
    while child > 0, precedes(queue[child], queue[(child - 1) / 2]) {
      queue.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  private mutating func pop() -> Scheduled {
    queue.swapAt(0, queue.count - 1)
    let item = queue.removeLast()
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < queue.count && precedes(queue[child], queue[least]) { least = child }
      if least == parent { break }
      queue.swapAt(parent, least)
      parent = least
    }
    return item
  }

  /// Runs for this long, or until the condition holds, or until something is violated. Returns whether the condition came true.
  @discardableResult
  mutating func run(milliseconds: UInt64, until condition: ((Cluster) -> Bool)? = nil) throws -> Bool {
    let end = now.adding(milliseconds: milliseconds)
    while checker.violations.isEmpty {
      if let condition, condition(self) { return true }
      guard let first = queue.first, first.at <= end else { break }
      let item = pop()
      now = max(now, item.at)
      try perform(item.node, item.event)
    }
    if checker.violations.isEmpty { now = max(now, end) }
    return condition?(self) ?? true
  }

  private mutating func perform(_ index: Int, _ event: Event) throws {
    guard nodes[index].isUp else { return }
    if nodes[index].isFrozen {
      nodes[index].backlog.append(event)
      return
    }
    let boot = nodes[index].boot
    switch event {
    case .message(let from, let link, let code, let bytes):
      guard nodes[index].links[from] == link else { return }
      let message = try Message(decoding: bytes.bytes, type: code, chainTag: Self.chainTag)
      if case .status(let status) = message, status.epoch.rawValue > nodes[index].machine.epoch.rawValue + 1 { sync(index) }
      if nodes[index].isPuppet { return nodes[index].inbox.append((from, message)) }
      try step(index, .received(message, from: link))
    case .timer(let of, let at):
      if of == boot, at == nodes[index].timer { try step(index, .timer) }
    case .journalSynced(let of, let sequence):
      guard of == boot else { return }
      let durable = nodes[index].pending.prefix { $0.sequence <= sequence }
      nodes[index].journal += durable.map(\.record)
      nodes[index].pending.removeFirst(durable.count)
      if durable.contains(where: { if case .bound = $0.record { true } else { false } }) { nodes[index].mustRecover = false }
      try step(index, .journalSynced(sequence))
    case .bodyDurable(let of, let block):
      guard of == boot, !losesBodies else { return }
      nodes[index].bodies.append(block)
      try step(index, .bodyDurable(block.hash))
    case .validated(let of, let hash):
      if of == boot { try step(index, .validated(hash, invalid.contains(hash) ? .invalid : .valid)) }
    case .applied(let of):
      guard of == boot, !nodes[index].committing.isEmpty else { return }
      let (blocks, certificate) = nodes[index].committing.removeFirst()
      write(index, blocks, certificate)
      try step(index, .applied(nodes[index].floor.block.height))
    case .available(let of, let block):
      guard of == boot else { return }
      try step(index, .available(block))
    case .synced(let of):
      guard of == boot else { return }
      try synchronise(index)
    }
  }

  /// One batch: blocks, height, floor certificate; then the journal's floor record.
  private mutating func write(_ index: Int, _ blocks: [BlockReference], _ certificate: Certificate) {
    nodes[index].chain += blocks
    guard let last = blocks.last else { return }
    nodes[index].floor = Machine.Floor(block: last, view: certificate.vote.view, certificate: certificate)
    if parameters.isLastOfEpoch(last.height) { nodes[index].boundary = certificate }
    nodes[index].bodies.removeAll { $0.height <= last.height }
    nodes[index].journal.append(.floor(epoch: certificate.vote.epoch, view: certificate.vote.view, height: last.height, blockHash: last.hash))
    if recycles { recycle(index, below: Bound(epoch: certificate.vote.epoch, view: certificate.vote.view)) }
  }

  /// Drops what a recycled segment would drop, and keeps the standing promises.
  private mutating func recycle(_ index: Int, below floor: Bound) {
    var voted: [VoteKind: Bound] = [:]
    var kept: [JournalRecord] = []
    for record in nodes[index].journal {
      switch record {
      case .vote(let vote):
        let place = Bound(epoch: vote.vote.epoch, view: vote.vote.view)
        if place > floor { kept.append(record) } else { voted[vote.vote.kind] = max(voted[vote.vote.kind] ?? place, place) }
      case .certificate(let certificate):
        if Bound(epoch: certificate.vote.epoch, view: certificate.vote.view) > floor { kept.append(record) }
      case .voted(let kind, let epoch, let view):
        let place = Bound(epoch: epoch, view: view)
        voted[kind] = max(voted[kind] ?? place, place)
      case .floor(let epoch, let view, _, _): if Bound(epoch: epoch, view: view) == floor { kept.append(record) }
      case .bound, .recovering, .cosignature: kept.append(record)
      }
    }
    for kind in [VoteKind.notarise, .nullify, .finalise] { if let place = voted[kind] { kept.append(.voted(kind, epoch: place.epoch, view: place.view)) } }
    nodes[index].journal = kept
  }

  /// What a synchroniser does: copies the final chain of the connected node that has most of it.
  private mutating func synchronise(_ index: Int) throws {
    let sources = nodes[index].links.keys.sorted().filter { !nodes[$0].isPuppet }
    guard let best = sources.max(by: { nodes[$0].chain.count < nodes[$1].chain.count }), nodes[best].chain.count > nodes[index].chain.count else { return }
    let source = nodes[best]
    nodes[index].committing = []
    checker.committed(Array(source.chain[nodes[index].chain.count...]), after: nodes[index].chain[nodes[index].chain.count - 1])
    nodes[index].chain = source.chain
    nodes[index].floor = source.floor
    nodes[index].boundary = source.boundary
    nodes[index].committed = source.floor.block
    let epoch = parameters.epoch(of: source.floor.block.height.next)
    let boundary = epoch.rawValue == 0 ? Self.genesis : source.chain[Int(epoch.rawValue) * Int(parameters.epochLength)]
    try step(index, .synced(source.floor, try facts(epoch, boundary.hash, source.boundary)))
  }

  // MARK: Effects

  mutating func step(_ index: Int, _ input: Input) throws {
    guard nodes[index].isUp, !nodes[index].isPuppet else { return }
    var inputs = [input]
    while !inputs.isEmpty {
      var effects: [Effect] = []
      let wall = UInt64(Int64(now.milliseconds) + nodes[index].wallOffset)
      nodes[index].machine.step(inputs.removeFirst(), now: Times(monotonic: now, wall: Timestamp(milliseconds: wall)), &effects)
      for effect in effects { try perform(index, effect, &inputs) }
    }
  }

  private mutating func perform(_ index: Int, _ effect: Effect, _ inputs: inout [Input]) throws {
    let boot = nodes[index].boot
    switch effect {
    case .append(let record, let sequence):
      if case .certificate(let certificate) = record { checker.certified(certificate) }
      nodes[index].pending.append((sequence, record))
      schedule(index, .journalSynced(boot: boot, sequence), after: chance(conditions.journal, &random))
    case .send(let message, let destination, _): send(index, message, destination)
    case .build(let view, let parent, let timestamp):
      nodes[index].builds += 1
      let block = block(on: parent, by: index, timestamp: timestamp, salt: UInt64(view.rawValue) << 16 + nodes[index].boot)
      inputs.append(.built(view, block))
    case .validate(let block): schedule(index, .validated(boot: boot, block.hash), after: 100_000)
    case .storeBody(let block): schedule(index, .bodyDurable(boot: boot, block), after: chance(conditions.body, &random))
    case .fetch(let hash, _, let links):
      nodes[index].fetches += 1
      for other in nodes[index].links.keys.sorted() where links.contains(nodes[index].links[other] ?? PeerLink(0)) && !nodes[other].isFrozen {
        guard let block = (nodes[other].bodies + nodes[other].chain).first(where: { $0.hash == hash }) else { continue }
        schedule(index, .available(boot: boot, block), after: 2 * chance(conditions.network, &random))
        break
      }
    case .requestSync: schedule(index, .synced(boot: boot), after: 4 * chance(conditions.network, &random))
    case .setTimer(let instant):
      guard instant != nodes[index].timer else { return }
      nodes[index].timer = instant
      if instant < .distantFuture { schedule(index, .timer(boot: boot, at: instant), after: instant.nanoseconds(since: now)) }
    case .commit(let blocks, let certificate):
      checker.committed(blocks, after: nodes[index].committed)
      nodes[index].committed = blocks[blocks.count - 1]
      nodes[index].committing.append((blocks, certificate))
      schedule(index, .applied(boot: boot), after: chance(conditions.apply, &random))
    case .enterEpoch(let epoch, let boundary): inputs.append(.epochOpened(try facts(epoch, boundary, nodes[index].floor.certificate)))
    case .evidence(let evidence): nodes[index].evidence.append(evidence)
    case .penalise(_, let fault): nodes[index].penalties.append(fault)
    case .standing(let change): nodes[index].standings.append(change)
    case .halt(let contradiction): checker.halted(contradiction)
    }
  }

  func block(on parent: BlockReference, by index: Int, timestamp: Timestamp, salt: UInt64 = 0) -> BlockReference {
    var bytes = parent.hash.bytes.array + keys[index].publicKey.bytes.array
    bytes.append(bigEndian: timestamp.rawValue)
    bytes.append(bigEndian: salt)
    return BlockReference(
      hash: SHA256.hash(bytes), parentHash: parent.hash, height: parent.height.next, timestamp: timestamp, proposer: keys[index].publicKey)
  }

  private mutating func send(_ index: Int, _ message: Message, _ destination: Destination) {
    switch message {
    case .vote(let vote): checker.released(vote, isDurable: isOnDisk(vote, index))
    case .proposal(let proposal): checker.released(proposal.vote, isDurable: isOnDisk(proposal.vote, index))
    default: break
    }
    for other in nodes[index].links.keys.sorted() {
      guard let link = nodes[index].links[other] else { continue }
      switch destination {
      case .all: break
      case .peer(let only): guard only == link else { continue }
      case .peers(let some): guard some.contains(link) else { continue }
      }
      post(message, from: index, to: other)
    }
  }

  /// Whether the journal holds the vote, or has grown past it.
  private func isOnDisk(_ vote: SignedVote, _ index: Int) -> Bool {
    let place = Bound(epoch: vote.vote.epoch, view: vote.vote.view)
    return nodes[index].journal.contains { record in
      switch record {
      case .vote(let other): other == vote
      case .floor(let epoch, let view, _, _): place <= Bound(epoch: epoch, view: view)
      default: false
      }
    }
  }

  /// Puts a message on the wire, whoever says it.
  mutating func post(_ message: Message, from: Int, to: Int) {
    guard let link = nodes[to].links[from], filter?(from, to, message) ?? true else { return }
    if conditions.lossPercent > 0, random.next() % 100 < conditions.lossPercent { return }
    var bytes: [UInt8] = []
    message.encode(into: &bytes)
    schedule(to, .message(from: from, link: link, code: message.code, bytes: bytes), after: chance(conditions.network, &random))
  }

  // MARK: Questions

  /// Least committed height over these nodes, all by default.
  func height(_ of: [Int]? = nil) -> UInt64 {
    (of ?? Array(nodes.indices)).filter { !nodes[$0].isPuppet }.map { nodes[$0].committed.height.rawValue }.min() ?? 0
  }

  /// The node may vote where it is: not recovering, and past its bound.
  func isFree(_ index: Int) -> Bool {
    let machine = nodes[index].machine
    guard nodes[index].isUp, !machine.isRecovering else { return false }
    guard let bound = machine.bound else { return true }
    if machine.epoch == bound.epoch { return machine.view > bound.view }
    return Bound(epoch: machine.epoch, view: machine.view) > Bound(epoch: Epoch(bound.epoch.rawValue + 1), view: View(1))
  }

  func vote(_ kind: VoteKind, by index: Int, view: UInt64, epoch: UInt64 = 0, parentView: UInt64 = 0, block: BlockReference? = nil) -> SignedVote {
    let vote =
      kind == .nullify
      ? Vote(nullify: View(view), epoch: Epoch(epoch), chainTag: Self.chainTag)
      : Vote(
        kind: kind, chainTag: Self.chainTag, epoch: Epoch(epoch), view: View(view), parentView: View(parentView), height: block?.height ?? Height(1),
        blockHash: block?.hash ?? .zero)
    return SignedVote(signing: vote, with: keys[index])
  }
}
