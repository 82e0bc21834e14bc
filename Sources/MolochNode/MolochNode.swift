// MolochNode: the composition, and the only place that knows everything.
//
// Threads: the reactor thread (sockets, API, consensus, blocks), the storage thread (RocksDB, tree files, index, vote journal, checkpoint
// signatures) and the log thread. Reactor and storage have two mailboxes each way; the reactor never touches a file after start: log records go to
// the log thread, and at SIGHUP a thread of its own reads the configuration. A scrape reads the counters of all threads, and `/proc/self`.
//
//      reactor ──persist, read, stop──► storage ──opened, persisted, answered, published, stopped──► reactor
//
// Life cycle: options, home and keys; metrics listener; store opened and recovered by the storage thread; saved events admitted again; API and
// admin listeners; serving; drain; save pending events; end.
//
// A failed write of the chain or the journal ends the process with 74: the state of the page cache is unknown, and the next start recovers.
