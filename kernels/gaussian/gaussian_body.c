// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/math.h"
#include "kernels/simd/rows.h"

// An element costs about this many floats of a streaming loop.
enum { COST = 4 };

struct density {
    const struct gb_tensor *z, *prior;
    const float *d_log_density;
    const struct gb_tensor *dz, *d_prior;
    float *row_sum;
};

// A piece's means and logarithms of sigma; zeros, the standard normal, where there is no prior.
static void gather_prior(const struct gb_tensor *prior, const struct gb_piece *p,
                         struct gb_dense_piece *mean, struct gb_dense_piece *log_sigma) {
    if (prior) {
        gb_gather(prior, p, 0, mean);
        gb_gather(prior, p, prior->c / 2, log_sigma);
    } else {
        memset(mean, 0, sizeof *mean);
        memset(log_sigma, 0, sizeof *log_sigma);
    }
}

static void forward_row(const void *argument, int n, int y) {
    const struct density *k = argument;
    struct gb_dense_piece z, mean, log_sigma;
    gb_v sum = {0};
    for (struct gb_piece p = gb_first_piece(k->z, n, y); p.pixels; p = gb_next_piece(k->z, p)) {
        gb_gather(k->z, &p, 0, &z);
        gather_prior(k->prior, &p, &mean, &log_sigma);
        const int count = p.pixels * p.channels;
        for (int i = 0; i < count; i += GB_LANES) {
            gb_v s = gb_v_load(log_sigma.at + i);
            gb_v d = (gb_v_load(z.at + i) - gb_v_load(mean.at + i)) * gb_v_exp(-s);
            sum += gb_v_keep(s + 0.5f * d * d, gb_smaller(count - i, GB_LANES));
        }
    }
    k->row_sum[n * k->z->h + y] = gb_v_sum(sum);
}

void GB_NAME(gb_gaussian_forward_f32)(const struct gb_exec *exec, const struct gb_tensor *z,
                                      const struct gb_tensor *prior, double *log_density) {
    assert(!prior || prior->c == 2 * z->c);
    assert(exec->scratch_floats >= gb_gaussian_scratch_floats(z));
    struct density density = {.z = z, .prior = prior, .row_sum = exec->scratch};
    gb_for_rows(exec, z, COST, forward_row, &density);
    const double elements_per_sample = (double)z->h * z->w * z->c;
    for (int n = 0; n < z->n; n++) {
        double sum = 0;
        for (int y = 0; y < z->h; y++)
            sum += density.row_sum[n * z->h + y];
        log_density[n] -= GB_HALF_LOG_2PI * elements_per_sample + sum;
    }
}

static void backward_row(const void *argument, int n, int y) {
    const struct density *k = argument;
    struct gb_dense_piece z, mean, log_sigma;
    const float d_log_density = k->d_log_density[n];
    for (struct gb_piece p = gb_first_piece(k->z, n, y); p.pixels; p = gb_next_piece(k->z, p)) {
        gb_gather(k->z, &p, 0, &z);
        gather_prior(k->prior, &p, &mean, &log_sigma);
        for (int i = 0; i < p.pixels * p.channels; i += GB_LANES) {
            gb_v inverse_sigma = gb_v_exp(-gb_v_load(log_sigma.at + i));
            gb_v d = (gb_v_load(z.at + i) - gb_v_load(mean.at + i)) * inverse_sigma;
            gb_v d_mean = d_log_density * d * inverse_sigma;
            gb_v_store(z.at + i, -d_mean);
            gb_v_store(mean.at + i, d_mean);
            gb_v_store(log_sigma.at + i, d_log_density * (d * d - 1.0f));
        }
        gb_scatter(k->dz, &p, 0, &z);
        if (k->prior) {
            gb_scatter(k->d_prior, &p, 0, &mean);
            gb_scatter(k->d_prior, &p, k->z->c, &log_sigma);
        }
    }
}

void GB_NAME(gb_gaussian_backward_f32)(const struct gb_exec *exec, const struct gb_tensor *z,
                                       const struct gb_tensor *prior, const float *d_log_density,
                                       const struct gb_tensor *dz,
                                       const struct gb_tensor *d_prior) {
    assert(gb_same_shape(z, dz));
    assert(!prior || (prior->c == 2 * z->c && gb_same_shape(prior, d_prior)));
    struct density density = {
        .z = z, .prior = prior, .d_log_density = d_log_density, .dz = dz, .d_prior = d_prior};
    gb_for_rows(exec, z, COST, backward_row, &density);
}

struct sample {
    const struct gb_tensor *noise, *prior, *z;
    float temperature;
};

static void sample_row(const void *argument, int n, int y) {
    const struct sample *k = argument;
    struct gb_dense_piece noise, mean, log_sigma;
    for (struct gb_piece p = gb_first_piece(k->z, n, y); p.pixels; p = gb_next_piece(k->z, p)) {
        gb_gather(k->noise, &p, 0, &noise);
        gather_prior(k->prior, &p, &mean, &log_sigma);
        for (int i = 0; i < p.pixels * p.channels; i += GB_LANES) {
            gb_v sigma = gb_v_exp(gb_v_load(log_sigma.at + i));
            gb_v scaled = gb_v_load(noise.at + i) * k->temperature;
            gb_v_store(noise.at + i, gb_v_load(mean.at + i) + sigma * scaled);
        }
        gb_scatter(k->z, &p, 0, &noise);
    }
}

void GB_NAME(gb_gaussian_sample_f32)(const struct gb_exec *exec, const struct gb_tensor *noise,
                                     const struct gb_tensor *prior, float temperature,
                                     const struct gb_tensor *z) {
    assert(gb_same_shape(noise, z) && (!prior || prior->c == 2 * z->c));
    struct sample sample = {noise, prior, z, temperature};
    gb_for_rows(exec, z, COST, sample_row, &sample);
}
