// SPDX-License-Identifier: MIT
// The fully connected layer as the contract defines it. Packed weights are PyTorch's.
#include "kernels/adam/adam_inline.h"
#include "kernels/backend.h"
#include "kernels/bf16/units.h"
#include "kernels/epilogue/activation.h"

enum gb_status gb_fc_plan__scalar(const struct gb_backend *backend,
                                  const struct gb_fc_problem *problem, int threads,
                                  struct gb_fc_plan *plan) {
    if (problem->bf16)
        return gb_bf16_fc_plan(backend, problem, threads, plan);
    GB_TRY(gb_problem_check(&gb_fc_operation, problem));
    size_t inputs = gb_fc_inputs(problem);
    *plan = (struct gb_fc_plan){
        .problem = *problem,
        .weight_floats = (size_t)problem->k * inputs,
        .thread_bytes = gb_round_up(inputs * sizeof(float), GB_ALIGNMENT),
    };
    return GB_OK;
}

void gb_fc_plan_free__scalar(struct gb_fc_plan *plan) {
    GB_BF16_ROUTE(fc_plan_free, plan);
}

void gb_fc_pack__scalar(const struct gb_fc_plan *plan, const float *out_by_in, float *packed) {
    GB_BF16_ROUTE(fc_pack, plan, out_by_in, packed);
    memcpy(packed, out_by_in, plan->weight_floats * sizeof *packed);
}

void gb_fc_unpack__scalar(const struct gb_fc_plan *plan, const float *packed, float *out_by_in) {
    GB_BF16_ROUTE(fc_unpack, plan, packed, out_by_in);
    memcpy(out_by_in, packed, plan->weight_floats * sizeof *out_by_in);
}

// Input number i as PyTorch counts it: channel, row, column.
static float *input_at(const struct gb_tensor *x, int n, size_t i) {
    size_t column = i % (size_t)x->w, row = i / (size_t)x->w % (size_t)x->h;
    return gb_at(x, n, (int)row, (int)column) + i / (size_t)x->w / (size_t)x->h;
}

struct job {
    const struct gb_fc_plan *plan;
    const struct gb_exec *exec;
    const struct gb_tensor *x, *y, *dx, *dy;
    const float *weights, *bias;
    float *d_weights;
    const struct gb_adam_target *update;
};

static void forward_outputs(void *argument, int rank, int size) {
    const struct job *job = argument;
    const struct gb_fc_problem *p = &job->plan->problem;
    size_t inputs = gb_fc_inputs(p);
    struct gb_range outputs = gb_partition((size_t)p->k, rank, size);
    for (int n = 0; n < p->n; n++)
        for (size_t o = outputs.begin; o < outputs.end; o++) {
            float sum = 0.0f;
            for (size_t i = 0; i < inputs; i++)
                sum += *input_at(job->x, n, i) * job->weights[o * inputs + i];
            sum += job->bias ? job->bias[o] : 0.0f;
            gb_at(job->y, n, 0, 0)[o] = gb_v_activate(p->activation, gb_v_set(sum))[0];
        }
}

void gb_fc_forward__scalar(const struct gb_fc_plan *plan, const struct gb_exec *exec,
                           const struct gb_tensor *x, const void *packed, const float *bias,
                           const struct gb_tensor *y) {
    GB_BF16_ROUTE(fc_forward, plan, exec, x, packed, bias, y);
    assert(gb_fc_operands_fit(plan, exec, x, y));
    struct job job = {.plan = plan, .x = x, .y = y, .weights = packed, .bias = bias};
    gb_parallel(exec->threads, forward_outputs, &job);
}

static void backward_data(const struct job *job, struct gb_range range) {
    const struct gb_fc_problem *p = &job->plan->problem;
    size_t inputs = gb_fc_inputs(p);
    for (int n = 0; n < p->n; n++)
        for (size_t i = range.begin; i < range.end; i++) {
            float sum = 0.0f;
            for (int o = 0; o < p->k; o++)
                sum += gb_at(job->dy, n, 0, 0)[o] * job->weights[(size_t)o * inputs + i];
            *input_at(job->dx, n, i) = sum;
        }
}

static void backward_weights(const struct job *job, struct gb_range outputs, float *scratch) {
    const struct gb_fc_problem *p = &job->plan->problem;
    const struct gb_adam_target *update = job->update;
    size_t inputs = gb_fc_inputs(p);
    for (size_t o = outputs.begin; o < outputs.end; o++) {
        float *d = update ? scratch : job->d_weights + o * inputs;
        for (size_t i = 0; i < inputs; i++) {
            d[i] = 0.0f;
            for (int n = 0; n < p->n; n++)
                d[i] += *input_at(job->x, n, i) * gb_at(job->dy, n, 0, 0)[o];
        }
        if (update)
            gb_adam_update(update, o * inputs, inputs, d);
    }
}

static void backward(void *argument, int rank, int size) {
    const struct job *job = argument;
    const struct gb_fc_problem *p = &job->plan->problem;
    if (job->dx)
        backward_data(job, gb_partition(gb_fc_inputs(p), rank, size));
    gb_barrier(size); // dx reads all weights before any is updated
    backward_weights(job, gb_partition((size_t)p->k, rank, size),
                     gb_scratch(job->exec, (size_t)rank * job->plan->thread_bytes));
}

void gb_fc_backward__scalar(const struct gb_fc_plan *plan, const struct gb_exec *exec,
                            const struct gb_tensor *x, const struct gb_tensor *dy, void *packed,
                            const struct gb_tensor *dx, float *d_packed,
                            const struct gb_adam_target *update) {
    GB_BF16_ROUTE(fc_backward, plan, exec, x, dy, packed, dx, d_packed, update);
    assert(gb_fc_operands_fit(plan, exec, x, dy) &&
           (!dx || gb_fc_operands_fit(plan, exec, dx, dy)));
    assert(gb_fc_one_target(packed, d_packed, update));
    struct job job = {plan, exec, x, NULL, dx, dy, packed, NULL, d_packed, update};
    gb_parallel(exec->threads, backward, &job);
}
