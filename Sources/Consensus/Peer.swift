import Ambient
import Audit
import Ed25519

/// What the machine keeps about one connected peer.
struct Peer: Sendable {
  let link: PeerLink
  let validator: PublicKey?
  /// Its place in the set of the epoch.
  var index: Int?
  /// The highest view of the epoch that its messages have shown.
  var shown = View(0)
  /// Its last status says that nothing is final yet.
  var claimsGenesis = false
  /// A provable fault was reported: nothing it says is looked at until it connects anew.
  var isFaulty = false
  /// Votes, certificates and proposals of the next epoch, whose set is not known yet.
  var early: [Message] = []
  /// When it may be asked, and when it may be helped, again.
  var askAgain = Instant.zero
  var helpAgain = Instant.zero
  /// Answers left in the second that began at `answersSince`.
  var answersLeft = ConsensusLimit.answersPerSecond
  var answersSince = Instant.zero

  init(link: PeerLink, validator: PublicKey?) {
    self.link = link
    self.validator = validator
  }

  /// Keeps a message for the next epoch as long as there is room; a peer in good faith has fewer to say before this node is there.
  mutating func keep(_ message: Message) {
    guard validator != nil, early.count < ConsensusLimit.earlyMessages, !early.contains(message) else { return }
    switch message {
    case .vote: break
    case .certificate:
      guard early.count(where: { if case .certificate = $0 { true } else { false } }) < ConsensusLimit.earlyCertificates else { return }
    case .proposal(let proposal):
      guard early.count(where: { if case .proposal = $0 { true } else { false } }) < ConsensusLimit.earlyProposals else { return }
      early.append(.proposal(Proposal(vote: proposal.vote, block: proposal.block)))
      return
    case .getCertificate, .status, .witnessRequest, .witness: return
    }
    early.append(message)
  }

  /// Takes one answer from the second's allowance.
  mutating func mayAnswer(_ now: Instant) -> Bool {
    if now.nanoseconds(since: answersSince) >= 1_000_000_000 {
      answersSince = now
      answersLeft = ConsensusLimit.answersPerSecond
    }
    guard answersLeft > 0 else { return false }
    answersLeft -= 1
    return true
  }
}
