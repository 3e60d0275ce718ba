// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/math.h"
#include "kernels/simd/rows.h"

// The cost of an element in floats of a streaming loop.
enum { COST = 4 };

struct density {
    enum gb_prior_kind kind;
    const struct gb_tensor *z, *prior;
    const float *d_log_density;
    const struct gb_tensor *dz, *d_prior;
    float *row_sum;
};

static enum gb_prior_kind kind_of(enum gb_sigma_form form, const struct gb_tensor *prior) {
    if (!prior)
        return GB_PRIOR_NONE;
    return form == GB_SIGMA_EXP ? GB_PRIOR_EXP : GB_PRIOR_SOFTPLUS;
}

// A piece of z or of noise, with the means and raw sigmas if there is a prior.
struct pieces {
    struct gb_dense_piece z, mean, raw;
};

GB_INLINE void gather_pieces(enum gb_prior_kind kind, const struct gb_tensor *z,
                             const struct gb_tensor *prior, const struct gb_piece *p,
                             struct pieces *pieces) {
    gb_gather(z, p, 0, &pieces->z);
    if (kind != GB_PRIOR_NONE) {
        gb_gather(prior, p, 0, &pieces->mean);
        gb_gather(prior, p, prior->c / 2, &pieces->raw);
    }
}

// From a vector of raw sigmas. Slope: the derivative of log(sigma) in the raw value.
struct sigma {
    gb_v log, inverse, slope;
};

GB_INLINE struct sigma sigma_of(enum gb_prior_kind kind, gb_v raw) {
    if (kind == GB_PRIOR_EXP)
        return (struct sigma){raw, gb_v_exp(-raw), gb_v_set(1.0f)};
    gb_v sigma = gb_v_softplus(raw);
    return (struct sigma){gb_v_log(sigma), 1.0f / sigma, gb_v_sigmoid(raw) / sigma};
}

// Row functions are compiled once per kind: callers pass a constant.

GB_INLINE void forward_row(enum gb_prior_kind kind, const struct density *k, int n, int y) {
    struct pieces pieces;
    gb_v sum = {0};
    for (struct gb_piece p = gb_first_piece(k->z, n, y); p.pixels; p = gb_next_piece(k->z, p)) {
        gather_pieces(kind, k->z, k->prior, &p, &pieces);
        const int count = p.pixels * p.channels;
        for (int i = 0; i < count; i += GB_LANES) {
            gb_v d = gb_v_load(pieces.z.at + i), term = 0.5f * d * d;
            if (kind != GB_PRIOR_NONE) {
                struct sigma s = sigma_of(kind, gb_v_load(pieces.raw.at + i));
                d = (d - gb_v_load(pieces.mean.at + i)) * s.inverse;
                term = s.log + 0.5f * d * d;
            }
            sum += gb_v_keep(term, gb_smaller(count - i, GB_LANES));
        }
    }
    k->row_sum[n * k->z->h + y] = gb_v_sum(sum);
}

GB_INLINE void backward_row(enum gb_prior_kind kind, const struct density *k, int n, int y) {
    struct pieces pieces;
    const float d_log_density = k->d_log_density[n];
    for (struct gb_piece p = gb_first_piece(k->z, n, y); p.pixels; p = gb_next_piece(k->z, p)) {
        gather_pieces(kind, k->z, k->prior, &p, &pieces);
        for (int i = 0; i < p.pixels * p.channels; i += GB_LANES) {
            gb_v d = gb_v_load(pieces.z.at + i), d_mean = d_log_density * d;
            if (kind != GB_PRIOR_NONE) {
                struct sigma s = sigma_of(kind, gb_v_load(pieces.raw.at + i));
                d = (d - gb_v_load(pieces.mean.at + i)) * s.inverse;
                d_mean = d_log_density * d * s.inverse;
                gb_v_store(pieces.mean.at + i, d_mean);
                gb_v_store(pieces.raw.at + i, d_log_density * (d * d - 1.0f) * s.slope);
            }
            gb_v_store(pieces.z.at + i, -d_mean);
        }
        gb_scatter(k->dz, &p, 0, &pieces.z);
        if (kind != GB_PRIOR_NONE) {
            gb_scatter(k->d_prior, &p, 0, &pieces.mean);
            gb_scatter(k->d_prior, &p, k->z->c, &pieces.raw);
        }
    }
}

// For gb_for_rows: dispatches to the row function of the kind.
#define FOR_EVERY_KIND(row, type)                                                                  \
    static void any_##row(const void *argument, int n, int y) {                                    \
        const struct type *k = argument;                                                           \
        switch (k->kind) {                                                                         \
        case GB_PRIOR_NONE:                                                                        \
            row(GB_PRIOR_NONE, k, n, y);                                                           \
            break;                                                                                 \
        case GB_PRIOR_EXP:                                                                         \
            row(GB_PRIOR_EXP, k, n, y);                                                            \
            break;                                                                                 \
        case GB_PRIOR_SOFTPLUS:                                                                    \
            row(GB_PRIOR_SOFTPLUS, k, n, y);                                                       \
            break;                                                                                 \
        }                                                                                          \
    }
FOR_EVERY_KIND(forward_row, density)
FOR_EVERY_KIND(backward_row, density)

void GB_NAME(gb_gaussian_forward_f32)(const struct gb_exec *exec, enum gb_sigma_form form,
                                      const struct gb_tensor *z, const struct gb_tensor *prior,
                                      double *log_density) {
    assert(!prior || prior->c == 2 * z->c);
    assert(exec->scratch_bytes >= gb_gaussian_scratch_bytes(z));
    struct density density = {
        .kind = kind_of(form, prior), .z = z, .prior = prior, .row_sum = exec->scratch};
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
    struct density density = {.kind = kind_of(form, prior),
                              .z = z,
                              .prior = prior,
                              .d_log_density = d_log_density,
                              .dz = dz,
                              .d_prior = d_prior};
    gb_for_rows(exec, z, COST, any_backward_row, &density);
}

struct sample {
    enum gb_prior_kind kind;
    const struct gb_tensor *noise, *prior, *z;
    float temperature;
};

GB_INLINE void sample_row(enum gb_prior_kind kind, const struct sample *k, int n, int y) {
    struct pieces pieces;
    for (struct gb_piece p = gb_first_piece(k->z, n, y); p.pixels; p = gb_next_piece(k->z, p)) {
        gather_pieces(kind, k->noise, k->prior, &p, &pieces);
        for (int i = 0; i < p.pixels * p.channels; i += GB_LANES) {
            gb_v z = gb_v_load(pieces.z.at + i) * k->temperature;
            if (kind != GB_PRIOR_NONE) {
                gb_v r = gb_v_load(pieces.raw.at + i);
                gb_v sigma = kind == GB_PRIOR_EXP ? gb_v_exp(r) : gb_v_softplus(r);
                z = gb_v_load(pieces.mean.at + i) + sigma * z;
            }
            gb_v_store(pieces.z.at + i, z);
        }
        gb_scatter(k->z, &p, 0, &pieces.z);
    }
}
FOR_EVERY_KIND(sample_row, sample)

void GB_NAME(gb_gaussian_sample_f32)(const struct gb_exec *exec, enum gb_sigma_form form,
                                     const struct gb_tensor *noise, const struct gb_tensor *prior,
                                     float temperature, const struct gb_tensor *z) {
    assert(gb_same_shape(noise, z) && (!prior || prior->c == 2 * z->c));
    struct sample sample = {kind_of(form, prior), noise, prior, z, temperature};
    gb_for_rows(exec, z, COST, any_sample_row, &sample);
}
