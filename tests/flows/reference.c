// SPDX-License-Identifier: MIT
#include "tests/flows/reference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- Numbers ----

void reference_require(bool holds) {
    if (!holds)
        abort();
}

void *reference_allocate(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    reference_require(memory);
    return memory;
}

// splitmix64 (Steele, Lea and Flood 2014).
double reference_uniform(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

double reference_normal(uint64_t *state) {
    double radius = sqrt(-2 * log(1 - reference_uniform(state)));
    return radius * cos(2 * M_PI * reference_uniform(state));
}

// By Gaussian elimination with partial pivoting.
double reference_log_abs_det(int n, double *matrix) {
    double log_det = 0;
    for (int i = 0; i < n; i++) {
        int pivot = i;
        for (int r = i + 1; r < n; r++)
            if (fabs(matrix[r * n + i]) > fabs(matrix[pivot * n + i]))
                pivot = r;
        log_det += log(fabs(matrix[pivot * n + i]));
        if (isinf(log_det))
            return log_det;
        for (int j = 0; j < n; j++) {
            double swap = matrix[i * n + j];
            matrix[i * n + j] = matrix[pivot * n + j];
            matrix[pivot * n + j] = swap;
        }
        for (int r = i + 1; r < n; r++) {
            double factor = matrix[r * n + i] / matrix[i * n + i];
            for (int j = i; j < n; j++)
                matrix[r * n + j] -= factor * matrix[i * n + j];
        }
    }
    return log_det;
}

// ---- Models ----

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static void randomise(struct reference_param *p, uint64_t *state) {
    const bool matrix = ends_with(p->name, "mix.weight"); // of CNF
    const bool matrix_bias = ends_with(p->name, "mix.fc.2.bias");
    const bool small = p->dims == 1 || ends_with(p->name, ".fc.2.weight");
    const double deviation = small ? 0.1 : 1 / sqrt((double)p->count / p->shape[0]);
    for (size_t e = 0; e < p->count; e++)
        p->value[e] = ends_with(p->name, "norm.variance")
                          ? 0.5 + reference_uniform(state)
                          : (matrix ? 0.3 : 1) * deviation * reference_normal(state);
    // Near a permutation that leaves no channel in place, so that a transposed matrix shows; in
    // c-Glow the bias from which tanh yields it.
    const int c = (int)lrint(sqrt((double)p->count));
    for (int i = 0; (matrix || matrix_bias) && i < c; i++)
        p->value[i * c + (i + 1) % c] += matrix ? 0.9 : atanh(0.8);
    for (size_t e = 0; e < p->count; e++)
        p->value[e] = (float)p->value[e];
}

struct reference *reference_new(const struct gb_model_kind *kind, const void *config,
                                uint64_t seed) {
    const struct gb_model_use use = {.batch = 1, .samples_per_x = 1, .threads = 1};
    const struct gb_backend *scalar;
    struct gb_model *named = NULL; // whose parameters' names and shapes are taken
    reference_require(gb_backend_find("scalar", &scalar) == GB_OK &&
                      gb_model_create(kind, config, &use, scalar, &named) == GB_OK);
    const struct gb_params *params = &named->params;
    struct reference *model = reference_allocate(1, sizeof *model);
    *model = (struct reference){.kind = kind, .config = config, .count = params->count};
    model->params = reference_allocate((size_t)params->count, sizeof *model->params);
    for (int i = 0; i < params->count; i++) {
        const struct gb_param *from = &params->list[i];
        struct reference_param *to = &model->params[i];
        strcpy(to->name, from->name);
        to->dims = from->dims;
        memcpy(to->shape, from->shape, sizeof to->shape);
        to->count = gb_param_elements(from);
        to->value = reference_allocate(to->count, sizeof *to->value);
        randomise(to, &seed);
    }
    gb_model_free(named);
    return model;
}

void reference_free(struct reference *model) {
    for (int i = 0; i < model->count; i++)
        free(model->params[i].value);
    free(model->params);
    free(model);
}

struct reference_param *reference_find(const struct reference *model, const char *prefix,
                                       const char *leaf) {
    char name[192];
    snprintf(name, sizeof name, "%s%s", prefix, leaf);
    for (int i = 0; i < model->count; i++)
        if (strcmp(model->params[i].name, name) == 0)
            return &model->params[i];
    return NULL;
}

// ---- Images and networks ----

struct reference_image reference_image_new(int c, int h, int w) {
    struct reference_shape shape = {c, h, w};
    return (struct reference_image){shape,
                                    reference_allocate(reference_elements(shape), sizeof(double))};
}

struct reference_image reference_image_of(int c, int h, int w, const double *values) {
    struct reference_image image = reference_image_new(c, h, w);
    memcpy(image.data, values, reference_elements(image.shape) * sizeof *values);
    return image;
}

struct reference_image reference_copy(const struct reference_image *from) {
    return reference_image_of(from->shape.c, from->shape.h, from->shape.w, from->data);
}

struct reference_image reference_channels(const struct reference_image *from, int first,
                                          int count) {
    size_t pixels = (size_t)from->shape.h * (size_t)from->shape.w;
    return reference_image_of(count, from->shape.h, from->shape.w,
                              from->data + (size_t)first * pixels);
}

struct reference_image reference_concatenate(struct reference_image a, struct reference_image b) {
    struct reference_image joined =
        reference_image_new(a.shape.c + b.shape.c, a.shape.h, a.shape.w);
    size_t first = reference_elements(a.shape);
    memcpy(joined.data, a.data, first * sizeof *a.data);
    memcpy(joined.data + first, b.data, reference_elements(b.shape) * sizeof *b.data);
    free(a.data);
    free(b.data);
    return joined;
}

double reference_activate(enum reference_activation activation, double u) {
    switch (activation) {
    case REFERENCE_RELU:
        return u > 0 ? u : 0;
    case REFERENCE_LEAKY_RELU:
        return u > 0 ? u : 0.2 * u;
    case REFERENCE_TANH:
        return tanh(u);
    case REFERENCE_IDENTITY:
        break;
    }
    return u;
}

static double pixel(const struct reference_image *in, int c, int y, int x) {
    if (y < 0 || x < 0 || y >= in->shape.h || x >= in->shape.w)
        return 0;
    return in->data[(c * in->shape.h + y) * in->shape.w + x];
}

// Output channel o of the kernels w (k, c, height, width) on the pixels from (y, x) on.
static double convolution_at(const struct reference_param *w, const struct reference_image *in,
                             int o, int y, int x) {
    double sum = 0;
    const double *weight = w->value + (ptrdiff_t)o * w->shape[1] * w->shape[2] * w->shape[3];
    for (int c = 0; c < w->shape[1]; c++)
        for (int a = 0; a < w->shape[2]; a++)
            for (int b = 0; b < w->shape[3]; b++)
                sum += *weight++ * pixel(in, c, y + a, x + b);
    return sum;
}

struct reference_image reference_convolve(const struct reference *model, const char *prefix,
                                          struct reference_convolution conv,
                                          struct reference_image in) {
    const struct reference_param *weight = reference_find(model, prefix, "weight"),
                                 *bias = reference_find(model, prefix, "bias"),
                                 *new_bias = reference_find(model, prefix, "new_bias"),
                                 *log_scale = reference_find(model, prefix, "log_scale");
    reference_require(weight && bias && weight->dims == 4 && weight->shape[1] == in.shape.c);
    const int *kernel = &weight->shape[2], k = weight->shape[0];
    const int pad_h = conv.stride_h ? 0 : kernel[0] / 2, pad_w = conv.stride_w ? 0 : kernel[1] / 2;
    const int stride_h = conv.stride_h ? conv.stride_h : 1;
    const int stride_w = conv.stride_w ? conv.stride_w : 1;
    const int rest_h = in.shape.h + 2 * pad_h - kernel[0];
    const int rest_w = in.shape.w + 2 * pad_w - kernel[1];
    reference_require(rest_h % stride_h == 0 &&
                      rest_w % stride_w == 0); // the kernels cover all pixels
    struct reference_image out =
        reference_image_new(k, rest_h / stride_h + 1, rest_w / stride_w + 1);
    double *to = out.data;
    for (int o = 0; o < k; o++) {
        const double added = bias->value[o] + (new_bias ? new_bias->value[o] : 0);
        const double scale = log_scale ? exp(conv.log_factor * log_scale->value[o]) : 1;
        for (int y = -pad_h, i = 0; i < out.shape.h; i++, y += stride_h)
            for (int x = -pad_w, j = 0; j < out.shape.w; j++, x += stride_w) {
                const double u = (convolution_at(weight, &in, o, y, x) + added) * scale;
                *to++ = reference_activate(conv.activation, u);
            }
    }
    free(in.data);
    return out;
}

// ---- Layers ----

double reference_actnorm(const double *bias, const double *log_scale, struct reference_image *v) {
    int pixels = v->shape.h * v->shape.w;
    double log_det = 0;
    for (int c = 0; c < v->shape.c; c++) {
        for (int p = 0; p < pixels; p++)
            v->data[c * pixels + p] = (v->data[c * pixels + p] + bias[c]) * exp(log_scale[c]);
        log_det += pixels * log_scale[c];
    }
    return log_det;
}

double reference_inv1x1(const double *matrix, struct reference_image *v) {
    int c = v->shape.c, pixels = v->shape.h * v->shape.w;
    struct reference_image u = reference_image_new(c, v->shape.h, v->shape.w);
    for (int o = 0; o < c; o++)
        for (int q = 0; q < c; q++)
            for (int p = 0; p < pixels; p++)
                u.data[o * pixels + p] += matrix[o * c + q] * v->data[q * pixels + p];
    free(v->data);
    *v = u;
    struct reference_image spent = reference_image_of(1, c, c, matrix);
    double log_det = pixels * reference_log_abs_det(c, spent.data);
    free(spent.data);
    return log_det;
}

static struct reference_image squeezed(struct reference_image from, bool forward) {
    struct reference_shape deep = from.shape;
    if (forward)
        deep = (struct reference_shape){4 * deep.c, deep.h / 2, deep.w / 2};
    struct reference_image to = forward ? reference_image_new(deep.c, deep.h, deep.w)
                                        : reference_image_new(deep.c / 4, 2 * deep.h, 2 * deep.w);
    int at = 0;
    for (int c = 0; c < deep.c; c++)
        for (int i = 0; i < deep.h; i++)
            for (int j = 0; j < deep.w; j++, at++) {
                int row = 2 * i + c % 4 / 2, column = 2 * j + c % 2;
                int wide = (c / 4 * 2 * deep.h + row) * 2 * deep.w + column;
                to.data[forward ? at : wide] = from.data[forward ? wide : at];
            }
    free(from.data);
    return to;
}

struct reference_image reference_squeeze(struct reference_image wide) {
    return squeezed(wide, true);
}

struct reference_image reference_unsqueeze(struct reference_image deep) {
    return squeezed(deep, false);
}

double reference_log_normal(double z) {
    return -0.5 * (log(2 * M_PI) + z * z);
}

// ---- The flow ----

static void keep(double *output, const struct reference_image *image) {
    if (output)
        memcpy(output, image->data, reference_elements(image->shape) * sizeof *output);
}

struct reference_density reference_forward(const struct reference *model, const double *x,
                                           const double *y, const double *noise,
                                           struct reference_outputs outputs) {
    const bool cnf = model->kind == &gb_cnf_model;
    const int levels =
        gb_config_number(model->config, gb_config_find(model->kind->table, "levels"));
    const struct gb_image_sizes *s = model->config;
    struct reference_image at = reference_image_of(s->y_c, s->y_h, s->y_w, y);
    struct reference_image features[GB_MAX_LEVELS]; // of c-Glow: the image itself
    for (int l = 0; l < (cnf ? 1 : levels); l++)
        features[l] = reference_image_of(s->x_c, s->x_h, s->x_w, x);
    if (cnf)
        reference_cnf_features(model, features[0], features);
    struct reference_density density = {0};
    if (noise)
        density.log_q = reference_cnf_dequantise(model, &features[0], noise, &at);
    keep(outputs.v, &at);
    double *standard = reference_allocate(reference_elements(at.shape), sizeof *standard);
    size_t left = 0;
    for (int l = 0; l < levels; l++) {
        at = reference_squeeze(at);
        density.log_det += cnf ? reference_cnf_level(model, l, &features[l], &at)
                               : reference_cglow_level(model, l, &features[l], &at);
        const int kept_channels = l + 1 == levels ? 0 : at.shape.c / 2;
        struct reference_image kept = reference_channels(&at, 0, kept_channels);
        struct reference_image z =
            reference_channels(&at, kept_channels, at.shape.c - kept_channels);
        density.log_prior +=
            cnf ? reference_cnf_prior(model, l, &features[l], &kept, &z, standard + left)
                : reference_cglow_prior(model, l, &kept, &z, standard + left);
        keep(outputs.latents ? outputs.latents + left : NULL, &z);
        left += reference_elements(z.shape);
        free(features[l].data);
        free(z.data);
        free(at.data);
        at = kept;
    }
    if (outputs.standard)
        memcpy(outputs.standard, standard, left * sizeof *standard);
    free(standard);
    free(at.data);
    return density;
}
