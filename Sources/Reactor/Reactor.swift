// Reactor: the event loop of the node. Sockets, timers, wake-ups and signals in; callbacks of one driver out.
//
// First and last station in the journey of a byte: it receives into buffers that were allocated at start, presents them in place, and sends
// what the driver queued as one gathered send per connection and tick.
//
//     EventLoop<Backend, Driver>.runOnce
//       flush    returned buffers, accepts, and for each changed connection the steps that its state demands
//       wait     one submit-and-wait: io_uring_enter | epoll_wait | the seeded network in memory
//       dispatch completions -> Driver.accepted, received, inputEnded, closed ...
//       timers   deadlines of connections, timers of the driver; ticked
//
// Invariants
// * The API is one of completions; epoll imitates io_uring. The back end and the driver are generic parameters, specialised at compile time.
// * Operations carry slot, generation and kind. A completion of an ended connection is dropped, its buffer returned.
// * A slot is reused only after every operation of its connection ended: memory named in a submission belongs to the kernel until then.
// * One receive and one send are in flight per connection. Every connection ends with exactly one `closed`.
// * The driver is never entered twice: calls on `Loop` only queue, also from inside a callback.
// * `now` is read once per tick. A foreign thread writes to the event descriptor only when the loop sleeps.
// * Writing to a dead peer never raises SIGPIPE (MSG_NOSIGNAL).
//
// Limits: `ReactorLimits`; the steady state allocates nothing. When descriptors run out, a reserve descriptor takes one waiting client to turn
// it away, and accepting rests for some milliseconds, so that the loop never spins. When receive buffers run out, the starved connections
// receive again as soon as buffers return. A reader slower than its output limit is disconnected.
//
// Source: io_uring(7), io_uring_setup(2), epoll(7); liburing 2.3, Linux 6.1 or later for the ring.
