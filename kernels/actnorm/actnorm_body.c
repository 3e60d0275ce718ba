// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/math.h"
#include "kernels/simd/rows.h"

struct apply {
    const struct gb_tensor *from, *to;
    const struct gb_actnorm_parameters *parameters;
};

GB_INLINE void apply_row(const struct apply *k, int n, int y, bool inverse) {
    const float *log_scales = k->parameters->log_scale + n * k->parameters->stride;
    const float *biases = k->parameters->bias + n * k->parameters->stride;
    for (int c = 0; c < k->from->c; c += GB_LANES) {
        const int left = k->from->c - c;
        const gb_v log_scale = gb_load_left(log_scales + c, left);
        const gb_v scale = gb_v_exp(inverse ? -log_scale : log_scale);
        const gb_v bias = gb_load_left(biases + c, left);
        const float *from = gb_at(k->from, n, y, 0) + c;
        float *to = gb_at(k->to, n, y, 0) + c;
        for (int x = 0; x < k->from->w; x++, from += k->from->pixel, to += k->to->pixel) {
            gb_v v = gb_load_left(from, left);
            gb_store_left(to, inverse ? v * scale - bias : (v + bias) * scale, left);
        }
    }
}

static void forward_row(const void *apply, int n, int y) {
    apply_row(apply, n, y, false);
}

static void inverse_row(const void *apply, int n, int y) {
    apply_row(apply, n, y, true);
}

void GB_NAME(gb_actnorm_forward)(const struct gb_exec *exec, const struct gb_tensor *v,
                                 const struct gb_actnorm_parameters *parameters,
                                 const struct gb_tensor *y) {
    assert(gb_same_shape(v, y));
    const struct apply apply = {v, y, parameters};
    gb_for_rows(exec, v, 1, forward_row, &apply);
}

void GB_NAME(gb_actnorm_inverse)(const struct gb_exec *exec, const struct gb_tensor *y,
                                 const struct gb_actnorm_parameters *parameters,
                                 const struct gb_tensor *v) {
    assert(gb_same_shape(v, y));
    const struct apply apply = {y, v, parameters};
    gb_for_rows(exec, y, 1, inverse_row, &apply);
}

struct backward {
    const struct gb_tensor *v, *dy, *dv;
    const struct gb_actnorm_parameters *parameters;
    const float *d_log_det;
    float *d_log_scale, *d_bias;
    ptrdiff_t d_stride;
};

struct sums {
    gb_v log_scale, bias;
};

// Channels c .. c+GB_LANES-1 of image n: writes dv, adds their sums to `sums`.
static void backward_image(const struct backward *k, int n, int c, struct sums *sums) {
    const int left = k->v->c - c;
    const ptrdiff_t parameters = n * k->parameters->stride + c;
    gb_v scale = gb_v_exp(gb_load_left(k->parameters->log_scale + parameters, left));
    gb_v bias = gb_load_left(k->parameters->bias + parameters, left);
    for (int y = 0; y < k->v->h; y++) {
        const float *v = gb_at(k->v, n, y, 0) + c, *dy = gb_at(k->dy, n, y, 0) + c;
        float *dv = gb_at(k->dv, n, y, 0) + c;
        struct sums row = {{0}, {0}};
        for (int x = 0; x < k->v->w;
             x++, v += k->v->pixel, dy += k->dy->pixel, dv += k->dv->pixel) {
            gb_v output = (gb_load_left(v, left) + bias) * scale;
            gb_v d_output = gb_load_left(dy, left);
            gb_v d_input = d_output * scale;
            gb_store_left(dv, d_input, left);
            row.log_scale += d_output * output;
            row.bias += d_input;
        }
        sums->log_scale += row.log_scale;
        sums->bias += row.bias;
    }
}

// Threads divide vectors of channels, and images where each has its own sums.
static void backward_share(void *argument, int rank, int size) {
    const struct backward *k = argument;
    const bool shared = k->d_stride == 0;
    const int vectors = (k->v->c + GB_LANES - 1) / GB_LANES;
    const int rows = shared ? 1 : k->v->n;
    struct gb_range share = gb_partition((size_t)vectors * (size_t)rows, rank, size);
    for (size_t unit = share.begin; unit < share.end; unit++) {
        const int n = (int)unit / vectors, c = (int)unit % vectors * GB_LANES;
        struct sums sums = {{0}, {0}};
        for (int image = n; image < (shared ? k->v->n : n + 1); image++)
            backward_image(k, image, c, &sums);
        for (int image = n; k->d_log_det && image < (shared ? k->v->n : n + 1); image++)
            sums.log_scale += (float)(k->v->h * k->v->w) * k->d_log_det[image];
        gb_store_left(k->d_log_scale + n * k->d_stride + c, sums.log_scale, k->v->c - c);
        gb_store_left(k->d_bias + n * k->d_stride + c, sums.bias, k->v->c - c);
    }
}

void GB_NAME(gb_actnorm_backward)(const struct gb_exec *exec, const struct gb_tensor *v,
                                  const struct gb_actnorm_parameters *parameters,
                                  const struct gb_tensor *dy, const float *d_log_det,
                                  const struct gb_tensor *dv, float *d_log_scale, float *d_bias,
                                  ptrdiff_t d_stride) {
    assert(gb_same_shape(v, dy) && gb_same_shape(v, dv));
    struct backward backward = {v, dy, dv, parameters, d_log_det, d_log_scale, d_bias, d_stride};
    gb_parallel(gb_threads_for(exec, gb_elements(v)), backward_share, &backward);
}
