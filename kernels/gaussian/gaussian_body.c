// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/math.h"
#include "kernels/simd/rows.h"

// An element costs about this many floats of a streaming loop.
enum { COST = 4 };

struct density {
    enum gb_sigma_form form;
    const struct gb_tensor *z, *prior;
    const float *d_log_density;
    const struct gb_tensor *dz, *d_prior;
    float *row_sum;
};

// No prior is the standard normal: what exp makes of zeros.
static enum gb_sigma_form form_of(enum gb_sigma_form form, const struct gb_tensor *prior) {
    return prior ? form : GB_SIGMA_EXP;
}

// A piece's means and raw sigmas; zeros where there is no prior.
static void gather_prior(const struct gb_tensor *prior, const struct gb_piece *p,
                         struct gb_dense_piece *mean, struct gb_dense_piece *raw) {
    if (prior) {
        gb_gather(prior, p, 0, mean);
        gb_gather(prior, p, prior->c / 2, raw);
    } else {
        memset(mean, 0, sizeof *mean);
        memset(raw, 0, sizeof *raw);
    }
}

// What a vector of raw sigmas says. Slope: of log(sigma) in the raw one.
struct sigma {
    gb_v log, inverse, slope;
};

GB_INLINE struct sigma sigma_of(enum gb_sigma_form form, gb_v raw) {
    if (form == GB_SIGMA_EXP)
        return (struct sigma){raw, gb_v_exp(-raw), gb_v_set(1.0f)};
    gb_v sigma = gb_v_softplus(raw);
    return (struct sigma){gb_v_log(sigma), 1.0f / sigma, gb_v_sigmoid(raw) / sigma};
}

// The rows below are compiled once for each form: callers pass a constant.

GB_INLINE void forward_row(enum gb_sigma_form form, const struct density *k, int n, int y) {
    struct gb_dense_piece z, mean, raw;
    gb_v sum = {0};
    for (struct gb_piece p = gb_first_piece(k->z, n, y); p.pixels; p = gb_next_piece(k->z, p)) {
        gb_gather(k->z, &p, 0, &z);
        gather_prior(k->prior, &p, &mean, &raw);
        const int count = p.pixels * p.channels;
        for (int i = 0; i < count; i += GB_LANES) {
            struct sigma s = sigma_of(form, gb_v_load(raw.at + i));
            gb_v d = (gb_v_load(z.at + i) - gb_v_load(mean.at + i)) * s.inverse;
            sum += gb_v_keep(s.log + 0.5f * d * d, gb_smaller(count - i, GB_LANES));
        }
    }
    k->row_sum[n * k->z->h + y] = gb_v_sum(sum);
}

GB_INLINE void backward_row(enum gb_sigma_form form, const struct density *k, int n, int y) {
    struct gb_dense_piece z, mean, raw;
    const float d_log_density = k->d_log_density[n];
    for (struct gb_piece p = gb_first_piece(k->z, n, y); p.pixels; p = gb_next_piece(k->z, p)) {
        gb_gather(k->z, &p, 0, &z);
        gather_prior(k->prior, &p, &mean, &raw);
        for (int i = 0; i < p.pixels * p.channels; i += GB_LANES) {
            struct sigma s = sigma_of(form, gb_v_load(raw.at + i));
            gb_v d = (gb_v_load(z.at + i) - gb_v_load(mean.at + i)) * s.inverse;
            gb_v d_mean = d_log_density * d * s.inverse;
            gb_v_store(z.at + i, -d_mean);
            gb_v_store(mean.at + i, d_mean);
            gb_v_store(raw.at + i, d_log_density * (d * d - 1.0f) * s.slope);
        }
        gb_scatter(k->dz, &p, 0, &z);
        if (k->prior) {
            gb_scatter(k->d_prior, &p, 0, &mean);
            gb_scatter(k->d_prior, &p, k->z->c, &raw);
        }
    }
}

// Rows for gb_for_rows, which go to those of their form.
static void any_forward_row(const void *argument, int n, int y) {
    const struct density *k = argument;
    if (k->form == GB_SIGMA_EXP)
        forward_row(GB_SIGMA_EXP, k, n, y);
    else
        forward_row(GB_SIGMA_SOFTPLUS, k, n, y);
}
static void any_backward_row(const void *argument, int n, int y) {
    const struct density *k = argument;
    if (k->form == GB_SIGMA_EXP)
        backward_row(GB_SIGMA_EXP, k, n, y);
    else
        backward_row(GB_SIGMA_SOFTPLUS, k, n, y);
}

void GB_NAME(gb_gaussian_forward_f32)(const struct gb_exec *exec, enum gb_sigma_form form,
                                      const struct gb_tensor *z, const struct gb_tensor *prior,
                                      double *log_density) {
    assert(!prior || prior->c == 2 * z->c);
    assert(exec->scratch_floats >= gb_gaussian_scratch_floats(z));
    struct density density = {
        .form = form_of(form, prior), .z = z, .prior = prior, .row_sum = exec->scratch};
    gb_for_rows(exec, z, COST, any_forward_row, &density);
    const double elements_per_sample = (double)z->h * z->w * z->c;
    for (int n = 0; n < z->n; n++) {
        double sum = 0;
        for (int y = 0; y < z->h; y++)
            sum += density.row_sum[n * z->h + y];
        log_density[n] -= GB_HALF_LOG_2PI * elements_per_sample + sum;
    }
}

void GB_NAME(gb_gaussian_backward_f32)(const struct gb_exec *exec, enum gb_sigma_form form,
                                       const struct gb_tensor *z, const struct gb_tensor *prior,
                                       const float *d_log_density, const struct gb_tensor *dz,
                                       const struct gb_tensor *d_prior) {
    assert(gb_same_shape(z, dz));
    assert(!prior || (prior->c == 2 * z->c && gb_same_shape(prior, d_prior)));
    struct density density = {.form = form_of(form, prior),
                              .z = z,
                              .prior = prior,
                              .d_log_density = d_log_density,
                              .dz = dz,
                              .d_prior = d_prior};
    gb_for_rows(exec, z, COST, any_backward_row, &density);
}

struct sample {
    enum gb_sigma_form form;
    const struct gb_tensor *noise, *prior, *z;
    float temperature;
};

static void sample_row(const void *argument, int n, int y) {
    const struct sample *k = argument;
    struct gb_dense_piece noise, mean, raw;
    for (struct gb_piece p = gb_first_piece(k->z, n, y); p.pixels; p = gb_next_piece(k->z, p)) {
        gb_gather(k->noise, &p, 0, &noise);
        gather_prior(k->prior, &p, &mean, &raw);
        for (int i = 0; i < p.pixels * p.channels; i += GB_LANES) {
            gb_v r = gb_v_load(raw.at + i);
            gb_v sigma = k->form == GB_SIGMA_EXP ? gb_v_exp(r) : gb_v_softplus(r);
            gb_v scaled = gb_v_load(noise.at + i) * k->temperature;
            gb_v_store(noise.at + i, gb_v_load(mean.at + i) + sigma * scaled);
        }
        gb_scatter(k->z, &p, 0, &noise);
    }
}

void GB_NAME(gb_gaussian_sample_f32)(const struct gb_exec *exec, enum gb_sigma_form form,
                                     const struct gb_tensor *noise, const struct gb_tensor *prior,
                                     float temperature, const struct gb_tensor *z) {
    assert(gb_same_shape(noise, z) && (!prior || prior->c == 2 * z->c));
    struct sample sample = {form_of(form, prior), noise, prior, z, temperature};
    gb_for_rows(exec, z, COST, sample_row, &sample);
}
