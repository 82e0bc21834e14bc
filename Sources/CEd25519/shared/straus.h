// Tables of multiples, and linear combinations of points by them (Straus).
#ifndef CED25519_STRAUS_H
#define CED25519_STRAUS_H

#include "elements.h"

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

#endif
