// The kernels in eight lanes of AVX-512 IFMA.
#include "kernels.h"

#if defined(__x86_64__)
#include "ifma/wide.h"
// After the registers.
#include "ifma/field.h"
// After the field.
#include "ifma/points.h"
#include "ifma/wide_words.h"
// After all of them: the same for every width.
#include "shared/buckets.h"
#include "shared/kernels.h"

const ced25519_kernels ced25519_ifma_kernels = KERNELS(ced25519_buckets);
#endif
