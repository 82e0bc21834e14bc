// Ledger: block building, block validity and the state after the final head.
//
// In the journey of a byte this is where ordered records become leaves of the tree and a header that validators vote on. `Chain` is the state
// after the final head. A `ChainTip` is the part of it that a child block needs, by value, so that candidates are built on parents that are
// not final yet. `Chain.apply` turns a final candidate into a `BlockCommit`: exactly what a `LedgerStore` writes in one synced write.
//
// Invariants
// * `tip.tree.root == tip.header.treeRoot`; `tip.history` covers the heights below the tip's.
// * Pure: time comes in as block timestamps, randomness as a seed; no clock, file, lock or unordered iteration.
// * The replay window is exact: an id is in it or it is not.
//
// Limits of this version: validator sets, parameters and signers do not change; governance events (0xF0..0xF5) are refused as invalid.
// That a proposer is entitled to its view is checked by consensus; here it must be in the set.
//
// Source: ledger formats, sections 4 to 6.
