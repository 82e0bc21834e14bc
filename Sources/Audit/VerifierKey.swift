import Bytes
import Digests
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
    guard parts.count == 3, SignedNote.isKeyName(parts[0].utf8), let material = Base64.decode(parts[2]), material.count == 33,
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
