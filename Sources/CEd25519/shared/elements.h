// What the kernels of both widths have in common about field elements; after the `field.h` of one.
#ifndef CED25519_ELEMENTS_H
#define CED25519_ELEMENTS_H

#include "CEd25519.h"

INLINE fe fe_small(uint64_t value) { return fe_constant(value, 0, 0, 0, 0); }
INLINE fe fe_d(void) { return fe_constant(0x34dca135978a3, 0x1a8283b156ebd, 0x5e7a26001c029, 0x739c663a03cbb, 0x52036cee2b6ff); }
INLINE fe fe_double_d(void) { return fe_constant(0x69b9426b2f159, 0x35050762add7a, 0x3cf44c0038052, 0x6738cc7407977, 0x2406d9dc56dff); }
INLINE fe fe_sqrt_minus_one(void) { return fe_constant(0x61b274a0ea0b0, 0xd5a5fc8f189d, 0x7ef5e9cbd0c60, 0x78595a6804c9e, 0x2b8324804fc1d); }

INLINE unsigned fe_is_zero(fe a) { return fe_zeros(fe_canonical(a)); }

#endif
