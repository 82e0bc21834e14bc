// MolochNode: the composition, and the only place that knows everything.
//
// Threads: the reactor thread (sockets, API, consensus, blocks) and the storage thread (RocksDB, tree files, index, vote journal, checkpoint
// signatures). Between them two mailboxes each way; the reactor never touches a file after start.
//
//      reactor ──persist, read, stop──► storage ──opened, persisted, answered, published, stopped──► reactor
//
// Life cycle: options, home and keys; metrics listener; store opened and recovered by the storage thread; saved events admitted again; API and
// admin listeners; serving; drain; save pending events; end.
//
// A failed write of the chain or the journal ends the process with 74: the state of the page cache is unknown, and the next start recovers.
