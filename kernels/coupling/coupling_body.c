// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/math.h"
#include "kernels/simd/rows.h"

// An element costs about this many floats of a streaming loop.
enum { COST = 16 };

GB_INLINE gb_v scale_of(gb_v tanh_s) {
    return gb_v_sigmoid(tanh_s + 2.0f);
}

struct forward {
    const struct gb_tensor *v, *raw, *u;
    float *row_log_det;
};

static void forward_row(const void *argument, int n, int y) {
    const struct forward *k = argument;
    struct gb_dense_piece raw_t, raw_s, v;
    gb_v log_det = {0};
    for (struct gb_piece p = gb_first_piece(k->v, n, y); p.pixels; p = gb_next_piece(k->v, p)) {
        gb_gather(k->raw, &p, 0, &raw_t);
        gb_gather(k->raw, &p, k->v->c, &raw_s);
        gb_gather(k->v, &p, 0, &v);
        const int count = p.pixels * p.channels;
        for (int i = 0; i < count; i += GB_LANES) {
            gb_v shift = gb_v_tanh(gb_v_load(raw_t.at + i));
            gb_v scale = scale_of(gb_v_tanh(gb_v_load(raw_s.at + i)));
            gb_v_store(v.at + i, (gb_v_load(v.at + i) + shift) * scale);
            log_det += gb_v_keep(gb_v_log(scale), gb_smaller(count - i, GB_LANES));
        }
        gb_scatter(k->u, &p, 0, &v);
    }
    k->row_log_det[n * k->v->h + y] = gb_v_sum(log_det);
}

void GB_NAME(gb_coupling_forward_f32)(const struct gb_exec *exec, const struct gb_tensor *v,
                                      const struct gb_tensor *raw, const struct gb_tensor *u,
                                      double *log_det) {
    assert(gb_same_shape(v, u) && raw->c == 2 * v->c);
    assert(exec->scratch_floats >= gb_coupling_scratch_floats(v));
    struct forward forward = {v, raw, u, exec->scratch};
    gb_for_rows(exec, v, COST, forward_row, &forward);
    for (int row = 0; row < v->n * v->h; row++)
        log_det[row / v->h] += exec->scratch[row];
}

struct inverse {
    const struct gb_tensor *u, *raw, *v;
};

static void inverse_row(const void *argument, int n, int y) {
    const struct inverse *k = argument;
    struct gb_dense_piece raw_t, raw_s, u;
    for (struct gb_piece p = gb_first_piece(k->u, n, y); p.pixels; p = gb_next_piece(k->u, p)) {
        gb_gather(k->raw, &p, 0, &raw_t);
        gb_gather(k->raw, &p, k->u->c, &raw_s);
        gb_gather(k->u, &p, 0, &u);
        for (int i = 0; i < p.pixels * p.channels; i += GB_LANES) {
            gb_v shift = gb_v_tanh(gb_v_load(raw_t.at + i));
            gb_v scale = scale_of(gb_v_tanh(gb_v_load(raw_s.at + i)));
            gb_v_store(u.at + i, gb_v_load(u.at + i) / scale - shift);
        }
        gb_scatter(k->v, &p, 0, &u);
    }
}

void GB_NAME(gb_coupling_inverse_f32)(const struct gb_exec *exec, const struct gb_tensor *u,
                                      const struct gb_tensor *raw, const struct gb_tensor *v) {
    assert(gb_same_shape(v, u) && raw->c == 2 * v->c);
    struct inverse inverse = {u, raw, v};
    gb_for_rows(exec, u, COST, inverse_row, &inverse);
}

struct backward {
    const struct gb_tensor *u, *raw, *du;
    const float *d_log_det;
    const struct gb_tensor *dv, *d_raw;
};

static void backward_row(const void *argument, int n, int y) {
    const struct backward *k = argument;
    struct gb_dense_piece raw_t, raw_s, u, du;
    const int c = k->u->c;
    for (struct gb_piece p = gb_first_piece(k->u, n, y); p.pixels; p = gb_next_piece(k->u, p)) {
        gb_gather(k->raw, &p, 0, &raw_t);
        gb_gather(k->raw, &p, c, &raw_s);
        gb_gather(k->u, &p, 0, &u);
        gb_gather(k->du, &p, 0, &du);
        for (int i = 0; i < p.pixels * p.channels; i += GB_LANES) {
            gb_v shift = gb_v_tanh(gb_v_load(raw_t.at + i));
            gb_v tanh_s = gb_v_tanh(gb_v_load(raw_s.at + i));
            gb_v scale = scale_of(tanh_s);
            gb_v d_u = gb_v_load(du.at + i), d_v = d_u * scale;
            gb_v d_scale_input = (d_u * gb_v_load(u.at + i) + k->d_log_det[n]) * (1.0f - scale);
            gb_v_store(du.at + i, d_v);
            gb_v_store(raw_t.at + i, d_v * (1.0f - shift * shift));
            gb_v_store(raw_s.at + i, d_scale_input * (1.0f - tanh_s * tanh_s));
        }
        gb_scatter(k->dv, &p, 0, &du);
        gb_scatter(k->d_raw, &p, 0, &raw_t);
        gb_scatter(k->d_raw, &p, c, &raw_s);
    }
}

void GB_NAME(gb_coupling_backward_f32)(const struct gb_exec *exec, const struct gb_tensor *u,
                                       const struct gb_tensor *raw, const struct gb_tensor *du,
                                       const float *d_log_det, const struct gb_tensor *dv,
                                       const struct gb_tensor *d_raw) {
    assert(gb_same_shape(u, du) && gb_same_shape(u, dv));
    assert(raw->c == 2 * u->c && gb_same_shape(raw, d_raw));
    struct backward backward = {u, raw, du, d_log_det, dv, d_raw};
    gb_for_rows(exec, u, COST, backward_row, &backward);
}
