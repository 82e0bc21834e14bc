// Mempool: events between admission and their block.
//
// Between the reactors, which admit verified records, and the replica, which proposes and commits them. Admission takes no lock:
//
//      any reactor: table (duplicate?) ─► counters (room?) ─► slab (copy once) ─► table (claim) ─► SPSC lane ─┐
//      chain thread:  signer queues ◄─ collect ◄──────────────────────────────────────────────────────────────┘
//                     └─► propose (deficit round robin by bytes) ─► committed ─► retire ─► free after every reactor passed a tick
//
// Invariants
// * An accepted event stays until it is committed, expired or rejected by the chain thread; nothing is evicted for space.
// * The table answers "known" for every pending event whose claim was complete before; a claim is one compare-and-swap into the first empty cell of
//   a probe, so two reactors that admit the same id at once meet in the same cell, and one of them is told. Cells of departed events stay as tombstones until
//   the chain thread moves into the twin table, by steps that let every reactor pass a tick in between (`TwinTable`).
// * `collect`, which one thread does, holds the exact set of ids: no proposal ever names an event twice.
// * A slot is used again only after every reactor has passed a tick since it was retired, so a reader never sees it change.
// * Engine only: the time comes in as an argument.
//
// Limits: `PoolLimits`, itemised. Source: design notes in docs/architecture.md.
