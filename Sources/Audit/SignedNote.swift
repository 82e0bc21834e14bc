import Bytes
public import Digests
public import Ed25519

/// Kind of a note signature (C2SP signed-note and tlog-cosignature).
public enum NoteSignatureType: UInt8, Sendable {
  /// Plain Ed25519 over the text: the log's own line.
  case log = 1
  /// cosignature/v1: Ed25519 over a header with the time, then the text.
  case cosignature = 4
}

/// A named key that signs notes. Text form: `<name>+<8 hex key id>+<base64(type || key)>`.
public struct VerifierKey: Hashable, Sendable {
  public let name: String
  public let type: NoteSignatureType
  public let key: PublicKey

  public init(name: String, type: NoteSignatureType, key: PublicKey) {
    self.name = name
    self.type = type
    self.key = key
  }

  /// Parses the text form; nil when a part is malformed or the key id does not belong to the rest.
  public init?(text: String) {
    let parts = text.split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, !parts[0].isEmpty, let material = Base64.decode(parts[2]), material.count == 33,
      let type = NoteSignatureType(rawValue: material[0]), let key = Bytes32(Array(material[1...]))
    else { return nil }
    self.init(name: String(parts[0]), type: type, key: PublicKey(key))
    guard String(parts[1]) == keyIDText else { return nil }
  }

  /// First four bytes of `SHA-256(name || LF || type || key)`.
  public var keyID: [UInt8] {
    Array(SHA256.hash(Array(name.utf8) + [0x0A, type.rawValue] + key.bytes.array).bytes.array.prefix(4))
  }

  public var keyIDText: String { Hex.encode(keyID) }
  public var text: String { "\(name)+\(keyIDText)+\(Base64.encode([type.rawValue] + key.bytes.array))" }
}

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

  init(_ verifier: VerifierKey, seconds: UInt64?, signature: Signature) {
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

/// A proof in the format of C2SP tlog-proof: index, hashes, and the checkpoint that they lead to.
public struct TlogProof: Hashable, Sendable {
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
    "c2sp.org/tlog-proof@v1\nindex \(index)\n" + hashes.map { Base64.encode($0.bytes.array) + "\n" }.joined() + "\n" + checkpoint
  }
}
