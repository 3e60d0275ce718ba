// SPDX-License-Identifier: MIT
#include "kernels/actnorm/actnorm.h"

#include <math.h>

#include "kernels/logarithm.h"
#include "kernels/trace.h"

double gb_actnorm_log_det(int h, int w, int c, const float *log_scale) {
    double sum = 0;
    for (int i = 0; i < c; i++)
        sum += log_scale[i];
    return (double)h * w * sum;
}

void gb_actnorm_start(int c, const float *mean, const float *variance, float *log_scale,
                      float *bias) {
    for (int i = 0; i < c; i++) {
        log_scale[i] = (float)-gb_natural_log(sqrt((double)variance[i]) + 1e-6);
        bias[i] = -mean[i];
    }
}

// Every sample has its own log-scale and bias. Backward needs (v + bias) * dv for the log-scale,
// and a sum for each parameter.
static struct gb_cost actnorm_cost(const void *problem, enum gb_direction direction) {
    const struct gb_image_problem *p = problem;
    double floats = gb_image_floats(p), channels = (double)p->n * p->c;
    double exps = GB_EXP_FLOPS * channels;
    if (direction == GB_BACKWARD)
        return (struct gb_cost){5 * floats + exps, sizeof(float) * (3 * floats + 4 * channels)};
    return (struct gb_cost){2 * floats + exps, sizeof(float) * (2 * floats + 2 * channels)};
}

// ---- Operands ----

// The parameters have the same index in all directions.
enum { FORWARD_V, LOG_SCALE, BIAS, FORWARD_Y };
static const struct gb_operand forward_operands[] = {
    {"v", GB_IN, .dims = gb_dims_image},
    {"log_scale", GB_IN, .fill = GB_FILL_SMALL, .dims = gb_dims_rows},
    {"bias", GB_IN, .dims = gb_dims_rows},
    {"y", GB_OUT, .dims = gb_dims_image, .in_place_of = {"v"}},
    {0},
};

enum { INVERSE_Y = 0, INVERSE_V = 3 };
static const struct gb_operand inverse_operands[] = {
    {"y", GB_IN, .dims = gb_dims_image},
    {"log_scale", GB_IN, .fill = GB_FILL_SMALL, .dims = gb_dims_rows},
    {"bias", GB_IN, .dims = gb_dims_rows},
    {"v", GB_OUT, .dims = gb_dims_image, .in_place_of = {"y"}},
    {0},
};

enum {
    BACKWARD_V = 0,
    BACKWARD_DY = 3,
    BACKWARD_D_LOG_DET,
    BACKWARD_DV,
    BACKWARD_D_LOG_SCALE,
    BACKWARD_D_BIAS
};
static const struct gb_operand backward_operands[] = {
    {"v", GB_IN, .dims = gb_dims_image},
    {"log_scale", GB_IN, .fill = GB_FILL_SMALL, .dims = gb_dims_rows},
    {"bias", GB_IN, .dims = gb_dims_rows},
    {"dy", GB_IN, .dims = gb_dims_image},
    {"d_log_det", GB_IN, GB_ROW, .dims = gb_dims_samples, .optional = true},
    {"dv", GB_OUT, .dims = gb_dims_image, .in_place_of = {"dy"}},
    {"d_log_scale", GB_OUT, .dims = gb_dims_rows},
    {"d_bias", GB_OUT, .dims = gb_dims_rows},
    {0},
};

// One row serves all samples where there are fewer rows than samples.
static bool is_shared(const struct gb_call *call) {
    return call->operand[LOG_SCALE].w < call->operand[FORWARD_V].n;
}

static struct gb_actnorm_parameters parameters_of(const struct gb_call *call) {
    return (struct gb_actnorm_parameters){gb_floats(call, LOG_SCALE), gb_floats(call, BIAS),
                                          is_shared(call) ? 0 : call->operand[LOG_SCALE].pixel};
}

static void call_forward(const struct gb_call *call) {
    const struct gb_actnorm_parameters parameters = parameters_of(call);
    call->backend->actnorm_forward(call->exec, gb_view(call, FORWARD_V), &parameters,
                                   gb_view(call, FORWARD_Y));
}

static void call_inverse(const struct gb_call *call) {
    const struct gb_actnorm_parameters parameters = parameters_of(call);
    call->backend->actnorm_inverse(call->exec, gb_view(call, INVERSE_Y), &parameters,
                                   gb_view(call, INVERSE_V));
}

static void call_backward(const struct gb_call *call) {
    const struct gb_actnorm_parameters parameters = parameters_of(call);
    ptrdiff_t d_stride = is_shared(call) ? 0 : call->operand[BACKWARD_D_LOG_SCALE].pixel;
    call->backend->actnorm_backward(
        call->exec, gb_view(call, BACKWARD_V), &parameters, gb_view(call, BACKWARD_DY),
        gb_floats(call, BACKWARD_D_LOG_DET), gb_view(call, BACKWARD_DV),
        gb_floats(call, BACKWARD_D_LOG_SCALE), gb_floats(call, BACKWARD_D_BIAS), d_stride);
}

// ---- Definition ----

static double parameter(const struct gb_call *call, int operand, int n, int c) {
    return gb_value(call, operand, (int[]){0, 0, is_shared(call) ? 0 : n, c});
}

GB_DEFINITION(forward) {
    double scale = exp(parameter(call, LOG_SCALE, at[0], at[3]));
    double y = (gb_value(call, FORWARD_V, at) + parameter(call, BIAS, at[0], at[3])) * scale;
    return gb_within(y, 6 * GB_ROUNDING * fabs(y));
}

GB_DEFINITION(inverse) {
    double bias = parameter(call, BIAS, at[0], at[3]);
    double scaled = gb_value(call, INVERSE_Y, at) * exp(-parameter(call, LOG_SCALE, at[0], at[3]));
    return gb_within(scaled - bias, 6 * GB_ROUNDING * (fabs(scaled) + fabs(bias)));
}

// Sums: 10 roundings in a term, and one for each pixel of a row, each row and each log-determinant.
GB_DEFINITION(backward) {
    if (operand == BACKWARD_DV) {
        double dv = gb_value(call, BACKWARD_DY, at) * exp(parameter(call, LOG_SCALE, at[0], at[3]));
        return gb_within(dv, 6 * GB_ROUNDING * fabs(dv));
    }
    const struct gb_image_problem *p = call->problem;
    const int first = is_shared(call) ? 0 : at[2], end = is_shared(call) ? p->n : at[2] + 1;
    struct gb_sum sum = {0};
    for (int n = first; n < end; n++)
        for (int y = 0; y < p->h; y++)
            for (int x = 0; x < p->w; x++) {
                const int pixel[] = {n, y, x, at[3]};
                double dy = gb_value(call, BACKWARD_DY, pixel);
                double scale = exp(parameter(call, LOG_SCALE, n, at[3]));
                double shifted =
                    gb_value(call, BACKWARD_V, pixel) + parameter(call, BIAS, n, at[3]);
                gb_sum_add(&sum, dy, operand == BACKWARD_D_BIAS ? scale : shifted * scale);
            }
    const float *d_log_det = gb_floats(call, BACKWARD_D_LOG_DET);
    double roundings = 10 + p->w + (double)(end - first) * p->h;
    for (int n = first; operand == BACKWARD_D_LOG_SCALE && d_log_det && n < end; n++, roundings++)
        gb_sum_add(&sum, d_log_det[n], (double)p->h * p->w);
    return (struct gb_expected){sum.value, roundings * GB_ROUNDING * sum.magnitude, sum.terms};
}

// ----

const struct gb_operation gb_actnorm_operation = {
    .name = "actnorm",
    .what = "actnorm",
    .kernels =
        {
            GB_KERNEL(GB_FORWARD, actnorm_forward, forward, .reference_bits = true),
            GB_KERNEL(GB_INVERSE, actnorm_inverse, inverse, .reference_bits = true),
            GB_KERNEL(GB_BACKWARD, actnorm_backward, backward, .reference_bits = true),
        },
    .problem_bytes = sizeof(struct gb_image_problem),
    .sizes = gb_image_problem_sizes,
    .check = gb_image_check,
    .cost = actnorm_cost,
    .edges = GB_TEXTS(GB_IMAGE_EDGES("")),
    .gradients = GB_TEXTS("n2h2w3c5"),
};

GB_TRACED(actnorm_forward, actnorm, GB_FORWARD, gb_image_of(v),
          (const struct gb_exec *exec, const struct gb_tensor *v,
           const struct gb_actnorm_parameters *parameters, const struct gb_tensor *y),
          (exec, v, parameters, y))
GB_TRACED(actnorm_inverse, actnorm, GB_INVERSE, gb_image_of(y),
          (const struct gb_exec *exec, const struct gb_tensor *y,
           const struct gb_actnorm_parameters *parameters, const struct gb_tensor *v),
          (exec, y, parameters, v))
GB_TRACED(actnorm_backward, actnorm, GB_BACKWARD, gb_image_of(v),
          (const struct gb_exec *exec, const struct gb_tensor *v,
           const struct gb_actnorm_parameters *parameters, const struct gb_tensor *dy,
           const float *d_log_det, const struct gb_tensor *dv, float *d_log_scale, float *d_bias,
           ptrdiff_t d_stride),
          (exec, v, parameters, dy, d_log_det, dv, d_log_scale, d_bias, d_stride))
