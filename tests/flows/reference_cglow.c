// SPDX-License-Identifier: MIT
#include "tests/flows/reference_cglow.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- parameters ----

static void add(struct reference_cglow *model, int dims, const int shape[], const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void add(struct reference_cglow *model, int dims, const int shape[], const char *format,
                ...) {
    model->params =
        realloc(model->params, (size_t)(model->count + 1) * sizeof(struct reference_param));
    if (!model->params)
        abort();
    struct reference_param *param = &model->params[model->count++];
    *param = (struct reference_param){.dims = dims, .count = 1};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(param->name, sizeof param->name, format, arguments);
    va_end(arguments);
    for (int i = 0; i < dims; i++) {
        param->shape[i] = shape[i];
        param->count *= (size_t)shape[i];
    }
    param->value = reference_doubles(param->count);
}

static void add_conv(struct reference_cglow *model, const char *prefix, int out, int in,
                     int kernel_h, int kernel_w, bool bias) {
    add(model, 4, (int[]){out, in, kernel_h, kernel_w}, "%s.weight", prefix);
    if (bias)
        add(model, 1, (int[]){out}, "%s.bias", prefix);
}

// A strided convolution from `in` to `out` pixels along one side.
static int stride_of(int in, int out) {
    return in / out;
}
static int kernel_of(int in, int out) {
    return in - (out - 1) * stride_of(in, out);
}

// The network of the conditional actnorm and of the conditional 1x1 convolution.
static void add_conditioning_network(struct reference_cglow *model, const char *prefix,
                                     int outputs) {
    const struct gb_cglow_config *config = &model->config;
    char name[80];
    int h = config->sizes.x_h, w = config->sizes.x_w, c = config->sizes.x_c;
    for (int i = 0; i < 3; i++, h /= 2, w /= 2, c = config->n_c) {
        snprintf(name, sizeof name, "%s.conv.%d", prefix, i);
        add_conv(model, name, config->n_c, c, kernel_of(h, h / 2), kernel_of(w, w / 2), true);
    }
    int widths[4] = {c * h * w, config->n_w, config->n_w, outputs};
    for (int i = 0; i < 3; i++) {
        add(model, 2, (int[]){widths[i + 1], widths[i]}, "%s.fc.%d.weight", prefix, i);
        add(model, 1, (int[]){widths[i + 1]}, "%s.fc.%d.bias", prefix, i);
    }
}

static void add_coupling(struct reference_cglow *model, const char *prefix,
                         struct reference_shape shape) {
    const struct gb_cglow_config *config = &model->config;
    int half = shape.c / 2, wide = config->coupling_channels;
    char name[80];
    snprintf(name, sizeof name, "%s.features.0", prefix);
    add_conv(model, name, config->feature_channels, config->sizes.x_c, 3, 3, true);
    snprintf(name, sizeof name, "%s.features.1", prefix);
    add_conv(model, name, half, config->feature_channels, kernel_of(config->sizes.x_h, shape.h),
             kernel_of(config->sizes.x_w, shape.w), true);
    snprintf(name, sizeof name, "%s.features.2", prefix);
    add_conv(model, name, half, half, 3, 3, true);
    for (int i = 0; i < 3; i++) {
        int side = i == 1 ? 1 : 3, out = i == 2 ? shape.c : wide;
        snprintf(name, sizeof name, "%s.net.%d", prefix, i);
        add_conv(model, name, out, i == 0 ? 2 * half : wide, side, side, true);
        if (i == 2)
            add(model, 1, &out, "%s.new_bias", name);
        add(model, 1, &out, "%s.log_scale", name);
    }
}

struct reference_cglow *reference_cglow_create(const struct gb_cglow_config *config) {
    struct reference_cglow *model = reference_allocate(1, sizeof *model);
    model->config = *config;
    char name[64];
    for (int l = 0; l < config->levels; l++) {
        struct reference_shape shape = reference_cglow_level(config, l);
        for (int k = 0; k < config->steps; k++) {
            snprintf(name, sizeof name, "levels.%d.steps.%d.actnorm", l, k);
            add_conditioning_network(model, name, 2 * shape.c);
            snprintf(name, sizeof name, "levels.%d.steps.%d.mix", l, k);
            add_conditioning_network(model, name, shape.c * shape.c);
            snprintf(name, sizeof name, "levels.%d.steps.%d.coupling", l, k);
            add_coupling(model, name, shape);
        }
        snprintf(name, sizeof name, "levels.%d.split", l);
        if (l + 1 < config->levels)
            add_conv(model, name, shape.c, shape.c / 2, 3, 3, true);
    }
    return model;
}

void reference_cglow_free(struct reference_cglow *model) {
    if (!model)
        return;
    for (int i = 0; i < model->count; i++)
        free(model->params[i].value);
    free(model->params);
    free(model);
}

struct reference_param *reference_cglow_param(const struct reference_cglow *model,
                                              const char *format, ...) {
    char name[96];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    for (int i = 0; i < model->count; i++)
        if (strcmp(model->params[i].name, name) == 0)
            return &model->params[i];
    fprintf(stderr, "the reference has no parameter %s\n", name);
    abort();
}

static const double *value_of(const struct reference_cglow *model, const char *prefix,
                              const char *leaf) {
    return reference_cglow_param(model, "%s.%s", prefix, leaf)->value;
}

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static double deviation_of(const struct reference_param *param) {
    if (ends_with(param->name, ".fc.2.weight"))
        return 0.1;
    if (param->dims > 1)
        return 1 / sqrt((double)param->count / param->shape[0]);
    return 0.1;
}

// The bias from which tanh yields 0.8 times a permutation that leaves no channel in place, and
// small entries elsewhere: far from symmetric, so that a transposed matrix shows.
static void add_permutation(struct reference_param *bias) {
    int c = (int)lrint(sqrt((double)bias->count));
    for (int i = 0; i < c; i++)
        bias->value[i * c + (i + 1) % c] += (float)atanh(0.8);
}

void reference_cglow_randomise(struct reference_cglow *model, uint64_t seed) {
    uint64_t state = seed;
    for (int i = 0; i < model->count; i++) {
        struct reference_param *param = &model->params[i];
        for (size_t e = 0; e < param->count; e++)
            param->value[e] = deviation_of(param) * reference_normal(&state);
        if (ends_with(param->name, ".mix.fc.2.bias"))
            add_permutation(param);
        for (size_t e = 0; e < param->count; e++)
            param->value[e] = (float)param->value[e];
    }
}

// ---- networks ----

static struct reference_image same_convolution(const struct reference_cglow *model,
                                               const char *prefix, int k, int kernel,
                                               struct reference_image in,
                                               enum reference_activation activation) {
    struct reference_convolution conv = {
        k, kernel, kernel, 1, 1, kernel / 2, value_of(model, prefix, "weight")};
    return reference_convolve(&conv, in, value_of(model, prefix, "bias"), NULL, activation);
}

static struct reference_image strided_convolution(const struct reference_cglow *model,
                                                  const char *prefix, int k, int h, int w,
                                                  struct reference_image in) {
    struct reference_convolution conv = {k,
                                         kernel_of(in.shape.h, h),
                                         kernel_of(in.shape.w, w),
                                         stride_of(in.shape.h, h),
                                         stride_of(in.shape.w, w),
                                         0,
                                         value_of(model, prefix, "weight")};
    return reference_convolve(&conv, in, value_of(model, prefix, "bias"), NULL, REFERENCE_RELU);
}

static struct reference_image fully_connected(const struct reference_cglow *model,
                                              const char *prefix, struct reference_image in,
                                              enum reference_activation activation) {
    const struct reference_param *weight = reference_cglow_param(model, "%s.weight", prefix);
    const double *bias = value_of(model, prefix, "bias");
    int k = weight->shape[0];
    size_t inputs = reference_elements(in.shape);
    struct reference_image out = reference_image_new(k, 1, 1);
    for (int o = 0; o < k; o++) {
        double sum = bias[o];
        for (size_t i = 0; i < inputs; i++)
            sum += weight->value[(size_t)o * inputs + i] * in.data[i];
        out.data[o] = reference_activate(activation, sum);
    }
    free(in.data);
    return out;
}

static struct reference_image copy_of_x(const struct reference_cglow *model, const double *x) {
    const struct gb_cglow_config *config = &model->config;
    struct reference_image image =
        reference_image_new(config->sizes.x_c, config->sizes.x_h, config->sizes.x_w);
    memcpy(image.data, x, reference_elements(image.shape) * sizeof *x);
    return image;
}

// The outputs, tanh applied; the caller frees them.
static double *conditioning_network(const struct reference_cglow *model, const char *prefix,
                                    const double *x) {
    struct reference_image image = copy_of_x(model, x);
    char name[80];
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s.conv.%d", prefix, i);
        image = strided_convolution(model, name, model->config.n_c, image.shape.h / 2,
                                    image.shape.w / 2, image);
    }
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s.fc.%d", prefix, i);
        image = fully_connected(model, name, image, i < 2 ? REFERENCE_RELU : REFERENCE_TANH);
    }
    return image.data;
}

static double *coupling_features(const struct reference_cglow *model, const char *prefix,
                                 struct reference_shape shape, const double *x) {
    struct reference_image image = copy_of_x(model, x);
    char name[80];
    snprintf(name, sizeof name, "%s.features.0", prefix);
    image = same_convolution(model, name, model->config.feature_channels, 3, image, REFERENCE_RELU);
    snprintf(name, sizeof name, "%s.features.1", prefix);
    image = strided_convolution(model, name, shape.c / 2, shape.h, shape.w, image);
    snprintf(name, sizeof name, "%s.features.2", prefix);
    return same_convolution(model, name, shape.c / 2, 3, image, REFERENCE_RELU).data;
}

struct reference_conditions *reference_cglow_condition(const struct reference_cglow *model,
                                                       const double *x) {
    const struct gb_cglow_config *config = &model->config;
    struct reference_conditions *conditions = reference_allocate(1, sizeof *conditions);
    conditions->count = config->levels * config->steps;
    conditions->step = reference_allocate((size_t)conditions->count, sizeof *conditions->step);
    char name[64];
    for (int i = 0; i < conditions->count; i++) {
        int l = i / config->steps, k = i % config->steps;
        struct reference_step *step = &conditions->step[i];
        struct reference_shape shape = reference_cglow_level(config, l);
        snprintf(name, sizeof name, "levels.%d.steps.%d.actnorm", l, k);
        step->log_scale = conditioning_network(model, name, x);
        step->bias = step->log_scale + shape.c;
        snprintf(name, sizeof name, "levels.%d.steps.%d.mix", l, k);
        step->matrix = conditioning_network(model, name, x);
        snprintf(name, sizeof name, "levels.%d.steps.%d.coupling", l, k);
        step->features = coupling_features(model, name, shape, x);
    }
    return conditions;
}

void reference_conditions_free(struct reference_conditions *conditions) {
    if (!conditions)
        return;
    for (int i = 0; i < conditions->count; i++) {
        free(conditions->step[i].log_scale);
        free(conditions->step[i].matrix);
        free(conditions->step[i].features);
    }
    free(conditions->step);
    free(conditions);
}

// ---- layers ----

double reference_actnorm_forward(struct reference_shape shape, const struct reference_step *step,
                                 const double *v, double *u) {
    int pixels = shape.h * shape.w;
    double log_det = 0;
    for (int c = 0; c < shape.c; c++) {
        for (int p = 0; p < pixels; p++)
            u[c * pixels + p] = (v[c * pixels + p] + step->bias[c]) * exp(step->log_scale[c]);
        log_det += pixels * step->log_scale[c];
    }
    return log_det;
}

void reference_actnorm_inverse(struct reference_shape shape, const struct reference_step *step,
                               const double *u, double *v) {
    int pixels = shape.h * shape.w;
    for (int c = 0; c < shape.c; c++)
        for (int p = 0; p < pixels; p++)
            v[c * pixels + p] = u[c * pixels + p] * exp(-step->log_scale[c]) - step->bias[c];
}

double reference_inv1x1_forward(struct reference_shape shape, const struct reference_step *step,
                                const double *v, double *u) {
    int c = shape.c, pixels = shape.h * shape.w;
    for (int o = 0; o < c; o++)
        for (int p = 0; p < pixels; p++) {
            u[o * pixels + p] = 0;
            for (int q = 0; q < c; q++)
                u[o * pixels + p] += step->matrix[o * c + q] * v[q * pixels + p];
        }
    double *matrix = reference_copy((size_t)c * (size_t)c, step->matrix);
    double log_det = pixels * reference_log_abs_det(c, matrix);
    free(matrix);
    return log_det;
}

void reference_inv1x1_inverse(struct reference_shape shape, const struct reference_step *step,
                              const double *u, double *v) {
    double *matrix = reference_copy((size_t)shape.c * (size_t)shape.c, step->matrix);
    memcpy(v, u, reference_elements(shape) * sizeof *v);
    reference_eliminate(shape.c, matrix, shape.h * shape.w, v);
    free(matrix);
}

// The coupling network on concat(features, first half of v): c channels, tanh applied, even ones
// the shift, odd ones the raw scale. The caller frees them.
static double *coupling_network(const struct reference_cglow *model, int level, int step,
                                const double *features, const double *v) {
    struct reference_shape shape = reference_cglow_level(&model->config, level);
    size_t half = reference_elements(shape) / 2;
    struct reference_image image = reference_image_new(shape.c, shape.h, shape.w);
    memcpy(image.data, features, half * sizeof *features);
    memcpy(image.data + half, v, half * sizeof *v);
    char name[80];
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "levels.%d.steps.%d.coupling.net.%d", level, step, i);
        const struct reference_param *weight = reference_cglow_param(model, "%s.weight", name);
        int k = weight->shape[0], side = weight->shape[2];
        double *bias = reference_copy((size_t)k, value_of(model, name, "bias"));
        double *log_scale = reference_copy((size_t)k, value_of(model, name, "log_scale"));
        for (int o = 0; i == 2 && o < k; o++) {
            bias[o] += value_of(model, name, "new_bias")[o];
            log_scale[o] *= 3;
        }
        struct reference_convolution conv = {k, side, side, 1, 1, side / 2, weight->value};
        image = reference_convolve(&conv, image, bias, log_scale,
                                   i < 2 ? REFERENCE_RELU : REFERENCE_TANH);
        free(bias);
        free(log_scale);
    }
    return image.data;
}

static double sigmoid(double a) {
    return 1 / (1 + exp(-a));
}

double reference_coupling_forward(const struct reference_cglow *model, int level, int step,
                                  const struct reference_step *condition, const double *v,
                                  double *u) {
    struct reference_shape shape = reference_cglow_level(&model->config, level);
    int half = shape.c / 2, pixels = shape.h * shape.w;
    double *raw = coupling_network(model, level, step, condition->features, v);
    double log_det = 0;
    memcpy(u, v, (size_t)(half * pixels) * sizeof *u);
    for (int c = 0; c < half; c++)
        for (int p = 0; p < pixels; p++) {
            double shift = raw[2 * c * pixels + p];
            double scale = sigmoid(raw[(2 * c + 1) * pixels + p] + 2);
            u[(half + c) * pixels + p] = (v[(half + c) * pixels + p] + shift) * scale;
            log_det += log(scale);
        }
    free(raw);
    return log_det;
}

void reference_coupling_inverse(const struct reference_cglow *model, int level, int step,
                                const struct reference_step *condition, const double *u,
                                double *v) {
    struct reference_shape shape = reference_cglow_level(&model->config, level);
    int half = shape.c / 2, pixels = shape.h * shape.w;
    double *raw = coupling_network(model, level, step, condition->features, u);
    memcpy(v, u, (size_t)(half * pixels) * sizeof *u);
    for (int c = 0; c < half; c++)
        for (int p = 0; p < pixels; p++)
            v[(half + c) * pixels + p] =
                u[(half + c) * pixels + p] / sigmoid(raw[(2 * c + 1) * pixels + p] + 2) -
                raw[2 * c * pixels + p];
    free(raw);
}

void reference_split_prior(const struct reference_cglow *model, int level, const double *kept,
                           double *mean, double *log_sigma) {
    struct reference_shape shape = reference_cglow_level(&model->config, level);
    int half = shape.c / 2, pixels = shape.h * shape.w;
    struct reference_image image = reference_image_new(half, shape.h, shape.w);
    memcpy(image.data, kept, (size_t)(half * pixels) * sizeof *kept);
    char name[32];
    snprintf(name, sizeof name, "levels.%d.split", level);
    image = same_convolution(model, name, shape.c, 3, image, REFERENCE_TANH);
    for (int c = 0; c < half; c++)
        for (int p = 0; p < pixels; p++) {
            mean[c * pixels + p] = image.data[2 * c * pixels + p];
            log_sigma[c * pixels + p] = image.data[(2 * c + 1) * pixels + p];
        }
    free(image.data);
}

double reference_log_normal(size_t count, const double *z, const double *mean,
                            const double *log_sigma) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        double m = mean ? mean[i] : 0, s = log_sigma ? log_sigma[i] : 0;
        double e = (z[i] - m) * exp(-s);
        sum -= 0.5 * (log(2 * M_PI) + 2 * s + e * e);
    }
    return sum;
}

// ---- the flow ----

struct reference_shape reference_cglow_level(const struct gb_cglow_config *config, int level) {
    struct reference_shape shape = {4 * config->sizes.y_c, config->sizes.y_h / 2,
                                    config->sizes.y_w / 2};
    for (int l = 0; l < level; l++)
        shape = (struct reference_shape){shape.c / 2 * 4, shape.h / 2, shape.w / 2};
    return shape;
}

struct reference_shape reference_cglow_latent(const struct gb_cglow_config *config, int level) {
    struct reference_shape shape = reference_cglow_level(config, level);
    if (level + 1 < config->levels)
        shape.c /= 2;
    return shape;
}

// One step in place; `work` is as large as v. Returns the log-determinant.
static double step_forward(const struct reference_cglow *model, int level, int step,
                           const struct reference_step *condition, double *v, double *work) {
    struct reference_shape shape = reference_cglow_level(&model->config, level);
    double log_det = reference_actnorm_forward(shape, condition, v, work);
    log_det += reference_inv1x1_forward(shape, condition, work, v);
    log_det += reference_coupling_forward(model, level, step, condition, v, work);
    memcpy(v, work, reference_elements(shape) * sizeof *v);
    return log_det;
}

// The latent `z` leaves with this prior: writes it, and its standardised form, where they are
// wanted.
static double leave(size_t count, const double *z, const double *mean, const double *log_sigma,
                    double *latent, double *noise) {
    for (size_t i = 0; i < count; i++) {
        if (latent)
            latent[i] = z[i];
        if (noise)
            noise[i] = mean ? (z[i] - mean[i]) * exp(-log_sigma[i]) : z[i];
    }
    return reference_log_normal(count, z, mean, log_sigma);
}

struct reference_density reference_cglow_forward(const struct reference_cglow *model,
                                                 const struct reference_conditions *conditions,
                                                 const double *y, double *latents, double *noise) {
    const struct gb_cglow_config *config = &model->config;
    size_t count =
               (size_t)config->sizes.y_c * (size_t)config->sizes.y_h * (size_t)config->sizes.y_w,
           left = 0;
    double *kept = reference_copy(count, y), *v = reference_doubles(count),
           *work = reference_doubles(count);
    struct reference_density total = {0, 0};
    for (int l = 0; l < config->levels; l++) {
        struct reference_shape shape = reference_cglow_level(config, l);
        size_t size = reference_elements(shape), half = size / 2;
        reference_squeeze(shape, kept, v);
        for (int k = 0; k < config->steps; k++)
            total.log_det +=
                step_forward(model, l, k, &conditions->step[l * config->steps + k], v, work);
        double *latent = latents ? latents + left : NULL, *standard = noise ? noise + left : NULL;
        if (l + 1 == config->levels) {
            total.log_prior += leave(size, v, NULL, NULL, latent, standard);
            break;
        }
        memcpy(kept, v, half * sizeof *v);
        reference_split_prior(model, l, kept, work, work + half);
        total.log_prior += leave(half, v + half, work, work + half, latent, standard);
        left += half;
    }
    free(kept);
    free(v);
    free(work);
    return total;
}

void reference_cglow_inverse(const struct reference_cglow *model,
                             const struct reference_conditions *conditions, const double *noise,
                             double temperature, double *y) {
    const struct gb_cglow_config *config = &model->config;
    size_t count =
        (size_t)config->sizes.y_c * (size_t)config->sizes.y_h * (size_t)config->sizes.y_w;
    double *v = reference_doubles(count), *work = reference_doubles(count);
    size_t place = count; // where the noise of the levels above l ends
    for (int l = config->levels - 1; l >= 0; l--) {
        struct reference_shape shape = reference_cglow_level(config, l);
        size_t size = reference_elements(shape);
        size_t leaving = reference_elements(reference_cglow_latent(config, l));
        place -= leaving;
        if (leaving < size)
            reference_split_prior(model, l, v, work, work + leaving);
        for (size_t i = 0; i < leaving; i++) {
            double z = noise[place + i] * temperature;
            v[size - leaving + i] = leaving < size ? work[i] + exp(work[leaving + i]) * z : z;
        }
        for (int k = config->steps - 1; k >= 0; k--) {
            const struct reference_step *condition = &conditions->step[l * config->steps + k];
            reference_coupling_inverse(model, l, k, condition, v, work);
            reference_inv1x1_inverse(shape, condition, work, v);
            reference_actnorm_inverse(shape, condition, v, work);
            memcpy(v, work, size * sizeof *v);
        }
        reference_unsqueeze(shape, work, v);
    }
    memcpy(y, v, count * sizeof *y);
    free(v);
    free(work);
}

double reference_cglow_log_likelihood(const struct reference_cglow *model, const double *x,
                                      const double *y) {
    struct reference_conditions *conditions = reference_cglow_condition(model, x);
    struct reference_density density = reference_cglow_forward(model, conditions, y, NULL, NULL);
    reference_conditions_free(conditions);
    return density.log_det + density.log_prior;
}
