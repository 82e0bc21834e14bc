// Ambient: time and chance as values.
//
// Engines read no clock and draw no entropy: an `Instant` and a seed come in as arguments, so that every run can be replayed. The
// reactor reads the clock once per tick and passes the result down; the simulator invents it. `TimingWheel` holds the deadlines of a loop.
//
// Invariants
// * An `Instant` counts nanoseconds of one monotonic clock; it says nothing about the time of day.
// * `SeededGenerator` gives the same sequence on every machine for the same seed. It is no source of secrets.
// * A timing wheel never fires a deadline early, never twice, and never after it was cancelled; identifiers of old timers are inert.
//
// Limits: a wheel holds at most the number of timers it was made for (24 bytes + 32 bytes each, allocated once).
// Source: G. Varghese and T. Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987, scheme 6.
