// Decompression of eight or sixteen points at a time (RFC 8032, section 5.1.3).
#include "CEd25519.h"

#if defined(__x86_64__)
#include "field.h"

enum { GROUP = 16 };

/// Two independent sets of eight elements: the latency of one hides behind the other.
typedef struct {
  fe8 a, b;
} fe16;

INLINE fe16 fe16_mul(fe16 x, fe16 y) { return (fe16){fe8_mul(x.a, y.a), fe8_mul(x.b, y.b)}; }

IFMA static fe16 fe16_square_times(fe16 x, int count) {
  for (int i = 0; i < count; i++) {
    x.a = fe8_sqr(x.a);
    x.b = fe8_sqr(x.b);
  }
  return x;
}

IFMA static fe8 fe8_square_times(fe8 x, int count) {
  for (int i = 0; i < count; i++) x = fe8_sqr(x);
  return x;
}

/// x^((p - 5) / 8) = x^(2^252 - 3).
#define POWER_P58(name, type, mul, square_times) \
  IFMA static type name(type x) { \
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
POWER_P58(fe8_power_p58, fe8, fe8_mul, fe8_square_times)
POWER_P58(fe16_power_p58, fe16, fe16_mul, fe16_square_times)

/// What decompression knows before the root: y, u = y^2 - 1, v = d y^2 + 1, u v^3 and u v^7.
typedef struct {
  fe8 y, u, v, uv3, uv7;
} preparation;

IFMA static preparation prepare(fe8 y) {
  preparation p;
  p.y = y;
  const fe8 yy = fe8_sqr(y);
  p.u = fe8_carry(fe8_minus(yy, fe8_small(1)));
  p.v = fe8_carry(fe8_plus(fe8_mul(yy, fe8_d()), fe8_small(1)));
  const fe8 v3 = fe8_mul(fe8_sqr(p.v), p.v);
  p.uv3 = fe8_mul(p.u, v3);
  p.uv7 = fe8_mul(p.uv3, fe8_sqr(fe8_sqr(p.v)));
  return p;
}

/// From the root on: the cached negatives as `limb[value][limb][lane]`, and the lanes that decode.
IFMA static __mmask8 finish(preparation p, fe8 root, __mmask8 negative, uint64_t values[4][5][8]) {
  fe8 x = fe8_mul(p.uv3, root);
  const fe8 check = fe8_mul(p.v, fe8_sqr(x));
  const __mmask8 is_root = fe8_is_zero(fe8_minus(check, p.u));
  const __mmask8 is_other = fe8_is_zero(fe8_plus(check, p.u));
  x = fe8_select(is_root, fe8_mul(x, fe8_sqrt_minus_one()), x);
  x = fe8_canonical(x);
  const __m512i any = _mm512_or_si512(_mm512_or_si512(_mm512_or_si512(x.l[0], x.l[1]), _mm512_or_si512(x.l[2], x.l[3])), x.l[4]);
  const __mmask8 is_zero = _mm512_testn_epi64_mask(any, any);
  const __mmask8 is_odd = _mm512_test_epi64_mask(x.l[0], word(1));
  // x = 0 has no negative; the encoding with a sign bit is refused.
  const __mmask8 valid = (__mmask8)((is_root | is_other) & ~(is_zero & negative));
  // The negative of the point is wanted: its x is odd when the sign bit is zero.
  const __mmask8 wrong = (__mmask8)~(is_odd ^ negative);
  x = fe8_carry(fe8_select(wrong, x, fe8_minus(fe8_small(0), x)));
  fe8_store(values[0][0], fe8_carry(fe8_minus(p.y, x)));
  fe8_store(values[1][0], fe8_carry(fe8_plus(p.y, x)));
  fe8_store(values[2][0], fe8_small(2));
  fe8_store(values[3][0], fe8_mul(fe8_mul(x, p.y), fe8_double_d()));
  return valid;
}

/// Loads y of up to eight encodings; gives the sign bits, and the lanes whose y is below p.
IFMA static fe8 load(const uint64_t *encodings, size_t count, __mmask8 *negative, __mmask8 *canonical) {
  const uint64_t mask = (1ULL << 51) - 1;
  uint64_t limbs[5][8] = {{0}};
  *negative = *canonical = 0;
  for (size_t i = 0; i < count; i++) {
    const uint64_t *w = encodings + 4 * i;
    const uint64_t top = w[3] & ~(1ULL << 63);
    if (w[3] >> 63) *negative |= (__mmask8)(1u << i);
    if (!(top == ~0ULL >> 1 && w[2] == ~0ULL && w[1] == ~0ULL && w[0] >= ~0ULL - 18)) *canonical |= (__mmask8)(1u << i);
    limbs[0][i] = w[0] & mask;
    limbs[1][i] = (w[0] >> 51 | w[1] << 13) & mask;
    limbs[2][i] = (w[1] >> 38 | w[2] << 26) & mask;
    limbs[3][i] = (w[2] >> 25 | w[3] << 39) & mask;
    limbs[4][i] = (w[3] >> 12) & mask;
  }
  return fe8_load(limbs[0]);
}

static void spread(uint64_t values[4][5][8], size_t count, unsigned valid, uint64_t *tables, const int32_t *entries, uint8_t *is_valid) {
  for (size_t i = 0; i < count; i++) {
    uint64_t *entry = tables + (size_t)entries[i] * CED25519_ENTRY_WORDS;
    is_valid[i] = valid >> i & 1;
    for (int limb = 0; limb < 5; limb++)
      for (int value = 0; value < 4; value++) entry[4 * limb + value] = values[value][limb][i];
  }
}

IFMA void ced25519_decode(const uint64_t *encodings, size_t count, uint64_t *tables, const int32_t *entries, uint8_t *valid) {
  uint64_t values[4][5][8];
  __mmask8 negative, canonical, negative_b, canonical_b;
  size_t done = 0;
  while (count - done > GROUP / 2) {
    const size_t rest = count - done - GROUP / 2, second = rest < GROUP / 2 ? rest : GROUP / 2;
    const preparation a = prepare(load(encodings + 4 * done, GROUP / 2, &negative, &canonical));
    const preparation b = prepare(load(encodings + 4 * (done + GROUP / 2), second, &negative_b, &canonical_b));
    const fe16 root = fe16_power_p58((fe16){a.uv7, b.uv7});
    unsigned is_valid = finish(a, root.a, negative, values) & canonical;
    spread(values, GROUP / 2, is_valid, tables, entries + done, valid + done);
    is_valid = finish(b, root.b, negative_b, values) & canonical_b;
    spread(values, second, is_valid, tables, entries + done + GROUP / 2, valid + done + GROUP / 2);
    done += GROUP / 2 + second;
  }
  if (count > done) {
    const preparation a = prepare(load(encodings + 4 * done, count - done, &negative, &canonical));
    const unsigned is_valid = finish(a, fe8_power_p58(a.uv7), negative, values) & canonical;
    spread(values, count - done, is_valid, tables, entries + done, valid + done);
  }
}

IFMA void ced25519_product(uint64_t *out, const uint64_t *a, const uint64_t *b) { fe8_store(out, fe8_mul(fe8_load(a), fe8_load(b))); }
IFMA void ced25519_square(uint64_t *out, const uint64_t *a) { fe8_store(out, fe8_sqr(fe8_load(a))); }
IFMA void ced25519_difference(uint64_t *out, const uint64_t *a, const uint64_t *b) { fe8_store(out, fe8_carry(fe8_minus(fe8_load(a), fe8_load(b)))); }
IFMA void ced25519_sum(uint64_t *out, const uint64_t *a, const uint64_t *b) { fe8_store(out, fe8_carry(fe8_plus(fe8_load(a), fe8_load(b)))); }
IFMA void ced25519_canonical(uint64_t *out, const uint64_t *a) { fe8_store(out, fe8_canonical(fe8_load(a))); }
#endif
