// Decompression of one or two registers of points at a time (RFC 8032, section 5.1.3).
#ifndef CED25519_DECODE_H
#define CED25519_DECODE_H

#include "elements.h"

/// Two independent sets of elements: the latency of one hides behind the other.
typedef struct {
  fe a, b;
} fes;

INLINE fes fes_mul(fes x, fes y) { return (fes){fe_mul(x.a, y.a), fe_mul(x.b, y.b)}; }

TARGET static fes fes_square_times(fes x, int count) {
  for (int i = 0; i < count; i++) {
    x.a = fe_sqr(x.a);
    x.b = fe_sqr(x.b);
  }
  return x;
}

TARGET static fe fe_square_times(fe x, int count) {
  for (int i = 0; i < count; i++) x = fe_sqr(x);
  return x;
}

/// x^((p - 5) / 8) = x^(2^252 - 3).
#define POWER_P58(name, type, mul, square_times) \
  TARGET static type name(type x) { \
    const type x2 = square_times(x, 1); \
    const type x9 = mul(square_times(x2, 2), x); \
    const type x11 = mul(x9, x2); \
    const type e5 = mul(square_times(x11, 1), x9); \
    const type e10 = mul(square_times(e5, 5), e5); \
    const type e20 = mul(square_times(e10, 10), e10); \
    const type e40 = mul(square_times(e20, 20), e20); \
    const type e50 = mul(square_times(e40, 10), e10); \
    const type e100 = mul(square_times(e50, 50), e50); \
    const type e200 = mul(square_times(e100, 100), e100); \
    const type e250 = mul(square_times(e200, 50), e50); \
    return mul(square_times(e250, 2), x); \
  }
POWER_P58(fe_power_p58, fe, fe_mul, fe_square_times)
POWER_P58(fes_power_p58, fes, fes_mul, fes_square_times)

/// What decompression knows before the root: y, u = y^2 - 1, v = d y^2 + 1, u v^3 and u v^7.
typedef struct {
  fe y, u, v, uv3, uv7;
} preparation;

TARGET static preparation prepare(fe y) {
  preparation p;
  p.y = y;
  const fe yy = fe_sqr(y);
  p.u = fe_carry(fe_minus(yy, fe_small(1)));
  p.v = fe_carry(fe_plus(fe_mul(yy, fe_d()), fe_small(1)));
  const fe v3 = fe_mul(fe_sqr(p.v), p.v);
  p.uv3 = fe_mul(p.u, v3);
  p.uv7 = fe_mul(p.uv3, fe_sqr(fe_sqr(p.v)));
  return p;
}

/// From the root on: the cached negatives as `limb[value][limb][lane]`, and the lanes that decode.
TARGET static unsigned finish(preparation p, fe root, unsigned negative, uint64_t values[4][5][LANES]) {
  fe x = fe_mul(p.uv3, root);
  const fe check = fe_mul(p.v, fe_sqr(x));
  const unsigned is_root = fe_is_zero(fe_minus(check, p.u)), is_other = fe_is_zero(fe_plus(check, p.u));
  x = fe_canonical(fe_select(lanes_of(is_root), fe_mul(x, fe_sqrt_minus_one()), x));
  const unsigned is_zero = fe_zeros(x);
  // x = 0 has no negative; the encoding with a sign bit is refused.
  const unsigned valid = (is_root | is_other) & ~(is_zero & negative);
  // The negative of the point is wanted: its x is odd when the sign bit is zero.
  const unsigned wrong = ~(fe_odds(x) ^ negative);
  x = fe_carry(fe_select(lanes_of(wrong), x, fe_minus(fe_small(0), x)));
  fe_store(values[0][0], fe_carry(fe_minus(p.y, x)));
  fe_store(values[1][0], fe_carry(fe_plus(p.y, x)));
  fe_store(values[2][0], fe_small(2));
  fe_store(values[3][0], fe_mul(fe_mul(x, p.y), fe_double_d()));
  return valid;
}

/// Loads y of as many encodings as there are lanes, or fewer; gives the sign bits, and the lanes whose y is below p.
TARGET static fe load_encodings(const uint64_t *encodings, size_t count, unsigned *negative, unsigned *canonical) {
  const uint64_t mask = (1ULL << 51) - 1;
  uint64_t limbs[5][LANES] = {{0}};
  *negative = *canonical = 0;
  for (size_t i = 0; i < count; i++) {
    const uint64_t *w = encodings + 4 * i;
    const uint64_t top = w[3] & ~(1ULL << 63);
    if (w[3] >> 63) *negative |= 1u << i;
    if (!(top == ~0ULL >> 1 && w[2] == ~0ULL && w[1] == ~0ULL && w[0] >= ~0ULL - 18)) *canonical |= 1u << i;
    limbs[0][i] = w[0] & mask;
    limbs[1][i] = (w[0] >> 51 | w[1] << 13) & mask;
    limbs[2][i] = (w[1] >> 38 | w[2] << 26) & mask;
    limbs[3][i] = (w[2] >> 25 | w[3] << 39) & mask;
    limbs[4][i] = (w[3] >> 12) & mask;
  }
  return fe_load51(limbs[0]);
}

static void spread(uint64_t values[4][5][LANES], size_t count, unsigned valid, uint64_t *tables, const int32_t *entries, uint8_t *is_valid) {
  for (size_t i = 0; i < count; i++) {
    uint64_t *entry = tables + (size_t)entries[i] * CED25519_ENTRY_WORDS;
    is_valid[i] = valid >> i & 1;
    for (int limb = 0; limb < 5; limb++)
      for (int value = 0; value < 4; value++) entry[4 * limb + value] = values[value][limb][i];
  }
}

TARGET static void ced25519_decode(const uint64_t *encodings, size_t count, uint64_t *tables, const int32_t *entries, uint8_t *valid) {
  uint64_t values[4][5][LANES];
  unsigned negative, canonical, negative_b, canonical_b;
  size_t done = 0;
  while (count - done > LANES) {
    const size_t rest = count - done - LANES, second = rest < LANES ? rest : LANES;
    const preparation a = prepare(load_encodings(encodings + 4 * done, LANES, &negative, &canonical));
    const preparation b = prepare(load_encodings(encodings + 4 * (done + LANES), second, &negative_b, &canonical_b));
    const fes root = fes_power_p58((fes){a.uv7, b.uv7});
    unsigned is_valid = finish(a, root.a, negative, values) & canonical;
    spread(values, LANES, is_valid, tables, entries + done, valid + done);
    is_valid = finish(b, root.b, negative_b, values) & canonical_b;
    spread(values, second, is_valid, tables, entries + done + LANES, valid + done + LANES);
    done += LANES + second;
  }
  if (count > done) {
    const preparation a = prepare(load_encodings(encodings + 4 * done, count - done, &negative, &canonical));
    const unsigned is_valid = finish(a, fe_power_p58(a.uv7), negative, values) & canonical;
    spread(values, count - done, is_valid, tables, entries + done, valid + done);
  }
}

#endif
