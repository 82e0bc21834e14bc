#define _GNU_SOURCE
#include "CAllocations.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

// glibc's own entry points, below the names that are replaced here.
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

enum { depth = 14, sites_max = 64 };

struct site {
  uint64_t count;
  void *frames[depth];
};

static __thread int counting;
static __thread uint64_t counted;
static __thread struct site sites[sites_max];

// Walks the frame pointers, which Swift and this file keep; a frame without one ends the chain.
static void note(void **frame) {
  counted++;
  counting = 0;
  struct site found = {.count = 1};
  for (int i = 0; i < depth && frame; i++) {
    found.frames[i] = frame[1];
    void **next = frame[0];
    if (next <= frame || (char *)next > (char *)frame + 100000) break;
    frame = next;
  }
  for (int i = 0; i < sites_max; i++) {
    if (sites[i].count == 0) sites[i] = found;
    else if (memcmp(sites[i].frames, found.frames, sizeof found.frames) == 0) sites[i].count++;
    else continue;
    break;
  }
  counting = 1;
}

#define NOTE() \
  if (__builtin_expect(counting, 0)) note(__builtin_frame_address(0))

void *malloc(size_t size) {
  NOTE();
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  NOTE();
  return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
  NOTE();
  return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
  NOTE();
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  NOTE();
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
  NOTE();
  *out = __libc_memalign(alignment, size);
  return *out ? 0 : ENOMEM;
}

void allocations_begin(void) {
  memset(sites, 0, sizeof sites);
  counted = 0;
  counting = 1;
}

void allocations_pause(void) { counting = 0; }
void allocations_resume(void) { counting = 1; }

uint64_t allocations_end(void) {
  counting = 0;
  return counted;
}

void allocations_report(void) {
  for (int i = 0; i < sites_max && sites[i].count; i++) {
    fprintf(stderr, "allocation x %llu:", (unsigned long long)sites[i].count);
    for (int k = 0; k < depth && sites[i].frames[k]; k++) {
      Dl_info info;
      if (!dladdr(sites[i].frames[k], &info)) continue;
      const char *file = strrchr(info.dli_fname, '/');
      fprintf(stderr, " %s", info.dli_sname ? info.dli_sname : file ? file + 1 : info.dli_fname);
      fprintf(stderr, "+0x%zx", (size_t)((char *)sites[i].frames[k] - (char *)info.dli_fbase));
    }
    fprintf(stderr, "\n");
  }
}
