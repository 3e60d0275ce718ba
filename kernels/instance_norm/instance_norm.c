// SPDX-License-Identifier: MIT
#include "kernels/instance_norm/instance_norm.h"

#include "kernels/logarithm.h"
#include "kernels/trace.h"

double gb_instance_norm_log_det(int h, int w, int c, const float *variance) {
    double sum = 0;
    for (int i = 0; i < c; i++)
        sum += gb_natural_log((double)variance[i] + GB_NORM_EPSILON);
    return -0.5 * h * w * sum;
}

// ---- Operands ----

// The moments have the same index in all directions, and so has the first image. They need not be
// the image's own: the definitions hold for any.
enum { FORWARD_V, MEAN, VARIANCE, FORWARD_Y };
static const struct gb_operand forward_operands[] = {
    {"v", GB_IN, .dims = gb_dims_image},
    {"mean", GB_IN, .fill = GB_FILL_SMALL, .dims = gb_dims_rows},
    {"variance", GB_IN, .fill = GB_FILL_UNIFORM, .dims = gb_dims_rows},
    {"y", GB_OUT, .dims = gb_dims_image, .in_place_of = {"v"}},
    {0},
};

enum { INVERSE_Y = 0, INVERSE_V = 3 };
static const struct gb_operand inverse_operands[] = {
    {"y", GB_IN, .dims = gb_dims_image},
    {"mean", GB_IN, .fill = GB_FILL_SMALL, .dims = gb_dims_rows},
    {"variance", GB_IN, .fill = GB_FILL_UNIFORM, .dims = gb_dims_rows},
    {"v", GB_OUT, .dims = gb_dims_image, .in_place_of = {"y"}},
    {0},
};

enum { BACKWARD_V = 0, BACKWARD_DY = 3, BACKWARD_D_LOG_DET, BACKWARD_DV };
static const struct gb_operand backward_operands[] = {
    {"v", GB_IN, .dims = gb_dims_image},
    {"mean", GB_IN, .fill = GB_FILL_SMALL, .dims = gb_dims_rows},
    {"variance", GB_IN, .fill = GB_FILL_UNIFORM, .dims = gb_dims_rows},
    {"dy", GB_IN, .dims = gb_dims_image},
    {"d_log_det", GB_IN, GB_ROW, .dims = gb_dims_samples, .optional = true},
    {"dv", GB_OUT, .dims = gb_dims_image, .in_place_of = {"dy"}},
    {0},
};

// One row serves all images where there are fewer rows than images.
static bool is_shared(const struct gb_call *call) {
    return call->operand[MEAN].w < call->operand[FORWARD_V].n;
}

static struct gb_norm_moments moments_of(const struct gb_call *call) {
    return (struct gb_norm_moments){gb_floats(call, MEAN), gb_floats(call, VARIANCE),
                                    is_shared(call) ? 0 : call->operand[MEAN].pixel};
}

static enum gb_activation activation_of(const struct gb_call *call) {
    const struct gb_instance_norm_problem *p = call->problem;
    return p->activation;
}

static void call_forward(const struct gb_call *call) {
    const struct gb_norm_moments moments = moments_of(call);
    call->backend->instance_norm_forward(call->exec, activation_of(call), gb_view(call, FORWARD_V),
                                         &moments, gb_view(call, FORWARD_Y));
}

static void call_inverse(const struct gb_call *call) {
    const struct gb_norm_moments moments = moments_of(call);
    call->backend->instance_norm_inverse(call->exec, gb_view(call, INVERSE_Y), &moments,
                                         gb_view(call, INVERSE_V));
}

static void call_backward(const struct gb_call *call) {
    const struct gb_norm_moments moments = moments_of(call);
    call->backend->instance_norm_backward(
        call->exec, activation_of(call), gb_view(call, BACKWARD_V), &moments,
        gb_view(call, BACKWARD_DY), gb_floats(call, BACKWARD_D_LOG_DET),
        gb_view(call, BACKWARD_DV));
}

static size_t backward_scratch(const struct gb_call *call) {
    return gb_instance_norm_scratch_bytes(&call->operand[BACKWARD_V]);
}

// ---- Definition ----

struct moments {
    double mean, deviation;
};

static struct moments moments_at(const struct gb_call *call, int n, int c) {
    const int at[] = {0, 0, is_shared(call) ? 0 : n, c};
    return (struct moments){gb_value(call, MEAN, at),
                            sqrt(gb_value(call, VARIANCE, at) + (double)GB_NORM_EPSILON)};
}

GB_DEFINITION(forward) {
    const struct moments m = moments_at(call, at[0], at[3]);
    const double u = (gb_value(call, FORWARD_V, at) - m.mean) / m.deviation;
    return gb_within(activation_of(call) == GB_RELU ? fmax(u, 0) : u, 8 * GB_ROUNDING * fabs(u));
}

GB_DEFINITION(inverse) {
    const struct moments m = moments_at(call, at[0], at[3]);
    const double scaled = gb_value(call, INVERSE_Y, at) * m.deviation;
    return gb_within(scaled + m.mean, 8 * GB_ROUNDING * (fabs(scaled) + fabs(m.mean)));
}

// u of one element, and d = dy * act'(u).
struct element {
    double u, d;
};

static struct element element_at(const struct gb_call *call, struct moments m, const int at[4]) {
    const double u = (gb_value(call, BACKWARD_V, at) - m.mean) / m.deviation;
    const bool passes = activation_of(call) != GB_RELU || u > 0;
    return (struct element){u, passes ? gb_value(call, BACKWARD_DY, at) : 0};
}

// Within the bound that instance_norm.h states.
GB_DEFINITION(backward) {
    const struct gb_image_problem *p = call->problem;
    const struct moments m = moments_at(call, at[0], at[3]);
    const double pixels = (double)p->h * p->w;
    double sum_d = 0, sum_du = 0, magnitude_d = 0, magnitude_du = 0;
    for (int y = 0; y < p->h; y++)
        for (int x = 0; x < p->w; x++) {
            const struct element e = element_at(call, m, (int[]){at[0], y, x, at[3]});
            sum_d += e.d;
            sum_du += e.d * e.u;
            magnitude_d += fabs(e.d);
            magnitude_du += fabs(e.d * e.u);
        }
    const struct element own = element_at(call, m, at);
    const float *d_log_dets = gb_floats(call, BACKWARD_D_LOG_DET);
    const double d_log_det = d_log_dets ? d_log_dets[at[0]] : 0;
    const double value = own.d - sum_d / pixels - own.u * (sum_du / pixels + d_log_det);
    const double bound = (8 + p->w) * (magnitude_d + fabs(own.u) * magnitude_du) / pixels +
                         16 * (fabs(own.d) + fabs(own.u * d_log_det));
    return (struct gb_expected){value / m.deviation, GB_ROUNDING * bound / m.deviation, pixels};
}

// ----

// Backward takes the moments for functions of v, which forward's definition does not: its
// difference quotients are in tests/kernels/test_instance_norm.c. It computes u again, and sums d
// and d*u before it can use their means.
const struct gb_operation gb_instance_norm_operation = {
    .name = "instance_norm",
    .what = "instance normalisation",
    .kernels =
        {
            GB_KERNEL(GB_FORWARD, instance_norm_forward, forward, .costs = {{2, 2}},
                      .reference_bits = true),
            GB_KERNEL(GB_INVERSE, instance_norm_inverse, inverse, .costs = {{2, 2}},
                      .reference_bits = true),
            GB_KERNEL(GB_BACKWARD, instance_norm_backward, backward, .costs = {{9, 3}},
                      .scratch = backward_scratch),
        },
    .problem_bytes = sizeof(struct gb_instance_norm_problem),
    .sizes = gb_image_problem_sizes,
    .words = GB_TEXTS("", "relu"),
    .word = offsetof(struct gb_instance_norm_problem, activation),
    .check = gb_image_check,
    // Few pixels, since backward's definition sums over all of them for each element.
    .edges = GB_TEXTS(GB_SMALL_IMAGE_EDGES(""), "n2h16w16c65", GB_SMALL_IMAGE_EDGES("relu"),
                      "n2h16w16c65relu"),
};

GB_TRACED(instance_norm_forward, instance_norm, GB_FORWARD,
          ((struct gb_instance_norm_problem){gb_image_of(v), activation}),
          (const struct gb_exec *exec, enum gb_activation activation, const struct gb_tensor *v,
           const struct gb_norm_moments *moments, const struct gb_tensor *y),
          (exec, activation, v, moments, y))
GB_TRACED(instance_norm_inverse, instance_norm, GB_INVERSE,
          ((struct gb_instance_norm_problem){gb_image_of(y), GB_IDENTITY}),
          (const struct gb_exec *exec, const struct gb_tensor *y,
           const struct gb_norm_moments *moments, const struct gb_tensor *v),
          (exec, y, moments, v))
GB_TRACED(instance_norm_backward, instance_norm, GB_BACKWARD,
          ((struct gb_instance_norm_problem){gb_image_of(v), activation}),
          (const struct gb_exec *exec, enum gb_activation activation, const struct gb_tensor *v,
           const struct gb_norm_moments *moments, const struct gb_tensor *dy,
           const float *d_log_det, const struct gb_tensor *dv),
          (exec, activation, v, moments, dy, d_log_det, dv))
