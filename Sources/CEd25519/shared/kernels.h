// What a file of one width offers: its operations on limbs for the tests, and the table of all.
#ifndef CED25519_KERNELS_H
#define CED25519_KERNELS_H

#include "decode.h"
#include "sha512.h"
#include "straus.h"

TARGET static void ced25519_pack(uint64_t *words, size_t count) { from_radix51(words, count); }
TARGET static void ced25519_product(uint64_t *out, const uint64_t *a, const uint64_t *b) { fe_to_limbs(out, fe_mul(fe_from_limbs(a), fe_from_limbs(b))); }
TARGET static void ced25519_square(uint64_t *out, const uint64_t *a) { fe_to_limbs(out, fe_sqr(fe_from_limbs(a))); }
TARGET static void ced25519_difference(uint64_t *out, const uint64_t *a, const uint64_t *b) { fe_to_limbs(out, fe_carry(fe_minus(fe_from_limbs(a), fe_from_limbs(b)))); }
TARGET static void ced25519_sum(uint64_t *out, const uint64_t *a, const uint64_t *b) { fe_to_limbs(out, fe_carry(fe_plus(fe_from_limbs(a), fe_from_limbs(b)))); }
TARGET static void ced25519_canonical(uint64_t *out, const uint64_t *a) { fe_to_limbs(out, fe_canonical(fe_from_limbs(a))); }

#define KERNELS(buckets_kernel) \
  { \
    .lanes = LANES, .limbs = LIMBS, .pack = ced25519_pack, .decode = ced25519_decode, .fill = ced25519_fill, .raise = ced25519_raise, \
    .straus = ced25519_straus, .buckets = buckets_kernel, .sha512_192 = ced25519_sha512_192, .product = ced25519_product, .square = ced25519_square, \
    .difference = ced25519_difference, .sum = ced25519_sum, .canonical = ced25519_canonical, \
  }

#endif
