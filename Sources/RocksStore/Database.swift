import CRocksDB
import Glibc
import Ledger

/// One RocksDB database with its column families. Reads and writes come from one thread; `compact` and `interruptCompaction` may come from others.
@safe final class Database: @unchecked Sendable {
  // Sendable: the members never change after init, and the library locks its own state.
  private let database: OpaquePointer
  private let families: [OpaquePointer?]
  private let names: [String]
  private let options: OpaquePointer
  private let reads: OpaquePointer
  private let writes: OpaquePointer

  /// Opens or creates the database. Without a log, what was written since the last flush is lost in a crash, together and in order. Position i of `families` is the family number of later calls; position 0 is `default`.
  /// - Parameter isReadOnly: nothing below `path` is changed; the database must exist.
  init(
    path: String, families names: [String], options settings: StoreOptions, cacheBytes: Int, hasLog: Bool = true, isReadOnly: Bool = false
  ) throws(StoreError) {
    self.names = names
    // Every pointer below comes from the library's own constructors, which abort rather than return null, and lives until deinit.
    unsafe options = rocksdb_options_create()
    unsafe rocksdb_options_set_create_if_missing(options, 1)
    unsafe rocksdb_options_set_create_missing_column_families(options, 1)
    unsafe rocksdb_options_set_wal_recovery_mode(options, CInt(2))  // point in time
    unsafe rocksdb_options_set_max_open_files(options, CInt(settings.openFilesMax))
    unsafe rocksdb_options_set_write_buffer_size(options, settings.writeBufferBytes)
    unsafe rocksdb_options_set_compression(options, settings.compression.rawValue)
    unsafe rocksdb_options_set_max_background_jobs(options, CInt(settings.backgroundJobs))
    // A start opens tens of files: making a crew of threads for every family takes longer than opening them.
    unsafe rocksdb_options_set_max_file_opening_threads(options, 1)
    unsafe rocksdb_options_set_skip_stats_update_on_db_open(options, 1)
    unsafe rocksdb_options_set_keep_log_file_num(options, 5)
    let tables = unsafe rocksdb_block_based_options_create()
    let cache = unsafe rocksdb_cache_create_lru(cacheBytes)
    unsafe rocksdb_block_based_options_set_block_cache(tables, cache)
    unsafe rocksdb_options_set_block_based_table_factory(options, tables)
    // The options hold both from here on.
    unsafe rocksdb_cache_destroy(cache)
    unsafe rocksdb_block_based_options_destroy(tables)
    unsafe reads = rocksdb_readoptions_create()
    unsafe writes = rocksdb_writeoptions_create()
    unsafe rocksdb_writeoptions_set_sync(writes, hasLog && settings.syncWrites ? 1 : 0)
    unsafe rocksdb_writeoptions_disable_WAL(writes, hasLog ? 0 : 1)
    var handles = unsafe [OpaquePointer?](repeating: nil, count: names.count)
    var message: UnsafeMutablePointer<CChar>? = nil
    // C strings of our own for the time of the call.
    let copies = unsafe names.map { unsafe strdup($0) }
    let pointers = unsafe copies.map { unsafe UnsafePointer<CChar>($0) }
    let all = unsafe [OpaquePointer?](repeating: options, count: names.count)
    // The names are copied by the call; the copies are freed after it.
    let opened: OpaquePointer?
    if isReadOnly {
      unsafe opened = rocksdb_open_for_read_only_column_families(options, path, CInt(names.count), pointers, all, &handles, 0, &message)
    } else {
      unsafe opened = rocksdb_open_column_families(options, path, CInt(names.count), pointers, all, &handles, &message)
    }
    for unsafe copy in unsafe copies { unsafe free(copy) }
    // What init made is its own to release when there will be no object.
    guard let opened = unsafe opened else {
      unsafe rocksdb_readoptions_destroy(reads)
      unsafe rocksdb_writeoptions_destroy(writes)
      unsafe rocksdb_options_destroy(options)
      let reason = unsafe Self.text(message)
      // Damage is no reason to try again; a disk that fails may be.
      throw reason.hasPrefix("Corruption") ? .damaged(reason) : .failed(reason)
    }
    // Both are ours until deinit.
    unsafe database = opened
    unsafe families = handles
  }

  deinit {
    // Families close before the database: the library asserts it.
    for unsafe family in unsafe families { unsafe rocksdb_column_family_handle_destroy(family) }
    unsafe rocksdb_close(database)
    unsafe rocksdb_readoptions_destroy(reads)
    unsafe rocksdb_writeoptions_destroy(writes)
    unsafe rocksdb_options_destroy(options)
  }

  /// Deletes a database that is not open.
  static func destroy(path: String) throws(StoreError) {
    // The options live for the call; the path is lent to it as a C string.
    let options = unsafe rocksdb_options_create()
    defer { unsafe rocksdb_options_destroy(options) }
    var message: UnsafeMutablePointer<CChar>? = nil
    unsafe rocksdb_destroy_db(options, path, &message)
    if unsafe message != nil { throw .failed(unsafe text(message)) }
  }

  func value(_ family: Int, _ key: [UInt8]) throws(StoreError) -> [UInt8]? {
    var (length, message): (Int, UnsafeMutablePointer<CChar>?) = (0, nil)
    // The key is read during the call; the value is the library's allocation, copied and freed here.
    let value = unsafe key.withUnsafeBytes { buffer in
      unsafe rocksdb_get_cf(database, reads, families[family], buffer.baseAddress?.assumingMemoryBound(to: CChar.self), buffer.count, &length, &message)
    }
    if unsafe message != nil { throw Self.readFailure(unsafe Self.text(message)) }
    guard let value = unsafe value else { return nil }
    defer { unsafe rocksdb_free(value) }
    return unsafe [UInt8](UnsafeRawBufferPointer(start: value, count: length))
  }

  /// Rows with keys from `begin` on, ascending, at most `countMax`.
  func rows(_ family: Int, from begin: [UInt8], countMax: Int) throws(StoreError) -> [(key: [UInt8], value: [UInt8])] {
    try scan(family, begin, isBackward: false, countMax: countMax)
  }

  /// The last row with a key of at most `end`.
  func lastRow(_ family: Int, upTo end: [UInt8]) throws(StoreError) -> (key: [UInt8], value: [UInt8])? {
    try scan(family, end, isBackward: true, countMax: 1).first
  }

  private func scan(_ family: Int, _ key: [UInt8], isBackward: Bool, countMax: Int) throws(StoreError) -> [(key: [UInt8], value: [UInt8])] {
    // The iterator lives until the end of this function, and the database longer.
    let iterator = unsafe rocksdb_create_iterator_cf(database, reads, families[family])
    defer { unsafe rocksdb_iter_destroy(iterator) }
    // The key is read during the call.
    unsafe key.withUnsafeBytes { buffer in
      let begin = unsafe buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
      // The iterator is alive; the library copies the key.
      if isBackward { unsafe rocksdb_iter_seek_for_prev(iterator, begin, buffer.count) } else { unsafe rocksdb_iter_seek(iterator, begin, buffer.count) }
    }
    var rows: [(key: [UInt8], value: [UInt8])] = []
    while rows.count < countMax, unsafe rocksdb_iter_valid(iterator) != 0 {
      var (keyLength, valueLength) = (0, 0)
      // Key and value belong to the iterator and stay until it moves; both are copied here.
      let key = unsafe rocksdb_iter_key(iterator, &keyLength)
      let value = unsafe rocksdb_iter_value(iterator, &valueLength)
      unsafe rows.append(([UInt8](UnsafeRawBufferPointer(start: key, count: keyLength)), [UInt8](UnsafeRawBufferPointer(start: value, count: valueLength))))
      if isBackward { unsafe rocksdb_iter_prev(iterator) } else { unsafe rocksdb_iter_next(iterator) }
    }
    var message: UnsafeMutablePointer<CChar>? = nil
    // A damaged block ends the walk early: the iterator keeps the reason.
    unsafe rocksdb_iter_get_error(iterator, &message)
    if unsafe message != nil { throw Self.readFailure(unsafe Self.text(message)) }
    return rows
  }

  /// A copy of the database as it is now, in a directory that does not exist yet; table files are linked where the file system can.
  func checkpoint(at path: String) throws(StoreError) {
    var message: UnsafeMutablePointer<CChar>? = nil
    // The object lives for this call; the path is lent to it as a C string.
    let made = unsafe rocksdb_checkpoint_object_create(database, &message)
    guard let checkpoint = unsafe made else { throw .failed(unsafe Self.text(message)) }
    defer { unsafe rocksdb_checkpoint_object_destroy(checkpoint) }
    // 0: what is in memory goes to a table file first, whatever its size.
    unsafe rocksdb_checkpoint_create(checkpoint, path, 0, &message)
    if unsafe message != nil { throw .failed(unsafe Self.text(message)) }
  }

  var familyCount: Int { unsafe families.count /* the handles are only counted */ }

  /// The table files of a family as they lie now, ascending by their first keys. Any thread.
  func tables(_ family: Int) -> [(first: [UInt8], last: [UInt8], byteCount: UInt64)] {
    // The list lives until the end of this function; names and keys are its memory, copied before that.
    let files = unsafe rocksdb_livefiles(database)
    defer { unsafe rocksdb_livefiles_destroy(files) }
    var tables: [(first: [UInt8], last: [UInt8], byteCount: UInt64)] = []
    for position in 0..<(unsafe rocksdb_livefiles_count(files)) {
      guard let name = unsafe rocksdb_livefiles_column_family_name(files, position), unsafe String(cString: name) == names[family] else { continue }
      var (firstLength, lastLength) = (0, 0)
      let first = unsafe rocksdb_livefiles_smallestkey(files, position, &firstLength), last = unsafe rocksdb_livefiles_largestkey(files, position, &lastLength)
      unsafe tables.append(
        (
          [UInt8](UnsafeRawBufferPointer(start: first, count: firstLength)), [UInt8](UnsafeRawBufferPointer(start: last, count: lastLength)),
          UInt64(rocksdb_livefiles_size(files, position))
        ))
    }
    return tables.sorted { $0.first.lexicographicallyPrecedes($1.first) }
  }

  /// Writes the tables of a family anew that hold keys from `begin` to `end`, without what was deleted or overwritten. Returns when it is done or was interrupted.
  /// - Parameters: nil for an end of the family.
  func compact(_ family: Int, from begin: [UInt8]?, upTo end: [UInt8]?) {
    // Both keys are lent for the call; null stands for an end of the family.
    unsafe (begin ?? []).withUnsafeBytes { first in
      unsafe (end ?? []).withUnsafeBytes { last in
        unsafe rocksdb_compact_range_cf(
          database, families[family], begin == nil ? nil : first.baseAddress?.assumingMemoryBound(to: CChar.self), first.count,
          end == nil ? nil : last.baseAddress?.assumingMemoryBound(to: CChar.self), last.count)
      }
    }
  }

  /// Writes what is in memory to tables; of all families, the log is not needed any more and is deleted. Any thread.
  /// - Parameter family: nil for all.
  func flush(_ family: Int? = nil) throws(StoreError) {
    let options = unsafe rocksdb_flushoptions_create()
    defer { unsafe rocksdb_flushoptions_destroy(options) }
    // The call returns when the tables are written.
    unsafe rocksdb_flushoptions_set_wait(options, 1)
    var message: UnsafeMutablePointer<CChar>? = nil
    // Handles, database and options are alive; the message is the library's allocation.
    for position in family.map({ $0..<$0 + 1 }) ?? 0..<familyCount where unsafe message == nil { unsafe rocksdb_flush_cf(database, options, families[position], &message) }
    if unsafe message != nil { throw .failed(unsafe Self.text(message)) }
  }

  /// Deletes the rows from `begin` on that lie below `end`, with one synced mark; the space comes back with a compaction.
  func deleteRange(_ family: Int, from begin: [UInt8], to end: [UInt8]) throws(StoreError) {
    var message: UnsafeMutablePointer<CChar>? = nil
    // Both keys are copied during the call; the message is the library's allocation.
    unsafe begin.withUnsafeBytes { first in
      unsafe end.withUnsafeBytes { last in
        unsafe rocksdb_delete_range_cf(
          database, writes, families[family], first.baseAddress?.assumingMemoryBound(to: CChar.self), first.count,
          last.baseAddress?.assumingMemoryBound(to: CChar.self), last.count, &message)
      }
    }
    if unsafe message != nil { throw .failed(unsafe Self.text(message)) }
  }

  /// Ends compactions under way and lets no other begin before `allowCompaction`.
  func interruptCompaction() { unsafe rocksdb_disable_manual_compaction(database) /* alive as long as this object */ }
  func allowCompaction() { unsafe rocksdb_enable_manual_compaction(database) /* alive as long as this object */ }

  /// A number that the library keeps about a family; nil for a name that it does not know.
  func property(_ family: Int, _ name: String) -> UInt64? {
    var value: UInt64 = 0
    // The name is lent for the call; the library fills the number.
    return unsafe rocksdb_property_int_cf(database, families[family], name, &value) == 0 ? value : nil
  }

  /// The sum of a number over all families.
  func total(_ name: String) -> UInt64 {
    // Only the number of the handles is asked for.
    (0..<(unsafe families.count)).reduce(0) { $0 + (property($1, name) ?? 0) }
  }

  /// Bytes of table files between two keys, about.
  func approximateBytes(_ family: Int, from begin: [UInt8], to end: [UInt8]) throws(StoreError) -> UInt64 {
    var message: UnsafeMutablePointer<CChar>? = nil
    var size: UInt64 = 0
    // Keys, lengths and the number are lent for the call; the message is the library's allocation.
    unsafe begin.withUnsafeBytes { first in
      unsafe end.withUnsafeBytes { last in
        var starts: [UnsafePointer<CChar>?] = unsafe [first.baseAddress?.assumingMemoryBound(to: CChar.self)]
        var limits: [UnsafePointer<CChar>?] = unsafe [last.baseAddress?.assumingMemoryBound(to: CChar.self)]
        var (startLength, limitLength) = (first.count, last.count)
        // One range: arrays of one pointer and one length each.
        unsafe rocksdb_approximate_sizes_cf(database, families[family], 1, &starts, &startLength, &limits, &limitLength, &size, &message)
      }
    }
    if unsafe message != nil { throw .failed(unsafe Self.text(message)) }
    return size
  }

  /// All keys of a family, ascending.
  func keys(_ family: Int) throws(StoreError) -> [[UInt8]] {
    // The iterator lives until the end of this function, and the database longer.
    let iterator = unsafe rocksdb_create_iterator_cf(database, reads, families[family])
    defer { unsafe rocksdb_iter_destroy(iterator) }
    var keys: [[UInt8]] = []
    unsafe rocksdb_iter_seek_to_first(iterator)
    while unsafe rocksdb_iter_valid(iterator) != 0 {
      var length = 0
      // The key is the iterator's memory, copied before it moves.
      let key = unsafe rocksdb_iter_key(iterator, &length)
      unsafe keys.append([UInt8](UnsafeRawBufferPointer(start: key, count: length)))
      unsafe rocksdb_iter_next(iterator)
    }
    var message: UnsafeMutablePointer<CChar>? = nil
    unsafe rocksdb_iter_get_error(iterator, &message)
    if unsafe message != nil { throw Self.readFailure(unsafe Self.text(message)) }
    return keys
  }

  func write(_ puts: [(family: Int, key: [UInt8], value: [UInt8])]) throws(StoreError) {
    var batch = WriteBatch()
    for put in puts { batch.put(put.family, put.key, put.value) }
    try write(batch)
  }

  /// One atomic write, synced as the options say.
  func write(_ changes: WriteBatch) throws(StoreError) {
    let batch = unsafe rocksdb_writebatch_create()
    defer { unsafe rocksdb_writebatch_destroy(batch) }
    for change in changes.changes {
      // Key and value are copied into the batch during the call.
      unsafe change.key.withUnsafeBytes { key in
        let start = unsafe key.baseAddress?.assumingMemoryBound(to: CChar.self)
        guard let value = change.value else { return unsafe rocksdb_writebatch_delete_cf(batch, families[change.family], start, key.count) }
        unsafe value.withUnsafeBytes { value in
          unsafe rocksdb_writebatch_put_cf(
            batch, families[change.family], start, key.count, value.baseAddress?.assumingMemoryBound(to: CChar.self), value.count)
        }
      }
    }
    var message: UnsafeMutablePointer<CChar>? = nil
    // Database, options and batch are alive; the message is the library's allocation.
    unsafe rocksdb_write(database, writes, batch, &message)
    if unsafe message != nil { throw .failed(unsafe Self.text(message)) }
  }

  /// A value that cannot be read is damage of this value: a wrong sum, or a disk that does not give the bytes.
  private static func readFailure(_ text: String) -> StoreError { text.hasPrefix("Corruption") || text.hasPrefix("IO error") ? .damaged(text) : .failed(text) }

  private static func text(_ message: UnsafeMutablePointer<CChar>?) -> String {
    // A C string allocated by the library: copied, then freed.
    guard let message = unsafe message else { return "unknown" }
    defer { unsafe rocksdb_free(message) }
    return unsafe String(cString: message)
  }
}

/// Changes that are written together or not at all.
struct WriteBatch {
  /// A change without a value deletes its key.
  private(set) var changes: [(family: Int, key: [UInt8], value: [UInt8]?)] = []

  mutating func put(_ family: Int, _ key: [UInt8], _ value: [UInt8]) { changes.append((family, key, value)) }
  mutating func delete(_ family: Int, _ key: [UInt8]) { changes.append((family, key, nil)) }
}
