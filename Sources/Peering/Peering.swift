// Peering: the node's connections to other nodes, on the node's reactor.
//
// Between the reactor and the replica. It dials and accepts, proves who is who, keeps connections alive and bounded, and hands up messages. The
// node's driver calls it from its own callbacks, hands on what stands in `events`, has `lookups` resolved and saves what `bookToSave` gives.
//
//      socket ─► TLSSession ─► WireSession ─► events ─► replica          replica ─► send ─► Outbox ─► TLSSession ─► socket
//                                 └► Hello, Ping, addresses, Goodbye: handled here
//
// Invariants
// * A peer is its node key, proven by TLS; a dialled connection leads to the dialled key or to nobody. A validator key counts only with a
//   signature over this very TLS session and both node keys.
// * A link is up after both Hellos, and there is at most one per peer: of two, the one opened by the smaller peer id stays.
// * Validators of the current set, boot nodes and manual peers are dialled for ever; inbound connections cannot use up their places.
// * Everything is bounded: handshakes, rates, queues, known peers. Votes never wait behind anything else; a peer too slow for consensus is
//   disconnected, and its events are dropped from the oldest.
// * A ban never takes the connected power below the quorum.
// * Nothing here reads a clock or draws entropy: time comes from the loop and from `sweep`, chance from the seed.
//
// Limits: `Limits`, `PeeringOptions`.
//
// Source: consensus specification, section 8; operations, `network.*`.
