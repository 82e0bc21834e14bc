// Linear combinations of points by buckets (Pippenger).
#ifndef CED25519_BUCKETS_H
#define CED25519_BUCKETS_H

#include <string.h>

#include "lanes.h"
#include "straus.h"

// What a profile should tell apart.
#define NOINLINE __attribute__((noinline))

/// Rows of the buckets of one window: digit 0 has one that nobody reads.
enum { BUCKET_ROWS = CED25519_BUCKETS + 1 };

/// Adds the terms to the buckets of as many windows as there are lanes. Of the first `long_count` terms the digits lie 32 apart, of the others 16.
NOINLINE TARGET static void collect(uint64_t *buckets, const uint64_t *points, size_t long_count, size_t terms, const int16_t *digits) {
  for (size_t i = 0; i < terms; i++) {
    uint64_t *rows[LANES];
    const lanemask negative = points_rows(rows, buckets, BUCKET_ROWS, digits);
    digits += i < long_count ? 32 : 16;
    const uint64_t *entry = points + i * CED25519_ENTRY_WORDS;
    if (entry[2] == 2 && (entry[6] | entry[10] | entry[14] | entry[18]) == 0) {
      points_store(rows, lanes_add_entry(points_load(rows), entry, negative, 1));
    } else {
      points_store(rows, lanes_add_entry(points_load(rows), entry, negative, 0));
    }
  }
}

/// A function of its own, so that the loop over it stays in the cache of instructions: in line twice, nine products of ten limbs have 50 KiB.
NOINLINE TARGET static void add_to(points *sum, const points *p) { *sum = lanes_add(*sum, *p); }

/// Sum of j bucket[j], lane by lane: the running sum from the top is added once for each bucket below it.
NOINLINE TARGET static points weigh(uint64_t *buckets) {
  points running = lanes_identity(), total = lanes_identity();
  for (int j = CED25519_BUCKETS; j > 0; j--) {
    uint64_t *rows[LANES];
    for (int lane = 0; lane < LANES; lane++) rows[lane] = buckets + (size_t)(lane * BUCKET_ROWS + j) * CED25519_ENTRY_WORDS;
    const points bucket = points_load(rows);
    add_to(&running, &bucket);
    add_to(&total, &running);
  }
  return total;
}

TARGET static void ced25519_buckets(
  uint64_t *out, const uint64_t *tables, const int32_t *entries, size_t long_count, size_t count, const int16_t *digits, uint64_t *buckets
) {
  // The points one after the other, so that every window streams through them.
  uint64_t *const points = buckets + LANES * BUCKET_ROWS * CED25519_ENTRY_WORDS;
  for (size_t i = 0; i < count; i++) memcpy(points + i * CED25519_ENTRY_WORDS, entry_of(tables, entries[i]), 8 * CED25519_ENTRY_WORDS);
  uint64_t totals[32][CED25519_ENTRY_WORDS];
  const int windows = long_count > 0 ? 32 : 16;
  for (int window = 0; window < windows; window += LANES) {
    for (int i = 0; i < LANES * BUCKET_ROWS; i += POINTS) {
      uint64_t *const rows[2] = {buckets + i * CED25519_ENTRY_WORDS, buckets + (i + 1) * CED25519_ENTRY_WORDS};
      group_store(rows, group_identity());
    }
    collect(buckets, points, long_count, window >= 16 ? long_count : count, digits + window);
    uint64_t *rows[LANES];
    for (int lane = 0; lane < LANES; lane++) rows[lane] = totals[window + lane];
    points_store(rows, weigh(buckets));
  }
  // The windows go to the points of a group in turn.
  group sum = group_identity();
  for (int window = windows - POINTS; window >= 0; window -= POINTS) {
    const uint64_t *const rows[2] = {totals[window], totals[window + POINTS - 1]};
    for (int i = 0; i < 8 * POINTS; i++) sum = group_double(sum);
    sum = group_add_as_is(sum, group_cached(group_load(rows)));
  }
  if (POINTS == 2) {
    // The second half counts 2^8 times.
    group upper = sum;
    for (int i = 0; i < 8; i++) upper = group_double(upper);
    sum = group_of_halves(sum, upper);
  }
  put_sum(out, sum);
}

#endif
