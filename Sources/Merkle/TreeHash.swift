public import Digests

/// The hashes of the tree (RFC 9162 section 2.1.1).
public enum TreeHash {
  /// `SHA-256(0x00 || data)`.
  public static func leaf(_ data: RawSpan) -> Digest { SHA256.hash(prefix: 0, data) }

  /// `SHA-256(0x01 || left || right)`.
  public static func node(_ left: Digest, _ right: Digest) -> Digest { SHA256.hash(prefix: 1, left, right) }

  /// MTH over leaf hashes, `SHA-256("")` for none. Cost: one node hash per leaf, one small array.
  public static func root(ofLeafHashes leafHashes: [Digest]) -> Digest {
    var range = MountainRange()
    for leafHash in leafHashes { range.append(leafHash: leafHash) }
    return range.root
  }
}
