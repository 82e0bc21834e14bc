import Bytes
public import Digests
import Ed25519
import JSON

/// One fault of a genesis file.
public struct GenesisFault: Hashable, Sendable, CustomStringConvertible {
  /// From 1; the column counts bytes.
  public var line: Int
  public var column: Int
  public var message: String
  /// `LINE:COLUMN: MESSAGE`
  public var description: String { "\(line):\(column): \(message)" }
}

/// Every fault of a genesis file, in the order of the text.
public struct GenesisError: Error, Hashable, Sendable, CustomStringConvertible {
  public var faults: [GenesisFault]
  public var description: String { faults.map(\.description).joined(separator: "\n") }
}

/// `genesis.json`: stored and served byte for byte, because its SHA-256 names the chain (ledger formats, section 2).
public struct Genesis: Sendable {
  public let json: [UInt8]
  /// SHA-256 of the exact file bytes.
  public let hash: Digest
  public let chainID: String
  public let domain: String
  /// Time of height 0.
  public let timestamp: Timestamp
  public let validators: ValidatorSet
  public let parameters: ChainParameters
  public let signers: SignerRegistry

  /// Parses and checks the whole file.
  /// - Throws: all faults that were found, not just the first; a text that is not JSON has one.
  public init(json: [UInt8]) throws(GenesisError) {
    let root: StrictJSON
    do { root = try StrictJSON(parsing: json, byteCountMax: LedgerLimit.genesisByteCount) } catch {
      throw GenesisError(faults: [GenesisFault(line: error.position.line, column: error.position.column, message: error.message)])
    }
    var reader = GenesisReader()
    let draft = reader.read(root)
    guard let draft, reader.faults.isEmpty else {
      throw GenesisError(faults: reader.faults.sorted { ($0.line, $0.column) < ($1.line, $1.column) })
    }
    self.json = json
    hash = SHA256.hash(json)
    chainID = draft.chainID
    domain = draft.domain
    timestamp = draft.timestamp
    validators = draft.validators
    parameters = draft.parameters
    signers = draft.signers
  }

  /// First 16 bytes of the hash.
  public var chainTag: ChainTag { ChainTag(genesisHash: hash) }
  /// `<domain>/<chain_id>`: name of the log.
  public var origin: String { domain + "/" + chainID }

  /// Height 0.
  public var header: BlockHeader {
    BlockHeader(
      eventCount: 0, chainTag: chainTag, height: Height(0), timestamp: timestamp, treeSize: 0, parentHash: .zero, eventsRoot: .empty,
      treeRoot: .empty, historyRoot: .empty, validatorsHash: validators.hash, nextValidatorsHash: validators.hash,
      parametersHash: parameters.hash, proposer: PublicKey(Bytes32()))
  }

  /// Writes a new genesis file. The result is parsed as any other, so that a fault of the arguments is reported by `init(json:)`.
  public static func text(
    chainID: String, timestamp: Timestamp, domain: String, validators: [Validator], parameters: ChainParameters, signers: [SignerRecord]
  ) -> [UInt8] {
    let members = validators.map { validator in
      var text = "    {\"public_key\": \"\(validator.publicKey)\", \"power\": \(validator.power), \"name\": \"\(validator.name)\""
      if validator.cosignerKey != validator.publicKey { text += ", \"cosigner_key\": \"\(validator.cosignerKey)\"" }
      return text + "}"
    }
    let registered = signers.map {
      "{\"public_key\": \"\($0.key)\", \"name\": \"\($0.name)\", \"valid_from_height\": \($0.validFrom.rawValue), \"valid_to_height\": \($0.validTo.rawValue)}"
    }
    let text = """
      {
        "chain_id": "\(chainID)",
        "timestamp": "\(RFC3339.text(timestamp))",
        "domain": "\(domain)",
        "validators": [
      \(members.joined(separator: ",\n"))
        ],
        "consensus": {"block_time_ms": \(parameters.blockTime), "empty_block_interval_ms": \(parameters.emptyBlockInterval),
          "max_events_per_block": \(parameters.eventsPerBlockMax), "epoch_length": \(parameters.epochLength)},
        "signing": {"past_window_ms": \(parameters.pastWindow), "future_window_ms": \(parameters.futureWindow)},
        "limits": {"max_body_bytes": \(parameters.bodyBytesMax), "max_block_bytes": \(parameters.blockBytesMax)},
        "signers": {"mode": "\(parameters.signerMode == .any ? "any" : "registered")", "registered": [\(registered.joined(separator: ", "))]}
      }

      """
    return Array(text.utf8)
  }
}
