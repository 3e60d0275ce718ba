// SPDX-License-Identifier: MIT
#include "kernels/pointwise/pointwise.h"

#include "kernels/trace.h"

enum { ADD_X, ADD_Y };
static const struct gb_operand add_operands[] = {
    {"x", GB_IN, .dims = gb_dims_image},
    {"y", GB_IN_OUT, .dims = gb_dims_image},
    {0},
};

GB_CALL(add, add, call->exec, gb_view(call, ADD_X), gb_view(call, ADD_Y))

// Rounded once, so exact in float.
GB_DEFINITION(add) {
    const float x = (float)gb_value(call, ADD_X, at), y = (float)gb_value(call, ADD_Y, at);
    return gb_within(y + x, 0);
}

const struct gb_operation gb_add_operation = {
    .name = "add",
    .what = "addition",
    .kernels = {GB_KERNEL(GB_FORWARD, add, add, .costs = {{1, 3}}, .traffic = GB_TRAFFIC_UPDATE,
                          .reference_bits = true, .extremes = true)},
    .edges = GB_TEXTS(GB_IMAGE_EDGES("")),
    .problem_bytes = sizeof(struct gb_image_problem),
    .sizes = gb_image_problem_sizes,
    .check = gb_image_check,
};

static struct gb_dims dims_x(const struct gb_call *call) {
    const struct gb_add_scaled_problem *p = call->problem;
    return p->alone ? (struct gb_dims){0} : gb_dims_image(call);
}

enum { SCALED_X, SCALED_R, SCALED_Y };
static const struct gb_operand add_scaled_operands[] = {
    {"x", GB_IN, .dims = dims_x, .type = gb_tensor_type},
    {"r", GB_IN, .dims = gb_dims_image, .type = gb_tensor_type},
    {"y", GB_OUT, .dims = gb_dims_image, .in_place_of = {"x", "r"}, .type = gb_tensor_type},
    {0},
};

static const float rrdb_factor = 0.2f;

GB_CALL(add_scaled, add_scaled, call->exec, gb_view(call, SCALED_X), rrdb_factor,
        gb_view(call, SCALED_R), gb_view(call, SCALED_Y))

// Rounded once, so exact in float.
GB_DEFINITION(add_scaled) {
    const struct gb_add_scaled_problem *p = call->problem;
    const float r = (float)gb_value(call, SCALED_R, at);
    const float y =
        p->alone ? rrdb_factor * r : fmaf(rrdb_factor, r, (float)gb_value(call, SCALED_X, at));
    return gb_within(p->format == GB_FLOATS ? y : gb_bf16_value(gb_bf16_round(y)), 0);
}

const struct gb_operation gb_add_scaled_operation = {
    .name = "add_scaled",
    .what = "scaled addition",
    .kernels = {GB_KERNEL(GB_FORWARD, add_scaled, add_scaled, .costs = {{2, 3}, {1, 2}},
                          .reference_bits = true, .extremes = true)},
    .edges = GB_TEXTS(GB_IMAGE_EDGES(""), GB_IMAGE_EDGES("alone"), GB_IMAGE_EDGES("_bf16"),
                      GB_IMAGE_EDGES("alone_bf16")),
    .problem_bytes = sizeof(struct gb_add_scaled_problem),
    .sizes = gb_image_problem_sizes,
    .words = GB_TEXTS("", "alone"),
    .word = offsetof(struct gb_add_scaled_problem, alone),
    .formats = gb_tensor_formats,
    .format = offsetof(struct gb_add_scaled_problem, format),
    .check = gb_image_check,
};

enum { EXP_IN, EXP_OUT };
static const struct gb_operand exp_operands[] = {
    {"in", GB_IN, GB_ROW, GB_FILL_SMALL, .dims = gb_dims_array},
    {"out", GB_OUT, GB_ROW, .dims = gb_dims_array, .in_place_of = {"in"}},
    {0},
};

static const float exp_factor = 3; // of Glow's zero-initialised convolution

static void call_exp(const struct gb_call *call) {
    const struct gb_array_problem *p = call->problem;
    call->backend->exp(call->exec, (size_t)p->count, exp_factor, gb_floats(call, EXP_IN),
                       gb_floats(call, EXP_OUT));
}

// Two units in the last place, each at most 2^-23 of a normal number.
GB_DEFINITION(exp) {
    const double value = exp((double)(exp_factor * (float)gb_value(call, EXP_IN, at)));
    return gb_within(value, 2 * 0x1p-23 * value);
}

const struct gb_operation gb_exp_operation = {
    .name = "exp",
    .what = "exponential",
    .kernels = {GB_KERNEL(GB_FORWARD, exp, exp, .costs = {{1 + GB_EXP_FLOPS, 2}},
                          .reference_bits = true)},
    .edges = GB_TEXTS("e1", "e7", "e8", "e9", "e15", "e16", "e17", "e33", "e1100", "e40000"),
    .problem_bytes = sizeof(struct gb_array_problem),
    .sizes = gb_array_problem_sizes,
};

static struct gb_dims dims_one(const struct gb_call *call) {
    (void)call;
    return (struct gb_dims){1, 1, 1, 1};
}

static enum gb_type type_sum(const struct gb_call *call) {
    (void)call;
    return GB_F64;
}

enum { SQUARES_X, SQUARES_SUM };
static const struct gb_operand sum_squares_operands[] = {
    {"x", GB_IN, GB_ROW, .dims = gb_dims_array},
    {"sum", GB_OUT, GB_ROW, .dims = dims_one, .type = type_sum},
    {0},
};

static void call_sum_squares(const struct gb_call *call) {
    const struct gb_array_problem *p = call->problem;
    call->backend->sum_squares(call->exec, (size_t)p->count, gb_floats(call, SQUARES_X),
                               gb_doubles(call, SQUARES_SUM));
}

// Subnormal numbers are flushed to zero.
GB_DEFINITION(sum_squares) {
    (void)operand, (void)at;
    const struct gb_array_problem *p = call->problem;
    const float *x = gb_floats(call, SQUARES_X);
    double sum = 0, roundings = 0x1p-53 * (2.0 * p->count + 265);
    for (int i = 0; i < p->count; i++)
        sum += (double)x[i] * x[i];
    return (struct gb_expected){
        sum, call->numbers == GB_NUMBERS_INTEGERS ? 0 : roundings * sum + 0x1p-252 * p->count,
        p->count};
}

const struct gb_operation gb_sum_squares_operation = {
    .name = "sum_squares",
    .what = "sum of squares",
    .kernels = {GB_KERNEL(GB_FORWARD, sum_squares, sum_squares, .costs = {{2, 1}},
                          .traffic = GB_TRAFFIC_READ, .reference_bits = true, .integers = true,
                          .extremes = true)},
    .edges = GB_TEXTS("e1", "e7", "e255", "e256", "e257", "e2047", "e2049", "e40000", "e100003"),
    .problem_bytes = sizeof(struct gb_array_problem),
    .sizes = gb_array_problem_sizes,
};

GB_TRACED(add, add, GB_FORWARD, gb_image_of(x),
          (const struct gb_exec *exec, const struct gb_tensor *x, const struct gb_tensor *y),
          (exec, x, y))
GB_TRACED(add_scaled, add_scaled, GB_FORWARD,
          ((struct gb_add_scaled_problem){gb_image_of(r), x == NULL, gb_tensor_format(r->type)}),
          (const struct gb_exec *exec, const struct gb_tensor *x, float factor,
           const struct gb_tensor *r, const struct gb_tensor *y),
          (exec, x, factor, r, y))
GB_TRACED(exp, exp, GB_FORWARD, ((struct gb_array_problem){(int)count}),
          (const struct gb_exec *exec, size_t count, float factor, const float *in, float *out),
          (exec, count, factor, in, out))
GB_TRACED_OR(sum_squares, sum_squares, GB_FORWARD, ((struct gb_array_problem){(int)count}),
             (const struct gb_exec *exec, size_t count, const float *x, double *sum),
             (exec, count, x, sum), (*sum = 0))
