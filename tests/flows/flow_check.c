// SPDX-License-Identifier: MIT
#include "tests/flows/flow_check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/kernels/check.h"

struct flow_images flow_images_new(int n, struct reference_shape shape, enum flow_gaps gaps,
                                   uint64_t *state) {
    struct gb_tensor tensor = gb_dense(NULL, n, shape.h, shape.w, shape.c);
    if (gaps == FLOW_GAPS) {
        tensor.pixel = shape.c + 3;
        tensor.row = shape.w * tensor.pixel + 5;
        tensor.image = shape.h * tensor.row + 7;
    }
    size_t count = (size_t)n * reference_elements(shape);
    struct flow_images images = {.tensor = tensor,
                                 .shape = shape,
                                 .values = test_malloc(count * sizeof *images.values),
                                 .floats = (size_t)n * (size_t)tensor.image};
    images.memory = test_malloc(images.floats * sizeof *images.memory);
    images.tensor.data = images.memory;
    for (size_t i = 0; i < images.floats; i++)
        images.memory[i] = NAN;
    for (size_t i = 0; i < count; i++)
        images.values[i] = state ? (double)(float)reference_normal(state) : 0;
    for (int i = 0; i < n; i++)
        flow_write(&images.tensor, i, flow_image(&images, i));
    return images;
}

void flow_images_free(struct flow_images *images) {
    test_free(images->values);
    test_free(images->memory);
}

void flow_write(const struct gb_tensor *tensor, int n, const double *values) {
    for (int c = 0; c < tensor->c; c++)
        for (int y = 0; y < tensor->h; y++)
            for (int x = 0; x < tensor->w; x++)
                gb_at(tensor, n, y, x)[c] = (float)*values++;
}

void flow_read(const struct gb_tensor *tensor, int n, double *values) {
    for (int c = 0; c < tensor->c; c++)
        for (int y = 0; y < tensor->h; y++)
            for (int x = 0; x < tensor->w; x++)
                *values++ = (double)gb_at(tensor, n, y, x)[c];
}

void flow_check_gaps(const struct flow_images *images) {
    const struct gb_tensor *t = &images->tensor;
    size_t touched = 0;
    for (size_t i = 0; i < images->floats; i++)
        touched += !isnan(images->memory[i]);
    assert_int_equal(touched, gb_elements(t));
}

double flow_relative_error(size_t count, const double *actual, const double *expected) {
    double error = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        error += (actual[i] - expected[i]) * (actual[i] - expected[i]);
        norm += expected[i] * expected[i];
    }
    return error == 0 ? 0 : sqrt(error / norm);
}

void flow_check_close(const char *what, double actual, double expected, double bound) {
    if (!(fabs(actual - expected) <= bound))
        fail_msg("%s: %.12g differs from %.12g by %.3g, more than %.3g", what, actual, expected,
                 fabs(actual - expected), bound);
}

double flow_dot(size_t count, const double *a, const double *b) {
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

void flow_check_rotation(int c, const double *matrix) {
    for (int i = 0; i < c; i++)
        for (int j = 0; j < c; j++) // float parameters in a tanh: entries to 6e-8
            flow_check_close("W W^T", flow_dot((size_t)c, matrix + i * c, matrix + j * c), i == j,
                             1e-6);
}

void flow_import_param(struct gb_params *params, int index, const double *value) {
    size_t count = gb_param_elements(&params->list[index]);
    float *elements = test_malloc(count * sizeof *elements);
    for (size_t e = 0; e < count; e++)
        elements[e] = (float)value[e];
    assert_ok(gb_params_import(params, index, elements, params->value));
    test_free(elements);
}

void flow_import(struct gb_params *params, const struct reference *reference) {
    assert_int_equal(params->count, reference->count);
    for (int i = 0; i < params->count; i++)
        flow_import_param(params, i, reference->params[i].value);
}

double *flow_export_block(const struct gb_params *params, int index, const float *block) {
    size_t count = gb_param_elements(&params->list[index]);
    float *elements = test_malloc(count * sizeof *elements);
    double *values = test_malloc(count * sizeof *values);
    assert_ok(gb_params_export(params, index, block, elements));
    for (size_t e = 0; e < count; e++)
        values[e] = (double)elements[e];
    test_free(elements);
    return values;
}

void flow_read_latents(const struct gb_latents *latents, int n, double *values) {
    for (int l = 0; l < latents->count; l++) {
        const struct gb_tensor *t = &latents->level[l];
        flow_read(t, n, values);
        values += (size_t)t->h * (size_t)t->w * (size_t)t->c;
    }
}

struct gb_latents flow_noise_new(const struct gb_model *model, const double *values) {
    struct gb_latents noise;
    model->kind->latent_shapes(model, &noise);
    size_t floats = 0;
    for (int l = 0; l < noise.count; l++)
        floats += gb_elements(&noise.level[l]);
    float *memory = test_malloc(floats * sizeof *memory);
    for (int l = 0; l < noise.count; l++) {
        noise.level[l].data = memory;
        memory += gb_elements(&noise.level[l]);
    }
    for (int n = 0; n < noise.level[0].n; n++)
        for (int l = 0; l < noise.count; l++) {
            const struct gb_tensor *t = &noise.level[l];
            flow_write(t, n, values);
            values += (size_t)t->h * (size_t)t->w * (size_t)t->c;
        }
    return noise;
}

struct flow_probe flow_probe_new(const char *name, int place, double *tensor, size_t count,
                                 bool element, flow_loss *loss, const void *scene,
                                 uint64_t *state) {
    const double h = 1e-6;
    struct flow_probe probe = {.name = name, .place = place, .count = count};
    double *direction = probe.direction = test_calloc(count, sizeof *direction);
    if (element)
        direction[(size_t)(reference_uniform(state) * (double)count)] = 1;
    for (size_t i = 0; i < count && !element; i++)
        direction[i] = reference_normal(state);
    const double length = sqrt(flow_dot(count, direction, direction));
    for (size_t i = 0; i < count; i++)
        direction[i] /= length;

    double *kept = test_malloc(count * sizeof *kept), value[2];
    memcpy(kept, tensor, count * sizeof *kept);
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < count; i++)
            tensor[i] = kept[i] + (side ? h : -h) * direction[i];
        value[side] = loss(scene);
    }
    memcpy(tensor, kept, count * sizeof *kept);
    test_free(kept);
    probe.derivative = (value[1] - value[0]) / (2 * h);
    return probe;
}

// ---- Models and what they are run on ----

const struct flow_case flow_models[] = {
    {"c-Glow", 2, FLOW_CASE(cglow, {16, 9, 3, 8, 12, 2}, 2, 2, 5, 6, 7, 4, 0)},
    {"c-Glow, reversible", 2, FLOW_CASE(cglow, {16, 9, 3, 8, 12, 2}, 2, 2, 5, 6, 7, 4, 0),
     .reversible = true},
    {"CNF, super-resolution", 2,
     FLOW_CASE(cnf, {4, 6, 3, 8, 12, 3}, GB_CNF_SUPER_RESOLUTION, 2, 2, 5, 7, 1, 3, 0)},
    {"CNF, super-resolution, reversible", 2,
     FLOW_CASE(cnf, {4, 6, 3, 8, 12, 3}, GB_CNF_SUPER_RESOLUTION, 2, 2, 5, 7, 1, 3, 0),
     .reversible = true},
    {"CNF, segmentation", 2,
     FLOW_CASE(cnf, {8, 12, 2, 8, 12, 1}, GB_CNF_SEGMENTATION, 1, 2, 4, 5, 0, 0, 2),
     .targets = FLOW_MASK},
    {"factored, super-resolution", 2,
     FLOW_CASE(factored, {4, 6, 3, 8, 12, 3}, GB_CNF_SUPER_RESOLUTION, 6, 1, 4, 0, 0),
     .targets = FLOW_LEVELS},
    {"factored, segmentation", 2,
     FLOW_CASE(factored, {16, 8, 3, 16, 8, 1}, GB_CNF_SEGMENTATION, 5, 0, 0, 2, 90),
     .targets = FLOW_MASK},
    {"DnCNN", 2, FLOW_CASE(dncnn, {8, 6, 3, 8, 6, 3}, 4, 5)},
    {"SRCNN", 2, FLOW_CASE(srcnn, {5, 6, 3, 10, 12, 3}, 7, 4)},
    {"feed-forward network", 2, FLOW_CASE(ffn, {16, 8, 3, 8, 4, 2}, 2, 4)},
    {"FCN-8s of a mask", 2, FLOW_CASE(fcn, {32, 64, 3, 32, 64, 1}, GB_FCN_ZERO_ONE, 2),
     .targets = FLOW_MASK},
    {"FCN-8s of labels", 2, FLOW_CASE(fcn, {64, 32, 3, 64, 32, 3}, GB_FCN_ZERO_ONE, 1),
     .targets = FLOW_LABELS},
    {0},
};

static void make_targets(const struct flow_images *images, enum flow_targets targets) {
    const size_t size = reference_elements(images->shape);
    const size_t classes = (size_t)images->shape.c, pixels = size / classes;
    for (int n = 0; n < images->tensor.n; n++) {
        double *y = flow_image(images, n);
        for (size_t i = 0; i < size; i++)
            if (targets == FLOW_LEVELS)
                y[i] = fmin(fmax(floor(128 + 50 * y[i]), 0), 255) / 256;
            else if (targets == FLOW_MASK)
                y[i] = y[i] > 0.5;
            else if (targets == FLOW_LABELS)
                y[i] = i / pixels == i % pixels / 7 % classes;
        flow_write(&images->tensor, n, y);
    }
}

struct flow_scene flow_scene_new(const struct flow_case *of, enum flow_gaps gaps, uint64_t state) {
    const struct gb_image_sizes *s = &of->config.sizes;
    const struct reference_shape x = {s->x_c, s->x_h, s->x_w}, y = {s->y_c, s->y_h, s->y_w};
    struct flow_scene scene = {
        .of = of, .noisy = of->kind->dequantisation(&of->config) == GB_DEQUANTISED_BY_MODEL};
    scene.x = flow_images_new(of->batch, x, gaps, &state);
    scene.y = flow_images_new(of->batch, y, gaps, &state);
    scene.noise = flow_images_new(of->batch, y, gaps, &state);
    make_targets(&scene.y, of->targets);
    return scene;
}

void flow_scene_free(struct flow_scene *scene) {
    flow_images_free(&scene->x);
    flow_images_free(&scene->y);
    flow_images_free(&scene->noise);
}

struct gb_model *flow_model_new(const struct flow_scene *scene, struct gb_model_use use,
                                const struct gb_backend *backend) {
    struct gb_model *model = NULL;
    use.batch = use.batch ? use.batch : scene->of->batch;
    use.samples_per_x = use.samples_per_x ? use.samples_per_x : 1;
    assert_ok(gb_model_create(scene->of->kind, &scene->of->config, &use, backend, &model));
    return model;
}

void flow_initialise_without_zeros(struct gb_model *model, float deviation) {
    struct gb_params *params = &model->params;
    for (int i = 0; i < params->count; i++)
        if (params->list[i].init.distribution == GB_INIT_ZERO && !params->list[i].statistic)
            params->list[i].init = (struct gb_init){GB_INIT_NORMAL, deviation};
    assert_ok(gb_params_initialise(params, 3));
}

const float flow_d_log_likelihood[FLOW_MOST_IMAGES] = {0.75f, -1.25f, 0.5f};

void flow_forward(const struct flow_scene *scene, struct gb_model *model,
                  double log_likelihood[static FLOW_MOST_IMAGES], struct gb_latents *latents) {
    const struct gb_tensor *noise = scene->noisy ? &scene->noise.tensor : NULL;
    assert_ok(model->kind->condition(model, &scene->x.tensor));
    assert_ok(model->kind->forward(model, &scene->y.tensor, noise, log_likelihood, latents));
}

void flow_train_step(const struct flow_scene *scene, struct gb_model *model,
                     const struct gb_adam *adam) {
    double log_likelihood[FLOW_MOST_IMAGES];
    flow_forward(scene, model, log_likelihood, NULL);
    model->kind->backward(model, flow_d_log_likelihood, adam, NULL, NULL);
}

struct gb_adam flow_adam(long step, float clip) {
    const struct gb_adam settings = {
        .learning_rate = 1e-3f, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .clip = clip};
    return gb_adam_at_step(settings, step);
}

void flow_check_same_state(const struct gb_params *a, const struct gb_params *b) {
    assert_int_equal(a->size, b->size);
    for (int i = 0; i < a->count; i++) {
        const size_t type = gb_type_bytes(a->moments), size = a->list[i].size;
        const size_t at = a->list[i].offset, moments = at * type / sizeof(float);
        if (memcmp(a->value + at, b->value + at, size * sizeof(float)) != 0 ||
            memcmp(a->moment1 + moments, b->moment1 + moments, size * type) != 0 ||
            memcmp(a->moment2 + moments, b->moment2 + moments, size * type) != 0)
            fail_msg("%s: other bits", a->list[i].name);
    }
    // And what lies between them.
    assert_memory_equal(a->value, b->value, a->bytes);
    assert_memory_equal(a->moment1, b->moment1, gb_params_moment_bytes(a));
    assert_memory_equal(a->moment2, b->moment2, gb_params_moment_bytes(a));
}

const struct gb_backend *flow_next_backend(const struct gb_backend *backend) {
    const struct gb_backend *const *list = gb_backends();
    while (backend && *list++ != backend)
        ;
    while (*list && !gb_check_runs(*list))
        list++;
    return *list;
}

const struct gb_backend *flow_scalar(void) {
    const struct gb_backend *backend;
    assert_ok(gb_backend_find("scalar", &backend));
    return backend;
}
