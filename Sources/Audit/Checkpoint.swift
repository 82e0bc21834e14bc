import Bytes
public import Digests
public import Ed25519

/// The text that a log signs for a tree head: origin, size, root, each on a line.
public struct Checkpoint: Hashable, Sendable {
  public let origin: String
  public let size: UInt64
  public let root: Digest

  public init(origin: String, size: UInt64, root: Digest) {
    self.origin = origin
    self.size = size
    self.root = root
  }

  public var text: String { "\(origin)\n\(size)\n\(Base64.encode(root.bytes.array))\n" }

  /// Reads the text of a note: exactly the three lines, size below 2^53 without leading zeros, canonical base64 of 32 bytes.
  public init(parsing text: [UInt8]) throws(FormatError) {
    let lines = text.split(separator: 0x0A, omittingEmptySubsequences: false)
    guard lines.count == 4, lines[3].isEmpty, !lines[0].isEmpty else { throw .malformed("a checkpoint has an origin, a size and a root, each on a line") }
    guard let origin = String(validating: lines[0], as: UTF8.self) else { throw .malformed("the origin is not UTF-8") }
    guard let size = Self.decimal(lines[1]) else { throw .malformed("the size is no number below 2^53 without leading zeros") }
    guard let root = Base64.decode(String(decoding: lines[2], as: UTF8.self)), let root = Bytes32(root) else { throw .malformed("the root is no base64 of 32 bytes") }
    self.init(origin: origin, size: size, root: Digest(root))
  }

  /// A number below 2^53 in decimal digits, without sign and without leading zeros.
  static func decimal(_ digits: ArraySlice<UInt8>) -> UInt64? {
    guard (1...16).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }), digits.count == 1 || digits.first != 0x30 else { return nil }
    let number = digits.reduce(UInt64(0)) { $0 * 10 + UInt64($1 - 0x30) }
    return number < ordinalLimit ? number : nil
  }

  /// The log line: signed by the publisher, named after the origin.
  public func logLine(_ key: SigningKey) -> SignatureLine {
    let verifier = VerifierKey(name: origin, type: .log, key: key.publicKey)
    return SignatureLine(verifier, seconds: nil, signature: key.sign(Array(text.utf8).bytes))
  }

  /// A cosignature: the validator's statement that it has seen this head, at a time in Unix seconds.
  public func cosignature(_ key: SigningKey, name: String, seconds: UInt64) -> SignatureLine {
    let verifier = VerifierKey(name: name, type: .cosignature, key: key.publicKey)
    return SignatureLine(verifier, seconds: seconds, signature: key.sign(Self.cosigned(text, seconds).bytes))
  }

  static func cosigned(_ text: String, _ seconds: UInt64) -> [UInt8] { Array("cosignature/v1\ntime \(seconds)\n\(text)".utf8) }

  /// The signed note: text, empty line, signature lines in the order given.
  public func note(_ lines: [SignatureLine]) -> String { text + "\n" + lines.map { $0.text }.joined() }
}

/// One signature line of a note.
public struct SignatureLine: Hashable, Sendable {
  public let name: String
  public let keyID: [UInt8]
  public let type: NoteSignatureType
  /// Unix seconds of a cosignature.
  public let seconds: UInt64?
  public let signature: Signature

  public init(_ verifier: VerifierKey, seconds: UInt64?, signature: Signature) {
    name = verifier.name
    keyID = verifier.keyID
    type = verifier.type
    self.seconds = seconds
    self.signature = signature
  }

  /// `— <name> <base64(key id || [time] || signature)>` and LF.
  public var text: String {
    var blob = keyID
    if let seconds { blob.append(bigEndian: seconds) }
    blob.append(signature.bytes)
    return "\u{2014} \(name) \(Base64.encode(blob))\n"
  }
}
