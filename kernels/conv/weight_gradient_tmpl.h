// SPDX-License-Identifier: MIT
// The weight gradient as one product: the sum over pixels (K) of x under the taps (A, column-major
// in place) times dy (B, packed a panel at a time). By implicit_gemm a tap's sums run over the rows
// of pixels at which it reads inside the image, or those of a whole filter row over x with its
// padding. By im2col x and dy change places: packed weights have a row per input channel, and B is
// the im2col matrix of dy. Part of conv_body.c.
//
//   for each split of K                                    summed separately
//       for each block of N, up to 16 panels, and of M, up to 112 micro-tiles
//           for each block of KC pixels                    x and dy: second-level cache
//               for each panel of NR columns of B          packed: first-level cache
//                   for each span of MR rows               its sums: second-level cache
//                       micro-kernel
//
// Threads divide splits, panels and spans as one.
#ifndef GB_CONV_WEIGHT_GRADIENT_TMPL_H
#define GB_CONV_WEIGHT_GRADIENT_TMPL_H

#include "kernels/adam/adam_inline.h"
#include "kernels/conv/padded_input_tmpl.h"

struct weight_run {
    const struct gb_conv_weight_gemm *w;
    const struct gb_conv_gemm *forward;
    const struct gb_exec *exec;
    size_t thread_bytes;
    const struct gb_tensor *x, *dy;
    struct input input; // of filter rows; each thread has its own
    float *split_sums;  // packed gradients of the splits, where there are several
    float *d_packed;
    const struct gb_adam_target *update;
};

// The first row of M of a span; of the span behind the last one, M.
static size_t first_row(const struct gb_spans *spans, size_t index) {
    struct span s = span_at(spans, index);
    return (size_t)((s.n * spans->height + s.i) * spans->width + s.j);
}

// ---- K: rows of pixels ----

// Rows of pixels [begin, end) that are summed together.
struct k_split {
    size_t index, begin, end;
};
static struct k_split k_split_at(const struct weight_run *run, size_t index) {
    const struct gb_conv_weight_gemm *w = run->w;
    size_t rows = (size_t)run->forward->n * (size_t)w->a_window.rows.outputs;
    struct gb_range blocks = gb_partition(w->k_blocks, (int)index, (int)w->k_splits);
    return (struct k_split){index, blocks.begin * w->kc_rows,
                            gb_min_size(blocks.end * w->kc_rows, rows)};
}

// Where a tap reads x for the rows of pixels [begin, end).
static size_t list_tap_spans(const struct weight_run *run, size_t tap, size_t begin, size_t end,
                             struct gb_k_span *spans) {
    const struct gb_axis *rows = &run->w->a_window.rows, *columns = &run->w->a_window.columns;
    int a = (int)tap / columns->taps, b = (int)tap % columns->taps;
    struct gb_tap_range inside = gb_axis_inside(columns, b);
    size_t count = 0;
    for (size_t row = begin; row < end && inside.begin < inside.end; row++) {
        struct gb_pixel p = gb_pixel_at(row, rows->outputs, 1); // a row of pixels
        int i = gb_axis_input(rows, p.i, a);
        int j = inside.begin * columns->stride + columns->origin + b;
        if (i >= 0)
            spans[count++] =
                (struct gb_k_span){gb_at(run->x, p.n, i, j) - (const float *)run->x->data,
                                   (row - begin) * (size_t)columns->outputs + (size_t)inside.begin,
                                   (size_t)(inside.end - inside.begin)};
    }
    return count;
}

// The same for a whole filter row, from the padded input.
static size_t list_filter_row_spans(const struct weight_run *run, size_t a, size_t begin,
                                    size_t end, struct gb_k_span *spans) {
    const struct gb_axis *rows = &run->w->a_window.rows, *columns = &run->w->a_window.columns;
    for (size_t row = begin; row < end; row++) {
        struct gb_pixel p = gb_pixel_at(row, rows->outputs, 1);
        const float *at = input_at(&run->input, p.n, p.i * rows->stride + (int)a, 0);
        spans[row - begin] =
            (struct gb_k_span){at - run->input.data, (row - begin) * (size_t)columns->outputs,
                               (size_t)columns->outputs};
    }
    return end - begin;
}

// ---- Packing B ----

// Rows of `count` floats, padded with zeros to whole vectors.
static void copy_padded(size_t rows, size_t count, const float *from, ptrdiff_t from_row,
                        float *to) {
    size_t whole = count / GB_LANES * GB_LANES;
    int rest = (int)(count - whole);
    for (; rows > 0; rows--, from += from_row) {
        for (size_t i = 0; i < whole; i += GB_LANES, to += GB_LANES)
            gb_v_store(to, gb_v_load(from + i));
        if (rest > 0) {
            gb_v_store(to, gb_v_load_part(from + whole, rest));
            to += GB_LANES;
        }
    }
}

// A panel of B for the rows of pixels [begin, end), packed into `room`. If dy's channels fill the
// panel it is dy itself: for 3x3 from 3 to 16 channels the copy took a third of the time.
static const float *panel_at(const struct weight_run *run, size_t begin, size_t end, size_t panel,
                             float *room) {
    const struct gb_packed_b b = run->forward->b;
    const struct gb_tensor *dy = run->dy;
    size_t width = gb_panel_width(b, panel), column = panel * b.nr;
    size_t pixels = (size_t)run->w->b_window.columns.outputs, rows = (end - begin) * pixels;
    size_t used = gb_min_size(width, b.n - column);
    if (run->forward->lowering != GB_CONV_COL2IM && gb_is_matrix(dy)) {
        const float *from = gb_at(dy, 0, 0, 0) + begin * pixels * (size_t)dy->pixel;
        if ((size_t)dy->pixel == width && dy->c == dy->pixel)
            return from;
        copy_padded(rows, used, from + column, dy->pixel, room);
        return room;
    }
    gb_im2col(&run->w->b_window, dy, begin * pixels, rows, column, used, room, (ptrdiff_t)width);
    gb_clear_rows(rows, width - used, room + used, (ptrdiff_t)width);
    return room;
}

// ---- The loops ----

// Spans [begin, end) of M by one panel: MC x NR of the gradient, whose sums stay in cache while the
// blocks of KC pass.
struct c_panel {
    size_t panel, begin, end;
    size_t offset; // in packed weights
    float *sums;
};

static size_t c_panel_floats(const struct weight_run *run, const struct c_panel *c) {
    const struct gb_spans *spans = &run->w->spans;
    return (first_row(spans, c->end) - first_row(spans, c->begin)) *
           gb_panel_width(run->forward->b, c->panel);
}

// The rows of pixels whose x is prefetched, an equal share with each micro-kernel.
struct prefetch {
    size_t row, end, share, shares;
};

// x has left the caches since the forward pass: a block ahead it is brought to the second level.
static void prefetch_x(const struct weight_run *run, struct prefetch *p) {
    enum { SECOND_LEVEL = 2 };
    const struct gb_axis *rows = &run->w->a_window.rows;
    size_t row_floats = (size_t)run->x->w * (size_t)run->x->pixel;
    size_t floats = (p->end - p->row) * row_floats;
    size_t begin = floats * p->share / p->shares / GB_LINE_FLOATS * GB_LINE_FLOATS;
    size_t end = floats * ++p->share / p->shares;
    for (size_t at = begin; at < end;) {
        struct gb_pixel pixel = gb_pixel_at(p->row + at / row_floats, rows->outputs, 1);
        const float *x = gb_at(run->x, pixel.n, pixel.i * rows->stride, 0) + at % row_floats;
        size_t count = gb_min_size(end - at, row_floats - at % row_floats);
        for (size_t i = 0; i < count; i += GB_LINE_FLOATS)
            __builtin_prefetch(x + i, 0, SECOND_LEVEL);
        at += count;
    }
}

// A thread's scratch.
struct weight_scratch {
    float *sums, *panel, *padded;
    struct gb_k_span *k_spans;
};
static struct weight_scratch weight_scratch_of(const struct weight_run *run, int rank) {
    const struct gb_conv_weight_gemm *w = run->w;
    float *sums = gb_scratch(run->exec, run->thread_bytes * (size_t)rank);
    float *panel = sums + w->sum_floats, *k_spans = panel + w->panel_floats;
    return (struct weight_scratch){sums, panel, k_spans + w->k_span_floats,
                                   (struct gb_k_span *)k_spans};
}

// The macro-kernel: adds the rows of pixels [row, row_end), the `first` or further ones, to a panel
// of sums.
static void add_kc_block(const struct weight_run *run, const struct weight_scratch *scratch,
                         const struct c_panel *c, size_t row, size_t row_end, bool first,
                         struct prefetch *ahead) {
    const struct gb_conv_weight_gemm *w = run->w;
    size_t width = gb_panel_width(run->forward->b, c->panel), listed = SIZE_MAX, count = 0;
    float *sums = c->sums;
    const float *a = w->filter_rows ? run->input.data : run->x->data;
    ptrdiff_t a_k =
        w->a_window.columns.stride * (w->filter_rows ? run->input.pixel : run->x->pixel);
    const float *b = panel_at(run, row, row_end, c->panel, scratch->panel);
    for (size_t index = c->begin; index < c->end; index++) {
        struct span rows = span_at(&w->spans, index);
        size_t tap = (size_t)rows.i, mr = (size_t)rows.count; // tap: or filter row
        if (tap != listed) {
            listed = tap;
            count = w->filter_rows ? list_filter_row_spans(run, tap, row, row_end, scratch->k_spans)
                                   : list_tap_spans(run, tap, row, row_end, scratch->k_spans);
        }
        prefetch_x(run, ahead);
        if (count > 0)
            gb_micro_kernel_tn_of(mr, width)(a + rows.j, scratch->k_spans, count, a_k, b, sums,
                                             first);
        else if (first)
            gb_clear_rows(1, mr * width, sums, 0);
        sums += mr * width;
    }
}

// The panels take turns at each block of KC, which stays in the second-level cache for all of them.
static void sum_panels(const struct weight_run *run, const struct weight_scratch *scratch,
                       const struct k_split *split, const struct c_panel *panels, size_t count) {
    size_t step = run->w->kc_rows, micro_kernels = 0;
    for (size_t p = 0; p < count; p++)
        micro_kernels += panels[p].end - panels[p].begin;
    for (size_t row = split->begin; row < split->end; row += step) {
        size_t end = gb_min_size(row + step, split->end);
        struct prefetch ahead = {end, gb_min_size(end + step, split->end), 0, micro_kernels};
        for (size_t p = 0; p < count; p++)
            add_kc_block(run, scratch, &panels[p], row, end, row == split->begin, &ahead);
    }
}

// Micro-tiles [at, last) of a split, in the order (block of M, panel, span): the first panel's.
static struct c_panel c_panel_at(const struct weight_run *run, size_t at, size_t last) {
    const struct gb_conv_weight_gemm *w = run->w;
    size_t spans = span_count(&w->spans), panels = gb_panel_count(run->forward->b);
    size_t first = at / (w->mc_spans * panels) * w->mc_spans;
    size_t count = gb_min_size(spans - first, w->mc_spans), in_block = at - first * panels;
    size_t begin = first + in_block % count;
    return (struct c_panel){.panel = in_block / count,
                            .begin = begin,
                            .end = gb_min_size(first + count, begin + last - at)};
}

// The next panels of a thread's share of a split, from micro-tile `at` on. If one block of KC holds
// all pixels they need not take turns.
static size_t list_panels(const struct weight_run *run, const struct k_split *split, size_t at,
                          size_t last, float *sums, struct c_panel *panels) {
    const struct gb_conv_weight_gemm *w = run->w;
    const struct gb_packed_b b = run->forward->b;
    size_t most = split->end - split->begin <= w->kc_rows ? 1 : WEIGHT_NC_PANELS, count = 0;
    for (size_t listed = 0; count < most && at < last; count++) {
        struct c_panel c = c_panel_at(run, at, last);
        listed += c.end - c.begin;
        if (count > 0 && listed > WEIGHT_NC_SPANS)
            break;
        c.offset = gb_panel_offset(b, c.panel) +
                   first_row(&w->spans, c.begin) * gb_panel_width(b, c.panel);
        if (w->k_splits > 1)
            c.sums = run->split_sums + split->index * gb_packed_floats(b) + c.offset;
        else
            c.sums = run->update ? sums : run->d_packed + c.offset;
        sums += c_panel_floats(run, &c);
        at += c.end - c.begin;
        panels[count] = c;
    }
    return count;
}

// A thread's share of the packed weights, in whole vectors.
static struct gb_range weight_share(struct gb_packed_b b, int rank, int size) {
    struct gb_range share = gb_partition(gb_packed_floats(b) / GB_LANES, rank, size);
    return (struct gb_range){share.begin * GB_LANES, share.end * GB_LANES};
}

// Adds the splits' gradients in order, each thread its share of the weights.
static void add_splits(const struct weight_run *run, int rank, int size) {
    size_t floats = gb_packed_floats(run->forward->b);
    struct gb_range share = weight_share(run->forward->b, rank, size);
    float *sums = run->update ? run->split_sums : run->d_packed;
    for (size_t i = share.begin; i < share.end; i += GB_LANES) {
        gb_v sum = gb_v_load(run->split_sums + i);
        for (size_t split = 1; split < run->w->k_splits; split++)
            sum += gb_v_load(run->split_sums + split * floats + i);
        gb_v_store(sums + i, sum);
    }
    if (run->update && share.begin < share.end)
        gb_adam_update(run->update, share.begin, share.end - share.begin, sums + share.begin);
}

// Every thread copies the padded rows under splits [begin, end) for itself. Copied together, half
// of them came from the other core's cache: 3x3 from 6 to 6 channels took 34 us on two threads, 21
// this way.
static struct input filter_row_input(const struct weight_run *run, size_t begin, size_t end,
                                     float *room) {
    const struct gb_padded_input *padded = &run->forward->padded;
    const struct gb_axis *rows = &run->w->a_window.rows;
    bool copied = needs_padding(padded, run->x) || run->x->pixel != run->x->c;
    struct input input = input_of(padded, run->x, copied, room);
    if (copied) {
        struct gb_pixel first = gb_pixel_at(k_split_at(run, begin).begin, rows->outputs, 1);
        struct gb_pixel last = gb_pixel_at(k_split_at(run, end - 1).end - 1, rows->outputs, 1);
        int h = padded->h;
        struct gb_range under = {(size_t)(first.n * h + first.i * rows->stride),
                                 (size_t)(last.n * h + last.i * rows->stride + rows->taps)};
        copy_padded_rows(&input, padded, run->x, under);
    }
    return input;
}

static void weight_body(void *argument, int rank, int size) {
    struct weight_run own = *(const struct weight_run *)argument, *run = &own;
    const struct gb_conv_weight_gemm *w = run->w;
    struct weight_scratch scratch = weight_scratch_of(run, rank);
    size_t microtiles = gb_panel_count(run->forward->b) * span_count(&w->spans);
    struct gb_range share = gb_partition(w->k_splits * microtiles, rank, size);
    if (w->filter_rows && share.begin < share.end)
        run->input = filter_row_input(run, share.begin / microtiles,
                                      gb_ceil_div(share.end, microtiles), scratch.padded);
    for (size_t at = share.begin; at < share.end;) {
        struct c_panel panels[WEIGHT_NC_PANELS];
        struct k_split split = k_split_at(run, at / microtiles);
        size_t first = at % microtiles, last = gb_min_size(first + share.end - at, microtiles);
        size_t count = list_panels(run, &split, first, last, scratch.sums, panels);
        sum_panels(run, &scratch, &split, panels, count);
        for (const struct c_panel *c = panels; c < panels + count; c++) {
            if (run->update && w->k_splits == 1)
                gb_adam_update(run->update, c->offset, c_panel_floats(run, c), c->sums);
            at += c->end - c->begin;
        }
    }
    if (w->k_splits > 1) {
        gb_barrier(size);
        add_splits(run, rank, size);
    }
}

#endif
