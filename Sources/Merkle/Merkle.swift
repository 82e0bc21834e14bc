// Merkle: the RFC 9162 tree, its stored nodes and its proofs.
//
// Entries become leaves in final order. `MountainRange` is the append-only frontier: it folds leaf hashes into peaks and names, in `NewNodes`, the
// nodes that an append completed, which the store then appends to one flat file per level. Proofs are read back through `NodeReader`.
// Only complete nodes are stored; what lies at the ragged right edge of a tree of any size is folded from at most 53 peaks when it is asked for.
//
//     level 2         6              node i of level h is MTH(D[i*2^h : (i+1)*2^h])
//     level 1     4       5       .  a tree of size 7 has the peaks (2,0), (1,2), (0,6)
//     level 0   0   1   2   3   4 5 6
//
// Invariants
// * leaf `SHA-256(0x00 || data)`, node `SHA-256(0x01 || left || right)`, empty tree `SHA-256("")`; the split is at the largest power of two below n.
// * A proof is accepted only with its exact length; sizes are below 2^53; roots are compared whole.
// * Nothing here does I/O; a reader that lacks a node says so with an error.
//
// Source: RFC 9162 sections 2.1.1 to 2.1.4; C2SP tlog-tiles; ledger formats, sections 6 and 11.
