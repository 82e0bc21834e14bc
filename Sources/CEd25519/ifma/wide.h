// Registers of 512 bits: eight lanes. Two points beside each other, or eight; most work at a time.
#ifndef CED25519_IFMA_WIDE_H
#define CED25519_IFMA_WIDE_H

#include "target.h"

/// Elements in a register.
enum { LANES = 8 };

typedef __m512i vec;

INLINE vec word(uint64_t value) { return _mm512_set1_epi64((long long)value); }
INLINE vec zero(void) { return _mm512_setzero_si512(); }
INLINE vec load(const void *words) { return _mm512_loadu_si512(words); }
INLINE void store(void *words, vec a) { _mm512_storeu_si512(words, a); }
INLINE vec lo52(vec sum, vec a, vec b) { return _mm512_madd52lo_epu64(sum, a, b); }
INLINE vec hi52(vec sum, vec a, vec b) { return _mm512_madd52hi_epu64(sum, a, b); }
INLINE vec times(vec a, vec b) { return _mm512_mullo_epi64(a, b); }
INLINE vec add64(vec a, vec b) { return _mm512_add_epi64(a, b); }
INLINE vec sub64(vec a, vec b) { return _mm512_sub_epi64(a, b); }
INLINE vec both(vec a, vec b) { return _mm512_and_si512(a, b); }
INLINE vec either(vec a, vec b) { return _mm512_or_si512(a, b); }
INLINE vec shift(vec a, int count) { return _mm512_srli_epi64(a, (unsigned)count); }
INLINE vec rotate(vec a, int count) { return _mm512_rorv_epi64(a, word((uint64_t)count)); }
INLINE vec blend(lanemask lanes, vec a, vec b) { return _mm512_mask_blend_epi64(lanes, a, b); }
INLINE lanemask zeros(vec a) { return _mm512_testn_epi64_mask(a, a); }
INLINE lanemask odds(vec a) { return _mm512_test_epi64_mask(a, word(1)); }
INLINE vec xor3(vec a, vec b, vec c) { return _mm512_ternarylogic_epi64(a, b, c, 0x96); }
INLINE vec chosen(vec e, vec f, vec g) { return _mm512_ternarylogic_epi64(e, f, g, 0xca); }
INLINE vec majority_of(vec a, vec b, vec c) { return _mm512_ternarylogic_epi64(a, b, c, 0xe8); }

#endif
