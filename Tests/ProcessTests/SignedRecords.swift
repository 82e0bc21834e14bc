import Audit
import Bytes
import Digests
import Ed25519
import Foundation

/// Makes signed records for one chain, each with a sequence number of its own.
final class RecordMaker {
  let key: SigningKey
  let chainTag: ChainTag
  private let stream = UInt64.random(in: 0..<(1 << 53))
  private var sequence: UInt64 = 0

  init(genesis: [UInt8], key: SigningKey) {
    chainTag = ChainTag(genesisHash: SHA256.hash(genesis))
    self.key = key
  }

  /// Asks the node for its genesis file and signs for that chain.
  convenience init(_ client: HTTPClient, key: SigningKey) throws {
    self.init(genesis: try client.get("/v1/genesis").body, key: key)
  }

  static func now() -> Timestamp { Timestamp(milliseconds: UInt64(Date().timeIntervalSince1970 * 1000)) }

  /// A record with a small JSON body, and its id. `change` may alter the statement before it is signed.
  func next(note: String = "", body content: String? = nil, timestamp: Timestamp = now(), change: (inout Statement) -> Void = { _ in }) -> (bytes: [UInt8], id: EventID) {
    sequence += 1
    let body =
      content
      ?? "{\"event_type\":\"push\",\"actor\":{\"id\":\"user:test@example.com\"},\"resource\":{\"id\":\"repo:a/b\"},\"outcome\":\"success\","
      + "\"metadata\":{\"number\":\(sequence),\"note\":\"\(note)\"}}"
    var blob = (0..<16).map { _ in UInt8.random(in: 0...255) }
    blob += body.utf8
    var statement = Statement(
      flags: [], contentType: .json, bodyLength: UInt32(body.utf8.count), timestamp: timestamp, stream: stream, sequence: sequence,
      chainTag: chainTag, signer: key.publicKey, bodyDigest: SHA256.hash(blob))
    change(&statement)
    let encoded = statement.encoded
    let record = Entry(statement: statement, signature: key.sign(encoded.bytes)).encoded + blob
    return (record, EventID(SHA256.hash(encoded)))
  }
}

extension SigningKey {
  /// A fresh key for a test.
  static func forTest() throws -> SigningKey { try SigningKey.generate() }
}
