// Two points at a time, one in lanes 0 to 3, one in lanes 4 to 7: X, Y, Z, T of extended ones; Y - X, Y + X, 2 Z, 2 d T of cached ones.
#ifndef CED25519_POINT_H
#define CED25519_POINT_H

#include "field.h"

#define ORDER(a, b, c, d) _MM_SHUFFLE(d, c, b, a)
// Lanes of both halves.
enum { LANE0 = 0x11, LANE1 = 0x22, LANE2 = 0x44, LANE3 = 0x88 };

INLINE fe8 pair_load(const uint64_t *first, const uint64_t *second) {
  fe8 r;
  for (int i = 0; i < 5; i++) {
    const __m256i low = _mm256_loadu_si256((const __m256i *)(first + 4 * i));
    r.l[i] = _mm512_inserti64x4(_mm512_castsi256_si512(low), _mm256_loadu_si256((const __m256i *)(second + 4 * i)), 1);
  }
  return r;
}

INLINE void pair_store(uint64_t *first, uint64_t *second, fe8 a) {
  for (int i = 0; i < 5; i++) {
    _mm256_storeu_si256((__m256i *)(first + 4 * i), _mm512_castsi512_si256(a.l[i]));
    _mm256_storeu_si256((__m256i *)(second + 4 * i), _mm512_extracti64x4_epi64(a.l[i], 1));
  }
}

INLINE __m512i lanes4(uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
  return _mm512_set4_epi64((long long)d, (long long)c, (long long)b, (long long)a);
}

INLINE fe8 pair_identity(void) {
  fe8 r;
  r.l[0] = lanes4(0, 1, 1, 0);
  for (int i = 1; i < 5; i++) r.l[i] = _mm512_setzero_si512();
  return r;
}

/// How a cached point enters an addition, for each half: as it is, or negated. Negation swaps Y - X with Y + X, and in the second step sum with difference.
typedef struct {
  __m512i operand, left, right;
} signs;

INLINE signs signs_of(int first, int second) {
  // After the first step the lanes are E, H, G, F; X = E F, Y = G H, Z = F G, T = E H.
  const __m256i operand0 = _mm256_setr_epi64x(0, 1, 2, 3), operand1 = _mm256_setr_epi64x(1, 0, 2, 3);
  const __m256i left0 = _mm256_setr_epi64x(0, 2, 3, 0), left1 = _mm256_setr_epi64x(0, 3, 2, 0);
  const __m256i right0 = _mm256_setr_epi64x(3, 1, 2, 1), right1 = _mm256_setr_epi64x(2, 1, 3, 1);
  const __m512i half = _mm512_setr_epi64(0, 0, 0, 0, 4, 4, 4, 4);
  signs s;
  s.operand = _mm512_inserti64x4(_mm512_castsi256_si512(first ? operand1 : operand0), second ? operand1 : operand0, 1);
  s.left = _mm512_inserti64x4(_mm512_castsi256_si512(first ? left1 : left0), second ? left1 : left0, 1);
  s.right = _mm512_inserti64x4(_mm512_castsi256_si512(first ? right1 : right0), second ? right1 : right0, 1);
  s.operand = add64(s.operand, half);
  s.left = add64(s.left, half);
  s.right = add64(s.right, half);
  return s;
}

/// The four combinations, made once per call of a kernel.
typedef struct {
  signs of[4];
} sign_table;

INLINE void sign_table_fill(sign_table *table) {
  for (int i = 0; i < 4; i++) table->of[i] = signs_of(i & 1, i >> 1);
}

/// Y - X, Y + X, Z, T, carried.
INLINE fe8 pair_spread(fe8 p) {
  fe8 r;
  for (int i = 0; i < 5; i++) {
    const __m512i swapped = _mm512_permutex_epi64(p.l[i], ORDER(1, 0, 2, 3));
    const __m512i sum = _mm512_mask_add_epi64(p.l[i], LANE1, p.l[i], swapped);
    r.l[i] = _mm512_mask_sub_epi64(sum, LANE0, add64(swapped, bias2(i)), p.l[i]);
  }
  return fe8_carry(r);
}

/// The second step of an addition, from (Y1 - X1)(Y2 - X2), (Y1 + X1)(Y2 + X2), 2 Z1 Z2, 2 d T1 T2: E, H, G, F.
INLINE fe8 pair_cross(fe8 m) {
  fe8 r;
  for (int i = 0; i < 5; i++) {
    const __m512i swapped = _mm512_permutex_epi64(m.l[i], ORDER(1, 0, 3, 2));
    const __m512i difference = _mm512_sub_epi64(add64(swapped, bias2(i)), m.l[i]);
    r.l[i] = _mm512_mask_add_epi64(difference, LANE1 | LANE2, m.l[i], swapped);
  }
  return fe8_carry(r);
}

INLINE fe8 pair_add_as_is(fe8 p, fe8 cached) {
  const fe8 n = pair_cross(fe8_mul(pair_spread(p), cached));
  fe8 left, right;
  for (int i = 0; i < 5; i++) {
    left.l[i] = _mm512_permutex_epi64(n.l[i], ORDER(0, 2, 3, 0));
    right.l[i] = _mm512_permutex_epi64(n.l[i], ORDER(3, 1, 2, 1));
  }
  return fe8_mul(left, right);
}

INLINE fe8 pair_add(fe8 p, fe8 cached, const signs *s) {
  fe8 operand;
  for (int i = 0; i < 5; i++) operand.l[i] = _mm512_permutexvar_epi64(s->operand, cached.l[i]);
  const fe8 n = pair_cross(fe8_mul(pair_spread(p), operand));
  fe8 left, right;
  for (int i = 0; i < 5; i++) {
    left.l[i] = _mm512_permutexvar_epi64(s->left, n.l[i]);
    right.l[i] = _mm512_permutexvar_epi64(s->right, n.l[i]);
  }
  return fe8_mul(left, right);
}

INLINE fe8 pair_double(fe8 p) {
  fe8 d;
  for (int i = 0; i < 5; i++) {
    // X, Y, Z, X + Y
    const __m512i copied = _mm512_permutex_epi64(p.l[i], ORDER(0, 1, 2, 0));
    d.l[i] = _mm512_mask_add_epi64(copied, LANE3, copied, _mm512_permutex_epi64(p.l[i], ORDER(1, 1, 1, 1)));
  }
  const fe8 m = fe8_sqr(fe8_carry(d));
  fe8 n;
  for (int i = 0; i < 5; i++) {
    const __m512i xx = _mm512_permutex_epi64(m.l[i], ORDER(0, 0, 0, 0)), yy = _mm512_permutex_epi64(m.l[i], ORDER(1, 1, 1, 1));
    // E = (X + Y)^2 - XX - YY, H = XX + YY, G = YY - XX, F = 2 ZZ + XX - YY
    __m512i t = _mm512_maskz_permutex_epi64(LANE0 | LANE3, m.l[i], ORDER(3, 0, 0, 2));
    t = _mm512_mask_add_epi64(t, LANE3, t, t);
    t = add64(t, bias4(i));
    t = _mm512_mask_add_epi64(t, LANE1 | LANE3, t, xx);
    t = _mm512_mask_sub_epi64(t, LANE0 | LANE2, t, xx);
    t = _mm512_mask_add_epi64(t, LANE1 | LANE2, t, yy);
    n.l[i] = _mm512_mask_sub_epi64(t, LANE0 | LANE3, t, yy);
  }
  n = fe8_carry(n);
  fe8 left, right;
  for (int i = 0; i < 5; i++) {
    left.l[i] = _mm512_permutex_epi64(n.l[i], ORDER(0, 2, 3, 0));
    right.l[i] = _mm512_permutex_epi64(n.l[i], ORDER(3, 1, 2, 1));
  }
  return fe8_mul(left, right);
}

/// The cached form: Y - X, Y + X, 2 Z, 2 d T.
INLINE fe8 pair_cached(fe8 p) {
  fe8 factor;
  factor.l[0] = lanes4(1, 1, 2, 0x69b9426b2f159);
  factor.l[1] = lanes4(0, 0, 0, 0x35050762add7a);
  factor.l[2] = lanes4(0, 0, 0, 0x3cf44c0038052);
  factor.l[3] = lanes4(0, 0, 0, 0x6738cc7407977);
  factor.l[4] = lanes4(0, 0, 0, 0x2406d9dc56dff);
  return fe8_mul(pair_spread(p), factor);
}

/// The sum of both halves, in the first half.
INLINE fe8 pair_join(fe8 p) {
  const fe8 cached = pair_cached(p);
  fe8 other;
  for (int i = 0; i < 5; i++) other.l[i] = _mm512_shuffle_i64x2(cached.l[i], cached.l[i], ORDER(2, 3, 0, 1));
  return pair_add_as_is(p, other);
}

#endif
