// PeerWire: what nodes say to each other, as bytes, without I/O.
//
// Between the TLS session (or the bare socket, in tests) and Peering. Messages are cut into fragments of at most 16 KiB, and the fragments of
// five lanes interleave by strict priority: a vote never waits behind a proposal, nor a proposal behind a sync answer.
//
//      Outbox.queue ─► 5 lanes ─► fill: fragments ═════► FrameReader ─► messages ─► WireSession ─► Peering
//
//      fragment = length of the payload (4) | lane (1) | type (1) | flags (1; bit 0: more fragments follow) | reserved (1) | payload
//
// Invariants
// * All integers are big-endian. A type has one lane and one cap; a fragment on another lane is a violation.
// * One message per lane is under way: its fragments follow each other. An empty fragment that is not the last is a violation.
// * The cap of the type is checked as fragments arrive, before their bytes are kept: a reader never holds more than was received.
// * However the bytes are cut, the same messages come out. No input traps.
// * Hello comes first and once; until it arrived nothing larger than a Hello is kept.
//
// Limits: `WireLimit`, and `WireCaps`, which follows the largest block of the chain.
//
// Source: consensus specification, section 8.
