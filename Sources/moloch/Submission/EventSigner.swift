import Audit
import Bytes
import Digests
import Ed25519

/// Signs events of one stream.
struct EventSigner {
  let key: SigningKey
  let chainTag: ChainTag
  let stream: UInt64

  /// The complete record of a body, signed now, with a fresh salt.
  func record(_ body: [UInt8], type: ContentType, sequence: UInt64) -> [UInt8] {
    let blob = Entropy.bytes(Record.saltByteCount) + body
    let statement = Statement(
      flags: [], contentType: type, bodyLength: UInt32(body.count), timestamp: Timestamp(milliseconds: SystemTime.unixMilliseconds()), stream: stream,
      sequence: sequence, chainTag: chainTag, signer: key.publicKey, bodyDigest: SHA256.hash(blob))
    return Entry(statement: statement, signature: key.sign(statement.encoded.bytes)).encoded + blob
  }

  /// The key of a PEM file. A missing one is made when `createsMissing`.
  static func key(_ path: String, createsMissing: Bool, note: (String) -> Void) throws -> SigningKey {
    if createsMissing && !Files.exists(path) {
      if let slash = path.lastIndex(of: "/"), slash != path.startIndex { try Files.makeDirectory(String(path[..<slash]), mode: 0o700) }
      let key = try SigningKey.generate()
      try Files.create(path, key.pem(), mode: 0o600)
      note("made a signing key: \(path) (\(key.publicKey))")
      return key
    }
    let pem = try Files.read(path)
    do { return try SigningKey(pem: pem) } catch { throw CommandFailure("\(path) is no Ed25519 private key in PEM", Exit.dataCorrupt) }
  }
}

/// The kernel's random bytes (getrandom), through the standard library.
enum Entropy {
  static func bytes(_ count: Int) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }

  /// A stream number, below 2^53.
  static func stream() -> UInt64 { UInt64.random(in: 0..<ordinalLimit) }
}
