// Words of eight messages in 512-bit registers, for SHA-512.
#ifndef CED25519_IFMA_WORDS_H
#define CED25519_IFMA_WORDS_H

#include "points.h"

INLINE vec rotate(vec x, int count) { return _mm512_rorv_epi64(x, word((uint64_t)count)); }
INLINE vec shift(vec x, int count) { return _mm512_srli_epi64(x, (unsigned)count); }
INLINE vec xor3(vec a, vec b, vec c) { return _mm512_ternarylogic_epi64(a, b, c, 0x96); }
INLINE vec chosen(vec e, vec f, vec g) { return _mm512_ternarylogic_epi64(e, f, g, 0xca); }
INLINE vec majority_of(vec a, vec b, vec c) { return _mm512_ternarylogic_epi64(a, b, c, 0xe8); }

/// The next eight words of inputs of 192 bytes.
INLINE void load_words(vec *w, const uint8_t *inputs) {
  const vec swap = _mm512_set4_epi32(0x08090a0b, 0x0c0d0e0f, 0x00010203, 0x04050607);
  for (int i = 0; i < 8; i++) w[i] = _mm512_shuffle_epi8(_mm512_loadu_si512(inputs + (size_t)i * 192), swap);
  transpose(w);
}

INLINE void store_digests(uint64_t *digests, vec *state) {
  transpose(state);
  for (int i = 0; i < 8; i++) _mm512_storeu_si512(digests + 8 * i, state[i]);
}

#endif
