// RocksStore: final blocks in RocksDB, tree levels in flat files.
//
// The end of the journey of a byte: one synced write per commit makes blocks durable, then the tree files follow lazily. The chain is the
// truth. The tree files are derived: at open their roots are compared with the header of the durable head, and they are rebuilt from the
// stored entries when they differ. The index is derived too: it names the last block that it holds, and starts again when that is no block of this chain.
//
// Keys of `data/chain/` (integers big-endian, 8 bytes)
// * `default`: `genesis` -> genesis hash (32); `head` -> height (8), written in the batch of its block.
// * `blocks`: height -> header (320) || certificate. `entries`: height || block hash -> 192 bytes per event. `bodies`: the same -> salts and bodies.
// * `candidates`: height || block hash -> header, for blocks above the head whose entries and bodies are stored before it is known whether they become
//   final. Finality writes no body again: the batch that moves the head deletes the rows at and below it, and the losers' entries and bodies.
// * `governance`: height -> governance records of the block. `handoffs`: height -> next set, for blocks that hand over. Kept for ever.
// * `redactions`: event id -> id of the approved proposal || leaf (8), all ones until the body is deleted. `withheld`: height -> bits of the events without a body.
//   `default` also holds `pruned`, `entries` and `swept` (the watermarks of a deep prune) with the rows `index/...`, `anchor` (height || hash), `checkpoint` (the signed note that stands for it until its block is known) and `erased`, the
//   heights whose deleted bodies may still be in files.
//
// Keys of `data/index/`: event id -> leaf index (8); `head` -> height (8) || block hash (32) || version of the rows (1); signers and
// their streams as in `SignerRows.swift`.
//
// The directory also holds `FORMAT` (`moloch-data 2`) and `LOCK` (exclusive while open, with the process id inside).
//
// Limit: the check at open reads the peaks of both trees. A damaged node below a peak shows in the proofs that use it, not at open.
//
// Source: ledger formats, section 6; the C interface of RocksDB.
