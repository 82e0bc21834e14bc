public import Bytes
import Synchronization

/// Decoded keys of known signers: the odd multiples of -A and of -2^128 A, so that their scalars are halved and nothing is decoded again.
///
/// Fixed size: sets of `waysCount` places chosen by a seeded hash; in a full set the place used longest ago is replaced. A key takes a place when it is seen to
/// be valid a second time, so that keys used once drive nobody out. Readers take no lock: a place is pinned by one atomic addition while it is copied, and a
/// writer takes only places that nobody pins. Any number of threads may use one cache.
@safe public final class SignerCache: Sendable {
  private static let pointByteCount = 160
  private static let multiplesByteCount = (Term.slotEntryCount - 1) * pointByteCount
  static let entryByteCount = 2 * Term.slotEntryCount * pointByteCount
  private static let waysCount = 8
  private static let writing: UInt64 = 1 << 63

  /// One place. `state`: pins, and bit 63 while it is written; `stamp`: the turn of its last use, 0 when it is empty.
  private struct Place: ~Copyable {
    let state = Atomic<UInt64>(0)
    let fingerprint = Atomic<UInt64>(0)
    let stamp = Atomic<UInt64>(0)
    /// Written only under `writing`, read only when pinned.
    var key = Bytes32()
  }

  /// What the entries are made for: two paths lay points out differently.
  let path: Path
  private let setCount: Int
  private let seed: UInt64
  // The pointers never change; what they point to is guarded as the properties of `Place` say.
  private nonisolated(unsafe) let places: UnsafeMutablePointer<Place>
  /// A and 2^128 A of each place, and apart from them their multiples, so that large batches, which need the points alone, find them close together.
  private nonisolated(unsafe) let points: UnsafeMutableRawPointer
  private nonisolated(unsafe) let multiples: UnsafeMutableRawPointer
  private nonisolated(unsafe) let doors: UnsafeMutablePointer<Atomic<UInt64>>
  private let doorCount: Int
  private let turn = Atomic<UInt64>(0)
  private let hitCount = Atomic<UInt64>(0)
  private let missCount = Atomic<UInt64>(0)

  /// - Parameters:
  ///   - capacity: keys; rounded up to a power of two, 8 at least. Each takes 2.6 KB of memory when it is used.
  ///   - seed: unpredictable to senders, so that nobody can choose keys of one set.
  public convenience init(capacity: Int = Limits.cachedSigners, seed: Bytes32) { self.init(capacity: capacity, seed: seed, path: .best) }

  /// As above, for batches of a path that this processor can run; traps for another.
  public init(capacity: Int = Limits.cachedSigners, seed: Bytes32, path: Path) {
    precondition(path.isAvailable, "this processor cannot run \(path)")
    precondition(capacity > 0 && capacity <= Limits.cachedSignersMax, "the cache holds 1 to \(Limits.cachedSignersMax) keys")
    self.path = path
    self.seed = seed.w1 | 1
    var sets = 1
    while sets * Self.waysCount < capacity { sets *= 2 }
    setCount = sets
    doorCount = 4 * sets * Self.waysCount
    let count = sets * Self.waysCount
    // Owned until deinit; all places and doors are initialised before the object can be shared, entries are written before they are read.
    unsafe places = .allocate(capacity: count)
    for index in 0..<count { unsafe (places + index).initialize(to: Place()) }
    unsafe doors = .allocate(capacity: doorCount)
    for index in 0..<doorCount { unsafe (doors + index).initialize(to: Atomic(0)) }
    unsafe points = .allocate(byteCount: 2 * count * Self.pointByteCount, alignment: 64)
    unsafe multiples = .allocate(byteCount: 2 * count * Self.multiplesByteCount, alignment: 64)
  }

  deinit {
    // The last reference is gone: nobody reads.
    unsafe places.deinitialize(count: setCount * Self.waysCount)
    unsafe places.deallocate()
    unsafe doors.deinitialize(count: doorCount)
    unsafe doors.deallocate()
    unsafe points.deallocate()
    unsafe multiples.deallocate()
  }

  /// Bytes of the entries in use, 2.6 KB each.
  public var byteCount: Int {
    // The places exist until deinit. Relaxed: a count of a moment.
    (0..<setCount * Self.waysCount).count { unsafe places[$0].fingerprint.load(ordering: .relaxed) != 0 } * Self.entryByteCount
  }

  /// Look-ups that found their key, since init.
  public var hits: UInt64 { hitCount.load(ordering: .relaxed) }
  /// Look-ups that did not.
  public var misses: UInt64 { missCount.load(ordering: .relaxed) }

  private func hash(_ key: Bytes32) -> UInt64 {
    let mixed = (key.w0 ^ seed).multipliedFullWidth(by: (key.w1 ^ key.w3) &+ seed | 1)
    // Never 0, which is the fingerprint of an empty place.
    return (mixed.high ^ mixed.low &* 0x9e37_79b9_7f4a_7c15 ^ key.w2) | 1
  }

  /// Copies the entry of a key to `target`; false when it is not there.
  /// - Parameter pointsOnly: A and 2^128 A are enough, their multiples are not copied.
  func copy(_ key: PublicKey, to target: UnsafeMutableRawBufferPointer, pointsOnly: Bool) -> Bool {
    let hash = hash(key.bytes)
    let first = Int(hash >> 32) & (setCount - 1) * Self.waysCount
    for index in first..<first + Self.waysCount {
      // Relaxed: a hint; the pin below decides. The place and its entry exist: the set was masked.
      guard unsafe places[index].fingerprint.load(ordering: .relaxed) == hash else { continue }
      // Acquire: pairs with the release that ends a write, so key and entry are seen whole.
      let state = unsafe places[index].state.wrappingAdd(1, ordering: .acquiring).newValue
      let isHit = unsafe state & Self.writing == 0 && places[index].key == key.bytes
      if isHit {
        // The target has the bytes of two slots; the place has two points and their multiples.
        let slots = unsafe target.baseAddress.unsafelyUnwrapped
        for half in 0..<2 {
          let (place, slot) = unsafe (2 * index + half, slots + half * Self.entryByteCount / 2)
          unsafe slot.copyMemory(from: points + place * Self.pointByteCount, byteCount: Self.pointByteCount)
          if pointsOnly { continue }
          unsafe (slot + Self.pointByteCount).copyMemory(from: multiples + place * Self.multiplesByteCount, byteCount: Self.multiplesByteCount)
        }
        // Relaxed: a stale turn only makes the place look a little older.
        unsafe places[index].stamp.store(turn.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
      }
      // Release: the reads above are over before a writer may take the place.
      unsafe places[index].state.wrappingSubtract(1, ordering: .releasing)
      if isHit {
        hitCount.wrappingAdd(1, ordering: .relaxed)
        return true
      }
    }
    missCount.wrappingAdd(1, ordering: .relaxed)
    return false
  }

  /// True when the key was asked about before, not too long ago: the caller then makes an entry.
  func isSecondSight(_ key: PublicKey) -> Bool {
    let hash = hash(key.bytes)
    let index = Int(hash >> 8) & (doorCount - 1)
    // Relaxed: a lost or repeated sight only moves an entry by one batch. The index was masked.
    return unsafe doors[index].exchange(hash, ordering: .relaxed) == hash
  }

  /// Stores an entry, unless all places of its set are in use this very moment.
  func insert(_ key: PublicKey, _ source: UnsafeRawBufferPointer) {
    let hash = hash(key.bytes)
    let first = Int(hash >> 32) & (setCount - 1) * Self.waysCount
    var oldest = first
    for index in first..<first + Self.waysCount {
      // Another thread has just put it there. The set was masked.
      if unsafe places[index].fingerprint.load(ordering: .relaxed) == hash { return }
      if unsafe places[index].stamp.load(ordering: .relaxed) < places[oldest].stamp.load(ordering: .relaxed) { oldest = index }
    }
    // Acquire: pairs with the readers' release, so that their copies are done.
    guard unsafe places[oldest].state.compareExchange(expected: 0, desired: Self.writing, ordering: .acquiring).exchanged else { return }
    // This thread alone has the place; readers that arrive see `writing` and go.
    unsafe places[oldest].key = key.bytes
    let slots = unsafe source.baseAddress.unsafelyUnwrapped
    for half in 0..<2 {
      let (place, slot) = unsafe (2 * oldest + half, slots + half * Self.entryByteCount / 2)
      unsafe (points + place * Self.pointByteCount).copyMemory(from: slot, byteCount: Self.pointByteCount)
      // As many bytes as the place has for them.
      unsafe (multiples + place * Self.multiplesByteCount).copyMemory(from: slot + Self.pointByteCount, byteCount: Self.multiplesByteCount)
    }
    unsafe places[oldest].fingerprint.store(hash, ordering: .relaxed)
    unsafe places[oldest].stamp.store(turn.wrappingAdd(1, ordering: .relaxed).newValue &+ 1, ordering: .relaxed)
    // Release: publishes key and entry. Subtraction keeps the pins of readers that came meanwhile and are about to go.
    unsafe places[oldest].state.wrappingSubtract(Self.writing, ordering: .releasing)
  }
}
