// SPDX-License-Identifier: MIT
#include "tests/flows/reference_cnf.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flows/models/latents.h"

// ---- parameters ----

struct reference_cnf *reference_cnf_create(const struct gb_cnf_config *config,
                                           const struct gb_params *params) {
    struct reference_cnf *model = reference_allocate(1, sizeof *model);
    model->config = *config;
    model->count = params->count;
    model->params = reference_allocate((size_t)params->count, sizeof *model->params);
    for (int i = 0; i < params->count; i++) {
        const struct gb_param *from = &params->list[i];
        struct reference_param *to = &model->params[i];
        snprintf(to->name, sizeof to->name, "%s", from->name);
        to->dims = from->dims;
        memcpy(to->shape, from->shape, sizeof to->shape);
        to->count = gb_param_elements(from);
        to->value = reference_doubles(to->count);
    }
    return model;
}

void reference_cnf_free(struct reference_cnf *model) {
    for (int i = 0; model && i < model->count; i++)
        free(model->params[i].value);
    if (model)
        free(model->params);
    free(model);
}

static const struct reference_param *find(const struct reference_cnf *model, const char *prefix,
                                          const char *leaf) {
    char name[192];
    snprintf(name, sizeof name, "%s%s", prefix, leaf);
    for (int i = 0; i < model->count; i++)
        if (strcmp(model->params[i].name, name) == 0)
            return &model->params[i];
    return NULL;
}

static const struct reference_param *param(const struct reference_cnf *model, const char *prefix,
                                           const char *leaf) {
    const struct reference_param *found = find(model, prefix, leaf);
    if (!found) {
        fprintf(stderr, "the model has no parameter %s%s\n", prefix, leaf);
        abort();
    }
    return found;
}

static void randomise(struct reference_param *p, uint64_t *state) {
    double deviation = p->dims > 1 ? 1 / sqrt((double)p->count / p->shape[0]) : 0.1;
    bool matrix = strstr(p->name, "mix.weight"), variance = strstr(p->name, "norm.variance");
    for (size_t e = 0; e < p->count; e++)
        p->value[e] = variance ? 0.5 + reference_uniform(state)
                               : (matrix ? 0.3 : 1) * deviation * reference_normal(state);
    // A permutation that leaves no channel in place: far from symmetric, so that a transposed
    // matrix shows.
    for (int i = 0; matrix && i < p->shape[0]; i++)
        p->value[i * p->shape[0] + (i + 1) % p->shape[0]] += 0.9;
    for (size_t e = 0; e < p->count; e++)
        p->value[e] = (float)p->value[e];
}

void reference_cnf_randomise(struct reference_cnf *model, uint64_t seed) {
    for (int i = 0; i < model->count; i++)
        randomise(&model->params[i], &seed);
}

// ---- images ----

static struct reference_image copy(const struct reference_image *from) {
    return (struct reference_image){from->shape,
                                    reference_copy(reference_elements(from->shape), from->data)};
}

static struct reference_image from_values(int c, int h, int w, const double *values) {
    struct reference_shape shape = {c, h, w};
    return (struct reference_image){shape, reference_copy(reference_elements(shape), values)};
}

// Channels [first, first + count).
static struct reference_image channels(const struct reference_image *from, int first, int count) {
    size_t pixels = (size_t)from->shape.h * (size_t)from->shape.w;
    return from_values(count, from->shape.h, from->shape.w, from->data + (size_t)first * pixels);
}

// Frees both.
static struct reference_image concatenate(struct reference_image a, struct reference_image b) {
    struct reference_image joined =
        reference_image_new(a.shape.c + b.shape.c, a.shape.h, a.shape.w);
    size_t first = reference_elements(a.shape);
    memcpy(joined.data, a.data, first * sizeof *a.data);
    memcpy(joined.data + first, b.data, reference_elements(b.shape) * sizeof *b.data);
    free(a.data);
    free(b.data);
    return joined;
}

// x + factor * r. Frees r.
static struct reference_image add(const struct reference_image *x, double factor,
                                  struct reference_image r) {
    for (size_t i = 0; i < reference_elements(x->shape); i++)
        r.data[i] = x->data[i] + factor * r.data[i];
    return r;
}

// The convolution whose parameters are `prefix`weight, `prefix`bias and, for a zero convolution,
// `prefix`log_scale. Frees `in`.
static struct reference_image conv(const struct reference_cnf *model, const char *prefix,
                                   int stride, struct reference_image in,
                                   enum reference_activation activation) {
    const struct reference_param *weight = param(model, prefix, "weight");
    const struct reference_param *log_scale = find(model, prefix, "log_scale");
    int k = weight->shape[0], side = weight->shape[2];
    struct reference_convolution convolution = {
        k, side, side, stride, stride, stride == 1 ? side / 2 : 0, weight->value};
    double *logs = log_scale ? reference_copy((size_t)k, log_scale->value) : NULL;
    assert(weight->shape[1] == in.shape.c);
    for (int o = 0; logs && o < k; o++)
        logs[o] *= 3;
    struct reference_image out =
        reference_convolve(&convolution, in, param(model, prefix, "bias")->value, logs, activation);
    free(logs);
    return out;
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

static struct reference_image squeeze(struct reference_image wide) {
    struct reference_image deep =
        reference_image_new(4 * wide.shape.c, wide.shape.h / 2, wide.shape.w / 2);
    reference_squeeze(deep.shape, wide.data, deep.data);
    free(wide.data);
    return deep;
}

static double softplus(double a) {
    return a > 0 ? a + log1p(exp(-a)) : log1p(exp(a));
}

// ---- features ----

static struct reference_image dense_block(const struct reference_cnf *model, int block, int dense,
                                          const struct reference_image *x) {
    struct reference_image joined = copy(x);
    char name[64];
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "features.blocks.%d.dense.%d.conv.%d.", block, dense, i);
        joined = concatenate(joined, conv(model, name, 1, copy(&joined), REFERENCE_LEAKY_RELU));
    }
    snprintf(name, sizeof name, "features.blocks.%d.dense.%d.conv.4.", block, dense);
    return add(x, 0.2, conv(model, name, 1, joined, REFERENCE_IDENTITY));
}

static void rrdb_features(const struct reference_cnf *model, struct reference_image x,
                          struct reference_image *features) {
    struct reference_image first = conv(model, "features.first.", 1, x, REFERENCE_IDENTITY),
                           at = copy(&first);
    for (int b = 0; b < model->config.rrdb_blocks; b++) {
        struct reference_image inner = copy(&at);
        for (int d = 0; d < 3; d++) {
            struct reference_image next = dense_block(model, b, d, &inner);
            free(inner.data);
            inner = next;
        }
        inner = add(&at, 0.2, inner);
        free(at.data);
        at = inner;
    }
    at = add(&first, 1, conv(model, "features.trunk.", 1, at, REFERENCE_IDENTITY));
    at = conv(model, "features.up.", 1, upsample(at), REFERENCE_LEAKY_RELU);
    free(first.data);
    for (int l = 0; l < model->config.levels; l++) {
        char name[32];
        snprintf(name, sizeof name, "features.levels.%d.", l);
        features[l] =
            conv(model, name, 2, l == 0 ? at : copy(&features[l - 1]), REFERENCE_IDENTITY);
    }
}

static struct reference_image vgg_block(const struct reference_cnf *model, int layer,
                                        struct reference_image in) {
    char name[32];
    snprintf(name, sizeof name, "features.layers.%d.", layer);
    return conv(model, name, 1, normalised_relu(in), REFERENCE_IDENTITY);
}

static void vgg_features(const struct reference_cnf *model, struct reference_image x,
                         struct reference_image *features) {
    struct reference_image at = vgg_block(model, 1, x);
    for (int l = 0; l < model->config.levels; l++) {
        at = vgg_block(model, 4 + 3 * l, vgg_block(model, 3 + 3 * l, pool(at)));
        features[l] = copy(&at);
    }
    free(at.data);
}

// ---- the flow ----

static double normalisation(const struct reference_cnf *model, const char *step,
                            struct reference_image *v) {
    if (model->config.kind == GB_CNF_SEGMENTATION) {
        const double *mean = param(model, step, "norm.mean")->value;
        const double *variance = param(model, step, "norm.variance")->value;
        return normalise(v, model->own_moments ? NULL : mean, model->own_moments ? NULL : variance);
    }
    const double *bias = param(model, step, "actnorm.bias")->value;
    const double *log_scale = param(model, step, "actnorm.log_scale")->value;
    int pixels = v->shape.h * v->shape.w;
    double log_det = 0;
    for (int c = 0; c < v->shape.c; c++) {
        for (int p = 0; p < pixels; p++)
            v->data[c * pixels + p] = (v->data[c * pixels + p] + bias[c]) * exp(log_scale[c]);
        log_det += pixels * log_scale[c];
    }
    return log_det;
}

static double mix(const struct reference_cnf *model, const char *step, struct reference_image *v) {
    const struct reference_param *weight = param(model, step, "mix.weight");
    int c = v->shape.c, pixels = v->shape.h * v->shape.w;
    struct reference_image u = reference_image_new(c, v->shape.h, v->shape.w);
    for (int o = 0; o < c; o++)
        for (int q = 0; q < c; q++)
            for (int p = 0; p < pixels; p++)
                u.data[o * pixels + p] += weight->value[o * c + q] * v->data[q * pixels + p];
    free(v->data);
    *v = u;
    double *matrix = reference_copy(weight->count, weight->value);
    double log_det = pixels * reference_log_abs_det(c, matrix);
    free(matrix);
    return log_det;
}

static double coupling(const struct reference_cnf *model, const char *step,
                       const struct reference_image *features, struct reference_image *v) {
    bool affine = model->config.kind == GB_CNF_SUPER_RESOLUTION;
    int half = v->shape.c / 2, pixels = v->shape.h * v->shape.w;
    char name[96];
    struct reference_image raw = concatenate(channels(v, 0, half), copy(features));
    snprintf(name, sizeof name, "%scoupling.net.0.", step);
    raw = conv(model, name, 1, raw, affine ? REFERENCE_RELU : REFERENCE_IDENTITY);
    snprintf(name, sizeof name, "%scoupling.net.1.", step);
    raw = affine ? conv(model, name, 1, raw, REFERENCE_RELU) : normalised_relu(raw);
    snprintf(name, sizeof name, "%scoupling.net.2.", step);
    raw = conv(model, name, 1, raw, REFERENCE_IDENTITY);
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

static double run_steps(const struct reference_cnf *model, const char *prefix, int count,
                        const struct reference_image *features, struct reference_image *v) {
    double log_det = 0;
    for (int k = 0; k < count; k++) {
        char step[64];
        snprintf(step, sizeof step, "%ssteps.%d.", prefix, k);
        log_det += normalisation(model, step, v);
        log_det += mix(model, step, v);
        log_det += coupling(model, step, features, v);
    }
    return log_det;
}

static double log_normal(double e) {
    return -0.5 * (log(2 * M_PI) + e * e);
}

// log q(v | y, x); `at`: the mask, becomes v.
static double dequantise(const struct reference_cnf *model, const struct reference_image *features,
                         const double *noise, struct reference_image *at) {
    struct reference_shape shape = at->shape;
    struct reference_image context = concatenate(copy(features), squeeze(copy(at)));
    struct reference_image u = squeeze(from_values(shape.c, shape.h, shape.w, noise));
    double log_q = -run_steps(model, "dequantiser.", model->config.dequantiser_steps, &context, &u);
    struct reference_image wide = reference_image_new(shape.c, shape.h, shape.w);
    reference_unsqueeze(u.shape, u.data, wide.data);
    for (size_t i = 0; i < reference_elements(shape); i++) {
        double sign = at->data[i] > 0.5 ? 1 : -1;
        at->data[i] = 0.5 + sign * softplus(wide.data[i]);
        log_q += log_normal(noise[i]) + softplus(-wide.data[i]); // -log sigmoid(u)
    }
    free(context.data);
    free(u.data);
    free(wide.data);
    return log_q;
}

// The density of the latent that leaves, given [kept | features].
static double leave(const struct reference_cnf *model, const char *level,
                    const struct reference_image *z, struct reference_image condition,
                    double *standard) {
    char name[64];
    snprintf(name, sizeof name, "%sprior.", level);
    struct reference_image prior = conv(model, name, 1, condition, REFERENCE_IDENTITY);
    int pixels = z->shape.h * z->shape.w;
    double log_prior = 0;
    for (int c = 0; c < z->shape.c; c++)
        for (int p = 0; p < pixels; p++) {
            double sigma = softplus(prior.data[(2 * c + 1) * pixels + p]);
            double e = (z->data[c * pixels + p] - prior.data[2 * c * pixels + p]) / sigma;
            log_prior += log_normal(e) - log(sigma);
            if (standard)
                standard[c * pixels + p] = e;
        }
    free(prior.data);
    return log_prior;
}

struct reference_cnf_density reference_cnf_forward(const struct reference_cnf *model,
                                                   const double *x, const double *y,
                                                   const double *noise, double *v, double *latents,
                                                   double *standard) {
    const struct gb_cnf_config *config = &model->config;
    struct reference_cnf_density density = {0};
    struct reference_image features[GB_MAX_LEVELS],
        at = from_values(config->sizes.y_c, config->sizes.y_h, config->sizes.y_w, y);
    struct reference_image picture =
        from_values(config->sizes.x_c, config->sizes.x_h, config->sizes.x_w, x);
    if (config->kind == GB_CNF_SUPER_RESOLUTION)
        rrdb_features(model, picture, features);
    else
        vgg_features(model, picture, features);
    if (noise)
        density.log_q = dequantise(model, &features[0], noise, &at);
    if (v)
        memcpy(v, at.data, reference_elements(at.shape) * sizeof *v);
    size_t left = 0;
    for (int l = 0; l < config->levels; l++) {
        bool last = l + 1 == config->levels;
        char level[32];
        snprintf(level, sizeof level, "levels.%d.", l);
        at = squeeze(at);
        density.log_det += run_steps(model, level, config->steps, &features[l], &at);
        int kept_channels = last ? 0 : at.shape.c / 2;
        struct reference_image kept = channels(&at, 0, kept_channels);
        struct reference_image z = channels(&at, kept_channels, at.shape.c - kept_channels);
        size_t count = reference_elements(z.shape);
        density.log_prior += leave(model, level, &z, concatenate(copy(&kept), features[l]),
                                   standard ? standard + left : NULL);
        if (latents)
            memcpy(latents + left, z.data, count * sizeof *latents);
        left += count;
        free(z.data);
        free(at.data);
        at = kept;
    }
    free(at.data);
    return density;
}

double reference_cnf_log_likelihood(const struct reference_cnf *model, const double *x,
                                    const double *y, const double *noise) {
    struct reference_cnf_density d = reference_cnf_forward(model, x, y, noise, NULL, NULL, NULL);
    return d.log_det + d.log_prior - d.log_q;
}

struct reference_shape reference_cnf_latent(const struct gb_cnf_config *config, int level) {
    struct reference_shape shape = {4 * config->sizes.y_c, config->sizes.y_h / 2,
                                    config->sizes.y_w / 2};
    for (int l = 0; l < level; l++)
        shape = (struct reference_shape){2 * shape.c, shape.h / 2, shape.w / 2};
    if (level + 1 < config->levels)
        shape.c /= 2;
    return shape;
}
