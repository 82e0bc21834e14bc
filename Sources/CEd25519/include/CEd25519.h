// CEd25519: vector kernels for the verification of Ed25519 signatures, in eight and in four lanes of AVX-512 IFMA and in four lanes of AVX2.
//
// One register holds one word (radix 2^51) of eight or four field elements. The sums of few terms have the four coordinates of a point in four lanes, so that a group
// operation on one point, or on two that lie beside each other, is two vector products; buckets have a point in each lane, and so has decompression. What is done with
// registers is written once, in `shared`; `ifma` and `avx2` have registers, the field and how points lie. Nothing here decides anything: the callers hold the acceptance rule
// and compare every kernel with portable Swift. Inputs are public, so running time may depend on them. No allocation, no state, no thread.
//
// An entry of a table is one point, 20 words: word-major, `word[5][4]`. Its four values are Y - X, Y + X, 2 Z, 2 d T ("cached"), or X, Y, Z, T ("extended"). How a
// word is made up is the kernels' affair: `pack` makes it from limbs of radix 2^51 below 2^51 + 2^14. AVX2 has two limbs of 26 and 25 bits in it.
//
// Sources: Hisil, Wong, Carter, Dawson 2008; Gueron, Krasnov 2016 (52-bit products); Straus 1964; Pippenger 1976; FIPS 180-4.
#ifndef CED25519_H
#define CED25519_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Words of an entry, and entries of a slot: the odd multiples 1, 3, ... 15.
enum { CED25519_ENTRY_WORDS = 20, CED25519_SLOT_ENTRIES = 8, CED25519_BUCKETS = 128 };

/// The kernels of one width. None of them checks what it is given.
typedef struct {
  /// Field elements in a register: windows that are summed at a time, and inputs that are hashed.
  size_t lanes;
  /// Limbs of an element in the operations at the end.
  size_t limbs;

  /// Turns words of radix 2^51 into those of entries, in place.
  void (*pack)(uint64_t *words, size_t count);
  /// Decodes `count` points by the rules of RFC 8032, canonically, and writes their negatives, cached, to `tables + entries[i] * CED25519_ENTRY_WORDS`.
  /// `encodings` has four little-endian words each; `valid[i]` becomes 1 or 0, and the entry of an invalid one is not to be used.
  void (*decode)(const uint64_t *encodings, size_t count, uint64_t *tables, const int32_t *entries, uint8_t *valid);
  /// Fills slots from their first entries.
  void (*fill)(uint64_t *tables, const int32_t *entries, size_t count);
  /// Writes 2^128 times the point of the slot at `entry` to the next slot and fills that one.
  void (*raise)(uint64_t *tables, int32_t entry);

  /// Adds up digits listed by bit: `heads[bit]` is the place of a bit's first digit in `digits`, -1 for none. A digit is two words: twice an entry, plus 1 to
  /// subtract it, and the place of the bit's next digit, or -1. `out` is extended, of radix 2^51, not carried.
  void (*straus)(uint64_t *out, const uint64_t *tables, const int32_t *heads, const int32_t *digits, int32_t top);
  /// Adds up terms with digits to base 256, -128 to 128: of the first `long_count` terms 32 digits each, of the others 16. `buckets` is scratch of
  /// lanes (CED25519_BUCKETS + 1) + `count` entries. `out` as above. Null in the narrow kernels, which never have that many terms.
  void (*buckets)(
    uint64_t *out, const uint64_t *tables, const int32_t *entries, size_t long_count, size_t count, const int16_t *digits, uint64_t *buckets);

  /// SHA-512 of as many inputs of 192 bytes as there are lanes, which follow each other; eight words of each digest in the order of FIPS 180-4.
  void (*sha512_192)(const uint8_t *inputs, uint64_t *digests);

  /// As many field products, squares, differences or sums as there are lanes: `limb[limbs][lanes]`, limbs as the `field.h` of the width bounds them. For the tests of
  /// the arithmetic; the last three give carried values.
  void (*product)(uint64_t *out, const uint64_t *a, const uint64_t *b);
  void (*square)(uint64_t *out, const uint64_t *a);
  void (*difference)(uint64_t *out, const uint64_t *a, const uint64_t *b);
  void (*sum)(uint64_t *out, const uint64_t *a, const uint64_t *b);
  void (*canonical)(uint64_t *out, const uint64_t *a);
} ced25519_kernels;

/// Whether a processor with these registers can run the kernels: ECX of CPUID leaf 1, EBX of leaf 7, and XCR0, which says what the operating system saves.
bool ced25519_supports_ifma(uint32_t leaf1_ecx, uint32_t leaf7_ebx, uint64_t xcr0);
bool ced25519_supports_avx2(uint32_t leaf1_ecx, uint32_t leaf7_ebx, uint64_t xcr0);
/// The kernels, or null where this processor cannot run them. The narrow ones have the entries of the others and half their lanes: for a few points, each of whose
/// steps waits for the one before, they take less time.
const ced25519_kernels *ced25519_ifma(void);
const ced25519_kernels *ced25519_ifma_narrow(void);
const ced25519_kernels *ced25519_avx2(void);

#endif
