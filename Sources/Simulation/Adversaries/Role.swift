import Ambient
import Audit
import Consensus
import Digests
import Ed25519
import Ledger
import Replication

/// How a validator lies. Every role but twins is a real replica whose messages are changed on their way out.
public enum Role: String, Sendable, CaseIterable {
  case silent, lateProposer, equivocator, doubleNotariser, doubleFinaliser, nullifierAndFinaliser, selectiveSender, forker, invalidBlocks, withholder
  case timestampAbuser, replayer, wrongEpochVoter, badSigner, futureFlooder, lyingSyncServer, staleCertificateServer, garbler, bodyForger
  case cosignatureForger, twins
  /// Only in the family `checkpoints`.
  case historyForger

  /// Those that a seed draws from.
  static let drawn = allCases.filter { $0 != .historyForger }

  /// The liar of this role; nil for twins, which are two honest programs with one key.
  var liar: (any Liar)? {
    switch self {
    case .silent: Silent()
    case .lateProposer: LateProposer()
    case .equivocator: Equivocator()
    case .doubleNotariser: DoubleNotariser()
    case .doubleFinaliser: DoubleFinaliser()
    case .nullifierAndFinaliser: NullifierAndFinaliser()
    case .selectiveSender: SelectiveSender()
    case .forker: Forker()
    case .invalidBlocks: InvalidBlocks()
    case .withholder: Withholder()
    case .timestampAbuser: TimestampAbuser()
    case .replayer: Replayer()
    case .wrongEpochVoter: WrongEpochVoter()
    case .badSigner: BadSigner()
    case .futureFlooder: FutureFlooder()
    case .lyingSyncServer: LyingSyncServer()
    case .staleCertificateServer: StaleCertificateServer()
    case .garbler: Garbler()
    case .bodyForger: BodyForger()
    case .cosignatureForger: CosignatureForger()
    case .historyForger: HistoryForger()
    case .twins: nil
    }
  }
}

/// Changes what a byzantine node says.
protocol Liar {
  /// Called for every message that the replica wants to send; what shall really leave goes to the stage.
  mutating func outgoing(_ message: ReplicaMessage, to peers: [Int], _ stage: inout Stage)
  /// Called for every message that arrives, before the replica sees it.
  mutating func incoming(_ message: ReplicaMessage, from peer: Int, _ stage: inout Stage)
}

extension Liar {
  mutating func incoming(_ message: ReplicaMessage, from peer: Int, _ stage: inout Stage) {}
}

/// What a liar has to work with.
struct Stage {
  enum Line {
    case message(ReplicaMessage)
    case raw(type: UInt8, [UInt8])
  }

  let key: SigningKey
  let chainTag: ChainTag
  /// Indexes of all other nodes.
  let others: [Int]
  var random: SeededGenerator
  var sends: [(line: Line, to: [Int], delayMilliseconds: UInt64)] = []

  mutating func send(_ message: ReplicaMessage, to peers: [Int], after delay: UInt64 = 0) { sends.append((.message(message), peers, delay)) }
  mutating func sendRaw(type: UInt8, _ bytes: [UInt8], to peers: [Int]) { sends.append((.raw(type: type, bytes), peers, 0)) }

  func sign(_ vote: Vote) -> SignedVote { SignedVote(signing: vote, with: key) }

  /// The proposal of another header in the same place.
  func proposal(like proposal: Proposal, header: BlockHeader) -> Proposal {
    var vote = proposal.vote.vote
    vote.blockHash = header.hash
    vote.height = header.height
    return Proposal(vote: sign(vote), block: BlockReference(header, hash: header.hash), justification: proposal.justification)
  }

  /// Every second peer, and the rest.
  func halves(_ peers: [Int]) -> ([Int], [Int]) { (peers.filter { $0 % 2 == 0 }, peers.filter { $0 % 2 == 1 }) }
}
