import Ledger
import RocksStore

/// A data directory that no other process may use, as long as this object lives: for commands that change files of a stopped node.
public final class DataClaim {
  private let lock: DirectoryLock

  /// - Parameter path: the data directory, which exists.
  /// - Throws: 75 while another process has it, 74 when the lock file cannot be written.
  public init(_ path: String) throws(NodeFailure) {
    do throws(StoreError) { lock = try DirectoryLock(path: path + "/LOCK") } catch {
      if case .locked(pid: let pid) = error { throw NodeFailure(75, "\(path) is in use by process \(pid)") }
      throw NodeFailure(74, "\(path)/LOCK: \(error)")
    }
  }
}
