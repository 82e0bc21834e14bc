import Audit
import Digests
import Ed25519

/// Lemmas L1 and L2 over every certificate that an honest node has shown to anybody: one notarised block per view, and never a finalisation beside a
/// nullification. Every certificate is sound for the set of its epoch.
struct CertificateLaws {
  private struct Slot: Hashable {
    var epoch: Epoch
    var view: View
  }

  private struct Found {
    var notarised: Digest?
    var isNullified = false
    var finalised: Digest?
  }

  private var found: [Slot: Found] = [:]
  private var checked: Set<Certificate> = []
  private(set) var count = 0
  /// Signatures that the machines have verified.
  private let signatures: SignatureMemory

  init(signatures: SignatureMemory) { self.signatures = signatures }

  mutating func shown(_ certificate: Certificate, set: ValidatorSet, now: UInt64) throws(Failure) {
    guard checked.insert(certificate).inserted else { return }
    count += 1
    let vote = certificate.vote
    let name = "\(vote.kind) certificate of epoch \(vote.epoch.rawValue) view \(vote.view.rawValue)"
    do throws(CertificateError) { try certificate.verify(in: set, memory: signatures) } catch {
      throw Failure(kind: .certificate, milliseconds: now, detail: "\(name) is not sound: \(error)")
    }
    let slot = Slot(epoch: vote.epoch, view: vote.view)
    var known = found[slot] ?? Found()
    switch vote.kind {
    case .notarise:
      if let other = known.notarised, other != vote.blockHash { throw Failure(kind: .certificate, milliseconds: now, detail: "\(name): two notarised blocks") }
      known.notarised = vote.blockHash
    case .nullify: known.isNullified = true
    case .finalise:
      if let other = known.finalised, other != vote.blockHash { throw Failure(kind: .certificate, milliseconds: now, detail: "\(name): two finalised blocks") }
      known.finalised = vote.blockHash
    }
    if known.isNullified && known.finalised != nil { throw Failure(kind: .certificate, milliseconds: now, detail: "\(name): the view is nullified and finalised") }
    if let notarised = known.notarised, let finalised = known.finalised, notarised != finalised {
      throw Failure(kind: .certificate, milliseconds: now, detail: "\(name): one block is notarised, another finalised")
    }
    found[slot] = known
  }
}
