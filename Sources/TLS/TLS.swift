// TLS: sessions of OpenSSL, bytes in and bytes out, without sockets.
//
// Between the reactor and PeerWire (or HTTP1). A session is fed what the socket received and appends the plaintext and the answers of the
// protocol to arrays of the caller; it is fed plaintext and appends records.
//
//      socket bytes ─► TLSSession.receive ─► plaintext          plaintext ─► TLSSession.send ─► socket bytes
//                             └► wire: handshake flights, alerts
//
// Between nodes: TLS 1.3 only, X25519, Ed25519, both sides with a self-signed certificate whose key is the node key. The verify callback takes
// exactly one certificate with an Ed25519 key and ignores everything else in it: the key is the identity. OpenSSL 3.0 has no raw public keys.
//
// Invariants
// * The BIO of a session reads from memory that is lent for the length of one call and writes to an array that is swapped in for it.
// * Every call clears the thread's error queue first and leaves it empty.
// * All input is consumed: what OpenSSL has no use for yet waits in its record buffer, at most one record.
// * No tickets, no resumption, no early data, no renegotiation, no compression. Idle sessions hold no record buffers.
// * A failed session stays failed; its last alert is in the wire bytes of the call that failed.
//
// In TLS 1.3 the client has finished before the server has seen its certificate: what the client may rely on comes with the first message.
//
// Source: RFC 8446; OpenSSL 3.0 SSL_CTX_new(3) and following; consensus specification, section 8.
