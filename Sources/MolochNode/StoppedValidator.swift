import Audit
import Bytes
import Consensus
public import Ed25519

/// What the files of a home say about its validator. Nothing is written and no lock is taken.
public struct StoppedValidator: Sendable {
  /// Of the file beside the private key, or of that key itself; nil when there is neither.
  public let key: PublicKey?
  /// The highest block that the vote journal has a vote or finality of; nil when there is no journal that can be read.
  public private(set) var lastSignedHeight: UInt64?
  /// The vote journal is not for this user.
  public private(set) var isHidden = false

  /// - Throws: 74 for the system's errors, 77 and 78 for a private key that must not be used.
  public init(_ options: NodeOptions) throws(NodeFailure) {
    key = try Self.key(options.validatorKeyPath)
    guard let json = try? HomeFile.read(options.genesisPath), let genesis = try? Genesis(json: json) else { return }
    let directory = options.dataPath + "/validator"
    guard HomeFile.isReadable(directory) else {
      isHidden = HomeFile.exists(directory)
      return
    }
    for record in try VoteJournal.records(directory: directory, chainTag: genesis.chainTag) {
      switch record {
      case .vote(let vote): lastSignedHeight = max(lastSignedHeight ?? 0, vote.vote.height.rawValue)
      case .floor(_, _, let height, _): lastSignedHeight = max(lastSignedHeight ?? 0, height.rawValue)
      default: continue
      }
    }
  }

  private static func key(_ path: String) throws(NodeFailure) -> PublicKey? {
    let base = path.hasSuffix(".key") ? String(path.dropLast(4)) : path
    if let text = try? HomeFile.read(base + ".pub"),
      let word = String(decoding: text, as: UTF8.self).split(whereSeparator: \.isWhitespace).first(where: { $0.hasPrefix("ed25519:") }),
      let key = PublicKey(text: String(word))
    {
      return key
    }
    return HomeFile.exists(path) ? try NodeHome.validatorKey(path).publicKey : nil
  }
}
