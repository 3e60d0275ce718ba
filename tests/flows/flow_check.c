// SPDX-License-Identifier: MIT
#include "tests/flows/flow_check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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
    return sqrt(error / norm);
}

void flow_check_close(const char *what, double actual, double expected, double bound) {
    if (!(fabs(actual - expected) <= bound))
        fail_msg("%s: %.12g differs from %.12g by %.3g, more than %.3g", what, actual, expected,
                 fabs(actual - expected), bound);
}

void flow_check_refused(enum gb_status status, enum gb_status expected) {
    assert_int_equal(status, expected);
    assert_string_not_equal(gb_error_message(), "");
}

void flow_check_bad_configs(const struct gb_model_kind *kind, const void *configs, size_t size,
                            int count) {
    struct gb_model_use use = {.batch = 1, .samples_per_x = 1, .threads = 1};
    for (int i = 0; i < count; i++) {
        const void *config = (const char *)configs + (size_t)i * size;
        struct gb_model *model = (void *)&use; // not a model: create must clear it
        flow_check_refused(kind->check(config), GB_BAD_INPUT);
        flow_check_refused(gb_model_create(kind, config, &use, flow_next_backend(NULL), &model),
                           GB_BAD_INPUT);
        assert_null(model);
    }
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

static const struct reference_param *counterpart(const struct gb_param *param,
                                                 const struct reference_cglow *reference) {
    const struct reference_param *other = reference_cglow_param(reference, "%s", param->name);
    if (param->dims != other->dims ||
        memcmp(param->shape, other->shape, (size_t)param->dims * sizeof *param->shape) != 0)
        fail_msg("%s: another shape than the reference's", param->name);
    return other;
}

void flow_import_param(struct gb_params *params, int index, const struct reference_param *from) {
    float *elements = test_malloc(from->count * sizeof *elements);
    for (size_t e = 0; e < from->count; e++)
        elements[e] = (float)from->value[e];
    assert_ok(gb_params_import(params, index, elements, params->value));
    test_free(elements);
}

void flow_import(struct gb_params *params, const struct reference_cglow *reference) {
    assert_int_equal(params->count, reference->count);
    for (int i = 0; i < params->count; i++)
        flow_import_param(params, i, counterpart(&params->list[i], reference));
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

void flow_export(const struct gb_params *params, struct reference_cglow *reference) {
    assert_int_equal(params->count, reference->count);
    for (int i = 0; i < params->count; i++) {
        const struct reference_param *to = counterpart(&params->list[i], reference);
        double *values = flow_export_block(params, i, params->value);
        memcpy(to->value, values, to->count * sizeof *values);
        test_free(values);
    }
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

const float flow_d_log_likelihood[3] = {0.75f, -1.25f, 0.5f};

void flow_forward(struct gb_model *model, const struct flow_batch *batch, double *log_likelihood,
                  struct gb_latents *latents) {
    assert_ok(model->kind->condition(model, batch->x));
    assert_ok(model->kind->forward(model, batch->y, batch->noise, log_likelihood, latents));
}

void flow_train_step(struct gb_model *model, const struct flow_batch *batch,
                     const struct gb_adam *adam, double *log_likelihood) {
    flow_forward(model, batch, log_likelihood, NULL);
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
        const size_t at = a->list[i].offset, bytes = a->list[i].size * sizeof(float);
        if (memcmp(a->value + at, b->value + at, bytes) != 0 ||
            memcmp(a->moment1 + at, b->moment1 + at, bytes) != 0 ||
            memcmp(a->moment2 + at, b->moment2 + at, bytes) != 0)
            fail_msg("%s: other bits", a->list[i].name);
    }
    // And what lies between them.
    assert_memory_equal(a->value, b->value, a->bytes);
    assert_memory_equal(a->moment1, b->moment1, a->bytes);
    assert_memory_equal(a->moment2, b->moment2, a->bytes);
}

void flow_check_same_training(struct gb_model *models[], int count, const struct flow_batch *batch,
                              float clip) {
    enum { STEPS = 10 };
    for (long step = 1; step <= STEPS; step++) {
        double expected[3] = {0};
        for (int m = 0; m < count; m++) {
            double log_likelihood[3] = {0};
            const struct gb_adam adam = flow_adam(step, clip);
            flow_train_step(models[m], batch, &adam, log_likelihood);
            if (m == 0)
                memcpy(expected, log_likelihood, sizeof expected);
            assert_memory_equal(log_likelihood, expected, sizeof expected);
        }
    }
    for (int m = 1; m < count; m++)
        flow_check_same_state(&models[0]->params, &models[m]->params);
    for (int m = 0; m < count; m++)
        gb_model_free(models[m]);
}

const struct gb_backend *flow_next_backend(const struct gb_backend *backend) {
    const struct gb_backend *const *list = gb_backends();
    while (backend && *list++ != backend)
        ;
    while (*list && !gb_backend_supported(*list))
        list++;
    return *list;
}
