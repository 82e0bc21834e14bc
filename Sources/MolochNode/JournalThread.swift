import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import CLinux
import Glibc
import Reactor
import Replication

/// What the reactor asks of the journal thread.
final class JournalJob: Sendable {
  enum Kind: Sendable {
    /// Records of the voting machine up to a sequence number.
    case votes([JournalRecord], through: UInt64)
    /// The floor of blocks that the store holds. One that nobody awaits goes along with the next barrier, or makes its own after 100 ms of rest.
    case floor(FloorRecord, Height)
    /// Cosign this final tree head.
    case cosign(CosignRequest)
    /// Remember what ties the journal to a place, before the jobs behind this one; nil: the place where it lies.
    case bind(Binding?)
    case stop

    /// Nobody waits for it.
    var mayWait: Bool { if case .floor(let floor, _) = self { !floor.isAwaited } else { false } }
  }
  let kind: Kind
  init(_ kind: Kind) { self.kind = kind }
}

/// A final and durable tree head that this validator may cosign.
struct CosignRequest: Sendable {
  var checkpoint: Checkpoint
  var key: SigningKey
  /// Index of this validator in the set of the block.
  var validator: Int
  var name: String
}

/// What the journal thread reports.
final class JournalReport: Sendable {
  enum Kind: Sendable {
    case synced(UInt64, nanoseconds: UInt64)
    case floored(Height)
    case cosigned(Cosignature)
    /// A vote or a tree head contradicts the journal. Neither votes nor cosignatures are written from then on.
    case refused(String)
    case stopped
    case failed(NodeFailure)
  }
  let kind: Kind
  init(_ kind: Kind) { self.kind = kind }
}

/// The thread that owns the vote journal. Votes wait for nothing but their own barrier: whatever is queued becomes one write and one sync.
final class JournalThread: @unchecked Sendable {
  // Sendable: the mailboxes have one producer and one consumer each, the bell is thread-safe; the journal is used by the thread alone once it runs.
  private let jobs = Mailbox<JournalJob>(capacity: JournalThread.jobsMax)
  let reports = Mailbox<JournalReport>(capacity: 8192)
  private let bell = Doorbell()
  let pulse = Pulse()
  /// Jobs that wait for the disk at most.
  static let jobsMax = 4096
  private let journal: VoteJournal
  private var votes: VoteGuard
  private var isRefusing = false
  private var waker: Waker?
  /// What the next write is about, and when the first of it came.
  private var batch: [JournalJob.Kind] = []
  private var batchBegan = Instant.distantFuture
  /// Longest wait of a floor for a barrier of votes.
  private static let restMilliseconds = 100

  init(journal: VoteJournal) {
    self.journal = journal
    votes = VoteGuard(journal.records)
  }

  /// Starts the thread; its reports wake the loop behind `waker`.
  func start(waking waker: Waker) throws(NodeFailure) {
    self.waker = waker
    let result = startThread(name: "journal") { [self] in run() }
    guard result == 0 else { throw NodeFailure(75, "cannot start the journal thread: errno \(result)") }
  }

  /// Reactor only.
  /// - Throws: 74 when the disk keeps so many jobs waiting that this one finds no room. What is not written must never count as written: the process ends.
  func post(_ kind: JournalJob.Kind) throws(NodeFailure) {
    guard jobs.post(JournalJob(kind)) else {
      throw NodeFailure(74, "the disk of data/validator does not take votes: \(Self.jobsMax) jobs wait for it. The node ends so that no vote leaves before it is written")
    }
    bell.ring()
  }

  private func report(_ kind: JournalReport.Kind) {
    let report = JournalReport(kind)
    // The reactor empties this box at every wake-up; it is full only while that thread does not run.
    while !reports.post(report) {
      waker?.wake()
      sched_yield()
    }
    waker?.wake()
  }

  private func run() {
    do throws(NodeFailure) {
      loop: while true {
        pulse.beat()
        switch take(now: MonotonicClock.now()) {
        // A rest of 100 ms lets the journal acknowledge its last barrier.
        case .idle: if !bell.wait(milliseconds: journal.hasUnacknowledged ? Self.restMilliseconds : 500) { try journal.acknowledge() }
        case .rest(let milliseconds): _ = bell.wait(milliseconds: milliseconds)
        case .write: if try !write() { break loop }
        }
      }
      try journal.acknowledge()
      report(.stopped)
    } catch { report(.failed(error)) }
  }

  /// What the thread does next.
  enum Step: Equatable {
    case idle
    case rest(milliseconds: Int)
    case write
  }

  /// Takes what is queued.
  func take(now: Instant) -> Step {
    while let job = jobs.take() {
      if batch.isEmpty { batchBegan = now }
      // A newer floor says what the older one says.
      if job.kind.mayWait { batch.removeAll(where: \.mayWait) }
      batch.append(job.kind)
    }
    guard !batch.isEmpty else { return .idle }
    let waited = Int(now.milliseconds(since: batchBegan))
    return batch.allSatisfy(\.mayWait) && waited < Self.restMilliseconds ? .rest(milliseconds: Self.restMilliseconds - waited) : .write
  }

  /// Writes what was taken. Returns false when it ends with a stop.
  func write() throws(NodeFailure) -> Bool {
    defer { batch.removeAll(keepingCapacity: true) }
    return try perform(batch)
  }

  /// One barrier for all jobs. Returns false when they end with a stop.
  func perform(_ batch: [JournalJob.Kind]) throws(NodeFailure) -> Bool {
    var records: [JournalRecord] = []
    var cosignatures: [Cosignature] = []
    var isStopping = false
    for job in batch {
      switch job {
      case .votes(let some, _): if mayWrite(some) { records += some }
      case .floor(let floor, _):
        records.append(floor.record)
        votes.note(floor.record)
      case .cosign(let request):
        guard !isRefusing, let (record, cosignature) = cosign(request, behind: records) else { continue }
        records.append(record)
        cosignatures.append(cosignature)
      case .bind(let binding):
        // What was queued in front of it binds where it was.
        try journal.append(records)
        records.removeAll()
        if let binding { try journal.bind(binding) } else { try journal.bindHere() }
      case .stop: isStopping = true
      }
    }
    let began = MonotonicClock.now()
    try journal.append(records)
    let nanoseconds = MonotonicClock.now().nanoseconds(since: began)
    for job in batch {
      switch job {
      case .votes(_, let through): if !isRefusing { report(.synced(through, nanoseconds: nanoseconds)) }
      case .floor(let floor, let height): if floor.isAwaited { report(.floored(height)) }
      case .cosign, .bind, .stop: break
      }
    }
    for cosignature in cosignatures { report(.cosigned(cosignature)) }
    return !isStopping
  }

  /// Whether none of these records contradicts what is written.
  private func mayWrite(_ records: [JournalRecord]) -> Bool {
    guard !isRefusing else { return false }
    for record in records {
      if case .vote(let vote) = record, let objection = votes.objection(vote.vote) {
        refuse(objection)
        return false
      }
      votes.note(record)
    }
    return true
  }

  private func refuse(_ reason: String) {
    isRefusing = true
    report(.refused(reason))
  }

  /// Nil for a head behind the one that was cosigned last.
  private func cosign(_ request: CosignRequest, behind records: [JournalRecord]) -> (JournalRecord, Cosignature)? {
    var last = journal.cosignature
    for case .cosignature(let size, let root, let seconds) in records { last = (size, root, seconds) }
    if let last, request.checkpoint.size == last.size, request.checkpoint.root != last.root {
      refuse("a tree of size \(last.size) has root \(request.checkpoint.root), and root \(last.root) was cosigned")
      return nil
    }
    guard let seconds = Cosignature.time(of: request.checkpoint, after: last, now: UInt64(WallClock.now().seconds)) else { return nil }
    let line = request.checkpoint.cosignature(request.key, name: request.name, seconds: seconds)
    let cosignature = Cosignature(
      size: request.checkpoint.size, root: request.checkpoint.root, validator: request.validator, seconds: seconds, signature: line.signature)
    return (.cosignature(size: request.checkpoint.size, root: request.checkpoint.root, seconds: seconds), cosignature)
  }
}
