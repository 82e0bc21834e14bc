import Bytes

/// A published checkpoint as an operator hands it over: a tree, and cosignatures of validators who say that it is that of a final block. It names the tree and
/// not the block (ledger formats, section 10).
public struct CosignedCheckpoint: Sendable {
  public let checkpoint: Checkpoint
  /// The note as it was read.
  public let bytes: [UInt8]
  private let note: SignedNote

  /// Reads a note. Its signatures are not verified: whose they are is known only with a set of validators.
  /// - Throws: `.malformed` for what is no signed note, whose text is no checkpoint, and for the empty tree, which no block has a checkpoint of.
  public init(parsing bytes: [UInt8]) throws(FormatError) {
    note = try SignedNote(parsing: bytes)
    checkpoint = try Checkpoint(parsing: note.text)
    guard checkpoint.size > 0 else { throw .malformed("the tree of size 0 has no checkpoint") }
    self.bytes = bytes
  }

  /// Some line has the form of a cosignature under the domain of the origin: without one, no set can have cosigned.
  public var namesCosigners: Bool {
    let prefix = Array(checkpoint.origin.utf8.prefix { $0 != UInt8(ascii: "/") }) + [UInt8(ascii: "/")]
    return note.lines.contains { $0.name.starts(with: prefix) && !$0.name.elementsEqual(checkpoint.origin.utf8) && $0.signature.count == 72 }
  }

  /// Indexes of the validators of a set that have cosigned, ascending, each once. A cosigner is known by `<domain>/<validator name>` and its cosigner key, the
  /// domain being that of the origin.
  /// - Throws: when a line of such a name and key is not accepted: the whole note is refused.
  public func cosigners(in set: ValidatorSet) throws(NoteError) -> [Int] {
    let domain = checkpoint.origin.prefix { $0 != "/" }
    return try note.signers(
      among: set.validators.map { VerifierKey(name: "\(domain)/\($0.name)", type: .cosignature, key: $0.cosignerKey) })
  }

  /// Whether validators with more than two thirds of the power of a set have cosigned.
  public func isCosigned(byQuorumOf set: ValidatorSet) throws(NoteError) -> Bool {
    set.isQuorum(try cosigners(in: set).reduce(0) { $0 + set.validators[$1].power })
  }
}
