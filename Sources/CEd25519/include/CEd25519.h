// CEd25519: AVX-512 IFMA kernels for the verification of Ed25519 signatures.
//
// One 512-bit register holds one limb (radix 2^51) of eight field elements. Points lie as two halves of four lanes, X Y Z T, so that a group operation on two
// points is two vector products; decompression uses the eight lanes for eight points. Nothing here decides anything: the callers hold the acceptance rule and
// compare every kernel with portable Swift. All functions but ced25519_supports and ced25519_has_ifma need a processor for which ced25519_has_ifma is true.
// Inputs are public, so running time may depend on them. No allocation, no state, no thread.
//
// An entry of a table is one point, 20 words: limb-major, `limb[5][4]`. Its four values are Y - X, Y + X, 2 Z, 2 d T ("cached"), or X, Y, Z, T ("extended").
// Limbs are below 2^51 + 2^14.
//
// Sources: Hisil, Wong, Carter, Dawson 2008; Gueron, Krasnov 2016 (52-bit products); Straus 1964; Pippenger 1976; FIPS 180-4.
#ifndef CED25519_H
#define CED25519_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Words of an entry, and entries of a slot: the odd multiples 1, 3, ... 15.
enum { CED25519_ENTRY_WORDS = 20, CED25519_SLOT_ENTRIES = 8, CED25519_BUCKETS = 128 };

/// Whether a processor with these registers can run the kernels: ECX of CPUID leaf 1, EBX of leaf 7, and XCR0, which says what the operating system saves.
bool ced25519_supports(uint32_t leaf1_ecx, uint32_t leaf7_ebx, uint64_t xcr0);
/// The same for this processor.
bool ced25519_has_ifma(void);

/// Decodes `count` points by the rules of RFC 8032, canonically, and writes their negatives, cached, to `tables + entries[i] * CED25519_ENTRY_WORDS`.
/// `encodings` has four little-endian words each; `valid[i]` becomes 1 or 0, and the entry of an invalid one is not to be used.
void ced25519_decode(const uint64_t *encodings, size_t count, uint64_t *tables, const int32_t *entries, uint8_t *valid);
/// Fills slots from their first entries.
void ced25519_fill(uint64_t *tables, const int32_t *entries, size_t count);
/// Writes 2^128 times the point of the slot at `entry` to the next slot and fills that one.
void ced25519_raise(uint64_t *tables, int32_t entry);

/// Adds up digits listed by bit: `heads[bit]` is the place of a bit's first digit in `digits`, -1 for none. A digit is two words: twice an entry, plus 1 to
/// subtract it, and the place of the bit's next digit, or -1. `out` is extended.
void ced25519_straus(uint64_t *out, const uint64_t *tables, const int32_t *heads, const int32_t *digits, int32_t top);
/// Adds up terms with digits to base 256, -128 to 128: of the first `long_count` terms 32 digits each, of the others 16. `buckets` is scratch of
/// 8 (CED25519_BUCKETS + 1) + `count` entries.
void ced25519_buckets(
  uint64_t *out, const uint64_t *tables, const int32_t *entries, size_t long_count, size_t count, const int16_t *digits, uint64_t *buckets);

/// SHA-512 of eight inputs of 192 bytes that follow each other; eight words of each digest in the order of FIPS 180-4.
void ced25519_sha512_192(const uint8_t *inputs, uint64_t *digests);

/// Eight field products, squares, differences or sums at once: `limb[5][8]`, operands below 2^52 (products, squares) or weak. For the tests of the arithmetic.
void ced25519_product(uint64_t *out, const uint64_t *a, const uint64_t *b);
void ced25519_square(uint64_t *out, const uint64_t *a);
void ced25519_difference(uint64_t *out, const uint64_t *a, const uint64_t *b);
void ced25519_sum(uint64_t *out, const uint64_t *a, const uint64_t *b);
void ced25519_canonical(uint64_t *out, const uint64_t *a);

#endif
