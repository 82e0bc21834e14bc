public import Audit
import Bytes
import Digests
public import Ed25519
public import Ledger

/// Governance events as signed records, and a chain of four validators that they may change.
public enum GovernanceFixture {
  public static let start: UInt64 = 1_700_000_000_000

  /// A chain of four validators with epochs of three blocks.
  public static func chain() throws -> Chain {
    let state = try state(epochLength: 3)
    let genesis = BlockHeader(
      eventCount: 0, chainTag: state.chainTag, height: Height(0), timestamp: Timestamp(milliseconds: start), treeSize: 0, parentHash: .zero, eventsRoot: .empty,
      treeRoot: .empty, historyRoot: .empty, validatorsHash: state.validators.hash, nextValidatorsHash: state.validators.hash,
      parametersHash: state.parametersHash, proposer: PublicKey(Bytes32()))
    return Chain(tip: ChainTip(genesis: genesis, governance: state), seed: 1)
  }

  public static func record(_ act: GovernanceAct, by key: SigningKey, at time: UInt64, sequence: UInt64, flags: StatementFlags = []) -> [UInt8] {
    let blob = [UInt8](repeating: 9, count: 16) + act.encoded
    let statement = Statement(
      flags: flags, contentType: act.contentType, bodyLength: UInt32(blob.count - 16), timestamp: Timestamp(milliseconds: time), stream: 1, sequence: sequence,
      chainTag: ChainFixture.tag, signer: key.publicKey, bodyDigest: SHA256.hash(blob))
    return Entry(statement: statement, signature: key.sign(statement.encoded.bytes)).encoded + (flags.contains(.detached) ? [] : blob)
  }

  /// Random records for a child of `tip`, with the ids noted.
  public static func records(_ history: inout GovernanceHistory, on tip: ChainTip, _ sequence: inout UInt64) -> [UInt8] {
    var records: [UInt8] = []
    for event in history.events(under: tip.governance) {
      sequence += 1
      guard let key = GovernanceHistory.keys.first(where: { $0.publicKey == event.signer }) else { continue }
      let record = record(event.act, by: key, at: tip.header.timestamp.rawValue, sequence: sequence)
      let id = EventID(SHA256.hash(Array(record[..<128])))
      history.note(GovernanceEvent(id: id, signer: event.signer, act: event.act))
      records += record
    }
    return records
  }

  /// After genesis: validators of these powers.
  public static func state(_ powers: [UInt64] = [1, 1, 1, 1], epochLength: UInt32 = 4) throws -> GovernanceState {
    let validators = powers.enumerated().map {
      Validator(publicKey: GovernanceHistory.keys[$0].publicKey, cosignerKey: GovernanceHistory.keys[$0].publicKey, power: $1, name: "v\($0)")
    }
    var parameters = ChainParameters()
    parameters.epochLength = epochLength
    return GovernanceState(chainID: "test", chainTag: ChainFixture.tag, validators: try ValidatorSet(validators), parameters: parameters, signers: .empty)
  }
}
