// SPDX-License-Identifier: MIT
// The forward pass and the data gradient as one product, C = A * B, with what follows fused into
// its stores. Part of conv_body.c.
//
// Its loops are those of BLIS, with the blocks of N outermost left out: NC is N, since B is packed
// before, once for all of M.
//
//   for each block of MC rows of A                         A and the sums: second-level cache
//       for each panel of NR columns of B
//           for each block of KC steps of K                KC x NR of B: first-level cache
//               for each span of MR rows in the block
//                   micro-kernel                           MR x NR sums: registers
//
// Threads divide the first, second and fourth loop as one.
#ifndef GB_CONV_GEMM_TMPL_H
#define GB_CONV_GEMM_TMPL_H

#include "kernels/conv/padded_input_tmpl.h"
#include "kernels/epilogue/epilogue_tmpl.h"

struct gemm_run {
    const struct gb_conv_gemm *g;
    const struct gb_spans *spans; // of g, by the operands' strides
    const struct gb_exec *exec;
    const struct gb_tensor *in, *out;
    const float *b; // NULL: each thread packs the panels that it meets
    size_t thread_bytes;
    // What follows the sums: forward, or for the data gradient backward (NULL: nothing).
    const struct gb_conv_epilogue *forward;
    const struct gb_conv_input_epilogue *backward;
    enum gb_activation activation; // of the one that follows
    float *partials;
    // Weights as packed for the forward product, which the data gradient transposes to `shared_b`.
    const float *packed;
    const struct gb_conv_gemm *packed_shape;
    float *shared_b;
    float *c; // COL2IM
    struct input input;
};

// A span of A's rows: pixels [first, first + count) of the product.
struct a_span {
    size_t first, count;
    // The steps of K whose filter rows are inside the image. Others add zeros: every 24th step of a
    // 3x3 kernel at 16 x 16 pixels, every 12th at 8 x 8.
    size_t k_begin, k_end;
    const float *in; // position (0, 0) of the first row's window
    // The first row's pixel in the output, and in the input that the data gradient's epilogue
    // reads; for DEPTH_TO_SPACE the pixel of the first tap.
    float *out;
    const float *x;
    float *partial; // sums over the span's pixels
};

// A panel: `width` columns from `column` on. A vector of them is stored `out` and read `x` floats
// from a pixel, as channels from `channel` on.
struct panel {
    size_t column, width;
    const float *b;
    struct panel_vector {
        ptrdiff_t out, x, partial;
        size_t channel;
    } vectors[GB_NR];
};

static size_t taps_apart(const struct gb_conv_gemm *g) {
    return g->lowering == GB_CONV_DEPTH_TO_SPACE ? (size_t)gb_window_taps(&g->window) : 1;
}

// Rows of partial sums: one for each span and, for DEPTH_TO_SPACE, tap.
static size_t partial_count(const struct gb_conv_gemm *g, const struct gb_spans *spans) {
    return span_count(g->lowering == GB_CONV_COL2IM ? &g->out_spans : spans) * taps_apart(g);
}
static float *partial_of(const struct gemm_run *run, size_t span) {
    return run->backward ? run->partials + span * taps_apart(run->g) * partial_row(run->out->c)
                         : NULL;
}

static ptrdiff_t tap_offset(const struct gb_conv_gemm *g, const struct gb_tensor *t, size_t tap) {
    size_t across = (size_t)g->window.columns.taps;
    return (ptrdiff_t)(tap / across) * t->row + (ptrdiff_t)(tap % across) * t->pixel;
}

// Panel number `index` of columns packed as `b`; its floats are left to the caller.
static struct panel panel_of(const struct gemm_run *run, struct gb_packed_b b, size_t index) {
    const struct gb_conv_gemm *g = run->g;
    struct panel p = {.column = index * b.nr, .width = gb_panel_width(b, index)};
    for (size_t v = 0; v < p.width; v += GB_LANES) {
        size_t column = p.column + v;
        size_t tap = g->lowering == GB_CONV_DEPTH_TO_SPACE ? column / (size_t)g->out_c : 0;
        size_t channel = column - tap * (size_t)g->out_c;
        p.vectors[v / GB_LANES] = (struct panel_vector){
            .out = tap_offset(g, run->out, tap) + (ptrdiff_t)channel,
            .x = run->backward ? tap_offset(g, run->backward->x, tap) + (ptrdiff_t)channel : 0,
            .partial = (ptrdiff_t)(tap * partial_row(run->out->c) + channel),
            .channel = channel};
    }
    return p;
}

// A span's first pixel in an output, and the floats from one of its pixels to the next.
static float *first_pixel(const struct gb_conv_gemm *g, const struct gb_tensor *t, struct span s) {
    return gb_at(t, s.n, s.i * g->out_step_h, s.j * g->out_step_w);
}
static ptrdiff_t pixel_step(const struct gb_conv_gemm *g, const struct gb_tensor *t) {
    return g->out_step_w * t->pixel;
}

// ---- Epilogues: from sums, a span's rows of a panel's width, to the output ----

GB_INLINE void store_forward(const struct gemm_run *run, const struct a_span *span,
                             const struct panel *panel, const float *sums,
                             enum gb_activation activation) {
    const struct gb_conv_epilogue *e = run->forward;
    ptrdiff_t step = pixel_step(run->g, run->out);
    size_t width = panel->width, count = span->count;
    for (size_t v = 0; v < width; v += GB_LANES) {
        size_t channel = panel->column + v;
        int lanes = lanes_from(run->out->c, channel);
        gb_v bias = e->bias ? gb_v_load(e->bias + channel) : (gb_v){0};
        gb_v scale = e->scale ? gb_v_load(e->scale + channel) : gb_v_set(1.0f);
        float *out = span->out + channel;
        for (size_t r = 0; r < count; r++, out += step) {
            gb_v u = (gb_v_load(sums + r * width + v) + bias) * scale;
            store_lanes(out, gb_v_activate(activation, u), lanes);
        }
    }
}

GB_INLINE void store_backward(const struct gemm_run *run, const struct a_span *span,
                              const struct panel *panel, const float *sums,
                              enum gb_activation activation) {
    const struct gb_conv_input_epilogue *e = run->backward;
    ptrdiff_t step = pixel_step(run->g, run->out), x_step = pixel_step(run->g, e->x);
    size_t width = panel->width, count = span->count;
    for (size_t v = 0; v < width; v += GB_LANES) {
        const struct panel_vector *at = &panel->vectors[v / GB_LANES];
        int lanes = lanes_from(run->out->c, at->channel);
        gb_v scale = e->scale ? gb_v_load(e->scale + at->channel) : gb_v_set(1.0f);
        gb_v d_bias = {0}, d_log_scale = {0};
        const float *x = span->x + at->x;
        float *out = span->out + at->out, *partial = span->partial + at->partial;
        for (size_t r = 0; r < count; r++, out += step, x += x_step) {
            gb_v value = load_lanes(x, lanes);
            gb_v g = gb_v_keep(gb_v_load(sums + r * width + v), lanes);
            g = gb_v_activation_gradient(activation, g, value);
            d_log_scale += g * value;
            g *= scale;
            d_bias += g;
            store_lanes(out, g, lanes);
        }
        gb_v_store(partial, d_bias);
        gb_v_store(partial + partial_row(run->out->c) / 2, d_log_scale);
    }
}

static void store_plain(const struct gemm_run *run, const struct a_span *span,
                        const struct panel *panel, const float *sums) {
    ptrdiff_t step = pixel_step(run->g, run->out);
    for (size_t v = 0; v < panel->width; v += GB_LANES) {
        const struct panel_vector *at = &panel->vectors[v / GB_LANES];
        int lanes = lanes_from(run->out->c, at->channel);
        float *out = span->out + at->out;
        for (size_t r = 0; r < span->count; r++, out += step)
            store_lanes(out, gb_v_load(sums + r * panel->width + v), lanes);
    }
}

GB_INLINE void store_with(const struct gemm_run *run, const struct a_span *span,
                          const struct panel *panel, const float *sums,
                          enum gb_activation activation) {
    if (run->forward)
        store_forward(run, span, panel, sums, activation);
    else
        store_backward(run, span, panel, sums, activation);
}

// One instance of the loops for each activation, so that none branches on it.
static void store_sums(const struct gemm_run *run, const struct a_span *span,
                       const struct panel *panel, const float *sums) {
    if (!run->forward && !run->backward) {
        store_plain(run, span, panel, sums);
        return;
    }
    switch (run->activation) {
    case GB_IDENTITY:
        store_with(run, span, panel, sums, GB_IDENTITY);
        break;
    case GB_RELU:
        store_with(run, span, panel, sums, GB_RELU);
        break;
    case GB_LEAKY_RELU:
        store_with(run, span, panel, sums, GB_LEAKY_RELU);
        break;
    case GB_TANH:
        store_with(run, span, panel, sums, GB_TANH);
        break;
    }
}

// If nothing is summed over pixels, the micro-kernel itself applies the epilogue, in registers: 2x2
// from 3 to 64 channels took 1.25 times as long with a pass over stored sums.
static bool stores_from_registers(const struct gemm_run *run) {
    return run->g->lowering == GB_CONV_IMPLICIT_GEMM && !run->backward &&
           run->activation != GB_TANH;
}
static struct gb_store store_of(const struct gemm_run *run, const struct a_span *span,
                                const struct panel *panel) {
    const struct gb_conv_epilogue *e = run->forward;
    return (struct gb_store){.out = span->out + panel->column,
                             .row = pixel_step(run->g, run->out),
                             .lanes =
                                 lanes_from(run->out->c, panel->column + panel->width - GB_LANES),
                             .activation = run->activation,
                             .bias = e && e->bias ? e->bias + panel->column : NULL,
                             .scale = e && e->scale ? e->scale + panel->column : NULL};
}

// ---- Packing B: the data gradient's weights ----

// A square that ends early; the remaining columns of its target are padding.
static void transpose_edge(const float *from, size_t from_row, size_t rows, float *to,
                           size_t to_row, size_t columns) {
    float in[GB_LANES * GB_LANES] = {0}, out[GB_LANES * GB_LANES];
    for (size_t r = 0; r < rows; r++)
        gb_v_store(in + r * GB_LANES, gb_v_load(from + r * from_row));
    gb_transpose(in, GB_LANES, out, GB_LANES);
    for (size_t c = 0; c < columns; c++)
        gb_v_store(to + c * to_row, gb_v_load(out + c * GB_LANES));
}

// Packs one panel of the transposed weights: input and output channels change places. If the two
// products have the same lowering (implicit_gemm), each tap's matrix is transposed by itself,
// otherwise the whole matrix.
static void pack_panel(const struct gemm_run *run, size_t panel, float *to) {
    const struct gb_packed_b from = run->packed_shape->b, b = run->g->b;
    bool by_tap = run->packed_shape->lowering == run->g->lowering;
    size_t taps = by_tap ? (size_t)gb_window_taps(&run->g->window) : 1;
    size_t rows = from.k / taps, columns = from.n;
    size_t width = gb_panel_width(b, panel), first = panel * b.nr;
    for (size_t tap = 0; tap < taps; tap++)
        for (size_t column = 0; column < columns; column += GB_LANES)
            for (size_t row = first; row < first + width; row += GB_LANES) {
                const float *source = run->packed + gb_packed_index(from, tap * rows + row, column);
                size_t source_row = gb_panel_width(from, column / from.nr);
                float *target = to + (tap * columns + column) * width + row - first;
                size_t row_count = gb_min_size(rows - row, GB_LANES);
                size_t column_count = gb_min_size(columns - column, GB_LANES);
                if (row_count == GB_LANES && column_count == GB_LANES)
                    gb_transpose(source, source_row, target, width);
                else
                    transpose_edge(source, source_row, row_count, target, width, column_count);
            }
}

static void pack_panels(const struct gemm_run *run, struct gb_range panels, float *to) {
    for (size_t panel = panels.begin; panel < panels.end; panel++)
        pack_panel(run, panel, to + gb_panel_offset(run->g->b, panel));
}

// ---- The loops ----

// A block of MC rows, and the thread that works on it.
struct mc_block {
    const struct gemm_run *run;
    const float *b;
    float *sums; // of its spans for one panel, between blocks of KC
    size_t count;
    struct a_span spans[MAX_MC_SPANS];
    // The input of the next block, which each micro-kernel prefetches a share of.
    const float *next_input;
    size_t prefetch_floats;
};

static struct a_span a_span_at(const struct gemm_run *run, size_t index) {
    const struct gb_conv_gemm *g = run->g;
    struct span s = span_at(run->spans, index);
    int first = (s.n * run->spans->height + s.i) * run->spans->width + s.j;
    struct gb_tap_range taps = gb_axis_taps_inside(&g->a_window.rows, s.i);
    size_t filter_row = (size_t)g->a_window.columns.taps * (size_t)g->in_c;
    struct a_span span = {.first = (size_t)first,
                          .count = (size_t)s.count,
                          .k_begin = (size_t)taps.begin * filter_row,
                          .k_end = (size_t)taps.end * filter_row,
                          .in = input_at(&run->input, s.n, s.i * g->a_window.rows.stride,
                                         s.j * g->a_window.columns.stride)};
    if (g->lowering == GB_CONV_COL2IM)
        return span;
    span.out = first_pixel(g, run->out, s);
    span.x = run->backward ? first_pixel(g, run->backward->x, s) : NULL;
    span.partial = partial_of(run, index);
    return span;
}

// The last row of input under the windows of a span, or of the last span.
static const float *input_under(const struct gemm_run *run, size_t index) {
    struct a_span span = a_span_at(run, gb_min_size(index, span_count(run->spans) - 1));
    return span.in + (run->g->a_window.rows.taps - 1) * run->input.row;
}

static void enter_block(struct mc_block *block, size_t first) {
    const struct gemm_run *run = block->run;
    const struct gb_conv_gemm *g = run->g;
    block->count = gb_min_size(g->mc_spans, span_count(run->spans) - first);
    for (size_t s = 0; s < block->count; s++)
        block->spans[s] = a_span_at(run, first + s);
    block->prefetch_floats = 0;
    if (g->padded.floats < GB_L2_FLOATS)
        return;
    size_t next = first + block->count;
    size_t k_blocks = gb_ceil_div(g->b.k, g->blocks.kc);
    size_t micro_kernels = block->count * gb_panel_count(g->b) * k_blocks;
    block->next_input = input_under(run, next);
    block->prefetch_floats =
        (size_t)(input_under(run, next + g->mc_spans) - block->next_input) / micro_kernels;
}

// A large input is in the third-level cache or in memory, and a span's rows are too short for the
// hardware prefetcher. Prefetched a block ahead, 1x1 from 256 to 256 channels at 2 x 32 x 32 pixels
// is 1.06 times as fast forward, 1.09 times backward.
static void prefetch_input(struct mc_block *block) {
    enum { SECOND_LEVEL = 2 };
    for (size_t i = 0; i < block->prefetch_floats; i += GB_LINE_FLOATS)
        __builtin_prefetch(block->next_input + i, 0, SECOND_LEVEL);
    block->next_input += block->prefetch_floats;
}

// What the epilogue reads and writes has left the caches by now. Prefetched before the sums, which
// take about a microsecond, it is there after them.
static void prefetch_output(const struct gemm_run *run, const struct a_span *span,
                            const struct panel *panel) {
    enum { MIN_STEPS = 64 };
    if (run->g->b.k < MIN_STEPS)
        return;
    ptrdiff_t count = (ptrdiff_t)span->count, step = pixel_step(run->g, run->out);
    ptrdiff_t x_step = run->backward ? pixel_step(run->g, run->backward->x) : 0;
    for (size_t v = 0; v < panel->width; v += GB_LINE_FLOATS) {
        const struct panel_vector *at = &panel->vectors[v / GB_LANES];
        for (ptrdiff_t r = 0; r < count; r++)
            __builtin_prefetch(span->out + at->out + r * step);
        for (ptrdiff_t r = 0; run->backward && r < count; r++)
            __builtin_prefetch(span->x + at->x + r * x_step);
    }
}

// Where A's rows are read over steps [begin, end) of K, counted from the first element of their
// window: filter rows in one span if contiguous, otherwise tap by tap. Taps that step backwards are
// read from the last.
static size_t list_k_spans(const struct gemm_run *run, size_t begin, size_t end,
                           struct gb_k_span *spans) {
    const struct gb_axis *rows = &run->g->a_window.rows, *columns = &run->g->a_window.columns;
    int across = columns->taps, c = run->g->in_c;
    int taps_together = columns->step > 0 && run->input.pixel == c ? across : 1;
    size_t floats = (size_t)taps_together * (size_t)c, count = 0;
    for (size_t k = begin, steps; k < end; k += steps) {
        int tap = (int)(k / floats) * taps_together, a = tap / across, b = tap % across;
        if (rows->step < 0) {
            a = rows->taps - 1 - a;
            b = across - 1 - b;
        }
        steps = gb_min_size(floats - k % floats, end - k);
        spans[count++] = (struct gb_k_span){
            a * run->input.row + b * run->input.pixel + (ptrdiff_t)(k % floats), k - begin, steps};
    }
    return count;
}

// Steps [begin, end) of K.
struct kc_block {
    size_t begin, end, span_count;
    struct gb_k_span spans[GB_KC + 1];
};

// One micro-kernel, and what follows once K is complete.
static void run_micro_kernel(const struct gemm_run *run, const struct a_span *span,
                             const struct panel *panel, const struct kc_block *k, float *sums) {
    const struct gb_conv_gemm *g = run->g;
    gb_micro_kernel_nn *kernel = gb_micro_kernel_nn_of(span->count, panel->width);
    ptrdiff_t a_row = g->a_window.columns.stride * run->input.pixel;
    size_t begin = gb_max_size(k->begin, span->k_begin), end = gb_min_size(k->end, span->k_end);
    if (begin >= end)
        return;
    struct kc_block inside;
    if (begin > k->begin || end < k->end) {
        inside.span_count = list_k_spans(run, begin, end, inside.spans);
        k = &inside;
    }
    const float *b = panel->b + begin * panel->width;
    bool first = begin == span->k_begin, last = end == span->k_end;
    if (g->lowering == GB_CONV_COL2IM) {
        size_t c_row = gb_padded_n(g->b);
        kernel(span->in, k->spans, k->span_count, a_row, b,
               run->c + span->first * c_row + panel->column, (ptrdiff_t)c_row, first, NULL);
        return;
    }
    if (last)
        prefetch_output(run, span, panel);
    bool from_registers = last && stores_from_registers(run);
    struct gb_store store;
    if (from_registers)
        store = store_of(run, span, panel);
    kernel(span->in, k->spans, k->span_count, a_row, b, sums, (ptrdiff_t)panel->width, first,
           from_registers ? &store : NULL);
    if (last && !from_registers)
        store_sums(run, span, panel, sums);
}

// The macro-kernel: spans [begin, end) of a block of MC rows by one panel, over all of K.
static void run_macro_kernel(struct mc_block *block, size_t index, size_t begin, size_t end) {
    const struct gemm_run *run = block->run;
    const struct gb_conv_gemm *g = run->g;
    size_t kept = g->b.k > g->blocks.kc ? GB_MICROTILE_FLOATS : 0;
    struct panel panel = panel_of(run, g->b, index);
    struct kc_block k;
    panel.b = block->b + gb_panel_offset(g->b, index);
    for (k.begin = 0; k.begin < g->b.k; k.begin = k.end) {
        k.end = gb_min_size(k.begin + g->blocks.kc, g->b.k);
        k.span_count = list_k_spans(run, k.begin, k.end, k.spans);
        float *sums = block->sums;
        for (size_t s = begin; s < end; s++, sums += kept) {
            prefetch_input(block);
            run_micro_kernel(run, &block->spans[s], &panel, &k, sums);
        }
    }
}

// A thread's share of the micro-tiles, in the order (block, panel, span).
static void run_gemm_share(const struct gemm_run *run, int rank, int size) {
    const struct gb_conv_gemm *g = run->g;
    size_t spans = span_count(run->spans), panels = gb_panel_count(g->b);
    float *own = gb_scratch(run->exec, run->thread_bytes * (size_t)rank);
    struct mc_block block = {.run = run, .b = run->b, .sums = own + g->private_b_floats};
    struct gb_range share = gb_partition(spans * panels, rank, size);
    if (!run->b) { // one block holds all spans
        if (share.begin < share.end)
            pack_panels(run, (struct gb_range){share.begin / spans, (share.end - 1) / spans + 1},
                        own);
        block.b = own;
    }
    for (size_t at = share.begin, count; at < share.end; at += count) {
        size_t in_block = at % (g->mc_spans * panels);
        if (in_block == 0 || at == share.begin)
            enter_block(&block, at / (g->mc_spans * panels) * g->mc_spans);
        size_t first = in_block % block.count;
        count = gb_min_size(block.count - first, share.end - at);
        run_macro_kernel(&block, in_block / block.count, first, first + count);
    }
}

// ---- col2im ----

// The sums over taps, in order, of a panel's output channels at one pixel.
GB_INLINE void sum_taps(const struct gb_conv_gemm *g, const float *c, size_t c_row,
                        struct gb_pixel p, size_t channel, size_t width, float *sums) {
    const struct gb_axis *rows = &g->window.rows, *columns = &g->window.columns;
    gb_v sum[GB_NR] = {0};
    for (int a = gb_axis_first_tap(rows, p.i); a < rows->taps; a += rows->divisor) {
        int i = gb_axis_input(rows, p.i, a);
        if (i < 0)
            continue;
        size_t row = ((size_t)p.n * (size_t)rows->inputs + (size_t)i) * (size_t)columns->inputs;
        for (int b = gb_axis_first_tap(columns, p.j); b < columns->taps; b += columns->divisor) {
            int j = gb_axis_input(columns, p.j, b);
            if (j < 0)
                continue;
            size_t tap = (size_t)(a * columns->taps + b);
            const float *at = c + (row + (size_t)j) * c_row + tap * (size_t)g->out_c + channel;
            for (size_t v = 0; v < width / GB_LANES; v++)
                sum[v] += gb_v_load(at + v * GB_LANES);
        }
    }
    for (size_t v = 0; v < width / GB_LANES; v++)
        gb_v_store(sums + v * GB_LANES, sum[v]);
}

static void run_col2im(const struct gemm_run *run, int rank, int size) {
    const struct gb_conv_gemm *g = run->g;
    const struct gb_packed_b columns = gb_packed_b_of(1, (size_t)g->out_c);
    const size_t c_row = gb_padded_n(g->b);
    float sums[GB_MICROTILE_FLOATS];
    struct gb_range share = gb_partition(span_count(&g->out_spans), rank, size);
    for (size_t index = share.begin; index < share.end; index++) {
        struct span s = span_at(&g->out_spans, index);
        struct a_span span = {.count = (size_t)s.count,
                              .out = first_pixel(g, run->out, s),
                              .x = run->backward ? first_pixel(g, run->backward->x, s) : NULL,
                              .partial = partial_of(run, index)};
        for (size_t p = 0; p < gb_panel_count(columns); p++) {
            struct panel panel = panel_of(run, columns, p);
            struct gb_pixel pixel = {s.n, s.i, s.j};
            for (size_t r = 0; r < span.count; r++, pixel.j++)
                sum_taps(g, run->c, c_row, pixel, panel.column, panel.width,
                         sums + r * panel.width);
            store_sums(run, &span, &panel, sums);
        }
    }
}

static void gemm_body(void *argument, int rank, int size) {
    const struct gemm_run *run = argument;
    const struct gb_conv_gemm *g = run->g;
    size_t padded_rows = (size_t)run->in->n * (size_t)g->padded.h;
    if (run->input.copy)
        copy_padded_rows(&run->input, &g->padded, run->in, gb_partition(padded_rows, rank, size));
    if (run->shared_b)
        pack_panels(run, gb_partition(gb_panel_count(g->b), rank, size), run->shared_b);
    if (run->input.copy || run->shared_b)
        gb_barrier(size);
    run_gemm_share(run, rank, size);
    if (g->lowering == GB_CONV_COL2IM) {
        gb_barrier(size);
        run_col2im(run, rank, size);
    }
    if (run->backward) {
        gb_barrier(size);
        add_partials(run->partials, partial_count(g, run->spans), g->out_c, run->backward->d_bias,
                     run->backward->d_log_scale, rank, size);
    }
}

// True if A's rows can be counted through as the pixels of one row: matrices under a 1x1 kernel.
static bool takes_flat_spans(const struct gemm_run *run) {
    const struct gb_window *w = &run->g->a_window;
    bool pointwise = gb_window_taps(w) == 1 && w->rows.stride == 1 && w->columns.stride == 1 &&
                     w->rows.origin == 0 && w->columns.origin == 0;
    bool flat_output =
        run->g->lowering == GB_CONV_COL2IM ||
        (gb_is_matrix(run->out) && (!run->backward || gb_is_matrix(run->backward->x)));
    return run->g->lowering != GB_CONV_DEPTH_TO_SPACE && pointwise && gb_is_matrix(run->in) &&
           flat_output;
}

// `packed`: the weights of the forward product, `packed_shape`, which is run->g itself forward.
// Shared scratch: packed B, C of col2im, partial sums, the padded input.
static void run_gemm(struct gemm_run *run, int threads, const struct gb_conv_gemm *packed_shape,
                     const float *packed) {
    const struct gb_conv_gemm *g = run->g;
    bool transposed = packed_shape != g;
    float *shared = gb_scratch(run->exec, (size_t)threads * run->thread_bytes);
    run->spans = takes_flat_spans(run) ? &g->flat_spans : &g->spans;
    run->packed = packed;
    run->packed_shape = packed_shape;
    if (!transposed) {
        run->b = packed;
    } else if (g->shared_b_floats) {
        run->b = run->shared_b = shared;
        shared += g->shared_b_floats;
    }
    run->c = shared;
    shared += g->c_floats;
    if (transposed) {
        run->partials = shared;
        shared += partial_count(g, run->spans) * partial_row(run->out->c);
    }
    run->input = input_of(&g->padded, run->in, needs_padding(&g->padded, run->in), shared);
    gb_parallel(threads, gemm_body, run);
}

#endif
