// Eight elements of GF(2^255 - 19), radix 2^51, one limb of each per register.
//
// Bounds: a product takes limbs below 2^52 and gives weak ones, below 2^51 + 2^14. A sum or difference of weak values is carried once before it is multiplied.
#ifndef CED25519_FIELD_H
#define CED25519_FIELD_H

#include <immintrin.h>
#include <stdint.h>

#define IFMA __attribute__((target("avx512f,avx512ifma,avx512vl,avx512dq,avx512bw")))
#define INLINE static inline __attribute__((always_inline)) IFMA

typedef struct {
  __m512i l[5];
} fe8;

INLINE __m512i word(uint64_t value) { return _mm512_set1_epi64((long long)value); }
INLINE __m512i mask51(void) { return word((1ULL << 51) - 1); }
INLINE __m512i lo52(__m512i sum, __m512i a, __m512i b) { return _mm512_madd52lo_epu64(sum, a, b); }
INLINE __m512i hi52(__m512i sum, __m512i a, __m512i b) { return _mm512_madd52hi_epu64(sum, a, b); }
INLINE __m512i add64(__m512i a, __m512i b) { return _mm512_add_epi64(a, b); }
INLINE __m512i twice(__m512i a) { return _mm512_add_epi64(a, a); }

INLINE fe8 fe8_load(const uint64_t *limbs) {
  fe8 r;
  for (int i = 0; i < 5; i++) r.l[i] = _mm512_loadu_si512(limbs + 8 * i);
  return r;
}

INLINE void fe8_store(uint64_t *limbs, fe8 a) {
  for (int i = 0; i < 5; i++) _mm512_storeu_si512(limbs + 8 * i, a.l[i]);
}

INLINE fe8 fe8_constant(uint64_t l0, uint64_t l1, uint64_t l2, uint64_t l3, uint64_t l4) {
  return (fe8){{word(l0), word(l1), word(l2), word(l3), word(l4)}};
}

INLINE fe8 fe8_small(uint64_t value) { return fe8_constant(value, 0, 0, 0, 0); }
INLINE fe8 fe8_d(void) { return fe8_constant(0x34dca135978a3, 0x1a8283b156ebd, 0x5e7a26001c029, 0x739c663a03cbb, 0x52036cee2b6ff); }
INLINE fe8 fe8_double_d(void) { return fe8_constant(0x69b9426b2f159, 0x35050762add7a, 0x3cf44c0038052, 0x6738cc7407977, 0x2406d9dc56dff); }
INLINE fe8 fe8_sqrt_minus_one(void) { return fe8_constant(0x61b274a0ea0b0, 0xd5a5fc8f189d, 0x7ef5e9cbd0c60, 0x78595a6804c9e, 0x2b8324804fc1d); }

/// One parallel carry: limbs below 2^61 become weak. 19 times the top carry is below 2^52, as the product needs.
INLINE fe8 fe8_carry(fe8 a) {
  const __m512i mask = mask51();
  fe8 r;
  r.l[0] = lo52(_mm512_and_si512(a.l[0], mask), _mm512_srli_epi64(a.l[4], 51), word(19));
  for (int i = 1; i < 5; i++) r.l[i] = add64(_mm512_and_si512(a.l[i], mask), _mm512_srli_epi64(a.l[i - 1], 51));
  return r;
}

/// Columns 0 to 9 of a product, each below 2^57: column k + 5 counts 19 times in column k.
INLINE fe8 fe8_fold(const __m512i *c) {
  fe8 r;
  // Sums below 2^62. One multiplication where additions and a shift would be four: they, not the products, are what a square waits for.
  for (int i = 0; i < 5; i++) r.l[i] = add64(c[i], _mm512_mullo_epi64(c[i + 5], word(19)));
  return fe8_carry(r);
}

INLINE fe8 fe8_mul(fe8 a, fe8 b) {
  const __m512i zero = _mm512_setzero_si512();
  // A 104-bit product has its low 52 bits in its own column and the rest, which weighs 2^52 = 2 * 2^51, twice in the next.
  __m512i lo[10], hi[10];
  for (int i = 0; i < 10; i++) lo[i] = hi[i] = zero;
#pragma clang loop unroll(full)
  for (int i = 0; i < 5; i++) {
#pragma clang loop unroll(full)
    for (int j = 0; j < 5; j++) {
      lo[i + j] = lo52(lo[i + j], a.l[i], b.l[j]);
      hi[i + j + 1] = hi52(hi[i + j + 1], a.l[i], b.l[j]);
    }
  }
  __m512i c[10];
  for (int i = 0; i < 10; i++) c[i] = add64(lo[i], twice(hi[i]));
  return fe8_fold(c);
}

INLINE fe8 fe8_sqr(fe8 a) {
  const __m512i zero = _mm512_setzero_si512();
  __m512i c[10];
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
  return fe8_fold(c);
}

/// Not carried.
INLINE fe8 fe8_plus(fe8 a, fe8 b) {
  fe8 r;
  for (int i = 0; i < 5; i++) r.l[i] = add64(a.l[i], b.l[i]);
  return r;
}

/// Limbs of 2 p, above every weak limb; limbs of 4 p, above the sum of two.
INLINE __m512i bias2(int limb) { return word(limb == 0 ? (1ULL << 52) - 38 : (1ULL << 52) - 2); }
INLINE __m512i bias4(int limb) { return word(limb == 0 ? (1ULL << 53) - 76 : (1ULL << 53) - 4); }

/// Not carried; b is weak.
INLINE fe8 fe8_minus(fe8 a, fe8 b) {
  fe8 r;
  for (int i = 0; i < 5; i++) r.l[i] = _mm512_sub_epi64(add64(a.l[i], bias2(i)), b.l[i]);
  return r;
}

/// The value below p, of weak limbs.
INLINE fe8 fe8_canonical(fe8 a) {
  const __m512i mask = mask51();
  a = fe8_carry(a);
  // q is 1 exactly when the value is at least p: adding 19 then carries out of bit 255.
  __m512i q = _mm512_srli_epi64(add64(a.l[0], word(19)), 51);
  for (int i = 1; i < 5; i++) q = _mm512_srli_epi64(add64(a.l[i], q), 51);
  __m512i carry = lo52(_mm512_setzero_si512(), q, word(19));
  for (int i = 0; i < 5; i++) {
    a.l[i] = add64(a.l[i], carry);
    carry = _mm512_srli_epi64(a.l[i], 51);
    a.l[i] = _mm512_and_si512(a.l[i], mask);
  }
  return a;
}

INLINE __mmask8 fe8_is_zero(fe8 a) {
  a = fe8_canonical(a);
  const __m512i any = _mm512_or_si512(_mm512_or_si512(_mm512_or_si512(a.l[0], a.l[1]), _mm512_or_si512(a.l[2], a.l[3])), a.l[4]);
  return _mm512_testn_epi64_mask(any, any);
}

INLINE fe8 fe8_select(__mmask8 lanes, fe8 a, fe8 b) {
  fe8 r;
  for (int i = 0; i < 5; i++) r.l[i] = _mm512_mask_blend_epi64(lanes, a.l[i], b.l[i]);
  return r;
}

#endif
