import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ledger

/// How far the chain has provably got, ahead of the blocks that this node holds: from a set that is trusted, each boundary that hands over is verified by
/// the set before and names the next one, and the newest boundary and a peer's finality certificate are verified by the last.
///
/// The cost grows with changes of the set, not with blocks. What is proven here is a target; the blocks prove themselves again as they come.
struct BoundaryChain: Sendable {
  private struct Request: Sendable {
    let peer: PeerLink
    let deadline: Instant
  }

  /// What became of a boundary.
  enum Step: Sendable, Equatable {
    /// This block is final, so the chain reaches its height.
    case proven(Anchor)
    /// Its bytes do not prove it.
    case refused(PeerLink)
  }

  /// The first epoch whose end is not proven, and the set in force in it.
  private(set) var epoch: Epoch
  private(set) var set: ValidatorSet
  private let epochLength: UInt32
  private var request: Request?
  private var pending: (boundaries: ArraySlice<Boundary>, peer: PeerLink)?
  /// The newest finality certificate that each peer has shown of an epoch which this node has not reached, not verified.
  private var tips: [(peer: PeerLink, certificate: Certificate)] = []
  /// A peer whose answer proved nothing new: it is not asked again before it claims more.
  private var exhausted: [(peer: PeerLink, head: Height)] = []

  init(epoch: Epoch, set: ValidatorSet, epochLength: UInt32) {
    self.epoch = epoch
    self.set = set
    self.epochLength = epochLength
  }

  /// Blocks are applied up to the beginning of this epoch.
  mutating func reached(_ epoch: Epoch, _ set: ValidatorSet) {
    guard epoch > self.epoch else { return }
    move(to: epoch, set)
    pending = nil
  }

  private mutating func move(to epoch: Epoch, _ set: ValidatorSet) {
    (self.epoch, self.set) = (epoch, set)
    exhausted.removeAll()
    tips.removeAll { $0.certificate.vote.epoch < epoch }
  }

  mutating func peerDown(_ link: PeerLink) {
    if request?.peer == link { request = nil }
    tips.removeAll { $0.peer == link }
    exhausted.removeAll { $0.peer == link }
  }

  /// The last block of an epoch.
  private func end(of epoch: Epoch) -> Height { Height((epoch.rawValue + 1) * UInt64(epochLength)) }

  var deadline: Instant { request?.deadline ?? .distantFuture }

  // MARK: Asking

  /// Whom to ask for boundaries now: somebody who claims to be past the end of the epoch.
  /// - Parameter isEager: also when blocks would come without any of this.
  /// - Returns: also the peer that was asked and did not answer in time.
  mutating func plan(_ sources: [BlockSync.Source], applied: Height, isEager: Bool = false, now: Instant) -> (ask: PeerLink?, late: PeerLink?) {
    var late: PeerLink?
    if let old = request {
      guard old.deadline <= now else { return (nil, nil) }
      late = old.peer
      request = nil
    }
    guard pending == nil else { return (nil, late) }
    // Who is behind by a few blocks gets them without any of this.
    let least = isEager ? end(of: epoch) : max(end(of: epoch), Height(applied.rawValue + ReplicationLimit.syncLagMin))
    let able = sources.filter { source in
      source.head >= least && source.pausedUntil <= now && source.link != late
        && !exhausted.contains { $0.peer == source.link && $0.head >= source.head }
    }
    guard let source = able.min(by: { ($0.failures, $0.link.rawValue) < ($1.failures, $1.link.rawValue) }) else { return (nil, late) }
    request = Request(peer: source.link, deadline: now.adding(milliseconds: ReplicationLimit.rangeMilliseconds))
    return (source.link, late)
  }

  /// Takes an answer to the request. False for one that nobody asked for.
  mutating func received(_ boundaries: [Boundary], _ link: PeerLink, head: Height) -> Bool {
    guard request?.peer == link else { return false }
    request = nil
    exhausted.removeAll { $0.peer == link }
    exhausted.append((link, head))
    pending = boundaries.isEmpty ? nil : (boundaries[...], link)
    return true
  }

  /// A finality certificate of a later epoch than the machine's.
  mutating func shown(_ certificate: Certificate, _ link: PeerLink) {
    let vote = certificate.vote
    guard vote.epoch >= epoch, vote.height.rawValue > 0, (vote.height.rawValue - 1) / UInt64(epochLength) == vote.epoch.rawValue else { return }
    if let known = tips.firstIndex(where: { $0.peer == link }) {
      if tips[known].certificate.vote.height < vote.height { tips[known].certificate = certificate }
    } else {
      tips.append((link, certificate))
    }
  }

  // MARK: Proving

  var hasWork: Bool { pending != nil || tips.contains { $0.certificate.vote.epoch == epoch } }

  /// Verifies the next boundary or tip.
  mutating func prove() -> Step? {
    if let (boundaries, peer) = pending, let next = boundaries.first {
      pending = boundaries.count > 1 ? (boundaries.dropFirst(), peer) : nil
      // Blocks have overtaken it.
      guard next.header.height >= end(of: epoch) else { return nil }
      guard let following = successor(next) else {
        pending = nil
        return .refused(peer)
      }
      move(to: Epoch(next.header.height.rawValue / UInt64(epochLength)), following)
      return .proven(Anchor(height: next.header.height, hash: next.header.hash))
    }
    guard let index = tips.firstIndex(where: { $0.certificate.vote.epoch == epoch }) else { return nil }
    let (peer, certificate) = tips.remove(at: index)
    do { try certificate.verify(in: set) } catch { return .refused(peer) }
    return .proven(Anchor(height: certificate.vote.height, hash: certificate.vote.blockHash))
  }

  /// The set after a boundary; nil when the boundary is not proven by the set that is trusted.
  private func successor(_ boundary: Boundary) -> ValidatorSet? {
    let header = boundary.header
    guard header.validatorsHash == set.hash, header.height.rawValue % UInt64(epochLength) == 0 else { return nil }
    do { try boundary.certificate.verifyFinality(of: header, in: set, epochLength: epochLength) } catch { return nil }
    guard header.nextValidatorsHash != header.validatorsHash else { return set }
    guard let next = try? ValidatorSet(decoding: boundary.nextSet.bytes), next.hash == header.nextValidatorsHash else { return nil }
    return next
  }
}
