// Counts what the calling thread allocates, for tests: the executable's own malloc, calloc, realloc and their aligned kin come before those of libc.
#pragma once
#include <stdint.h>

// From now on allocations of this thread are counted; the count and the sites begin anew.
void allocations_begin(void);
// Counting rests, and goes on.
void allocations_pause(void);
void allocations_resume(void);
// Allocations of this thread since `allocations_begin`.
uint64_t allocations_end(void);
// Writes the call chains of what was counted to standard error, as addresses for `llvm-symbolizer`, with how often each occurred.
void allocations_report(void);
