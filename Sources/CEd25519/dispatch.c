#include "kernels.h"

/// True when the operating system has enabled XGETBV, and saves these registers.
static bool saves(uint32_t leaf1_ecx, uint64_t xcr0, uint64_t registers) { return (leaf1_ecx & 1u << 27) != 0 && (xcr0 & registers) == registers; }

bool ced25519_supports_ifma(uint32_t leaf1_ecx, uint32_t leaf7_ebx, uint64_t xcr0) {
  // F, DQ, IFMA, BW, VL
  const uint32_t features = 1u << 16 | 1u << 17 | 1u << 21 | 1u << 30 | 1u << 31;
  // SSE, AVX, mask registers and both halves of the 512-bit registers
  return (leaf7_ebx & features) == features && saves(leaf1_ecx, xcr0, 0xe6);
}

bool ced25519_supports_avx2(uint32_t leaf1_ecx, uint32_t leaf7_ebx, uint64_t xcr0) {
  // AVX, AVX2; SSE and AVX registers
  return (leaf1_ecx & 1u << 28) != 0 && (leaf7_ebx & 1u << 5) != 0 && saves(leaf1_ecx, xcr0, 0x6);
}

#if defined(__x86_64__)
#include <cpuid.h>

static bool ask(bool (*supports)(uint32_t, uint32_t, uint64_t)) {
  uint32_t eax, ebx, ecx, edx, leaf1_ecx;
  if (!__get_cpuid(1, &eax, &ebx, &leaf1_ecx, &edx)) return false;
  // XGETBV exists only where the operating system has enabled it.
  if ((leaf1_ecx & 1u << 27) == 0) return false;
  if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return false;
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return supports(leaf1_ecx, ebx, (uint64_t)high << 32 | low);
}

const ced25519_kernels *ced25519_ifma(void) { return ask(ced25519_supports_ifma) ? &ced25519_ifma_kernels : 0; }
const ced25519_kernels *ced25519_ifma_narrow(void) { return ask(ced25519_supports_ifma) ? &ced25519_ifma_narrow_kernels : 0; }
const ced25519_kernels *ced25519_avx2(void) { return ask(ced25519_supports_avx2) ? &ced25519_avx2_kernels : 0; }
#else
const ced25519_kernels *ced25519_ifma(void) { return 0; }
const ced25519_kernels *ced25519_ifma_narrow(void) { return 0; }
const ced25519_kernels *ced25519_avx2(void) { return 0; }
#endif
