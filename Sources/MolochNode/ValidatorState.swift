import Audit
import Bytes
import Consensus
import Ed25519
import Replication

/// What a validator has promised, and whether all of it is there: the journal, and the mark beside the key that says that there is one.
///
/// The mark is the file `<validator key>.used`, which names the chain and the key: where it stands, a journal never begins anew. A start makes no journal
/// (`Protection.begin` does): a key without one listens, marked or not, because it may have voted elsewhere.
struct ValidatorState {
  private let home: NodeHome
  private let key: PublicKey
  private let keys: [PublicKey]
  private let head: Height
  private let set: ValidatorSet
  private let log: Log

  /// - Parameters:
  ///   - keys: this key and the one that takes over from it.
  ///   - head: of the chain on disk.
  ///   - set: in force behind it.
  init(_ home: NodeHome, key: PublicKey, keys: [PublicKey], head: Height, set: ValidatorSet, log: Log) {
    self.home = home
    self.key = key
    self.keys = keys
    self.head = head
    self.set = set
    self.log = log
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

  /// Leaves marks that are missing. The directory of the keys may be one that the node cannot write: then somebody else must.
  private func leaveMarks() {
    var marks = [(key, home.validatorMarkPath, "moloch init --validator --genesis \(home.genesisPath)")]
    // The key that takes over writes into the same journal, whatever becomes of its file.
    if let next = home.nextValidatorKey, let path = home.nextValidatorMarkPath { marks.append((next.publicKey, path, "moloch validator accept")) }
    for (key, path, command) in marks {
      let mark = NodeHome.mark(key, home.genesis.chainTag)
      guard (try? HomeFile.read(path)) != mark else { continue }
      do throws(NodeFailure) { try HomeFile.replace(path, mark, mode: 0o600) } catch {
        log.warn("validator", "the mark of a key cannot be left", [("reason", error.message), ("fix", "as the owner of the keys: \(command)")])
      }
    }
  }

  /// The journal, what of it binds, and why it does not vote at once.
  typealias Opened = (file: VoteJournal, restored: RestoredJournal, doubt: StartDoubt?)

  /// - Throws: 65 for a sole validator whose chain or journal was lost or copied: nobody else can tell what it has promised.
  func open() throws(NodeFailure) -> Opened {
    let journal = try VoteJournal(directory: directory, chainTag: home.genesis.chainTag)
    try home.checkNotRetired()
    let isSole = isSole(journal.records)
    guard journal.condition == .intact else { return try lost(journal, isSole: isSole) }
    if isSole, let floor = journal.floorHeight, floor > head {
      throw NodeFailure(
        65,
        "data/chain ends at height \(head.rawValue), but this validator has made height \(floor.rawValue) final: the chain was lost or replaced. "
          + "Restore data/chain from a backup; a sole validator has no peer to fetch it from.")
    }
    leaveMarks()
    return try bind(journal, isSole: isSole)
  }

  /// Without a journal nothing is signed before rule R14 has set a bound.
  private func lost(_ journal: VoteJournal, isSole: Bool) throws(NodeFailure) -> Opened {
    let isMarked = (try? HomeFile.read(home.validatorMarkPath)) == NodeHome.mark(key, home.genesis.chainTag)
    let what =
      switch journal.condition {
      case .damaged(let reason): "the vote journal in \(directory) is damaged (\(reason))"
      case .missing where isMarked: "the vote journal in \(directory) is gone, and the mark \(home.validatorMarkPath) says that the key has voted"
      case .missing, .intact: "there is no vote journal in \(directory): the key may have voted elsewhere"
      }
    guard !isSole else {
      let fresh = "For a key that never voted: 'moloch init --validator --genesis \(home.genesisPath)'. "
      throw NodeFailure(
        65,
        "\(what). A sole validator has no peers that could witness its votes. \(isMarked ? "" : fresh)Restore the directory from the disk it was on, or, if no other "
          + "copy of this node runs: 'moloch validator protection reset --unsafe --key \(key)'.")
    }
    if home.isBound { try Binding.listening.write(directory) }
    return (journal, .lost, .lost(what))
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
        // A sole validator journals finality alone: this is what ties it to its place from now on. At view 0 it bars nothing.
        let first = isSole ? [JournalRecord.bound(epoch: Epoch(0), view: View(0))] : []
        try journal.append(first)
        return (journal, .records(records + first), nil)
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
