import Bytes
import Digests
import Synchronization

/// Signatures that were found valid before, for a process in which many readers meet the same ones: the machines of a simulated cluster, each of which would
/// verify every vote again. A node has one reader and so no use for it.
///
/// Fixed size: each signature has one place, chosen by SHA-256 over signature, key and message, and holds 64 bits of that hash there until another takes it.
/// Only acceptance is remembered. Any number of threads may use one memory.
@safe public final class SignatureMemory: Sendable {
  private static let placesCount = 1 << 16
  // Owned; the pointer never changes, and the places are atomic.
  private nonisolated(unsafe) let places: UnsafeMutablePointer<Atomic<UInt64>>

  public init() {
    // Initialised before the object can be shared.
    unsafe places = .allocate(capacity: Self.placesCount)
    for index in 0..<Self.placesCount { unsafe (places + index).initialize(to: Atomic(0)) }
  }

  deinit {
    // The last reference is gone: nobody reads.
    unsafe places.deinitialize(count: Self.placesCount)
    unsafe places.deallocate()
  }

  /// The verdict of `Verifier.isValid`, remembered if it is yes.
  func isValid(_ signature: Signature, over message: RawSpan, by key: PublicKey) -> Bool {
    var hash = SHA256Stream()
    hash.update(Digest(signature.bytes.first))
    hash.update(Digest(signature.bytes.second))
    hash.update(Digest(key.bytes))
    hash.update(message)
    let digest = hash.finish().bytes
    // Never 0, which stands for an empty place.
    let (index, fingerprint) = (Int(truncatingIfNeeded: digest.w0) & (Self.placesCount - 1), digest.w1 | 1)
    // Relaxed: a place is one word that stands for itself; the index was masked.
    if unsafe places[index].load(ordering: .relaxed) == fingerprint { return true }
    guard Verifier.isValid(signature, over: message, by: key) else { return false }
    unsafe places[index].store(fingerprint, ordering: .relaxed)
    return true
  }
}

extension Verifier {
  /// As above, by way of what is remembered, if there is a memory.
  public static func isValid(_ signature: Signature, over message: RawSpan, by key: PublicKey, memory: SignatureMemory?) -> Bool {
    guard let memory else { return isValid(signature, over: message, by: key) }
    return memory.isValid(signature, over: message, by: key)
  }
}
