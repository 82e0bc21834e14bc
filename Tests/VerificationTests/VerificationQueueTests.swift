import Bytes
import Ed25519
import Testing
import Verification

/// One turn of 16 items from sources 0 to 3; source 2 sends only bad signatures when `isOffending`.
private func turn(_ queue: inout VerificationQueue, now: UInt64, isOffending: Bool) -> (verdicts: [Verdict], together: Int, checks: Int) {
  let key = SigningKey(seed: Bytes32(repeating: 3))
  for token in 0..<16 as Range<UInt64> {
    let message = [UInt8(token)]
    let isBad = isOffending && token % 4 == 2
    let taken = queue.enqueue(key.sign((isBad ? [77] : message).bytes), over: message.bytes, by: key.publicKey, token: token, source: token % 4, now: now)
    #expect(taken)
  }
  let (before, together) = (queue.checks, queue.batchCount)
  var verdicts: [Verdict] = []
  queue.verify(now: now, into: &verdicts)
  return (verdicts, together, queue.checks - before)
}

@Test func oneOffenderSpoilsOneBatchOnly() {
  var queue = VerificationQueue(capacity: 16, seed: Bytes32(repeating: 5))
  let second: UInt64 = 1_000_000_000
  for round in 0..<5 as Range<UInt64> {
    let (verdicts, together, checks) = turn(&queue, now: round * second / 10, isOffending: true)
    let tokens = verdicts.map(\.token).sorted()
    #expect(tokens == Array(0..<16))
    let isRight = verdicts.map { $0.isValid == ($0.token % 4 != 2) }
    #expect(!isRight.contains(false))
    // Only the first turn is bisected; then the offender is checked alone and the others in one check.
    #expect(together == (round == 0 ? 16 : 12))
    #expect((checks > 1) == (round == 0))
  }
  // Quarantine ends one second after the last offence, and a clean source shares the batch again.
  let turn1 = turn(&queue, now: 2 * second, isOffending: false).together
  #expect(turn1 == 16)
  // An offence soon afterwards costs twice the time.
  let turn2 = turn(&queue, now: 2 * second + 1, isOffending: true).together
  #expect(turn2 == 16)
  let turn3 = turn(&queue, now: 3 * second + 2, isOffending: false).together
  #expect(turn3 == 12)
  let turn4 = turn(&queue, now: 4 * second + 2, isOffending: false).together
  #expect(turn4 == 16)
}

@Test func fullQueueRefusesUntilVerified() {
  var queue = VerificationQueue(capacity: 1, seed: Bytes32(repeating: 5))
  let key = SigningKey(seed: Bytes32(repeating: 3))
  let message: [UInt8] = [1]
  let signature = key.sign(message.bytes)
  let first = queue.enqueue(signature, over: message.bytes, by: key.publicKey, token: 1, source: 0, now: 0)
  let second = queue.enqueue(signature, over: message.bytes, by: key.publicKey, token: 2, source: 0, now: 0)
  #expect(first && !second)
  var verdicts: [Verdict] = []
  queue.verify(now: 0, into: &verdicts)
  let (tokens, isValid) = (verdicts.map(\.token), verdicts.map(\.isValid))
  #expect(tokens == [1] && isValid == [true])
  let count = queue.count
  #expect(count == 0)
}

/// A helper waits for a fuller batch, but not long.
@Test func aHelperIsDueWhenFullOrAfterTheWait() {
  var queue = VerificationQueue(capacity: 2, seed: Bytes32(repeating: 5))
  let key = SigningKey(seed: Bytes32(repeating: 3))
  let message: [UInt8] = [1]
  let signature = key.sign(message.bytes)
  var verdicts: [Verdict] = []
  for _ in 0..<3 {
    let empty = queue.isDue(at: .max)
    _ = queue.enqueue(signature, over: message.bytes, by: key.publicKey, token: 1, source: 0, now: 100)
    let early = queue.isDue(at: 99 + Verification.Limits.waitNanosecondsMax), late = queue.isDue(at: 100 + Verification.Limits.waitNanosecondsMax)
    _ = queue.enqueue(signature, over: message.bytes, by: key.publicKey, token: 2, source: 0, now: 101)
    let full = queue.isDue(at: 101)
    #expect([empty, early, late, full] == [false, false, true, true])
    queue.verify(now: 102, into: &verdicts)
  }
  // Three batches with one signer: unknown in the first, whose second signature made it known.
  let (hits, misses) = (queue.signerHits, queue.signerMisses)
  #expect(hits == 2 && misses == 1)
}

/// Many bad signatures of one source among many good ones take few combinations: they are taken apart together.
@Test func theBadOnesOfOneSourceLieTogether() {
  var queue = VerificationQueue(capacity: 32, seed: Bytes32(repeating: 5))
  let key = SigningKey(seed: Bytes32(repeating: 3))
  for token in 0..<32 as Range<UInt64> {
    let message = [UInt8(token)]
    // Every fourth comes from source 0 and is bad.
    let signed: [UInt8] = token % 4 == 0 ? [77] : message
    _ = queue.enqueue(key.sign(signed.bytes), over: message.bytes, by: key.publicKey, token: token, source: token % 4, now: 0)
  }
  var verdicts: [Verdict] = []
  queue.verify(now: 0, into: &verdicts)
  let isRight = verdicts.map { $0.isValid == ($0.token % 4 != 0) }
  #expect(isRight.count == 32 && !isRight.contains(false))
  // All, the halves and quarters around source 0, and what tells its eight from each other.
  let checks = queue.checks
  #expect(checks == 1 + 2 + 7)
}

/// What an offender costs others does not hang on how much anybody sends: a source that sends a few bad signatures, or nothing else, makes the batch of s
/// sources take ceil(log2 s) combinations more; what tells its own items from each other has nobody else's in it.
@Test(arguments: [1, 2, 3, 4, 7, 8, 16]) func anOffenderCostsOthersTheLogarithmOfTheSources(sources: Int) {
  let keys = (0..<sources).map { SigningKey(seed: Bytes32(repeating: UInt8($0 + 1))) }
  let depth = (0...).first { 1 << $0 >= sources }!
  for offender in Set([0, sources / 2, sources - 1]) {
    for each in [1, 4, 8] {
      var queue = VerificationQueue(capacity: 128, seed: Bytes32(repeating: 5))
      // All that the offender sends is bad; items of the sources come in turn.
      for token in 0..<UInt64(sources * each) {
        let (source, message) = (Int(token) % sources, [UInt8(token)])
        let signed: [UInt8] = source == offender ? [200] : message
        _ = queue.enqueue(keys[source].sign(signed.bytes), over: message.bytes, by: keys[source].publicKey, token: token, source: UInt64(source), now: 0)
      }
      var verdicts: [Verdict] = []
      queue.verify(now: 0, into: &verdicts)
      let wrong = verdicts.filter { $0.isValid == (Int($0.token) % sources == offender) }
      #expect(verdicts.count == sources * each && wrong.isEmpty)
      let checks = queue.checks
      #expect(checks <= 1 + depth + each - 1, "\(sources) sources, \(each) items each, \(offender) offends")
      let (refused, quarantined) = (queue.refused, queue.quarantined(at: 0))
      #expect(refused == UInt64(each) && quarantined == 1)
    }
  }
}

/// However many offend, the sources are told apart by fewer combinations than there are sources.
@Test func manyOffendersCostNoMoreThanTheirNumber() {
  let key = SigningKey(seed: Bytes32(repeating: 3))
  for offenders in 1...16 {
    var queue = VerificationQueue(capacity: 128, seed: Bytes32(repeating: 5))
    for token in 0..<64 as Range<UInt64> {
      let message = [UInt8(token)]
      // Of the four items of an offender one is bad.
      let isBad = token < 16 && token < UInt64(offenders)
      _ = queue.enqueue(key.sign((isBad ? [200] : message).bytes), over: message.bytes, by: key.publicKey, token: token, source: token % 16, now: 0)
    }
    var verdicts: [Verdict] = []
    queue.verify(now: 0, into: &verdicts)
    let bad = verdicts.filter { !$0.isValid }.map(\.token)
    #expect(bad == Array(0..<UInt64(offenders)))
    let checks = queue.checks
    // One bad item among four is found by two combinations.
    #expect(checks <= 1 + min(15, 4 * offenders) + 2 * offenders, "\(offenders)")
  }
}

/// A helper's verdict counts like one of the queue's own.
@Test func aStrikeFromElsewhereIsAQuarantine() {
  var queue = VerificationQueue(capacity: 16, seed: Bytes32(repeating: 5))
  let before = queue.isQuarantined(2, at: 5)
  queue.strike(2, at: 5)
  let (during, other, after) = (queue.isQuarantined(2, at: 6), queue.isQuarantined(1, at: 6), queue.isQuarantined(2, at: 5 + 1_000_000_000))
  #expect(!before && during && !other && !after)
  let together = turn(&queue, now: 7, isOffending: false).together
  #expect(together == 12)
}
