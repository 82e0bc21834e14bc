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
// Governance: every tip carries a `GovernanceState`, the set, parameters and signers of the next height with the proposals that may change them.
// It follows from genesis and the governance events alone, so that a store brings it back at start. Epoch e has the set of its first height:
// `tip.governance.validators` of the last block before it.
//
// That a proposer is entitled to its view is checked by consensus; here it must be in the set.
//
// Source: ledger formats, sections 4 to 6, 8 and 9.
