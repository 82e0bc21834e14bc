/// # Ed25519: keys, signing, verification, peer ids
///
/// On the journey of a byte this module answers whether a statement, a vote or a note was signed by its key.
///
/// **The acceptance rule** (ledger formats, section 1), one for all uses. For signature `R || S`, key `A`, message `M`:
/// 1. the lengths are 64 and 32 bytes (the types say so);
/// 2. `S < L`;
/// 3. `A` decodes canonically and is not a point of small order;
/// 4. `R` decodes canonically (it may have small order);
/// 5. `[8]([S]B - R - [k]A)` is the identity, `k = SHA-512(R || A || M) mod L` over the bytes as received.
///
/// No verdict comes from libcrypto's own verify call, which is cofactorless: it refuses signatures that rule 5 accepts, and two nodes that differ fork the
/// chain.
///
/// ```
/// Verifier: one signature.   SignatureBatch: many, z from CoefficientDrawing, keys from SignerCache
///                                 |
///                            Combination: terms -> sum of points; DigitRows and tables for few terms, ByteDigits and buckets for many
///                              /      \
///                   PortableTerms    VectorTerms (CEd25519: AVX2, AVX-512 IFMA)     chosen by Path: what the processor can run
/// ```
///
/// Invariants: verification is pure and in variable time (its inputs are public); signing is libcrypto's, in constant time. Malformed input is `false`, never
/// a trap. Every path gives the same verdicts: the kernels only add points and hash, portable Swift is their oracle in the tests.
///
/// Sources: RFC 8032; Hisil, Wong, Carter, Dawson 2008 (coordinates); Straus 1964; Pippenger 1976; ZIP 215 (cofactored equation).
