// Points in 512-bit registers: two at a time, one in lanes 0 to 3, one in lanes 4 to 7, or eight at a time, one in each lane.
#ifndef CED25519_IFMA_POINTS_H
#define CED25519_IFMA_POINTS_H

#include "../shared/elements.h"

// Lanes of both halves.
enum { LANE0 = 0x11, LANE1 = 0x22, LANE2 = 0x44, LANE3 = 0x88 };

/// A group is two points: X, Y, Z, T of extended ones; Y - X, Y + X, 2 Z, 2 d T of cached ones.
typedef fe group;
enum { POINTS = 2 };

INLINE group group_load(const uint64_t *const *rows) {
  group r;
  for (int i = 0; i < 5; i++) {
    const __m256i low = _mm256_loadu_si256((const __m256i *)(rows[0] + 4 * i));
    r.l[i] = _mm512_inserti64x4(_mm512_castsi256_si512(low), _mm256_loadu_si256((const __m256i *)(rows[1] + 4 * i)), 1);
  }
  return r;
}

INLINE void group_store(uint64_t *const *rows, group a) {
  for (int i = 0; i < 5; i++) {
    _mm256_storeu_si256((__m256i *)(rows[0] + 4 * i), _mm512_castsi512_si256(a.l[i]));
    _mm256_storeu_si256((__m256i *)(rows[1] + 4 * i), _mm512_extracti64x4_epi64(a.l[i], 1));
  }
}

INLINE vec lanes4(uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
  return _mm512_set4_epi64((long long)d, (long long)c, (long long)b, (long long)a);
}

INLINE group group_identity(void) {
  fe r;
  r.l[0] = lanes4(0, 1, 1, 0);
  for (int i = 1; i < 5; i++) r.l[i] = _mm512_setzero_si512();
  return r;
}

/// How a cached point enters an addition, for each half: as it is, or negated. Negation swaps Y - X with Y + X, and in the second step sum with difference.
typedef struct {
  vec operand, left, right;
} group_signs;

INLINE group_signs signs_made(int first, int second) {
  // After the first step the lanes are E, H, G, F; X = E F, Y = G H, Z = F G, T = E H.
  const __m256i operand0 = _mm256_setr_epi64x(0, 1, 2, 3), operand1 = _mm256_setr_epi64x(1, 0, 2, 3);
  const __m256i left0 = _mm256_setr_epi64x(0, 2, 3, 0), left1 = _mm256_setr_epi64x(0, 3, 2, 0);
  const __m256i right0 = _mm256_setr_epi64x(3, 1, 2, 1), right1 = _mm256_setr_epi64x(2, 1, 3, 1);
  const vec half = _mm512_setr_epi64(0, 0, 0, 0, 4, 4, 4, 4);
  group_signs s;
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
  group_signs of[4];
} sign_table;

INLINE void sign_table_fill(sign_table *table) {
  for (int i = 0; i < 4; i++) table->of[i] = signs_made(i & 1, i >> 1);
}

typedef const group_signs *signs;
INLINE signs signs_of(const sign_table *table, unsigned negative) { return &table->of[negative]; }

/// Y - X, Y + X, Z, T, carried.
INLINE group group_spread(group p) {
  fe r;
  for (int i = 0; i < 5; i++) {
    const vec swapped = _mm512_permutex_epi64(p.l[i], ORDER(1, 0, 2, 3));
    const vec sum = _mm512_mask_add_epi64(p.l[i], LANE1, p.l[i], swapped);
    r.l[i] = _mm512_mask_sub_epi64(sum, LANE0, add64(swapped, bias2(i)), p.l[i]);
  }
  return fe_carry(r);
}

/// The second step of an addition, from (Y1 - X1)(Y2 - X2), (Y1 + X1)(Y2 + X2), 2 Z1 Z2, 2 d T1 T2: E, H, G, F.
INLINE group group_cross(group m) {
  fe r;
  for (int i = 0; i < 5; i++) {
    const vec swapped = _mm512_permutex_epi64(m.l[i], ORDER(1, 0, 3, 2));
    const vec difference = _mm512_sub_epi64(add64(swapped, bias2(i)), m.l[i]);
    r.l[i] = _mm512_mask_add_epi64(difference, LANE1 | LANE2, m.l[i], swapped);
  }
  return fe_carry(r);
}

INLINE group group_add_as_is(group p, group cached) {
  const fe n = group_cross(fe_mul(group_spread(p), cached));
  fe left, right;
  for (int i = 0; i < 5; i++) {
    left.l[i] = _mm512_permutex_epi64(n.l[i], ORDER(0, 2, 3, 0));
    right.l[i] = _mm512_permutex_epi64(n.l[i], ORDER(3, 1, 2, 1));
  }
  return fe_mul(left, right);
}

INLINE group group_add(group p, group cached, signs s) {
  fe operand;
  for (int i = 0; i < 5; i++) operand.l[i] = _mm512_permutexvar_epi64(s->operand, cached.l[i]);
  const fe n = group_cross(fe_mul(group_spread(p), operand));
  fe left, right;
  for (int i = 0; i < 5; i++) {
    left.l[i] = _mm512_permutexvar_epi64(s->left, n.l[i]);
    right.l[i] = _mm512_permutexvar_epi64(s->right, n.l[i]);
  }
  return fe_mul(left, right);
}

INLINE group group_double(group p) {
  fe d;
  for (int i = 0; i < 5; i++) {
    // X, Y, Z, X + Y
    const vec copied = _mm512_permutex_epi64(p.l[i], ORDER(0, 1, 2, 0));
    d.l[i] = _mm512_mask_add_epi64(copied, LANE3, copied, _mm512_permutex_epi64(p.l[i], ORDER(1, 1, 1, 1)));
  }
  const fe m = fe_sqr(fe_carry(d));
  fe n;
  for (int i = 0; i < 5; i++) {
    const vec xx = _mm512_permutex_epi64(m.l[i], ORDER(0, 0, 0, 0)), yy = _mm512_permutex_epi64(m.l[i], ORDER(1, 1, 1, 1));
    // E = (X + Y)^2 - XX - YY, H = XX + YY, G = YY - XX, F = 2 ZZ + XX - YY
    vec t = _mm512_maskz_permutex_epi64(LANE0 | LANE3, m.l[i], ORDER(3, 0, 0, 2));
    t = _mm512_mask_add_epi64(t, LANE3, t, t);
    t = add64(t, bias4(i));
    t = _mm512_mask_add_epi64(t, LANE1 | LANE3, t, xx);
    t = _mm512_mask_sub_epi64(t, LANE0 | LANE2, t, xx);
    t = _mm512_mask_add_epi64(t, LANE1 | LANE2, t, yy);
    n.l[i] = _mm512_mask_sub_epi64(t, LANE0 | LANE3, t, yy);
  }
  n = fe_carry(n);
  fe left, right;
  for (int i = 0; i < 5; i++) {
    left.l[i] = _mm512_permutex_epi64(n.l[i], ORDER(0, 2, 3, 0));
    right.l[i] = _mm512_permutex_epi64(n.l[i], ORDER(3, 1, 2, 1));
  }
  return fe_mul(left, right);
}

/// The cached form: Y - X, Y + X, 2 Z, 2 d T.
INLINE group group_cached(group p) {
  fe factor;
  factor.l[0] = lanes4(1, 1, 2, 0x69b9426b2f159);
  factor.l[1] = lanes4(0, 0, 0, 0x35050762add7a);
  factor.l[2] = lanes4(0, 0, 0, 0x3cf44c0038052);
  factor.l[3] = lanes4(0, 0, 0, 0x6738cc7407977);
  factor.l[4] = lanes4(0, 0, 0, 0x2406d9dc56dff);
  return fe_mul(group_spread(p), factor);
}

/// The first half of one and the second half of the other.
INLINE group group_of_halves(group first, group second) {
  fe r;
  for (int i = 0; i < 5; i++) r.l[i] = _mm512_mask_blend_epi64(0xf0, first.l[i], second.l[i]);
  return r;
}

/// The sum of both halves, in the first half.
INLINE group group_join(group p) {
  const fe cached = group_cached(p);
  fe other;
  for (int i = 0; i < 5; i++) other.l[i] = _mm512_shuffle_i64x2(cached.l[i], cached.l[i], ORDER(2, 3, 0, 1));
  return group_add_as_is(p, other);
}

/// Eight points, one in each lane: X, Y, Z, T.
typedef struct {
  fe v[4];
} points;

/// Eight rows of eight words, columns turned into rows.
INLINE void transpose(vec *r) {
  vec t[8], u[8];
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
INLINE void transpose4(vec *r) {
  const vec a = _mm512_unpacklo_epi64(r[0], r[1]), b = _mm512_unpackhi_epi64(r[0], r[1]);
  const vec c = _mm512_unpacklo_epi64(r[2], r[3]), d = _mm512_unpackhi_epi64(r[2], r[3]);
  r[0] = _mm512_mask_permutex_epi64(a, 0xcc, c, 0x4e);
  r[1] = _mm512_mask_permutex_epi64(b, 0xcc, d, 0x4e);
  r[2] = _mm512_mask_permutex_epi64(c, 0x33, a, 0x4e);
  r[3] = _mm512_mask_permutex_epi64(d, 0x33, b, 0x4e);
}

INLINE points points_load(uint64_t *const *rows) {
  points p;
  vec w[8];
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

INLINE void points_store(uint64_t *const *rows, points p) {
  vec w[8];
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

/// Finds for each lane the row that its digit's magnitude numbers among `rows_count` entries of its own, and gives the lanes whose digit is negative.
INLINE lanemask points_rows(uint64_t **rows, uint64_t *buckets, size_t rows_count, const int16_t *digits) {
  const vec starts = _mm512_mullo_epi64(_mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7), word(8 * rows_count * CED25519_ENTRY_WORDS));
  const vec digit = _mm512_cvtepi16_epi64(_mm_loadu_si128((const __m128i *)digits));
  const vec first = add64(starts, word((uint64_t)buckets));
  _mm512_storeu_si512(rows, add64(first, _mm512_mullo_epi64(_mm512_abs_epi64(digit), word(8 * CED25519_ENTRY_WORDS))));
  return _mm512_movepi64_mask(digit);
}

#endif
