// SPDX-License-Identifier: MIT
// The coupling's elementwise part: the map u of v that the coupling network's output `raw` says.
#ifndef GB_COUPLING_H
#define GB_COUPLING_H

#include "kernels/operation.h"

// How the network's output is read: as c shifts raw_t and, but for the additive form, c raw scales
// raw_s behind them (checkpoints interleave them, even = shift; packing reorders).
enum gb_coupling_form {
    // c-Glow's: u = (v + tanh(raw_t)) * scale, scale = sigmoid(tanh(raw_s) + 2).
    GB_COUPLING_SIGMOID,
    // CNF's: u = v * scale + raw_t, scale = softplus(raw_s); raw_s above -87, where the scale would
    // vanish.
    GB_COUPLING_SOFTPLUS,
    // CNF's for vessels, which keeps volumes: u = v + raw_t.
    GB_COUPLING_ADDITIVE,
};

// Channels of `raw` for c channels of v.
static inline int gb_coupling_raw_channels(enum gb_coupling_form form, int c) {
    return form == GB_COUPLING_ADDITIVE ? c : 2 * c;
}

// v and u: n x h x w x c, any strides, u may be the same view as v; raw: n x h x w x
// gb_coupling_raw_channels. Adds a sample's sum of log(scale) to log_det[n] (doubles; NULL for the
// additive form, where it is nothing): each image row is summed in float lanes, then the rows in
// order in double. Scratch: gb_row_sums_bytes(v). Error bounds, here and below with e = 2^-24 and
// `shift` for tanh(raw_t) or raw_t: of u 16*e*(|v*scale| + |shift*scale|), of the softplus and the
// additive form 16*e*(|v*scale| + |shift|); of log_det (10 + w*c)*e * sum of (1 + |log(scale)|).
typedef void (*gb_coupling_forward_fn)(const struct gb_exec *exec, enum gb_coupling_form form,
                                       const struct gb_tensor *v, const struct gb_tensor *raw,
                                       const struct gb_tensor *u, double *log_det);
// v = u/scale - shift in the sigmoid form, otherwise (u - shift)/scale; v may be the same view as
// u. Error bound of v: 16*e*(|u/scale| + |shift|), otherwise 16*e*(|u| + |shift|)/scale.
typedef void (*gb_coupling_inverse_fn)(const struct gb_exec *exec, enum gb_coupling_form form,
                                       const struct gb_tensor *u, const struct gb_tensor *raw,
                                       const struct gb_tensor *v);
// From the output u, raw, du and d_log_det[n] (the loss's gradient for each sample's
// log-determinant; unused by the additive form): dv = du*scale and d_raw, in channels like raw's,
//   sigmoid   dv*(1 - tanh(raw_t)^2),  (du*u + d_log_det)*(1 - scale)*(1 - tanh(raw_s)^2)
//   softplus  du,                      (du*(u - raw_t) + d_log_det)*sigmoid(raw_s)/scale
//   additive  du
// It needs u, not v, because d(scale)*scale is du*u or, for the softplus, du*(u - shift): the
// coupling can then work in place. dv may be the same view as du; d_raw overlaps nothing, raw
// included. Error bounds: of dv 12*e*|dv|; of d_raw_t 24*e*|dv|, exact where it is du; of d_raw_s
// 32*e*(|du*u| + |d_log_det|), of the softplus 32*e*(|du|*(|u| + |shift|) + |d_log_det|).
typedef void (*gb_coupling_backward_fn)(const struct gb_exec *exec, enum gb_coupling_form form,
                                        const struct gb_tensor *u, const struct gb_tensor *raw,
                                        const struct gb_tensor *du, const float *d_log_det,
                                        const struct gb_tensor *dv, const struct gb_tensor *d_raw);

// The shape of v, and the form; text "n2h16w16c6", "n2h16w16c6softplus", "n2h16w16c6additive".
struct gb_coupling_problem {
    struct gb_image_problem image;
    enum gb_coupling_form form;
};

#endif
