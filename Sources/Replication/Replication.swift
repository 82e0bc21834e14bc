// Replication: one replica of the chain, composed of the engines and without I/O.
//
// Between consensus and the store. The replica owns the chain state, the voting machine and the way from pending events to blocks; inputs and the
// two clocks go in, effects come out, and the driver performs them: write this durably, call me at that time, tell the clients.
//
//      pool ──propose──► Chain.build ──► Machine ──commit──► persist ──durable──► notices, pool.committed
//
// A set of one validator. The machine runs as it does among many, and the barriers of a block are merged: a sole voter's votes leave the node only
// inside the finality certificate, and that certificate, the block and the height are one synced write. Telling the machine at once that a vote is
// synced and a body durable is therefore sound: if the write never happens, nobody has seen anything that it promised, and the store's head says
// where to go on. What is written of a block: first the store's batch, then a floor record in the vote journal, which outlives the store's
// directory; then the block is reported.
//
// Invariants
// * `durable` never passes what the driver has reported as written; every answer "finalized" is about heights at or below it.
// * At most `ReplicationLimit.blocksInFlight` blocks are decided and not yet durable; building waits beyond that.
// * Events leave the pool when their block is durable, never before.
