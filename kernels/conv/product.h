// SPDX-License-Identifier: MIT
// The shape of one matrix product: of the forward pass, or of the data gradient, which is the
// convolution of dy with transposed weights and reversed taps. Part of conv_body.c.
#ifndef GB_CONV_PRODUCT_H
#define GB_CONV_PRODUCT_H

#include "kernels/conv/gemm.h"
#include "kernels/conv/window.h"

enum form { GATHERED, SCATTERED, DISJOINT };
enum {
    TILES_PER_BLOCK = 16,
    // A sum longer than this goes part by part: a part of a panel is 32 KiB, and a block's gathered
    // parts are 200 KiB.
    PART_ROWS = 256,
};

// One product with its operands' shapes: the forward pass or the data gradient.
struct product {
    enum form form;
    struct gb_window window; // of the convolution
    struct gb_window reads;  // of the product's rows: the same, or pointwise when scattered
    int n, in_c, out_c;
    struct gb_panels weights;
    size_t rows, tiles;
    size_t part_rows, parts;
    size_t out_rows, out_tiles;
    size_t partials; // sums per channel that the data gradient's epilogue leaves
};

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}
static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}
static size_t ceil_div(size_t a, size_t b) {
    return (a + b - 1) / b;
}

static size_t outputs_of(const struct gb_window *w, int n) {
    return (size_t)n * (size_t)w->rows.outputs * (size_t)w->columns.outputs;
}

// The rows of weights, that is steps of the sum, in a part. Parts begin at a filter row or a tap
// where they can, which makes gathering cheap.
static size_t part_rows(size_t taps_across, size_t in_c) {
    size_t filter_row = taps_across * in_c;
    size_t unit = filter_row <= PART_ROWS ? filter_row : in_c;
    return unit <= PART_ROWS ? PART_ROWS / unit * unit : ceil_div(in_c, ceil_div(in_c, PART_ROWS));
}

// Gathered rows of a tile are padded so that they never lie a multiple of 4 KiB apart, where they
// would share one set of the first-level cache.
static size_t gathered_row(const struct product *g) {
    return gb_round_up(smaller(g->weights.rows, g->part_rows), 16) + 16;
}

// Where all tiles make one block and one part, a thread's units go panel by panel, and it transposes
// the data gradient's weights by itself as it goes: no other core has them in its cache. Otherwise
// all threads share the transposed weights.
static bool transposes_alone(const struct product *g) {
    return g->tiles <= TILES_PER_BLOCK && g->parts == 1;
}
static size_t own_panel_floats(const struct product *g) {
    return transposes_alone(g) ? g->weights.rows * GB_TILE_COLUMNS : 0;
}
static size_t shared_panels_floats(const struct product *g) {
    return transposes_alone(g) ? 0 : gb_round_up(gb_panels_floats(g->weights), 16);
}

// A block's sums between parts.
static size_t sums_floats(const struct product *g) {
    size_t tiles =
        g->parts == 1 ? 1 : smaller(g->tiles, TILES_PER_BLOCK) * gb_panel_count(g->weights);
    return tiles * GB_TILE_ROWS * GB_TILE_COLUMNS;
}
static size_t gathered_floats(const struct product *g) {
    return smaller(g->tiles, TILES_PER_BLOCK) * GB_TILE_ROWS * gathered_row(g);
}
static size_t multiply_scratch(const struct product *g) {
    return own_panel_floats(g) + sums_floats(g) + gathered_floats(g);
}

static struct product product_of(enum form form, struct gb_window window, int n, int in_c,
                                 int out_c) {
    size_t taps = (size_t)gb_window_taps(&window);
    struct product g = {
        .form = form, .window = window, .reads = window, .n = n, .in_c = in_c, .out_c = out_c};
    g.weights = (struct gb_panels){taps * (size_t)in_c, (size_t)out_c};
    if (form != GATHERED) {
        g.reads = gb_window_pointwise(window.rows.inputs, window.columns.inputs);
        g.weights = (struct gb_panels){(size_t)in_c, taps * (size_t)out_c};
    }
    g.rows = outputs_of(&g.reads, n);
    g.tiles = ceil_div(g.rows, GB_TILE_ROWS);
    g.part_rows = part_rows((size_t)g.reads.columns.taps, (size_t)in_c);
    g.parts = ceil_div(g.weights.rows, g.part_rows);
    g.out_rows = outputs_of(&window, n);
    g.out_tiles = ceil_div(g.out_rows, GB_TILE_ROWS);
    g.partials = form == DISJOINT ? g.tiles * taps : g.out_tiles;
    return g;
}

// The cheaper form by the number of vector operations an input pixel: multiply-adds, and the copies
// of gathering or the stores, loads and additions of scattering, which are dear where the scattered
// product leaves the second-level cache: 3x3 from 128 to 32 channels at 4 x 32 x 32 pixels is 1.2
// times as fast gathered, though it has 2 % more multiply-adds.
static bool scattered_is_cheaper(const struct gb_window *window, int n, int in_c, int out_c) {
    enum { CACHED_FLOATS = 1 << 18, MOST_FLOATS = 1 << 22, CACHED_COST = 16, COST = 40 };
    size_t taps = (size_t)gb_window_taps(window), in = (size_t)in_c, out = (size_t)out_c;
    size_t vectors = ceil_div(taps * out, GB_LANES);
    size_t floats = outputs_of(window, n) * vectors * GB_LANES;
    size_t gathered = taps * in * ceil_div(out, GB_LANES) + 2 * ceil_div(taps * in, GB_LANES);
    size_t scattered = (in + (floats <= CACHED_FLOATS ? CACHED_COST : COST)) * vectors;
    return taps > 1 && scattered < gathered && floats <= MOST_FLOATS;
}

static struct product forward_product(const struct gb_conv_problem *p) {
    struct gb_window window = gb_window_forward(p);
    bool strided = p->stride_h > 1 || p->stride_w > 1;
    bool scattered = !strided && scattered_is_cheaper(&window, p->n, p->c, p->k);
    return product_of(scattered ? SCATTERED : GATHERED, window, p->n, p->c, p->k);
}

// An output whose taps, strides apart, cover it without overlap.
static bool axis_is_disjoint(const struct gb_axis *a) {
    return a->taps == a->divisor && a->origin == 0 && a->outputs == a->inputs * a->taps;
}
static bool taps_are_disjoint(const struct gb_window *w, int out_c) {
    return w->rows.divisor * w->columns.divisor > 1 && out_c % GB_LANES == 0 &&
           axis_is_disjoint(&w->rows) && axis_is_disjoint(&w->columns);
}

static struct product backward_product(const struct gb_conv_problem *p) {
    struct gb_window window = gb_window_backward(p);
    if (taps_are_disjoint(&window, p->c))
        return product_of(DISJOINT, window, p->n, p->k, p->c);
    bool strided = p->stride_h > 1 || p->stride_w > 1;
    bool scattered = strided || (forward_product(p).form == GATHERED &&
                                 scattered_is_cheaper(&window, p->n, p->k, p->c));
    return product_of(scattered ? SCATTERED : GATHERED, window, p->n, p->k, p->c);
}

// Where w[o, q, tap] stands in the packed weights of a product from in to out channels.
static size_t weight_row(const struct product *g, size_t tap, size_t in) {
    return g->form == GATHERED ? tap * (size_t)g->in_c + in : in;
}
static size_t weight_column(const struct product *g, size_t tap, size_t out) {
    return g->form == GATHERED ? out : tap * (size_t)g->out_c + out;
}

static int threads_for(const struct gb_conv_plan *plan, const struct gb_exec *exec) {
    enum { FLOPS_PER_FLOAT = 32 }; // in the time of a float of gb_threads_for: 160 GFLOPS
    return gb_threads_for(exec, (size_t)(gb_conv_flops(&plan->problem) / FLOPS_PER_FLOAT));
}

static size_t scattered_floats(const struct product *g) {
    // A vector more, for the last tap's whole vectors.
    return g->form == SCATTERED ? gb_round_up(g->rows * gb_panels_width(g->weights) + GB_LANES, 16)
                                : 0;
}

#endif
