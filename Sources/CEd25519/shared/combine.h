// Linear combinations of points: tables of multiples (Straus) and buckets (Pippenger).
#ifndef CED25519_COMBINE_H
#define CED25519_COMBINE_H

#include <string.h>

#include "lanes.h"

// What a profile should tell apart.
#define NOINLINE __attribute__((noinline))

static const uint64_t *entry_of(const uint64_t *tables, int32_t entry) { return tables + (size_t)entry * CED25519_ENTRY_WORDS; }

/// The neutral element, cached.
static const uint64_t neutral[CED25519_ENTRY_WORDS] = {1, 1, 2, 0};

TARGET static void ced25519_fill(uint64_t *tables, const int32_t *entries, size_t count) {
  for (size_t i = 0; i < count; i += POINTS) {
    uint64_t *rows[POINTS];
    // What is left over at the end does the first one again.
    for (size_t k = 0; k < POINTS; k++) rows[k] = tables + (size_t)entries[i + k < count ? i + k : i] * CED25519_ENTRY_WORDS;
    group multiple = group_add_as_is(group_identity(), group_load((const uint64_t *const *)rows));
    const group twice_cached = group_cached(group_double(multiple));
    for (int odd_multiple = 1; odd_multiple < CED25519_SLOT_ENTRIES; odd_multiple++) {
      multiple = group_add_as_is(multiple, twice_cached);
      for (int k = 0; k < POINTS; k++) rows[k] += CED25519_ENTRY_WORDS;
      group_store(rows, group_cached(multiple));
    }
  }
}

TARGET static void ced25519_raise(uint64_t *tables, int32_t entry) {
  const int32_t next = entry + CED25519_SLOT_ENTRIES;
  uint64_t *from[POINTS], *to[POINTS];
  for (int k = 0; k < POINTS; k++) {
    from[k] = tables + (size_t)entry * CED25519_ENTRY_WORDS;
    to[k] = tables + (size_t)next * CED25519_ENTRY_WORDS;
  }
  group p = group_add_as_is(group_identity(), group_load((const uint64_t *const *)from));
  for (int i = 0; i < 128; i++) p = group_double(p);
  group_store(to, group_cached(p));
  ced25519_fill(tables, &next, 1);
}

/// Writes the sum of the points of a group, in radix 2^51.
INLINE void put_sum(uint64_t *out, group sum) {
  uint64_t rest[CED25519_ENTRY_WORDS];
  uint64_t *const rows[2] = {out, rest};
  group_store(rows, group_join(sum));
  to_radix51(out, CED25519_ENTRY_WORDS);
}

TARGET static void ced25519_straus(uint64_t *out, const uint64_t *tables, const int32_t *heads, const int32_t *digits, int32_t top) {
  sign_table table;
  sign_table_fill(&table);
  // All points of a group double together; the digits of a bit go to them in turn.
  group sum = group_identity();
  for (int32_t bit = top; bit >= 0; bit--) {
    sum = group_double(sum);
    int32_t next = heads[bit];
    while (next >= 0) {
      const uint64_t *rows[POINTS];
      unsigned negative = 0;
      for (int k = 0; k < POINTS; k++) {
        rows[k] = neutral;
        if (next < 0) continue;
        rows[k] = entry_of(tables, digits[next] >> 1);
        negative |= (unsigned)(digits[next] & 1) << k;
        next = digits[next + 1];
      }
      sum = group_add(sum, group_load(rows), signs_of(&table, negative));
    }
  }
  put_sum(out, sum);
}

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
