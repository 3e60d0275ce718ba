// SPDX-License-Identifier: MIT
#include "kernels/dequantise/dequantise.h"

#include "kernels/trace.h"

// ---- Operands ----

// The mask has the same index in all directions.
enum { MASK, FORWARD_U, FORWARD_V, FORWARD_LOG_DET };
static const struct gb_operand forward_operands[] = {
    {"y", GB_IN, .fill = GB_FILL_MASK, .dims = gb_dims_image},
    {"u", GB_IN, .dims = gb_dims_image},
    {"v", GB_OUT, .dims = gb_dims_image, .in_place_of = {"u"}},
    {"log_det", GB_SUM, .dims = gb_dims_samples},
    {0},
};

enum { INVERSE_V = 1, INVERSE_U };
static const struct gb_operand inverse_operands[] = {
    {"y", GB_IN, .fill = GB_FILL_MASK, .dims = gb_dims_image},
    {"v", GB_IN, .dims = gb_dims_image},
    {"u", GB_OUT, .dims = gb_dims_image, .in_place_of = {"v"}},
    {0},
};

enum { BACKWARD_U = 1, BACKWARD_DV, BACKWARD_D_LOG_DET, BACKWARD_DU };
static const struct gb_operand backward_operands[] = {
    {"y", GB_IN, .fill = GB_FILL_MASK, .dims = gb_dims_image},
    {"u", GB_IN, .dims = gb_dims_image},
    {"dv", GB_IN, .dims = gb_dims_image},
    {"d_log_det", GB_IN, GB_ROW, .dims = gb_dims_samples},
    {"du", GB_OUT, .dims = gb_dims_image, .in_place_of = {"dv"}},
    {0},
};

GB_CALL(forward, dequantise_forward, call->exec, gb_view(call, MASK), gb_view(call, FORWARD_U),
        gb_view(call, FORWARD_V), gb_doubles(call, FORWARD_LOG_DET))
GB_CALL(inverse, dequantise_inverse, call->exec, gb_view(call, MASK), gb_view(call, INVERSE_V),
        gb_view(call, INVERSE_U))
GB_CALL(backward, dequantise_backward, call->exec, gb_view(call, MASK), gb_view(call, BACKWARD_U),
        gb_view(call, BACKWARD_DV), gb_floats(call, BACKWARD_D_LOG_DET), gb_view(call, BACKWARD_DU))

// Moves v to its mask's side of 1/2, away from 1/2 itself.
static void prepare_inverse(const struct gb_call *call) {
    const struct gb_tensor *mask = gb_view(call, MASK), *view = gb_view(call, INVERSE_V);
    const float nearest = 0x1p-14f;
    GB_EACH_ELEMENT(view, at) {
        const bool one = *gb_element(mask, at) == 1;
        float *v = gb_element(view, at), distance = fabsf(*v - 0.5f);
        if (distance < nearest || (*v > 0.5f) != one)
            *v = 0.5f + (one ? 1 : -1) * fmaxf(distance, nearest);
    }
}

// ---- Definition ----

static double sign_at(const struct gb_call *call, const int at[4]) {
    return gb_value(call, MASK, at) == 1 ? 1 : -1;
}

static struct gb_term log_slope_at(const struct gb_call *call, const int at[4]) {
    const double magnitude = log1p(exp(-gb_value(call, FORWARD_U, at)));
    return (struct gb_term){-magnitude, magnitude, 4 * magnitude};
}

GB_DEFINITION(forward) {
    if (operand == FORWARD_LOG_DET)
        return gb_image_sum(call, at[3], log_slope_at);
    double v = 0.5 + sign_at(call, at) * log1p(exp(gb_value(call, FORWARD_U, at)));
    return gb_within(v, 6 * GB_ROUNDING * (1 + fabs(v)));
}

// A rounding of v is one of u over the slope.
GB_DEFINITION(inverse) {
    const double v = gb_value(call, INVERSE_V, at), distance = sign_at(call, at) * (v - 0.5);
    const double u = log(expm1(distance)), slope = -expm1(-distance);
    return gb_within(u, 4 * GB_ROUNDING * ((1 + fabs(v)) / slope + fabs(u)));
}

GB_DEFINITION(backward) {
    const double slope = 1 / (1 + exp(-gb_value(call, BACKWARD_U, at)));
    const double through_v = sign_at(call, at) * gb_value(call, BACKWARD_DV, at) * slope;
    const double through_log_det = gb_floats(call, BACKWARD_D_LOG_DET)[at[0]] * (1 - slope);
    return gb_within(through_v + through_log_det,
                     10 * GB_ROUNDING * (fabs(through_v) + fabs(through_log_det)));
}

// ----

// Costs: forward takes a softplus for v and one for the log-determinant, backward two sigmoids.
const struct gb_operation gb_dequantise_operation = {
    .name = "dequantise",
    .what = "dequantisation",
    .kernels =
        {
            GB_KERNEL(GB_FORWARD, dequantise_forward, forward,
                      .costs = {{2 * GB_SOFTPLUS_FLOPS + 2, 3}}, .scratch = gb_row_sums_scratch,
                      .reference_bits = true),
            GB_KERNEL(GB_INVERSE, dequantise_inverse, inverse,
                      .costs = {{GB_LOG_ONE_MINUS_EXP_FLOPS + 2, 3}}, .prepare = prepare_inverse,
                      .reference_bits = true),
            GB_KERNEL(GB_BACKWARD, dequantise_backward, backward,
                      .costs = {{2 * GB_SIGMOID_FLOPS + 3, 4}}, .reference_bits = true),
        },
    .problem_bytes = sizeof(struct gb_image_problem),
    .sizes = gb_image_problem_sizes,
    .check = gb_image_check,
    .edges = GB_TEXTS(GB_IMAGE_EDGES("")),
    .gradients = GB_TEXTS("n2h3w4c2"),
};

GB_TRACED(dequantise_forward, dequantise, GB_FORWARD, gb_image_of(u),
          (const struct gb_exec *exec, const struct gb_tensor *y, const struct gb_tensor *u,
           const struct gb_tensor *v, double *log_det),
          (exec, y, u, v, log_det))
GB_TRACED(dequantise_inverse, dequantise, GB_INVERSE, gb_image_of(v),
          (const struct gb_exec *exec, const struct gb_tensor *y, const struct gb_tensor *v,
           const struct gb_tensor *u),
          (exec, y, v, u))
GB_TRACED(dequantise_backward, dequantise, GB_BACKWARD, gb_image_of(u),
          (const struct gb_exec *exec, const struct gb_tensor *y, const struct gb_tensor *u,
           const struct gb_tensor *dv, const float *d_log_det, const struct gb_tensor *du),
          (exec, y, u, dv, d_log_det, du))
