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
        return gb_fail(GB_BAD_INPUT, "sizes make no sense", "convolution",
                       "padding of %d and %d is not smaller than the %dx%d kernel", p->pad_h,
                       p->pad_w, p->kernel_h, p->kernel_w);
    if (p->h + 2 * p->pad_h < p->kernel_h || p->w + 2 * p->pad_w < p->kernel_w)
        return gb_fail(GB_BAD_INPUT, "sizes make no sense", "convolution",
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

const struct gb_operation gb_conv_operation = {
    .name = "conv",
    .what = "convolution",
    .product = true,
    .kernels = {[GB_FORWARD] = {.entry = "conv_forward"},
                [GB_BACKWARD_DATA] = {.entry = "conv_backward_data"},
                [GB_BACKWARD_WEIGHTS] = {.entry = "conv_backward_weights"},
                [GB_BACKWARD_UPDATE] = {.entry = "conv_backward_weights"}},
    .problem_bytes = sizeof(struct gb_conv_problem),
    .sizes = conv_sizes,
    .words = gb_activation_names,
    .word = offsetof(struct gb_conv_problem, activation),
    .check = conv_check,
    .cost = conv_cost,
    .algorithm = gb_conv_algorithm,
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

size_t gb_epilogue_scratch_floats(const struct gb_tensor *y) {
    size_t pixels = (size_t)y->n * (size_t)y->h * (size_t)y->w;
    size_t chunks = (pixels + GB_EPILOGUE_CHUNK - 1) / GB_EPILOGUE_CHUNK;
    return chunks * 2 * gb_round_up((size_t)y->c, GB_CHANNEL_PAD);
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

const struct gb_operation gb_epilogue_operation = {
    .name = "epilogue",
    .what = "epilogue",
    .kernels = {[GB_BACKWARD] = {.entry = "epilogue_backward"}},
    .problem_bytes = sizeof(struct gb_epilogue_problem),
    .sizes = gb_image_problem_sizes,
    .words = gb_activation_names,
    .word = offsetof(struct gb_epilogue_problem, activation),
    .check = gb_image_check,
    .cost = epilogue_cost,
};

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
