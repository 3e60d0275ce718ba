// SPDX-License-Identifier: MIT
// The shape of one matrix product: of the forward pass, or of the data gradient, which is the
// convolution of dy with transposed weights and reversed taps. Part of conv_body.c.
#ifndef GB_CONV_PRODUCT_H
#define GB_CONV_PRODUCT_H

#include "kernels/conv/gemm.h"
#include "kernels/conv/window.h"

enum form { GATHERED, SCATTERED, DISJOINT };
enum {
    // Tiles go block by block: one of so many rows, which are fewer tiles where these are higher.
    BLOCK_ROWS = GB_MC,
    MAX_BLOCK_TILES = 32,
    // A sum longer than this goes part by part: a part of a panel is 32 KiB, and what a block's
    // tiles read of the input beside it 200 KiB.
    PART_FLOATS = GB_L1_FLOATS,
    MOST_PART_ROWS = GB_KC,
    // What the second-level cache holds beside other operands.
    CACHED_FLOATS = GB_L2_FLOATS,
};

// The input with its padding, dense: what a window reads lies there in whole filter rows. Position
// (0, 0) is the input's (shift_h, shift_w).
struct plane {
    int h, w, shift_h, shift_w;
    size_t floats;
};

// Pixels or other rows in tiles: images of `height` lines of `width` pixels, each line in `across`
// tiles: the first `longer` ones are of `least` + 1 pixels, the others of `least`.
struct tiling {
    int images, height, width, across, longer, least;
};

// The pixels of one tile.
struct stretch {
    int n, line, begin, count;
};

// One product with its operands' shapes: the forward pass or the data gradient.
struct product {
    enum form form;
    struct gb_window window; // of the convolution
    struct gb_window reads;  // of the product's rows: the same, or pointwise when scattered
    int n, in_c, out_c;
    struct gb_panels weights;
    struct tiling tiling;     // of the product's rows
    struct tiling out_tiling; // of the scattered form's output
    int down, right;          // from a row of the product to the next in the output, in pixels
    struct plane plane;
    size_t part_rows, parts;
    size_t block_tiles;
    // Where all tiles make one block, a thread transposes those of the data gradient's weights that
    // it needs by itself: the others would come from another core's cache. Otherwise all threads
    // share the transposed weights.
    bool transposes_alone;
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
// where they can, so that their steps run through memory evenly.
static size_t part_rows(struct gb_panels weights, size_t taps_across, size_t in_c) {
    size_t most = smaller(PART_FLOATS / weights.width, MOST_PART_ROWS);
    size_t filter_row = taps_across * in_c;
    size_t unit = filter_row <= most ? filter_row : in_c;
    return unit <= most ? most / unit * unit : ceil_div(in_c, ceil_div(in_c, most));
}

static size_t transposed_floats(const struct product *g) {
    return gb_round_up(gb_panels_floats(g->weights), 16);
}
static size_t own_panels_floats(const struct product *g) {
    return g->transposes_alone ? transposed_floats(g) : 0;
}
static size_t shared_panels_floats(const struct product *g) {
    return g->transposes_alone ? 0 : transposed_floats(g);
}

static struct tiling tiling_of(int images, int height, int width, struct gb_panels beside) {
    int across = (int)ceil_div((size_t)width, gb_tile_rows(beside));
    return (struct tiling){images, height, width, across, width % across, width / across};
}
static size_t tile_count(const struct tiling *t) {
    return (size_t)t->images * (size_t)t->height * (size_t)t->across;
}
static size_t pixel_count(const struct tiling *t) {
    return (size_t)t->images * (size_t)t->height * (size_t)t->width;
}
// Tiles are met one by one, the shortest every 20 ns: hence so few divisions, and by 32 bits.
static struct stretch tile_at(const struct tiling *t, size_t index) {
    int line = (int)index / t->across, part = (int)index % t->across;
    int before = part < t->longer ? part : t->longer;
    return (struct stretch){line / t->height, line % t->height, part * t->least + before,
                            t->least + (part < t->longer)};
}

// A block's sums beside a panel, between parts.
static size_t sums_floats(const struct product *g) {
    size_t tiles = g->parts == 1 ? 1 : smaller(tile_count(&g->tiling), g->block_tiles);
    return tiles * GB_TILE_FLOATS;
}
static size_t multiply_scratch(const struct product *g) {
    return own_panels_floats(g) + sums_floats(g);
}

// Sums per channel that the data gradient's epilogue leaves: one of a tile, or of its pixels under
// each tap.
static size_t partial_count(const struct product *g) {
    return tile_count(g->form == SCATTERED ? &g->out_tiling : &g->tiling) *
           (g->form == DISJOINT ? (size_t)gb_window_taps(&g->window) : 1);
}

// What one axis of a window reads, padding included.
static int axis_extent(const struct gb_axis *a) {
    return (a->outputs - 1) * a->stride + a->taps;
}
static int axis_shift(const struct gb_axis *a) {
    return a->step > 0 ? a->origin : a->origin - (a->taps - 1);
}
static struct plane plane_of(const struct gb_window *reads, int n, int c) {
    return (struct plane){.h = axis_extent(&reads->rows),
                          .w = axis_extent(&reads->columns),
                          .shift_h = axis_shift(&reads->rows),
                          .shift_w = axis_shift(&reads->columns),
                          .floats =
                              gb_round_up((size_t)n * (size_t)axis_extent(&reads->rows) *
                                              (size_t)axis_extent(&reads->columns) * (size_t)c,
                                          16)};
}

static bool is_pointwise(const struct gb_window *w) {
    return gb_window_taps(w) == 1 && w->rows.stride == 1 && w->columns.stride == 1 &&
           w->rows.origin == 0 && w->columns.origin == 0;
}

// True where the product's rows can be counted through, as pixels of one line: those of matrices
// under a 1x1 kernel. `x` may be NULL. What scatters writes its own matrix.
static bool counts_through(const struct product *g, const struct gb_tensor *in,
                           const struct gb_tensor *out, const struct gb_tensor *x) {
    bool even = g->form == SCATTERED || (gb_is_matrix(out) && (!x || gb_is_matrix(x)));
    return g->form != DISJOINT && is_pointwise(&g->reads) && gb_is_matrix(in) && even;
}
static void lay_in_one_line(struct product *g) {
    g->tiling = tiling_of(1, 1, (int)pixel_count(&g->tiling), g->weights);
}

static struct product product_of(enum form form, struct gb_window window, int n, int in_c,
                                 int out_c) {
    size_t taps = (size_t)gb_window_taps(&window);
    struct product g = {
        .form = form, .window = window, .reads = window, .n = n, .in_c = in_c, .out_c = out_c};
    g.weights = gb_panels_of(taps * (size_t)in_c, (size_t)out_c);
    g.down = g.right = 1;
    if (form != GATHERED) {
        g.reads = gb_window_pointwise(window.rows.inputs, window.columns.inputs);
        g.weights = gb_panels_of((size_t)in_c, taps * (size_t)out_c);
    }
    if (form == DISJOINT) {
        g.down = window.rows.divisor;
        g.right = window.columns.divisor;
    }
    g.tiling = tiling_of(n, g.reads.rows.outputs, g.reads.columns.outputs, g.weights);
    g.out_tiling =
        tiling_of(n, window.rows.outputs, window.columns.outputs, gb_panels_of(1, (size_t)out_c));
    g.plane = plane_of(&g.reads, n, in_c);
    g.part_rows = part_rows(g.weights, (size_t)g.reads.columns.taps, (size_t)in_c);
    g.parts = ceil_div(g.weights.rows, g.part_rows);
    g.block_tiles = smaller(BLOCK_ROWS / gb_tile_rows(g.weights), MAX_BLOCK_TILES);
    g.transposes_alone = tile_count(&g.tiling) <= g.block_tiles;
    return g;
}

// The cheaper form by the number of vector operations an input pixel: multiply-adds, and the copies
// of gathering or the stores, loads and additions of scattering, which are dear where the scattered
// product leaves the second-level cache: 3x3 from 128 to 32 channels at 4 x 32 x 32 pixels is 1.2
// times as fast gathered, though it has 2 % more multiply-adds.
static bool scattered_is_cheaper(const struct gb_window *window, int n, int in_c, int out_c) {
    enum { MOST_FLOATS = 1 << 22, CACHED_COST = 24, COST = 40 };
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
    return g->form == SCATTERED
               ? gb_round_up(pixel_count(&g->tiling) * gb_panels_width(g->weights) + GB_LANES, 16)
               : 0;
}

#endif
