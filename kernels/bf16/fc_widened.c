// SPDX-License-Identifier: MIT
// The fully connected layer with bf16 operands, widened to floats one sum at a time in the order of
// a unit (kernels/bf16/units.h). Packed weights are PyTorch's.
#include "kernels/adam/adam_inline.h"
#include "kernels/bf16/chain.h"
#include "kernels/epilogue/activation.h"

enum gb_status gb_bf16_widened_fc_plan(const struct gb_backend *backend,
                                       const struct gb_fc_problem *problem, int threads,
                                       struct gb_fc_plan *plan) {
    (void)backend, (void)threads;
    size_t inputs = gb_fc_inputs(problem);
    *plan = (struct gb_fc_plan){
        .problem = *problem,
        .weight_floats = (size_t)problem->k * inputs,
        .thread_bytes = gb_round_up(inputs * sizeof(float), GB_ALIGNMENT),
    };
    return GB_OK;
}

void gb_bf16_widened_fc_plan_free(struct gb_fc_plan *plan) {
    (void)plan;
}

void gb_bf16_widened_fc_pack(const struct gb_fc_plan *plan, const float *out_by_in, float *packed) {
    memcpy(packed, out_by_in, plan->weight_floats * sizeof *packed);
}

void gb_bf16_widened_fc_unpack(const struct gb_fc_plan *plan, const float *packed,
                               float *out_by_in) {
    memcpy(out_by_in, packed, plan->weight_floats * sizeof *out_by_in);
}

// The inputs of sample n in the order of memory, and the weight of input i: PyTorch counts channel,
// row, column.
static float *inputs_of(const struct gb_tensor *x, int n) {
    return gb_at(x, n, 0, 0);
}
static size_t weight_of(const struct gb_tensor *x, size_t i) {
    const size_t pixels = (size_t)x->h * (size_t)x->w, c = (size_t)x->c;
    return i % c * pixels + i / c;
}

struct job {
    const struct gb_fc_plan *plan;
    enum gb_bf16_order order;
    const struct gb_exec *exec;
    const struct gb_tensor *x, *y, *dx, *dy;
    const gb_bf16 *weights;
    const float *bias;
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
            struct gb_chain chain = gb_chain_of(job->order);
            for (size_t i = 0; i < inputs; i++)
                gb_chain_add(&chain, gb_bf16_round(inputs_of(job->x, n)[i]),
                             job->weights[o * inputs + weight_of(job->x, i)]);
            gb_chain_pad(&chain);
            const float sum = chain.sum + (job->bias ? job->bias[o] : 0.0f);
            gb_at(job->y, n, 0, 0)[o] = gb_v_activate(p->activation, gb_v_set(sum))[0];
        }
}

static void forward(enum gb_bf16_order order, const struct gb_fc_plan *plan,
                    const struct gb_exec *exec, const struct gb_tensor *x, const void *packed,
                    const float *bias, const struct gb_tensor *y) {
    assert(gb_fc_operands_fit(plan, exec, x, y));
    struct job job = {
        .plan = plan, .order = order, .x = x, .y = y, .weights = packed, .bias = bias};
    gb_parallel(exec->threads, forward_outputs, &job);
}

static void backward_data(const struct job *job, struct gb_range range) {
    const struct gb_fc_problem *p = &job->plan->problem;
    size_t inputs = gb_fc_inputs(p);
    for (int n = 0; n < p->n; n++)
        for (size_t i = range.begin; i < range.end; i++) {
            struct gb_chain chain = gb_chain_of(job->order);
            for (int o = 0; o < p->k; o++)
                gb_chain_add(&chain, gb_bf16_round(gb_at(job->dy, n, 0, 0)[o]),
                             job->weights[(size_t)o * inputs + weight_of(job->dx, i)]);
            gb_chain_pad(&chain);
            inputs_of(job->dx, n)[i] = chain.sum;
        }
}

static void backward_weights(const struct job *job, struct gb_range outputs, float *scratch) {
    const struct gb_fc_problem *p = &job->plan->problem;
    const struct gb_adam_target *update = job->update;
    size_t inputs = gb_fc_inputs(p);
    for (size_t o = outputs.begin; o < outputs.end; o++) {
        float *d = update ? scratch : job->d_weights + o * inputs;
        for (size_t i = 0; i < inputs; i++) {
            struct gb_chain chain = gb_chain_of(job->order);
            for (int n = 0; n < p->n; n++)
                gb_chain_add(&chain, gb_bf16_round(inputs_of(job->x, n)[i]),
                             gb_bf16_round(gb_at(job->dy, n, 0, 0)[o]));
            gb_chain_pad(&chain);
            d[weight_of(job->x, i)] = chain.sum;
        }
        if (update)
            gb_adam_update(update, o * inputs, inputs, d);
    }
}

static void backward_body(void *argument, int rank, int size) {
    const struct job *job = argument;
    const struct gb_fc_problem *p = &job->plan->problem;
    if (job->dx)
        backward_data(job, gb_partition(gb_fc_inputs(p), rank, size));
    gb_barrier(size); // dx reads all weights before any is updated
    backward_weights(job, gb_partition((size_t)p->k, rank, size),
                     gb_scratch(job->exec, (size_t)rank * job->plan->thread_bytes));
}

static void backward(enum gb_bf16_order order, const struct gb_fc_plan *plan,
                     const struct gb_exec *exec, const struct gb_tensor *x,
                     const struct gb_tensor *dy, void *packed, const struct gb_tensor *dx,
                     float *d_packed, const struct gb_adam_target *update) {
    assert(gb_fc_operands_fit(plan, exec, x, dy) &&
           (!dx || gb_fc_operands_fit(plan, exec, dx, dy)));
    assert(gb_fc_one_target(packed, d_packed, update));
    struct job job = {plan, order, exec, x, NULL, dx, dy, packed, NULL, d_packed, update};
    gb_parallel(exec->threads, backward_body, &job);
}

// The entries of each order.
#define GB_WIDENED(order_name, order)                                                              \
    void gb_bf16_widened_fc_forward_##order_name(                                                  \
        const struct gb_fc_plan *plan, const struct gb_exec *exec, const struct gb_tensor *x,      \
        const void *packed, const float *bias, const struct gb_tensor *y) {                        \
        forward(order, plan, exec, x, packed, bias, y);                                            \
    }                                                                                              \
    void gb_bf16_widened_fc_backward_##order_name(                                                 \
        const struct gb_fc_plan *plan, const struct gb_exec *exec, const struct gb_tensor *x,      \
        const struct gb_tensor *dy, void *packed, const struct gb_tensor *dx, float *d_packed,     \
        const struct gb_adam_target *update) {                                                     \
        backward(order, plan, exec, x, dy, packed, dx, d_packed, update);                          \
    }
GB_WIDENED(pairs, GB_PAIRS)
GB_WIDENED(odd, GB_ODD_PAIRS)
