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
  for (size_t i = 0; i < count; i += 2) {
    uint64_t *first = tables + (size_t)entries[i] * CED25519_ENTRY_WORDS;
    uint64_t *second = i + 1 < count ? tables + (size_t)entries[i + 1] * CED25519_ENTRY_WORDS : first;
    pair multiple = pair_add_as_is(pair_identity(), pair_load(first, second));
    const pair twice_cached = pair_cached(pair_double(multiple));
    for (int k = 1; k < CED25519_SLOT_ENTRIES; k++) {
      multiple = pair_add_as_is(multiple, twice_cached);
      pair_store(first + k * CED25519_ENTRY_WORDS, second + k * CED25519_ENTRY_WORDS, pair_cached(multiple));
    }
  }
}

TARGET static void ced25519_raise(uint64_t *tables, int32_t entry) {
  uint64_t *from = tables + (size_t)entry * CED25519_ENTRY_WORDS;
  pair p = pair_add_as_is(pair_identity(), pair_load(from, from));
  for (int i = 0; i < 128; i++) p = pair_double(p);
  const int32_t next = entry + CED25519_SLOT_ENTRIES;
  uint64_t *to = tables + (size_t)next * CED25519_ENTRY_WORDS;
  pair_store(to, to, pair_cached(p));
  ced25519_fill(tables, &next, 1);
}

TARGET static void ced25519_straus(uint64_t *out, const uint64_t *tables, const int32_t *heads, const int32_t *digits, int32_t top) {
  sign_table table;
  sign_table_fill(&table);
  // Both halves double together; the digits of a bit go to them in turn.
  pair sum = pair_identity();
  for (int32_t bit = top; bit >= 0; bit--) {
    sum = pair_double(sum);
    int32_t next = heads[bit];
    while (next >= 0) {
      const int32_t first = digits[next];
      next = digits[next + 1];
      const uint64_t *second = neutral;
      int is_second_negative = 0;
      if (next >= 0) {
        second = entry_of(tables, digits[next] >> 1);
        is_second_negative = digits[next] & 1;
        next = digits[next + 1];
      }
      sum = pair_add(sum, pair_load(entry_of(tables, first >> 1), second), signs_of(&table, first & 1, is_second_negative));
    }
  }
  uint64_t rest[CED25519_ENTRY_WORDS];
  pair_store(out, rest, pair_join(sum));
  to_radix51(out, CED25519_ENTRY_WORDS);
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
    for (int i = 0; i < LANES * BUCKET_ROWS; i += 2)
      pair_store(buckets + i * CED25519_ENTRY_WORDS, buckets + (i + 1) * CED25519_ENTRY_WORDS, pair_identity());
    collect(buckets, points, long_count, window >= 16 ? long_count : count, digits + window);
    uint64_t *rows[LANES];
    for (int lane = 0; lane < LANES; lane++) rows[lane] = totals[window + lane];
    points_store(rows, weigh(buckets));
  }
  // Even windows in one half, odd ones in the other.
  pair sum = pair_identity();
  for (int window = windows - 2; window >= 0; window -= 2) {
    for (int i = 0; i < 16; i++) sum = pair_double(sum);
    sum = pair_add_as_is(sum, pair_cached(pair_load(totals[window], totals[window + 1])));
  }
  // The second half counts 2^8 times.
  pair upper = sum;
  for (int i = 0; i < 8; i++) upper = pair_double(upper);
  uint64_t rest[CED25519_ENTRY_WORDS];
  pair_store(out, rest, pair_join(pair_of_halves(sum, upper)));
  to_radix51(out, CED25519_ENTRY_WORDS);
}

#endif
