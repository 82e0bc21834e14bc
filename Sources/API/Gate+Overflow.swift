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
}

// What helper threads check.
extension Gate {
  /// Hands what is beyond a batch in line to the helpers, in order of arrival, as far as they have room.
  func offerRest(_ loop: Loop) {
    guard let overflow, !submissions.isEmpty else { return }
    var finished = 0
    while finished < submissions.count {
      let slot = submissions[finished]
      if sessions[slot].phase == .verifying {
        while sessions[slot].cursor < sessions[slot].results.count {
          guard overflow.room > 0 else {
            submissions.removeFirst(finished)
            return
          }
          let index = sessions[slot].cursor
          sessions[slot].cursor += 1
          guard case .undecided = sessions[slot].results[index].outcome else { continue }
          _ = check(slot, index, isOffered: true, loop)
        }
        finishIfDecided(slot, loop)
      }
      finished += 1
    }
    submissions.removeAll(keepingCapacity: true)
  }

  /// There is room: the caller has looked.
  func offer(_ signature: Signature, _ message: RawSpan, _ key: PublicKey, _ slot: Int, _ index: Int, _ source: UInt64) {
    guard let overflow else { return }
    let record = OfferedRecord(connection: sessions[slot].connection, serial: sessions[slot].serial, result: Int32(index))
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
      let slot = record.connection.slot
      guard isOpen(slot, record.connection), sessions[slot].serial == record.serial, sessions[slot].phase == .verifying else { continue }
      settle(slot, Int(record.result), isValid: verdict.isValid, loop)
      finishIfDecided(slot, loop)
    }
    counters[0].offeredBatches = overflow.batches
    (counters[0].signerHits, counters[0].signerMisses) = (signers.hits, signers.misses)
  }
}
