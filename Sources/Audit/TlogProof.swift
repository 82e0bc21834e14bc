import Bytes
public import Digests

/// A proof in the format of C2SP tlog-proof: index, hashes, and the checkpoint that they lead to.
public struct TlogProof: Hashable, Sendable {
  /// First line of the file.
  public static let header = "c2sp.org/tlog-proof@v1"
  public let index: UInt64
  public let hashes: [Digest]
  /// The signed note, verbatim.
  public let checkpoint: String

  public init(index: UInt64, hashes: [Digest], checkpoint: String) {
    self.index = index
    self.hashes = hashes
    self.checkpoint = checkpoint
  }

  public var text: String {
    "\(Self.header)\nindex \(index)\n" + hashes.map { Base64.encode($0.bytes.array) + "\n" }.joined() + "\n" + checkpoint
  }

  /// Parses a file; an `extra` line is read and ignored, the checkpoint is taken verbatim.
  /// - Throws: `.malformed` naming the line that breaks a rule.
  public init(parsing bytes: [UInt8]) throws(FormatError) {
    guard bytes.count <= LedgerLimit.noteByteCount, bytes.bytes.text != nil else { throw .malformed("a tlog-proof is UTF-8 of at most \(LedgerLimit.noteByteCount) bytes") }
    var rest = bytes[...]
    func line() throws(FormatError) -> ArraySlice<UInt8> {
      guard let end = rest.firstIndex(of: 0x0A) else { throw .malformed("the file ends inside the proof") }
      defer { rest = rest[(end + 1)...] }
      return rest[..<end]
    }
    guard try line().elementsEqual(Self.header.utf8) else { throw .malformed("the first line is not \(Self.header)") }
    var next = try line()
    if next.starts(with: "extra ".utf8) {
      guard Base64.decode(String(decoding: next.dropFirst(6), as: UTF8.self)) != nil else { throw .malformed("extra is not base64") }
      next = try line()
    }
    guard next.starts(with: "index ".utf8), let index = Checkpoint.decimal(next.dropFirst(6)) else {
      throw .malformed("index is no number below 2^53 without leading zeros")
    }
    var hashes: [Digest] = []
    next = try line()
    while !next.isEmpty {
      guard hashes.count < 64, let hash = Base64.decode(String(decoding: next, as: UTF8.self)), let hash = Bytes32(hash) else {
        throw .malformed("at most 64 hashes in base64 follow the index, then an empty line")
      }
      hashes.append(Digest(hash))
      next = try line()
    }
    self.init(index: index, hashes: hashes, checkpoint: String(decoding: rest, as: UTF8.self))
  }
}
