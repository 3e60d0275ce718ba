// SPDX-License-Identifier: MIT
#include "kernels/moments/moments.h"

#include "kernels/trace.h"

// ---- Operands ----

static struct gb_dims dims_moments(const struct gb_call *call) {
    const struct gb_moments_problem *p = call->problem;
    return p->joint ? gb_dims_channels(call) : gb_dims_rows(call);
}

enum { V, MEAN, VARIANCE };
static const struct gb_operand moments_operands[] = {
    {"v", GB_IN, .dims = gb_dims_image},
    {"mean", GB_OUT, .dims = dims_moments},
    {"variance", GB_OUT, .dims = dims_moments},
    {0},
};

static void call_moments(const struct gb_call *call) {
    const struct gb_moments_problem *p = call->problem;
    call->backend->moments(call->exec, gb_view(call, V), gb_floats(call, MEAN),
                           gb_floats(call, VARIANCE), p->joint ? 0 : call->operand[MEAN].pixel);
}

static size_t scratch(const struct gb_call *call) {
    return gb_moments_scratch_bytes(&call->operand[V]);
}

// ---- Definition ----

// In two passes; within the bounds that moments.h states.
GB_DEFINITION(moments) {
    const struct gb_moments_problem *p = call->problem;
    const int first = p->joint ? 0 : at[2], end = p->joint ? p->image.n : at[2] + 1;
    const double count = (double)(end - first) * p->image.h * p->image.w;
    double mean = 0, magnitude = 0, variance = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int n = first; n < end; n++)
            for (int y = 0; y < p->image.h; y++)
                for (int x = 0; x < p->image.w; x++) {
                    const double v = gb_at(&call->operand[V], n, y, x)[at[3]];
                    if (pass == 0) {
                        mean += v / count;
                        magnitude += fabs(v) / count;
                    } else {
                        variance += (v - mean) * (v - mean) / count;
                    }
                }
    const double e = (p->image.w + 8) * GB_ROUNDING;
    if (operand == MEAN)
        return (struct gb_expected){mean, e * magnitude, count};
    double bound = e * (variance + 2 * sqrt(variance) * magnitude + e * magnitude * magnitude);
    return (struct gb_expected){variance, bound, 2 * count};
}

// ----

// Costs: a sum for the mean; a difference, a square and a sum for the variance.
const struct gb_operation gb_moments_operation = {
    .name = "moments",
    .what = "moments",
    .kernels = {GB_KERNEL(GB_FORWARD, moments, moments, .costs = {{4, 1}}, .scratch = scratch,
                          .traffic = GB_TRAFFIC_READ)},
    .problem_bytes = sizeof(struct gb_moments_problem),
    .sizes = gb_image_problem_sizes,
    .words = GB_TEXTS("", "joint"),
    .word = offsetof(struct gb_moments_problem, joint),
    .check = gb_image_check,
    .edges = GB_TEXTS(GB_IMAGE_EDGES(""), GB_IMAGE_EDGES("joint")),
};

GB_TRACED(moments, moments, GB_FORWARD, ((struct gb_moments_problem){gb_image_of(v), stride == 0}),
          (const struct gb_exec *exec, const struct gb_tensor *v, float *mean, float *variance,
           ptrdiff_t stride),
          (exec, v, mean, variance, stride))
