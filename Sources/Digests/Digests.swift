// Digests: SHA-256 and SHA-512 over libcrypto, without an allocation per digest.
//
// `Digest` names every hash of the ledger: event ids, leaf hashes, roots, block hashes. The one-shot functions keep their state on the
// stack; `SHA256Stream` takes input in pieces. The tree's domain separation (one leading byte) is a parameter, so that a leaf or
// node hash never needs its input copied together.
//
// Source: FIPS 180-4; RFC 9162 section 2.1.1 for the prefixes.
