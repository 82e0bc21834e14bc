// Eight points at a time, one in each lane: what buckets are made of. A sum of eight costs seven or eight products, and no lane waits for another.
#ifndef CED25519_LANES_H
#define CED25519_LANES_H

#include "CEd25519.h"
#include "field.h"

/// X, Y, Z, T of extended points, or Y - X, Y + X, 2 Z, 2 d T of cached ones.
typedef struct {
  fe8 v[4];
} point8;

/// Eight rows of eight words, columns turned into rows.
INLINE void transpose(__m512i *r) {
  __m512i t[8], u[8];
  for (int i = 0; i < 4; i++) {
    t[2 * i] = _mm512_unpacklo_epi64(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi64(r[2 * i], r[2 * i + 1]);
  }
  for (int i = 0; i < 2; i++) {
    for (int j = 0; j < 2; j++) {
      // Of rows 4 i to 4 i + 3 the words j, j + 4 and j + 2, j + 6.
      u[4 * i + j] = _mm512_shuffle_i64x2(t[4 * i + j], t[4 * i + j + 2], 0x88);
      u[4 * i + j + 2] = _mm512_shuffle_i64x2(t[4 * i + j], t[4 * i + j + 2], 0xdd);
    }
  }
  for (int j = 0; j < 4; j++) {
    r[j] = _mm512_shuffle_i64x2(u[j], u[4 + j], 0x88);
    r[j + 4] = _mm512_shuffle_i64x2(u[j], u[4 + j], 0xdd);
  }
}

/// Four words of rows 0 to 3 in the low halves, of rows 4 to 7 in the high ones; columns turned into rows.
INLINE void transpose4(__m512i *r) {
  const __m512i a = _mm512_unpacklo_epi64(r[0], r[1]), b = _mm512_unpackhi_epi64(r[0], r[1]);
  const __m512i c = _mm512_unpacklo_epi64(r[2], r[3]), d = _mm512_unpackhi_epi64(r[2], r[3]);
  r[0] = _mm512_mask_permutex_epi64(a, 0xcc, c, 0x4e);
  r[1] = _mm512_mask_permutex_epi64(b, 0xcc, d, 0x4e);
  r[2] = _mm512_mask_permutex_epi64(c, 0x33, a, 0x4e);
  r[3] = _mm512_mask_permutex_epi64(d, 0x33, b, 0x4e);
}

INLINE point8 lanes_load(uint64_t *const *rows) {
  point8 p;
  __m512i w[8];
  for (int part = 0; part < 2; part++) {
    for (int i = 0; i < 8; i++) w[i] = _mm512_loadu_si512(rows[i] + 8 * part);
    transpose(w);
    for (int i = 0; i < 8; i++) p.v[i & 3].l[2 * part + (i >> 2)] = w[i];
  }
  for (int i = 0; i < 4; i++) {
    const __m256i low = _mm256_loadu_si256((const __m256i *)(rows[i] + 16));
    w[i] = _mm512_inserti64x4(_mm512_castsi256_si512(low), _mm256_loadu_si256((const __m256i *)(rows[i + 4] + 16)), 1);
  }
  transpose4(w);
  for (int i = 0; i < 4; i++) p.v[i].l[4] = w[i];
  return p;
}

INLINE void lanes_store(uint64_t *const *rows, point8 p) {
  __m512i w[8];
  for (int part = 0; part < 2; part++) {
    for (int i = 0; i < 8; i++) w[i] = p.v[i & 3].l[2 * part + (i >> 2)];
    transpose(w);
    for (int i = 0; i < 8; i++) _mm512_storeu_si512(rows[i] + 8 * part, w[i]);
  }
  for (int i = 0; i < 4; i++) w[i] = p.v[i].l[4];
  transpose4(w);
  for (int i = 0; i < 4; i++) {
    _mm256_storeu_si256((__m256i *)(rows[i] + 16), _mm512_castsi512_si256(w[i]));
    _mm256_storeu_si256((__m256i *)(rows[i + 4] + 16), _mm512_extracti64x4_epi64(w[i], 1));
  }
}

INLINE point8 lanes_identity(void) { return (point8){{fe8_small(0), fe8_small(1), fe8_small(1), fe8_small(0)}}; }

/// The second half of an addition, from (Y1 - X1)(Y2 - X2), (Y1 + X1)(Y2 + X2), 2 Z1 Z2 below twice a weak value, and 2 d T1 T2.
INLINE point8 lanes_finish(fe8 a, fe8 b, fe8 d, fe8 c) {
  const fe8 e = fe8_carry(fe8_minus(b, a)), h = fe8_carry(fe8_plus(b, a));
  const fe8 f = fe8_carry(fe8_minus(d, c)), g = fe8_carry(fe8_plus(d, c));
  return (point8){{fe8_mul(e, f), fe8_mul(g, h), fe8_mul(f, g), fe8_mul(e, h)}};
}

/// The sum with one cached point in all lanes, subtracted where `negative` says. `is_affine`: its 2 Z is 2, which saves a product.
INLINE point8 lanes_add_entry(point8 p, const uint64_t *entry, __mmask8 negative, int is_affine) {
  fe8 difference, sum, t;
  for (int i = 0; i < 5; i++) {
    const __m512i m = word(entry[4 * i]), s = word(entry[4 * i + 1]);
    difference.l[i] = _mm512_mask_blend_epi64(negative, m, s);
    sum.l[i] = _mm512_mask_blend_epi64(negative, s, m);
    // 2 p less a weak value is below 2^52, as a product needs.
    t.l[i] = _mm512_mask_sub_epi64(word(entry[4 * i + 3]), negative, bias2(i), word(entry[4 * i + 3]));
  }
  const fe8 a = fe8_mul(fe8_carry(fe8_minus(p.v[1], p.v[0])), difference);
  const fe8 b = fe8_mul(fe8_carry(fe8_plus(p.v[1], p.v[0])), sum);
  const fe8 c = fe8_mul(p.v[3], t);
  fe8 d;
  if (is_affine) {
    d = fe8_plus(p.v[2], p.v[2]);
  } else {
    fe8 z;
    for (int i = 0; i < 5; i++) z.l[i] = word(entry[4 * i + 2]);
    d = fe8_mul(p.v[2], z);
  }
  return lanes_finish(a, b, d, c);
}

/// The sum of extended points.
INLINE point8 lanes_add(point8 p, point8 q) {
  const fe8 a = fe8_mul(fe8_carry(fe8_minus(p.v[1], p.v[0])), fe8_carry(fe8_minus(q.v[1], q.v[0])));
  const fe8 b = fe8_mul(fe8_carry(fe8_plus(p.v[1], p.v[0])), fe8_carry(fe8_plus(q.v[1], q.v[0])));
  const fe8 c = fe8_mul(fe8_mul(p.v[3], q.v[3]), fe8_double_d());
  const fe8 z = fe8_mul(p.v[2], q.v[2]);
  return lanes_finish(a, b, fe8_plus(z, z), c);
}

#endif
