// Four elements of GF(2^255 - 19) in AVX2 registers: ten limbs of 26 and 25 bits in turn, of which a 64-bit word holds two, the even one below.
//
// A word is limb 2 i + 2^32 limb 2 i + 1, so sums and differences are five additions of 32-bit halves, and `vpmuludq` takes an even limb as it lies.
// Bounds: a value is weak when even limbs are below 2^26 + 2^14 and odd ones below 2^25 + 2^18. Sums of three weak values and differences of two, to which 2 p is
// added, are tight: even limbs below 3 * 2^26 + 2^16, odd ones below 3 * 2^25 + 2^20. What is below 2^28 + 2^16 and 2^27 + 2^20 is loose. A product takes a loose and a tight
// factor and gives a weak value: 19 times a tight limb is below 2^32, and a column, of ten products, below 2^63.
#ifndef CED25519_AVX2_FIELD_H
#define CED25519_AVX2_FIELD_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define TARGET __attribute__((target("avx2")))
#define INLINE static inline __attribute__((always_inline)) TARGET

/// Elements in a register, and limbs of one as the tests of the arithmetic give them.
enum { LANES = 4, LIMBS = 10 };

typedef __m256i vec;
/// Elements: all bits of those meant are set.
typedef __m256i lanemask;

typedef struct {
  vec l[5];
} fe;

INLINE vec word(uint64_t value) { return _mm256_set1_epi64x((long long)value); }
INLINE vec add64(vec a, vec b) { return _mm256_add_epi64(a, b); }
INLINE vec times(vec a, vec b) { return _mm256_mul_epu32(a, b); }
INLINE vec odd(vec a) { return _mm256_srli_epi64(a, 32); }
INLINE uint64_t packed(uint64_t limb51) { return (limb51 & ((1ULL << 26) - 1)) | limb51 >> 26 << 32; }
INLINE vec packed_masks(void) { return word(((1ULL << 25) - 1) << 32 | ((1ULL << 26) - 1)); }
INLINE vec packed_bits(void) { return word(25ULL << 32 | 26); }

/// Turns words of radix 2^51 into words of two limbs, and back.
INLINE void from_radix51(uint64_t *words, size_t count) {
  for (size_t i = 0; i < count; i++) words[i] = packed(words[i]);
}

INLINE void to_radix51(uint64_t *words, size_t count) {
  for (size_t i = 0; i < count; i++) words[i] = (words[i] & UINT32_MAX) + (words[i] >> 32 << 26);
}

INLINE fe fe_load(const uint64_t *words) {
  fe r;
  for (int i = 0; i < 5; i++) r.l[i] = _mm256_loadu_si256((const vec *)(words + 4 * i));
  return r;
}

INLINE void fe_store(uint64_t *words, fe a) {
  for (int i = 0; i < 5; i++) _mm256_storeu_si256((vec *)(words + 4 * i), a.l[i]);
}

/// Words of radix 2^51 of each element.
INLINE fe fe_load51(const uint64_t *words) {
  fe r = fe_load(words);
  for (int i = 0; i < 5; i++) {
    const vec upper = _mm256_slli_epi64(_mm256_srli_epi64(r.l[i], 26), 32);
    r.l[i] = _mm256_or_si256(_mm256_and_si256(r.l[i], word((1ULL << 26) - 1)), upper);
  }
  return r;
}

INLINE fe fe_constant(uint64_t l0, uint64_t l1, uint64_t l2, uint64_t l3, uint64_t l4) {
  return (fe){{word(packed(l0)), word(packed(l1)), word(packed(l2)), word(packed(l3)), word(packed(l4))}};
}

/// One parallel carry of limbs below 2^32: the value is weak then.
INLINE fe fe_carry(fe a) {
  fe r;
  vec c[5];
  for (int i = 0; i < 5; i++) {
    c[i] = _mm256_srlv_epi32(a.l[i], packed_bits());
    r.l[i] = _mm256_and_si256(a.l[i], packed_masks());
  }
  // The carry of an even limb goes up in its own word, that of an odd one to the even limb of the next.
  for (int i = 0; i < 5; i++) {
    const vec below = i == 0 ? times(odd(c[4]), word(19)) : odd(c[i - 1]);
    r.l[i] = _mm256_add_epi32(r.l[i], _mm256_or_si256(below, _mm256_slli_epi64(c[i], 32)));
  }
  return r;
}

/// Ten columns below 2^63, carried: two chains as far apart as possible.
INLINE fe fe_fold(vec *h) {
  const vec mask26 = word((1ULL << 26) - 1), mask25 = word((1ULL << 25) - 1);
#define CARRY(from, to, bits, mask) \
  h[to] = add64(h[to], _mm256_srli_epi64(h[from], bits)); \
  h[from] = _mm256_and_si256(h[from], mask);
  CARRY(0, 1, 26, mask26) CARRY(5, 6, 25, mask25)
  CARRY(1, 2, 25, mask25) CARRY(6, 7, 26, mask26)
  CARRY(2, 3, 26, mask26) CARRY(7, 8, 25, mask25)
  CARRY(3, 4, 25, mask25) CARRY(8, 9, 26, mask26)
  CARRY(4, 5, 26, mask26)
  // 19 c = 16 c + 2 c + c: the carry may have 39 bits.
  const vec c = _mm256_srli_epi64(h[9], 25);
  h[9] = _mm256_and_si256(h[9], mask25);
  h[0] = add64(h[0], add64(c, add64(_mm256_slli_epi64(c, 1), _mm256_slli_epi64(c, 4))));
  CARRY(5, 6, 25, mask25) CARRY(0, 1, 26, mask26)
#undef CARRY
  fe r;
  for (int i = 0; i < 5; i++) r.l[i] = _mm256_blend_epi32(h[2 * i], _mm256_slli_epi64(h[2 * i + 1], 32), 0xaa);
  return r;
}

/// The product of a loose and a tight value, in this order.
INLINE fe fe_mul(fe f, fe g) {
  const vec nineteen = word(19);
  vec h[10], by[10], by19[10];
#pragma clang loop unroll(full)
  for (int j = 0; j < 10; j++) {
    by[j] = j & 1 ? odd(g.l[j / 2]) : g.l[j / 2];
    by19[j] = times(by[j], nineteen);
  }
  // Row by row: ten sums and one factor are all that has to stay in the sixteen registers.
#pragma clang loop unroll(full)
  for (int i = 0; i < 10; i++) {
    // Odd times odd lies half a bit too low, so the odd limb counts twice: shifted by 31, the bit above an even limb being zero.
    const vec once = i & 1 ? odd(f.l[i / 2]) : f.l[i / 2], twice = _mm256_srli_epi64(f.l[i / 2], 31);
#pragma clang loop unroll(full)
    for (int j = 0; j < 10; j++) {
      const vec term = times(i & j & 1 ? twice : once, i + j < 10 ? by[j] : by19[j]);
      h[(i + j) % 10] = i == 0 ? term : add64(h[(i + j) % 10], term);
    }
    // Keeps the compiler from adding up column by column instead, which spills twice as many registers.
    __asm__("" : "+x"(h[0]), "+x"(h[1]), "+x"(h[2]), "+x"(h[3]), "+x"(h[4]), "+x"(h[5]), "+x"(h[6]), "+x"(h[7]), "+x"(h[8]), "+x"(h[9]));
  }
  return fe_fold(h);
}

/// The square of a tight value.
INLINE fe fe_sqr(fe f) {
  const vec nineteen = word(19);
  vec h[10], once[10], twice[10], once19[10], twice19[10];
#pragma clang loop unroll(full)
  for (int i = 0; i < 10; i++) {
    const vec l = f.l[i / 2];
    once[i] = i & 1 ? odd(l) : l;
    twice[i] = i & 1 ? _mm256_srli_epi64(l, 31) : _mm256_add_epi32(l, l);
    once19[i] = times(once[i], nineteen);
    twice19[i] = add64(once19[i], once19[i]);
  }
#pragma clang loop unroll(full)
  for (int k = 0; k < 10; k++) {
    vec sum = _mm256_setzero_si256();
#pragma clang loop unroll(full)
    for (int i = 0; i < 10; i++) {
      // Each pair once, the smaller index first; the larger one of a pair that wraps around is at least 5.
      const int j = (k - i + 10) % 10;
      if (i > j) continue;
      const vec left = i == j ? once[i] : twice[i];
      const vec right = i + j < 10 ? (i & j & 1 ? twice[j] : once[j]) : (i & j & 1 ? twice19[j] : once19[j]);
      sum = add64(sum, times(left, right));
    }
    h[k] = sum;
  }
  return fe_fold(h);
}

/// Not carried.
INLINE fe fe_plus(fe a, fe b) {
  fe r;
  for (int i = 0; i < 5; i++) r.l[i] = _mm256_add_epi32(a.l[i], b.l[i]);
  return r;
}

/// Limbs of 2 p, above every weak limb.
INLINE vec bias2(int i) { return word(((1ULL << 26) - 2) << 32 | ((1ULL << 27) - (i == 0 ? 38 : 2))); }

/// Not carried; b is weak.
INLINE fe fe_minus(fe a, fe b) {
  fe r;
  for (int i = 0; i < 5; i++) r.l[i] = _mm256_sub_epi32(_mm256_add_epi32(a.l[i], bias2(i)), b.l[i]);
  return r;
}

/// Ready to be multiplied: of two weak values a tight one. The difference of twice a weak value and a weak one is loose.
INLINE fe fe_sum(fe a, fe b) { return fe_plus(a, b); }
INLINE fe fe_difference(fe a, fe b) { return fe_minus(a, b); }

/// The value below p, of limbs below 2^32.
INLINE fe fe_canonical(fe a) {
  a = fe_carry(a);
  vec h[10];
  for (int i = 0; i < 5; i++) {
    h[2 * i] = _mm256_and_si256(a.l[i], word(UINT32_MAX));
    h[2 * i + 1] = odd(a.l[i]);
  }
  // q is 1 exactly when the value is at least p: adding 19 then carries out of bit 255.
  vec q = word(19);
  for (int i = 0; i < 10; i++) q = _mm256_srli_epi64(add64(h[i], q), i & 1 ? 25 : 26);
  vec carry = times(q, word(19));
  for (int i = 0; i < 10; i++) {
    h[i] = add64(h[i], carry);
    carry = _mm256_srli_epi64(h[i], i & 1 ? 25 : 26);
    h[i] = _mm256_and_si256(h[i], word(i & 1 ? (1ULL << 25) - 1 : (1ULL << 26) - 1));
  }
  for (int i = 0; i < 5; i++) a.l[i] = _mm256_or_si256(h[2 * i], _mm256_slli_epi64(h[2 * i + 1], 32));
  return a;
}

/// One bit for each element, the first one lowest.
INLINE unsigned bits_of(lanemask lanes) { return (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(lanes)); }

INLINE lanemask lanes_of(unsigned bits) {
  const vec each = _mm256_setr_epi64x(1, 2, 4, 8);
  return _mm256_cmpeq_epi64(_mm256_and_si256(word(bits), each), each);
}

/// Of canonical values: those that are zero, and those that are odd.
INLINE unsigned fe_zeros(fe a) {
  const vec any = _mm256_or_si256(_mm256_or_si256(_mm256_or_si256(a.l[0], a.l[1]), _mm256_or_si256(a.l[2], a.l[3])), a.l[4]);
  return bits_of(_mm256_cmpeq_epi64(any, _mm256_setzero_si256()));
}
INLINE unsigned fe_odds(fe a) { return bits_of(_mm256_slli_epi64(a.l[0], 63)); }

/// b in those lanes, a in the others.
INLINE fe fe_select(lanemask lanes, fe a, fe b) {
  fe r;
  for (int i = 0; i < 5; i++) r.l[i] = _mm256_blendv_epi8(a.l[i], b.l[i], lanes);
  return r;
}

/// One value in every lane.
INLINE fe fe_broadcast(const uint64_t *entry, int value) {
  fe r;
  for (int i = 0; i < 5; i++) r.l[i] = word(entry[4 * i + value]);
  return r;
}

/// The limbs of each element, `limb[10][4]`, for the tests.
INLINE fe fe_from_limbs(const uint64_t *limbs) {
  fe r;
  for (int i = 0; i < 5; i++) {
    const vec low = _mm256_loadu_si256((const vec *)(limbs + 8 * i)), high = _mm256_loadu_si256((const vec *)(limbs + 8 * i + 4));
    r.l[i] = _mm256_or_si256(low, _mm256_slli_epi64(high, 32));
  }
  return r;
}

INLINE void fe_to_limbs(uint64_t *limbs, fe a) {
  for (int i = 0; i < 5; i++) {
    _mm256_storeu_si256((vec *)(limbs + 8 * i), _mm256_and_si256(a.l[i], word(UINT32_MAX)));
    _mm256_storeu_si256((vec *)(limbs + 8 * i + 4), odd(a.l[i]));
  }
}

#endif
