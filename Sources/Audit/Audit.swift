// Audit: the formats of the ledger, each with one codec beside its type, and the offline verifier.
//
// An event is a signed `Statement`; with its signature an `Entry`, with salt and body a `Record`. Records make blocks under a `BlockHeader`, which
// a quorum of a `ValidatorSet` makes final with a `Certificate`. `Genesis` fixes the first set and the `ChainParameters`.
// A `Handoff` leads from one set to the next; a `GovernanceAct` is what validators sign to change sets, parameters and signers.
// `Checkpoint`s in `SignedNote`s, `TlogProof`s and proof bundles carry proofs to people who trust no node; `OfflineVerification` checks them,
// from genesis, from a known block, or by a `TlogPolicy`.
//
//     body -> digest -> statement -> leaf -> tree root -> header -> certificate -> set -> handoffs -> genesis
//
// Invariants
// * A byte layout has one encoding: reserved bytes are zero, lengths are exact, and what is decoded encodes to the same bytes.
// * Decoders return errors for every input and never trap; sizes, heights and times are below 2^53.
// * Signatures are judged only by `Verifier`, the one acceptance rule of the chain.
// * Nothing here reads a file, a clock or a socket.
//
// Source: ledger formats, sections 1 to 14; C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof, tlog-policy.
