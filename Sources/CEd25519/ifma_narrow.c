// The kernels in four lanes of AVX-512 IFMA, for a few points at a time.
#include "kernels.h"

#if defined(__x86_64__)
#include "ifma/narrow.h"
// After the registers.
#include "ifma/field.h"
// After the field.
#include "ifma/point.h"
#include "shared/quads.h"
// After all of them: the same for every width.
#include "shared/kernels.h"

const ced25519_kernels ced25519_ifma_narrow_kernels = KERNELS(0);
#endif
