// Field arithmetic modulo 2^255 - 19 in four 64-bit lanes of AVX2 against 64-bit portable C: what a third set of kernels could gain.
//
// A lane holds one of four independent field elements, as ten limbs of 25.5 bits; `vpmuludq` multiplies 32 by 32 bits. The portable side has five limbs of 51 bits
// and 128-bit products, as `FieldElement.swift`. Both are checked against each other before they are timed: the same values go in, the same encodings come out.
//
// Prints `WHAT avx2=NS portable=NS ratio=R` for four of each operation, least of many runs by CPU time. Usage: field
#include <immintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef unsigned __int128 u128;
typedef struct { uint64_t v[5]; } fe;
typedef struct { __m256i v[10]; } fe4;

// ---- portable: five limbs below 2^52

static const uint64_t mask51 = (1ull << 51) - 1;

static inline fe carry(u128 r0, u128 r1, u128 r2, u128 r3, u128 r4) {
  fe o;
  r1 += (uint64_t)(r0 >> 51); r2 += (uint64_t)(r1 >> 51); r3 += (uint64_t)(r2 >> 51); r4 += (uint64_t)(r3 >> 51);
  uint64_t c = (uint64_t)(r4 >> 51);
  o.v[0] = ((uint64_t)r0 & mask51) + 19 * c; o.v[1] = (uint64_t)r1 & mask51; o.v[2] = (uint64_t)r2 & mask51;
  o.v[3] = (uint64_t)r3 & mask51; o.v[4] = (uint64_t)r4 & mask51;
  o.v[1] += o.v[0] >> 51; o.v[0] &= mask51;
  return o;
}

static inline fe mul(const fe *a, const fe *b) {
  const uint64_t *x = a->v, *y = b->v;
  uint64_t y1 = 19 * y[1], y2 = 19 * y[2], y3 = 19 * y[3], y4 = 19 * y[4];
#define M(p, q) ((u128)(p) * (q))
  return carry(M(x[0], y[0]) + M(x[1], y4) + M(x[2], y3) + M(x[3], y2) + M(x[4], y1), M(x[0], y[1]) + M(x[1], y[0]) + M(x[2], y4) + M(x[3], y3) + M(x[4], y2),
               M(x[0], y[2]) + M(x[1], y[1]) + M(x[2], y[0]) + M(x[3], y4) + M(x[4], y3), M(x[0], y[3]) + M(x[1], y[2]) + M(x[2], y[1]) + M(x[3], y[0]) + M(x[4], y4),
               M(x[0], y[4]) + M(x[1], y[3]) + M(x[2], y[2]) + M(x[3], y[1]) + M(x[4], y[0]));
}

static inline fe sqr(const fe *a) {
  const uint64_t *x = a->v;
  uint64_t d0 = 2 * x[0], d1 = 2 * x[1], d2 = 2 * x[2], d3 = 2 * x[3], n3 = 19 * x[3], n4 = 19 * x[4];
  return carry(M(x[0], x[0]) + M(d1, n4) + M(d2, n3), M(d0, x[1]) + M(d2, n4) + M(x[3], n3), M(d0, x[2]) + M(x[1], x[1]) + M(d3, n4),
               M(d0, x[3]) + M(d1, x[2]) + M(x[4], n4), M(d0, x[4]) + M(d1, x[3]) + M(x[2], x[2]));
}

static inline fe add(const fe *a, const fe *b) {
  fe o;
  for (int i = 0; i < 5; i++) o.v[i] = a->v[i] + b->v[i];
  return o;
}

static inline fe sub(const fe *a, const fe *b) {
  // Four times the modulus keeps limbs positive.
  static const uint64_t four[5] = {0x1fffffffffffb4, 0x1ffffffffffffc, 0x1ffffffffffffc, 0x1ffffffffffffc, 0x1ffffffffffffc};
  fe o;
  for (int i = 0; i < 5; i++) o.v[i] = a->v[i] + four[i] - b->v[i];
  for (int i = 0; i < 4; i++) { o.v[i + 1] += o.v[i] >> 51; o.v[i] &= mask51; }
  o.v[0] += 19 * (o.v[4] >> 51); o.v[4] &= mask51;
  return o;
}

static void encode(const fe *a, uint64_t out[4]) {
  fe t = *a;
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 4; i++) { t.v[i + 1] += t.v[i] >> 51; t.v[i] &= mask51; }
    t.v[0] += 19 * (t.v[4] >> 51); t.v[4] &= mask51;
  }
  // Now below 2^255: less the modulus if that is possible.
  uint64_t q = (t.v[0] + 19) >> 51;
  for (int i = 1; i < 5; i++) q = (t.v[i] + q) >> 51;
  t.v[0] += 19 * q;
  for (int i = 0; i < 4; i++) { t.v[i + 1] += t.v[i] >> 51; t.v[i] &= mask51; }
  t.v[4] &= mask51;
  out[0] = t.v[0] | t.v[1] << 51; out[1] = t.v[1] >> 13 | t.v[2] << 38; out[2] = t.v[2] >> 26 | t.v[3] << 25; out[3] = t.v[3] >> 39 | t.v[4] << 12;
}

// ---- AVX2: ten limbs of 26 and 25 bits in turn, each below 2^27 between operations

#define AVX2 __attribute__((target("avx2"), always_inline)) static inline
#define TOP __attribute__((target("avx2"), noinline)) static
typedef __m256i v4;

AVX2 v4 vadd(v4 a, v4 b) { return _mm256_add_epi64(a, b); }
AVX2 v4 vmul(v4 a, v4 b) { return _mm256_mul_epu32(a, b); }

// Columns below 2^63: two chains of carries, as far apart as possible.
AVX2 void fold(v4 h[10]) {
  const v4 m26 = _mm256_set1_epi64x((1 << 26) - 1), m25 = _mm256_set1_epi64x((1 << 25) - 1);
#define STEP(i, j, bits, m) { h[j] = vadd(h[j], _mm256_srli_epi64(h[i], bits)); h[i] = _mm256_and_si256(h[i], m); }
  STEP(0, 1, 26, m26) STEP(5, 6, 25, m25) STEP(1, 2, 25, m25) STEP(6, 7, 26, m26) STEP(2, 3, 26, m26) STEP(7, 8, 25, m25)
  STEP(3, 4, 25, m25) STEP(8, 9, 26, m26) STEP(4, 5, 26, m26)
  v4 c = _mm256_srli_epi64(h[9], 25);
  h[9] = _mm256_and_si256(h[9], m25);
  // 19 c = 16 c + 2 c + c: the carry may be longer than 32 bits.
  h[0] = vadd(h[0], vadd(c, vadd(_mm256_slli_epi64(c, 1), _mm256_slli_epi64(c, 4))));
  STEP(5, 6, 25, m25) STEP(0, 1, 26, m26)
}

AVX2 fe4 mul4(const fe4 *f, const fe4 *g) {
  const v4 nineteen = _mm256_set1_epi64x(19);
  v4 h[10], g19[10];
  for (int j = 1; j < 10; j++) g19[j] = vmul(g->v[j], nineteen);
  // Row by row: ten sums and one factor are all that has to stay in the sixteen registers.
#pragma clang loop unroll(full)
  for (int i = 0; i < 10; i++) {
    v4 whole = f->v[i], twice = vadd(whole, whole);
#pragma clang loop unroll(full)
    for (int j = 0; j < 10; j++) {
      // Odd times odd lies half a bit too low; what wraps around is 19 times as much.
      v4 term = vmul((i & 1) && (j & 1) ? twice : whole, i + j < 10 ? g->v[j] : g19[j]);
      h[(i + j) % 10] = i == 0 ? term : vadd(h[(i + j) % 10], term);
    }
  }
  fold(h);
  fe4 o;
  memcpy(o.v, h, sizeof h);
  return o;
}

AVX2 fe4 sqr4(const fe4 *f) {
  const v4 nineteen = _mm256_set1_epi64x(19);
  v4 h[10], d[10], f19[10], d19[10];
  for (int i = 0; i < 10; i++) d[i] = vadd(f->v[i], f->v[i]);
  for (int i = 5; i < 10; i++) { f19[i] = vmul(f->v[i], nineteen); d19[i] = vadd(f19[i], f19[i]); }
#pragma clang loop unroll(full)
  for (int k = 0; k < 10; k++) {
    v4 sum = _mm256_setzero_si256();
#pragma clang loop unroll(full)
    for (int i = 0; i < 10; i++) {
      int j = (k - i + 20) % 10, wraps = i + j >= 10;
      // Each pair once, the smaller index first; the larger one of a pair that wraps is at least 5.
      if (i > j) continue;
      v4 left = i == j ? f->v[i] : d[i];
      int halves = (i & 1) && (j & 1);
      v4 right = wraps ? (halves ? d19[j] : f19[j]) : (halves ? d[j] : f->v[j]);
      sum = vadd(sum, vmul(left, right));
    }
    h[k] = sum;
  }
  fold(h);
  fe4 o;
  memcpy(o.v, h, sizeof h);
  return o;
}

AVX2 fe4 add4(const fe4 *a, const fe4 *b) {
  fe4 o;
  for (int i = 0; i < 10; i++) o.v[i] = vadd(a->v[i], b->v[i]);
  return o;
}

// Limbs of a product need no carry after one sum; after a difference they do.
AVX2 fe4 sub4(const fe4 *a, const fe4 *b) {
  const v4 m26 = _mm256_set1_epi64x((1 << 26) - 1), m25 = _mm256_set1_epi64x((1 << 25) - 1);
  const v4 even = _mm256_set1_epi64x(4 * ((1 << 26) - 1)), odd = _mm256_set1_epi64x(4 * ((1 << 25) - 1)), zeroth = _mm256_set1_epi64x(4 * ((1 << 26) - 19));
  v4 h[10], c[10];
  for (int i = 0; i < 10; i++) h[i] = _mm256_sub_epi64(vadd(a->v[i], i == 0 ? zeroth : (i & 1) ? odd : even), b->v[i]);
  for (int i = 0; i < 10; i++) { c[i] = _mm256_srli_epi64(h[i], (i & 1) ? 25 : 26); h[i] = _mm256_and_si256(h[i], (i & 1) ? m25 : m26); }
  fe4 o;
  o.v[0] = vadd(h[0], vmul(c[9], _mm256_set1_epi64x(19)));
  for (int i = 1; i < 10; i++) o.v[i] = vadd(h[i], c[i - 1]);
  return o;
}

// ---- points: extended coordinates plus an affine point of a table (y + x, y - x, 2dxy), seven products

typedef struct { fe x, y, z, t; } point;
typedef struct { fe plus, minus, t; } entry;
typedef struct { fe4 x, y, z, t; } point4;
typedef struct { fe4 plus, minus, t; } entry4;

static inline point step(const point *p, const entry *q) {
  fe a = sub(&p->y, &p->x), b = add(&p->y, &p->x);
  a = mul(&a, &q->minus); b = mul(&b, &q->plus);
  fe c = mul(&p->t, &q->t), d = add(&p->z, &p->z);
  fe e = sub(&b, &a), f = sub(&d, &c), g = add(&d, &c), h = add(&b, &a);
  return (point){mul(&e, &f), mul(&g, &h), mul(&f, &g), mul(&e, &h)};
}

AVX2 point4 step4(const point4 *p, const entry4 *q) {
  fe4 a = sub4(&p->y, &p->x), b = add4(&p->y, &p->x);
  a = mul4(&a, &q->minus); b = mul4(&b, &q->plus);
  fe4 c = mul4(&p->t, &q->t), d = add4(&p->z, &p->z);
  fe4 e = sub4(&b, &a), f = sub4(&d, &c), g = add4(&d, &c), h = add4(&b, &a);
  return (point4){mul4(&e, &f), mul4(&g, &h), mul4(&f, &g), mul4(&e, &h)};
}

// ---- between the two

static fe4 pack(const fe in[4]) {
  uint64_t limbs[10][4];
  for (int lane = 0; lane < 4; lane++)
    for (int i = 0; i < 5; i++) { limbs[2 * i][lane] = in[lane].v[i] & ((1 << 26) - 1); limbs[2 * i + 1][lane] = in[lane].v[i] >> 26; }
  fe4 o;
  memcpy(o.v, limbs, sizeof limbs);
  return o;
}

static fe lane(const fe4 *in, int lane) {
  uint64_t limbs[10][4];
  memcpy(limbs, in->v, sizeof limbs);
  fe o;
  for (int i = 0; i < 5; i++) o.v[i] = limbs[2 * i][lane] + (limbs[2 * i + 1][lane] << 26);
  return o;
}

static uint64_t state = 1;
static uint64_t draw(void) {
  state += 0x9e3779b97f4a7c15;
  uint64_t z = state;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}
static fe any(void) {
  fe o;
  for (int i = 0; i < 5; i++) o.v[i] = draw() & mask51;
  return o;
}

static double cpu(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

enum { count = 2000, runs = 400 };

TOP void mul_chain(fe4 *x, const fe4 *y) { for (int i = 0; i < count; i++) *x = mul4(x, y); }
TOP void sqr_chain(fe4 *x) { for (int i = 0; i < count; i++) *x = sqr4(x); }
TOP void step_chain(point4 *p, const entry4 *q) { for (int i = 0; i < count; i++) *p = step4(p, &q[i & 7]); }
__attribute__((noinline)) static void mul_portable(fe x[4], const fe y[4]) { for (int i = 0; i < count; i++) for (int k = 0; k < 4; k++) x[k] = mul(&x[k], &y[k]); }
__attribute__((noinline)) static void sqr_portable(fe x[4]) { for (int i = 0; i < count; i++) for (int k = 0; k < 4; k++) x[k] = sqr(&x[k]); }
__attribute__((noinline)) static void step_portable(point p[4], const entry q[8][4]) {
  for (int i = 0; i < count; i++) for (int k = 0; k < 4; k++) p[k] = step(&p[k], &q[i & 7][k]);
}

static void expect(const char *what, const fe4 *vector, const fe *portable) {
  for (int k = 0; k < 4; k++) {
    uint64_t a[4], b[4];
    fe one = lane(vector, k);
    encode(&one, a); encode(&portable[k], b);
    if (memcmp(a, b, sizeof a)) { fprintf(stderr, "field: %s differs in lane %d\n", what, k); exit(1); }
  }
}

#define LEAST(best, call) { best = 1e18; for (int r = 0; r < runs; r++) { double began = cpu(); call; double took = (cpu() - began) / count; if (took < best) best = took; } }
static void report(const char *what, double vector, double portable) { printf("%s avx2=%.1f portable=%.1f ratio=%.2f\n", what, vector, portable, portable / vector); }

int main(void) {
  if (!__builtin_cpu_supports("avx2")) { fprintf(stderr, "field: this processor has no AVX2\n"); return 69; }
  static fe x[4], y[4];
  static fe4 x4, y4;
  double vector, portable;
  for (int k = 0; k < 4; k++) { x[k] = any(); y[k] = any(); }
  // Limbs at their largest, too.
  for (int i = 0; i < 5; i++) x[0].v[i] = y[0].v[i] = mask51;
  x4 = pack(x); y4 = pack(y);
  sqr_chain(&x4); sqr_portable(x);
  expect("a chain of squares", &x4, x);
  mul_chain(&x4, &y4); mul_portable(x, y);
  expect("a chain of products", &x4, x);
  LEAST(vector, sqr_chain(&x4)) LEAST(portable, sqr_portable(x))
  report("squares", vector, portable);
  LEAST(vector, mul_chain(&x4, &y4)) LEAST(portable, mul_portable(x, y))
  report("products", vector, portable);
  // Any numbers will do: the formulas do not ask whether a point lies on the curve.
  static point p[4];
  static entry q[8][4];
  static point4 p4;
  static entry4 q4[8];
  fe column[4];
#define PACK(to, from) { for (int k = 0; k < 4; k++) column[k] = from; to = pack(column); }
  for (int k = 0; k < 4; k++) p[k] = (point){any(), any(), any(), any()};
  for (int i = 0; i < 8; i++) for (int k = 0; k < 4; k++) q[i][k] = (entry){any(), any(), any()};
  PACK(p4.x, p[k].x) PACK(p4.y, p[k].y) PACK(p4.z, p[k].z) PACK(p4.t, p[k].t)
  for (int i = 0; i < 8; i++) { PACK(q4[i].plus, q[i][k].plus) PACK(q4[i].minus, q[i][k].minus) PACK(q4[i].t, q[i][k].t) }
  step_chain(&p4, q4); step_portable(p, (const entry(*)[4])q);
  for (int k = 0; k < 4; k++) column[k] = p[k].x;
  expect("x of a sum of points", &p4.x, column);
  for (int k = 0; k < 4; k++) column[k] = p[k].t;
  expect("t of a sum of points", &p4.t, column);
  LEAST(vector, step_chain(&p4, q4)) LEAST(portable, step_portable(p, (const entry(*)[4])q))
  report("additions", vector, portable);
  return 0;
}
