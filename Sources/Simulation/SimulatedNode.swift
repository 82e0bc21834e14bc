import Ambient
import Audit
import Consensus
import Digests
import Ed25519
import Ledger
import Mempool
import Replication

/// One machine of the cluster: what survives a crash (disk, keys), and the replica while its process runs.
final class SimulatedNode {
  /// What the disk of a node does. The store and the journal are two lines, each one job after the other.
  enum DiskJob {
    /// What is told when it is done: the machine's records up to a sequence number, or a final height.
    enum Answer { case synced(UInt64), persisted(Height), cosigned(Cosignature) }

    case journal(JournalWrite, records: [JournalRecord], oldestKept: UInt64, Answer)
    case store(Block)
    case persist([BlockCommit], FloorRecord, Height)
    /// The block that the store begins from.
    case adopt(Anchor)
    case load(StoreQuery)

    var line: Int { if case .journal = self { 1 } else { 0 } }
  }

  struct Trap {
    var moment: PlannedFault.Moment
    var losesJournal: Bool
    var downMilliseconds: UInt64
  }

  let index: Int
  /// Nil for an observer.
  let key: SigningKey?
  /// Takes over in the first set that has it and not the other.
  let nextKey: SigningKey?
  var keys: [SigningKey] { [key, nextKey].compactMap { $0 } }
  /// Neither a liar nor one of twins.
  let isHonest: Bool
  var liar: (any Liar)?
  var stageRandom: SeededGenerator

  // What a crash leaves.
  var journal: JournalDisk
  var store: MemoryStore
  /// Added to the world's time for the wall clock, milliseconds.
  var clockOffset: Int64 = 0
  /// The mark beside the key says that there is a journal.
  var hasVoted = false
  /// The journal was lost, and the node is not yet past the bound that recovery has set.
  var isRestricted = false
  /// Gone for good.
  var isDead = false

  // What it does not.
  var replica: Replica?
  var writer: JournalWriter?
  /// The newest head that this validator has cosigned, by its journal and what is on the way there.
  var cosigned: Cosignature.Mark?
  /// It stands still because nobody connected has the bodies that it needs.
  var isStranded = false
  /// The key that the peers know from the handshake.
  var shownKey: PublicKey?
  /// Counts starts, so that what belongs to an earlier process is told apart.
  var incarnation = 0
  /// By line: the store, the journal.
  var jobs: [[DiskJob]] = [[], []]
  /// The floor that waits for the next write to the journal, if any.
  var floors: [JournalRecord] = []
  var timerGeneration = 0
  var isWorkDue = false
  /// Connections by peer.
  var links: [PeerLink?]
  /// The next planned end of the process.
  var trap: Trap?
  /// How slow the disk is, by line: the store, the journal.
  var diskFactors: [UInt64] = [1, 1]
  var isWiped = false
  /// The block that it was told to begin from, and whether what it was told is false.
  var beganFrom: Height?
  var isMisled = false
  /// This process has found the block of its checkpoint.
  var hasAdopted = false
  /// Events admitted by this process, until they are final.
  var admitted: [EventID] = []

  init(
    index: Int, key: SigningKey?, nextKey: SigningKey?, isHonest: Bool, liar: (any Liar)?, seed: UInt64, chainTag: ChainTag, genesis: BlockHeader, nodes: Int
  ) {
    self.index = index
    self.key = key
    self.nextKey = nextKey
    self.isHonest = isHonest
    self.liar = liar
    stageRandom = SeededGenerator(seed: seed)
    journal = JournalDisk(chainTag: chainTag)
    store = MemoryStore(genesis: genesis)
    links = Array(repeating: nil, count: nodes)
  }

  private var lastView = (epoch: Epoch(0), view: View(0))

  /// True when it is another one than before.
  func noteView(_ epoch: Epoch, _ view: View) -> Bool {
    guard lastView != (epoch, view) else { return false }
    lastView = (epoch, view)
    return true
  }

  var isUp: Bool { replica != nil }

  func wall(_ now: Instant) -> Timestamp {
    let time = Int64(now.milliseconds) + clockOffset
    return Timestamp(milliseconds: UInt64(max(1, time)))
  }

  func times(_ now: Instant) -> Times { Times(monotonic: now, wall: wall(now)) }

  func peer(of link: PeerLink) -> Int? { links.firstIndex(of: link) }

  /// The block that a finalise vote names is on the disk; other votes need none.
  func hasBody(of vote: SignedVote) -> Bool {
    guard vote.vote.kind == .finalise else { return true }
    let hash = vote.vote.blockHash
    return store.head.hash == hash || store.candidate(hash) != nil || store.height(ofBlock: hash) != nil
  }
}
