// Bytes: fixed-width values, big-endian access and strict text encodings.
//
// The bottom of the journey of a byte. Everything above reads foreign memory through `RawSpan` and the accessors of this module, which check
// every offset in release builds too, and writes through `[UInt8]` appends. `Bytes16`, `Bytes32` and `Bytes64` are the values that
// formats are made of: tags, hashes, keys, signatures. They live in registers and on the stack; none of them allocates.
//
// Invariants
// * All integers are big-endian (ledger formats, section 1). Words of fixed values are stored as the big-endian reading of their bytes,
//   so `<` on them is the lexicographic order of the bytes.
// * Decoders are strict: lowercase hex only, padded canonical base64 only, no surplus characters.
// * This module, with Lanes, the Reactor back ends, RocksStore and the crypto kernels, is where `unsafe` may appear.
