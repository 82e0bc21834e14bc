import Bytes
import Digests
import Ed25519

/// Why the signatures of a note are not taken.
public enum NoteError: Error, Hashable, Sendable {
  /// A signature of this known key is not accepted: the whole note is refused.
  case badSignature(name: String)
}

/// A signed note that was read (C2SP signed-note): text, empty line, signature lines. Nothing in it is trusted before keys are asked for.
public struct SignedNote: Sendable {
  /// One line as written; what the blob means depends on the key that reads it.
  struct Line: Sendable {
    var name: [UInt8]
    /// 4 bytes.
    var keyID: [UInt8]
    /// What follows the key id.
    var signature: [UInt8]
  }

  /// Valid UTF-8 that ends in LF and holds no other control character.
  public let text: [UInt8]
  let lines: [Line]

  /// Parses a whole note.
  /// - Throws: `.malformed` for more than 128 KiB or 100 lines, invalid UTF-8, CR or another control character, a missing empty line, and a line
  ///   that is not em dash, key name and canonical base64 of a key id and at least one byte.
  public init(parsing bytes: [UInt8]) throws(FormatError) {
    guard bytes.count <= LedgerLimit.noteByteCount else { throw .malformed("a note of \(bytes.count) bytes") }
    guard let whole = bytes.bytes.text else { throw .malformed("a note is UTF-8") }
    for scalar in whole.unicodeScalars where scalar.value != 0x0A && scalar.properties.generalCategory == .control {
      throw .malformed("a note holds no control character but LF")
    }
    guard bytes.last == 0x0A else { throw .malformed("a note ends in LF") }
    // The signatures follow the last empty line: the text may hold others.
    guard let end = (1..<bytes.count).last(where: { bytes[$0] == 0x0A && bytes[$0 - 1] == 0x0A }), end + 1 < bytes.count else {
      throw .malformed("an empty line and signatures follow the text")
    }
    text = Array(bytes[..<end])
    let written = bytes[(end + 1)..<(bytes.count - 1)].split(separator: 0x0A, omittingEmptySubsequences: false)
    guard written.count <= LedgerLimit.noteSignatures else { throw .malformed("\(written.count) signature lines, more than \(LedgerLimit.noteSignatures)") }
    var lines: [Line] = []
    for line in written { lines.append(try Self.line(line)) }
    self.lines = lines
  }

  private static func line(_ line: ArraySlice<UInt8>) throws(FormatError) -> Line {
    let mark: [UInt8] = [0xE2, 0x80, 0x94, 0x20]
    guard line.starts(with: mark) else { throw .malformed("a signature line starts with an em dash and a space") }
    let parts = line.dropFirst(mark.count).split(separator: 0x20, maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, isKeyName(parts[0]) else { throw .malformed("a signature line names its key") }
    guard let blob = Base64.decode(String(decoding: parts[1], as: UTF8.self)), blob.count >= 5 else {
      throw .malformed("a signature line ends in base64 of key id and signature")
    }
    return Line(name: Array(parts[0]), keyID: Array(blob[..<4]), signature: Array(blob[4...]))
  }

  /// Not empty, without '+' and Unicode spaces.
  static func isKeyName(_ name: some Collection<UInt8>) -> Bool {
    guard !name.isEmpty, !name.contains(0x2B) else { return false }
    return !String(decoding: name, as: UTF8.self).unicodeScalars.contains { $0.properties.isWhitespace }
  }

  /// Indexes into `keys` of those that signed, ascending, each once. Lines of other keys are ignored.
  /// - Throws: when a line has name and id of one of the keys and its signature is not accepted.
  public func signers(among keys: [VerifierKey]) throws(NoteError) -> [Int] {
    var signers: [Int] = []
    for (index, key) in keys.enumerated() {
      let (name, keyID) = (Array(key.name.utf8), key.keyID)
      for line in lines where line.name == name && line.keyID == keyID {
        guard isAccepted(line.signature, of: key) else { throw .badSignature(name: key.name) }
        if signers.last != index { signers.append(index) }
      }
    }
    return signers
  }

  private func isAccepted(_ blob: [UInt8], of key: VerifierKey) -> Bool {
    switch key.type {
    case .log:
      guard let signature = Bytes64(blob) else { return false }
      return Verifier.isValid(Signature(signature), over: text.bytes, by: key.key)
    case .cosignature:
      guard blob.count == 72 else { return false }
      let message = Array("cosignature/v1\ntime \(blob.bytes.uint64(at: 0))\n".utf8) + text
      return Verifier.isValid(Signature(blob.bytes, at: 8), over: message.bytes, by: key.key)
    }
  }
}
