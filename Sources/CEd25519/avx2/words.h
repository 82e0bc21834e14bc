// Operations on words in AVX2 registers, for SHA-512.
#ifndef CED25519_AVX2_WORDS_H
#define CED25519_AVX2_WORDS_H

#include "../shared/quads.h"
#include "field.h"

INLINE vec shift(vec x, int count) { return _mm256_srli_epi64(x, count); }
INLINE vec rotate(vec x, int count) { return _mm256_or_si256(_mm256_srli_epi64(x, count), _mm256_slli_epi64(x, 64 - count)); }
INLINE vec xor3(vec a, vec b, vec c) { return _mm256_xor_si256(a, _mm256_xor_si256(b, c)); }
INLINE vec chosen(vec e, vec f, vec g) { return _mm256_xor_si256(g, _mm256_and_si256(e, _mm256_xor_si256(f, g))); }
INLINE vec majority_of(vec a, vec b, vec c) { return _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(c, _mm256_or_si256(a, b))); }

#endif
