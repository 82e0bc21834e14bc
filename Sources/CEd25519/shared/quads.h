// Words of four messages in registers of 256 bits, for SHA-512.
#ifndef CED25519_QUADS_H
#define CED25519_QUADS_H

/// Four rows of four words, columns turned into rows.
INLINE void transpose(vec *r) {
  const vec a = _mm256_unpacklo_epi64(r[0], r[1]), b = _mm256_unpackhi_epi64(r[0], r[1]);
  const vec c = _mm256_unpacklo_epi64(r[2], r[3]), d = _mm256_unpackhi_epi64(r[2], r[3]);
  r[0] = _mm256_permute2x128_si256(a, c, 0x20);
  r[1] = _mm256_permute2x128_si256(b, d, 0x20);
  r[2] = _mm256_permute2x128_si256(a, c, 0x31);
  r[3] = _mm256_permute2x128_si256(b, d, 0x31);
}

/// The next eight words of inputs of 192 bytes.
INLINE void load_words(vec *w, const uint8_t *inputs) {
  const vec swap = _mm256_setr_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f, 0x0001020304050607, 0x08090a0b0c0d0e0f);
  for (int half = 0; half < 2; half++) {
    for (int i = 0; i < 4; i++) w[4 * half + i] = _mm256_shuffle_epi8(_mm256_loadu_si256((const vec *)(inputs + 192 * i + 32 * half)), swap);
    transpose(w + 4 * half);
  }
}

INLINE void store_digests(uint64_t *digests, vec *state) {
  for (int half = 0; half < 2; half++) {
    transpose(state + 4 * half);
    for (int i = 0; i < 4; i++) _mm256_storeu_si256((vec *)(digests + 8 * i + 4 * half), state[4 * half + i]);
  }
}

#endif
