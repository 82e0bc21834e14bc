// Eight elements of GF(2^255 - 19), radix 2^51, one limb of each per register.
//
// Bounds: a product takes limbs below 2^52 and gives weak ones, below 2^51 + 2^14. A sum or difference of weak values is carried once before it is multiplied.
#ifndef CED25519_IFMA_FIELD_H
#define CED25519_IFMA_FIELD_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define TARGET __attribute__((target("avx512f,avx512ifma,avx512vl,avx512dq,avx512bw")))
#define INLINE static inline __attribute__((always_inline)) TARGET

/// Elements in a register, and limbs of one as the tests of the arithmetic give them.
enum { LANES = 8, LIMBS = 5 };

typedef __m512i vec;
typedef __mmask8 lanemask;

typedef struct {
  vec l[5];
} fe;

INLINE vec word(uint64_t value) { return _mm512_set1_epi64((long long)value); }
INLINE vec mask51(void) { return word((1ULL << 51) - 1); }
INLINE vec lo52(vec sum, vec a, vec b) { return _mm512_madd52lo_epu64(sum, a, b); }
INLINE vec hi52(vec sum, vec a, vec b) { return _mm512_madd52hi_epu64(sum, a, b); }
INLINE vec add64(vec a, vec b) { return _mm512_add_epi64(a, b); }
INLINE vec twice(vec a) { return _mm512_add_epi64(a, a); }

INLINE fe fe_load(const uint64_t *limbs) {
  fe r;
  for (int i = 0; i < 5; i++) r.l[i] = _mm512_loadu_si512(limbs + 8 * i);
  return r;
}

INLINE void fe_store(uint64_t *limbs, fe a) {
  for (int i = 0; i < 5; i++) _mm512_storeu_si512(limbs + 8 * i, a.l[i]);
}

/// Words are of radix 2^51 everywhere.
INLINE void from_radix51(uint64_t *words, size_t count) { (void)words, (void)count; }
INLINE void to_radix51(uint64_t *words, size_t count) { (void)words, (void)count; }
INLINE fe fe_load51(const uint64_t *words) { return fe_load(words); }
INLINE fe fe_from_limbs(const uint64_t *limbs) { return fe_load(limbs); }
INLINE void fe_to_limbs(uint64_t *limbs, fe a) { fe_store(limbs, a); }

INLINE fe fe_constant(uint64_t l0, uint64_t l1, uint64_t l2, uint64_t l3, uint64_t l4) {
  return (fe){{word(l0), word(l1), word(l2), word(l3), word(l4)}};
}

/// One parallel carry: limbs below 2^61 become weak. 19 times the top carry is below 2^52, as the product needs.
INLINE fe fe_carry(fe a) {
  const vec mask = mask51();
  fe r;
  r.l[0] = lo52(_mm512_and_si512(a.l[0], mask), _mm512_srli_epi64(a.l[4], 51), word(19));
  for (int i = 1; i < 5; i++) r.l[i] = add64(_mm512_and_si512(a.l[i], mask), _mm512_srli_epi64(a.l[i - 1], 51));
  return r;
}

/// Columns 0 to 9 of a product, each below 2^57: column k + 5 counts 19 times in column k.
INLINE fe fe_fold(const vec *c) {
  fe r;
  // Sums below 2^62. One multiplication where additions and a shift would be four: they, not the products, are what a square waits for.
  for (int i = 0; i < 5; i++) r.l[i] = add64(c[i], _mm512_mullo_epi64(c[i + 5], word(19)));
  return fe_carry(r);
}

INLINE fe fe_mul(fe a, fe b) {
  const vec zero = _mm512_setzero_si512();
  // A 104-bit product has its low 52 bits in its own column and the rest, which weighs 2^52 = 2 * 2^51, twice in the next.
  vec lo[10], hi[10];
  for (int i = 0; i < 10; i++) lo[i] = hi[i] = zero;
#pragma clang loop unroll(full)
  for (int i = 0; i < 5; i++) {
#pragma clang loop unroll(full)
    for (int j = 0; j < 5; j++) {
      lo[i + j] = lo52(lo[i + j], a.l[i], b.l[j]);
      hi[i + j + 1] = hi52(hi[i + j + 1], a.l[i], b.l[j]);
    }
  }
  vec c[10];
  for (int i = 0; i < 10; i++) c[i] = add64(lo[i], twice(hi[i]));
  return fe_fold(c);
}

INLINE fe fe_sqr(fe a) {
  const vec zero = _mm512_setzero_si512();
  vec c[10];
  for (int i = 0; i < 10; i++) c[i] = zero;
  // What counts four times is doubled with what counts twice, and then again before the rest is added: fewer additions than three sums apart.
#pragma clang loop unroll(full)
  for (int i = 0; i < 5; i++) {
#pragma clang loop unroll(full)
    for (int j = i + 1; j < 5; j++) c[i + j + 1] = hi52(c[i + j + 1], a.l[i], a.l[j]);
  }
  for (int i = 2; i < 9; i++) c[i] = twice(c[i]);
#pragma clang loop unroll(full)
  for (int i = 0; i < 5; i++) {
    c[2 * i + 1] = hi52(c[2 * i + 1], a.l[i], a.l[i]);
#pragma clang loop unroll(full)
    for (int j = i + 1; j < 5; j++) c[i + j] = lo52(c[i + j], a.l[i], a.l[j]);
  }
  for (int i = 1; i < 10; i++) c[i] = twice(c[i]);
#pragma clang loop unroll(full)
  for (int i = 0; i < 5; i++) c[2 * i] = lo52(c[2 * i], a.l[i], a.l[i]);
  return fe_fold(c);
}

/// Not carried.
INLINE fe fe_plus(fe a, fe b) {
  fe r;
  for (int i = 0; i < 5; i++) r.l[i] = add64(a.l[i], b.l[i]);
  return r;
}

/// Limbs of 2 p, above every weak limb; limbs of 4 p, above the sum of two.
INLINE vec bias2(int limb) { return word(limb == 0 ? (1ULL << 52) - 38 : (1ULL << 52) - 2); }
INLINE vec bias4(int limb) { return word(limb == 0 ? (1ULL << 53) - 76 : (1ULL << 53) - 4); }

/// Not carried; b is weak.
INLINE fe fe_minus(fe a, fe b) {
  fe r;
  for (int i = 0; i < 5; i++) r.l[i] = _mm512_sub_epi64(add64(a.l[i], bias2(i)), b.l[i]);
  return r;
}

/// The value below p, of weak limbs.
INLINE fe fe_canonical(fe a) {
  const vec mask = mask51();
  a = fe_carry(a);
  // q is 1 exactly when the value is at least p: adding 19 then carries out of bit 255.
  vec q = _mm512_srli_epi64(add64(a.l[0], word(19)), 51);
  for (int i = 1; i < 5; i++) q = _mm512_srli_epi64(add64(a.l[i], q), 51);
  vec carry = lo52(_mm512_setzero_si512(), q, word(19));
  for (int i = 0; i < 5; i++) {
    a.l[i] = add64(a.l[i], carry);
    carry = _mm512_srli_epi64(a.l[i], 51);
    a.l[i] = _mm512_and_si512(a.l[i], mask);
  }
  return a;
}

/// One bit for each element, the first one lowest.
INLINE unsigned bits_of(lanemask lanes) { return lanes; }
INLINE lanemask lanes_of(unsigned bits) { return (lanemask)bits; }

/// Of canonical values: those that are zero, and those that are odd.
INLINE unsigned fe_zeros(fe a) {
  const vec any = _mm512_or_si512(_mm512_or_si512(_mm512_or_si512(a.l[0], a.l[1]), _mm512_or_si512(a.l[2], a.l[3])), a.l[4]);
  return _mm512_testn_epi64_mask(any, any);
}
INLINE unsigned fe_odds(fe a) { return _mm512_test_epi64_mask(a.l[0], word(1)); }

/// b in those lanes, a in the others.
INLINE fe fe_select(lanemask lanes, fe a, fe b) {
  fe r;
  for (int i = 0; i < 5; i++) r.l[i] = _mm512_mask_blend_epi64(lanes, a.l[i], b.l[i]);
  return r;
}

/// One value in every lane.
INLINE fe fe_broadcast(const uint64_t *entry, int value) {
  fe r;
  for (int i = 0; i < 5; i++) r.l[i] = word(entry[4 * i + value]);
  return r;
}

/// Ready to be multiplied.
INLINE fe fe_sum(fe a, fe b) { return fe_carry(fe_plus(a, b)); }
INLINE fe fe_difference(fe a, fe b) { return fe_carry(fe_minus(a, b)); }

#endif
