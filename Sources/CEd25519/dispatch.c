#include "CEd25519.h"

bool ced25519_supports(uint32_t leaf1_ecx, uint32_t leaf7_ebx, uint64_t xcr0) {
  const uint32_t osxsave = 1u << 27;
  // F, DQ, IFMA, BW, VL
  const uint32_t features = 1u << 16 | 1u << 17 | 1u << 21 | 1u << 30 | 1u << 31;
  // The operating system saves SSE, AVX, mask registers and both halves of the 512-bit registers.
  const uint64_t saved = 0xe6;
  return (leaf1_ecx & osxsave) != 0 && (leaf7_ebx & features) == features && (xcr0 & saved) == saved;
}

#if defined(__x86_64__)
#include <cpuid.h>

bool ced25519_has_ifma(void) {
  uint32_t eax, ebx, ecx, edx, leaf1_ecx;
  if (!__get_cpuid(1, &eax, &ebx, &leaf1_ecx, &edx)) return false;
  // XGETBV exists only where the operating system has enabled it.
  if ((leaf1_ecx & 1u << 27) == 0) return false;
  if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return false;
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return ced25519_supports(leaf1_ecx, ebx, (uint64_t)high << 32 | low);
}
#else
bool ced25519_has_ifma(void) { return false; }
#endif
