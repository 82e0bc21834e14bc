// As many points at a time as there are lanes, one in each: what buckets are made of. A sum of them costs seven or eight products, and no lane waits for another.
#ifndef CED25519_LANES_H
#define CED25519_LANES_H

#include "elements.h"

INLINE points lanes_identity(void) { return (points){{fe_small(0), fe_small(1), fe_small(1), fe_small(0)}}; }

/// The second half of an addition, from (Y1 - X1)(Y2 - X2), (Y1 + X1)(Y2 + X2), 2 Z1 Z2 below twice a weak value, and 2 d T1 T2.
INLINE points lanes_finish(fe a, fe b, fe d, fe c) {
  const fe e = fe_difference(b, a), h = fe_sum(b, a);
  const fe f = fe_difference(d, c), g = fe_sum(d, c);
  // The first factor may be the larger one, and f is.
  return (points){{fe_mul(f, e), fe_mul(g, h), fe_mul(f, g), fe_mul(h, e)}};
}

/// The sum with one cached point in all lanes, subtracted where `negative` says. `is_affine`: its 2 Z is 2, which saves a product.
INLINE points lanes_add_entry(points p, const uint64_t *entry, lanemask negative, int is_affine) {
  const fe m = fe_broadcast(entry, 0), s = fe_broadcast(entry, 1), t = fe_broadcast(entry, 3);
  const fe a = fe_mul(fe_difference(p.v[1], p.v[0]), fe_select(negative, m, s));
  const fe b = fe_mul(fe_sum(p.v[1], p.v[0]), fe_select(negative, s, m));
  // 2 p less a weak value may be multiplied as it is.
  const fe c = fe_mul(p.v[3], fe_select(negative, t, fe_minus(fe_small(0), t)));
  const fe d = is_affine ? fe_plus(p.v[2], p.v[2]) : fe_mul(p.v[2], fe_broadcast(entry, 2));
  return lanes_finish(a, b, d, c);
}

/// The sum of extended points.
INLINE points lanes_add(points p, points q) {
  const fe a = fe_mul(fe_difference(p.v[1], p.v[0]), fe_difference(q.v[1], q.v[0]));
  const fe b = fe_mul(fe_sum(p.v[1], p.v[0]), fe_sum(q.v[1], q.v[0]));
  const fe c = fe_mul(fe_mul(p.v[3], q.v[3]), fe_double_d());
  const fe z = fe_mul(p.v[2], q.v[2]);
  return lanes_finish(a, b, fe_plus(z, z), c);
}

#endif
