import Audit
public import Ledger

/// From data format 1 to 2: the families `redactions` and `withheld` are added, and the bodies that approved redactions name are deleted. Everything else is as it was.
extension RocksLedgerStore {
  /// The number in a line of `FORMAT`; nil when it is none of this program.
  public static func formatNumber(of line: String) -> Int? {
    guard line.hasPrefix("moloch-data "), let number = Int(line.dropFirst("moloch-data ".count)), number > 0 else { return nil }
    return number
  }

  /// The line in a directory's `FORMAT`; nil without one.
  public static func formatLine(of directory: String) -> String? { DirectoryLock.text(path: directory + "/FORMAT") }

  /// Copies a chain of format 1 that nobody uses; table files are linked where the file system can.
  /// - Parameter target: does not exist yet.
  public static func copyFirstFormat(from source: String, to target: String, options: StoreOptions) throws(StoreError) {
    let chain = try Database(path: source, families: Array(families.prefix(Family.redactions)), options: options, cacheBytes: 8 << 20)
    try chain.checkpoint(at: target)
  }

  /// Does in a store of format 2 what the release before has not done with approved redactions.
  /// - Returns: events that were named.
  public func catchUpOnRedactions(genesis: GovernanceState) throws(StoreError) -> Int {
    let redactions = try approvedRedactions(from: genesis)
    try redact(redactions)
    if let erasure {
      try erasure.run()
      try finish(erasure)
    }
    return redactions.reduce(0) { $0 + $1.events.count }
  }
}
