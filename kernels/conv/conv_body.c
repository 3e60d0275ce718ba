// SPDX-License-Identifier: MIT
// Convolution as matrix products, by one of these algorithms (kernels/conv/algorithm.h).
//
// implicit_gemm, the usual one: y[p, :] = im2col(x)[p, :] * W, where W has taps*c rows and k
// columns. The im2col matrix is never stored: the input is copied once with its padding, if it has
// any, and the micro-kernel reads its pixels there filter row by filter row.
//
// col2im: t[p, :] = x[p, :] * W, where W has c rows and taps*k columns; then y[p, :] is the sum
// over taps of t[pixel under the tap, (tap, :)]. It is better for small k, as taps*k columns fill
// the vectors that k columns do not: 1.4 times as fast from 256 to 12 channels on 16 lanes.
//
// depth_to_space: the same where every output belongs to one tap, as in the data gradient of a
// kernel as wide as its stride: the columns are stored at their pixels. From 64 to 64 channels by
// 2x2 it is 1.8 times as fast as col2im.
//
// winograd (winograd_tmpl.h): 3x3 of stride 1 with 4/9 of the multiplications: 16 products, for
// which the filters are transformed in every run. From 256 to 128 channels at 8 x 16 x 16 pixels it
// is 1.8 times as fast as implicit_gemm.
//
// Packed weights are B of the forward product, implicit_gemm's or col2im's, also where Winograd
// runs.
#include <stdlib.h>

#include "kernels/backend.h"
#include "kernels/bf16/units.h"
#include "kernels/conv/winograd_gradient_tmpl.h"
#include "kernels/slowdown.h"

static struct gb_conv_choice choice_of(enum gb_conv_algorithm algorithm,
                                       const struct gb_conv_blocks *blocks, size_t shared,
                                       size_t per_thread, size_t work) {
    return (struct gb_conv_choice){
        gb_conv_algorithm_names[algorithm], algorithm, *blocks, shared * sizeof(float),
        per_thread * sizeof(float),         work};
}

// The scratch of each algorithm, in the order in which the run functions divide it.
static struct gb_conv_choice forward_choice(const struct gb_conv_native *native,
                                            enum gb_conv_algorithm algorithm, size_t work) {
    const struct gb_conv_gemm *g = &native->forward;
    const struct gb_conv_winograd *w = &native->forward_tiles;
    if (algorithm == GB_CONV_WINOGRAD)
        return choice_of(algorithm, &w->blocks, winograd_shared_floats(w),
                         winograd_thread_floats(w, g), work);
    return choice_of(algorithm, &g->blocks, g->c_floats + g->padded.floats,
                     g->private_b_floats + g->sum_floats, work);
}

static struct gb_conv_choice data_choice(const struct gb_conv_native *native,
                                         enum gb_conv_algorithm algorithm, size_t work) {
    const struct gb_conv_gemm *g = &native->data;
    const struct gb_conv_winograd *w = &native->data_tiles;
    size_t partials = partial_row(g->out_c);
    if (algorithm == GB_CONV_WINOGRAD)
        return choice_of(algorithm, &w->blocks,
                         winograd_shared_floats(w) + winograd_partial_count(g, w) * partials,
                         winograd_thread_floats(w, &native->forward), work);
    return choice_of(algorithm, &g->blocks,
                     g->shared_b_floats + g->c_floats + partial_count(g, &g->spans) * partials +
                         g->padded.floats,
                     g->private_b_floats + g->sum_floats, work);
}

static struct gb_conv_choice weights_choice(const struct gb_conv_native *native,
                                            enum gb_conv_algorithm algorithm, size_t work) {
    const struct gb_conv_gemm *forward = &native->forward;
    const struct gb_conv_weight_gemm *g = &native->weights;
    const struct gb_conv_winograd *w = &native->weight_tiles;
    if (algorithm == GB_CONV_WINOGRAD)
        return choice_of(algorithm, &w->blocks, winograd_gradient_shared_floats(w, forward),
                         winograd_gradient_thread_floats(w, forward), work);
    return choice_of(algorithm, &g->blocks,
                     g->k_splits > 1 ? g->k_splits * gb_packed_floats(forward->b) : 0,
                     g->sum_floats + g->panel_floats + g->k_span_floats +
                         (g->filter_rows ? forward->padded.floats : 0),
                     work);
}

enum gb_status GB_NAME(gb_conv_plan)(const struct gb_backend *backend,
                                     const struct gb_conv_problem *problem, int threads,
                                     struct gb_conv_plan *plan) {
    if (problem->format != GB_FLOATS)
        return gb_bf16_conv_plan(backend, problem, threads, plan);
    GB_TRY(gb_problem_check(&gb_conv_operation, problem));
    *plan = (struct gb_conv_plan){
        .problem = *problem, .out_h = gb_conv_out_h(problem), .out_w = gb_conv_out_w(problem)};
    enum gb_conv_algorithm chosen[GB_BACKWARD_WEIGHTS + 1];
    struct gb_conv_native *native = plan->backend_data = malloc(sizeof *native);
    if (!native)
        return gb_no_memory("cannot plan", "convolution");
    enum gb_status status = choose(problem, native, chosen);
    if (status != GB_OK) {
        free(native);
        return status;
    }
    size_t work = gb_conv_work(problem), shared = 0, per_thread = 0;
    plan->forward = forward_choice(native, chosen[GB_FORWARD], work);
    plan->backward_data = data_choice(native, chosen[GB_BACKWARD_DATA], work);
    plan->backward_weights = weights_choice(native, chosen[GB_BACKWARD_WEIGHTS], work);
    plan->weight_floats = gb_packed_floats(native->forward.b);
    for (int d = 0; d <= GB_BACKWARD_WEIGHTS; d++) {
        const struct gb_conv_choice *choice = gb_conv_choice_of(plan, (enum gb_direction)d);
        shared = choice ? gb_max_size(shared, choice->shared_bytes) : shared;
        per_thread = choice ? gb_max_size(per_thread, choice->thread_bytes) : per_thread;
    }
    plan->shared_bytes = gb_round_up(shared, GB_ALIGNMENT);
    plan->thread_bytes = gb_round_up(per_thread, GB_ALIGNMENT);
    return GB_OK;
}

void GB_NAME(gb_conv_plan_free)(struct gb_conv_plan *plan) {
    GB_BF16_ROUTE(conv_plan_free, plan);
    free(plan->backend_data);
    plan->backend_data = NULL;
}

static const struct gb_conv_gemm *packed_shape(const struct gb_conv_plan *plan) {
    return &((const struct gb_conv_native *)plan->backend_data)->forward;
}

// Where weight number `index` of an OIHW array is packed.
static size_t packed_index(const struct gb_conv_gemm *g, size_t index) {
    size_t taps = (size_t)gb_window_taps(&g->window), in = (size_t)g->in_c;
    size_t tap = index % taps, q = index / taps % in, o = index / taps / in;
    return g->lowering == GB_CONV_IMPLICIT_GEMM
               ? gb_packed_index(g->b, tap * in + q, o)
               : gb_packed_index(g->b, q, tap * (size_t)g->out_c + o);
}

static size_t weight_count(const struct gb_conv_gemm *g) {
    return (size_t)gb_window_taps(&g->window) * (size_t)g->in_c * (size_t)g->out_c;
}

void GB_NAME(gb_conv_pack)(const struct gb_conv_plan *plan, const float *oihw, float *packed) {
    GB_BF16_ROUTE(conv_pack, plan, oihw, packed);
    const struct gb_conv_gemm *g = packed_shape(plan);
    memset(packed, 0, plan->weight_floats * sizeof *packed);
    for (size_t i = 0; i < weight_count(g); i++)
        packed[packed_index(g, i)] = oihw[i];
}

void GB_NAME(gb_conv_unpack)(const struct gb_conv_plan *plan, const float *packed, float *oihw) {
    GB_BF16_ROUTE(conv_unpack, plan, packed, oihw);
    const struct gb_conv_gemm *g = packed_shape(plan);
    for (size_t i = 0; i < weight_count(g); i++)
        oihw[i] = packed[packed_index(g, i)];
}

void GB_NAME(gb_conv_forward)(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                              const struct gb_tensor *x, const void *packed,
                              const struct gb_conv_epilogue *epilogue, const struct gb_tensor *y) {
    GB_BF16_ROUTE(conv_forward, plan, exec, x, packed, epilogue, y);
    assert(gb_conv_operands_fit(plan, exec, x, y) && epilogue);
    double begin = gb_slowdown_begin();
    const struct gb_conv_native *native = plan->backend_data;
    struct gemm_run run = {.g = &native->forward,
                           .exec = exec,
                           .in = x,
                           .out = y,
                           .thread_bytes = plan->thread_bytes,
                           .forward = epilogue,
                           .activation = plan->problem.activation};
    int threads = gb_threads_for(exec, plan->forward.work);
    if (plan->forward.algorithm == GB_CONV_WINOGRAD)
        run_winograd(&run, threads, &native->forward, &native->forward_tiles, packed);
    else
        run_gemm(&run, threads, &native->forward, packed);
    gb_slowdown_end(begin);
}

void GB_NAME(gb_conv_backward_data)(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                                    const struct gb_tensor *dy, const void *packed,
                                    const struct gb_conv_input_epilogue *epilogue,
                                    const struct gb_tensor *dx) {
    GB_BF16_ROUTE(conv_backward_data, plan, exec, dy, packed, epilogue, dx);
    assert(gb_conv_operands_fit(plan, exec, dx, dy));
    assert(gb_conv_input_epilogue_fits(epilogue, dx));
    const struct gb_conv_native *native = plan->backend_data;
    struct gemm_run run = {.g = &native->data,
                           .exec = exec,
                           .in = dy,
                           .out = dx,
                           .thread_bytes = plan->thread_bytes,
                           .backward = epilogue,
                           .activation = epilogue ? epilogue->activation : GB_IDENTITY};
    int threads = gb_threads_for(exec, plan->backward_data.work);
    if (plan->backward_data.algorithm == GB_CONV_WINOGRAD)
        run_winograd(&run, threads, &native->forward, &native->data_tiles, packed);
    else
        run_gemm(&run, threads, &native->forward, packed);
}

void GB_NAME(gb_conv_backward_weights)(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                                       const struct gb_tensor *x, const struct gb_tensor *dy,
                                       float *d_packed, const struct gb_adam_target *update) {
    GB_BF16_ROUTE(conv_backward_weights, plan, exec, x, dy, d_packed, update);
    assert(gb_conv_operands_fit(plan, exec, x, dy));
    assert(gb_conv_one_target(d_packed, update));
    const struct gb_conv_native *native = plan->backend_data;
    struct weight_run run = {.w = &native->weights,
                             .forward = &native->forward,
                             .exec = exec,
                             .thread_bytes = plan->thread_bytes,
                             .x = x,
                             .dy = dy,
                             .d_packed = d_packed,
                             .update = update};
    int threads = gb_threads_for(exec, plan->backward_weights.work);
    if (plan->backward_weights.algorithm == GB_CONV_WINOGRAD) {
        run_winograd_gradient(&run, threads, &native->weight_tiles);
        return;
    }
    run.split_sums = gb_scratch(exec, (size_t)threads * plan->thread_bytes);
    gb_parallel(threads, weight_body, &run);
}
