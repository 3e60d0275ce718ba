// SPDX-License-Identifier: MIT
// Convolution as the contract defines it, one sum at a time. Packed weights are PyTorch's OIHW.
#include "kernels/adam/adam_inline.h"
#include "kernels/bf16/units.h"
#include "kernels/conv/oihw.h"
#include "kernels/epilogue/activation.h"
#include "kernels/natives.h"

static float activate(enum gb_activation activation, float u) {
    return gb_v_activate(activation, gb_v_set(u))[0];
}

enum gb_status gb_conv_plan__scalar(const struct gb_backend *backend,
                                    const struct gb_conv_problem *problem, int threads,
                                    struct gb_conv_plan *plan) {
    if (problem->format != GB_FLOATS)
        return gb_bf16_conv_plan(backend, problem, threads, plan);
    GB_TRY(gb_problem_check(&gb_conv_operation, problem));
    *plan = (struct gb_conv_plan){
        .problem = *problem,
        .out_h = gb_conv_out_h(problem),
        .out_w = gb_conv_out_w(problem),
        .weight_floats = (size_t)problem->k * gb_oihw_row(problem),
        .thread_bytes = gb_round_up(gb_oihw_row(problem) * sizeof(float), GB_ALIGNMENT),
    };
    plan->forward = plan->backward_data = plan->backward_weights =
        (struct gb_conv_choice){.name = gb_conv_algorithm_names[GB_CONV_DIRECT],
                                .thread_bytes = plan->thread_bytes,
                                .work = SIZE_MAX};
    return GB_OK;
}

void gb_conv_plan_free__scalar(struct gb_conv_plan *plan) {
    GB_BF16_ROUTE(conv_plan_free, plan);
}

void gb_conv_pack__scalar(const struct gb_conv_plan *plan, const float *oihw, float *packed) {
    GB_BF16_ROUTE(conv_pack, plan, oihw, packed);
    memcpy(packed, oihw, plan->weight_floats * sizeof *packed);
}

void gb_conv_unpack__scalar(const struct gb_conv_plan *plan, const float *packed, float *oihw) {
    GB_BF16_ROUTE(conv_unpack, plan, packed, oihw);
    memcpy(oihw, packed, plan->weight_floats * sizeof *oihw);
}

struct job {
    const struct gb_conv_plan *plan;
    const struct gb_exec *exec;
    const struct gb_tensor *x, *y; // or their gradients
    const float *weights;
    const struct gb_conv_epilogue *epilogue;
    float *d_weights;
    const struct gb_adam_target *update;
};

static float forward_sum(const struct job *job, int n, int i, int j, int o) {
    const struct gb_conv_problem *p = &job->plan->problem;
    float sum = 0.0f;
    for (int a = 0; a < p->kernel_h; a++)
        for (int b = 0; b < p->kernel_w; b++) {
            int row = i * p->stride_h + a - p->pad_h, column = j * p->stride_w + b - p->pad_w;
            if (!gb_inside(row, p->h) || !gb_inside(column, p->w))
                continue;
            for (int q = 0; q < p->c; q++)
                sum +=
                    gb_at(job->x, n, row, column)[q] * job->weights[gb_oihw_index(p, o, q, a, b)];
        }
    return sum;
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
                gb_at(job->y, n, i, j)[o] =
                    activate(plan->problem.activation, (scale ? scale[o] : 1.0f) * u);
            }
    }
}

void gb_conv_forward__scalar(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                             const struct gb_tensor *x, const void *packed,
                             const struct gb_conv_epilogue *epilogue, const struct gb_tensor *y) {
    GB_BF16_ROUTE(conv_forward, plan, exec, x, packed, epilogue, y);
    assert(gb_conv_operands_fit(plan, exec, x, y) && epilogue);
    struct job job = {.plan = plan, .x = x, .y = y, .weights = packed, .epilogue = epilogue};
    gb_parallel(exec->threads, forward_rows, &job);
}

static float backward_data_sum(const struct job *job, int n, int row, int column, int q) {
    const struct gb_conv_plan *plan = job->plan;
    const struct gb_conv_problem *p = &plan->problem;
    float sum = 0.0f;
    for (int a = 0; a < p->kernel_h; a++)
        for (int b = 0; b < p->kernel_w; b++) {
            int i = row + p->pad_h - a, j = column + p->pad_w - b; // times the stride
            if (i % p->stride_h || j % p->stride_w || !gb_inside(i / p->stride_h, plan->out_h) ||
                !gb_inside(j / p->stride_w, plan->out_w))
                continue;
            const float *dy = gb_at(job->y, n, i / p->stride_h, j / p->stride_w);
            for (int o = 0; o < p->k; o++)
                sum += dy[o] * job->weights[gb_oihw_index(p, o, q, a, b)];
        }
    return sum;
}

static void backward_data_rows(void *argument, int rank, int size) {
    const struct job *job = argument;
    const struct gb_conv_problem *p = &job->plan->problem;
    struct gb_range rows = gb_partition((size_t)p->n * (size_t)p->h, rank, size);
    for (size_t row = rows.begin; row < rows.end; row++)
        for (int j = 0; j < p->w; j++)
            for (int q = 0; q < p->c; q++) {
                int n = (int)(row / (size_t)p->h), i = (int)(row % (size_t)p->h);
                gb_at(job->x, n, i, j)[q] = backward_data_sum(job, n, i, j, q);
            }
}

void gb_conv_backward_data__scalar(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                                   const struct gb_tensor *dy, const void *packed,
                                   const struct gb_conv_input_epilogue *epilogue,
                                   const struct gb_tensor *dx) {
    GB_BF16_ROUTE(conv_backward_data, plan, exec, dy, packed, epilogue, dx);
    assert(gb_conv_operands_fit(plan, exec, dx, dy));
    assert(gb_conv_input_epilogue_fits(epilogue, dx));
    struct job job = {.plan = plan, .x = dx, .y = dy, .weights = packed};
    gb_parallel(exec->threads, backward_data_rows, &job);
    if (epilogue)
        gb_backend__scalar.epilogue_backward(exec, epilogue->activation, dx, epilogue->x,
                                             epilogue->scale, dx, epilogue->d_bias,
                                             epilogue->d_log_scale);
}

static float backward_weights_sum(const struct job *job, int o, int q, int a, int b) {
    const struct gb_conv_plan *plan = job->plan;
    const struct gb_conv_problem *p = &plan->problem;
    float sum = 0.0f;
    for (int n = 0; n < p->n; n++)
        for (int i = 0; i < plan->out_h; i++)
            for (int j = 0; j < plan->out_w; j++) {
                int row = i * p->stride_h + a - p->pad_h, column = j * p->stride_w + b - p->pad_w;
                if (gb_inside(row, p->h) && gb_inside(column, p->w))
                    sum += gb_at(job->x, n, row, column)[q] * gb_at(job->y, n, i, j)[o];
            }
    return sum;
}

static void backward_weights_outputs(void *argument, int rank, int size) {
    const struct job *job = argument;
    const struct gb_conv_problem *p = &job->plan->problem;
    const struct gb_adam_target *update = job->update;
    size_t row = gb_oihw_row(p);
    struct gb_range outputs = gb_partition((size_t)p->k, rank, size);
    for (size_t o = outputs.begin; o < outputs.end; o++) {
        float *d = update ? gb_scratch(job->exec, (size_t)rank * job->plan->thread_bytes)
                          : job->d_weights + o * row;
        for (int q = 0; q < p->c; q++)
            for (int a = 0; a < p->kernel_h; a++)
                for (int b = 0; b < p->kernel_w; b++)
                    d[gb_oihw_index(p, 0, q, a, b)] = backward_weights_sum(job, (int)o, q, a, b);
        if (update)
            gb_adam_update(update, o * row, row, d);
    }
}

void gb_conv_backward_weights__scalar(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                                      const struct gb_tensor *x, const struct gb_tensor *dy,
                                      float *d_packed, const struct gb_adam_target *update) {
    GB_BF16_ROUTE(conv_backward_weights, plan, exec, x, dy, d_packed, update);
    assert(gb_conv_operands_fit(plan, exec, x, dy));
    assert(gb_conv_one_target(d_packed, update));
    struct job job = {
        .plan = plan, .exec = exec, .x = x, .y = dy, .d_weights = d_packed, .update = update};
    gb_parallel(exec->threads, backward_weights_outputs, &job);
}
