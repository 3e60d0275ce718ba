// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/math.h"
#include "kernels/simd/rows.h"

// The cost of an element in floats of a streaming loop.
enum { COST = 12 };

struct dequantise {
    const struct gb_tensor *y, *in, *out;
    float *row_log_det;         // forward
    const struct gb_tensor *dv; // backward, where `in` is u and `out` is du
    const float *d_log_det;
};

GB_INLINE gb_v sign_of(const struct gb_dense_piece *y, int i) {
    return gb_v_select(gb_v_load(y->at + i) > gb_v_set(0.5f), gb_v_set(1.0f), gb_v_set(-1.0f));
}

static void forward_row(const void *argument, int n, int row) {
    const struct dequantise *k = argument;
    struct gb_dense_piece y, u;
    gb_v log_det = {0};
    for (struct gb_piece p = gb_first_piece(k->in, n, row); p.pixels; p = gb_next_piece(k->in, p)) {
        gb_gather(k->y, &p, 0, &y);
        gb_gather(k->in, &p, 0, &u);
        const int count = p.pixels * p.channels;
        for (int i = 0; i < count; i += GB_LANES) {
            gb_v value = gb_v_load(u.at + i);
            gb_v_store(u.at + i, 0.5f + sign_of(&y, i) * gb_v_softplus(value));
            log_det -= gb_v_keep(gb_v_softplus(-value), gb_smaller(count - i, GB_LANES));
        }
        gb_scatter(k->out, &p, 0, &u);
    }
    k->row_log_det[n * k->in->h + row] = gb_v_sum(log_det);
}

void GB_NAME(gb_dequantise_forward_f32)(const struct gb_exec *exec, const struct gb_tensor *y,
                                        const struct gb_tensor *u, const struct gb_tensor *v,
                                        double *log_det) {
    assert(gb_same_shape(y, u) && gb_same_shape(u, v));
    assert(exec->scratch_bytes >= gb_dequantise_scratch_bytes(u));
    struct dequantise dequantise = {.y = y, .in = u, .out = v, .row_log_det = exec->scratch};
    gb_for_rows(exec, u, COST, forward_row, &dequantise);
    for (int row = 0; row < u->n * u->h; row++)
        log_det[row / u->h] += dequantise.row_log_det[row];
}

static void inverse_row(const void *argument, int n, int row) {
    const struct dequantise *k = argument;
    struct gb_dense_piece y, v;
    for (struct gb_piece p = gb_first_piece(k->in, n, row); p.pixels; p = gb_next_piece(k->in, p)) {
        gb_gather(k->y, &p, 0, &y);
        gb_gather(k->in, &p, 0, &v);
        for (int i = 0; i < p.pixels * p.channels; i += GB_LANES) {
            gb_v distance = sign_of(&y, i) * (gb_v_load(v.at + i) - 0.5f);
            gb_v_store(v.at + i, gb_v_softplus_inverse(distance));
        }
        gb_scatter(k->out, &p, 0, &v);
    }
}

void GB_NAME(gb_dequantise_inverse_f32)(const struct gb_exec *exec, const struct gb_tensor *y,
                                        const struct gb_tensor *v, const struct gb_tensor *u) {
    assert(gb_same_shape(y, u) && gb_same_shape(u, v));
    struct dequantise dequantise = {.y = y, .in = v, .out = u};
    gb_for_rows(exec, v, COST, inverse_row, &dequantise);
}

static void backward_row(const void *argument, int n, int row) {
    const struct dequantise *k = argument;
    struct gb_dense_piece y, u, dv;
    for (struct gb_piece p = gb_first_piece(k->in, n, row); p.pixels; p = gb_next_piece(k->in, p)) {
        gb_gather(k->y, &p, 0, &y);
        gb_gather(k->in, &p, 0, &u);
        gb_gather(k->dv, &p, 0, &dv);
        for (int i = 0; i < p.pixels * p.channels; i += GB_LANES) {
            gb_v value = gb_v_load(u.at + i);
            gb_v d_softplus = sign_of(&y, i) * gb_v_load(dv.at + i);
            gb_v_store(dv.at + i,
                       d_softplus * gb_v_sigmoid(value) + k->d_log_det[n] * gb_v_sigmoid(-value));
        }
        gb_scatter(k->out, &p, 0, &dv);
    }
}

void GB_NAME(gb_dequantise_backward_f32)(const struct gb_exec *exec, const struct gb_tensor *y,
                                         const struct gb_tensor *u, const struct gb_tensor *dv,
                                         const float *d_log_det, const struct gb_tensor *du) {
    assert(gb_same_shape(y, u) && gb_same_shape(u, dv) && gb_same_shape(u, du));
    struct dequantise dequantise = {.y = y, .in = u, .out = du, .dv = dv, .d_log_det = d_log_det};
    gb_for_rows(exec, u, COST, backward_row, &dequantise);
}
