// Peering: the node's connections to other nodes, on the node's reactor.
//
// Between the reactor and the replica. Source: consensus specification, section 8; operations, `network.*`.
