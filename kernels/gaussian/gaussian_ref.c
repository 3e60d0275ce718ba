// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/math.h"

// The prior of one element, the standard normal if there is none. Slope: the derivative of log_sigma
// in the network's output.
struct normal {
    float mean, sigma, inverse_sigma, log_sigma, slope;
};

static struct normal normal_at(enum gb_sigma_form form, const struct gb_tensor *prior, int n, int i,
                               int j, int c) {
    if (!prior)
        return (struct normal){0, 1, 1, 0, 0};
    const float *pixel = gb_at(prior, n, i, j);
    float mean = pixel[c], raw = pixel[prior->c / 2 + c];
    if (form == GB_SIGMA_EXP)
        return (struct normal){mean, gb_expf(raw), gb_expf(-raw), raw, 1};
    float sigma = gb_softplusf(raw);
    return (struct normal){mean, sigma, 1 / sigma, gb_logf(sigma), gb_sigmoidf(raw) / sigma};
}

void gb_gaussian_forward_f32__scalar(const struct gb_exec *exec, enum gb_sigma_form form,
                                     const struct gb_tensor *z, const struct gb_tensor *prior,
                                     double *log_density) {
    (void)exec;
    assert(!prior || prior->c == 2 * z->c);
    const double elements_per_sample = (double)z->h * z->w * z->c;
    for (int n = 0; n < z->n; n++) {
        double sum = 0;
        for (int i = 0; i < z->h; i++) {
            float row = 0;
            for (int j = 0; j < z->w; j++)
                for (int c = 0; c < z->c; c++) {
                    struct normal p = normal_at(form, prior, n, i, j, c);
                    float d = (gb_at(z, n, i, j)[c] - p.mean) * p.inverse_sigma;
                    row += p.log_sigma + 0.5f * d * d;
                }
            sum += row;
        }
        log_density[n] -= GB_HALF_LOG_2PI * elements_per_sample + sum;
    }
}

void gb_gaussian_backward_f32__scalar(const struct gb_exec *exec, enum gb_sigma_form form,
                                      const struct gb_tensor *z, const struct gb_tensor *prior,
                                      const float *d_log_density, const struct gb_tensor *dz,
                                      const struct gb_tensor *d_prior) {
    (void)exec;
    assert(gb_same_shape(z, dz) && (!prior || gb_same_shape(prior, d_prior)));
    for (int n = 0; n < z->n; n++)
        for (int i = 0; i < z->h; i++)
            for (int j = 0; j < z->w; j++)
                for (int c = 0; c < z->c; c++) {
                    struct normal p = normal_at(form, prior, n, i, j, c);
                    float d = (gb_at(z, n, i, j)[c] - p.mean) * p.inverse_sigma;
                    float d_mean = d_log_density[n] * d * p.inverse_sigma;
                    gb_at(dz, n, i, j)[c] = -d_mean;
                    if (prior) {
                        gb_at(d_prior, n, i, j)[c] = d_mean;
                        gb_at(d_prior, n, i, j)[z->c + c] =
                            d_log_density[n] * (d * d - 1) * p.slope;
                    }
                }
}

void gb_gaussian_sample_f32__scalar(const struct gb_exec *exec, enum gb_sigma_form form,
                                    const struct gb_tensor *noise, const struct gb_tensor *prior,
                                    float temperature, const struct gb_tensor *z) {
    (void)exec;
    assert(gb_same_shape(noise, z) && (!prior || prior->c == 2 * z->c));
    for (int n = 0; n < z->n; n++)
        for (int i = 0; i < z->h; i++)
            for (int j = 0; j < z->w; j++)
                for (int c = 0; c < z->c; c++) {
                    struct normal p = normal_at(form, prior, n, i, j, c);
                    gb_at(z, n, i, j)[c] =
                        p.mean + p.sigma * (gb_at(noise, n, i, j)[c] * temperature);
                }
}
