// What the kernels of AVX-512 IFMA are compiled for, in both widths.
#ifndef CED25519_IFMA_TARGET_H
#define CED25519_IFMA_TARGET_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define TARGET __attribute__((target("avx512f,avx512ifma,avx512vl,avx512dq,avx512bw")))
#define INLINE static inline __attribute__((always_inline)) TARGET

typedef __mmask8 lanemask;

#define ORDER(a, b, c, d) _MM_SHUFFLE(d, c, b, a)

#endif
