// SPDX-License-Identifier: MIT
#include "kernels/pool/pool.h"

#include "base/minmax.h"
#include "kernels/trace.h"

static enum gb_status pool_check(const void *problem) {
    const struct gb_pool_problem *p = problem;
    if (p->kernel > p->h || p->kernel > p->w)
        return gb_fail(GB_BAD_INPUT, "invalid problem size", "max-pooling",
                       "the window of %d is larger than the %dx%d image", p->kernel, p->h, p->w);
    return gb_floats_check("max-pooling", "input", (double)p->n * p->h * p->w * p->c);
}

// Maxima are found by comparisons, which are not counted; backward reads x for them.
static struct gb_cost pool_cost(const void *problem, enum gb_direction direction) {
    const struct gb_pool_problem *p = problem;
    double images = (double)p->n * p->c;
    double x = images * p->h * p->w, y = images * gb_pool_out(p->h, p) * gb_pool_out(p->w, p);
    const double element = (double)gb_type_bytes(gb_x_type(p->format));
    return (struct gb_cost){0, element * (direction == GB_BACKWARD ? 2 * x + y : x + y)};
}

static const struct gb_problem_size pool_sizes[] = {
    GB_IMAGE_SIZES(struct gb_pool_problem),
    GB_SIZE('r', struct gb_pool_problem, kernel),
    GB_SIZE('u', struct gb_pool_problem, stride),
    {0},
};

// ---- Operands ----

static struct gb_dims dims_y(const struct gb_call *call) {
    const struct gb_pool_problem *p = call->problem;
    return (struct gb_dims){p->n, gb_pool_out(p->h, p), gb_pool_out(p->w, p), p->c};
}

enum { FORWARD_X, FORWARD_Y };
static const struct gb_operand forward_operands[] = {
    {"x", GB_IN, .dims = gb_dims_image, .type = gb_tensor_type},
    {"y", GB_OUT, .dims = dims_y, .type = gb_tensor_type},
    {0},
};

enum { BACKWARD_X, BACKWARD_DY, BACKWARD_DX };
static const struct gb_operand backward_operands[] = {
    {"x", GB_IN, .dims = gb_dims_image, .type = gb_tensor_type},
    {"dy", GB_IN, .dims = dims_y, .type = gb_tensor_type},
    {"dx", GB_OUT, .dims = gb_dims_image, .type = gb_tensor_type},
    {0},
};

GB_PLAN_FUNCTIONS(max_pool, struct gb_pool_plan)

GB_CALL(forward, max_pool_forward, call->plan, call->exec, gb_view(call, FORWARD_X),
        gb_view(call, FORWARD_Y))
GB_CALL(backward, max_pool_backward, call->plan, call->exec, gb_view(call, BACKWARD_X),
        gb_view(call, BACKWARD_DY), gb_view(call, BACKWARD_DX))

// ---- Definition ----

GB_DEFINITION(forward) {
    const struct gb_pool_problem *p = call->problem;
    const int i = at[1] * p->stride, j = at[2] * p->stride;
    double value = -INFINITY;
    for (int a = 0; a < p->kernel; a++)
        for (int b = 0; b < p->kernel; b++)
            value =
                gb_max_double(value, gb_get(&call->operand[FORWARD_X], at[0], i + a, j + b, at[3]));
    return (struct gb_expected){value, 0, (double)p->kernel * p->kernel};
}

// True if x[at] is the first maximum of output [i, j]'s window.
static bool is_maximum(const struct gb_call *call, int i, int j, const int at[4]) {
    const struct gb_pool_problem *p = call->problem;
    const double x = gb_value(call, BACKWARD_X, at);
    for (int a = i * p->stride; a < i * p->stride + p->kernel; a++)
        for (int b = j * p->stride; b < j * p->stride + p->kernel; b++) {
            const double other = gb_value(call, BACKWARD_X, (int[]){at[0], a, b, at[3]});
            const bool before = a < at[1] || (a == at[1] && b < at[2]);
            if (before ? other >= x : other > x)
                return false;
        }
    return true;
}

// The first output along an axis whose window reaches position `at`.
static int first_window(int at, const struct gb_pool_problem *p) {
    return at < p->kernel ? 0 : (at - p->kernel) / p->stride + 1;
}

// Native kernels add gradients in the outputs' order, a vendor library in an order of its own.
GB_DEFINITION(backward) {
    const struct gb_pool_problem *p = call->problem;
    const struct gb_tensor *dy = gb_view(call, BACKWARD_DY);
    struct gb_sum sum = {0};
    float in_order = 0;
    double windows = 0;
    for (int i = first_window(at[1], p); i < dy->h && i * p->stride <= at[1]; i++)
        for (int j = first_window(at[2], p); j < dy->w && j * p->stride <= at[2]; j++, windows++)
            if (is_maximum(call, i, j, at)) {
                const float d = gb_get(dy, at[0], i, j, at[3]);
                in_order += d;
                if (p->format != GB_FLOATS)
                    in_order = gb_bf16_value(gb_bf16_round(in_order));
                gb_sum_add(&sum, d, 1);
            }
    struct gb_expected dx = gb_sum_expected(call, sum);
    if (p->format != GB_FLOATS) // each addition rounds by half a unit of the significand
        dx.bound += 0x1p-8 * sum.terms * sum.magnitude;
    if (call->backend->same_bits)
        dx = gb_within(in_order, 0);
    dx.terms = windows * p->kernel * p->kernel;
    return dx;
}

// ----

// Images with room for every window, and with rows and columns after the last one.
#define IMAGES(window)                                                                             \
    "n1h6w6c1" window, "n2h8w10c2" window, "n1h9w9c6" window, "n3h7w12c12" window,                 \
        "n1h10w8c16" window, "n2h8w9c17" window, "n1h8w8c33" window, "n2h7w7c96" window,           \
        "n1h7w8c71" window, "n1h6w8c1100" window

static const char *const edges[] = {
    IMAGES("r2u2"), IMAGES("r1u1"), IMAGES("r3u1"), IMAGES("r3u2"), IMAGES("r2u3"), IMAGES("r5u4"),
    // One window, and enough work to be shared among threads.
    "n1h2w2c1r2u2", "n2h6w6c3r5u4", "n2h35w42c13r2u2", "n2h36w43c13r3u2", "n2h35w42c13r2u3",
    // bf16: windows that tile the image, and that overlap.
    IMAGES("r2u2_bf16"), IMAGES("r3u2_bf16"), "n2h35w42c13r2u2_bf16", NULL};

const struct gb_operation gb_max_pool_operation = {
    .name = "max_pool",
    .what = "max-pooling",
    .kernels =
        {
            GB_KERNEL(GB_FORWARD, max_pool_forward, forward, .scratch = scratch,
                      .reference_bits = true, .integers = true, .extremes = true),
            GB_KERNEL(GB_BACKWARD, max_pool_backward, backward, .scratch = scratch,
                      .reference_bits = true, .integers = true, .extremes = true),
        },
    .problem_bytes = sizeof(struct gb_pool_problem),
    .sizes = pool_sizes,
    .formats = gb_tensor_formats,
    .format = offsetof(struct gb_pool_problem, format),
    .check = pool_check,
    .cost = pool_cost,
    .edges = edges,
    .plan_bytes = sizeof(struct gb_pool_plan),
    .plan = plan,
    .plan_free = plan_free,
};

// ---- Tracing ----

GB_TRACED(max_pool_forward, max_pool, GB_FORWARD, plan->problem,
          (const struct gb_pool_plan *plan, const struct gb_exec *exec, const struct gb_tensor *x,
           const struct gb_tensor *y),
          (plan, exec, x, y))
GB_TRACED(max_pool_backward, max_pool, GB_BACKWARD, plan->problem,
          (const struct gb_pool_plan *plan, const struct gb_exec *exec, const struct gb_tensor *x,
           const struct gb_tensor *dy, const struct gb_tensor *dx),
          (plan, exec, x, dy, dx))
