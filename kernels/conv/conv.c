// SPDX-License-Identifier: MIT
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
    const double x = (double)gb_type_bytes(gb_x_type(p->format)) * inputs;
    const enum gb_type y_type =
        direction == GB_FORWARD ? gb_y_type(p->format) : gb_precision(p->format);
    const double y = (double)gb_type_bytes(y_type) * outputs;
    // The weights of the first two directions; a weight gradient is always stored in floats.
    const bool reads = direction == GB_FORWARD || direction == GB_BACKWARD_DATA;
    const double weight = reads ? (double)gb_type_bytes(gb_precision(p->format)) : sizeof(float);
    return (struct gb_cost){gb_conv_flops(p) + (update ? GB_ADAM_FLOPS * weights : 0),
                            x + y + (update ? GB_ADAM_BYTES : weight) * weights};
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
    GB_IMAGE_SIZES(struct gb_conv_problem),
    GB_SIZE('k', struct gb_conv_problem, k),
    GB_SIZE('r', struct gb_conv_problem, kernel_h),
    GB_SIZE('s', struct gb_conv_problem, kernel_w),
    GB_SIZE('u', struct gb_conv_problem, stride_h),
    GB_SIZE('v', struct gb_conv_problem, stride_w),
    {'p', offsetof(struct gb_conv_problem, pad_h), 0, GB_SIZE_LIMIT},
    {'q', offsetof(struct gb_conv_problem, pad_w), 0, GB_SIZE_LIMIT},
    {0},
};

// ---- Operands ----

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
    return has_input_epilogue(call) ? gb_dims_image(call) : (struct gb_dims){0};
}

static struct gb_dims dims_inputs(const struct gb_call *call) {
    return has_input_epilogue(call) ? gb_dims_channels(call) : (struct gb_dims){0};
}

static struct gb_dims dims_log_scale(const struct gb_call *call) {
    const struct gb_conv_problem *p = call->problem;
    return gb_has_log_scale(p->activation) ? dims_inputs(call) : (struct gb_dims){0};
}

static enum gb_format format_of(const struct gb_call *call) {
    return ((const struct gb_conv_problem *)call->problem)->format;
}
static enum gb_type type_x(const struct gb_call *call) {
    return gb_x_type(format_of(call));
}
static enum gb_type type_y(const struct gb_call *call) {
    return gb_y_type(format_of(call));
}
// Of weights and dy.
static enum gb_type type_operand(const struct gb_call *call) {
    return gb_precision(format_of(call));
}

enum { FORWARD_X, FORWARD_Y, FORWARD_BIAS, FORWARD_SCALE, FORWARD_WEIGHTS };
static const struct gb_operand forward_operands[] = {
    {"x", GB_IN, .dims = gb_dims_image, .type = type_x},
    {"y", GB_OUT, .dims = dims_y, .type = type_y},
    {"bias", GB_IN, GB_CHANNELS, .dims = dims_outputs, .optional = true},
    {"scale", GB_IN, GB_CHANNELS, GB_FILL_SCALE, .dims = dims_outputs, .optional = true},
    {"weights", GB_IN, GB_PACKED, GB_FILL_WEIGHTS, .dims = dims_weights, .type = type_operand},
    {0},
};

enum { DATA_DY, DATA_DX, DATA_X, DATA_SCALE, DATA_D_BIAS, DATA_D_LOG_SCALE, DATA_WEIGHTS };
static const struct gb_operand data_operands[] = {
    {"dy", GB_IN, .dims = dims_y, .type = type_operand},
    {"dx", GB_OUT, .dims = gb_dims_image, .type = type_x},
    {"x", GB_IN, .dims = dims_activated, .optional = true, .type = type_x},
    {"scale", GB_IN, GB_CHANNELS, GB_FILL_SCALE, .dims = dims_inputs, .optional = true},
    {"d_bias", GB_OUT, GB_CHANNELS, .dims = dims_inputs, .optional = true},
    {"d_log_scale", GB_OUT, GB_CHANNELS, .dims = dims_log_scale, .optional = true},
    {"weights", GB_IN, GB_PACKED, GB_FILL_WEIGHTS, .dims = dims_weights, .type = type_operand},
    {0},
};

enum { WEIGHTS_X, WEIGHTS_DY, WEIGHTS_GRADIENT };
static const struct gb_operand weights_operands[] = {
    {"x", GB_IN, .dims = gb_dims_image, .type = type_x},
    {"dy", GB_IN, .dims = dims_y, .type = type_operand},
    {"gradient", GB_OUT, GB_PACKED, .dims = dims_weights},
    {0},
};

enum { UPDATE_X, UPDATE_DY, UPDATE_WEIGHTS, UPDATE_MOMENT1, UPDATE_MOMENT2 };
static const struct gb_operand update_operands[] = {
    {"x", GB_IN, .dims = gb_dims_image, .type = type_x},
    {"dy", GB_IN, .dims = dims_y, .type = type_operand},
    {"weights", GB_IN_OUT, GB_PACKED, GB_FILL_WEIGHTS, .dims = dims_weights, .type = type_operand},
    {"moment1", GB_IN_OUT, GB_PACKED, GB_FILL_NORMAL, .dims = dims_weights},
    {"moment2", GB_IN_OUT, GB_PACKED, GB_FILL_POSITIVE, .dims = dims_weights},
    {0},
};

GB_PACKED_PLAN_FUNCTIONS(conv)

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

GB_CALL(weights, conv_backward_weights, call->plan, call->exec, gb_view(call, WEIGHTS_X),
        gb_view(call, WEIGHTS_DY), gb_floats(call, WEIGHTS_GRADIENT), NULL)
static void call_update(const struct gb_call *call) {
    const struct gb_adam_target target = {.adam = call->adam,
                                          .weights = gb_floats(call, UPDATE_WEIGHTS),
                                          .moment1 = gb_floats(call, UPDATE_MOMENT1),
                                          .moment2 = gb_floats(call, UPDATE_MOMENT2),
                                          .split = gb_operand_split(call, UPDATE_WEIGHTS)};
    call->backend->conv_backward_weights(call->plan, call->exec, gb_view(call, UPDATE_X),
                                         gb_view(call, UPDATE_DY), NULL, &target);
}

// ---- Definition ----

static double weight(const struct gb_call *call, int operand, int o, int q, int a, int b) {
    const struct gb_conv_problem *p = call->problem;
    const size_t row = ((size_t)o * (size_t)p->c + (size_t)q) * (size_t)p->kernel_h + (size_t)a;
    const float w = call->unpacked[operand][row * (size_t)p->kernel_w + (size_t)b];
    gb_bf16 high;
    uint16_t low;
    gb_bf16_split(w, &high, &low);
    return p->format == GB_FLOATS ? w : gb_bf16_value(high);
}

// A value of x, as it is multiplied.
static double x_value(const struct gb_call *call, const struct gb_tensor *x, int n, int i, int j,
                      int q) {
    const float value = gb_get(x, n, i, j, q);
    return format_of(call) == GB_FLOATS ? value : gb_bf16_value(gb_bf16_round(value));
}

static bool inside(int at, int size) {
    return at >= 0 && at < size;
}

GB_DEFINITION(forward) {
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
                    gb_sum_add(&sum, x_value(call, x, at[0], row, column, q),
                               weight(call, FORWARD_WEIGHTS, o, q, a, b));
        }
    if (gb_floats(call, FORWARD_BIAS))
        gb_sum_add(&sum, gb_floats(call, FORWARD_BIAS)[o], 1);
    return gb_stored(call, FORWARD_Y,
                     gb_activated(p->activation, gb_channel(call, FORWARD_SCALE, o, 1),
                                  gb_sum_expected(call, sum)));
}

// The output position along an axis that reads position `at` by tap `a`, or -1.
static int reader(int at, int a, int pad, int stride, int out_size) {
    int position = at + pad - a;
    return position >= 0 && position % stride == 0 && position / stride < out_size
               ? position / stride
               : -1;
}

GB_DEFINITION(data) {
    const struct gb_conv_problem *p = call->problem;
    const double scale = gb_channel(call, DATA_SCALE, at[3], 1);
    if (operand != DATA_DX)
        return gb_epilogue_sum(call, p->activation, gb_view(call, DATA_DX), gb_view(call, DATA_X),
                               scale, operand == DATA_D_LOG_SCALE, at[3]);
    const struct gb_tensor *dy = gb_view(call, DATA_DY);
    struct gb_sum sum = {0};
    for (int a = 0; a < p->kernel_h; a++)
        for (int b = 0; b < p->kernel_w; b++) {
            int i = reader(at[1], a, p->pad_h, p->stride_h, gb_conv_out_h(p));
            int j = reader(at[2], b, p->pad_w, p->stride_w, gb_conv_out_w(p));
            if (i >= 0 && j >= 0)
                for (int o = 0; o < p->k; o++)
                    gb_sum_add(&sum, gb_get(dy, at[0], i, j, o),
                               weight(call, DATA_WEIGHTS, o, at[3], a, b));
        }
    struct gb_expected dx = gb_sum_expected(call, sum);
    if (gb_view(call, DATA_X))
        dx = gb_through_epilogue(p->activation, scale, gb_value(call, DATA_X, at), dx);
    return gb_stored(call, DATA_DX, dx);
}

GB_DEFINITION(weights) {
    const struct gb_conv_problem *p = call->problem;
    const struct gb_tensor *x = gb_view(call, WEIGHTS_X), *dy = gb_view(call, WEIGHTS_DY);
    const int o = at[0], q = at[1], a = at[2], b = at[3];
    struct gb_sum sum = {0};
    for (int n = 0; n < p->n; n++)
        for (int i = 0; i < dy->h; i++)
            for (int j = 0; j < dy->w; j++) {
                int row = i * p->stride_h + a - p->pad_h, column = j * p->stride_w + b - p->pad_w;
                if (inside(row, p->h) && inside(column, p->w))
                    gb_sum_add(&sum, x_value(call, x, n, row, column, q), gb_get(dy, n, i, j, o));
            }
    return gb_sum_expected(call, sum);
}

// ----

static const char *const conv_edges[] = {
    // The shapes of the models, smaller where the definition would take long.
    "n2h8w8c12k256r3s3u1v1p1q1relu", "n2h4w4c256k256r1s1u1v1p0q0relu", "n2h4w4c256k48r3s3u1v1p1q1",
    "n2h8w8c256k12r3s3u1v1p1q1", "n1h4w4c24k256r3s3u1v1p1q1relu", "n1h32w32c3k64r2s2u2v2p0q0relu",
    "n1h16w16c64k64r2s2u2v2p0q0relu", "n1h16w16c3k16r3s3u1v1p1q1relu",
    "n1h32w32c16k6r4s4u4v4p0q0relu", "n1h32w32c16k24r8s8u8v8p0q0relu", "n2h8w8c6k6r3s3u1v1p1q1",
    "n2h8w8c24k24r3s3u1v1p1q1tanh", "n1h8w8c128k128r3s3u1v1p1q1leaky",
    "n1h8w8c160k32r3s3u1v1p1q1leaky",
    // More tiles than a block has and sums of several blocks, with weights that one thread packs
    // for all; windows that touch each input once, and windows that leave some out.
    "n1h16w16c33k40r3s3u1v1p1q1relu", "n1h15w17c520k20r1s1u1v1p0q0", "n3h9w9c40k96r3s3u1v1p1q1",
    "n2h16w16c32k8r4s4u4v4p0q0relu", "n2h20w12c16k24r2s2u2v2p0q0leaky",
    "n1h9w9c16k8r2s2u2v2p0q0relu", "n1h8w12c16k5r2s3u2v3p0q0",
    // 3x3 convolutions that native kernels take by Winograd tiles: odd sizes, every padding, lines
    // of several pieces, more outputs than tiles, and weights packed for the scattered form.
    "n2h13w17c33k37r3s3u1v1p1q1relu", "n1h18w14c60k50r3s3u1v1p0q0",
    "n1h9w30c48k36r3s3u1v1p2q2leaky", "n1h6w52c32k54r3s3u1v1p1q1tanh", "n1h32w32c40k13r3s3u1v1p1q1",
    "n1h20w20c100k14r3s3u1v1p1q1relu", "n1h12w12c12k320r3s3u1v1p0q2relu",
    // Many pixels: more than one block of the weight gradient's sum; with many channels, more than
    // a library's im2col holds of a block of pixels.
    "n3h23w31c5k19r3s3u1v1p1q1", "n1h5w301c17k9r3s3u1v1p1q1relu", "n2h40w40c3k2r3s3u2v2p1q1leaky",
    "n1h32w32c40k5r3s3u1v1p1q1",
    // bf16: odd channels, blocks of pairs that end early, every format, strides, taps that skip.
    "n1h6w7c12k80r3s3u1v1p1q1relu_bf16x32", "n2h3w5c256k64r1s1u1v1p0q0relu_bf16",
    "n1h6w6c130k12r3s3u1v1p1q1_bf16y32", "n2h8w8c6k6r3s3u1v1p1q1_bf16xy32",
    "n1h8w10c64k64r2s2u2v2p0q0relu_bf16", "n1h7w13c33k37r3s3u1v1p1q1leaky_bf16",
    "n1h12w16c16k6r4s4u4v4p0q0relu_bf16x32", "n1h9w30c48k36r3s3u1v1p2q2tanh_bf16",
    "n2h20w12c17k24r2s2u2v2p0q0leaky_bf16y32", "n1h8w12c16k5r2s3u2v3p0q0_bf16xy32",
    "n1h9w17c264k20r1s1u1v1p0q0_bf16", "n2h5w7c3k64r3s3u2v2p1q1relu_bf16x32",
    "n1h10w11c96k40r3s3u1v1p1q1relu_bf16", NULL};

const struct gb_operation gb_conv_operation = {
    .name = "conv",
    .what = "convolution",
    .kernels =
        {
            GB_KERNEL(GB_FORWARD, conv_forward, forward, .scratch = scratch, .integers = true),
            GB_KERNEL(GB_BACKWARD_DATA, conv_backward_data, data, .scratch = scratch,
                      .integers = true),
            GB_KERNEL(GB_BACKWARD_WEIGHTS, conv_backward_weights, weights, .scratch = scratch,
                      .integers = true),
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
    .formats = gb_format_names,
    .format = offsetof(struct gb_conv_problem, format),
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

// ---- Tracing ----

GB_TRACED(conv_forward, conv, GB_FORWARD, plan->problem,
          (const struct gb_conv_plan *plan, const struct gb_exec *exec, const struct gb_tensor *x,
           const void *packed, const struct gb_conv_epilogue *epilogue, const struct gb_tensor *y),
          (plan, exec, x, packed, epilogue, y))
GB_TRACED(conv_backward_data, conv, GB_BACKWARD_DATA,
          with_activation(plan, epilogue ? epilogue->activation : GB_IDENTITY),
          (const struct gb_conv_plan *plan, const struct gb_exec *exec, const struct gb_tensor *dy,
           const void *packed, const struct gb_conv_input_epilogue *epilogue,
           const struct gb_tensor *dx),
          (plan, exec, dy, packed, epilogue, dx))
GB_TRACED(conv_backward_weights, conv, update ? GB_BACKWARD_UPDATE : GB_BACKWARD_WEIGHTS,
          with_activation(plan, GB_IDENTITY),
          (const struct gb_conv_plan *plan, const struct gb_exec *exec, const struct gb_tensor *x,
           const struct gb_tensor *dy, float *d_packed, const struct gb_adam_target *update),
          (plan, exec, x, dy, d_packed, update))
