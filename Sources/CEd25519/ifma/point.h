// One point in 256-bit registers: X, Y, Z, T in the four lanes.
#ifndef CED25519_IFMA_POINT_H
#define CED25519_IFMA_POINT_H

#include "../shared/elements.h"

/// A group is one point: X, Y, Z, T of an extended one; Y - X, Y + X, 2 Z, 2 d T of a cached one.
typedef fe group;
enum { POINTS = 1 };

enum { LANE0 = 1, LANE1 = 2, LANE2 = 4, LANE3 = 8 };

INLINE group group_load(const uint64_t *const *rows) { return fe_load(rows[0]); }
INLINE void group_store(uint64_t *const *rows, group p) { fe_store(rows[0], p); }

INLINE group group_identity(void) {
  fe r;
  r.l[0] = _mm256_setr_epi64x(0, 1, 1, 0);
  for (int i = 1; i < 5; i++) r.l[i] = zero();
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

INLINE void sign_table_fill(sign_table *table) {
  // After the first step the lanes are E, H, G, F; X = E F, Y = G H, Z = F G, T = E H.
  table->of[0] = (point_signs){_mm256_setr_epi64x(0, 1, 2, 3), _mm256_setr_epi64x(0, 2, 3, 0), _mm256_setr_epi64x(3, 1, 2, 1)};
  table->of[1] = (point_signs){_mm256_setr_epi64x(1, 0, 2, 3), _mm256_setr_epi64x(0, 3, 2, 0), _mm256_setr_epi64x(2, 1, 3, 1)};
}

typedef const point_signs *signs;
INLINE signs signs_of(const sign_table *table, unsigned negative) { return &table->of[negative]; }

/// Y - X, Y + X, Z, T, carried.
INLINE group group_spread(group p) {
  fe r;
  for (int i = 0; i < 5; i++) {
    const vec swapped = _mm256_permutex_epi64(p.l[i], ORDER(1, 0, 2, 3));
    const vec sum = _mm256_mask_add_epi64(p.l[i], LANE1, p.l[i], swapped);
    r.l[i] = _mm256_mask_sub_epi64(sum, LANE0, add64(swapped, bias2(i)), p.l[i]);
  }
  return fe_carry(r);
}

/// The second step of an addition, from (Y1 - X1)(Y2 - X2), (Y1 + X1)(Y2 + X2), 2 Z1 Z2, 2 d T1 T2: E, H, G, F.
INLINE group group_cross(group m) {
  fe r;
  for (int i = 0; i < 5; i++) {
    const vec swapped = _mm256_permutex_epi64(m.l[i], ORDER(1, 0, 3, 2));
    const vec difference = sub64(add64(swapped, bias2(i)), m.l[i]);
    r.l[i] = _mm256_mask_add_epi64(difference, LANE1 | LANE2, m.l[i], swapped);
  }
  return fe_carry(r);
}

INLINE group group_add_as_is(group p, group cached) {
  const fe n = group_cross(fe_mul(group_spread(p), cached));
  fe left, right;
  for (int i = 0; i < 5; i++) {
    left.l[i] = _mm256_permutex_epi64(n.l[i], ORDER(0, 2, 3, 0));
    right.l[i] = _mm256_permutex_epi64(n.l[i], ORDER(3, 1, 2, 1));
  }
  return fe_mul(left, right);
}

INLINE group group_add(group p, group cached, signs s) {
  fe operand;
  for (int i = 0; i < 5; i++) operand.l[i] = _mm256_permutexvar_epi64(s->operand, cached.l[i]);
  const fe n = group_cross(fe_mul(group_spread(p), operand));
  fe left, right;
  for (int i = 0; i < 5; i++) {
    left.l[i] = _mm256_permutexvar_epi64(s->left, n.l[i]);
    right.l[i] = _mm256_permutexvar_epi64(s->right, n.l[i]);
  }
  return fe_mul(left, right);
}

INLINE group group_double(group p) {
  fe d;
  for (int i = 0; i < 5; i++) {
    // X, Y, Z, X + Y
    const vec copied = _mm256_permutex_epi64(p.l[i], ORDER(0, 1, 2, 0));
    d.l[i] = _mm256_mask_add_epi64(copied, LANE3, copied, _mm256_permutex_epi64(p.l[i], ORDER(1, 1, 1, 1)));
  }
  const fe m = fe_sqr(fe_carry(d));
  fe n;
  for (int i = 0; i < 5; i++) {
    const vec xx = _mm256_permutex_epi64(m.l[i], ORDER(0, 0, 0, 0)), yy = _mm256_permutex_epi64(m.l[i], ORDER(1, 1, 1, 1));
    // E = (X + Y)^2 - XX - YY, H = XX + YY, G = YY - XX, F = 2 ZZ + XX - YY
    vec t = _mm256_maskz_permutex_epi64(LANE0 | LANE3, m.l[i], ORDER(3, 0, 0, 2));
    t = _mm256_mask_add_epi64(t, LANE3, t, t);
    t = add64(t, bias4(i));
    t = _mm256_mask_add_epi64(t, LANE1 | LANE3, t, xx);
    t = _mm256_mask_sub_epi64(t, LANE0 | LANE2, t, xx);
    t = _mm256_mask_add_epi64(t, LANE1 | LANE2, t, yy);
    n.l[i] = _mm256_mask_sub_epi64(t, LANE0 | LANE3, t, yy);
  }
  n = fe_carry(n);
  fe left, right;
  for (int i = 0; i < 5; i++) {
    left.l[i] = _mm256_permutex_epi64(n.l[i], ORDER(0, 2, 3, 0));
    right.l[i] = _mm256_permutex_epi64(n.l[i], ORDER(3, 1, 2, 1));
  }
  return fe_mul(left, right);
}

/// The cached form: Y - X, Y + X, 2 Z, 2 d T.
INLINE group group_cached(group p) {
  const fe double_d = fe_double_d();
  fe factor;
  for (int i = 0; i < 5; i++) factor.l[i] = blend(LANE3, i == 0 ? _mm256_setr_epi64x(1, 1, 2, 0) : zero(), double_d.l[i]);
  return fe_mul(group_spread(p), factor);
}

/// The point of a group.
INLINE group group_join(group p) { return p; }

#endif
