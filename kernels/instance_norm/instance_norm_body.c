// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/epilogue/activation.h"
#include "kernels/simd/rows.h"

// A vector of channels of one image.
struct channels {
    gb_v mean, deviation, inverse;
};

GB_INLINE struct channels channels_of(const struct gb_norm_moments *moments, int n, int c,
                                      int left) {
    const ptrdiff_t at = n * moments->stride + c;
    gb_v deviation = gb_v_sqrt(gb_load_left(moments->variance + at, left) + GB_NORM_EPSILON);
    return (struct channels){gb_load_left(moments->mean + at, left), deviation, 1.0f / deviation};
}

struct apply {
    enum gb_activation activation;
    const struct gb_tensor *from, *to;
    const struct gb_norm_moments *moments;
};

// Rows are compiled once for each activation and direction.
GB_INLINE void map_row(const struct apply *k, int n, int y, enum gb_activation activation,
                       bool inverse) {
    for (int c = 0, left = k->from->c; left > 0; c += GB_LANES, left -= GB_LANES) {
        const struct channels m = channels_of(k->moments, n, c, left);
        const float *from = gb_at(k->from, n, y, 0) + c;
        float *to = gb_at(k->to, n, y, 0) + c;
        for (int x = 0; x < k->from->w; x++, from += k->from->pixel, to += k->to->pixel) {
            gb_v v = gb_load_left(from, left);
            if (inverse)
                v = v * m.deviation + m.mean;
            else
                v = gb_v_activate(activation, (v - m.mean) * m.inverse);
            gb_store_left(to, v, left);
        }
    }
}

static void forward_row(const void *argument, int n, int y) {
    const struct apply *k = argument;
    if (k->activation == GB_RELU)
        map_row(k, n, y, GB_RELU, false);
    else
        map_row(k, n, y, GB_IDENTITY, false);
}

static void inverse_row(const void *apply, int n, int y) {
    map_row(apply, n, y, GB_IDENTITY, true);
}

void GB_NAME(gb_instance_norm_forward)(const struct gb_exec *exec, enum gb_activation activation,
                                       const struct gb_tensor *v,
                                       const struct gb_norm_moments *moments,
                                       const struct gb_tensor *y) {
    assert(gb_same_shape(v, y) && (activation == GB_IDENTITY || activation == GB_RELU));
    struct apply apply = {activation, v, y, moments};
    gb_for_rows(exec, v, 1, forward_row, &apply);
}

void GB_NAME(gb_instance_norm_inverse)(const struct gb_exec *exec, const struct gb_tensor *y,
                                       const struct gb_norm_moments *moments,
                                       const struct gb_tensor *v) {
    assert(gb_same_shape(v, y));
    struct apply apply = {GB_IDENTITY, y, v, moments};
    gb_for_rows(exec, y, 1, inverse_row, &apply);
}

struct backward {
    enum gb_activation activation;
    const struct gb_tensor *v, *dy, *dv;
    const struct gb_norm_moments *moments;
    const float *d_log_det;
    float *rows;  // of each image row: c sums of d, then c sums of d*u
    float *means; // of each image: c means of d, then what multiplies u
};

// u of a vector of elements, and the gradient at it: d = dy * act'(u).
struct elements {
    gb_v u, d;
};

GB_INLINE struct elements elements_at(enum gb_activation activation, const struct channels *m,
                                      const float *v, const float *dy, int left) {
    gb_v u = (gb_load_left(v, left) - m->mean) * m->inverse;
    gb_v y = gb_v_activate(activation, u);
    return (struct elements){u, gb_v_activation_gradient(activation, gb_load_left(dy, left), y)};
}

GB_INLINE void sum_row(enum gb_activation activation, const struct backward *k, int n, int y) {
    float *row = k->rows + (size_t)(n * k->v->h + y) * 2 * (size_t)k->v->c;
    for (int c = 0, left = k->v->c; left > 0; c += GB_LANES, left -= GB_LANES) {
        const struct channels m = channels_of(k->moments, n, c, left);
        const float *v = gb_at(k->v, n, y, 0) + c, *dy = gb_at(k->dy, n, y, 0) + c;
        gb_v sum_d = {0}, sum_du = {0};
        for (int x = 0; x < k->v->w; x++, v += k->v->pixel, dy += k->dy->pixel) {
            const struct elements e = elements_at(activation, &m, v, dy, left);
            sum_d += e.d;
            sum_du = gb_v_fma(e.d, e.u, sum_du);
        }
        gb_store_left(row + c, sum_d, left);
        gb_store_left(row + k->v->c + c, sum_du, left);
    }
}

// The mean over image n of one of its two sums: of d for i < c, otherwise of d*u.
static double mean_of(const struct backward *k, size_t n, size_t i) {
    const size_t h = (size_t)k->v->h, row = 2 * (size_t)k->v->c;
    double sum = 0;
    for (size_t y = 0; y < h; y++)
        sum += k->rows[(n * h + y) * row + i];
    return sum / ((double)k->v->h * k->v->w);
}

GB_INLINE void apply_row(enum gb_activation activation, const struct backward *k, int n, int y) {
    const float *means = k->means + (size_t)n * 2 * (size_t)k->v->c;
    for (int c = 0, left = k->v->c; left > 0; c += GB_LANES, left -= GB_LANES) {
        const struct channels m = channels_of(k->moments, n, c, left);
        const gb_v mean_d = gb_load_left(means + c, left);
        const gb_v mean_du = gb_load_left(means + k->v->c + c, left);
        const float *v = gb_at(k->v, n, y, 0) + c, *dy = gb_at(k->dy, n, y, 0) + c;
        float *dv = gb_at(k->dv, n, y, 0) + c;
        for (int x = 0; x < k->v->w;
             x++, v += k->v->pixel, dy += k->dy->pixel, dv += k->dv->pixel) {
            const struct elements e = elements_at(activation, &m, v, dy, left);
            gb_store_left(dv, (e.d - mean_d - e.u * mean_du) * m.inverse, left);
        }
    }
}

// The two sums of image rows [begin, end), or the gradient from the means.
static void run_rows(const struct backward *k, struct gb_range rows, bool apply) {
    for (size_t row = rows.begin; row < rows.end; row++) {
        const int n = (int)(row / (size_t)k->v->h), y = (int)(row % (size_t)k->v->h);
        if (k->activation == GB_RELU)
            apply ? apply_row(GB_RELU, k, n, y) : sum_row(GB_RELU, k, n, y);
        else
            apply ? apply_row(GB_IDENTITY, k, n, y) : sum_row(GB_IDENTITY, k, n, y);
    }
}

static void backward_share(void *argument, int rank, int size) {
    const struct backward *k = argument;
    const size_t images = (size_t)k->v->n, sums = 2 * (size_t)k->v->c;
    const struct gb_range rows = gb_partition(images * (size_t)k->v->h, rank, size);
    run_rows(k, rows, false);
    gb_barrier(size);

    struct gb_range share = gb_partition(images * sums, rank, size);
    for (size_t i = share.begin; i < share.end; i++) {
        const size_t n = i / sums;
        const bool multiplies_u = i % sums >= sums / 2;
        k->means[i] =
            (float)(mean_of(k, n, i % sums) + (multiplies_u && k->d_log_det ? k->d_log_det[n] : 0));
    }
    gb_barrier(size);

    run_rows(k, rows, true);
}

void GB_NAME(gb_instance_norm_backward)(const struct gb_exec *exec, enum gb_activation activation,
                                        const struct gb_tensor *v,
                                        const struct gb_norm_moments *moments,
                                        const struct gb_tensor *dy, const float *d_log_det,
                                        const struct gb_tensor *dv) {
    assert(gb_same_shape(v, dy) && gb_same_shape(v, dv));
    assert(activation == GB_IDENTITY || activation == GB_RELU);
    assert(moments->stride >= v->c);
    assert(exec->scratch_bytes >= gb_instance_norm_scratch_bytes(v));
    float *rows = exec->scratch, *means = gb_scratch(exec, gb_moments_scratch_bytes(v));
    struct backward backward = {activation, v, dy, dv, moments, d_log_det, rows, means};
    gb_parallel(gb_threads_for(exec, 2 * gb_elements(v)), backward_share, &backward);
}
