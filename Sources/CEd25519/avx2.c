// The kernels in four lanes of AVX2.
#include "kernels.h"

#if defined(__x86_64__)
#include "avx2/field.h"
// After the field.
#include "avx2/points.h"
#include "avx2/words.h"
// After all of them: the same for every width.
#include "shared/buckets.h"
#include "shared/kernels.h"

const ced25519_kernels ced25519_avx2_kernels = KERNELS(ced25519_buckets);
#endif
