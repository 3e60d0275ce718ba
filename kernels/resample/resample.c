// SPDX-License-Identifier: MIT
#include "kernels/resample/resample.h"

#include "kernels/trace.h"

#include <math.h>
#include <stdlib.h>

static enum gb_status upsample_check(const void *problem) {
    const struct gb_upsample_problem *p = problem;
    return gb_floats_check("upsampling", "output",
                           (double)p->n * p->h * p->w * p->c * p->factor * p->factor);
}

static struct gb_cost upsample_cost(const void *problem, enum gb_direction direction) {
    const struct gb_upsample_problem *p = problem;
    double x = (double)p->n * p->h * p->w * p->c, y = x * p->factor * p->factor;
    const double element = (double)gb_type_bytes(gb_x_type(p->format));
    return (struct gb_cost){direction == GB_BACKWARD ? y - x : 0, element * (x + y)};
}

static const struct gb_problem_size upsample_sizes[] = {
    GB_IMAGE_SIZES(struct gb_upsample_problem),
    GB_SIZE('f', struct gb_upsample_problem, factor),
    {0},
};

// ---- Operands ----

static struct gb_dims dims_y(const struct gb_call *call) {
    const struct gb_upsample_problem *p = call->problem;
    return (struct gb_dims){p->n, p->h * p->factor, p->w * p->factor, p->c};
}

enum { FORWARD_X, FORWARD_Y };
static const struct gb_operand forward_operands[] = {
    {"x", GB_IN, .dims = gb_dims_image, .type = gb_tensor_type},
    {"y", GB_OUT, .dims = dims_y, .type = gb_tensor_type},
    {0},
};

enum { BACKWARD_DY, BACKWARD_DX };
static const struct gb_operand backward_operands[] = {
    {"dy", GB_IN, .dims = dims_y, .type = gb_tensor_type},
    {"dx", GB_OUT, .dims = gb_dims_image, .type = gb_tensor_type},
    {0},
};

GB_PLAN_FUNCTIONS(upsample, struct gb_upsample_plan)

GB_CALL(forward, upsample_forward, call->plan, call->exec, gb_view(call, FORWARD_X),
        gb_view(call, FORWARD_Y))
GB_CALL(backward, upsample_backward, call->plan, call->exec, gb_view(call, BACKWARD_DY),
        gb_view(call, BACKWARD_DX))

// ---- Definition ----

GB_DEFINITION(forward) {
    const int factor = ((const struct gb_upsample_problem *)call->problem)->factor;
    const int source[] = {at[0], at[1] / factor, at[2] / factor, at[3]};
    return gb_within(gb_value(call, FORWARD_X, source), 0);
}

// Native kernels add gradients in row order, a vendor library in an order of its own.
GB_DEFINITION(backward) {
    const int factor = ((const struct gb_upsample_problem *)call->problem)->factor;
    struct gb_sum sum = {0};
    float in_order = 0;
    for (int a = 0; a < factor; a++)
        for (int b = 0; b < factor; b++) {
            const int from[] = {at[0], at[1] * factor + a, at[2] * factor + b, at[3]};
            const float d = (float)gb_value(call, BACKWARD_DY, from);
            in_order += d;
            gb_sum_add(&sum, d, 1);
        }
    if (call->operand[BACKWARD_DX].type == GB_BF16)
        in_order = gb_bf16_value(gb_bf16_round(in_order));
    struct gb_expected dx = gb_stored(call, BACKWARD_DX, gb_sum_expected(call, sum));
    return call->backend->same_bits ? (struct gb_expected){in_order, 0, sum.terms} : dx;
}

// ----

const struct gb_operation gb_upsample_operation = {
    .name = "upsample",
    .what = "upsampling",
    .kernels =
        {
            GB_KERNEL(GB_FORWARD, upsample_forward, forward, .scratch = scratch,
                      .reference_bits = true, .integers = true, .extremes = true),
            GB_KERNEL(GB_BACKWARD, upsample_backward, backward, .scratch = scratch,
                      .reference_bits = true, .integers = true),
        },
    .problem_bytes = sizeof(struct gb_upsample_problem),
    .sizes = upsample_sizes,
    .formats = gb_tensor_formats,
    .format = offsetof(struct gb_upsample_problem, format),
    .check = upsample_check,
    .cost = upsample_cost,
    .edges = GB_TEXTS(GB_IMAGE_EDGES("f1"), GB_IMAGE_EDGES("f2"), GB_IMAGE_EDGES("f3"),
                      GB_IMAGE_EDGES("f4"), GB_IMAGE_EDGES("f2_bf16"), GB_IMAGE_EDGES("f3_bf16")),
    .gradients = GB_TEXTS("n2h2w3c3f2"),
    .plan_bytes = sizeof(struct gb_upsample_plan),
    .plan = plan,
    .plan_free = plan_free,
};

// ---- Resampling to any size ----

// Keys' cubic convolution kernel with a = -1/2.
static double cubic(double x) {
    double d = fabs(x);
    if (d <= 1)
        return (1.5 * d - 2.5) * d * d + 1;
    if (d <= 2)
        return ((-0.5 * d + 2.5) * d - 4) * d + 2;
    return 0;
}

static double triangle(double x) {
    return fmax(1 - fabs(x), 0);
}

static const struct filter {
    double (*weight)(double distance);
    int reach;    // the distance from which on it is zero
    bool repeats; // the image's borders; else pixels outside are dropped
} filters[] = {[GB_BILINEAR] = {triangle, 1, false}, [GB_BICUBIC] = {cubic, 2, true}};

static int clamp(int place, int size) {
    return place < 0 ? 0 : place < size ? place : size - 1;
}

static double weight_at(const struct filter *filter, const struct gb_resample_axis *axis,
                        double shrink, double centre, int place) {
    const bool counts = filter->repeats || place == clamp(place, axis->in);
    return counts ? filter->weight(shrink * (centre - place)) : 0;
}

// One output position: `taps` inputs around its place among them, and their weights.
static void weigh(const struct filter *filter, const struct gb_resample_axis *axis, int out,
                  double scale) {
    const double shrink = fmin(scale, 1);
    const double centre = (out + 0.5) / scale - 0.5;
    const int first = (int)floor(centre - filter->reach / shrink) + 1;
    int *index = axis->index + (size_t)out * (size_t)axis->taps;
    float *weight = axis->weight + (size_t)out * (size_t)axis->taps;
    double sum = 0;
    for (int t = 0; t < axis->taps; t++)
        sum += weight_at(filter, axis, shrink, centre, first + t);
    for (int t = 0; t < axis->taps; t++) {
        index[t] = clamp(first + t, axis->in);
        weight[t] = (float)(weight_at(filter, axis, shrink, centre, first + t) / sum);
    }
}

static enum gb_status plan_axis(const struct filter *filter, struct gb_resample_axis *axis, int in,
                                int out, double scale) {
    // Positions within the filter's reach of the centre, on either side.
    const int taps = (int)ceil(2 * filter->reach / fmin(scale, 1));
    const size_t entries = (size_t)out * (size_t)taps;
    *axis = (struct gb_resample_axis){in, out, taps, malloc(entries * sizeof *axis->index),
                                      malloc(entries * sizeof *axis->weight)};
    if (!axis->index || !axis->weight)
        return gb_fail(GB_OUT_OF_MEMORY, "cannot plan", "resampling", "no memory for %zu weights",
                       entries);
    for (int o = 0; o < out; o++)
        weigh(filter, axis, o, scale);
    return GB_OK;
}

static enum gb_status check_axis(int in, int out, double scale) {
    const double LARGEST_SCALE = 1 << 10;
    // Written so that NaN fails.
    if (!(scale >= 1 / LARGEST_SCALE && scale <= LARGEST_SCALE))
        return gb_fail(GB_BAD_INPUT, "invalid problem size", "resampling",
                       "a scale of %g is outside 1/1024 ... 1024", scale);
    if (in < 1 || in > GB_SIZE_LIMIT || out < 1 || out > GB_SIZE_LIMIT)
        return gb_fail(GB_BAD_INPUT, "invalid problem size", "resampling",
                       "cannot resample %d to %d pixels, sizes are 1 to %d", in, out,
                       GB_SIZE_LIMIT);
    return GB_OK;
}

enum gb_status gb_resample_plan_size(enum gb_resample_filter filter, int h, int w, int out_h,
                                     int out_w, struct gb_resample_plan *plan) {
    const double scale_h = (double)out_h / h, scale_w = (double)out_w / w;
    *plan = (struct gb_resample_plan){0};
    GB_TRY(check_axis(h, out_h, scale_h));
    GB_TRY(check_axis(w, out_w, scale_w));
    enum gb_status status = plan_axis(&filters[filter], &plan->rows, h, out_h, scale_h);
    if (status == GB_OK)
        status = plan_axis(&filters[filter], &plan->columns, w, out_w, scale_w);
    if (status != GB_OK)
        gb_resample_plan_free(plan);
    return status;
}

void gb_resample_plan_free(struct gb_resample_plan *plan) {
    free(plan->rows.index);
    free(plan->rows.weight);
    free(plan->columns.index);
    free(plan->columns.weight);
    *plan = (struct gb_resample_plan){0};
}

// ---- Tracing ----

GB_TRACED(upsample_forward, upsample, GB_FORWARD, plan->problem,
          (const struct gb_upsample_plan *plan, const struct gb_exec *exec,
           const struct gb_tensor *x, const struct gb_tensor *y),
          (plan, exec, x, y))
GB_TRACED(upsample_backward, upsample, GB_BACKWARD, plan->problem,
          (const struct gb_upsample_plan *plan, const struct gb_exec *exec,
           const struct gb_tensor *dy, const struct gb_tensor *dx),
          (plan, exec, dy, dx))
// Not described as an operation: its problem would be a plan of two axes, and only the preparation
// of data and SRCNN run it. tests/kernels/test_resample.c compares all backends with its
// definition.
GB_UNTRACED(resample,
            (const struct gb_exec *exec, const struct gb_resample_plan *plan,
             const struct gb_tensor *x, const struct gb_tensor *y),
            (exec, plan, x, y))
