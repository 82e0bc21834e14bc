// Replication: one replica of the chain, composed of the engines and without I/O.
//
// Between the peers, the pool and the store. The replica owns the chain state, the tree of blocks that are not final, the voting machine and the way from
// pending events to blocks; inputs and the two clocks go in, effects come out, and the driver performs them: write this durably, send that, call me then.
//
//      pool ──propose──► Chain.build ─┐                                    ┌─► store ──stored──► bodyDurable
//      peers ──propose──► Arrival ──► BlockTree ◄──validate── Machine ─────┼─► journal ──synced──► votes leave
//      peers ──range────► BlockSync ─────────────────────────────┴─commit──┴─► persist ──durable──► notices, pool.committed
//
// What is on disk before what. A vote leaves when its journal record is synced; the machine holds it back until then. A body is stored before the finalise
// vote for it, and finality adds one small batch: header, certificate, height. A block is reported as final when that batch is on disk.
//
// A set of one validator. The machine runs as it does among many, and the barriers of a block are merged: a sole voter's votes leave the node only inside
// the finality certificate, and that certificate, the block and the height are one synced write, before which it goes to nobody. Telling the machine at once that a vote is synced and a
// body durable is therefore sound: if the write never happens, nobody has seen anything that it promised, and the store's head says where to go on.
//
// Events. A block that is not final holds the pool's events that are in it, whoever built it: they are not proposed again while it may become final, and go
// back to the front of their queues when it has lost. Admitted events are gossiped once, so that a proposal can name them by id; a receiver takes the
// records from its pool and asks the proposer for those that it lacks. An entry that is pending here with the same signature is not verified again.
//
// Behind. Single blocks that a certificate names are fetched by hash, of one peer after the other. A node that is further behind, or in an earlier epoch,
// learns from boundaries how far the chain is (`BoundaryChain`) and asks for ranges of final blocks (`BlockSync`); a range proves itself by one certificate and hash links, every root is recomputed and every signature
// verified, by helper threads where the driver has given some, and it is applied as a whole. Votes go on arriving meanwhile, so that there is no gap between the last range and the first live block.
//
// Below an anchor. Blocks up to an anchor came without bodies. A node that is live and was told to keep them fetches these later, downwards, a range at a time
// (`Backfill`); the store compares each with what it has and verifies the signatures, which nobody has done before. Bodies that a peer has withheld from a sync
// although no redaction names them are asked of other peers in the same way.
//
// Invariants
// * `durable` never passes what the driver has reported as written; every answer "finalized" is about heights at or below it.
// * At most `ReplicationLimit.blocksInFlight` blocks are decided and not yet durable before building and ranges wait.
// * Events leave the pool when their block is durable, or when they are found to be final already, never before; none is in the chain twice.
// * Nothing is believed that a peer claims: claims only choose whom to ask. What is certified and yet fails a check halts the node.
//
// Limits: `ReplicationLimit`. Source: consensus specification, sections 3 to 6; ledger formats, sections 4, 5, 7 and 10.
