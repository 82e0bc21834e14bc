import Audit
import Bytes
import Consensus
import Ed25519
import Replication

/// What a validator has promised, and whether all of it is there: the journal, and the mark beside the key that says that there is one.
///
/// The mark is the file `<validator key>.used`. It is written once, after the journal came into being and before the first vote, and names the chain and
/// the key: where it stands, a missing journal is a lost one.
struct ValidatorState {
  private let home: NodeHome
  private let key: PublicKey
  private let keys: [PublicKey]
  private let head: Height
  private let set: ValidatorSet

  /// - Parameters:
  ///   - keys: this key and the one that takes over from it.
  ///   - head: of the chain on disk.
  ///   - set: in force behind it.
  init(_ home: NodeHome, key: PublicKey, keys: [PublicKey], head: Height, set: ValidatorSet) {
    self.home = home
    self.key = key
    self.keys = keys
    self.head = head
    self.set = set
  }

  /// Whether nobody else can tell what this key has promised. The set is that behind the head, and the head may be older than the journal: a chain that
  /// was deleted begins with the set of genesis. A sole validator journals finality alone, so a vote in the newest epoch shows that it had others beside it.
  private func isSole(_ records: [JournalRecord]) -> Bool {
    guard set.count == 1, keys.contains(where: { set.index(of: $0) != nil }) else { return false }
    var newest = Epoch(0)
    for case .floor(let epoch, _, _, _) in records { newest = max(newest, epoch) }
    return !records.contains { record in
      switch record {
      case .vote(let vote): vote.vote.epoch >= newest
      case .certificate(let certificate): certificate.vote.epoch >= newest
      case .voted(_, let epoch, _): epoch >= newest
      // At view 0 it says that the key is new.
      case .bound(let epoch, let view): epoch >= newest && view.rawValue > 0
      case .recovering: true
      case .floor, .cosignature: false
      }
    }
  }

  private var directory: String { home.data + "/validator" }
  private var mark: [UInt8] { NodeHome.mark(key, home.genesis.chainTag) }

  /// The key that takes over writes into the same journal, whatever becomes of its file: it is marked before it can sign.
  private func markNext() throws(NodeFailure) {
    guard let next = home.nextValidatorKey, let path = home.nextValidatorMarkPath else { return }
    let mark = NodeHome.mark(next.publicKey, home.genesis.chainTag)
    if (try? HomeFile.read(path)) != mark { try HomeFile.replace(path, mark, mode: 0o600) }
  }

  /// The journal, what of it binds, and why it does not vote at once.
  typealias Opened = (file: VoteJournal, restored: RestoredJournal, doubt: StartDoubt?)

  /// - Throws: 65 for a sole validator whose chain or journal was lost or copied: nobody else can tell what it has promised.
  func open() throws(NodeFailure) -> Opened {
    let journal = try VoteJournal(directory: directory, chainTag: home.genesis.chainTag)
    try home.checkNotRetired()
    try markNext()
    let isSole = isSole(journal.records)
    let isMarked = (try? HomeFile.read(home.validatorMarkPath)) == mark
    switch journal.condition {
    case .intact:
      if isSole, let floor = journal.floorHeight, floor > head {
        throw NodeFailure(
          65,
          "data/chain ends at height \(head.rawValue), but this validator has made height \(floor.rawValue) final: the chain was lost or replaced. "
            + "Restore data/chain from a backup; a sole validator has no peer to fetch it from.")
      }
      if !isMarked { try HomeFile.replace(home.validatorMarkPath, mark, mode: 0o600) }
      return try bind(journal, isSole: isSole)
    case .missing where !isMarked:
      if home.isBound { try Binding.place(directory).write(directory) }
      // The segment comes into being with the first record; the mark follows it. A sole validator has nobody who could say whether its key is new.
      var records = [JournalRecord.floor(epoch: Epoch(0), view: View(0), height: Height(0), blockHash: home.genesis.header.hash)]
      if isSole { records.append(.bound(epoch: Epoch(0), view: View(0))) }
      try journal.append(records)
      try HomeFile.replace(home.validatorMarkPath, mark, mode: 0o600)
      return (journal, .records(records), nil)
    case .missing, .damaged:
      let what = if case .damaged(let reason) = journal.condition { "is damaged (\(reason))" } else { "is gone" }
      guard !isSole else {
        throw NodeFailure(
          65,
          "the vote journal in \(directory) \(what), and the mark \(home.validatorMarkPath) says that the key has voted. A sole validator has no peers that "
            + "could witness its votes: restore the directory from the disk it was on, or, if no other copy of this node runs, remove the mark to begin anew.")
      }
      if home.isBound { try Binding.listening.write(directory) }
      return (journal, .lost, .lost("the vote journal \(what)"))
    }
  }

  /// An intact journal votes where it is bound. One without a promise can be bound anywhere; the machine finds out whether its key is new.
  private func bind(_ journal: VoteJournal, isSole: Bool) throws(NodeFailure) -> Opened {
    let records = journal.records
    guard home.isBound else { return (journal, .records(records), nil) }
    let here = try Binding.place(directory), freed = try Binding.place(directory, isReset: true), found = Binding.read(directory)
    switch found {
    case here: return (journal, .records(records), nil)
    case .halted: return (journal, .halted(records), .halted)
    case freed:
      try here.write(directory)
      return (journal, .records(records), .reset)
    case .here, .reset, .listening, nil:
      guard records.contains(where: \.isPromise) else {
        try here.write(directory)
        return (journal, .records(records), nil)
      }
      guard !isSole else {
        throw NodeFailure(
          65,
          "\(directory) is bound to another place: it was copied, restored or moved, and a sole validator has no peers that could tell whether another copy votes. "
            + "If none does: 'moloch validator protection reset --unsafe --key \(key)'.")
      }
      try Binding.listening.write(directory)
      return (journal, .doubtful(records), found == .listening ? .interrupted : .elsewhere)
    }
  }
}
