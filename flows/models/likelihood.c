// SPDX-License-Identifier: MIT
#include "flows/models/likelihood.h"

#include "kernels/logarithm.h"

int gb_likelihood_channels(const struct gb_likelihood *likelihood, int y_channels) {
    return likelihood->form == GB_LIKELIHOOD_LOGISTIC ? 2 * y_channels : y_channels;
}

// The same for every likelihood: a float for each row.
size_t gb_likelihood_scratch_bytes(const struct gb_tensor *raw) {
    return gb_row_sums_bytes(raw);
}

// Leaves (y - mean) / sigma.
static void gaussian_forward(float sigma, const struct gb_pass *pass, const struct gb_tensor *y,
                             const struct gb_tensor *mean, const struct gb_tensor *standard,
                             double *log_likelihood) {
    const struct gb_backend *backend = pass->backend;
    backend->add_scaled(&pass->exec, y, -1, mean, standard);
    backend->add_scaled(&pass->exec, NULL, 1 / sigma, standard, standard);
    backend->gaussian_forward(&pass->exec, GB_SIGMA_EXP, standard, NULL, log_likelihood);
    for (int n = 0; n < y->n; n++)
        log_likelihood[n] -= gb_natural_log((double)sigma) * y->h * y->w * y->c;
}

static void gaussian_backward(float sigma, const struct gb_pass *pass,
                              const float *d_log_likelihood, const struct gb_tensor *standard) {
    const struct gb_backend *backend = pass->backend;
    backend->gaussian_backward(&pass->exec, GB_SIGMA_EXP, standard, NULL, d_log_likelihood,
                               standard, NULL);
    backend->add_scaled(&pass->exec, NULL, -1 / sigma, standard, standard);
}

void gb_likelihood_forward(const struct gb_likelihood *likelihood, const struct gb_pass *pass,
                           const struct gb_tensor *y, const struct gb_tensor *raw,
                           const struct gb_tensor *d_raw, double *log_likelihood) {
    const struct gb_backend *backend = pass->backend;
    switch (likelihood->form) {
    case GB_LIKELIHOOD_GAUSSIAN:
        gaussian_forward(likelihood->sigma, pass, y, raw, d_raw, log_likelihood);
        break;
    case GB_LIKELIHOOD_LOGISTIC:
        backend->logistic_forward(&pass->exec, likelihood->levels, y, raw, log_likelihood);
        break;
    case GB_LIKELIHOOD_BERNOULLI:
        backend->bernoulli_forward(&pass->exec, &likelihood->bernoulli, y, raw, log_likelihood);
        break;
    case GB_LIKELIHOOD_CATEGORICAL:
        backend->categorical_forward(&pass->exec, y, raw, log_likelihood);
        break;
    }
}

void gb_likelihood_backward(const struct gb_likelihood *likelihood, const struct gb_pass *pass,
                            const struct gb_tensor *y, const struct gb_tensor *raw,
                            const float *d_log_likelihood, const struct gb_tensor *d_raw) {
    const struct gb_backend *backend = pass->backend;
    switch (likelihood->form) {
    case GB_LIKELIHOOD_GAUSSIAN:
        gaussian_backward(likelihood->sigma, pass, d_log_likelihood, d_raw);
        break;
    case GB_LIKELIHOOD_LOGISTIC:
        backend->logistic_backward(&pass->exec, likelihood->levels, y, raw, d_log_likelihood,
                                   d_raw);
        break;
    case GB_LIKELIHOOD_BERNOULLI:
        backend->bernoulli_backward(&pass->exec, &likelihood->bernoulli, y, raw, d_log_likelihood,
                                    d_raw);
        break;
    case GB_LIKELIHOOD_CATEGORICAL:
        backend->categorical_backward(&pass->exec, y, raw, d_log_likelihood, d_raw);
        break;
    }
}

void gb_likelihood_sample(const struct gb_likelihood *likelihood, const struct gb_pass *pass,
                          const struct gb_tensor *uniform, const struct gb_tensor *raw,
                          float temperature, const struct gb_tensor *y) {
    const struct gb_backend *backend = pass->backend;
    const struct gb_bernoulli *bernoulli = &likelihood->bernoulli;
    switch (likelihood->form) {
    case GB_LIKELIHOOD_GAUSSIAN:
        backend->add_scaled(&pass->exec, NULL, 1, raw, y);
        break;
    case GB_LIKELIHOOD_LOGISTIC:
        assert(uniform);
        backend->logistic_sample(&pass->exec, likelihood->levels, uniform, raw, temperature, y);
        break;
    case GB_LIKELIHOOD_BERNOULLI:
        if (uniform && temperature > 0)
            backend->bernoulli_sample(&pass->exec, bernoulli, uniform, raw, y);
        else
            backend->bernoulli_mean(&pass->exec, bernoulli, raw, y);
        break;
    case GB_LIKELIHOOD_CATEGORICAL:
        backend->categorical_mean(&pass->exec, raw, y);
        break;
    }
}
