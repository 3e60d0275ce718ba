// SPDX-License-Identifier: MIT
// Convolution with bf16 operands, widened to floats one sum at a time in the order of a unit
// (kernels/bf16/units.h). Packed weights are PyTorch's OIHW.
#include <stdlib.h>

#include "kernels/adam/adam_inline.h"
#include "kernels/bf16/chain.h"
#include "kernels/bf16/units.h"
#include "kernels/bf16/weight_gradient.h"
#include "kernels/conv/oihw.h"
#include "kernels/epilogue/activation.h"
#include "kernels/natives.h"

static enum gb_status conv_plan(const struct gb_backend *backend,
                                const struct gb_conv_problem *problem, int threads,
                                struct gb_conv_plan *plan) {
    (void)backend, (void)threads;
    *plan = (struct gb_conv_plan){
        .problem = *problem,
        .out_h = gb_conv_out_h(problem),
        .out_w = gb_conv_out_w(problem),
        .weight_floats = (size_t)problem->k * gb_oihw_row(problem),
        .thread_bytes = gb_round_up(gb_oihw_row(problem) * sizeof(float), GB_ALIGNMENT),
    };
    // Sums of the data gradient before they are rounded.
    plan->shared_bytes = gb_round_up((size_t)problem->n * (size_t)problem->h * (size_t)problem->w *
                                         (size_t)problem->c * sizeof(float),
                                     GB_ALIGNMENT);
    plan->forward = plan->backward_data = plan->backward_weights = (struct gb_conv_choice){
        .name = gb_bf16_widened_pairs.name, .thread_bytes = plan->thread_bytes, .work = SIZE_MAX};
    return GB_OK;
}

static void conv_plan_free(struct gb_conv_plan *plan) {
    (void)plan;
}

static void conv_pack(const struct gb_conv_plan *plan, const float *oihw, float *packed) {
    memcpy(packed, oihw, plan->weight_floats * sizeof *packed);
}

static void conv_unpack(const struct gb_conv_plan *plan, const float *packed, float *oihw) {
    memcpy(oihw, packed, plan->weight_floats * sizeof *oihw);
}

struct job {
    const struct gb_conv_plan *plan;
    enum gb_bf16_order order;
    const struct gb_exec *exec;
    const struct gb_tensor *x, *y; // or their gradients
    const gb_bf16 *weights;
    const struct gb_conv_epilogue *epilogue;
    float *d_weights;
    const struct gb_adam_target *update;
};

static float forward_sum(const struct job *job, int n, int i, int j, int o) {
    const struct gb_conv_problem *p = &job->plan->problem;
    struct gb_chain chain = gb_chain_of(job->order);
    for (int a = 0; a < p->kernel_h; a++) {
        const int row = i * p->stride_h + a - p->pad_h;
        for (int b = 0; b < p->kernel_w && gb_inside(row, p->h); b++) {
            const int column = j * p->stride_w + b - p->pad_w;
            for (int q = 0; q < p->c; q++) {
                const float x = gb_inside(column, p->w) ? gb_get(job->x, n, row, column, q) : 0;
                gb_chain_add(&chain, gb_bf16_round(x), job->weights[gb_oihw_index(p, o, q, a, b)]);
            }
            gb_chain_pad(&chain);
        }
        gb_chain_close(&chain);
    }
    return chain.sum;
}

static void forward_rows(void *argument, int rank, int size) {
    const struct job *job = argument;
    const struct gb_conv_plan *plan = job->plan;
    const float *bias = job->epilogue->bias, *scale = job->epilogue->scale;
    struct gb_range rows = gb_partition((size_t)plan->problem.n * (size_t)plan->out_h, rank, size);
    for (size_t row = rows.begin; row < rows.end; row++) {
        int n = (int)(row / (size_t)plan->out_h), i = (int)(row % (size_t)plan->out_h);
        for (int j = 0; j < plan->out_w; j++)
            for (int o = 0; o < plan->problem.k; o++) {
                float u = forward_sum(job, n, i, j, o) + (bias ? bias[o] : 0.0f);
                u *= scale ? scale[o] : 1.0f;
                gb_put(job->y, n, i, j, o, gb_v_activate(plan->problem.activation, gb_v_set(u))[0]);
            }
    }
}

static void forward(enum gb_bf16_order order, const struct gb_conv_plan *plan,
                    const struct gb_exec *exec, const struct gb_tensor *x, const void *packed,
                    const struct gb_conv_epilogue *epilogue, const struct gb_tensor *y) {
    assert(gb_conv_operands_fit(plan, exec, x, y) && epilogue);
    struct job job = {
        .plan = plan, .order = order, .x = x, .y = y, .weights = packed, .epilogue = epilogue};
    gb_parallel(exec->threads, forward_rows, &job);
}

// Filter rows in the order of the rows of dy, and taps in that of its pixels: both backwards.
static float backward_data_sum(const struct job *job, int n, int row, int column, int q) {
    const struct gb_conv_plan *plan = job->plan;
    const struct gb_conv_problem *p = &plan->problem;
    struct gb_chain chain = gb_chain_of(job->order);
    for (int a = p->kernel_h - 1; a >= 0; a--) {
        const int i = row + p->pad_h - a; // times the stride
        if (i % p->stride_h || !gb_inside(i / p->stride_h, plan->out_h))
            continue;
        for (int b = p->kernel_w - 1; b >= 0; b--) {
            const int j = column + p->pad_w - b;
            if (j % p->stride_w)
                continue;
            const bool read = gb_inside(j / p->stride_w, plan->out_w);
            for (int o = 0; o < p->k; o++)
                gb_chain_add(&chain,
                             read ? gb_bf16_at(job->y, n, i / p->stride_h, j / p->stride_w)[o] : 0,
                             job->weights[gb_oihw_index(p, o, q, a, b)]);
            gb_chain_pad(&chain);
        }
        gb_chain_close(&chain);
    }
    return chain.sum;
}

static void backward_data_rows(void *argument, int rank, int size) {
    const struct job *job = argument;
    const struct gb_conv_problem *p = &job->plan->problem;
    struct gb_range rows = gb_partition((size_t)p->n * (size_t)p->h, rank, size);
    for (size_t row = rows.begin; row < rows.end; row++)
        for (int j = 0; j < p->w; j++)
            for (int q = 0; q < p->c; q++) {
                int n = (int)(row / (size_t)p->h), i = (int)(row % (size_t)p->h);
                gb_put(job->x, n, i, j, q, backward_data_sum(job, n, i, j, q));
            }
}

static void backward_data(enum gb_bf16_order order, const struct gb_conv_plan *plan,
                          const struct gb_exec *exec, const struct gb_tensor *dy,
                          const void *packed, const struct gb_conv_input_epilogue *epilogue,
                          const struct gb_tensor *dx) {
    assert(gb_conv_operands_fit(plan, exec, dx, dy) && dy->type == GB_BF16);
    assert(gb_conv_input_epilogue_fits(epilogue, dx));
    struct job job = {.plan = plan, .order = order, .x = dx, .y = dy, .weights = packed};
    if (!epilogue) {
        gb_parallel(exec->threads, backward_data_rows, &job);
        return;
    }
    const struct gb_tensor sums = gb_dense(gb_scratch(exec, 0), dx->n, dx->h, dx->w, dx->c);
    job.x = &sums;
    gb_parallel(exec->threads, backward_data_rows, &job);
    // The reference takes sums that are floats next to an input that is bf16.
    gb_backend__scalar.epilogue_backward(exec, epilogue->activation, &sums, epilogue->x,
                                         epilogue->scale, dx, epilogue->d_bias,
                                         epilogue->d_log_scale);
}

// Pixels of the output along a row, in pairs of neighbours: (0, 1), (2, 3), ... Blocks of tiles run
// through the rows of a segment.
static float backward_weights_sum(const struct job *job, int o, int q, int a, int b) {
    const struct gb_conv_plan *plan = job->plan;
    const struct gb_conv_problem *p = &plan->problem;
    const struct gb_bf16_gradient segments = gb_bf16_gradient_of(p);
    struct gb_chain chain = gb_chain_of(job->order);
    for (size_t r = 0; r < segments.rows; r++) {
        const int n = (int)(r / segments.image), i = (int)(r % segments.image);
        const int row = i * p->stride_h + a - p->pad_h;
        for (int j = 0; j < plan->out_w; j++) {
            const int column = j * p->stride_w + b - p->pad_w;
            const bool read = gb_inside(row, p->h) && gb_inside(column, p->w);
            const float x = read ? gb_get(job->x, n, row, column, q) : 0;
            gb_chain_add(&chain, gb_bf16_round(x), gb_bf16_at(job->y, n, i, j)[o]);
        }
        gb_chain_pad(&chain);
        if (gb_bf16_gradient_ends(&segments, r))
            gb_chain_close(&chain);
    }
    return chain.sum;
}

static void backward_weights_outputs(void *argument, int rank, int size) {
    const struct job *job = argument;
    const struct gb_conv_problem *p = &job->plan->problem;
    const struct gb_adam_target *update = job->update;
    size_t row = gb_oihw_row(p);
    struct gb_range outputs = gb_partition((size_t)p->k, rank, size);
    for (size_t o = outputs.begin; o < outputs.end; o++) {
        float *d = update ? gb_scratch(job->exec, job->plan->shared_bytes +
                                                      (size_t)rank * job->plan->thread_bytes)
                          : job->d_weights + o * row;
        for (int q = 0; q < p->c; q++)
            for (int a = 0; a < p->kernel_h; a++)
                for (int b = 0; b < p->kernel_w; b++)
                    d[gb_oihw_index(p, 0, q, a, b)] = backward_weights_sum(job, (int)o, q, a, b);
        if (update)
            gb_adam_update(update, o * row, row, d);
    }
}

static void backward_weights(enum gb_bf16_order order, const struct gb_conv_plan *plan,
                             const struct gb_exec *exec, const struct gb_tensor *x,
                             const struct gb_tensor *dy, float *d_packed,
                             const struct gb_adam_target *update) {
    assert(gb_conv_operands_fit(plan, exec, x, dy) && dy->type == GB_BF16);
    assert(gb_conv_one_target(d_packed, update));
    struct job job = {.plan = plan,
                      .order = order,
                      .exec = exec,
                      .x = x,
                      .y = dy,
                      .d_weights = d_packed,
                      .update = update};
    gb_parallel(exec->threads, backward_weights_outputs, &job);
}

// ---- In the order of each unit ----

#define GB_WIDENED(order_name, order, fc)                                                          \
    static void forward_##order_name(                                                              \
        const struct gb_conv_plan *plan, const struct gb_exec *exec, const struct gb_tensor *x,    \
        const void *packed, const struct gb_conv_epilogue *epilogue, const struct gb_tensor *y) {  \
        forward(order, plan, exec, x, packed, epilogue, y);                                        \
    }                                                                                              \
    static void backward_data_##order_name(                                                        \
        const struct gb_conv_plan *plan, const struct gb_exec *exec, const struct gb_tensor *dy,   \
        const void *packed, const struct gb_conv_input_epilogue *epilogue,                         \
        const struct gb_tensor *dx) {                                                              \
        backward_data(order, plan, exec, dy, packed, epilogue, dx);                                \
    }                                                                                              \
    static void backward_weights_##order_name(                                                     \
        const struct gb_conv_plan *plan, const struct gb_exec *exec, const struct gb_tensor *x,    \
        const struct gb_tensor *dy, float *d_packed, const struct gb_adam_target *update) {        \
        backward_weights(order, plan, exec, x, dy, d_packed, update);                              \
    }                                                                                              \
    const struct gb_bf16_unit gb_bf16_widened_##order_name = {                                     \
        .name = "widened",                                                                         \
        .fc_name = "widened",                                                                      \
        .reference = &gb_bf16_widened_##order_name,                                                \
        .conv_plan = conv_plan,                                                                    \
        .conv_plan_free = conv_plan_free,                                                          \
        .conv_pack = conv_pack,                                                                    \
        .conv_unpack = conv_unpack,                                                                \
        .conv_forward = forward_##order_name,                                                      \
        .conv_backward_data = backward_data_##order_name,                                          \
        .conv_backward_weights = backward_weights_##order_name,                                    \
        .fc_plan = gb_bf16_widened_fc_plan,                                                        \
        .fc_plan_free = gb_bf16_widened_fc_plan_free,                                              \
        .fc_pack = gb_bf16_widened_fc_pack,                                                        \
        .fc_unpack = gb_bf16_widened_fc_unpack,                                                    \
        .fc_forward = gb_bf16_widened_fc_forward_##fc,                                             \
        .fc_backward = gb_bf16_widened_fc_backward_##fc,                                           \
    };
GB_WIDENED(pairs, GB_PAIRS, pairs)
GB_WIDENED(tiles, GB_TILES, pairs)
GB_WIDENED(odd, GB_ODD_PAIRS, odd)
