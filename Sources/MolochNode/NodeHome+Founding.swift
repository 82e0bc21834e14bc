import Audit
import Ed25519
import Ledger

/// How the homes of a new chain are made: `genesis.json` comes last, when every key has its vote journal. Whatever ends this before leaves `genesis.json.pending`,
/// and the same call once more goes on from there.
extension NodeHome {
  /// A home that a new chain is made for, and its validator.
  public struct Founder: Sendable {
    public var path: String
    /// Name of the validator.
    public var name: String
    /// Where the key of the validator and the data will be looked for.
    public var keyPath: String
    public var data: String

    /// - Parameter path: of a home whose key and data lie where they do without a configuration.
    public init(path: String, name: String) {
      (self.path, self.name) = (path, name)
      (keyPath, data) = (path + "/keys/validator.key", path + "/data")
    }

    public init(_ options: NodeOptions, name: String) {
      (path, self.name) = (options.home, name)
      (keyPath, data) = (options.validatorKeyPath, options.dataPath)
    }
  }

  static func pendingPath(_ home: String) -> String { genesisPath(home) + ".pending" }

  /// Whether making the chain of a home was interrupted.
  public static func isUnfinished(_ home: String) -> Bool { HomeFile.exists(pendingPath(home)) }

  /// Makes the directories and keys of a home. Existing keys are kept.
  /// - Throws: 73 when it has a genesis: nothing was written then.
  public static func prepare(_ home: String) throws(NodeFailure) {
    guard !HomeFile.exists(genesisPath(home)) else { throw NodeFailure(73, "\(genesisPath(home)) exists; nothing was written") }
    try makeDirectories(home)
    for name in ["node", "validator"] where !HomeFile.exists("\(home)/keys/\(name).key") { try makeKey("\(home)/keys/\(name)") }
  }

  /// Makes one home per validator, with keys of their own, vote journals, and one genesis for all. Existing keys are kept; an existing genesis is never replaced.
  /// - Parameter blockTime: milliseconds between blocks.
  /// - Throws: 73 when a home has a genesis, or an unfinished one of another chain; 64 for arguments that make no genesis.
  public static func found(_ founders: [Founder], chainID: String, blockTime: UInt32) throws(NodeFailure) {
    let unfinished = founders.first { isUnfinished($0.path) }
    let pending: [UInt8]? = if let unfinished { try HomeFile.read(pendingPath(unfinished.path)) } else { nil }
    for founder in founders {
      let path = genesisPath(founder.path)
      // One that an interrupted call has finished.
      guard HomeFile.exists(path) else { try prepare(founder.path); continue }
      guard let pending, try HomeFile.read(path) == pending else { throw NodeFailure(73, "\(path) exists; nothing was written") }
    }
    var validators: [Validator] = []
    for founder in founders {
      let key = try key(founder.path + "/keys/validator.key").publicKey
      validators.append(Validator(publicKey: key, cosignerKey: key, power: 1, name: founder.name))
    }
    var parameters = ChainParameters()
    parameters.blockTime = blockTime
    let began = pending.flatMap { try? Genesis(json: $0) }
    let text = Genesis.text(
      chainID: chainID, timestamp: began?.timestamp ?? Timestamp(milliseconds: WallClock.now().milliseconds), domain: "moloch.internal",
      validators: validators, parameters: parameters, signers: [])
    guard began == nil || pending == text else {
      throw NodeFailure(
        73, "\(pendingPath(unfinished?.path ?? "")) is of an unfinished chain \(began?.chainID ?? "") with other parameters or keys: give the same arguments again, "
          + "or remove the directory")
    }
    let genesis: Genesis
    do { genesis = try Genesis(json: text) } catch { throw NodeFailure(64, error.faults.map { $0.message }.joined(separator: "; ")) }
    // The last homes are finished last: what is pending is found there.
    for founder in founders where !HomeFile.exists(genesisPath(founder.path)) { try HomeFile.replace(pendingPath(founder.path), text, mode: 0o644) }
    for founder in founders where isUnfinished(founder.path) { try beginJournal(founder, genesis) }
    for founder in founders where isUnfinished(founder.path) {
      try HomeFile.rename(pendingPath(founder.path), genesisPath(founder.path))
      try HomeFile.syncDirectory(founder.path + "/config")
    }
  }

  /// Before its genesis is there a key cannot have voted on the chain: what an interrupted call has left of a journal is made anew.
  private static func beginJournal(_ founder: Founder, _ genesis: Genesis) throws(NodeFailure) {
    let key = try key(founder.keyPath).publicKey
    if !HomeFile.exists(founder.data) { try FileCopy.makeDirectories(founder.data) }
    guard try Protection.begin(key, keyPath: founder.keyPath, data: founder.data, genesis: genesis) == .lost else { return }
    FileCopy.removeAll(founder.data + "/validator")
    _ = try Protection.begin(key, keyPath: founder.keyPath, data: founder.data, genesis: genesis)
  }
}
