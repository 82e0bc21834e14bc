// Points in AVX2 registers: one at a time with X, Y, Z, T in the four lanes, or four at a time, one in each lane.
#ifndef CED25519_AVX2_POINTS_H
#define CED25519_AVX2_POINTS_H

#include "../shared/elements.h"

/// A group is one point: X, Y, Z, T of an extended one; Y - X, Y + X, 2 Z, 2 d T of a cached one. Two beside each other take twice the time: nothing waits.
typedef fe group;
enum { POINTS = 1 };

#define ORDER(a, b, c, d) _MM_SHUFFLE(d, c, b, a)
// Halves of 32 bits that `_mm256_blend_epi32` takes from its second operand.
enum { LANE0 = 0x03, LANE1 = 0x0c, LANE2 = 0x30, LANE3 = 0xc0 };

INLINE group group_load(const uint64_t *const *rows) { return fe_load(rows[0]); }
INLINE void group_store(uint64_t *const *rows, group p) { fe_store(rows[0], p); }

INLINE group group_identity(void) {
  fe r;
  r.l[0] = _mm256_setr_epi64x(0, 1, 1, 0);
  for (int i = 1; i < 5; i++) r.l[i] = _mm256_setzero_si256();
  return r;
}

/// How a cached point enters an addition: as it is, or negated. Negation swaps Y - X with Y + X, and in the second step sum with difference.
typedef struct {
  vec operand, left, right;
} point_signs;

/// As it is, and negated.
typedef struct {
  point_signs of[2];
} sign_table;

/// The places of four 64-bit words for `_mm256_permutevar8x32_epi32`.
INLINE vec places(int a, int b, int c, int d) { return _mm256_setr_epi32(2 * a, 2 * a + 1, 2 * b, 2 * b + 1, 2 * c, 2 * c + 1, 2 * d, 2 * d + 1); }

INLINE void sign_table_fill(sign_table *table) {
  // After the first step the lanes are E, H, G, F; X = E F, Y = G H, Z = F G, T = E H.
  table->of[0] = (point_signs){places(0, 1, 2, 3), places(0, 2, 3, 0), places(3, 1, 2, 1)};
  table->of[1] = (point_signs){places(1, 0, 2, 3), places(0, 3, 2, 0), places(2, 1, 3, 1)};
}

typedef const point_signs *signs;
INLINE signs signs_of(const sign_table *table, unsigned negative) { return &table->of[negative]; }

/// Y - X, Y + X, Z, T: tight.
INLINE group group_spread(group p) {
  fe r;
  for (int i = 0; i < 5; i++) {
    // -X, Y, Z, T and Y, X, 0, 0
    const vec signed_ = _mm256_blend_epi32(p.l[i], _mm256_sub_epi32(bias2(i), p.l[i]), LANE0);
    const vec swapped = _mm256_blend_epi32(_mm256_shuffle_epi32(p.l[i], 0x4e), _mm256_setzero_si256(), LANE2 | LANE3);
    r.l[i] = _mm256_add_epi32(signed_, swapped);
  }
  return r;
}

/// The second step of an addition, from (Y1 - X1)(Y2 - X2), (Y1 + X1)(Y2 + X2), 2 Z1 Z2, 2 d T1 T2: E, H, G, F, tight.
INLINE group group_cross(group m) {
  fe r;
  for (int i = 0; i < 5; i++) {
    const vec signed_ = _mm256_blend_epi32(m.l[i], _mm256_sub_epi32(bias2(i), m.l[i]), LANE0 | LANE3);
    r.l[i] = _mm256_add_epi32(signed_, _mm256_shuffle_epi32(m.l[i], 0x4e));
  }
  return r;
}

INLINE group group_add_as_is(group p, group cached) {
  const fe n = group_cross(fe_mul(group_spread(p), cached));
  fe left, right;
  for (int i = 0; i < 5; i++) {
    left.l[i] = _mm256_permute4x64_epi64(n.l[i], ORDER(0, 2, 3, 0));
    right.l[i] = _mm256_permute4x64_epi64(n.l[i], ORDER(3, 1, 2, 1));
  }
  return fe_mul(left, right);
}

INLINE group group_add(group p, group cached, signs s) {
  for (int i = 0; i < 5; i++) cached.l[i] = _mm256_permutevar8x32_epi32(cached.l[i], s->operand);
  const fe n = group_cross(fe_mul(group_spread(p), cached));
  fe left, right;
  for (int i = 0; i < 5; i++) {
    left.l[i] = _mm256_permutevar8x32_epi32(n.l[i], s->left);
    right.l[i] = _mm256_permutevar8x32_epi32(n.l[i], s->right);
  }
  return fe_mul(left, right);
}

INLINE group group_double(group p) {
  fe d;
  for (int i = 0; i < 5; i++) {
    // X, Y, Z, X + Y
    const vec copied = _mm256_permute4x64_epi64(p.l[i], ORDER(0, 1, 2, 0));
    const vec y = _mm256_permute4x64_epi64(p.l[i], ORDER(1, 1, 1, 1));
    d.l[i] = _mm256_add_epi32(copied, _mm256_blend_epi32(_mm256_setzero_si256(), y, LANE3));
  }
  const fe m = fe_sqr(d);
  fe n;
  for (int i = 0; i < 5; i++) {
    // E = (X + Y)^2 - XX - YY, H = XX + YY, G = YY - XX, F = 2 ZZ + XX - YY
    const vec xx = _mm256_permute4x64_epi64(m.l[i], ORDER(0, 0, 0, 0)), yy = _mm256_permute4x64_epi64(m.l[i], ORDER(1, 1, 1, 1));
    const vec zero = _mm256_setzero_si256(), negative_yy = _mm256_sub_epi32(bias2(i), yy);
    // S, 0, 0, 2 Z
    vec t = _mm256_blend_epi32(_mm256_permute4x64_epi64(m.l[i], ORDER(3, 0, 0, 2)), zero, LANE1 | LANE2);
    t = _mm256_add_epi32(t, _mm256_blend_epi32(zero, t, LANE3));
    t = _mm256_add_epi32(t, _mm256_blend_epi32(_mm256_sub_epi32(bias2(i), xx), xx, LANE1 | LANE3));
    n.l[i] = _mm256_add_epi32(t, _mm256_blend_epi32(negative_yy, yy, LANE1 | LANE2));
  }
  // Below 5 * 2^26 here: E and F would be too large to be multiplied with each other.
  n = fe_carry(n);
  fe left, right;
  for (int i = 0; i < 5; i++) {
    left.l[i] = _mm256_permute4x64_epi64(n.l[i], ORDER(0, 2, 3, 0));
    right.l[i] = _mm256_permute4x64_epi64(n.l[i], ORDER(3, 1, 2, 1));
  }
  return fe_mul(left, right);
}

/// The cached form: Y - X, Y + X, 2 Z, 2 d T.
INLINE group group_cached(group p) {
  const fe double_d = fe_double_d();
  fe factor;
  for (int i = 0; i < 5; i++) {
    const vec small = i == 0 ? _mm256_setr_epi64x(1, 1, 2, 0) : _mm256_setzero_si256();
    factor.l[i] = _mm256_blend_epi32(small, double_d.l[i], LANE3);
  }
  return fe_mul(group_spread(p), factor);
}

/// What joins the points of a group is not needed for one.
INLINE group group_of_halves(group first, group second) { return (void)second, first; }
INLINE group group_join(group p) { return p; }

/// Four points, one in each lane: X, Y, Z, T.
typedef struct {
  fe v[4];
} points;

INLINE points points_load(uint64_t *const *rows) {
  points p;
  for (int i = 0; i < 5; i++) {
    for (int half = 0; half < 2; half++) {
      const __m128i *r[LANES];
      for (int lane = 0; lane < LANES; lane++) r[lane] = (const __m128i *)(rows[lane] + 4 * i + 2 * half);
      const vec even = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(r[0])), _mm_loadu_si128(r[2]), 1);
      const vec odd_rows = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(r[1])), _mm_loadu_si128(r[3]), 1);
      p.v[2 * half].l[i] = _mm256_unpacklo_epi64(even, odd_rows);
      p.v[2 * half + 1].l[i] = _mm256_unpackhi_epi64(even, odd_rows);
    }
  }
  return p;
}

INLINE void points_store(uint64_t *const *rows, points p) {
  for (int i = 0; i < 5; i++) {
    for (int half = 0; half < 2; half++) {
      const vec even = _mm256_unpacklo_epi64(p.v[2 * half].l[i], p.v[2 * half + 1].l[i]);
      const vec odd_rows = _mm256_unpackhi_epi64(p.v[2 * half].l[i], p.v[2 * half + 1].l[i]);
      __m128i *r[LANES];
      for (int lane = 0; lane < LANES; lane++) r[lane] = (__m128i *)(rows[lane] + 4 * i + 2 * half);
      _mm_storeu_si128(r[0], _mm256_castsi256_si128(even));
      _mm_storeu_si128(r[1], _mm256_castsi256_si128(odd_rows));
      _mm_storeu_si128(r[2], _mm256_extracti128_si256(even, 1));
      _mm_storeu_si128(r[3], _mm256_extracti128_si256(odd_rows, 1));
    }
  }
}

/// Finds for each lane the row that its digit's magnitude numbers among `rows_count` entries of its own, and gives the lanes whose digit is negative.
INLINE lanemask points_rows(uint64_t **rows, uint64_t *buckets, size_t rows_count, const int16_t *digits) {
  for (int lane = 0; lane < LANES; lane++) {
    const int digit = digits[lane], magnitude = digit < 0 ? -digit : digit;
    rows[lane] = buckets + ((size_t)lane * rows_count + (size_t)magnitude) * CED25519_ENTRY_WORDS;
  }
  return _mm256_cmpgt_epi64(_mm256_setzero_si256(), _mm256_cvtepi16_epi64(_mm_loadl_epi64((const __m128i *)digits)));
}

#endif
