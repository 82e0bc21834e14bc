// Words of eight messages in 512-bit registers, for SHA-512.
#ifndef CED25519_IFMA_WIDE_WORDS_H
#define CED25519_IFMA_WIDE_WORDS_H

#include "points.h"

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
