// Registers of 256 bits: four lanes, the coordinates of one point. Where each step waits for the one before, half as much work is half the time on a processor that takes two
// operations of 256 bits for one of 512.
#ifndef CED25519_IFMA_NARROW_H
#define CED25519_IFMA_NARROW_H

#include "target.h"

/// Elements in a register.
enum { LANES = 4 };

typedef __m256i vec;

INLINE vec word(uint64_t value) { return _mm256_set1_epi64x((long long)value); }
INLINE vec zero(void) { return _mm256_setzero_si256(); }
INLINE vec load(const void *words) { return _mm256_loadu_si256((const vec *)words); }
INLINE void store(void *words, vec a) { _mm256_storeu_si256((vec *)words, a); }
INLINE vec lo52(vec sum, vec a, vec b) { return _mm256_madd52lo_epu64(sum, a, b); }
INLINE vec hi52(vec sum, vec a, vec b) { return _mm256_madd52hi_epu64(sum, a, b); }
INLINE vec times(vec a, vec b) { return _mm256_mullo_epi64(a, b); }
INLINE vec add64(vec a, vec b) { return _mm256_add_epi64(a, b); }
INLINE vec sub64(vec a, vec b) { return _mm256_sub_epi64(a, b); }
INLINE vec both(vec a, vec b) { return _mm256_and_si256(a, b); }
INLINE vec either(vec a, vec b) { return _mm256_or_si256(a, b); }
INLINE vec shift(vec a, int count) { return _mm256_srli_epi64(a, (unsigned)count); }
INLINE vec rotate(vec a, int count) { return _mm256_rorv_epi64(a, word((uint64_t)count)); }
INLINE vec blend(lanemask lanes, vec a, vec b) { return _mm256_mask_blend_epi64(lanes, a, b); }
INLINE lanemask zeros(vec a) { return _mm256_testn_epi64_mask(a, a); }
INLINE lanemask odds(vec a) { return _mm256_test_epi64_mask(a, word(1)); }
INLINE vec xor3(vec a, vec b, vec c) { return _mm256_ternarylogic_epi64(a, b, c, 0x96); }
INLINE vec chosen(vec e, vec f, vec g) { return _mm256_ternarylogic_epi64(e, f, g, 0xca); }
INLINE vec majority_of(vec a, vec b, vec c) { return _mm256_ternarylogic_epi64(a, b, c, 0xe8); }

#endif
