// Elements of GF(2^255 - 19), radix 2^51, one limb of each per register; after the registers of a width.
//
// Bounds: a product takes limbs below 2^52 and gives weak ones, below 2^51 + 2^14. A sum or difference of weak values is carried once before it is multiplied.
#ifndef CED25519_IFMA_FIELD_H
#define CED25519_IFMA_FIELD_H

/// Limbs of an element as the tests of the arithmetic give them.
enum { LIMBS = 5 };

typedef struct {
  vec l[5];
} fe;

INLINE vec mask51(void) { return word((1ULL << 51) - 1); }
INLINE vec twice(vec a) { return add64(a, a); }

INLINE fe fe_load(const uint64_t *limbs) {
  fe r;
  for (int i = 0; i < 5; i++) r.l[i] = load(limbs + LANES * i);
  return r;
}

INLINE void fe_store(uint64_t *limbs, fe a) {
  for (int i = 0; i < 5; i++) store(limbs + LANES * i, a.l[i]);
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
  r.l[0] = lo52(both(a.l[0], mask), shift(a.l[4], 51), word(19));
  for (int i = 1; i < 5; i++) r.l[i] = add64(both(a.l[i], mask), shift(a.l[i - 1], 51));
  return r;
}

/// Columns 0 to 9 of a product, each below 2^57: column k + 5 counts 19 times in column k.
INLINE fe fe_fold(const vec *c) {
  fe r;
  // Sums below 2^62. One multiplication where additions and a shift would be four: they, not the products, are what a square waits for.
  for (int i = 0; i < 5; i++) r.l[i] = add64(c[i], times(c[i + 5], word(19)));
  return fe_carry(r);
}

INLINE fe fe_mul(fe a, fe b) {
  // A 104-bit product has its low 52 bits in its own column and the rest, which weighs 2^52 = 2 * 2^51, twice in the next.
  vec lo[10], hi[10];
  for (int i = 0; i < 10; i++) lo[i] = hi[i] = zero();
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
  vec c[10];
  for (int i = 0; i < 10; i++) c[i] = zero();
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
  for (int i = 0; i < 5; i++) r.l[i] = sub64(add64(a.l[i], bias2(i)), b.l[i]);
  return r;
}

/// The value below p, of weak limbs.
INLINE fe fe_canonical(fe a) {
  const vec mask = mask51();
  a = fe_carry(a);
  // q is 1 exactly when the value is at least p: adding 19 then carries out of bit 255.
  vec q = shift(add64(a.l[0], word(19)), 51);
  for (int i = 1; i < 5; i++) q = shift(add64(a.l[i], q), 51);
  vec carry = lo52(zero(), q, word(19));
  for (int i = 0; i < 5; i++) {
    a.l[i] = add64(a.l[i], carry);
    carry = shift(a.l[i], 51);
    a.l[i] = both(a.l[i], mask);
  }
  return a;
}

/// One bit for each element, the first one lowest.
INLINE unsigned bits_of(lanemask lanes) { return lanes; }
INLINE lanemask lanes_of(unsigned bits) { return (lanemask)bits; }

/// Of canonical values: those that are zero, and those that are odd.
INLINE unsigned fe_zeros(fe a) {
  const vec any = either(either(either(a.l[0], a.l[1]), either(a.l[2], a.l[3])), a.l[4]);
  return zeros(any);
}
INLINE unsigned fe_odds(fe a) { return odds(a.l[0]); }

/// b in those lanes, a in the others.
INLINE fe fe_select(lanemask lanes, fe a, fe b) {
  fe r;
  for (int i = 0; i < 5; i++) r.l[i] = blend(lanes, a.l[i], b.l[i]);
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
