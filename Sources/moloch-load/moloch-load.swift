// moloch-load: a load tester that signs beforehand and measures from planned times.
//
// Outside of the node, on the other side of its sockets, on the same reactor.
//
//      corpus make ──► mapped file of signed records ──► run: plan of due times ──► connections ──► recorder ──► report
//
// Invariants
// * Nothing is signed, allocated or written in the timed path.
// * In an open-loop run request k is due at a time fixed before the run; latency counts from there, whatever the target does. Without a rate the run
//   is a closed loop, for maxima only.
// * The same seed makes the same corpus, byte for byte.
//
// Limits: connections and pending requests are fixed at start. Source: operations guide, section 9.
