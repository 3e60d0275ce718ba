// SPDX-License-Identifier: MIT
#include "kernels/epilogue/epilogue.h"

#include "kernels/trace.h"

const char *const gb_activation_names[] = {"", "relu", "leaky", "tanh", NULL};

static double activate(enum gb_activation activation, double u) {
    switch (activation) {
    case GB_RELU:
        return u > 0 ? u : 0;
    case GB_LEAKY_RELU:
        return u > 0 ? u : (float)(u * (double)gb_leaky_slope);
    case GB_TANH:
        return tanh(u);
    case GB_IDENTITY:
        break;
    }
    return u;
}

static double slope(enum gb_activation activation, double y) {
    switch (activation) {
    case GB_RELU:
        return y > 0;
    case GB_LEAKY_RELU:
        return y > 0 ? 1 : (double)gb_leaky_slope;
    case GB_TANH:
        return 1 - y * y;
    case GB_IDENTITY:
        break;
    }
    return 1;
}

struct gb_expected gb_activated(enum gb_activation activation, double scale,
                                struct gb_expected sum) {
    // No activation is steeper than 1; tanh has roundings of its own.
    const double bound = fabs(scale) * sum.bound + (activation == GB_TANH ? 0x1p-21 : 0);
    return (struct gb_expected){activate(activation, scale * sum.value), bound, sum.terms};
}

struct gb_expected gb_through_epilogue(enum gb_activation activation, double scale, double x,
                                       struct gb_expected dx) {
    double scaled = dx.value * scale, factor = slope(activation, x);
    return (struct gb_expected){
        scaled * factor, dx.bound * fabs(scale * factor) + fabs(scaled) * (1 + x * x) * 0x1p-22,
        dx.terms};
}

struct gb_expected gb_epilogue_sum(const struct gb_call *call, enum gb_activation activation,
                                   const struct gb_tensor *du, const struct gb_tensor *x,
                                   double scale, bool log_scale, int c) {
    struct gb_sum sum = {0};
    for (int n = 0; n < du->n; n++)
        for (int i = 0; i < du->h; i++)
            for (int j = 0; j < du->w; j++) {
                double stored = gb_get(du, n, i, j, c);
                if (log_scale)
                    gb_sum_add(&sum, stored / scale, gb_get(x, n, i, j, c));
                else
                    gb_sum_add(&sum, stored, 1);
            }
    struct gb_expected expected = gb_sum_expected(call, sum);
    double more = (sum.terms + 8) * GB_ROUNDING * sum.magnitude;
    if (log_scale && expected.bound > 0)
        expected.bound += 8 * GB_ROUNDING * sum.magnitude; // roundings of the factors
    if (!log_scale && activation == GB_LEAKY_RELU)
        expected.bound += more; // slopes are not integers
    if (du->type == GB_BF16)    // the kernel's terms are not rounded
        expected.bound += 0x1p-8 * sum.magnitude + sum.terms * 0x1p-126;
    return expected;
}

double gb_channel(const struct gb_call *call, int operand, int c, double absent) {
    const float *channels = gb_floats(call, operand);
    return channels ? (double)channels[c] : absent;
}

size_t gb_epilogue_scratch_bytes(const struct gb_tensor *y) {
    size_t pixels = (size_t)y->n * (size_t)y->h * (size_t)y->w;
    size_t chunks = (pixels + GB_EPILOGUE_CHUNK - 1) / GB_EPILOGUE_CHUNK;
    return chunks * 2 * gb_round_up((size_t)y->c, GB_CHANNEL_PAD) * sizeof(float);
}

static struct gb_dims dims_log_scale(const struct gb_call *call) {
    const struct gb_epilogue_problem *p = call->problem;
    return gb_has_log_scale(p->activation) ? gb_dims_channels(call) : (struct gb_dims){0};
}

// dy is a bf16 tensor where y is, du where the layer multiplies bf16.
static enum gb_type type_y(const struct gb_call *call) {
    return gb_y_type(((const struct gb_epilogue_problem *)call->problem)->format);
}
static enum gb_type type_du(const struct gb_call *call) {
    return gb_precision(((const struct gb_epilogue_problem *)call->problem)->format);
}

enum { DY, Y, SCALE, DU, D_BIAS, D_LOG_SCALE };
static const struct gb_operand epilogue_operands[] = {
    {"dy", GB_IN, .dims = gb_dims_image, .type = type_y},
    {"y", GB_IN, .dims = gb_dims_image, .type = type_y},
    {"scale", GB_IN, GB_CHANNELS, GB_FILL_SCALE, .dims = gb_dims_channels, .optional = true},
    {"du", GB_OUT, .dims = gb_dims_image, .in_place_of = {"dy"}, .type = type_du},
    {"d_bias", GB_OUT, GB_CHANNELS, .dims = gb_dims_channels, .optional = true},
    {"d_log_scale", GB_OUT, GB_CHANNELS, .dims = dims_log_scale, .optional = true},
    {0},
};

static void call_epilogue(const struct gb_call *call) {
    const struct gb_epilogue_problem *p = call->problem;
    call->backend->epilogue_backward(call->exec, p->activation, gb_view(call, DY), gb_view(call, Y),
                                     gb_floats(call, SCALE), gb_view(call, DU),
                                     gb_floats(call, D_BIAS), gb_floats(call, D_LOG_SCALE));
}

static size_t epilogue_scratch(const struct gb_call *call) {
    return gb_epilogue_scratch_bytes(&call->operand[Y]);
}

GB_DEFINITION(epilogue) {
    const struct gb_epilogue_problem *p = call->problem;
    const double scale = gb_channel(call, SCALE, at[3], 1);
    if (operand != DU)
        return gb_epilogue_sum(call, p->activation, gb_view(call, DU), gb_view(call, Y), scale,
                               operand == D_LOG_SCALE, at[3]);
    return gb_stored(call, DU,
                     gb_through_epilogue(p->activation, scale, gb_value(call, Y, at),
                                         gb_within(gb_value(call, DY, at), 0)));
}

// An epilogue knows of the format what concerns y.
static const char *const epilogue_formats[] = {"", "_bf16", "_bf16x32", "_bf16y32", NULL};

// Costs: reads dy and y, writes du. The slope, the scale and the sum of d_bias are as many
// operations as the activation makes of them; d_log_scale's product and sum are wanted where there
// is one.
const struct gb_operation gb_epilogue_operation = {
    .name = "epilogue",
    .what = "epilogue",
    .kernels = {GB_KERNEL(GB_BACKWARD, epilogue_backward, epilogue,
                          .costs = {{4, 3}, {4, 3}, {3, 3}, {5, 3}}, .scratch = epilogue_scratch,
                          .traffic = GB_TRAFFIC_UPDATE, .timed_in_place = true, .integers = true)},
    .problem_bytes = sizeof(struct gb_epilogue_problem),
    .sizes = gb_image_problem_sizes,
    .words = gb_activation_names,
    .word = offsetof(struct gb_epilogue_problem, activation),
    .formats = epilogue_formats,
    .format = offsetof(struct gb_epilogue_problem, format),
    .check = gb_image_check,
    .edges = GB_TEXTS(GB_IMAGE_EDGES(""), GB_IMAGE_EDGES("relu"), GB_IMAGE_EDGES("leaky"),
                      GB_IMAGE_EDGES("tanh"), GB_IMAGE_EDGES("relu_bf16"),
                      GB_IMAGE_EDGES("_bf16y32"), GB_IMAGE_EDGES("leaky_bf16y32")),
};

GB_TRACED(epilogue_backward, epilogue, GB_BACKWARD,
          ((struct gb_epilogue_problem){gb_image_of(y), activation,
                                        y->type == GB_BF16    ? GB_BF16_OPERANDS
                                        : du->type == GB_BF16 ? GB_BF16_Y32
                                                              : GB_FLOATS}),
          (const struct gb_exec *exec, enum gb_activation activation, const struct gb_tensor *dy,
           const struct gb_tensor *y, const float *scale, const struct gb_tensor *du, float *d_bias,
           float *d_log_scale),
          (exec, activation, dy, y, scale, du, d_bias, d_log_scale))
