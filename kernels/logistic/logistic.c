// SPDX-License-Identifier: MIT
#include "kernels/logistic/logistic.h"

#include "kernels/trace.h"

// Of an element's level.
enum { ENDS = GB_EXP_FLOPS + 7 };

static const struct gb_problem_size logistic_sizes[] = {
    GB_SIZE('n', struct gb_logistic_problem, image.n),
    GB_SIZE('h', struct gb_logistic_problem, image.h),
    GB_SIZE('w', struct gb_logistic_problem, image.w),
    GB_SIZE('c', struct gb_logistic_problem, image.c),
    {'l', offsetof(struct gb_logistic_problem, levels), 2, GB_SIZE_LIMIT},
    {0},
};

// ---- Operands ----

static struct gb_dims dims_raw(const struct gb_call *call) {
    struct gb_dims dims = gb_dims_image(call);
    dims.c *= 2;
    return dims;
}

// raw has the same index in all directions, and so has x, or the uniform numbers.
enum { X, RAW, FORWARD_LOG_LIKELIHOOD };
static const struct gb_operand forward_operands[] = {
    {"x", GB_IN, .fill = GB_FILL_UNIFORM, .dims = gb_dims_image},
    {"raw", GB_IN, .fill = GB_FILL_SMALL, .dims = dims_raw},
    {"log_likelihood", GB_SUM, .dims = gb_dims_samples},
    {0},
};

enum { SAMPLE_UNIFORM = 0, SAMPLE_X = 2 };
static const struct gb_operand sample_operands[] = {
    {"uniform", GB_IN, .fill = GB_FILL_UNIFORM, .dims = gb_dims_image},
    {"raw", GB_IN, .fill = GB_FILL_SMALL, .dims = dims_raw},
    {"x", GB_OUT, .dims = gb_dims_image, .in_place_of = {"uniform"}},
    {0},
};

enum { BACKWARD_D_LOG_LIKELIHOOD = 2, BACKWARD_D_RAW };
static const struct gb_operand backward_operands[] = {
    {"x", GB_IN, .fill = GB_FILL_UNIFORM, .dims = gb_dims_image},
    {"raw", GB_IN, .fill = GB_FILL_SMALL, .dims = dims_raw},
    {"d_log_likelihood", GB_IN, GB_ROW, .dims = gb_dims_samples},
    {"d_raw", GB_OUT, .dims = dims_raw},
    {0},
};

static const float temperature = 0.7f;

static int levels_of(const struct gb_call *call) {
    const struct gb_logistic_problem *p = call->problem;
    return p->levels;
}

GB_CALL(forward, logistic_forward, call->exec, levels_of(call), gb_view(call, X),
        gb_view(call, RAW), gb_doubles(call, FORWARD_LOG_LIKELIHOOD))
GB_CALL(sample, logistic_sample, call->exec, levels_of(call), gb_view(call, SAMPLE_UNIFORM),
        gb_view(call, RAW), temperature, gb_view(call, SAMPLE_X))
GB_CALL(backward, logistic_backward, call->exec, levels_of(call), gb_view(call, X),
        gb_view(call, RAW), gb_floats(call, BACKWARD_D_LOG_LIKELIHOOD),
        gb_view(call, BACKWARD_D_RAW))

// Moves x to levels.
static void prepare_levels(const struct gb_call *call) {
    const float levels = (float)levels_of(call);
    GB_EACH_ELEMENT(&call->operand[X], at) {
        float *x = gb_element(&call->operand[X], at);
        *x = fminf(rintf(*x * levels), levels - 1) / levels;
    }
}

// ---- Definition ----

// An element's level: whether it is the first or the last, and its ends and its width in units of
// the scale around the mean.
struct level {
    bool first, last;
    double mean, scale, distance, lower, upper, width;
};

static struct level level_at(const struct gb_call *call, const int at[4]) {
    const struct gb_logistic_problem *p = call->problem;
    const float *raw = gb_at(&call->operand[RAW], at[0], at[1], at[2]);
    const double x = gb_value(call, X, at), half = 0.5 / p->levels;
    struct level l = {.first = (x < half),
                      .last = (x > 1 - 3 * half),
                      .mean = raw[at[3]] + 0.5,
                      .scale = exp(raw[p->image.c + at[3]])};
    l.distance = (x - l.mean) / l.scale;
    l.width = 2 * half / l.scale;
    l.lower = l.distance - half / l.scale;
    l.upper = l.distance + half / l.scale;
    return l;
}

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

// A difference of two sigmoids, of the side on which it has its digits.
static double log_probability(const struct level *l) {
    if (l->distance > 0)
        return log((l->first ? 1 : sigmoid(-l->lower)) - (l->last ? 0 : sigmoid(-l->upper)));
    return log((l->last ? 1 : sigmoid(l->upper)) - (l->first ? 0 : sigmoid(l->lower)));
}

// Within the error that logistic.h states.
static struct gb_term log_probability_at(const struct gb_call *call, const int at[4]) {
    const struct level l = level_at(call, at);
    const double value = log_probability(&l);
    return (struct gb_term){value, fabs(value),
                            24 * (1 + fabs(l.distance) + l.width + fabs(log(l.width)))};
}

GB_DEFINITION(forward) {
    return gb_image_sum(call, at[3], log_probability_at);
}

// Bounds: the level's ends are off by a few roundings of distance, width and mean/scale, which
// changes a sigmoid by at most that many times its value; subnormal sigmoids and results are
// flushed.
GB_DEFINITION(backward) {
    const struct gb_logistic_problem *p = call->problem;
    const bool is_scale = at[3] >= p->image.c;
    const int own[] = {at[0], at[1], at[2], is_scale ? at[3] - p->image.c : at[3]};
    const struct level l = level_at(call, own);
    const double d = gb_floats(call, BACKWARD_D_LOG_LIKELIHOOD)[at[0]];
    const double below = l.first ? 0 : sigmoid(l.lower), above = l.last ? 0 : sigmoid(-l.upper);
    const double ends = 8 + 4 * (fabs(l.distance) + l.width + fabs(l.mean) / l.scale);
    const double e = GB_ROUNDING, tiny = 0x1p-126;
    if (!is_scale)
        return gb_within(
            d * (below - above) / l.scale,
            (fabs(d) * e * ends * (below + above) + tiny * (1 + 2 * fabs(d))) / l.scale + tiny);
    const double within = l.first || l.last ? 0 : l.width / expm1(l.width);
    const double lower = 1 + fabs(l.lower), upper = 1 + fabs(l.upper);
    return gb_within(d * (below * l.lower - above * l.upper - within),
                     fabs(d) * (e * ends * (below * lower + above * upper) +
                                8 * e * within * (1 + l.width) + tiny * (lower + upper)) +
                         tiny);
}

// Where the roundings could move the value across the middle between two levels, either will do.
GB_DEFINITION(sample) {
    const struct gb_logistic_problem *p = call->problem;
    const float *raw = gb_at(&call->operand[RAW], at[0], at[1], at[2]);
    const double mean = raw[at[3]] + 0.5;
    const double scale = exp(raw[p->image.c + at[3]]) * (double)temperature;
    const double u = gb_value(call, SAMPLE_UNIFORM, at);
    const double log_u = log(u + 0x1p-25), log_rest = log(1 - u - 0x1p-25);
    const double value = (mean + scale * (log_u - log_rest)) * p->levels;
    const double error =
        8 * GB_ROUNDING * p->levels * (fabs(mean) + scale * (1 + fabs(log_u) + fabs(log_rest)));
    const double low = fmin(fmax(rint(value - error), 0), p->levels - 1);
    const double high = fmin(fmax(rint(value + error), 0), p->levels - 1);
    const double middle = 0.5 * (low + high) / p->levels;
    return gb_within(middle, 0.5 * (high - low) / p->levels + GB_ROUNDING * middle);
}

// ----

// Costs, of an inner level: its ends, a softplus each and the mass between; backward two sigmoids,
// and an exponential and an expm1 for the width.
const struct gb_operation gb_logistic_operation = {
    .name = "logistic",
    .what = "logistic",
    .kernels =
        {
            GB_KERNEL(GB_FORWARD, logistic_forward, forward,
                      .costs = {{ENDS + 2 * GB_SOFTPLUS_FLOPS + GB_LOG_ONE_MINUS_EXP_FLOPS + 3, 3}},
                      .scratch = gb_row_sums_scratch, .traffic = GB_TRAFFIC_READ,
                      .prepare = prepare_levels),
            GB_KERNEL(GB_SAMPLE, logistic_sample, sample,
                      .costs = {{2 * GB_LOG_FLOPS + GB_EXP_FLOPS + 10, 4}}, .reference_bits = true),
            GB_KERNEL(GB_BACKWARD, logistic_backward, backward,
                      .costs = {{ENDS + 2 * GB_SIGMOID_FLOPS + 2 * GB_EXP_FLOPS + 10, 5}},
                      .prepare = prepare_levels, .reference_bits = true),
        },
    .problem_bytes = sizeof(struct gb_logistic_problem),
    .sizes = logistic_sizes,
    .check = gb_image_check,
    .edges = GB_TEXTS(GB_IMAGE_EDGES("l2"), GB_IMAGE_EDGES("l3"), GB_IMAGE_EDGES("l256")),
    .gradients = GB_TEXTS("n2h2w3c3l2", "n2h2w3c3l3", "n2h2w3c3l256"),
};

GB_TRACED(logistic_forward, logistic, GB_FORWARD,
          ((struct gb_logistic_problem){gb_image_of(x), levels}),
          (const struct gb_exec *exec, int levels, const struct gb_tensor *x,
           const struct gb_tensor *raw, double *log_likelihood),
          (exec, levels, x, raw, log_likelihood))
GB_TRACED(logistic_backward, logistic, GB_BACKWARD,
          ((struct gb_logistic_problem){gb_image_of(x), levels}),
          (const struct gb_exec *exec, int levels, const struct gb_tensor *x,
           const struct gb_tensor *raw, const float *d_log_likelihood,
           const struct gb_tensor *d_raw),
          (exec, levels, x, raw, d_log_likelihood, d_raw))
GB_TRACED(logistic_sample, logistic, GB_SAMPLE,
          ((struct gb_logistic_problem){gb_image_of(uniform), levels}),
          (const struct gb_exec *exec, int levels, const struct gb_tensor *uniform,
           const struct gb_tensor *raw, float temperature, const struct gb_tensor *x),
          (exec, levels, uniform, raw, temperature, x))
