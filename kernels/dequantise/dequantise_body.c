// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/math.h"
#include "kernels/simd/rows.h"

// The cost of an element in floats of a streaming loop.
enum { COST = 12 };

GB_INLINE gb_v sign_of(gb_v y) {
    return gb_v_select(y > gb_v_set(0.5f), gb_v_set(1.0f), gb_v_set(-1.0f));
}

// u to v, y.
GB_INLINE gb_v forward(struct gb_map_context context, gb_v *v) {
    (void)context;
    const gb_v u = v[0];
    v[0] = 0.5f + sign_of(v[1]) * gb_v_softplus(u);
    return -gb_v_softplus(-u);
}

GB_MAP_ROW(gb_map_row, forward, .in = 2, .out = 1, .sums = true)

void GB_NAME(gb_dequantise_forward)(const struct gb_exec *exec, const struct gb_tensor *y,
                                    const struct gb_tensor *u, const struct gb_tensor *v,
                                    double *log_det) {
    assert(gb_same_shape(y, u) && gb_same_shape(u, v));
    assert(exec->scratch_bytes >= gb_row_sums_bytes(u));
    const struct gb_map map = {.in = {*u, *y}, .out = {*v}, .row_sums = exec->scratch};
    gb_for_rows(exec, u, COST, forward_row, &map);
    gb_add_row_sums(exec->scratch, u, log_det);
}

// v to u, y.
GB_INLINE gb_v inverse(struct gb_map_context context, gb_v *v) {
    (void)context;
    return v[0] = gb_v_softplus_inverse(sign_of(v[1]) * (v[0] - 0.5f));
}

GB_MAP_ROW(gb_map_row, inverse, .in = 2, .out = 1)

void GB_NAME(gb_dequantise_inverse)(const struct gb_exec *exec, const struct gb_tensor *y,
                                    const struct gb_tensor *v, const struct gb_tensor *u) {
    assert(gb_same_shape(y, u) && gb_same_shape(u, v));
    const struct gb_map map = {.in = {*v, *y}, .out = {*u}};
    gb_for_rows(exec, v, COST, inverse_row, &map);
}

// dv to du, y, u.
GB_INLINE gb_v backward(struct gb_map_context context, gb_v *v) {
    const gb_v d_softplus = sign_of(v[1]) * v[0];
    return v[0] = d_softplus * gb_v_sigmoid(v[2]) + context.d_sum * gb_v_sigmoid(-v[2]);
}

GB_MAP_ROW(gb_map_row, backward, .in = 3, .out = 1)

void GB_NAME(gb_dequantise_backward)(const struct gb_exec *exec, const struct gb_tensor *y,
                                     const struct gb_tensor *u, const struct gb_tensor *dv,
                                     const float *d_log_det, const struct gb_tensor *du) {
    assert(gb_same_shape(y, u) && gb_same_shape(u, dv) && gb_same_shape(u, du));
    const struct gb_map map = {.in = {*dv, *y, *u}, .out = {*du}, .d_sums = d_log_det};
    gb_for_rows(exec, u, COST, backward_row, &map);
}
