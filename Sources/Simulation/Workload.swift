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

  /// A record whose statement was signed at this time.
  mutating func next(at time: Timestamp, _ random: inout SeededGenerator) -> (record: [UInt8], id: EventID, statement: Statement) {
    sequence += 1
    let signer = random.pick(signers)
    var blob: [UInt8] = []
    for _ in 0..<2 { blob.append(bigEndian: random.next()) }
    blob += [UInt8](repeating: UInt8(ascii: "x"), count: Int(random.below(200)))
    let statement = Statement(
      flags: [], contentType: .opaque, bodyLength: UInt32(blob.count - 16), timestamp: time, stream: 1, sequence: sequence, chainTag: chainTag,
      signer: signer.publicKey, bodyDigest: SHA256.hash(blob))
    let bytes = statement.encoded
    let signature = signer.sign(bytes.bytes)
    return (Entry(statement: statement, signature: signature).encoded + blob, EventID(SHA256.hash(bytes)), statement)
  }
}
