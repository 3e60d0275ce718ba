// SPDX-License-Identifier: MIT
// Convolution as matrix products, in one of these forms.
//
// Gathered, the usual one: y[p, :] = g[p, :] * W, where g[p, (tap, q)] is the input under the
// filter and W has taps*c rows and k columns. g is never made: the input is copied once with its
// padding, where it has any, and a tile, pixels of one row, reads it there filter row by filter
// row.
//
// Scattered: t[p, :] = x[p, :] * W, where W has c rows and taps*k columns; then y[p, :] is the sum
// over taps of t[pixel under the tap, (tap, :)]. It is better where k is small, because taps*k
// columns fill the vectors that k columns do not: from 256 to 12 channels on 16 lanes it is 1.4
// times as fast.
//
// Disjoint: the scattered form where every output belongs to one tap, as in the data gradient of a
// kernel as wide as its stride: the product's columns go straight to their pixels. From 64 to 64
// channels by 2x2 it is 1.8 times as fast as scattering.
//
// By tiles (winograd.h): 3x3 convolutions of stride 1 whose channels are many enough, with 4/9 of
// the multiplications: 16 products, for which the filters are made anew in every run. From 256 to
// 128 channels at 8 x 16 x 16 pixels it is 1.8 times as fast as gathered. Where tiles and channels
// are enough, every pass takes it, whatever form the packed weights have.
//
// The data gradient takes the disjoint form where it can, the scattered one where that is cheaper
// or a stride demands it, unless the forward product has it already. Packed weights are the panels
// that the forward product reads.
#include "kernels/conv/contract.h"
#include "kernels/conv/multiply.h"
#include "kernels/conv/weight_gradient.h"
#include "kernels/conv/winograd_gradient.h"
#include "kernels/slowdown.h"

// Scratch of one pass: what threads share, and what each has for itself.
struct scratch {
    size_t shared, own;
};

static struct scratch forward_scratch(const struct product *g) {
    if (goes_by_winograd(g))
        return (struct scratch){winograd_shared(g), winograd_scratch(g, g)};
    return (struct scratch){scattered_floats(g) + g->plane.floats, multiply_scratch(g)};
}

static struct scratch backward_scratch(const struct product *g, const struct product *forward) {
    size_t sums = partial_row(g->out_c);
    if (goes_by_winograd(g))
        return (struct scratch){winograd_shared(g) + winograd_partial_count(g) * sums,
                                winograd_scratch(g, forward)};
    return (struct scratch){shared_panels_floats(g) + scattered_floats(g) +
                                partial_count(g) * sums + g->plane.floats,
                            multiply_scratch(g)};
}

static struct scratch weights_scratch(const struct product *forward) {
    if (gradient_goes_by_winograd(forward))
        return (struct scratch){winograd_gradient_shared(forward),
                                winograd_gradient_scratch(forward)};
    return (struct scratch){partials_floats(forward), weight_scratch_floats(forward)};
}

enum gb_status GB_NAME(gb_conv_plan_f32)(const struct gb_conv_problem *problem, int threads,
                                         struct gb_conv_plan *plan) {
    (void)threads;
    GB_TRY(gb_conv_check(problem));
    struct product forward = forward_product(problem), backward = backward_product(problem);
    struct scratch y = forward_scratch(&forward), x = backward_scratch(&backward, &forward),
                   w = weights_scratch(&forward);
    *plan = (struct gb_conv_plan){
        .problem = *problem,
        .out_h = gb_conv_out_h(problem),
        .out_w = gb_conv_out_w(problem),
        .weight_floats = gb_panels_floats(forward.weights),
        .scratch_shared = gb_round_up(larger(larger(y.shared, x.shared), w.shared), 16),
        .scratch_per_thread = gb_round_up(larger(larger(y.own, x.own), w.own), 16),
    };
    return GB_OK;
}

void GB_NAME(gb_conv_plan_free_f32)(struct gb_conv_plan *plan) {
    (void)plan;
}

// Where weight number `index` of an OIHW array stands in the packed one.
static size_t packed_index(const struct product *g, size_t index) {
    size_t taps = (size_t)gb_window_taps(&g->window), in = (size_t)g->in_c;
    size_t tap = index % taps, q = index / taps % in, o = index / taps / in;
    return gb_panel_index(g->weights, weight_row(g, tap, q), weight_column(g, tap, o));
}

static size_t weight_count(const struct product *g) {
    return (size_t)gb_window_taps(&g->window) * (size_t)g->in_c * (size_t)g->out_c;
}

void GB_NAME(gb_conv_pack_f32)(const struct gb_conv_plan *plan, const float *oihw, float *packed) {
    struct product g = forward_product(&plan->problem);
    memset(packed, 0, plan->weight_floats * sizeof *packed);
    for (size_t i = 0; i < weight_count(&g); i++)
        packed[packed_index(&g, i)] = oihw[i];
}

void GB_NAME(gb_conv_unpack_f32)(const struct gb_conv_plan *plan, const float *packed,
                                 float *oihw) {
    struct product g = forward_product(&plan->problem);
    for (size_t i = 0; i < weight_count(&g); i++)
        oihw[i] = packed[packed_index(&g, i)];
}

static float *shared_scratch(const struct multiply_run *run, int threads) {
    return run->exec->scratch + (size_t)threads * run->per_thread;
}

static void multiply_forward(struct multiply_run *run, int threads, const float *packed) {
    run->weights = packed;
    if (counts_through(&run->g, run->in, run->out, NULL))
        lay_in_one_line(&run->g);
    run->scattered = shared_scratch(run, threads);
    run->scattered_row = gb_panels_width(run->g.weights);
    run->source = source_of(&run->g, run->in, needs_plane(&run->g, run->in),
                            run->scattered + scattered_floats(&run->g));
    gb_parallel(threads, multiply_body, run);
}

void GB_NAME(gb_conv_forward_f32)(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                                  const struct gb_tensor *x, const float *packed,
                                  const struct gb_conv_epilogue *epilogue,
                                  const struct gb_tensor *y) {
    assert(gb_conv_operands_fit(plan, exec, x, y) && epilogue);
    double begin = gb_slowdown_begin();
    struct multiply_run run = {.g = forward_product(&plan->problem),
                               .exec = exec,
                               .in = x,
                               .out = y,
                               .per_thread = plan->scratch_per_thread,
                               .forward = epilogue,
                               .activation = plan->problem.activation};
    int threads = threads_for(plan, exec);
    if (goes_by_winograd(&run.g))
        run_winograd(&run, threads, &run.g, packed);
    else
        multiply_forward(&run, threads, packed);
    gb_slowdown_end(begin);
}

static void multiply_backward(struct multiply_run *run, int threads, const struct product *forward,
                              const float *packed) {
    const struct gb_tensor *dy = run->in, *dx = run->out;
    if (counts_through(&run->g, dy, dx, run->backward ? run->backward->x : NULL))
        lay_in_one_line(&run->g);
    run->packed_shape = forward;
    run->packed = packed;
    float *shared = shared_scratch(run, threads);
    run->weights = run->transposed = run->g.transposes_alone ? NULL : shared;
    run->scattered = shared + shared_panels_floats(&run->g);
    run->scattered_row = gb_panels_width(run->g.weights);
    run->partials = run->scattered + scattered_floats(&run->g);
    run->source = source_of(&run->g, dy, needs_plane(&run->g, dy),
                            run->partials + partial_count(&run->g) * partial_row(dx->c));
    gb_parallel(threads, multiply_body, run);
}

void GB_NAME(gb_conv_backward_data_f32)(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                                        const struct gb_tensor *dy, const float *packed,
                                        const struct gb_conv_input_epilogue *epilogue,
                                        const struct gb_tensor *dx) {
    assert(gb_conv_operands_fit(plan, exec, dx, dy));
    assert(gb_conv_input_epilogue_fits(epilogue, dx));
    struct product forward = forward_product(&plan->problem);
    struct multiply_run run = {.g = backward_product(&plan->problem),
                               .exec = exec,
                               .in = dy,
                               .out = dx,
                               .per_thread = plan->scratch_per_thread,
                               .backward = epilogue,
                               .activation = epilogue ? epilogue->activation : GB_IDENTITY};
    int threads = threads_for(plan, exec);
    if (goes_by_winograd(&run.g))
        run_winograd(&run, threads, &forward, packed);
    else
        multiply_backward(&run, threads, &forward, packed);
}

void GB_NAME(gb_conv_backward_weights_f32)(const struct gb_conv_plan *plan,
                                           const struct gb_exec *exec, const struct gb_tensor *x,
                                           const struct gb_tensor *dy, float *d_packed,
                                           const struct gb_adam_target *update) {
    assert(gb_conv_operands_fit(plan, exec, x, dy));
    assert(gb_conv_one_target(d_packed, update));
    struct weight_run run = {.plan = plan, .exec = exec, .x = x, .dy = dy, .d_packed = d_packed};
    int threads = threads_for(plan, exec);
    run.update = update;
    run.forward = forward_product(&plan->problem);
    if (gradient_goes_by_winograd(&run.forward)) {
        run_winograd_gradient(&run, threads);
        return;
    }
    run.tiling = weight_tiling(&run.forward);
    run.chunks = chunk_count(&run.forward);
    run.partials = exec->scratch + (size_t)threads * plan->scratch_per_thread;
    run.a_reads = run.forward.reads;
    run.b_reads = run.forward.form == SCATTERED ? gb_window_backward(&plan->problem)
                                                : gb_window_pointwise(plan->out_h, plan->out_w);
    gb_parallel(threads, weight_body, &run);
}

struct epilogue_run {
    enum gb_activation activation;
    const struct gb_tensor *dy, *y, *du;
    const float *scale;
    float *d_bias, *d_log_scale, *partials;
    size_t chunks;
};

// Where du is dy already, its sum is all that is left to do: a third of the traffic.
static bool leaves_dy(const struct epilogue_run *run) {
    return run->activation == GB_IDENTITY && !run->scale && !run->d_log_scale &&
           run->du->data == run->dy->data;
}

GB_INLINE void epilogue_chunk(const struct epilogue_run *run, size_t chunk, bool writes) {
    const struct gb_tensor *y = run->y;
    size_t pixels = (size_t)y->n * (size_t)y->h * (size_t)y->w, first = chunk * GB_EPILOGUE_CHUNK;
    size_t count = smaller(pixels - first, GB_EPILOGUE_CHUNK);
    float *partial = run->partials + chunk * partial_row(y->c);
    for (int column = 0; column < y->c; column += GB_LANES) {
        struct gb_pixel p = gb_pixel_at(first, y->h, y->w);
        int lanes = lanes_from(y->c, (size_t)column);
        gb_v scale = run->scale ? gb_v_load(run->scale + column) : gb_v_set(1.0f);
        gb_v d_bias = {0}, d_log_scale = {0};
        for (size_t s = 0; s < count; s++, gb_pixel_next(&p, y->h, y->w)) {
            gb_v g = load_lanes(gb_at(run->dy, p.n, p.i, p.j) + column, lanes);
            if (writes) {
                gb_v value = load_lanes(gb_at(y, p.n, p.i, p.j) + column, lanes);
                g = gb_v_activation_gradient(run->activation, g, value);
                d_log_scale += g * value;
                g *= scale;
                store_lanes(gb_at(run->du, p.n, p.i, p.j) + column, g, lanes);
            }
            d_bias += g;
        }
        gb_v_store(partial + column, d_bias);
        gb_v_store(partial + partial_row(y->c) / 2 + column, d_log_scale);
    }
}

static void epilogue_body(void *argument, int rank, int size) {
    const struct epilogue_run *run = argument;
    struct gb_range chunks = gb_partition(run->chunks, rank, size);
    bool writes = !leaves_dy(run);
    for (size_t chunk = chunks.begin; chunk < chunks.end; chunk++)
        writes ? epilogue_chunk(run, chunk, true) : epilogue_chunk(run, chunk, false);
    gb_barrier(size);
    add_partials(run->partials, run->chunks, run->y->c, run->d_bias, run->d_log_scale, rank, size);
}

void GB_NAME(gb_epilogue_backward_f32)(const struct gb_exec *exec, enum gb_activation activation,
                                       const struct gb_tensor *dy, const struct gb_tensor *y,
                                       const float *scale, const struct gb_tensor *du,
                                       float *d_bias, float *d_log_scale) {
    assert(gb_same_shape(dy, y) && gb_same_shape(du, y));
    assert(gb_conv_gradients_fit(activation, d_log_scale));
    assert(exec->scratch_floats >= gb_epilogue_scratch_floats(y));
    size_t pixels = (size_t)y->n * (size_t)y->h * (size_t)y->w;
    struct epilogue_run run = {.activation = activation,
                               .dy = dy,
                               .y = y,
                               .du = du,
                               .scale = scale,
                               .d_bias = d_bias,
                               .d_log_scale = d_log_scale,
                               .partials = exec->scratch,
                               .chunks = ceil_div(pixels, GB_EPILOGUE_CHUNK)};
    gb_parallel(gb_threads_for(exec, gb_elements(y)), epilogue_body, &run);
}
