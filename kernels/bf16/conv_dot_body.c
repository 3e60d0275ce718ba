// SPDX-License-Identifier: MIT
// The loops of the units, compiled for each with its micro-kernel:
//
//   for each block of MC pixels                    its input: second-level cache
//       for each panel of NR outputs               K x NR of B: second-level cache
//           for each span of MR pixels
//               micro-kernel                       MR x NR sums: registers, over all of K
//               epilogue                           from sums in the first-level cache
//
// K is not divided: a row of B serves MR pixels, which leaves the second-level cache time enough.
// Threads divide all three loops as one, and each copies the input that it cannot read in place.
#include <stdlib.h>

#include "kernels/bf16/conv_dot_operands_tmpl.h"
#include "kernels/bf16/conv_dot_store_tmpl.h"
#include "kernels/bf16/weight_gradient.h"
#ifdef GB_HAS_TILES
#include "kernels/bf16/multiply_tiles_tmpl.h"
#else
#include "kernels/bf16/multiply_vectors_tmpl.h"
#endif

// ---- The plan ----

static int axis_extent(const struct gb_dot_axis *a) {
    return a->taps && a->outputs ? (a->outputs - 1) * a->stride + a->taps : 0;
}

// Rows of the copy: what a block reads, and beyond that as much as the second-level cache holds
// next to B, since each window begins with rows that the one before it had.
static size_t window_rows(const struct gb_dot_product *g) {
    enum { WINDOW_BYTES = 3 << 16 };
    const size_t height = (size_t)g->rows.outputs, width = (size_t)g->columns.outputs;
    const size_t row_bytes = (size_t)g->copy_w * g->pixel * sizeof(gb_bf16);
    if (height == 0 || row_bytes == 0)
        return 0;
    const size_t outputs = (g->block_spans * g->mr + width - 2) / width + 1;
    const size_t images = (outputs + height - 2) / height + 1;
    const size_t needed = outputs * (size_t)g->rows.stride + images * (size_t)g->rows.taps;
    return gb_min_size((size_t)g->n * (size_t)g->copy_h,
                       gb_max_size(needed, WINDOW_BYTES / row_bytes));
}

static struct gb_dot_product product_of(int n, int in_c, int out_c, struct gb_dot_axis rows,
                                        struct gb_dot_axis columns) {
    struct gb_dot_product g = {.rows = rows,
                               .columns = columns,
                               .n = n,
                               .in_c = in_c,
                               .out_c = out_c,
                               .pixel = gb_round_up((size_t)in_c, 2)};
    g.row_pairs = (size_t)columns.taps * g.pixel / 2;
    g.b = gb_bf16_packed_of((size_t)rows.taps * (size_t)columns.taps, (size_t)in_c, (size_t)out_c);
    g.copy_h = axis_extent(&rows);
    g.copy_w = axis_extent(&columns);
    g.mr = micro_kernel_mr(g.b.columns);
    g.spans = gb_ceil_div((size_t)n * (size_t)rows.outputs * (size_t)columns.outputs, g.mr);
    g.block_spans = gb_min_size(block_pixels(&g) / g.mr, g.spans);
    g.window_rows = window_rows(&g);
    return g;
}

static struct gb_dot_axis forward_axis(int inputs, int outputs, int taps, int stride, int pad) {
    return (struct gb_dot_axis){.inputs = inputs,
                                .outputs = outputs,
                                .taps = taps,
                                .stride = stride,
                                .origin = -pad,
                                .out_step = 1,
                                .tap_step = 1};
}

// The positions of dx that leave a remainder when divided by the stride: each reads every
// stride-th tap, from the last to the first.
static struct gb_dot_axis data_axis(int remainder, int dx, int dy, int taps, int stride, int pad) {
    const int first = (remainder + pad) % stride;
    const int count = first < taps ? (taps - first - 1) / stride + 1 : 0;
    return (struct gb_dot_axis){.inputs = dy,
                                .outputs = (dx - remainder - 1) / stride + 1,
                                .taps = count,
                                .stride = 1,
                                .origin = (remainder + pad - first) / stride - (count - 1),
                                .out_first = remainder,
                                .out_step = stride,
                                .first_tap = first + (count - 1) * stride,
                                .tap_step = -stride};
}

// A thread's scratch: its window of the input, and what the micro-kernel gathers.
static size_t window_bytes(const struct gb_dot_product *g) {
    const size_t row = (size_t)g->copy_w * g->pixel;
    return gb_round_up(g->window_rows * row * sizeof(gb_bf16), GB_ALIGNMENT);
}
static size_t thread_bytes(const struct gb_dot_product *g) {
    return gb_round_up(window_bytes(g) + micro_kernel_scratch(g), GB_ALIGNMENT);
}
// Shared by threads in the data gradient: transposed weights, then partial sums.
static size_t transposed_bytes(const struct gb_dot_product *g) {
    return gb_round_up(gb_bf16_packed_count(&g->b) * sizeof(gb_bf16), GB_ALIGNMENT);
}

static struct gb_conv_choice choice_of(const struct gb_dot_product *g, size_t shared, size_t thread,
                                       size_t work) {
    const size_t nr = gb_min_size(g->b.columns, GB_BF16_NR);
    return (struct gb_conv_choice){
        .name = GB_TEXT(GB_ISA),
        .algorithm = GB_CONV_IMPLICIT_GEMM,
        .blocks = {g->mr, nr, 2 * g->b.pairs, g->block_spans * g->mr, g->b.columns},
        .shared_bytes = shared,
        .thread_bytes = thread,
        .work = work};
}

enum gb_status GB_NAME(gb_bf16_conv_plan)(const struct gb_backend *backend,
                                          const struct gb_conv_problem *p, int threads,
                                          struct gb_conv_plan *plan) {
    (void)backend, (void)threads;
    const size_t products = (size_t)p->stride_h * (size_t)p->stride_w;
    struct gb_dot_plan *dot = malloc(sizeof *dot + products * sizeof *dot->data);
    if (!dot)
        return gb_no_memory("cannot plan", "convolution");
    *plan = (struct gb_conv_plan){
        .problem = *p, .out_h = gb_conv_out_h(p), .out_w = gb_conv_out_w(p), .backend_data = dot};
    *dot = (struct gb_dot_plan){.weights = gb_bf16_packed_weights(p)};
    plan->weight_floats = gb_bf16_packed_count(&dot->weights);
    dot->forward = product_of(p->n, p->c, p->k,
                              forward_axis(p->h, plan->out_h, p->kernel_h, p->stride_h, p->pad_h),
                              forward_axis(p->w, plan->out_w, p->kernel_w, p->stride_w, p->pad_w));
    size_t thread = 0;
    for (int i = 0; i < p->stride_h && i < p->h; i++)
        for (int j = 0; j < p->stride_w && j < p->w; j++) {
            struct gb_dot_product *g = &dot->data[dot->data_count++];
            *g = product_of(p->n, p->k, p->c,
                            data_axis(i, p->h, plan->out_h, p->kernel_h, p->stride_h, p->pad_h),
                            data_axis(j, p->w, plan->out_w, p->kernel_w, p->stride_w, p->pad_w));
            dot->transposed_bytes = gb_max_size(dot->transposed_bytes, transposed_bytes(g));
            dot->partials += g->spans;
            thread = gb_max_size(thread, thread_bytes(g));
        }
    plan->forward =
        choice_of(&dot->forward, 0, thread_bytes(&dot->forward), gb_conv_work(p) / WORK_SAVED);
    plan->backward_data = choice_of(
        &dot->data[0], dot->transposed_bytes + dot->partials * partial_row(p->c) * sizeof(float),
        thread, gb_conv_work(p) / WORK_SAVED);
    plan->backward_weights = GB_NAME(gb_bf16_weight_gradient)(p);
    plan->shared_bytes = gb_max_size(plan->forward.shared_bytes, plan->backward_data.shared_bytes);
    plan->shared_bytes = gb_round_up(
        gb_max_size(plan->shared_bytes, plan->backward_weights.shared_bytes), GB_ALIGNMENT);
    plan->thread_bytes = gb_round_up(
        gb_max_size(plan->forward.thread_bytes, plan->backward_data.thread_bytes), GB_ALIGNMENT);
    return GB_OK;
}

void GB_NAME(gb_bf16_conv_plan_free)(struct gb_conv_plan *plan) {
    free(plan->backend_data);
    plan->backend_data = NULL;
}

static size_t packed_index(const struct gb_conv_plan *plan, size_t index) {
    const struct gb_dot_plan *dot = plan->backend_data;
    const size_t taps = dot->weights.taps, c = (size_t)plan->problem.c;
    return gb_bf16_packed_index(&dot->weights, index % taps, index / taps % c, index / taps / c);
}
static size_t weight_count(const struct gb_conv_plan *plan) {
    const struct gb_conv_problem *p = &plan->problem;
    return (size_t)p->k * (size_t)p->c * (size_t)p->kernel_h * (size_t)p->kernel_w;
}

void GB_NAME(gb_bf16_conv_pack)(const struct gb_conv_plan *plan, const float *oihw, float *packed) {
    memset(packed, 0, plan->weight_floats * sizeof *packed);
    for (size_t i = 0; i < weight_count(plan); i++)
        packed[packed_index(plan, i)] = oihw[i];
}

void GB_NAME(gb_bf16_conv_unpack)(const struct gb_conv_plan *plan, const float *packed,
                                  float *oihw) {
    for (size_t i = 0; i < weight_count(plan); i++)
        oihw[i] = packed[packed_index(plan, i)];
}

// ---- The loops ----

struct run {
    const struct gb_conv_plan *plan;
    const struct gb_dot_plan *dot;
    const struct gb_dot_product *products;
    int product_count;
    const struct gb_exec *exec;
    const struct gb_tensor *in;
    struct stores stores;
    const gb_bf16 *packed;
    gb_bf16 *transposed; // NULL: `packed` is B
};

struct block {
    size_t first, count; // spans
    struct dot_input in;
    struct pixel pixels[MAX_BLOCK_PIXELS];
};

static size_t pixel_count(const struct gb_dot_product *g) {
    return (size_t)g->n * (size_t)g->rows.outputs * (size_t)g->columns.outputs;
}

// `last`: the span at which the thread's share ends.
static void enter_block(const struct run *run, const struct gb_dot_product *g, struct input *input,
                        size_t first, size_t last, char *scratch, struct block *block) {
    const struct gb_tensor *out = run->stores.out;
    const struct gb_tensor *x = run->stores.backward ? run->stores.backward->x : NULL;
    const int height = g->rows.outputs, width = g->columns.outputs;
    const size_t begin = first * g->mr;
    const size_t count = gb_min_size(pixel_count(g) - begin, g->block_spans * g->mr);
    struct gb_pixel p = gb_pixel_at(begin, height, width);
    block->first = first;
    block->count = gb_ceil_div(count, g->mr);
    block->in.row = input->row;
    if (input->copied) {
        const struct gb_pixel end = gb_pixel_at(begin + count - 1, height, width);
        const size_t share = gb_min_size(pixel_count(g), last * g->mr);
        const struct gb_pixel share_end = gb_pixel_at(share - 1, height, width);
        const size_t taps = (size_t)g->rows.taps;
        copy_rows(g, run->in, copied_row(g, &p), copied_row(g, &end) + taps,
                  copied_row(g, &share_end) + taps, (gb_bf16 *)(void *)scratch, input);
    }
    const ptrdiff_t a_step = g->columns.stride * input->pixel;
    const ptrdiff_t out_step =
        g->columns.out_step * out->pixel * (ptrdiff_t)gb_type_bytes(out->type);
    const ptrdiff_t x_step =
        x ? g->columns.out_step * x->pixel * (ptrdiff_t)gb_type_bytes(x->type) : 0;
    for (size_t m = 0, end; m < count; m = end, p = gb_pixel_at(begin + m, height, width)) {
        const int i = g->rows.out_first + p.i * g->rows.out_step;
        const int j = g->columns.out_first + p.j * g->columns.out_step;
        const gb_bf16 *a = window_at(g, input, &p);
        char *to = gb_advance(out, p.n * out->image + i * out->row + j * out->pixel);
        const char *from = x ? gb_advance(x, p.n * x->image + i * x->row + j * x->pixel) : NULL;
        end = gb_min_size(count, m + (size_t)(width - p.j));
        for (; m < end; m++, a += a_step, to += out_step, from += x_step) {
            block->in.a[m] = a;
            block->pixels[m] = (struct pixel){to, from};
        }
    }
    micro_kernel_enter(g, &block->in, count, scratch + window_bytes(g));
}

// A thread's share of the micro-tiles, in the order (block, panel, span).
static void run_share(const struct run *run, const struct gb_dot_product *g, size_t first_partial,
                      int rank, int size) {
    struct input input = input_of(g, run->in);
    struct kernel_state state;
    struct block blocks[2], *block = blocks; // the epilogue of the one before may still run
    const gb_bf16 *b = run->transposed ? run->transposed : run->packed;
    const size_t panels = gb_bf16_panel_count(&g->b), block_tiles = g->block_spans * panels;
    const size_t partial_floats = partial_row(g->out_c);
    char *own =
        gb_scratch(run->exec, run->plan->shared_bytes + (size_t)rank * run->plan->thread_bytes);
    const struct gb_range share = gb_partition(g->spans * panels, rank, size);
    if (share.begin == share.end)
        return;
    const size_t last_block = (share.end - 1) / block_tiles + 1;
    const size_t last = gb_min_size(g->spans, last_block * g->block_spans);
    micro_kernel_begin(g, &state);
    for (size_t at = share.begin, count; at < share.end; at += count) {
        const size_t in_block = at % block_tiles;
        if (in_block == 0 || at == share.begin) {
            block = block == blocks ? blocks + 1 : blocks;
            enter_block(run, g, &input, at / block_tiles * g->block_spans, last, own, block);
        }
        const size_t panel = in_block / block->count, first = in_block % block->count;
        const gb_bf16 *panel_b = b + gb_bf16_panel_offset(&g->b, panel);
        count = gb_min_size(block->count - first, share.end - at);
        for (size_t s = first; s < first + count; s++) {
            const size_t pixel = s * g->mr, span = block->first + s;
            const struct tile tile = {.stores = &run->stores,
                                      .pixels = block->pixels + pixel,
                                      .count = gb_min_size(g->mr, pixel_count(g) - span * g->mr),
                                      .column = panel * GB_BF16_NR,
                                      .width = gb_bf16_panel_width(&g->b, panel),
                                      .partial = run->stores.partials +
                                                 (first_partial + span) * partial_floats};
            micro_kernel(g, &block->in, pixel, panel_b, &tile, &state);
        }
    }
    micro_kernel_end(&state);
}

static void body(void *argument, int rank, int size) {
    const struct run *run = argument;
    size_t partials = 0;
    for (int i = 0; i < run->product_count; i++) {
        const struct gb_dot_product *g = &run->products[i];
        if (run->transposed) {
            if (i > 0) // the scratch is still read
                gb_barrier(size);
            const struct gb_range panels = gb_partition(gb_bf16_panel_count(&g->b), rank, size);
            for (size_t p = panels.begin; p < panels.end; p++)
                transpose_panel(g, &run->dot->weights, run->packed, run->plan->problem.kernel_w, p,
                                run->transposed + gb_bf16_panel_offset(&g->b, p));
            gb_barrier(size);
        }
        run_share(run, g, partials, rank, size);
        partials += g->spans;
    }
    if (run->stores.backward) {
        gb_barrier(size);
        add_partials(run->stores.partials, partials, run->stores.out->c,
                     run->stores.backward->d_bias, run->stores.backward->d_log_scale, rank, size);
    }
}

void GB_NAME(gb_bf16_conv_forward)(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                                   const struct gb_tensor *x, const void *packed,
                                   const struct gb_conv_epilogue *epilogue,
                                   const struct gb_tensor *y) {
    assert(gb_conv_operands_fit(plan, exec, x, y) && epilogue);
    const struct gb_dot_plan *dot = plan->backend_data;
    struct run run = {
        .plan = plan,
        .dot = dot,
        .products = &dot->forward,
        .product_count = 1,
        .exec = exec,
        .in = x,
        .stores = {.out = y, .activation = plan->problem.activation, .forward = epilogue},
        .packed = packed};
    gb_parallel(gb_threads_for(exec, plan->forward.work), body, &run);
}

void GB_NAME(gb_bf16_conv_backward_data)(const struct gb_conv_plan *plan,
                                         const struct gb_exec *exec, const struct gb_tensor *dy,
                                         const void *packed,
                                         const struct gb_conv_input_epilogue *epilogue,
                                         const struct gb_tensor *dx) {
    assert(gb_conv_operands_fit(plan, exec, dx, dy) && dy->type == GB_BF16);
    assert(gb_conv_input_epilogue_fits(epilogue, dx));
    const struct gb_dot_plan *dot = plan->backend_data;
    struct run run = {.plan = plan,
                      .dot = dot,
                      .products = dot->data,
                      .product_count = dot->data_count,
                      .exec = exec,
                      .in = dy,
                      .stores = {.out = dx,
                                 .activation = epilogue ? epilogue->activation : GB_IDENTITY,
                                 .backward = epilogue,
                                 .partials = gb_scratch(exec, dot->transposed_bytes)},
                      .packed = packed,
                      .transposed = gb_scratch(exec, 0)};
    gb_parallel(gb_threads_for(exec, plan->backward_data.work), body, &run);
}
