import CRocksDB
import Glibc
import Ledger

/// One RocksDB database with its column families. Calls come from one thread.
@safe final class Database {
  private let database: OpaquePointer
  private var families: [OpaquePointer?]
  private let options: OpaquePointer
  private let reads: OpaquePointer
  private let writes: OpaquePointer

  /// Opens or creates the database. Without a log, what was written since the last flush is lost in a crash, together and in order. Position i of `families` is the family number of later calls; position 0 is `default`.
  init(path: String, families names: [String], options settings: StoreOptions, cacheBytes: Int, hasLog: Bool = true) throws(StoreError) {
    // Every pointer below comes from the library's own constructors, which abort rather than return null, and lives until deinit.
    unsafe options = rocksdb_options_create()
    unsafe rocksdb_options_set_create_if_missing(options, 1)
    unsafe rocksdb_options_set_create_missing_column_families(options, 1)
    unsafe rocksdb_options_set_wal_recovery_mode(options, CInt(2))  // point in time
    unsafe rocksdb_options_set_max_open_files(options, CInt(settings.openFilesMax))
    unsafe rocksdb_options_set_write_buffer_size(options, settings.writeBufferBytes)
    unsafe rocksdb_options_set_compression(options, settings.compression.rawValue)
    unsafe rocksdb_options_set_max_background_jobs(options, CInt(settings.backgroundJobs))
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
    let opened = unsafe rocksdb_open_column_families(options, path, CInt(names.count), pointers, all, &handles, &message)
    for unsafe copy in unsafe copies { unsafe free(copy) }
    guard let opened = unsafe opened else {
      unsafe rocksdb_readoptions_destroy(reads)
      unsafe rocksdb_writeoptions_destroy(writes)
      unsafe rocksdb_options_destroy(options)
      throw .failed(unsafe Self.text(message))
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

  func value(_ family: Int, _ key: [UInt8]) throws(StoreError) -> [UInt8]? {
    var (length, message): (Int, UnsafeMutablePointer<CChar>?) = (0, nil)
    // The key is read during the call; the value is the library's allocation, copied and freed here.
    let value = unsafe key.withUnsafeBytes { buffer in
      unsafe rocksdb_get_cf(database, reads, families[family], buffer.baseAddress?.assumingMemoryBound(to: CChar.self), buffer.count, &length, &message)
    }
    if unsafe message != nil { throw .failed(unsafe Self.text(message)) }
    guard let value = unsafe value else { return nil }
    defer { unsafe rocksdb_free(value) }
    return unsafe [UInt8](UnsafeRawBufferPointer(start: value, count: length))
  }

  /// One atomic write, synced as the options say.
  func write(_ puts: [(family: Int, key: [UInt8], value: [UInt8])]) throws(StoreError) {
    let batch = unsafe rocksdb_writebatch_create()
    defer { unsafe rocksdb_writebatch_destroy(batch) }
    for put in puts {
      // Key and value are copied into the batch during the call.
      unsafe put.key.withUnsafeBytes { key in
        unsafe put.value.withUnsafeBytes { value in
          unsafe rocksdb_writebatch_put_cf(
            batch, families[put.family], key.baseAddress?.assumingMemoryBound(to: CChar.self), key.count,
            value.baseAddress?.assumingMemoryBound(to: CChar.self), value.count)
        }
      }
    }
    var message: UnsafeMutablePointer<CChar>? = nil
    // Database, options and batch are alive; the message is the library's allocation.
    unsafe rocksdb_write(database, writes, batch, &message)
    if unsafe message != nil { throw .failed(unsafe Self.text(message)) }
  }

  private static func text(_ message: UnsafeMutablePointer<CChar>?) -> String {
    // A C string allocated by the library: copied, then freed.
    guard let message = unsafe message else { return "unknown" }
    defer { unsafe rocksdb_free(message) }
    return unsafe String(cString: message)
  }
}
