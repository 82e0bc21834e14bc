import Bytes
import Digests

/// Verification of one signature by the acceptance rule of this module (see `Ed25519.swift`). Variable time: all inputs are public.
public enum Verifier {
  /// True when the signature satisfies the rule. Any 64, any 32 and any number of message bytes are answered, none traps.
  public static func isValid(_ signature: Signature, over message: RawSpan, by key: PublicKey) -> Bool {
    guard Path.best != .portable else { return isValidPortably(signature, over: message, by: key) }
    // A batch of one has no random coefficient: its seed does not matter, and its check is rule 5.
    var batch = SignatureBatch(capacity: 1, seed: Bytes32(), path: Path.best)
    var verdicts: [Bool] = []
    batch.add(signature, over: message, by: key)
    batch.verify(&verdicts)
    return verdicts[0]
  }

  /// The rule in portable Swift, whatever the processor: the oracle of the tests.
  static func isValidPortably(_ signature: Signature, over message: RawSpan, by key: PublicKey) -> Bool {
    guard let s = Scalar(canonical: signature.bytes.second), let a = decodeKey(key), let r = Point(decoding: signature.bytes.first) else { return false }
    let k = challenge(signature.bytes.first, key, message)
    // The difference first, then the multiplication by 8.
    return (Straus.doubleProduct(s, k, a.negated) &- CachedPoint(r)).isSmallOrder
  }

  /// True when the key decodes canonically and is not of small order: required of every key in genesis and in governance.
  public static func isRegistrable(_ key: PublicKey) -> Bool { decodeKey(key) != nil }

  static func decodeKey(_ key: PublicKey) -> Point? {
    guard let point = Point(decoding: key.bytes), !point.isSmallOrder else { return nil }
    return point
  }

  /// `SHA-512(R || A || M) mod L` over the bytes as received.
  static func challenge(_ r: Bytes32, _ key: PublicKey, _ message: RawSpan) -> Scalar {
    var hash = SHA512Stream()
    hash.update(r)
    hash.update(key.bytes)
    hash.update(message)
    return Scalar(reducing: hash.finish())
  }
}
