import Audit
import Bytes
import Digests
import Ed25519
import Ledger
import Merkle

/// Made-up events and a chain to put them on. Signatures are real only where a benchmark verifies them.
enum Events {
  static let tag = ChainTag(Bytes16(repeating: 7))
  static let time = Timestamp(milliseconds: 1_700_000_000_000)
  static let keys = (0..<64).map { SigningKey(seed: Bytes32(repeating: UInt8($0 + 1))) }

  static func statement(_ number: UInt64, signer: PublicKey = keys[0].publicKey, bodyLength: UInt32 = 284, digest: Digest = Digest(Bytes32())) -> Statement {
    Statement(
      flags: [], contentType: .opaque, bodyLength: bodyLength, timestamp: time, stream: 1, sequence: number, chainTag: tag, signer: signer, bodyDigest: digest)
  }

  /// A record whose salt and body have 300 bytes together.
  static func record(_ number: UInt64, signedBy key: SigningKey? = nil) -> [UInt8] {
    let blob = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 300)
    let statement = statement(number, signer: (key ?? keys[0]).publicKey, digest: SHA256.hash(blob))
    let signature = key.map { $0.sign(statement.encoded.bytes) } ?? Signature(Bytes64())
    return Entry(statement: statement, signature: signature).encoded + blob
  }

  static func id(_ number: UInt64) -> EventID { EventID(Digest(Bytes32(number &* 0x9E37_79B9_7F4A_7C15, number, 2, 3))) }

  /// An empty chain of one validator.
  static func chain() throws -> Chain {
    let validator = keys[63].publicKey
    let set = try ValidatorSet([Validator(publicKey: validator, cosignerKey: validator, power: 1, name: "v1")])
    let parameters = ChainParameters()
    let genesis = BlockHeader(
      eventCount: 0, chainTag: tag, height: Height(0), timestamp: time, treeSize: 0, parentHash: .zero, eventsRoot: .empty, treeRoot: .empty,
      historyRoot: .empty, validatorsHash: set.hash, nextValidatorsHash: set.hash, parametersHash: parameters.hash, proposer: PublicKey(Bytes32()))
    let state = GovernanceState(chainID: "test", chainTag: tag, validators: set, parameters: parameters, signers: .empty)
    return Chain(tip: ChainTip(genesis: genesis, governance: state), seed: 1)
  }
}
