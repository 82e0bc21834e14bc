// The tables of kernels, for `dispatch.c` alone: whoever has one has asked the processor first.
#ifndef CED25519_TABLES_H
#define CED25519_TABLES_H

#include "CEd25519.h"

extern const ced25519_kernels ced25519_ifma_kernels, ced25519_ifma_narrow_kernels, ced25519_avx2_kernels;

#endif
