public import Audit
import Bytes
import Digests
public import Ed25519
public import Ledger

/// A chain of one validator and a signer of events, for the tests of every target that holds blocks.
public struct ChainFixture {
  public static let tag = ChainTag(Bytes16(repeating: 7))
  public let validator = SigningKey(seed: Bytes32(repeating: 1)).publicKey
  public let signer = SigningKey(seed: Bytes32(repeating: 2))
  public var chain: Chain

  public init(_ parameters: ChainParameters = ChainParameters()) throws {
    let set = try ValidatorSet([Validator(publicKey: validator, cosignerKey: validator, power: 1, name: "v1")])
    let genesis = BlockHeader(
      eventCount: 0, chainTag: Self.tag, height: Height(0), timestamp: Timestamp(milliseconds: 1_700_000_000_000), treeSize: 0,
      parentHash: .zero, eventsRoot: .empty, treeRoot: .empty, historyRoot: .empty, validatorsHash: set.hash, nextValidatorsHash: set.hash,
      parametersHash: parameters.hash, proposer: PublicKey(Bytes32()))
    let state = GovernanceState(chainID: "test", chainTag: Self.tag, validators: set, parameters: parameters, signers: .empty)
    chain = Chain(tip: ChainTip(genesis: genesis, governance: state), seed: 1)
  }

  public func record(
    _ sequence: UInt64, at time: UInt64 = 1_700_000_000_000, tag: ChainTag = Self.tag, type: UInt8 = 0, by key: SigningKey? = nil,
    body: [UInt8] = [UInt8](repeating: 9, count: 40)
  ) -> [UInt8] {
    let key = key ?? signer
    let blob = [UInt8](repeating: 9, count: 16) + body
    let statement = Statement(
      flags: [], contentType: ContentType(rawValue: type), bodyLength: UInt32(body.count), timestamp: Timestamp(milliseconds: time), stream: 1,
      sequence: sequence, chainTag: tag, signer: key.publicKey, bodyDigest: SHA256.hash(blob))
    return Entry(statement: statement, signature: key.sign(statement.encoded.bytes)).encoded + blob
  }

  public func build(_ records: [UInt8], on tip: ChainTip? = nil) throws -> Candidate {
    let parent = tip ?? chain.tip
    let time = Timestamp(milliseconds: parent.header.timestamp.rawValue + 1000)
    return try chain.build(on: parent, records: records, timestamp: time, proposer: validator)
  }
}
