// SPDX-License-Identifier: MIT
// What every backend's convolution and epilogue share: their costs and their names as text.
#include "kernels/conv/conv.h"

#include "kernels/trace.h"

#include <stddef.h>

// The (output position, tap) pairs along one axis that read a pixel inside the image.
static double taps_inside(int size, int out_size, int taps, int stride, int pad) {
    double inside = 0;
    for (int a = 0; a < taps; a++) {
        int before = a < pad ? (pad - a + stride - 1) / stride : 0; // outputs that read left of it
        int last = size - 1 + pad - a;
        int end = last < 0 ? 0 : last / stride + 1;
        end = end < out_size ? end : out_size;
        inside += before < end ? end - before : 0;
    }
    return inside;
}

double gb_conv_flops(const struct gb_conv_problem *p) {
    double rows = taps_inside(p->h, gb_conv_out_h(p), p->kernel_h, p->stride_h, p->pad_h);
    double columns = taps_inside(p->w, gb_conv_out_w(p), p->kernel_w, p->stride_w, p->pad_w);
    return 2.0 * p->n * rows * columns * p->c * p->k;
}

static struct gb_cost conv_cost(const void *problem, enum gb_direction direction) {
    const struct gb_conv_problem *p = problem;
    bool update = direction == GB_BACKWARD_UPDATE;
    double inputs = (double)p->n * p->h * p->w * p->c;
    double outputs = (double)p->n * gb_conv_out_h(p) * gb_conv_out_w(p) * p->k;
    double weights = (double)p->k * p->c * p->kernel_h * p->kernel_w;
    return (struct gb_cost){gb_conv_flops(p) + (update ? GB_ADAM_FLOPS * weights : 0),
                            sizeof(float) * (inputs + outputs) +
                                (update ? GB_ADAM_BYTES : sizeof(float)) * weights};
}

static enum gb_status conv_check(const void *problem) {
    const struct gb_conv_problem *p = problem;
    if (p->pad_h >= p->kernel_h || p->pad_w >= p->kernel_w)
        return gb_fail(GB_BAD_INPUT, "invalid problem size", "convolution",
                       "padding of %d and %d is not smaller than the %dx%d kernel", p->pad_h,
                       p->pad_w, p->kernel_h, p->kernel_w);
    if (p->h + 2 * p->pad_h < p->kernel_h || p->w + 2 * p->pad_w < p->kernel_w)
        return gb_fail(GB_BAD_INPUT, "invalid problem size", "convolution",
                       "the %dx%d kernel is larger than the padded %dx%d image", p->kernel_h,
                       p->kernel_w, p->h + 2 * p->pad_h, p->w + 2 * p->pad_w);
    GB_TRY(gb_floats_check("convolution", "input", (double)p->n * p->h * p->w * p->c));
    GB_TRY(gb_floats_check("convolution", "output",
                           (double)p->n * gb_conv_out_h(p) * gb_conv_out_w(p) * p->k));
    return gb_floats_check("convolution", "weights",
                           (double)p->k * p->c * p->kernel_h * p->kernel_w);
}

static const struct gb_problem_size conv_sizes[] = {
    {'n', offsetof(struct gb_conv_problem, n), 1, GB_SIZE_LIMIT},
    {'h', offsetof(struct gb_conv_problem, h), 1, GB_SIZE_LIMIT},
    {'w', offsetof(struct gb_conv_problem, w), 1, GB_SIZE_LIMIT},
    {'c', offsetof(struct gb_conv_problem, c), 1, GB_SIZE_LIMIT},
    {'k', offsetof(struct gb_conv_problem, k), 1, GB_SIZE_LIMIT},
    {'r', offsetof(struct gb_conv_problem, kernel_h), 1, GB_SIZE_LIMIT},
    {'s', offsetof(struct gb_conv_problem, kernel_w), 1, GB_SIZE_LIMIT},
    {'u', offsetof(struct gb_conv_problem, stride_h), 1, GB_SIZE_LIMIT},
    {'v', offsetof(struct gb_conv_problem, stride_w), 1, GB_SIZE_LIMIT},
    {'p', offsetof(struct gb_conv_problem, pad_h), 0, GB_SIZE_LIMIT},
    {'q', offsetof(struct gb_conv_problem, pad_w), 0, GB_SIZE_LIMIT},
    {0},
};

const char *const gb_activation_names[] = {"", "relu", "leaky", "tanh", NULL};

// ---- Operands ----

static struct gb_dims dims_x(const struct gb_call *call) {
    const struct gb_conv_problem *p = call->problem;
    return (struct gb_dims){p->n, p->h, p->w, p->c};
}

static struct gb_dims dims_y(const struct gb_call *call) {
    const struct gb_conv_problem *p = call->problem;
    return (struct gb_dims){p->n, gb_conv_out_h(p), gb_conv_out_w(p), p->k};
}

static struct gb_dims dims_weights(const struct gb_call *call) {
    const struct gb_conv_problem *p = call->problem;
    return (struct gb_dims){p->k, p->c, p->kernel_h, p->kernel_w};
}

static struct gb_dims dims_outputs(const struct gb_call *call) {
    const struct gb_conv_problem *p = call->problem;
    return (struct gb_dims){1, 1, 1, p->k};
}

// The input's epilogue. Benchmarks of the identity time the data gradient alone.
static bool has_input_epilogue(const struct gb_call *call) {
    const struct gb_conv_problem *p = call->problem;
    return p->activation != GB_IDENTITY || call->numbers != GB_NUMBERS_TIMED;
}

static struct gb_dims dims_activated(const struct gb_call *call) {
    return has_input_epilogue(call) ? dims_x(call) : (struct gb_dims){0};
}

static struct gb_dims dims_inputs(const struct gb_call *call) {
    const struct gb_conv_problem *p = call->problem;
    return has_input_epilogue(call) ? (struct gb_dims){1, 1, 1, p->c} : (struct gb_dims){0};
}

static bool has_log_scale(enum gb_activation activation) {
    return activation == GB_IDENTITY || activation == GB_RELU;
}

static struct gb_dims dims_log_scale(const struct gb_call *call) {
    const struct gb_conv_problem *p = call->problem;
    return has_log_scale(p->activation) ? dims_inputs(call) : (struct gb_dims){0};
}

enum { FORWARD_X, FORWARD_Y, FORWARD_BIAS, FORWARD_SCALE, FORWARD_WEIGHTS };
static const struct gb_operand forward_operands[] = {
    {"x", GB_IN, .dims = dims_x},
    {"y", GB_OUT, .dims = dims_y},
    {"bias", GB_IN, GB_CHANNELS, .dims = dims_outputs, .optional = true},
    {"scale", GB_IN, GB_CHANNELS, GB_FILL_SCALE, .dims = dims_outputs, .optional = true},
    {"weights", GB_IN, GB_PACKED, GB_FILL_WEIGHTS, .dims = dims_weights},
    {0},
};

enum { DATA_DY, DATA_DX, DATA_X, DATA_SCALE, DATA_D_BIAS, DATA_D_LOG_SCALE, DATA_WEIGHTS };
static const struct gb_operand data_operands[] = {
    {"dy", GB_IN, .dims = dims_y},
    {"dx", GB_OUT, .dims = dims_x},
    {"x", GB_IN, .dims = dims_activated, .optional = true},
    {"scale", GB_IN, GB_CHANNELS, GB_FILL_SCALE, .dims = dims_inputs, .optional = true},
    {"d_bias", GB_OUT, GB_CHANNELS, .dims = dims_inputs, .optional = true},
    {"d_log_scale", GB_OUT, GB_CHANNELS, .dims = dims_log_scale, .optional = true},
    {"weights", GB_IN, GB_PACKED, GB_FILL_WEIGHTS, .dims = dims_weights},
    {0},
};

enum { WEIGHTS_X, WEIGHTS_DY, WEIGHTS_GRADIENT };
static const struct gb_operand weights_operands[] = {
    {"x", GB_IN, .dims = dims_x},
    {"dy", GB_IN, .dims = dims_y},
    {"gradient", GB_OUT, GB_PACKED, .dims = dims_weights},
    {0},
};

enum { UPDATE_X, UPDATE_DY, UPDATE_WEIGHTS, UPDATE_MOMENT1, UPDATE_MOMENT2 };
static const struct gb_operand update_operands[] = {
    {"x", GB_IN, .dims = dims_x},
    {"dy", GB_IN, .dims = dims_y},
    {"weights", GB_IN_OUT, GB_PACKED, GB_FILL_WEIGHTS, .dims = dims_weights},
    {"moment1", GB_IN_OUT, GB_PACKED, GB_FILL_NORMAL, .dims = dims_weights},
    {"moment2", GB_IN_OUT, GB_PACKED, GB_FILL_POSITIVE, .dims = dims_weights},
    {0},
};

static enum gb_status plan(const struct gb_call *call, int threads) {
    return call->backend->conv_plan(call->problem, threads, call->plan);
}

static void plan_free(const struct gb_call *call) {
    call->backend->conv_plan_free(call->plan);
}

static size_t packed_floats(const struct gb_call *call) {
    return ((const struct gb_conv_plan *)call->plan)->weight_floats;
}

static void pack(const struct gb_call *call, const float *weights, float *packed) {
    call->backend->conv_pack(call->plan, weights, packed);
}

static void unpack(const struct gb_call *call, const float *packed, float *weights) {
    call->backend->conv_unpack(call->plan, packed, weights);
}

static size_t scratch(const struct gb_call *call) {
    return gb_conv_scratch_bytes(call->plan, call->exec->threads);
}

static void call_forward(const struct gb_call *call) {
    const struct gb_conv_epilogue epilogue = {gb_floats(call, FORWARD_BIAS),
                                              gb_floats(call, FORWARD_SCALE)};
    call->backend->conv_forward(call->plan, call->exec, gb_view(call, FORWARD_X),
                                gb_floats(call, FORWARD_WEIGHTS), &epilogue,
                                gb_view(call, FORWARD_Y));
}

static void call_data(const struct gb_call *call) {
    const struct gb_conv_problem *p = call->problem;
    const struct gb_conv_input_epilogue epilogue = {
        p->activation, gb_view(call, DATA_X), gb_floats(call, DATA_SCALE),
        gb_floats(call, DATA_D_BIAS), gb_floats(call, DATA_D_LOG_SCALE)};
    call->backend->conv_backward_data(call->plan, call->exec, gb_view(call, DATA_DY),
                                      gb_floats(call, DATA_WEIGHTS), epilogue.x ? &epilogue : NULL,
                                      gb_view(call, DATA_DX));
}

static void call_weights(const struct gb_call *call) {
    call->backend->conv_backward_weights(call->plan, call->exec, gb_view(call, WEIGHTS_X),
                                         gb_view(call, WEIGHTS_DY),
                                         gb_floats(call, WEIGHTS_GRADIENT), NULL);
}

static void call_update(const struct gb_call *call) {
    const struct gb_adam_target target = {call->adam, gb_floats(call, UPDATE_WEIGHTS),
                                          gb_floats(call, UPDATE_MOMENT1),
                                          gb_floats(call, UPDATE_MOMENT2)};
    call->backend->conv_backward_weights(call->plan, call->exec, gb_view(call, UPDATE_X),
                                         gb_view(call, UPDATE_DY), NULL, &target);
}

// ---- Definition ----

static double weight(const struct gb_call *call, int operand, int o, int q, int a, int b) {
    const struct gb_conv_problem *p = call->problem;
    const size_t row = ((size_t)o * (size_t)p->c + (size_t)q) * (size_t)p->kernel_h + (size_t)a;
    return call->unpacked[operand][row * (size_t)p->kernel_w + (size_t)b];
}

static bool inside(int at, int size) {
    return at >= 0 && at < size;
}

double gb_activate(enum gb_activation activation, double u) {
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

static double channel(const struct gb_call *call, int operand, int c, double absent) {
    const float *channels = gb_floats(call, operand);
    return channels ? (double)channels[c] : absent;
}

static struct gb_expected define_forward(const struct gb_call *call, int operand, const int at[4]) {
    (void)operand;
    const struct gb_conv_problem *p = call->problem;
    const struct gb_tensor *x = gb_view(call, FORWARD_X);
    const int o = at[3];
    struct gb_sum sum = {0};
    for (int a = 0; a < p->kernel_h; a++)
        for (int b = 0; b < p->kernel_w; b++) {
            int row = at[1] * p->stride_h + a - p->pad_h;
            int column = at[2] * p->stride_w + b - p->pad_w;
            if (inside(row, p->h) && inside(column, p->w))
                for (int q = 0; q < p->c; q++)
                    gb_sum_add(&sum, gb_at(x, at[0], row, column)[q],
                               weight(call, FORWARD_WEIGHTS, o, q, a, b));
        }
    if (gb_floats(call, FORWARD_BIAS))
        gb_sum_add(&sum, gb_floats(call, FORWARD_BIAS)[o], 1);
    const double scale = channel(call, FORWARD_SCALE, o, 1);
    struct gb_expected y = gb_sum_expected(call, sum);
    y.value = gb_activate(p->activation, scale * y.value);
    // No activation is steeper than 1; tanh has roundings of its own.
    y.bound = fabs(scale) * y.bound + (p->activation == GB_TANH ? 0x1p-21 : 0);
    return y;
}

// The output position along an axis that reads position `at` by tap `a`, or -1.
static int reader(int at, int a, int pad, int stride, int out_size) {
    int position = at + pad - a;
    return position >= 0 && position % stride == 0 && position / stride < out_size
               ? position / stride
               : -1;
}

// The gradient of u = act^-1(x) / scale - bias from the gradient of x, as the epilogue makes it.
static struct gb_expected through_epilogue(enum gb_activation activation, double scale, double x,
                                           struct gb_expected dx) {
    double scaled = dx.value * scale, factor = slope(activation, x);
    return (struct gb_expected){
        scaled * factor, dx.bound * fabs(scale * factor) + fabs(scaled) * (1 + x * x) * 0x1p-22,
        dx.terms};
}

// The epilogue's sums over all pixels of one channel, from the gradients `du` that it stored:
// d_bias, or d_log_scale, the sum of du / scale * act^-1(x).
static struct gb_expected epilogue_sum(const struct gb_call *call, enum gb_activation activation,
                                       const struct gb_tensor *du, const struct gb_tensor *x,
                                       double scale, bool log_scale, int c) {
    struct gb_sum sum = {0};
    for (int n = 0; n < du->n; n++)
        for (int i = 0; i < du->h; i++)
            for (int j = 0; j < du->w; j++) {
                double stored = gb_at(du, n, i, j)[c];
                if (log_scale)
                    gb_sum_add(&sum, stored / scale, gb_at(x, n, i, j)[c]);
                else
                    gb_sum_add(&sum, stored, 1);
            }
    struct gb_expected expected = gb_sum_expected(call, sum);
    double more = (sum.terms + 8) * GB_ROUNDING * sum.magnitude;
    if (log_scale && expected.bound > 0)
        expected.bound += 8 * GB_ROUNDING * sum.magnitude; // roundings of the factors
    if (!log_scale && activation == GB_LEAKY_RELU)
        expected.bound += more; // slopes are not integers
    return expected;
}

static struct gb_expected define_data(const struct gb_call *call, int operand, const int at[4]) {
    const struct gb_conv_problem *p = call->problem;
    const double scale = channel(call, DATA_SCALE, at[3], 1);
    if (operand != DATA_DX)
        return epilogue_sum(call, p->activation, gb_view(call, DATA_DX), gb_view(call, DATA_X),
                            scale, operand == DATA_D_LOG_SCALE, at[3]);
    const struct gb_tensor *dy = gb_view(call, DATA_DY);
    struct gb_sum sum = {0};
    for (int a = 0; a < p->kernel_h; a++)
        for (int b = 0; b < p->kernel_w; b++) {
            int i = reader(at[1], a, p->pad_h, p->stride_h, gb_conv_out_h(p));
            int j = reader(at[2], b, p->pad_w, p->stride_w, gb_conv_out_w(p));
            if (i >= 0 && j >= 0)
                for (int o = 0; o < p->k; o++)
                    gb_sum_add(&sum, gb_at(dy, at[0], i, j)[o],
                               weight(call, DATA_WEIGHTS, o, at[3], a, b));
        }
    struct gb_expected dx = gb_sum_expected(call, sum);
    return gb_view(call, DATA_X)
               ? through_epilogue(p->activation, scale, gb_value(call, DATA_X, at), dx)
               : dx;
}

static struct gb_expected define_weights(const struct gb_call *call, int operand, const int at[4]) {
    (void)operand;
    const struct gb_conv_problem *p = call->problem;
    const struct gb_tensor *x = gb_view(call, WEIGHTS_X), *dy = gb_view(call, WEIGHTS_DY);
    const int o = at[0], q = at[1], a = at[2], b = at[3];
    struct gb_sum sum = {0};
    for (int n = 0; n < p->n; n++)
        for (int i = 0; i < dy->h; i++)
            for (int j = 0; j < dy->w; j++) {
                int row = i * p->stride_h + a - p->pad_h, column = j * p->stride_w + b - p->pad_w;
                if (inside(row, p->h) && inside(column, p->w))
                    gb_sum_add(&sum, gb_at(x, n, row, column)[q], gb_at(dy, n, i, j)[o]);
            }
    return gb_sum_expected(call, sum);
}

// ----

static const char *const conv_edges[] = {
    // The shapes of the models, smaller where the definition would take long.
    "n2h8w8c12k256r3s3u1v1p1q1relu",
    "n2h4w4c256k256r1s1u1v1p0q0relu",
    "n2h4w4c256k48r3s3u1v1p1q1",
    "n2h8w8c256k12r3s3u1v1p1q1",
    "n1h4w4c24k256r3s3u1v1p1q1relu",
    "n1h32w32c3k64r2s2u2v2p0q0relu",
    "n1h16w16c64k64r2s2u2v2p0q0relu",
    "n1h16w16c3k16r3s3u1v1p1q1relu",
    "n1h32w32c16k6r4s4u4v4p0q0relu",
    "n1h32w32c16k24r8s8u8v8p0q0relu",
    "n2h8w8c6k6r3s3u1v1p1q1",
    "n2h8w8c24k24r3s3u1v1p1q1tanh",
    "n1h8w8c128k128r3s3u1v1p1q1leaky",
    "n1h8w8c160k32r3s3u1v1p1q1leaky",
    // More tiles than a block has and sums of several blocks, with weights that one thread packs
    // for all; windows that touch each input once, and windows that leave some out.
    "n1h16w16c33k40r3s3u1v1p1q1relu",
    "n1h15w17c520k20r1s1u1v1p0q0",
    "n3h9w9c40k96r3s3u1v1p1q1",
    "n2h16w16c32k8r4s4u4v4p0q0relu",
    "n2h20w12c16k24r2s2u2v2p0q0leaky",
    "n1h9w9c16k8r2s2u2v2p0q0relu",
    "n1h8w12c16k5r2s3u2v3p0q0",
    // 3x3 convolutions that native kernels take by Winograd tiles: odd sizes, every padding, lines
    // of several pieces, more outputs than tiles, and weights packed for the scattered form.
    "n2h13w17c33k37r3s3u1v1p1q1relu",
    "n1h18w14c60k50r3s3u1v1p0q0",
    "n1h9w30c48k36r3s3u1v1p2q2leaky",
    "n1h6w52c32k54r3s3u1v1p1q1tanh",
    "n1h32w32c40k13r3s3u1v1p1q1",
    "n1h20w20c100k14r3s3u1v1p1q1relu",
    "n1h12w12c12k320r3s3u1v1p0q2relu",
    // Many pixels: more than one block of the weight gradient's sum; with many channels, more than
    // a library's im2col holds of a block of pixels.
    "n3h23w31c5k19r3s3u1v1p1q1",
    "n1h5w301c17k9r3s3u1v1p1q1relu",
    "n2h40w40c3k2r3s3u2v2p1q1leaky",
    "n1h32w32c40k5r3s3u1v1p1q1",
    NULL,
};

const struct gb_operation gb_conv_operation = {
    .name = "conv",
    .what = "convolution",
    .kernels =
        {
            [GB_FORWARD] = {.entry = "conv_forward",
                            .operands = forward_operands,
                            .call = call_forward,
                            .scratch = scratch,
                            .definition = define_forward,
                            .integers = true},
            [GB_BACKWARD_DATA] = {.entry = "conv_backward_data",
                                  .operands = data_operands,
                                  .call = call_data,
                                  .scratch = scratch,
                                  .definition = define_data,
                                  .integers = true},
            [GB_BACKWARD_WEIGHTS] = {.entry = "conv_backward_weights",
                                     .operands = weights_operands,
                                     .call = call_weights,
                                     .scratch = scratch,
                                     .definition = define_weights,
                                     .integers = true},
            [GB_BACKWARD_UPDATE] = {.entry = "conv_backward_weights",
                                    .operands = update_operands,
                                    .call = call_update,
                                    .scratch = scratch,
                                    .integers = true},
        },
    .product = true,
    .problem_bytes = sizeof(struct gb_conv_problem),
    .sizes = conv_sizes,
    .words = gb_activation_names,
    .word = offsetof(struct gb_conv_problem, activation),
    .check = conv_check,
    .cost = conv_cost,
    .algorithm = gb_conv_algorithm,
    .edges = conv_edges,
    .plan_bytes = sizeof(struct gb_conv_plan),
    .plan = plan,
    .plan_free = plan_free,
    .packed_floats = packed_floats,
    .pack = pack,
    .unpack = unpack,
};

enum gb_status gb_conv_check(const struct gb_conv_problem *p) {
    return gb_problem_check(&gb_conv_operation, p);
}

void gb_conv_print(const struct gb_conv_problem *p, char text[static GB_PROBLEM_TEXT]) {
    gb_problem_print(&gb_conv_operation, p, text);
}

enum gb_status gb_conv_parse(const char *text, struct gb_conv_problem *p) {
    return gb_problem_parse(&gb_conv_operation, text, p);
}

size_t gb_epilogue_scratch_bytes(const struct gb_tensor *y) {
    size_t pixels = (size_t)y->n * (size_t)y->h * (size_t)y->w;
    size_t chunks = (pixels + GB_EPILOGUE_CHUNK - 1) / GB_EPILOGUE_CHUNK;
    return chunks * 2 * gb_round_up((size_t)y->c, GB_CHANNEL_PAD) * sizeof(float);
}

// Reads dy and y, writes du. The slope, the scale and the sum of d_bias are as many operations as
// the activation makes of them; d_log_scale's product and sum are wanted where there is one.
static struct gb_cost epilogue_cost(const void *problem, enum gb_direction direction) {
    (void)direction;
    const struct gb_epilogue_problem *p = problem;
    static const double flops[] = {
        [GB_IDENTITY] = 4, [GB_RELU] = 4, [GB_LEAKY_RELU] = 3, [GB_TANH] = 5};
    double y = gb_image_floats(&p->image);
    return (struct gb_cost){flops[p->activation] * y, sizeof(float) * 3 * y};
}

static struct gb_dims dims_epilogue_log_scale(const struct gb_call *call) {
    const struct gb_epilogue_problem *p = call->problem;
    return has_log_scale(p->activation) ? gb_dims_channels(call) : (struct gb_dims){0};
}

enum {
    EPILOGUE_DY,
    EPILOGUE_Y,
    EPILOGUE_SCALE,
    EPILOGUE_DU,
    EPILOGUE_D_BIAS,
    EPILOGUE_D_LOG_SCALE
};
static const struct gb_operand epilogue_operands[] = {
    {"dy", GB_IN, .dims = gb_dims_image},
    {"y", GB_IN, .dims = gb_dims_image},
    {"scale", GB_IN, GB_CHANNELS, GB_FILL_SCALE, .dims = gb_dims_channels, .optional = true},
    {"du", GB_OUT, .dims = gb_dims_image, .in_place_of = {"dy"}},
    {"d_bias", GB_OUT, GB_CHANNELS, .dims = gb_dims_channels, .optional = true},
    {"d_log_scale", GB_OUT, GB_CHANNELS, .dims = dims_epilogue_log_scale, .optional = true},
    {0},
};

static void call_epilogue(const struct gb_call *call) {
    const struct gb_epilogue_problem *p = call->problem;
    call->backend->epilogue_backward(call->exec, p->activation, gb_view(call, EPILOGUE_DY),
                                     gb_view(call, EPILOGUE_Y), gb_floats(call, EPILOGUE_SCALE),
                                     gb_view(call, EPILOGUE_DU), gb_floats(call, EPILOGUE_D_BIAS),
                                     gb_floats(call, EPILOGUE_D_LOG_SCALE));
}

static size_t epilogue_scratch(const struct gb_call *call) {
    return gb_epilogue_scratch_bytes(&call->operand[EPILOGUE_Y]);
}

static struct gb_expected define_epilogue(const struct gb_call *call, int operand,
                                          const int at[4]) {
    const struct gb_epilogue_problem *p = call->problem;
    const double scale = channel(call, EPILOGUE_SCALE, at[3], 1);
    if (operand != EPILOGUE_DU)
        return epilogue_sum(call, p->activation, gb_view(call, EPILOGUE_DU),
                            gb_view(call, EPILOGUE_Y), scale, operand == EPILOGUE_D_LOG_SCALE,
                            at[3]);
    return through_epilogue(p->activation, scale, gb_value(call, EPILOGUE_Y, at),
                            gb_within(gb_value(call, EPILOGUE_DY, at), 0));
}

static const char *const epilogue_edges[] = {GB_IMAGE_EDGES(""), GB_IMAGE_EDGES("relu"),
                                             GB_IMAGE_EDGES("leaky"), GB_IMAGE_EDGES("tanh"), NULL};

const struct gb_operation gb_epilogue_operation = {
    .name = "epilogue",
    .what = "epilogue",
    .kernels = {[GB_BACKWARD] = {.entry = "epilogue_backward",
                                 .operands = epilogue_operands,
                                 .call = call_epilogue,
                                 .scratch = epilogue_scratch,
                                 .definition = define_epilogue,
                                 .traffic = GB_TRAFFIC_UPDATE,
                                 .timed_in_place = true,
                                 .integers = true}},
    .problem_bytes = sizeof(struct gb_epilogue_problem),
    .sizes = gb_image_problem_sizes,
    .words = gb_activation_names,
    .word = offsetof(struct gb_epilogue_problem, activation),
    .check = gb_image_check,
    .cost = epilogue_cost,
    .edges = epilogue_edges,
};

// ---- Tracing ----

enum gb_status gb_conv_plan_f32__dry(const struct gb_conv_problem *problem, int threads,
                                     struct gb_conv_plan *plan) {
    (void)threads;
    GB_TRY(gb_conv_check(problem));
    *plan = (struct gb_conv_plan){
        .problem = *problem, .out_h = gb_conv_out_h(problem), .out_w = gb_conv_out_w(problem)};
    return GB_OK;
}

void gb_conv_plan_free_f32__dry(struct gb_conv_plan *plan) {
    (void)plan;
}

void gb_conv_pack_f32__dry(const struct gb_conv_plan *plan, const float *oihw, float *packed) {
    (void)plan, (void)oihw, (void)packed;
}

void gb_conv_unpack_f32__dry(const struct gb_conv_plan *plan, const float *packed, float *oihw) {
    (void)plan, (void)packed, (void)oihw;
}

static struct gb_conv_problem with_activation(const struct gb_conv_plan *plan,
                                              enum gb_activation activation) {
    struct gb_conv_problem problem = plan->problem;
    problem.activation = activation;
    return problem;
}

GB_TRACED(conv_forward, conv, GB_FORWARD, plan->problem,
          (const struct gb_conv_plan *plan, const struct gb_exec *exec, const struct gb_tensor *x,
           const float *packed, const struct gb_conv_epilogue *epilogue, const struct gb_tensor *y),
          (plan, exec, x, packed, epilogue, y))
GB_TRACED(conv_backward_data, conv, GB_BACKWARD_DATA,
          with_activation(plan, epilogue ? epilogue->activation : GB_IDENTITY),
          (const struct gb_conv_plan *plan, const struct gb_exec *exec, const struct gb_tensor *dy,
           const float *packed, const struct gb_conv_input_epilogue *epilogue,
           const struct gb_tensor *dx),
          (plan, exec, dy, packed, epilogue, dx))
GB_TRACED(conv_backward_weights, conv, update ? GB_BACKWARD_UPDATE : GB_BACKWARD_WEIGHTS,
          with_activation(plan, GB_IDENTITY),
          (const struct gb_conv_plan *plan, const struct gb_exec *exec, const struct gb_tensor *x,
           const struct gb_tensor *dy, float *d_packed, const struct gb_adam_target *update),
          (plan, exec, x, dy, d_packed, update))
GB_TRACED(epilogue_backward, epilogue, GB_BACKWARD,
          ((struct gb_epilogue_problem){gb_image_of(y), activation}),
          (const struct gb_exec *exec, enum gb_activation activation, const struct gb_tensor *dy,
           const struct gb_tensor *y, const float *scale, const struct gb_tensor *du, float *d_bias,
           float *d_log_scale),
          (exec, activation, dy, y, scale, du, d_bias, d_log_scale))
