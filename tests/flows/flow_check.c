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

void flow_check_ok(enum gb_status status) {
    if (status != GB_OK)
        fail_msg("status %d: %s", (int)status, gb_error_message());
}

void flow_check_refused(enum gb_status status, enum gb_status expected) {
    assert_int_equal(status, expected);
    assert_string_not_equal(gb_error_message(), "");
}

static const struct reference_param *counterpart(const struct gb_param *param,
                                                 const struct reference_cglow *reference) {
    const struct reference_param *other = reference_cglow_param(reference, "%s", param->name);
    if (param->dims != other->dims ||
        memcmp(param->shape, other->shape, (size_t)param->dims * sizeof *param->shape) != 0)
        fail_msg("%s: another shape than the reference's", param->name);
    return other;
}

void flow_import(struct gb_params *params, const struct reference_cglow *reference) {
    assert_int_equal(params->count, reference->count);
    for (int i = 0; i < params->count; i++) {
        const struct reference_param *from = counterpart(&params->list[i], reference);
        float *elements = test_malloc(from->count * sizeof *elements);
        for (size_t e = 0; e < from->count; e++)
            elements[e] = (float)from->value[e];
        flow_check_ok(gb_params_import(params, i, elements, params->value));
        test_free(elements);
    }
}

double *flow_export_block(const struct gb_params *params, int index, const float *block) {
    size_t count = gb_param_elements(&params->list[index]);
    float *elements = test_malloc(count * sizeof *elements);
    double *values = test_malloc(count * sizeof *values);
    flow_check_ok(gb_params_export(params, index, block, elements));
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

const struct gb_backend *flow_next_backend(const struct gb_backend *backend) {
    const struct gb_backend *const *list = gb_backends();
    while (backend && *list++ != backend)
        ;
    while (*list && !gb_backend_supported(*list))
        list++;
    return *list;
}
