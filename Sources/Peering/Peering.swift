// Peering: the node's connections to other nodes, on the node's reactor.
//
// Between the reactor and the replica: it dials and accepts, proves who is who, keeps connections alive and bounded, and hands up messages.
//
// Limits: `Limits`, `PeeringOptions`.
//
// Source: consensus specification, section 8; operations, `network.*`.
