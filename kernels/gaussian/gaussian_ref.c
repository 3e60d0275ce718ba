// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/math.h"

// The prior of one element; the standard normal where there is none.
struct normal {
    float mean, log_sigma;
};

static struct normal normal_at(const struct gb_tensor *prior, int n, int i, int j, int c) {
    if (!prior)
        return (struct normal){0, 0};
    const float *pixel = gb_at(prior, n, i, j);
    return (struct normal){pixel[c], pixel[prior->c / 2 + c]};
}

void gb_gaussian_forward_f32__scalar(const struct gb_exec *exec, const struct gb_tensor *z,
                                     const struct gb_tensor *prior, double *log_density) {
    (void)exec;
    assert(!prior || prior->c == 2 * z->c);
    const double elements_per_sample = (double)z->h * z->w * z->c;
    for (int n = 0; n < z->n; n++) {
        double sum = 0;
        for (int i = 0; i < z->h; i++) {
            float row = 0;
            for (int j = 0; j < z->w; j++)
                for (int c = 0; c < z->c; c++) {
                    struct normal p = normal_at(prior, n, i, j, c);
                    float d = (gb_at(z, n, i, j)[c] - p.mean) * gb_expf(-p.log_sigma);
                    row += p.log_sigma + 0.5f * d * d;
                }
            sum += row;
        }
        log_density[n] -= GB_HALF_LOG_2PI * elements_per_sample + sum;
    }
}

void gb_gaussian_backward_f32__scalar(const struct gb_exec *exec, const struct gb_tensor *z,
                                      const struct gb_tensor *prior, const float *d_log_density,
                                      const struct gb_tensor *dz, const struct gb_tensor *d_prior) {
    (void)exec;
    assert(gb_same_shape(z, dz) && (!prior || gb_same_shape(prior, d_prior)));
    for (int n = 0; n < z->n; n++)
        for (int i = 0; i < z->h; i++)
            for (int j = 0; j < z->w; j++)
                for (int c = 0; c < z->c; c++) {
                    struct normal p = normal_at(prior, n, i, j, c);
                    float inverse_sigma = gb_expf(-p.log_sigma);
                    float d = (gb_at(z, n, i, j)[c] - p.mean) * inverse_sigma;
                    float d_mean = d_log_density[n] * d * inverse_sigma;
                    gb_at(dz, n, i, j)[c] = -d_mean;
                    if (prior) {
                        gb_at(d_prior, n, i, j)[c] = d_mean;
                        gb_at(d_prior, n, i, j)[z->c + c] = d_log_density[n] * (d * d - 1);
                    }
                }
}

void gb_gaussian_sample_f32__scalar(const struct gb_exec *exec, const struct gb_tensor *noise,
                                    const struct gb_tensor *prior, float temperature,
                                    const struct gb_tensor *z) {
    (void)exec;
    assert(gb_same_shape(noise, z) && (!prior || prior->c == 2 * z->c));
    for (int n = 0; n < z->n; n++)
        for (int i = 0; i < z->h; i++)
            for (int j = 0; j < z->w; j++)
                for (int c = 0; c < z->c; c++) {
                    struct normal p = normal_at(prior, n, i, j, c);
                    gb_at(z, n, i, j)[c] =
                        p.mean + gb_expf(p.log_sigma) * (gb_at(noise, n, i, j)[c] * temperature);
                }
}
