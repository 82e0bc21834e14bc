// Linear combinations of points: tables of multiples (Straus) and buckets (Pippenger).
#include "CEd25519.h"

#include <string.h>

#if defined(__x86_64__)
#include "point.h"

static const uint64_t *entry_of(const uint64_t *tables, int32_t entry) { return tables + (size_t)entry * CED25519_ENTRY_WORDS; }

/// The neutral element, cached.
static const uint64_t neutral[CED25519_ENTRY_WORDS] = {1, 1, 2, 0};

IFMA void ced25519_fill(uint64_t *tables, const int32_t *entries, size_t count) {
  for (size_t i = 0; i < count; i += 2) {
    uint64_t *first = tables + (size_t)entries[i] * CED25519_ENTRY_WORDS;
    uint64_t *second = i + 1 < count ? tables + (size_t)entries[i + 1] * CED25519_ENTRY_WORDS : first;
    fe8 multiple = pair_add_as_is(pair_identity(), pair_load(first, second));
    const fe8 twice_cached = pair_cached(pair_double(multiple));
    for (int k = 1; k < CED25519_SLOT_ENTRIES; k++) {
      multiple = pair_add_as_is(multiple, twice_cached);
      pair_store(first + k * CED25519_ENTRY_WORDS, second + k * CED25519_ENTRY_WORDS, pair_cached(multiple));
    }
  }
}

IFMA void ced25519_raise(uint64_t *tables, int32_t entry) {
  uint64_t *from = tables + (size_t)entry * CED25519_ENTRY_WORDS;
  fe8 p = pair_add_as_is(pair_identity(), pair_load(from, from));
  for (int i = 0; i < 128; i++) p = pair_double(p);
  const int32_t next = entry + CED25519_SLOT_ENTRIES;
  uint64_t *to = tables + (size_t)next * CED25519_ENTRY_WORDS;
  pair_store(to, to, pair_cached(p));
  ced25519_fill(tables, &next, 1);
}

IFMA void ced25519_straus(uint64_t *out, const uint64_t *tables, const int32_t *heads, const int32_t *digits, int32_t top) {
  sign_table table;
  sign_table_fill(&table);
  // Both halves double together; the digits of a bit go to them in turn.
  fe8 sum = pair_identity();
  for (int32_t bit = top; bit >= 0; bit--) {
    sum = pair_double(sum);
    int32_t next = heads[bit];
    while (next >= 0) {
      const int32_t first = digits[next];
      next = digits[next + 1];
      const uint64_t *second = neutral;
      int sign = first & 1;
      if (next >= 0) {
        second = entry_of(tables, digits[next] >> 1);
        sign |= (digits[next] & 1) << 1;
        next = digits[next + 1];
      }
      sum = pair_add(sum, pair_load(entry_of(tables, first >> 1), second), &table.of[sign]);
    }
  }
  uint64_t rest[CED25519_ENTRY_WORDS];
  pair_store(out, rest, pair_join(sum));
}

IFMA void ced25519_buckets(
  uint64_t *out, const uint64_t *tables, const int32_t *entries, size_t long_count, size_t count, const int16_t *digits, uint64_t *buckets
) {
  sign_table table;
  sign_table_fill(&table);
  uint64_t *const high = buckets + (CED25519_BUCKETS + 1) * CED25519_ENTRY_WORDS;
  // The points one after the other, so that every window streams through them.
  uint64_t *const points = high + (CED25519_BUCKETS + 1) * CED25519_ENTRY_WORDS;
  for (size_t i = 0; i < count; i++) memcpy(points + i * CED25519_ENTRY_WORDS, entry_of(tables, entries[i]), 8 * CED25519_ENTRY_WORDS);
  fe8 sum = pair_identity();
  // Two windows at a time, one in each half, each with its own buckets; digit 0 has a bucket that nobody reads.
  for (int window = long_count > 0 ? 30 : 14; window >= 0; window -= 2) {
    for (int i = 0; i < 16; i++) sum = pair_double(sum);
    for (int i = 0; i <= CED25519_BUCKETS; i++) pair_store(buckets + i * CED25519_ENTRY_WORDS, high + i * CED25519_ENTRY_WORDS, pair_identity());
    const size_t terms = window >= 16 ? long_count : count;
    for (size_t i = 0; i < terms; i++) {
      const int16_t *digit = digits + (i < long_count ? 32 * i : 16 * (i + long_count)) + window;
      const int low = digit[0], up = digit[1];
      uint64_t *const bucket = buckets + (low < 0 ? -low : low) * CED25519_ENTRY_WORDS;
      uint64_t *const other = high + (up < 0 ? -up : up) * CED25519_ENTRY_WORDS;
      const uint64_t *entry = points + i * CED25519_ENTRY_WORDS;
      fe8 point;
      for (int limb = 0; limb < 5; limb++) point.l[limb] = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)(entry + 4 * limb)));
      pair_store(bucket, other, pair_add(pair_load(bucket, other), point, &table.of[(low < 0) | (up < 0) << 1]));
    }
    // Sum of j bucket[j]: the running sum from the top is added once for each bucket below it.
    fe8 running = pair_identity(), total = pair_identity();
    for (int j = CED25519_BUCKETS; j > 0; j--) {
      running = pair_add_as_is(running, pair_cached(pair_load(buckets + j * CED25519_ENTRY_WORDS, high + j * CED25519_ENTRY_WORDS)));
      total = pair_add_as_is(total, pair_cached(running));
    }
    sum = pair_add_as_is(sum, pair_cached(total));
  }
  // The second half counts 2^8 times.
  fe8 upper = sum;
  for (int i = 0; i < 8; i++) upper = pair_double(upper);
  uint64_t rest[CED25519_ENTRY_WORDS];
  fe8 joined;
  for (int limb = 0; limb < 5; limb++) joined.l[limb] = _mm512_mask_blend_epi64(0xf0, sum.l[limb], upper.l[limb]);
  pair_store(out, rest, pair_join(joined));
}
#endif
