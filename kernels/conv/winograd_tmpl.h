// SPDX-License-Identifier: MIT
// 3x3 convolutions of stride 1 by Winograd's minimal filtering F(2x2, 3x3) (Lavin and Gray, "Fast
// Algorithms for Convolutional Neural Networks", 2015): tiles of 2x2 outputs, each of which takes
// 16 products of a filter and a channel instead of 36. With d the 4x4 inputs under a tile and g a
// filter,
//   y = A^T (sum over channels of (G g G^T) * (B^T d B)) A,
// so that the sums over channels are 16 matrix products of tiles by input by output channels, one
// for each element of the transform. The data gradient is the same with reversed and transposed
// filters. Coefficients are 0, 1 and 1/2: small integers stay exact. Part of conv_body.c.
#ifndef GB_CONV_WINOGRAD_TMPL_H
#define GB_CONV_WINOGRAD_TMPL_H

#include "kernels/conv/gemm_tmpl.h"

struct winograd_run {
    struct gemm_run gemm; // operands and epilogue; no product of its own
    const struct gb_conv_winograd *w;
    float *filters; // transformed
};

// Weights packed for col2im have the taps of a filter far apart: rows of them are copied flat, with
// a vector of slack.
static size_t flat_row(const struct gb_conv_gemm *packed) {
    return gb_padded_n(packed->b) + FLOATS_ALIGNED;
}

static size_t winograd_shared_floats(const struct gb_conv_winograd *w) {
    return gb_round_up(ELEMENTS * w->filter_step, FLOATS_ALIGNED);
}
static size_t winograd_thread_floats(const struct gb_conv_winograd *w,
                                     const struct gb_conv_gemm *packed) {
    size_t output_rows = 2 * 2 * SPAN_TILES * w->filters.nr;
    return gb_max_size(ELEMENTS * (w->input_step + w->output_step) + output_rows,
                       packed->lowering == GB_CONV_COL2IM ? GB_LANES * flat_row(packed) : 0);
}
// Rows of partial sums: one for each row of pixels of a span of tiles.
static size_t winograd_partial_count(const struct gb_conv_gemm *g,
                                     const struct gb_conv_winograd *w) {
    return (size_t)g->n * (size_t)g->window.rows.outputs * (size_t)w->spans.per_row;
}

// ---- Filter transform: G g G^T ----

GB_INLINE void filter_transform_1d(const gb_v g[3], gb_v u[4]) {
    const gb_v half = gb_v_set(0.5f), ends = g[0] + g[2];
    u[0] = g[0];
    u[1] = half * (ends + g[1]);
    u[2] = half * (ends - g[1]);
    u[3] = g[2];
}

// `taps`: nine vectors, tap_step floats apart, in the order in which the product reads them or
// reversed.
GB_INLINE void filter_transform(const float *taps, ptrdiff_t tap_step, bool reversed, float *to,
                                size_t element_step) {
    gb_v rows[3][4];
    GB_UNROLL
    for (int a = 0; a < 3; a++) {
        gb_v g[3];
        GB_UNROLL
        for (int b = 0; b < 3; b++)
            g[b] = gb_v_load(taps + (reversed ? 8 - 3 * a - b : 3 * a + b) * tap_step);
        filter_transform_1d(g, rows[a]);
    }
    GB_UNROLL
    for (int b = 0; b < 4; b++) {
        const gb_v column[3] = {rows[0][b], rows[1][b], rows[2][b]};
        gb_v u[4];
        filter_transform_1d(column, u);
        GB_UNROLL
        for (size_t a = 0; a < 4; a++)
            gb_v_store(to + (4 * a + (size_t)b) * element_step, u[a]);
    }
}

// The packed filters of an input channel and a vector of output channels.
struct filters {
    const float *first; // of tap (0, 0)
    ptrdiff_t tap, in;  // floats from one tap, one input channel to the next
};

// `flat`: rows of weights packed for col2im, from input channel `in` on.
static struct filters filters_at(const struct gemm_run *run, size_t in, size_t out,
                                 const float *flat) {
    const struct gb_conv_gemm *from = run->packed_shape;
    if (from->lowering == GB_CONV_COL2IM)
        return (struct filters){flat + out, from->out_c, (ptrdiff_t)flat_row(from)};
    ptrdiff_t width = (ptrdiff_t)gb_panel_width(from->b, out / from->b.nr);
    return (struct filters){run->packed + gb_packed_index(from->b, in, out), from->in_c * width,
                            width};
}

// Input channels [in, in + count) of weights packed for col2im; others are read where they are.
static void flatten_weights(const struct gemm_run *run, size_t in, size_t count, float *flat) {
    const struct gb_conv_gemm *from = run->packed_shape;
    size_t row = flat_row(from);
    if (from->lowering != GB_CONV_COL2IM)
        return;
    for (size_t q = 0; q < count; q++) {
        for (size_t panel = 0; panel < gb_panel_count(from->b); panel++) {
            size_t column = panel * from->b.nr;
            memcpy(flat + q * row + column, run->packed + gb_packed_index(from->b, in + q, column),
                   gb_panel_width(from->b, panel) * sizeof *flat);
        }
        gb_clear_rows(1, FLOATS_ALIGNED, flat + (q + 1) * row - FLOATS_ALIGNED, 0);
    }
}

// Forward: some columns (output channels) of the row of an input channel.
static void transform_filter_row(const struct winograd_run *run, size_t in, struct gb_range columns,
                                 float *room) {
    const struct gb_conv_winograd *w = run->w;
    flatten_weights(&run->gemm, in, 1, room);
    for (size_t out = columns.begin; out < columns.end; out += GB_LANES) {
        struct filters f = filters_at(&run->gemm, in, out, room);
        filter_transform(f.first, f.tap, false, run->filters + gb_packed_index(w->filters, in, out),
                         w->filter_step);
    }
}

// Data gradient: a vector of columns, which are the packed weights' input channels; rows are output
// channels. Squares of both are transposed tap by tap.
static void transform_filter_columns(const struct winograd_run *run, size_t column, float *room) {
    const struct gb_conv_winograd *w = run->w;
    const struct gb_conv_gemm *from = run->gemm.packed_shape;
    size_t in_count = gb_min_size((size_t)from->in_c - column, GB_LANES);
    float taps[9][GB_LANES * GB_LANES] = {0};
    flatten_weights(&run->gemm, column, in_count, room);
    for (size_t out = 0; out < (size_t)from->out_c; out += GB_LANES) {
        size_t count = gb_min_size((size_t)from->out_c - out, GB_LANES);
        struct filters f = filters_at(&run->gemm, column, out, room);
        for (size_t tap = 0; tap < 9; tap++) {
            const float *square = f.first + (ptrdiff_t)tap * f.tap;
            if (in_count == GB_LANES)
                gb_transpose(square, (size_t)f.in, taps[tap], GB_LANES);
            else
                transpose_edge(square, (size_t)f.in, in_count, taps[tap], GB_LANES, GB_LANES);
        }
        for (size_t i = 0; i < count; i++)
            filter_transform(taps[0] + i * GB_LANES, GB_LANES * GB_LANES, true,
                             run->filters + gb_packed_index(w->filters, out + i, column),
                             w->filter_step);
    }
}

// A thread's share: the filters of its panels, else of all of them, which threads divide.
static void transform_filters(const struct winograd_run *run, struct gb_range panels, float *room,
                              int rank, int size) {
    const struct gb_conv_winograd *w = run->w;
    bool forward = run->gemm.g->window.rows.step > 0;
    struct gb_range rows = {0, w->filters.k};
    struct gb_range columns = {panels.begin * w->filters.nr,
                               gb_min_size(panels.end * w->filters.nr, w->filters.n)};
    if (!w->divides_n && forward)
        rows = gb_partition(w->filters.k, rank, size);
    if (!w->divides_n && !forward) {
        struct gb_range vectors = gb_partition(gb_ceil_div(columns.end, GB_LANES), rank, size);
        columns.begin = vectors.begin * GB_LANES;
        columns.end = gb_min_size(vectors.end * GB_LANES, columns.end);
    }
    for (size_t in = rows.begin; forward && in < rows.end; in++)
        transform_filter_row(run, in, columns, room);
    for (size_t column = columns.begin; !forward && column < columns.end; column += GB_LANES)
        transform_filter_columns(run, column, room);
}

// ---- Input transform: B^T d B ----

GB_INLINE void input_transform_1d(const gb_v d[4], gb_v v[4]) {
    v[0] = d[0] - d[2];
    v[1] = d[1] + d[2];
    v[2] = d[2] - d[1];
    v[3] = d[1] - d[3];
}

// The 4x4 inputs under a tile; those outside the image are zero.
struct tile_input {
    const float *first;
    ptrdiff_t row, pixel;
    bool inside[4][4], all_inside;
};

static struct tile_input tile_input_at(const struct gb_conv_gemm *g, const struct gb_tensor *in,
                                       int n, int tile_i, int tile_j) {
    int i = 2 * tile_i + axis_shift(&g->window.rows);
    int j = 2 * tile_j + axis_shift(&g->window.columns);
    struct tile_input t = {.row = in->row, .pixel = in->pixel, .all_inside = true};
    t.first = (const float *)in->data + n * in->image + i * t.row + j * t.pixel;
    for (int a = 0; a < 4; a++)
        for (int b = 0; b < 4; b++) {
            t.inside[a][b] = i + a >= 0 && i + a < in->h && j + b >= 0 && j + b < in->w;
            t.all_inside &= t.inside[a][b];
        }
    return t;
}

GB_INLINE void input_transform(const struct tile_input *t, size_t channel, int lanes,
                               bool all_inside, float *to, size_t element_step) {
    gb_v rows[4][4];
    GB_UNROLL
    for (int a = 0; a < 4; a++) {
        gb_v d[4];
        GB_UNROLL
        for (int b = 0; b < 4; b++) {
            const float *from = t->first + a * t->row + b * t->pixel + channel;
            d[b] = all_inside || t->inside[a][b] ? load_lanes(from, lanes) : (gb_v){0};
        }
        input_transform_1d(d, rows[a]);
    }
    GB_UNROLL
    for (int b = 0; b < 4; b++) {
        const gb_v column[4] = {rows[0][b], rows[1][b], rows[2][b], rows[3][b]};
        gb_v v[4];
        input_transform_1d(column, v);
        GB_UNROLL
        for (size_t a = 0; a < 4; a++)
            gb_v_store(to + (4 * a + (size_t)b) * element_step, v[a]);
    }
}

GB_INLINE void transform_channels(const struct tile_input *t, size_t channels, bool all_inside,
                                  float *to, size_t element_step) {
    size_t whole = channels / GB_LANES * GB_LANES;
    for (size_t channel = 0; channel < whole; channel += GB_LANES)
        input_transform(t, channel, GB_LANES, all_inside, to + channel, element_step);
    if (whole < channels)
        input_transform(t, whole, (int)(channels - whole), all_inside, to + whole, element_step);
}

static void transform_input_tile(const struct gb_conv_gemm *g, const struct gb_tensor *in, int n,
                                 int tile_i, int tile_j, float *to, size_t element_step) {
    struct tile_input t = tile_input_at(g, in, n, tile_i, tile_j);
    if (t.all_inside)
        transform_channels(&t, (size_t)in->c, true, to, element_step);
    else
        transform_channels(&t, (size_t)in->c, false, to, element_step);
}

// ---- Output transform: A^T m A ----

GB_INLINE void output_transform_1d(const gb_v m[4], gb_v y[2]) {
    y[0] = m[0] + m[1] + m[2];
    y[1] = m[1] - m[2] - m[3];
}

// A vector of one tile: two rows of two pixels.
GB_INLINE void output_transform(const float *products, size_t element_step, float *to, size_t row,
                                size_t pixel) {
    gb_v rows[2][4];
    GB_UNROLL
    for (size_t b = 0; b < 4; b++) {
        gb_v m[4], y[2];
        GB_UNROLL
        for (size_t a = 0; a < 4; a++)
            m[a] = gb_v_load(products + (4 * a + b) * element_step);
        output_transform_1d(m, y);
        rows[0][b] = y[0];
        rows[1][b] = y[1];
    }
    GB_UNROLL
    for (size_t a = 0; a < 2; a++) {
        gb_v y[2];
        output_transform_1d(rows[a], y);
        gb_v_store(to + a * row, y[0]);
        gb_v_store(to + a * row + pixel, y[1]);
    }
}

// ---- The loops ----
//
//   for each block of MC tiles: transform its inputs       second-level cache
//       for each panel of NR output channels
//           for each of the 16 elements
//               for each MR tiles: micro-kernel            KC: all input channels
//           transform the panel's outputs and store them

struct tile_block {
    const struct winograd_run *run;
    struct gb_range panels, spans;
    size_t tiles;
    float *inputs, *products, *output_rows;
};

// The products of one panel.
static void multiply_elements(const struct tile_block *block, const struct panel *panel) {
    const struct gb_conv_winograd *w = block->run->w;
    const struct gb_k_span all = {0, 0, w->filters.k};
    size_t width = panel->width;
    size_t micro_kernels = gb_ceil_div(block->tiles, GB_MICROTILE_FLOATS / width);
    for (size_t e = 0; e < ELEMENTS; e++)
        for (size_t m = 0; m < micro_kernels; m++) {
            struct gb_range rows = gb_partition(block->tiles, (int)m, (int)micro_kernels);
            gb_micro_kernel_nn_of(rows.end - rows.begin, width)(
                block->inputs + e * w->input_step + rows.begin * w->input_row, &all, 1,
                (ptrdiff_t)w->input_row, panel->b + e * w->filter_step,
                block->products + e * w->output_step + rows.begin * width, (ptrdiff_t)width, true,
                NULL);
        }
}

// The outputs of a span of tiles, two rows of pixels, and what follows them.
static void store_span(const struct tile_block *block, size_t index, const struct panel *panel,
                       const float *products) {
    const struct gemm_run *run = &block->run->gemm;
    const struct gb_conv_winograd *w = block->run->w;
    const struct gb_window *window = &run->g->window;
    struct span tiles = span_at(&w->spans, index);
    size_t width = panel->width, row = 2 * SPAN_TILES * width, count = (size_t)tiles.count;
    for (size_t t = 0; t < count; t++)
        for (size_t v = 0; v < width; v += GB_LANES)
            output_transform(products + t * width + v, w->output_step,
                             block->output_rows + 2 * t * width + v, row, width);
    size_t per_row = (size_t)w->spans.per_row, in_row = index % per_row;
    int j = 2 * tiles.j;
    for (int a = 0; a < 2 && 2 * tiles.i + a < window->rows.outputs; a++) {
        int i = 2 * tiles.i + a;
        size_t image_row = (size_t)(tiles.n * window->rows.outputs + i);
        struct a_span pixels = {.count =
                                    gb_min_size(2 * count, (size_t)(window->columns.outputs - j)),
                                .out = gb_at(run->out, tiles.n, i, j)};
        if (run->backward) {
            pixels.x = gb_at(run->backward->x, tiles.n, i, j);
            pixels.partial =
                run->partials + (image_row * per_row + in_row) * partial_row(run->out->c);
        }
        store_sums(run, &pixels, panel, block->output_rows + (size_t)a * row);
    }
}

static void run_tile_block(const struct tile_block *block) {
    const struct winograd_run *run = block->run;
    const struct gb_conv_winograd *w = run->w;
    float *to = block->inputs;
    for (size_t s = block->spans.begin; s < block->spans.end; s++) {
        struct span tiles = span_at(&w->spans, s);
        for (int j = tiles.j; j < tiles.j + tiles.count; j++, to += w->input_row)
            transform_input_tile(run->gemm.g, run->gemm.in, tiles.n, tiles.i, j, to, w->input_step);
    }
    for (size_t p = block->panels.begin; p < block->panels.end; p++) {
        struct panel panel = panel_of(&run->gemm, w->filters, p);
        panel.b = run->filters + gb_panel_offset(w->filters, p);
        multiply_elements(block, &panel);
        const float *products = block->products;
        for (size_t s = block->spans.begin; s < block->spans.end; s++) {
            store_span(block, s, &panel, products);
            products += (size_t)span_at(&w->spans, s).count * panel.width;
        }
    }
}

static void winograd_body(void *argument, int rank, int size) {
    const struct winograd_run *run = argument;
    const struct gemm_run *gemm = &run->gemm;
    const struct gb_conv_winograd *w = run->w;
    float *own = gb_scratch(gemm->exec, gemm->thread_bytes * (size_t)rank);
    struct gb_range spans = {0, span_count(&w->spans)};
    struct tile_block block = {
        .run = run, .panels = {0, gb_panel_count(w->filters)}, .inputs = own};
    block.products = block.inputs + ELEMENTS * w->input_step;
    block.output_rows = block.products + ELEMENTS * w->output_step;
    if (w->divides_n)
        block.panels = gb_partition(block.panels.end, rank, size);
    else
        spans = gb_partition(spans.end, rank, size);
    transform_filters(run, block.panels, own, rank, size);
    if (!w->divides_n)
        gb_barrier(size);
    size_t count = spans.end - spans.begin, blocks = gb_ceil_div(count, w->block_spans);
    for (size_t b = 0; b < blocks; b++) {
        struct gb_range share = gb_partition(count, (int)b, (int)blocks);
        block.spans = (struct gb_range){spans.begin + share.begin, spans.begin + share.end};
        block.tiles = elements_in(&w->spans, block.spans);
        run_tile_block(&block);
    }
    if (gemm->backward) {
        gb_barrier(size);
        add_partials(gemm->partials, winograd_partial_count(gemm->g, w), gemm->g->out_c,
                     gemm->backward->d_bias, gemm->backward->d_log_scale, rank, size);
    }
}

// As run_gemm. Shared scratch: transformed filters, partial sums.
static void run_winograd(const struct gemm_run *gemm, int threads,
                         const struct gb_conv_gemm *packed_shape, const struct gb_conv_winograd *w,
                         const float *packed) {
    float *shared = gb_scratch(gemm->exec, (size_t)threads * gemm->thread_bytes);
    struct winograd_run run = {.gemm = *gemm, .w = w, .filters = shared};
    run.gemm.packed = packed;
    run.gemm.packed_shape = packed_shape;
    run.gemm.partials = shared + winograd_shared_floats(w);
    gb_parallel(threads, winograd_body, &run);
}

#endif
