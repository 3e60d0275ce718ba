// SPDX-License-Identifier: MIT
// c-Glow, from section 4 and appendix A.1 of its paper.
#include "tests/flows/reference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- Conditioning ----

// The convolution that reduces an image to h x w pixels.
static struct reference_image reduce(const struct reference *model, const char *prefix, int h,
                                     int w, struct reference_image in) {
    const struct reference_convolution conv = {
        .stride_h = in.shape.h / h, .stride_w = in.shape.w / w, .activation = REFERENCE_RELU};
    struct reference_image out = reference_convolve(model, prefix, conv, in);
    reference_require(out.shape.h == h && out.shape.w == w);
    return out;
}

static struct reference_image fully_connected(const struct reference *model, const char *prefix,
                                              struct reference_image in,
                                              enum reference_activation activation) {
    const struct reference_param *weight = reference_find(model, prefix, "weight"),
                                 *bias = reference_find(model, prefix, "bias");
    const size_t inputs = reference_elements(in.shape);
    reference_require(weight && bias && weight->count == bias->count * inputs);
    struct reference_image out = reference_image_new((int)bias->count, 1, 1);
    for (size_t o = 0; o < bias->count; o++) {
        double sum = bias->value[o];
        for (size_t i = 0; i < inputs; i++)
            sum += weight->value[o * inputs + i] * in.data[i];
        out.data[o] = reference_activate(activation, sum);
    }
    free(in.data);
    return out;
}

// The network of the conditional actnorm and of the conditional 1x1 convolution; its outputs are
// the caller's to free.
static double *conditioning_network(const struct reference *model, const char *step,
                                    const char *layer, const struct reference_image *x,
                                    int outputs) {
    struct reference_image at = reference_copy(x);
    char name[80];
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s.conv.%d.", step, layer, i);
        at = reduce(model, name, at.shape.h / 2, at.shape.w / 2, at);
    }
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s.fc.%d.", step, layer, i);
        at = fully_connected(model, name, at, i < 2 ? REFERENCE_RELU : REFERENCE_TANH);
    }
    reference_require(at.shape.c == outputs);
    return at.data;
}

static struct reference_image coupling_features(const struct reference *model, const char *step,
                                                const struct reference_image *x, int h, int w) {
    const struct reference_convolution same = {.activation = REFERENCE_RELU};
    char name[80];
    snprintf(name, sizeof name, "%scoupling.features.0.", step);
    struct reference_image at = reference_convolve(model, name, same, reference_copy(x));
    snprintf(name, sizeof name, "%scoupling.features.1.", step);
    at = reduce(model, name, h, w, at);
    snprintf(name, sizeof name, "%scoupling.features.2.", step);
    return reference_convolve(model, name, same, at);
}

// ---- The flow ----

static double coupling(const struct reference *model, const char *step,
                       const struct reference_image *x, struct reference_image *v) {
    const int half = v->shape.c / 2, pixels = v->shape.h * v->shape.w;
    struct reference_image raw = reference_concatenate(
        coupling_features(model, step, x, v->shape.h, v->shape.w), reference_channels(v, 0, half));
    char name[80];
    for (int i = 0; i < 3; i++) {
        const struct reference_convolution conv = {
            .log_factor = i < 2 ? 1 : 3, .activation = i < 2 ? REFERENCE_RELU : REFERENCE_TANH};
        snprintf(name, sizeof name, "%scoupling.net.%d.", step, i);
        raw = reference_convolve(model, name, conv, raw);
    }
    double log_det = 0;
    for (int c = 0; c < half; c++)
        for (int p = 0; p < pixels; p++) {
            double *v2 = &v->data[(half + c) * pixels + p];
            double shift = raw.data[2 * c * pixels + p];
            double scale = 1 / (1 + exp(-raw.data[(2 * c + 1) * pixels + p] - 2));
            *v2 = (*v2 + shift) * scale;
            log_det += log(scale);
        }
    free(raw.data);
    return log_det;
}

double reference_cglow_level(const struct reference *model, int level,
                             const struct reference_image *x, struct reference_image *v) {
    const struct gb_cglow_config *config = model->config;
    const int c = v->shape.c;
    double log_det = 0;
    for (int k = 0; k < config->steps; k++) {
        char step[48];
        snprintf(step, sizeof step, "levels.%d.steps.%d.", level, k);
        double *actnorm = conditioning_network(model, step, "actnorm", x, 2 * c);
        double *matrix = conditioning_network(model, step, "mix", x, c * c);
        log_det += reference_actnorm(actnorm + c, actnorm, v);
        log_det += reference_inv1x1(matrix, v);
        log_det += coupling(model, step, x, v);
        free(actnorm);
        free(matrix);
    }
    return log_det;
}

double reference_cglow_prior(const struct reference *model, int level,
                             const struct reference_image *kept, const struct reference_image *z,
                             double *standard) {
    const struct reference_convolution conv = {.activation = REFERENCE_TANH};
    const int pixels = z->shape.h * z->shape.w;
    struct reference_image prior = {0}; // of the top: standard normal
    char name[32];
    snprintf(name, sizeof name, "levels.%d.split.", level);
    if (kept->shape.c > 0)
        prior = reference_convolve(model, name, conv, reference_copy(kept));
    double log_prior = 0;
    for (int c = 0; c < z->shape.c; c++)
        for (int p = 0; p < pixels; p++) {
            double mean = prior.data ? prior.data[2 * c * pixels + p] : 0;
            double log_sigma = prior.data ? prior.data[(2 * c + 1) * pixels + p] : 0;
            double e = (z->data[c * pixels + p] - mean) * exp(-log_sigma);
            log_prior += reference_log_normal(e) - log_sigma;
            standard[c * pixels + p] = e;
        }
    free(prior.data);
    return log_prior;
}
