public import Audit
import Bytes
import CLinux
import Glibc
import Configuration
public import Ed25519
import Ledger
import RocksStore

/// The directory of a node: configuration, keys, data.
public struct NodeHome: Sendable {
  public let path: String
  /// Directory of the chain's data.
  public let data: String
  public let genesis: Genesis
  public let nodeKey: SigningKey
  /// Nil on a node that does not vote.
  public let validatorKey: SigningKey?
  /// Takes over from it with a set that names this one; nil without one.
  public let nextValidatorKey: SigningKey?
  /// Says that the validator key has voted, see `ValidatorState`.
  let validatorMarkPath: String
  /// The same of the next key.
  let nextValidatorMarkPath: String?
  let genesisPath: String
  /// The configuration file, which need not be there.
  let configurationPath: String
  /// The vote journal is tied to this machine and directory. A developer's chain is copied freely.
  let isBound: Bool

  public static func genesisPath(_ home: String) -> String { home + "/config/genesis.json" }

  /// Reads genesis and keys of an existing home.
  /// - Parameter readsValidatorKeys: false for work on the data alone, which goes without them: a restored backup holds no keys.
  /// - Throws: 66 with the missing file and what makes it, 78 for a genesis with faults or another validator, 77 for a key others can read.
  public init(_ options: NodeOptions, readsValidatorKeys: Bool = true) throws(NodeFailure) {
    path = options.home
    data = options.dataPath
    let genesisPath = options.genesisPath
    self.genesisPath = genesisPath
    configurationPath = options.configurationPath
    let json: [UInt8]
    do { json = try HomeFile.read(genesisPath) } catch { throw NodeFailure(66, "\(error.message); 'moloch init' or 'moloch dev' makes it") }
    do { genesis = try Genesis(json: json) } catch {
      throw NodeFailure(78, error.faults.map { "\(genesisPath):\($0.line):\($0.column): \($0.message)" }.joined(separator: "\n"))
    }
    nodeKey = try Self.key(options.nodeKeyPath)
    validatorKey = readsValidatorKeys && options.settings.boolean("consensus.validator") ? try Self.validatorKey(options.validatorKeyPath) : nil
    nextValidatorKey = readsValidatorKeys ? try Self.nextKey(options) : nil
    isBound = !options.settings.isDevelopment
    validatorMarkPath = options.validatorKeyPath + ".used"
    nextValidatorMarkPath = options.nextValidatorKeyPath.map { $0 + ".used" }
    let chain = options.settings.text("node.chain_id")
    guard chain.isEmpty || chain == genesis.chainID else {
      throw NodeFailure(78, "node.chain_id = \"\(chain)\", but \(genesisPath) is the genesis of \(genesis.chainID)")
    }
    let lifetime = options.settings["mempool.event_ttl"]
    if lifetime.origin != .standard, options.poolTimeToLiveMilliseconds > genesis.parameters.pastWindow {
      throw NodeFailure(78, "mempool.event_ttl is longer than past_window_ms = \(genesis.parameters.pastWindow) of \(genesisPath): no block could take such an event")
    }
  }

  /// The key of `consensus.next_validator_key`.
  static func nextKey(_ options: NodeOptions) throws(NodeFailure) -> SigningKey? {
    guard options.settings.boolean("consensus.validator"), let path = options.nextValidatorKeyPath else { return nil }
    return try validatorKey(path)
  }

  /// What the mark of a validator key says.
  static func mark(_ key: PublicKey, _ chainTag: ChainTag) -> [UInt8] { Array("\(chainTag.hex) \(key)\n".utf8) }

  /// What it says once the key was moved to another host.
  static func retiredMark(_ key: PublicKey, _ chainTag: ChainTag) -> [UInt8] { Array("\(chainTag.hex) \(key) retired\n".utf8) }

  /// - Throws: 78 when a validator key of this home was retired here.
  func checkNotRetired() throws(NodeFailure) {
    for (key, path) in [(validatorKey, validatorMarkPath), (nextValidatorKey, nextValidatorMarkPath ?? "")] {
      guard let key, (try? HomeFile.read(path)) == Self.retiredMark(key.publicKey, genesis.chainTag) else { continue }
      throw NodeFailure(78, "\(key.publicKey) was retired on this host (\(path)): it votes where its protection was imported, and never here again")
    }
  }

  /// The private key of a validator: for its owner alone.
  /// - Throws: as `key`.
  public static func validatorKey(_ path: String) throws(NodeFailure) -> SigningKey { try key(path, closedTo: 0o077) }

  /// A private key, which the group of its file may read.
  /// - Throws: 66 when it is missing, 77 when others can read it, 78 when it is no Ed25519 key in PEM.
  public static func key(_ path: String) throws(NodeFailure) -> SigningKey { try key(path, closedTo: 0o037) }

  /// - Parameter mask: bits that the mode must not have.
  private static func key(_ path: String, closedTo mask: mode_t) throws(NodeFailure) -> SigningKey {
    var status = stat()
    // The kernel fills the structure; the path is lent to the call.
    if unsafe stat(path, &status) == 0, status.st_mode & mask != 0 {
      throw NodeFailure(77, "\(path) can be read by others; set its mode to 0600")
    }
    let pem: [UInt8]
    do { pem = try HomeFile.read(path) } catch { throw NodeFailure(66, "\(error.message); 'moloch keygen' makes one") }
    do { return try SigningKey(pem: pem) } catch { throw NodeFailure(78, "\(path) is no Ed25519 key in PKCS#8 PEM: \(error)") }
  }

  /// Makes a home for a chain that there is. Existing keys are kept.
  /// - Parameters:
  ///   - text: the genesis file, free of faults.
  ///   - isValidator: makes a validator key, too.
  /// - Throws: 73 when the home has another genesis: nothing was written then.
  public static func join(_ path: String, genesis text: [UInt8], isValidator: Bool) throws(NodeFailure) {
    let target = genesisPath(path)
    let isThere = HomeFile.exists(target)
    if !isThere, isUnfinished(path) { throw NodeFailure(73, "\(pendingPath(path)) is of a chain that was never finished: remove \(path), or finish it; nothing was written") }
    if isThere, try HomeFile.read(target) != text { throw NodeFailure(73, "\(target) is another genesis; nothing was written") }
    try makeDirectories(path)
    for name in isValidator ? ["node", "validator"] : ["node"] where !HomeFile.exists("\(path)/keys/\(name).key") { try makeKey("\(path)/keys/\(name)") }
    if !isThere { try HomeFile.replace(target, text, mode: 0o644) }
  }

  static func makeDirectories(_ path: String) throws(NodeFailure) {
    for (directory, mode) in [("", mode_t(0o750)), ("/config", 0o750), ("/keys", 0o700), ("/data", 0o750), ("/logs", 0o750)] {
      try HomeFile.makeDirectory(path + directory, mode: mode)
    }
  }

  /// Deletes the chain of a stopped node: its data with the vote journal, the marks that its validator keys were used, and the genesis. Keys and configuration stay.
  /// For chains that nobody else follows: the keys may vote on the next one as if they had never voted.
  /// - Throws: 75 while a process uses the data.
  public static func reset(_ options: NodeOptions) throws(NodeFailure) {
    let data = options.dataPath
    if FileCopy.isDirectory(data) {
      let lock: DirectoryLock
      do { lock = try DirectoryLock(path: data + "/LOCK") } catch {
        guard case .locked(let pid) = error else { throw NodeFailure(74, "\(error)") }
        throw NodeFailure(75, "\(data) is in use by process \(pid): stop the node first")
      }
      for name in FileCopy.names(in: data) where name != "LOCK" { FileCopy.removeAll("\(data)/\(name)") }
      withExtendedLifetime(lock) {}
    }
    for path in [options.validatorKeyPath, options.nextValidatorKeyPath].compactMap({ $0 }) { HomeFile.remove(path + ".used") }
    // The last: an interrupted reset finds it and goes on.
    HomeFile.remove(options.genesisPath)
  }

  static func makeKey(_ path: String) throws(NodeFailure) {
    let key: SigningKey
    do { key = try SigningKey.generate() } catch { throw NodeFailure(70, "cannot make a key: \(error)") }
    try HomeFile.replace(path + ".key", key.pem(), mode: 0o600)
    try HomeFile.replace(path + ".pub", Array("\(key.publicKey)\n".utf8), mode: 0o644)
  }
}

/// Files of a home.
enum HomeFile {
  static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 /* the path is lent to the call */ }
  static func isReadable(_ path: String) -> Bool { unsafe access(path, R_OK) == 0 /* the path is lent to the call */ }
  static func isWritable(_ path: String) -> Bool { unsafe access(path, W_OK) == 0 /* the path is lent to the call */ }
  static func remove(_ path: String) { _ = unsafe unlink(path) /* the path is lent to the call */ }

  static func rename(_ source: String, _ target: String) throws(NodeFailure) {
    // The paths are lent to the call.
    guard unsafe Glibc.rename(source, target) == 0 else { throw NodeFailure(74, "cannot move \(source): \(reason())") }
  }

  static func makeDirectory(_ path: String, mode: mode_t) throws(NodeFailure) {
    // The path is lent to the call.
    guard unsafe mkdir(path, mode) == 0 || errno == EEXIST else { throw NodeFailure(74, "cannot create \(path): \(reason())") }
  }

  static func read(_ path: String) throws(NodeFailure) -> [UInt8] {
    // The path is lent to the call.
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw NodeFailure(66, "cannot read \(path): \(reason())") }
    defer { close(file) }
    let count = max(0, Int(lseek(file, 0, SEEK_END)))
    // The kernel writes at most the buffer's length; what it wrote is the array.
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { unsafe $1 = max(0, pread(file, $0.baseAddress, count, 0)) }
    guard bytes.count == count else { throw NodeFailure(74, "cannot read \(path): \(reason())") }
    return bytes
  }

  /// Reads a file of which only the beginning may be in use, without the zeros of whole blocks of 256 KiB at its end: no memory is touched for them.
  static func readUsed(_ path: String) throws(NodeFailure) -> [UInt8] {
    // The path is lent to the call.
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw NodeFailure(66, "cannot read \(path): \(reason())") }
    defer { close(file) }
    var block = [UInt8](repeating: 0, count: 256 << 10)
    var used: [UInt8] = []
    var offset = 0
    while true {
      // The kernel writes at most the buffer's length.
      let count = unsafe block.withUnsafeMutableBytes { unsafe pread(file, $0.baseAddress, $0.count, offset) }
      guard count >= 0 else { throw NodeFailure(74, "cannot read \(path): \(reason())") }
      if count == 0 { return used }
      if !block.bytes.isZero(0..<count) {
        used.append(contentsOf: repeatElement(0, count: offset - used.count))
        used.append(contentsOf: block[..<count])
      }
      offset += count
    }
  }

  /// Writes a file whole or not at all: temporary name, sync, rename, sync of the directory.
  static func replace(_ path: String, _ bytes: [UInt8], mode: mode_t) throws(NodeFailure) {
    try write(path, bytes, mode: mode, isSynced: true)
    try syncDirectory(String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]))
  }

  /// Writes a file under a temporary name and renames it. Without a sync a power cut may leave less of it, or nothing.
  static func write(_ path: String, _ bytes: [UInt8], mode: mode_t, isSynced: Bool) throws(NodeFailure) {
    let temporary = path + ".new"
    // The paths are lent to the calls, the array outlives them.
    let file = unsafe open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
    guard file >= 0 else { throw NodeFailure(74, "cannot create \(temporary): \(reason())") }
    fchmod(file, mode)
    let written = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(file, $0.baseAddress, $0.count) }
    let isWritten = written == bytes.count && (!isSynced || fsync(file) == 0)
    close(file)
    // The paths are lent to the call.
    guard isWritten, unsafe Glibc.rename(temporary, path) == 0 else { throw NodeFailure(74, "cannot write \(path): \(reason())") }
  }

  /// Who has a file or directory; nil without one, and for whoever is not root: then it cannot be given away.
  static func owner(_ path: String) -> (user: uid_t, group: gid_t)? {
    var status = stat()
    // The kernel fills the structure; the path is lent to the call.
    guard geteuid() == 0, unsafe stat(path, &status) == 0 else { return nil }
    return (status.st_uid, status.st_gid)
  }

  /// Gives a file or directory away, with the files in it; links are not followed.
  static func give(_ path: String, to owner: (user: uid_t, group: gid_t), withFiles: Bool = false) {
    // The paths are lent to the calls; an entry is valid until the next call, and the stream is closed before this returns.
    _ = unsafe lchown(path, owner.user, owner.group)
    guard withFiles, let stream = unsafe opendir(path) else { return }
    defer { unsafe closedir(stream) }
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self)) }
      if name != ".", name != ".." { _ = unsafe lchown(path + "/" + name, owner.user, owner.group) }
    }
  }

  static func setMode(_ path: String, _ mode: mode_t) throws(NodeFailure) {
    // The path is lent to the call.
    guard unsafe chmod(path, mode) == 0 else { throw NodeFailure(74, "cannot set the mode of \(path): \(reason())") }
  }

  /// Makes the names in a directory durable.
  static func syncDirectory(_ path: String) throws(NodeFailure) {
    // The path is lent to the call.
    let directory = unsafe open(path.isEmpty ? "." : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { throw NodeFailure(74, "cannot open \(path): \(reason())") }
    defer { close(directory) }
    guard fsync(directory) == 0 else { throw NodeFailure(74, "cannot sync \(path): \(reason())") }
  }

  /// The text of the system's last error.
  static func reason() -> String { unsafe String(cString: strerror(errno)) /* copied at once */ }
}
