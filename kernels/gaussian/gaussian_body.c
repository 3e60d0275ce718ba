// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/math.h"
#include "kernels/simd/rows.h"

// The cost of an element in floats of a streaming loop.
enum { COST = 4 };

static enum gb_prior_kind kind_of(enum gb_sigma_form form, const struct gb_tensor *prior) {
    if (!prior)
        return GB_PRIOR_NONE;
    return form == GB_SIGMA_EXP ? GB_PRIOR_EXP : GB_PRIOR_SOFTPLUS;
}

// The operands of all directions: z or noise, and with a prior the means and the raw sigmas.
static struct gb_map map_of(enum gb_sigma_form form, const struct gb_tensor *z,
                            const struct gb_tensor *prior) {
    struct gb_map map = {.form = kind_of(form, prior), .in = {*z}};
    if (prior) {
        map.in[1] = gb_channels(prior, 0, z->c);
        map.in[2] = gb_channels(prior, z->c, z->c);
    }
    return map;
}

// Slope: of log(sigma) in the raw sigma.
struct sigma {
    gb_v log, inverse, slope;
};

GB_INLINE struct sigma sigma_of(enum gb_prior_kind kind, gb_v raw) {
    if (kind == GB_PRIOR_EXP)
        return (struct sigma){raw, gb_v_exp(-raw), gb_v_set(1.0f)};
    gb_v sigma = gb_v_softplus(raw);
    return (struct sigma){gb_v_log(sigma), 1.0f / sigma, gb_v_sigmoid(raw) / sigma};
}

// Rows are compiled once for each kind of prior. Gradients have the operands' order.
GB_INLINE void map_row(const struct gb_map *map, int n, int y, struct gb_map_shape with_prior,
                       gb_map_fn function) {
    struct gb_map_shape shape = with_prior;
    switch ((enum gb_prior_kind)map->form) {
    case GB_PRIOR_NONE:
        shape = (struct gb_map_shape){GB_PRIOR_NONE, .in = 1, .out = with_prior.out > 0,
                                      .sums = with_prior.sums};
        gb_map_row(map, n, y, shape, function);
        break;
    case GB_PRIOR_EXP:
        shape.form = GB_PRIOR_EXP;
        gb_map_row(map, n, y, shape, function);
        break;
    case GB_PRIOR_SOFTPLUS:
        shape.form = GB_PRIOR_SOFTPLUS;
        gb_map_row(map, n, y, shape, function);
        break;
    }
}

GB_INLINE gb_v forward(struct gb_map_context context, gb_v *v) {
    if (context.form == GB_PRIOR_NONE)
        return 0.5f * v[0] * v[0];
    const struct sigma s = sigma_of(context.form, v[2]);
    gb_v d = (v[0] - v[1]) * s.inverse;
    return s.log + 0.5f * d * d;
}

GB_MAP_ROW(map_row, forward, .in = 3, .sums = true)

void GB_NAME(gb_gaussian_forward)(const struct gb_exec *exec, enum gb_sigma_form form,
                                  const struct gb_tensor *z, const struct gb_tensor *prior,
                                  double *log_density) {
    assert(!prior || prior->c == 2 * z->c);
    assert(exec->scratch_bytes >= gb_row_sums_bytes(z));
    struct gb_map map = map_of(form, z, prior);
    map.row_sums = exec->scratch;
    gb_for_rows(exec, z, COST, forward_row, &map);
    const double elements_per_sample = (double)z->h * z->w * z->c;
    for (int n = 0; n < z->n; n++) {
        double sum = 0;
        for (int y = 0; y < z->h; y++)
            sum += map.row_sums[n * z->h + y];
        log_density[n] -= GB_HALF_LOG_2PI * elements_per_sample + sum;
    }
}

GB_INLINE gb_v backward(struct gb_map_context context, gb_v *v) {
    gb_v d = v[0], d_mean = context.d_sum * d;
    if (context.form != GB_PRIOR_NONE) {
        const struct sigma s = sigma_of(context.form, v[2]);
        d = (v[0] - v[1]) * s.inverse;
        d_mean = context.d_sum * d * s.inverse;
        v[1] = d_mean;
        v[2] = context.d_sum * (d * d - 1.0f) * s.slope;
    }
    return v[0] = -d_mean;
}

GB_MAP_ROW(map_row, backward, .in = 3, .out = 3)

void GB_NAME(gb_gaussian_backward)(const struct gb_exec *exec, enum gb_sigma_form form,
                                   const struct gb_tensor *z, const struct gb_tensor *prior,
                                   const float *d_log_density, const struct gb_tensor *dz,
                                   const struct gb_tensor *d_prior) {
    assert(gb_same_shape(z, dz));
    assert(!prior || (prior->c == 2 * z->c && gb_same_shape(prior, d_prior)));
    struct gb_map map = map_of(form, z, prior);
    map.d_sums = d_log_density;
    map.out[0] = *dz;
    if (prior) {
        map.out[1] = gb_channels(d_prior, 0, z->c);
        map.out[2] = gb_channels(d_prior, z->c, z->c);
    }
    gb_for_rows(exec, z, COST, backward_row, &map);
}

GB_INLINE gb_v sample(struct gb_map_context context, gb_v *v) {
    const float *temperature = context.argument;
    v[0] = v[0] * *temperature;
    if (context.form == GB_PRIOR_NONE)
        return v[0];
    gb_v sigma = context.form == GB_PRIOR_EXP ? gb_v_exp(v[2]) : gb_v_softplus(v[2]);
    return v[0] = v[1] + sigma * v[0];
}

GB_MAP_ROW(map_row, sample, .in = 3, .out = 1)

void GB_NAME(gb_gaussian_sample)(const struct gb_exec *exec, enum gb_sigma_form form,
                                 const struct gb_tensor *noise, const struct gb_tensor *prior,
                                 float temperature, const struct gb_tensor *z) {
    assert(gb_same_shape(noise, z) && (!prior || prior->c == 2 * z->c));
    struct gb_map map = map_of(form, noise, prior);
    map.argument = &temperature;
    map.out[0] = *z;
    gb_for_rows(exec, z, COST, sample_row, &map);
}
