// API: the HTTP face of the node, on the reactor.
//
// Between the sockets and the replica. The `Gate` owns the sessions of one reactor: it parses requests, admits events and answers from memory what
// the chain thread knows. What needs the disk becomes a `ReadJob`, which the storage thread turns into a finished `Answer` with a `Reader`; the
// reactor only frames and sends it.
//
//      bytes ─► RequestParser ─► Route ─┬─► memory ──────────────────────────► answer
//                                       ├─► records ─► signatures ─► pool ───► answer, now or when final
//                                       └─► ReadJob ─► storage thread: Reader ─► answer
//
// Invariants
// * One request at a time per connection; pipelined ones wait in the reactor's buffers. Answers leave in the order of the requests.
// * Signatures of a tick are verified together, at most `APILimit.signaturesPerTick`, so that a large batch cannot keep the loop from its other work.
// * All limits (size, time, rate) apply before a body is buffered; bodies in flight share one budget.
// * "finalized" is said of durable blocks only.
//
// Limits: `APILimit` and the options of the gate.
