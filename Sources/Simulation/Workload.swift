import Ambient
import Audit
import Bytes
import Digests
import Ed25519

/// Signed events for the cluster.
struct Workload {
  private let chainTag: ChainTag
  private let signers = (0..<4).map { SigningKey(seed: Bytes32(77, UInt64($0), 5, 6)) }
  private var sequence: UInt64 = 0

  init(chainTag: ChainTag) { self.chainTag = chainTag }

  /// A governance event of a validator.
  mutating func governance(_ act: GovernanceAct, by key: SigningKey, at time: Timestamp) -> (record: [UInt8], id: EventID, statement: Statement) {
    sequence += 1
    return record(act.contentType, [UInt8](repeating: 9, count: Record.saltByteCount) + act.encoded, key, time)
  }

  private func record(_ type: ContentType, _ blob: [UInt8], _ key: SigningKey, _ time: Timestamp) -> (record: [UInt8], id: EventID, statement: Statement) {
    let statement = Statement(
      flags: [], contentType: type, bodyLength: UInt32(blob.count - Record.saltByteCount), timestamp: time, stream: 1, sequence: sequence, chainTag: chainTag,
      signer: key.publicKey, bodyDigest: SHA256.hash(blob))
    let bytes = statement.encoded
    let signature = key.sign(bytes.bytes)
    return (Entry(statement: statement, signature: signature).encoded + blob, EventID(SHA256.hash(bytes)), statement)
  }

  /// A record whose statement was signed at this time.
  mutating func next(at time: Timestamp, _ random: inout SeededGenerator) -> (record: [UInt8], id: EventID, statement: Statement) {
    sequence += 1
    let signer = random.pick(signers)
    var blob: [UInt8] = []
    for _ in 0..<2 { blob.append(bigEndian: random.next()) }
    blob += [UInt8](repeating: UInt8(ascii: "x"), count: Int(random.below(200)))
    return record(.opaque, blob, signer, time)
  }
}
