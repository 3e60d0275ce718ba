// SPDX-License-Identifier: MIT
// CNF, from section 5 and appendix A of its paper.
#include "tests/flows/reference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double *param(const struct reference *model, const char *prefix, const char *leaf) {
    const struct reference_param *found = reference_find(model, prefix, leaf);
    reference_require(found);
    return found->value;
}

// A convolution that keeps the size (stride 0), or of stride 2 without padding.
static struct reference_image conv(const struct reference *model, const char *prefix, int stride,
                                   struct reference_image in,
                                   enum reference_activation activation) {
    const struct reference_convolution convolution = {
        .stride_h = stride, .stride_w = stride, .log_factor = 3, .activation = activation};
    return reference_convolve(model, prefix, convolution, in);
}

// x + factor * r. Frees r.
static struct reference_image add(const struct reference_image *x, double factor,
                                  struct reference_image r) {
    for (size_t i = 0; i < reference_elements(x->shape); i++)
        r.data[i] = x->data[i] + factor * r.data[i];
    return r;
}

static double mean_of(const double *v, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += v[i];
    return sum / (double)count;
}

static double variance_of(const double *v, size_t count) {
    double mean = mean_of(v, count), sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (v[i] - mean) * (v[i] - mean);
    return sum / (double)count;
}

// In place, per channel; returns the log-determinant. NULL moments are the image's own.
static double normalise(struct reference_image *v, const double *mean, const double *variance) {
    size_t pixels = (size_t)v->shape.h * (size_t)v->shape.w;
    double log_det = 0;
    for (int c = 0; c < v->shape.c; c++) {
        double *at = v->data + (size_t)c * pixels;
        double m = mean ? mean[c] : mean_of(at, pixels);
        double s = (variance ? variance[c] : variance_of(at, pixels)) + (double)GB_NORM_EPSILON;
        for (size_t i = 0; i < pixels; i++)
            at[i] = (at[i] - m) / sqrt(s);
        log_det -= (double)pixels / 2 * log(s);
    }
    return log_det;
}

static struct reference_image normalised_relu(struct reference_image in) {
    normalise(&in, NULL, NULL);
    for (size_t i = 0; i < reference_elements(in.shape); i++)
        in.data[i] = reference_activate(REFERENCE_RELU, in.data[i]);
    return in;
}

static struct reference_image upsample(struct reference_image in) {
    struct reference_image out = reference_image_new(in.shape.c, 2 * in.shape.h, 2 * in.shape.w);
    double *to = out.data;
    for (int c = 0; c < out.shape.c; c++)
        for (int i = 0; i < out.shape.h; i++)
            for (int j = 0; j < out.shape.w; j++)
                *to++ = in.data[(c * in.shape.h + i / 2) * in.shape.w + j / 2];
    free(in.data);
    return out;
}

static struct reference_image pool(struct reference_image in) {
    struct reference_image out = reference_image_new(in.shape.c, in.shape.h / 2, in.shape.w / 2);
    double *to = out.data;
    for (int c = 0; c < out.shape.c; c++)
        for (int i = 0; i < out.shape.h; i++)
            for (int j = 0; j < out.shape.w; j++) {
                const double *at = in.data + (c * in.shape.h + 2 * i) * in.shape.w + 2 * j;
                *to++ = fmax(fmax(at[0], at[1]), fmax(at[in.shape.w], at[in.shape.w + 1]));
            }
    free(in.data);
    return out;
}

static double softplus(double a) {
    return a > 0 ? a + log1p(exp(-a)) : log1p(exp(a));
}

// ---- Features ----

static struct reference_image dense_block(const struct reference *model, int block, int dense,
                                          const struct reference_image *x) {
    struct reference_image joined = reference_copy(x);
    char name[64];
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "features.blocks.%d.dense.%d.conv.%d.", block, dense, i);
        joined = reference_concatenate(
            joined, conv(model, name, 0, reference_copy(&joined), REFERENCE_LEAKY_RELU));
    }
    snprintf(name, sizeof name, "features.blocks.%d.dense.%d.conv.4.", block, dense);
    return add(x, 0.2, conv(model, name, 0, joined, REFERENCE_IDENTITY));
}

static void rrdb_features(const struct reference *model, struct reference_image x,
                          struct reference_image *features) {
    const struct gb_cnf_config *config = model->config;
    struct reference_image first = conv(model, "features.first.", 0, x, REFERENCE_IDENTITY),
                           at = reference_copy(&first);
    for (int b = 0; b < config->rrdb_blocks; b++) {
        struct reference_image inner = reference_copy(&at);
        for (int d = 0; d < 3; d++) {
            struct reference_image next = dense_block(model, b, d, &inner);
            free(inner.data);
            inner = next;
        }
        inner = add(&at, 0.2, inner);
        free(at.data);
        at = inner;
    }
    at = add(&first, 1, conv(model, "features.trunk.", 0, at, REFERENCE_IDENTITY));
    at = conv(model, "features.up.", 0, upsample(at), REFERENCE_LEAKY_RELU);
    free(first.data);
    for (int l = 0; l < config->levels; l++) {
        char name[32];
        snprintf(name, sizeof name, "features.levels.%d.", l);
        features[l] = conv(model, name, 2, l == 0 ? at : reference_copy(&features[l - 1]),
                           REFERENCE_IDENTITY);
    }
}

static struct reference_image vgg_block(const struct reference *model, int layer,
                                        struct reference_image in) {
    char name[32];
    snprintf(name, sizeof name, "features.layers.%d.", layer);
    return conv(model, name, 0, normalised_relu(in), REFERENCE_IDENTITY);
}

static void vgg_features(const struct reference *model, struct reference_image x,
                         struct reference_image *features) {
    const struct gb_cnf_config *config = model->config;
    struct reference_image at = vgg_block(model, 1, x);
    for (int l = 0; l < config->levels; l++) {
        at = vgg_block(model, 4 + 3 * l, vgg_block(model, 3 + 3 * l, pool(at)));
        features[l] = reference_copy(&at);
    }
    free(at.data);
}

void reference_cnf_features(const struct reference *model, struct reference_image x,
                            struct reference_image *features) {
    const struct gb_cnf_config *config = model->config;
    if (config->kind == GB_CNF_SUPER_RESOLUTION)
        rrdb_features(model, x, features);
    else
        vgg_features(model, x, features);
}

// ---- The flow ----

static double normalisation(const struct reference *model, const char *step,
                            struct reference_image *v) {
    const struct gb_cnf_config *config = model->config;
    if (config->kind == GB_CNF_SUPER_RESOLUTION)
        return reference_actnorm(param(model, step, "actnorm.bias"),
                                 param(model, step, "actnorm.log_scale"), v);
    if (model->own_moments)
        return normalise(v, NULL, NULL);
    return normalise(v, param(model, step, "norm.mean"), param(model, step, "norm.variance"));
}

static double coupling(const struct reference *model, const char *step,
                       const struct reference_image *features, struct reference_image *v) {
    const struct gb_cnf_config *config = model->config;
    bool affine = config->kind == GB_CNF_SUPER_RESOLUTION;
    int half = v->shape.c / 2, pixels = v->shape.h * v->shape.w;
    char name[96];
    struct reference_image raw =
        reference_concatenate(reference_channels(v, 0, half), reference_copy(features));
    snprintf(name, sizeof name, "%scoupling.net.0.", step);
    raw = conv(model, name, 0, raw, affine ? REFERENCE_RELU : REFERENCE_IDENTITY);
    snprintf(name, sizeof name, "%scoupling.net.1.", step);
    raw = affine ? conv(model, name, 0, raw, REFERENCE_RELU) : normalised_relu(raw);
    snprintf(name, sizeof name, "%scoupling.net.2.", step);
    raw = conv(model, name, 0, raw, REFERENCE_IDENTITY);
    double log_det = 0;
    for (int c = 0; c < half; c++)
        for (int p = 0; p < pixels; p++) {
            double *v2 = &v->data[(half + c) * pixels + p];
            double scale = affine ? softplus(raw.data[(2 * c + 1) * pixels + p]) : 1;
            *v2 = *v2 * scale + raw.data[(affine ? 2 * c : c) * pixels + p];
            log_det += log(scale);
        }
    free(raw.data);
    return log_det;
}

static double run_steps(const struct reference *model, const char *prefix, int count,
                        const struct reference_image *features, struct reference_image *v) {
    double log_det = 0;
    for (int k = 0; k < count; k++) {
        char step[64];
        snprintf(step, sizeof step, "%ssteps.%d.", prefix, k);
        log_det += normalisation(model, step, v);
        log_det += reference_inv1x1(param(model, step, "mix.weight"), v);
        log_det += coupling(model, step, features, v);
    }
    return log_det;
}

double reference_cnf_level(const struct reference *model, int level,
                           const struct reference_image *features, struct reference_image *v) {
    const struct gb_cnf_config *config = model->config;
    char prefix[32];
    snprintf(prefix, sizeof prefix, "levels.%d.", level);
    return run_steps(model, prefix, config->steps, features, v);
}

double reference_cnf_prior(const struct reference *model, int level,
                           const struct reference_image *features,
                           const struct reference_image *kept, const struct reference_image *z,
                           double *standard) {
    char name[64];
    snprintf(name, sizeof name, "levels.%d.prior.", level);
    struct reference_image prior =
        reference_concatenate(reference_copy(kept), reference_copy(features));
    prior = conv(model, name, 0, prior, REFERENCE_IDENTITY);
    int pixels = z->shape.h * z->shape.w;
    double log_prior = 0;
    for (int c = 0; c < z->shape.c; c++)
        for (int p = 0; p < pixels; p++) {
            double sigma = softplus(prior.data[(2 * c + 1) * pixels + p]);
            double e = (z->data[c * pixels + p] - prior.data[2 * c * pixels + p]) / sigma;
            log_prior += reference_log_normal(e) - log(sigma);
            standard[c * pixels + p] = e;
        }
    free(prior.data);
    return log_prior;
}

double reference_cnf_dequantise(const struct reference *model,
                                const struct reference_image *features, const double *noise,
                                struct reference_image *y) {
    const struct gb_cnf_config *config = model->config;
    struct reference_shape shape = y->shape;
    struct reference_image context =
        reference_concatenate(reference_copy(features), reference_squeeze(reference_copy(y)));
    struct reference_image u =
        reference_squeeze(reference_image_of(shape.c, shape.h, shape.w, noise));
    double log_q = -run_steps(model, "dequantiser.", config->dequantiser_steps, &context, &u);
    u = reference_unsqueeze(u);
    for (size_t i = 0; i < reference_elements(shape); i++) {
        double sign = y->data[i] > 0.5 ? 1 : -1;
        y->data[i] = 0.5 + sign * softplus(u.data[i]);
        log_q += reference_log_normal(noise[i]) + softplus(-u.data[i]); // -log sigmoid(u)
    }
    free(context.data);
    free(u.data);
    return log_q;
}
