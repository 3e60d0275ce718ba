// SPDX-License-Identifier: MIT
// Chooses a convolution's algorithms and block sizes. They depend on the shape alone, never on the
// thread count. Part of conv_body.c.
#ifndef GB_CONV_PLAN_TMPL_H
#define GB_CONV_PLAN_TMPL_H

#include "base/minmax.h"
#include "kernels/conv/micro_kernel_tmpl.h"
#include "kernels/conv/window_tmpl.h"

enum {
    FLOATS_ALIGNED = GB_ALIGNMENT / sizeof(float),
    MAX_MC_SPANS = 32,
    // Weight gradient. KC: pixels, whose panel of B takes 16 KiB.
    WEIGHT_KC = 128,
    // Every block of M reads all of x and dy again: 3x3 from 128 to 128 channels at 8 x 32 x 32
    // pixels went from 63 to 80 % of peak between 32 and 100 spans.
    WEIGHT_MC_SPANS = 112,
    // Panels of a block of N, and the spans of M whose sums they keep in the meantime.
    WEIGHT_NC_PANELS = 16,
    WEIGHT_NC_SPANS = 4 * WEIGHT_MC_SPANS,
    MIN_WEIGHT_MICROTILES = 12, // with fewer, K is split
    // Winograd. Tiles in a row of them that go through the epilogue together.
    SPAN_TILES = 12,
    ELEMENTS = 16, // of a transformed tile
    // The transformed input of a block takes up to 512 KiB of the second-level cache, next to its
    // products (128 KiB); x and dy of a block of the weight gradient 1 MiB.
    BLOCK_INPUT_FLOATS = 1 << 17,
    BLOCK_GRADIENT_FLOATS = 1 << 18,
    MIN_BLOCK_TILES = 24,
    MAX_BLOCK_TILES = 96,
    // Keeps the 16 elements of a tile out of the same sets of the first-level cache.
    ELEMENT_GAP = 16,
};

// ---- Spans ----

// Consecutive pixels (or tiles) of one image row, from column j on.
struct span {
    int n, i, j, count;
};

static struct gb_spans spans_of(int images, int height, int width, size_t longest) {
    int per_row = (int)gb_ceil_div((size_t)width, longest);
    return (struct gb_spans){images, height, width, per_row, width % per_row, width / per_row};
}
static size_t span_count(const struct gb_spans *s) {
    return (size_t)s->images * (size_t)s->height * (size_t)s->per_row;
}
static size_t element_count(const struct gb_spans *s) {
    return (size_t)s->images * (size_t)s->height * (size_t)s->width;
}
static size_t longest_span(const struct gb_spans *s) {
    return gb_ceil_div((size_t)s->width, (size_t)s->per_row);
}
// Called for every micro-tile, the shortest of which take 20 ns: hence few divisions, in 32 bits.
static struct span span_at(const struct gb_spans *s, size_t index) {
    int row = (int)index / s->per_row, in_row = (int)index % s->per_row;
    int longer_before = in_row < s->longer ? in_row : s->longer;
    return (struct span){row / s->height, row % s->height, in_row * s->length + longer_before,
                         s->length + (in_row < s->longer)};
}
static size_t elements_in(const struct gb_spans *s, struct gb_range range) {
    size_t count = 0;
    for (size_t i = range.begin; i < range.end; i++)
        count += (size_t)span_at(s, i).count;
    return count;
}

// ---- Forward and data gradient as one product ----

// KC: at most what keeps a panel of B in the first-level cache (32 KiB), and whole filter rows or
// taps where possible, over which A is contiguous. A block's rows of A are then at most 200 KiB.
static size_t kc_of(struct gb_packed_b b, size_t taps_across, size_t in_c) {
    size_t most = gb_min_size(GB_L1_FLOATS / b.nr, GB_KC), filter_row = taps_across * in_c;
    size_t unit = filter_row <= most ? filter_row : in_c;
    return unit <= most ? most / unit * unit : gb_ceil_div(in_c, gb_ceil_div(in_c, most));
}

// What one axis of a window reads, padding included.
static int axis_extent(const struct gb_axis *a) {
    return (a->outputs - 1) * a->stride + a->taps;
}
static int axis_shift(const struct gb_axis *a) {
    return a->step > 0 ? a->origin : a->origin - (a->taps - 1);
}
static struct gb_padded_input padded_input_of(const struct gb_window *w, int n, int c) {
    int height = axis_extent(&w->rows), width = axis_extent(&w->columns);
    size_t floats = (size_t)n * (size_t)height * (size_t)width * (size_t)c;
    return (struct gb_padded_input){height, width, axis_shift(&w->rows), axis_shift(&w->columns),
                                    gb_round_up(floats, FLOATS_ALIGNED)};
}

static struct gb_conv_gemm gemm_of(enum gb_conv_algorithm lowering, struct gb_window window, int n,
                                   int in_c, int out_c) {
    size_t taps = (size_t)gb_window_taps(&window);
    struct gb_conv_gemm g = {.lowering = lowering,
                             .window = window,
                             .a_window = window,
                             .n = n,
                             .in_c = in_c,
                             .out_c = out_c,
                             .out_step_h = 1,
                             .out_step_w = 1};
    g.b = gb_packed_b_of(taps * (size_t)in_c, (size_t)out_c);
    if (lowering != GB_CONV_IMPLICIT_GEMM) {
        g.a_window = gb_window_pointwise(window.rows.inputs, window.columns.inputs);
        g.b = gb_packed_b_of((size_t)in_c, taps * (size_t)out_c);
    }
    if (lowering == GB_CONV_DEPTH_TO_SPACE) {
        g.out_step_h = window.rows.divisor;
        g.out_step_w = window.columns.divisor;
    }
    size_t mr = gb_mr_of(g.b);
    g.spans = spans_of(n, g.a_window.rows.outputs, g.a_window.columns.outputs, mr);
    g.flat_spans = spans_of(1, 1, (int)element_count(&g.spans), mr);
    g.out_spans = spans_of(n, window.rows.outputs, window.columns.outputs,
                           gb_mr_of(gb_packed_b_of(1, (size_t)out_c)));
    g.padded = padded_input_of(&g.a_window, n, in_c);
    g.mc_spans = gb_min_size(GB_MC / mr, MAX_MC_SPANS);
    g.blocks = (struct gb_conv_blocks){mr, g.b.nr,
                                       kc_of(g.b, (size_t)g.a_window.columns.taps, (size_t)in_c),
                                       g.mc_spans * mr, gb_padded_n(g.b)};
    size_t b_floats = gb_round_up(gb_packed_floats(g.b), FLOATS_ALIGNED);
    if (span_count(&g.spans) <= g.mc_spans)
        g.private_b_floats = b_floats;
    else
        g.shared_b_floats = b_floats;
    bool one_block_of_k = g.b.k <= g.blocks.kc;
    g.sum_floats =
        GB_MICROTILE_FLOATS * (one_block_of_k ? 1 : gb_min_size(span_count(&g.spans), g.mc_spans));
    if (lowering ==
        GB_CONV_COL2IM) // a vector more, since the last tap's columns are read as whole vectors
        g.c_floats =
            gb_round_up(element_count(&g.spans) * gb_padded_n(g.b) + GB_LANES, FLOATS_ALIGNED);
    return g;
}

// The cheaper lowering by vector operations per input pixel: multiply-adds, and the copies of
// implicit_gemm or the stores, loads and additions of col2im, which cost more once C leaves the
// second-level cache: 3x3 from 128 to 32 channels at 4 x 32 x 32 pixels is 1.2 times as fast by
// implicit_gemm, with 2 % more multiply-adds.
static bool col2im_is_cheaper(const struct gb_window *window, int n, int in_c, int out_c) {
    enum { MAX_C_FLOATS = 1 << 22, CACHED_COST = 24, COST = 40 };
    size_t taps = (size_t)gb_window_taps(window), in = (size_t)in_c, out = (size_t)out_c;
    size_t outputs = (size_t)n * (size_t)window->rows.outputs * (size_t)window->columns.outputs;
    size_t vectors = gb_ceil_div(taps * out, GB_LANES), c_floats = outputs * vectors * GB_LANES;
    size_t implicit = taps * in * gb_ceil_div(out, GB_LANES) + 2 * gb_ceil_div(taps * in, GB_LANES);
    size_t col2im = (in + (c_floats <= GB_L2_FLOATS ? CACHED_COST : COST)) * vectors;
    return taps > 1 && col2im < implicit && c_floats <= MAX_C_FLOATS;
}

// True for an axis whose taps, a stride apart, cover the output without overlap.
static bool axis_is_disjoint(const struct gb_axis *a) {
    return a->taps == a->divisor && a->origin == 0 && a->outputs == a->inputs * a->taps;
}
static bool taps_are_disjoint(const struct gb_window *w, int out_c) {
    return w->rows.divisor * w->columns.divisor > 1 && out_c % GB_LANES == 0 &&
           axis_is_disjoint(&w->rows) && axis_is_disjoint(&w->columns);
}

static bool is_strided(const struct gb_conv_problem *p) {
    return p->stride_h > 1 || p->stride_w > 1;
}

static enum gb_conv_algorithm forward_lowering(const struct gb_conv_problem *p,
                                               const struct gb_window *window) {
    return !is_strided(p) && col2im_is_cheaper(window, p->n, p->c, p->k) ? GB_CONV_COL2IM
                                                                         : GB_CONV_IMPLICIT_GEMM;
}

// The data gradient takes depth_to_space if it can, and col2im if a stride demands it or it is
// cheaper, unless the packed weights have its layout already.
static enum gb_conv_algorithm data_lowering(const struct gb_conv_problem *p,
                                            const struct gb_window *window,
                                            enum gb_conv_algorithm forward) {
    if (taps_are_disjoint(window, p->c))
        return GB_CONV_DEPTH_TO_SPACE;
    bool cheaper = forward == GB_CONV_IMPLICIT_GEMM && col2im_is_cheaper(window, p->n, p->k, p->c);
    return is_strided(p) || cheaper ? GB_CONV_COL2IM : GB_CONV_IMPLICIT_GEMM;
}

// ---- The weight gradient as one product ----

// With too few channels for a micro-tile, the rows of all taps of a filter row go together.
static bool groups_filter_rows(const struct gb_conv_gemm *forward) {
    return forward->a_window.columns.taps > 1 && forward->in_c < GB_ACCUMULATORS / 2;
}

static struct gb_conv_weight_gemm weight_gemm_of(const struct gb_conv_problem *p,
                                                 const struct gb_conv_gemm *forward) {
    const struct gb_window *a = &forward->a_window;
    struct gb_packed_b b = forward->b;
    size_t mr = gb_mr_of(b), panels = gb_panel_count(b);
    struct gb_conv_weight_gemm w = {.a_window = *a, .filter_rows = groups_filter_rows(forward)};
    w.b_window = forward->lowering == GB_CONV_COL2IM
                     ? gb_window_backward(p)
                     : gb_window_pointwise(gb_conv_out_h(p), gb_conv_out_w(p));
    int across = a->columns.taps, taps = gb_window_taps(a), in_c = forward->in_c;
    w.spans =
        w.filter_rows ? spans_of(1, taps / across, across * in_c, mr) : spans_of(1, taps, in_c, mr);
    size_t spans = span_count(&w.spans);
    w.mc_spans = gb_ceil_div(spans, gb_ceil_div(spans, WEIGHT_MC_SPANS));
    size_t pixels = (size_t)a->columns.outputs;
    w.kc_rows = gb_max_size(1, WEIGHT_KC / pixels);
    w.k_blocks = gb_ceil_div((size_t)forward->n * (size_t)a->rows.outputs, w.kc_rows);
    // 3x3 from 3 to 16 channels has three micro-tiles.
    w.k_splits = gb_min_size(gb_ceil_div(MIN_WEIGHT_MICROTILES, spans * panels), w.k_blocks);
    w.blocks = (struct gb_conv_blocks){mr, b.nr, w.kc_rows * pixels, w.mc_spans * mr,
                                       WEIGHT_NC_PANELS * b.nr};
    w.sum_floats = gb_min_size(spans * panels, WEIGHT_NC_SPANS) * GB_MICROTILE_FLOATS;
    w.panel_floats = w.blocks.kc * b.nr;
    w.k_span_floats =
        gb_round_up(w.kc_rows * sizeof(struct gb_k_span) / sizeof(float), FLOATS_ALIGNED);
    return w;
}

// ---- Winograd ----

static struct gb_conv_winograd winograd_of(const struct gb_conv_gemm *g) {
    int down = (g->window.rows.outputs + 1) / 2, across = (g->window.columns.outputs + 1) / 2;
    struct gb_conv_winograd w = {.spans = spans_of(g->n, down, across, SPAN_TILES),
                                 .filters = gb_packed_b_of((size_t)g->in_c, (size_t)g->out_c),
                                 .input_row = (gb_ceil_div((size_t)g->in_c, FLOATS_ALIGNED) | 1) *
                                              FLOATS_ALIGNED};
    w.filters.nr = gb_min_size(w.filters.nr, 2 * GB_LANES);
    size_t tiles = gb_max_size(BLOCK_INPUT_FLOATS / (ELEMENTS * w.input_row), MIN_BLOCK_TILES);
    tiles = gb_min_size(tiles, MAX_BLOCK_TILES);
    w.block_spans = gb_max_size(tiles / longest_span(&w.spans), 1);
    // Every thread transforms the smaller operand for itself, since reading it from another core's
    // cache is slow: 48 to 256 channels at 2 x 8 x 8 pixels take 1.7 times as long on two threads
    // if they divide tiles.
    w.divides_n = w.filters.n > element_count(&w.spans);
    size_t block_tiles = w.block_spans * longest_span(&w.spans);
    w.filter_step = gb_packed_floats(w.filters) + ELEMENT_GAP;
    w.input_step = block_tiles * w.input_row + ELEMENT_GAP;
    w.output_step = block_tiles * w.filters.nr + ELEMENT_GAP;
    w.blocks = (struct gb_conv_blocks){gb_mr_of(w.filters), w.filters.nr, w.filters.k, block_tiles,
                                       gb_padded_n(w.filters)};
    return w;
}

// Threads divide the channels of the side that has more of them. Each transforms that side's share
// and all of the other side: when they shared the transforms, 128 to 32 channels at 8 x 16 x 16
// pixels took 1.25 times as long on two threads.
static struct gb_conv_winograd winograd_gradient_of(const struct gb_conv_gemm *forward) {
    struct gb_conv_winograd w = winograd_of(forward);
    size_t dy_row = gb_padded_n(w.filters);
    size_t tiles = BLOCK_GRADIENT_FLOATS / (ELEMENTS * (w.input_row + dy_row));
    tiles = gb_max_size(tiles, MIN_BLOCK_TILES);
    w.block_spans =
        gb_min_size(gb_max_size(tiles / longest_span(&w.spans), 1), span_count(&w.spans));
    w.divides_n = forward->out_c > forward->in_c;
    size_t block_tiles = w.block_spans * longest_span(&w.spans);
    w.input_step = block_tiles * w.input_row + ELEMENT_GAP;
    w.output_step = block_tiles * dy_row + ELEMENT_GAP;
    w.blocks = (struct gb_conv_blocks){gb_mr_of(w.filters), w.filters.nr, block_tiles, w.filters.k,
                                       dy_row};
    return w;
}

static bool fits_winograd(const struct gb_conv_problem *p) {
    return p->kernel_h == 3 && p->kernel_w == 3 && !is_strided(p);
}

// True if there are channels enough to fill lanes, and enough of both for the transforms to pay.
static bool is_large_for_winograd(const struct gb_conv_problem *p,
                                  const struct gb_conv_winograd *w) {
    enum { MIN_CHANNELS = 12, MIN_PRODUCTS = 1 << 17 };
    return fits_winograd(p) && p->c >= MIN_CHANNELS && p->k >= MIN_CHANNELS &&
           element_count(&w->spans) * (size_t)p->c * (size_t)p->k >= MIN_PRODUCTS;
}

// Of the forward pass or the data gradient: with few weights the input's transform costs more than
// it saves, with few outputs the filters'. Winograd takes 1.2 times as long from 24 to 24 channels
// at 2 x 16 x 16 pixels, 1.1 times from 256 to 12.
static bool winograd_is_faster(const struct gb_conv_problem *p, const struct gb_conv_winograd *w) {
    enum { MIN_WEIGHTS = 512, MIN_OUTPUTS = 3072 };
    return is_large_for_winograd(p, w) && p->c * p->k >= MIN_WEIGHTS &&
           (w->divides_n || element_count(&w->spans) * w->filters.n >= MIN_OUTPUTS);
}
static bool winograd_gradient_is_faster(const struct gb_conv_problem *p,
                                        const struct gb_conv_winograd *w) {
    enum { MIN_WEIGHTS = 1024 };
    return is_large_for_winograd(p, w) && p->c * p->k >= MIN_WEIGHTS;
}

// ---- The plan ----

static unsigned bit(enum gb_conv_algorithm algorithm) {
    return 1u << algorithm;
}

// Chooses each direction's algorithm, or takes what $GB_CONV_ALGORITHM asks for, and works out the
// shapes of all of them.
static enum gb_status choose(const struct gb_conv_problem *p, struct gb_conv_native *native,
                             enum gb_conv_algorithm chosen[GB_BACKWARD_WEIGHTS + 1]) {
    const struct gb_window y = gb_window_forward(p), dx = gb_window_backward(p);
    const unsigned winograd = fits_winograd(p) ? bit(GB_CONV_WINOGRAD) : 0;
    bool pointwise = p->kernel_h * p->kernel_w == 1;
    struct gb_conv_request request;
    GB_TRY(gb_conv_request_read(&request));

    enum gb_conv_algorithm lowering = forward_lowering(p, &y), algorithm;
    struct gb_conv_gemm *forward = &native->forward, *data = &native->data;
    *forward = gemm_of(lowering, y, p->n, p->c, p->k);
    native->forward_tiles = winograd_of(forward);
    algorithm = winograd_is_faster(p, &native->forward_tiles) ? GB_CONV_WINOGRAD : lowering;
    GB_TRY(gb_conv_request_apply(&request, p, GB_FORWARD,
                                 winograd | bit(GB_CONV_IMPLICIT_GEMM) |
                                     (is_strided(p) || pointwise ? 0 : bit(GB_CONV_COL2IM)),
                                 &algorithm));
    if (algorithm != GB_CONV_WINOGRAD && algorithm != lowering)
        *forward = gemm_of(lowering = algorithm, y, p->n, p->c, p->k);
    chosen[GB_FORWARD] = algorithm;

    bool packed_for_gemm = lowering == GB_CONV_IMPLICIT_GEMM;
    lowering = data_lowering(p, &dx, lowering);
    *data = gemm_of(lowering, dx, p->n, p->k, p->c);
    native->data_tiles = winograd_of(data);
    algorithm = winograd_is_faster(p, &native->data_tiles) ? GB_CONV_WINOGRAD : lowering;
    GB_TRY(gb_conv_request_apply(
        &request, p, GB_BACKWARD_DATA,
        winograd | (is_strided(p) ? 0 : bit(GB_CONV_IMPLICIT_GEMM)) |
            (packed_for_gemm && !(pointwise && !is_strided(p)) ? bit(GB_CONV_COL2IM) : 0) |
            (taps_are_disjoint(&dx, p->c) ? bit(GB_CONV_DEPTH_TO_SPACE) : 0),
        &algorithm));
    if (algorithm != GB_CONV_WINOGRAD && algorithm != lowering)
        *data = gemm_of(algorithm, dx, p->n, p->k, p->c);
    chosen[GB_BACKWARD_DATA] = algorithm;

    lowering = packed_for_gemm ? GB_CONV_IMPLICIT_GEMM : GB_CONV_IM2COL;
    native->weights = weight_gemm_of(p, forward);
    native->weight_tiles = winograd_gradient_of(forward);
    algorithm = winograd_gradient_is_faster(p, &native->weight_tiles) ? GB_CONV_WINOGRAD : lowering;
    GB_TRY(gb_conv_request_apply(&request, p, GB_BACKWARD_WEIGHTS, winograd | bit(lowering),
                                 &algorithm));
    chosen[GB_BACKWARD_WEIGHTS] = algorithm;
    return gb_conv_request_finish(&request, p);
}

#endif
