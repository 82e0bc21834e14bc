public import Ambient
import Audit
import Bytes
import Ed25519
public import Reactor
import Verification

/// A record whose signature a helper thread checks; the request may be gone when the verdict comes.
struct OfferedRecord: BitwiseCopyable {
  var connection: ConnectionID
  var serial: UInt32
  var result: Int32
  /// Whom the verdict is held against.
  var source: UInt64
}

// What helper threads check.
extension Gate {
  /// Hands what is beyond a batch in line to the helpers, in order of arrival, as far as they have room. What sources in quarantine send stays here, where it is
  /// checked a little at a time.
  func offerRest(_ loop: Loop) {
    guard let overflow, !submissions.isEmpty else { return }
    var (kept, place) = (0, 0)
    while place < submissions.count, overflow.room > 0 {
      let slot = submissions[place]
      if sessions[slot].phase == .verifying, !offer(slot, overflow, loop) {
        submissions[kept] = slot
        kept += 1
      }
      place += 1
    }
    submissions.removeSubrange(kept..<place)
  }

  /// Offers records of one submission; false when some of them have to wait.
  private func offer(_ slot: Int, _ overflow: Overflow, _ loop: Loop) -> Bool {
    if verification.isQuarantined(source(slot), at: loop.now.nanoseconds) { return false }
    while sessions[slot].cursor < sessions[slot].results.count {
      guard overflow.room > 0 else { return false }
      let index = sessions[slot].cursor
      sessions[slot].cursor += 1
      guard case .undecided = sessions[slot].results[index].outcome else { continue }
      _ = check(slot, index, isOffered: true, loop)
    }
    finishIfDecided(slot, loop)
    return true
  }

  /// There is room: the caller has looked.
  func offer(_ signature: Signature, _ message: RawSpan, _ key: PublicKey, _ slot: Int, _ index: Int, _ source: UInt64) {
    guard let overflow else { return }
    let record = OfferedRecord(connection: sessions[slot].connection, serial: sessions[slot].serial, result: Int32(index), source: source)
    let token: Int
    if let free = freeTokens.popLast() {
      token = Int(free)
      offered[token] = record
    } else {
      token = offered.count
      offered.append(record)
    }
    let isTaken = overflow.offer(signature, over: message, by: key, token: UInt64(token), source: source)
    precondition(isTaken, "room was seen, and only this thread offers")
    hasOffered = true
  }

  /// True once after records were offered: the helpers are to be woken.
  public func takesOffer() -> Bool {
    defer { hasOffered = false }
    return hasOffered
  }

  /// Settles what the helpers have decided.
  public func takeVerdicts(_ loop: Loop) {
    guard let overflow else { return }
    while let verdict = overflow.take() {
      let token = Int(verdict.token), record = offered[token]
      freeTokens.append(Int32(token))
      counters[0].signatures += 1
      if !verdict.isValid { verification.strike(record.source, at: loop.now.nanoseconds) }
      let slot = record.connection.slot
      guard isOpen(slot, record.connection), sessions[slot].serial == record.serial, sessions[slot].phase == .verifying else { continue }
      settle(slot, Int(record.result), isValid: verdict.isValid, loop)
      finishIfDecided(slot, loop)
    }
    counters[0].offeredBatches = overflow.batches
    (counters[0].signerHits, counters[0].signerMisses) = (signers.hits, signers.misses)
    noteCombinations()
  }

  func noteCombinations() {
    counters[0].combinations = UInt64(verification.checks) + (overflow?.combinations ?? 0)
    counters[0].badSignatures = verification.refused
  }

  /// Clients whose signatures are checked alone for a while.
  public func quarantined(_ now: Instant) -> Int { verification.quarantined(at: now.nanoseconds) }
}
