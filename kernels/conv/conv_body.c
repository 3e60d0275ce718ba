// SPDX-License-Identifier: MIT
// Convolution as a matrix product, in one of two forms:
//
//   gathered   y[p, :] = gather(x)[p, :] * W, with gather(x)[p, (tap, q)] the input under the
//   filter
//              and W of taps*c rows by k columns: the usual form;
//   scattered  t[p, :] = x[p, :] * W, with W of c rows by taps*k columns, and then y[p, :] is the
//   sum
//              over taps of t[pixel under the tap, (tap, :)]: better where k is small, because
//              taps*k columns fill the vectors that k columns do not (256 to 12 channels on 16
//              lanes: 1.4 times as fast).
//
// The data gradient is the convolution of dy with transposed weights and reversed taps: scattered
// where that is cheaper or a stride demands it, unless the forward product is scattered already.
// The weights' own layout is the one that the forward product reads.
#include "kernels/adam/adam_inline.h"
#include "kernels/conv/activation.h"
#include "kernels/conv/conv.h"
#include "kernels/conv/gemm.h"
#include "kernels/conv/window.h"

enum form { GATHERED, SCATTERED };

// One product with its operands' shapes: the forward pass or the data gradient.
struct product {
    enum form form;
    struct gb_window window; // of the convolution
    struct gb_window reads;  // of the product's rows: the same, or pointwise when scattered
    int n, in_c, out_c;
    struct gb_panels weights;
    size_t rows, tiles, tiles_per_block;
    size_t out_rows, out_tiles;
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

// Gathered rows of a tile are padded so that they never lie a multiple of 4 KiB apart, where they
// would share one set of the first-level cache.
static size_t gathered_row(const struct product *g) {
    return gb_round_up(g->weights.rows, 16) + 16;
}

// Where all tiles make one block, a thread's units go panel by panel, and it transposes the data
// gradient's weights by itself as it goes: no other core has them in its cache. Otherwise all
// threads share the transposed weights.
static bool transposes_alone(const struct product *g) {
    return g->tiles <= g->tiles_per_block;
}
static size_t own_panel_floats(const struct product *g) {
    return transposes_alone(g) ? g->weights.rows * GB_TILE_COLUMNS : 0;
}
static size_t shared_panels_floats(const struct product *g) {
    return transposes_alone(g) ? 0 : gb_round_up(gb_panels_floats(g->weights), 16);
}

static size_t multiply_scratch(const struct product *g) {
    return own_panel_floats(g) + g->tiles_per_block * GB_TILE_ROWS * gathered_row(g);
}

static struct product product_of(enum form form, struct gb_window window, int n, int in_c,
                                 int out_c) {
    enum { BLOCK_FLOATS = 1 << 17 }; // gathered rows kept at once: a quarter of a 2 MiB cache
    size_t taps = (size_t)gb_window_taps(&window);
    struct product g = {
        .form = form, .window = window, .reads = window, .n = n, .in_c = in_c, .out_c = out_c};
    g.weights = (struct gb_panels){taps * (size_t)in_c, (size_t)out_c};
    if (form == SCATTERED) {
        g.reads = gb_window_pointwise(window.rows.inputs, window.columns.inputs);
        g.weights = (struct gb_panels){(size_t)in_c, taps * (size_t)out_c};
    }
    g.rows = outputs_of(&g.reads, n);
    g.tiles = ceil_div(g.rows, GB_TILE_ROWS);
    size_t fitting = BLOCK_FLOATS / (GB_TILE_ROWS * gathered_row(&g));
    g.tiles_per_block = fitting < 1 ? 1 : smaller(fitting, 16);
    g.out_rows = outputs_of(&window, n);
    g.out_tiles = ceil_div(g.out_rows, GB_TILE_ROWS);
    return g;
}

// The cheaper form by the number of vector operations an input pixel: multiply-adds, and the copies
// of gathering or the stores, loads and additions of scattering.
static bool scattered_is_cheaper(const struct gb_window *window, int n, int in_c, int out_c) {
    const size_t limit = (size_t)1 << 22; // floats of the scattered product
    size_t taps = (size_t)gb_window_taps(window), in = (size_t)in_c, out = (size_t)out_c;
    size_t scattered_vectors = ceil_div(taps * out, GB_LANES);
    size_t gathered = taps * in * ceil_div(out, GB_LANES) + 2 * ceil_div(taps * in, GB_LANES);
    size_t scattered = in * scattered_vectors + 6 * scattered_vectors;
    size_t floats = outputs_of(window, n) * scattered_vectors * GB_LANES;
    return taps > 1 && scattered < gathered && floats <= limit;
}

static struct product forward_product(const struct gb_conv_problem *p) {
    struct gb_window window = gb_window_forward(p);
    bool strided = p->stride_h > 1 || p->stride_w > 1;
    bool scattered = !strided && scattered_is_cheaper(&window, p->n, p->c, p->k);
    return product_of(scattered ? SCATTERED : GATHERED, window, p->n, p->c, p->k);
}

static struct product backward_product(const struct gb_conv_problem *p) {
    struct gb_window window = gb_window_backward(p);
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

// A small convolution runs on one thread: waking the others costs some microseconds.
static int threads_for(const struct gb_conv_plan *plan, const struct gb_exec *exec) {
    const double worth_sharing = 1e6; // operations
    return gb_conv_flops(&plan->problem) < worth_sharing ? 1 : exec->threads;
}

// ---- Epilogues ----

// Sums per channel are kept by tile of pixels and added up in the order of the tiles.
static size_t partial_row(int channels) {
    return 2 * gb_round_up((size_t)channels, GB_CHANNEL_PAD);
}

static void add_partials(const float *partials, size_t count, int channels, float *d_bias,
                         float *d_log_scale, int rank, int size) {
    size_t padded = partial_row(channels) / 2;
    struct gb_share share = gb_share_of(padded / GB_LANES, rank, size);
    for (size_t v = share.begin; v < share.end; v++) {
        gb_v bias = {0}, log_scale = {0};
        for (size_t t = 0; t < count && v * GB_LANES < (size_t)channels; t++) {
            bias += gb_v_load(partials + t * 2 * padded + v * GB_LANES);
            log_scale += gb_v_load(partials + (t * 2 + 1) * padded + v * GB_LANES);
        }
        if (d_bias)
            gb_v_store(d_bias + v * GB_LANES, bias);
        if (d_log_scale)
            gb_v_store(d_log_scale + v * GB_LANES, log_scale);
    }
}

// ---- Forward and data gradient ----

struct run {
    struct product g;
    const struct gb_exec *exec;
    const struct gb_tensor *in, *out;
    const float *weights; // panels of g
    size_t per_thread;
    // Forward: the packed weights are `weights`, and `forward` is what follows the sum.
    const struct gb_conv_epilogue *forward;
    // Data gradient: packed weights, their product's shape, and what follows (NULL: nothing).
    const struct product *packed_shape;
    const float *packed;
    float *transposed; // NULL where each thread transposes the panels that it meets
    const struct gb_conv_input_epilogue *backward;
    enum gb_activation activation; // of whichever follows
    float *partials;
    float *scattered; // t of the scattered form
    size_t scattered_row;
};

GB_INLINE gb_v load_lanes(const float *p, int lanes) {
    return lanes == GB_LANES ? gb_v_load(p) : gb_v_load_part(p, lanes);
}
GB_INLINE void store_lanes(float *p, gb_v v, int lanes) {
    if (lanes == GB_LANES)
        gb_v_store(p, v);
    else
        gb_v_store_part(p, v, lanes);
}
GB_INLINE int lanes_from(int channels, size_t column) {
    return (int)smaller((size_t)channels - column, GB_LANES);
}

// A tile of sums on its way into the output: rows [first, first + count), `width` columns from
// `column` on.
struct tile {
    size_t first, count, column, width;
    const float *sums;
};

// The addresses of a tile's pixels in a view, at the tile's first column.
static void tile_pixels(const struct gb_tensor *t, const struct tile *tile, float **pixels) {
    struct gb_pixel p = gb_pixel_at(tile->first, t->h, t->w);
    for (size_t r = 0; r < tile->count; r++, gb_pixel_next(&p, t->h, t->w))
        pixels[r] = gb_at(t, p.n, p.i, p.j) + tile->column;
}

GB_INLINE void finish_forward(const struct run *run, const struct tile *tile,
                              enum gb_activation activation) {
    const struct gb_conv_epilogue *e = run->forward;
    float *y[GB_TILE_ROWS];
    tile_pixels(run->out, tile, y);
    for (size_t v = 0; v < tile->width; v += GB_LANES) {
        int lanes = lanes_from(run->out->c, tile->column + v);
        gb_v bias = e->bias ? gb_v_load(e->bias + tile->column + v) : (gb_v){0};
        gb_v scale = e->scale ? gb_v_load(e->scale + tile->column + v) : gb_v_set(1.0f);
        for (size_t r = 0; r < tile->count; r++) {
            gb_v u = (gb_v_load(tile->sums + r * tile->width + v) + bias) * scale;
            store_lanes(y[r] + v, gb_v_activate(activation, u), lanes);
        }
    }
}

GB_INLINE void finish_backward(const struct run *run, const struct tile *tile,
                               enum gb_activation activation) {
    const struct gb_conv_input_epilogue *e = run->backward;
    size_t partial_floats = partial_row(run->out->c);
    float *partial = run->partials + tile->first / GB_TILE_ROWS * partial_floats + tile->column;
    float *x[GB_TILE_ROWS], *dx[GB_TILE_ROWS];
    tile_pixels(e->x, tile, x);
    tile_pixels(run->out, tile, dx);
    for (size_t v = 0; v < tile->width; v += GB_LANES) {
        int lanes = lanes_from(run->out->c, tile->column + v);
        gb_v scale = e->scale ? gb_v_load(e->scale + tile->column + v) : gb_v_set(1.0f);
        gb_v d_bias = {0}, d_log_scale = {0};
        for (size_t r = 0; r < tile->count; r++) {
            gb_v value = load_lanes(x[r] + v, lanes);
            gb_v g = load_lanes(tile->sums + r * tile->width + v, lanes);
            g = gb_v_activation_gradient(activation, g, value);
            d_log_scale += g * value;
            g *= scale;
            d_bias += g;
            store_lanes(dx[r] + v, g, lanes);
        }
        gb_v_store(partial + v, d_bias);
        gb_v_store(partial + partial_floats / 2 + v, d_log_scale);
    }
}

static void finish_plain(const struct run *run, const struct tile *tile) {
    float *y[GB_TILE_ROWS];
    tile_pixels(run->out, tile, y);
    for (size_t v = 0; v < tile->width; v += GB_LANES) {
        int lanes = lanes_from(run->out->c, tile->column + v);
        for (size_t r = 0; r < tile->count; r++)
            store_lanes(y[r] + v, gb_v_load(tile->sums + r * tile->width + v), lanes);
    }
}

static void finish(const struct run *run, const struct tile *tile) {
    if (!run->forward && !run->backward) {
        finish_plain(run, tile);
        return;
    }
    // One instance of the loops for each activation, so that none branches on it.
    switch (run->activation) {
    case GB_IDENTITY:
        run->forward ? finish_forward(run, tile, GB_IDENTITY)
                     : finish_backward(run, tile, GB_IDENTITY);
        break;
    case GB_RELU:
        run->forward ? finish_forward(run, tile, GB_RELU) : finish_backward(run, tile, GB_RELU);
        break;
    case GB_LEAKY_RELU:
        run->forward ? finish_forward(run, tile, GB_LEAKY_RELU)
                     : finish_backward(run, tile, GB_LEAKY_RELU);
        break;
    case GB_TANH:
        run->forward ? finish_forward(run, tile, GB_TANH) : finish_backward(run, tile, GB_TANH);
        break;
    }
}

// A square that ends early; the rest of its target's columns is padding.
static void transpose_edge(const float *source, size_t source_row, size_t rows, float *target,
                           size_t target_row, size_t columns) {
    float in[GB_LANES * GB_LANES] = {0}, out[GB_LANES * GB_LANES];
    for (size_t r = 0; r < rows; r++)
        gb_v_store(in + r * GB_LANES, gb_v_load(source + r * source_row));
    gb_transpose(in, GB_LANES, out, GB_LANES);
    for (size_t c = 0; c < columns; c++)
        gb_v_store(target + c * target_row, gb_v_load(out + c * GB_LANES));
}

// Writes one panel of the data gradient's weights, in which in and out channels exchange their
// roles: the transposed matrix where the two products differ in form, else (both gathered) a
// transposed matrix for each tap.
static void transpose_panel(const struct run *run, size_t panel, float *to) {
    const struct product *from = run->packed_shape, *g = &run->g;
    size_t taps = from->form == g->form ? (size_t)gb_window_taps(&g->window) : 1;
    size_t rows = from->weights.rows / taps, columns = from->weights.columns;
    size_t width = gb_panel_width(g->weights, panel), first = panel * GB_TILE_COLUMNS;
    for (size_t tap = 0; tap < taps; tap++)
        for (size_t column = 0; column < columns; column += GB_LANES)
            for (size_t row = first; row < first + width; row += GB_LANES) {
                const float *source =
                    run->packed + gb_panel_index(from->weights, tap * rows + row, column);
                size_t source_row = gb_panel_width(from->weights, column / GB_TILE_COLUMNS);
                float *target = to + (tap * columns + column) * width + row - first;
                size_t row_count = smaller(rows - row, GB_LANES);
                size_t column_count = smaller(columns - column, GB_LANES);
                if (row_count == GB_LANES && column_count == GB_LANES)
                    gb_transpose(source, source_row, target, width);
                else
                    transpose_edge(source, source_row, row_count, target, width, column_count);
            }
}

static void transpose_weights(const struct run *run, int rank, int size) {
    struct gb_share share = gb_share_of(gb_panel_count(run->g.weights), rank, size);
    for (size_t panel = share.begin; panel < share.end; panel++)
        transpose_panel(run, panel, run->transposed + gb_panel_offset(run->g.weights, panel));
}

// A thread's walk over the units (tile, panel). Units go block by block of tiles, within a block
// panel by panel: a panel of weights stays in the first-level cache for all tiles of the block, and
// the block's gathered rows in the second level for all panels.
struct unit {
    size_t block, slot, tile, panel;
};

static struct unit unit_at(const struct product *g, size_t index) {
    size_t panels = gb_panel_count(g->weights), per_block = g->tiles_per_block * panels;
    size_t block = index / per_block, rest = index % per_block;
    size_t in_block = smaller(g->tiles_per_block, g->tiles - block * g->tiles_per_block);
    size_t slot = rest % in_block;
    return (struct unit){block, slot, block * g->tiles_per_block + slot, rest / in_block};
}

// The weights of a panel: in place, or transposed into the thread's scratch when the walk comes to
// it.
static const float *panel_weights(const struct run *run, size_t panel, size_t *present,
                                  float *scratch) {
    if (run->weights)
        return run->weights + gb_panel_offset(run->g.weights, panel);
    if (*present != panel)
        transpose_panel(run, *present = panel, scratch);
    return scratch;
}

static void multiply(const struct run *run, int rank, int size) {
    const struct product *g = &run->g;
    float *panel_scratch = run->exec->scratch + run->per_thread * (size_t)rank;
    float *block_scratch = panel_scratch + own_panel_floats(g),
          sums[GB_TILE_ROWS * GB_TILE_COLUMNS];
    bool direct = gb_window_is_view(&g->reads, run->in);
    ptrdiff_t a_row = direct ? run->in->pixel : (ptrdiff_t)gathered_row(g);
    size_t block = SIZE_MAX, panel = SIZE_MAX, gathered = 0; // bit mask of the block's tiles
    struct gb_share share = gb_share_of(g->tiles * gb_panel_count(g->weights), rank, size);
    for (size_t index = share.begin; index < share.end; index++) {
        struct unit u = unit_at(g, index);
        if (u.block != block) {
            block = u.block;
            gathered = 0;
        }
        size_t first = u.tile * GB_TILE_ROWS, count = smaller(g->rows - first, GB_TILE_ROWS);
        float *own = block_scratch + u.slot * GB_TILE_ROWS * gathered_row(g);
        if (!direct && !(gathered >> u.slot & 1)) {
            gb_window_gather(&g->reads, run->in, first, count, 0, g->weights.rows, own, a_row);
            gathered |= (size_t)1 << u.slot;
        }
        const float *a = direct ? (const float *)run->in->data + (ptrdiff_t)first * a_row : own;
        const float *b = panel_weights(run, u.panel, &panel, panel_scratch);
        size_t width = gb_panel_width(g->weights, u.panel), column = u.panel * GB_TILE_COLUMNS;
        gb_row_kernel *kernel = gb_row_kernels[count - 1][width / GB_LANES - 1];
        if (g->form == SCATTERED) {
            kernel(g->weights.rows, a, a_row, b,
                   run->scattered + first * run->scattered_row + column,
                   (ptrdiff_t)run->scattered_row);
        } else {
            kernel(g->weights.rows, a, a_row, b, sums, (ptrdiff_t)width);
            finish(run, &(struct tile){first, count, column, width, sums});
        }
    }
}

// One vector of output channels of one pixel: its taps in the scattered product added up in order.
static gb_v sum_taps(const struct run *run, struct gb_pixel p, size_t column) {
    const struct gb_axis *rows = &run->g.window.rows, *columns = &run->g.window.columns;
    gb_v sum = {0};
    for (int a = gb_axis_first_tap(rows, p.i); a < rows->taps; a += rows->divisor) {
        int i = gb_axis_input(rows, p.i, a);
        if (i < 0)
            continue;
        size_t row = ((size_t)p.n * (size_t)rows->inputs + (size_t)i) * (size_t)columns->inputs;
        for (int b = gb_axis_first_tap(columns, p.j); b < columns->taps; b += columns->divisor) {
            int j = gb_axis_input(columns, p.j, b);
            size_t tap = (size_t)(a * columns->taps + b);
            if (j >= 0)
                sum += gb_v_load(run->scattered + (row + (size_t)j) * run->scattered_row +
                                 tap * (size_t)run->g.out_c + column);
        }
    }
    return sum;
}

static void add_taps(const struct run *run, int rank, int size) {
    const struct product *g = &run->g;
    struct gb_panels columns = {1, (size_t)g->out_c};
    float sums[GB_TILE_ROWS * GB_TILE_COLUMNS];
    struct gb_share share = gb_share_of(g->out_tiles, rank, size);
    for (size_t t = share.begin; t < share.end; t++)
        for (size_t panel = 0; panel < gb_panel_count(columns); panel++) {
            size_t first = t * GB_TILE_ROWS, count = smaller(g->out_rows - first, GB_TILE_ROWS);
            size_t width = gb_panel_width(columns, panel), column = panel * GB_TILE_COLUMNS;
            struct gb_pixel p = gb_pixel_at(first, run->out->h, run->out->w);
            for (size_t r = 0; r < count; r++, gb_pixel_next(&p, run->out->h, run->out->w))
                for (size_t v = 0; v < width; v += GB_LANES)
                    gb_v_store(sums + r * width + v, sum_taps(run, p, column + v));
            finish(run, &(struct tile){first, count, column, width, sums});
        }
}

static void run_body(void *argument, int rank, int size) {
    const struct run *run = argument;
    if (run->transposed) {
        transpose_weights(run, rank, size);
        gb_barrier(size);
    }
    multiply(run, rank, size);
    if (run->g.form == SCATTERED) {
        gb_barrier(size);
        add_taps(run, rank, size);
    }
    if (run->backward) {
        gb_barrier(size);
        add_partials(run->partials, run->g.out_tiles, run->g.out_c, run->backward->d_bias,
                     run->backward->d_log_scale, rank, size);
    }
}

static size_t scattered_floats(const struct product *g) {
    // A vector more, for the last tap's whole vectors.
    return g->form == SCATTERED ? gb_round_up(g->rows * gb_panels_width(g->weights) + GB_LANES, 16)
                                : 0;
}

// ---- Weight gradient ----

// The sum over pixels of a product's left rows times its gradient's rows. In the gathered form,
// sums of one tap run over the output's rows of pixels where the tap reads inside the image; the
// scattered form is the same with the roles of x and dy exchanged: dy is gathered.
enum {
    BLOCK_STEPS = 128, // pixels at a time: a panel of 16 KiB
    // At most so many tiles of a panel. Every chunk of tiles reads all of x and dy again: 3x3 from
    // 128 to 128 channels at 8 x 32 x 32 pixels went from 63 to 80 % of the peak between 32 and
    // 100.
    STRIP_TILES = 112,
    // Strips that take turns, and their tiles, whose sums are kept meanwhile.
    GROUP_STRIPS = 16,
    GROUP_TILES = 4 * STRIP_TILES,
};

struct weight_run {
    const struct gb_conv_plan *plan;
    const struct gb_exec *exec;
    const struct gb_tensor *x, *dy;
    struct product forward;
    struct gb_window a_reads, b_reads; // how the sum's pixels read x and dy
    size_t taps_of_a;                  // groups of rows: taps, or one
    float *d_packed;
    const struct gb_adam_target *update;
};

static size_t tiles_per_tap(const struct product *forward) {
    return ceil_div((size_t)forward->in_c, GB_TILE_ROWS);
}
// Tiles share a tap's rows evenly.
static struct gb_share tile_rows(const struct product *forward, size_t tile) {
    size_t per_tap = tiles_per_tap(forward);
    struct gb_share rows = gb_share_of((size_t)forward->in_c, (int)(tile % per_tap), (int)per_tap);
    size_t base = tile / per_tap * (size_t)forward->in_c;
    return (struct gb_share){base + rows.begin, base + rows.end};
}

static size_t pixel_rows_of(const struct weight_run *run) {
    return (size_t)run->forward.n * (size_t)run->a_reads.rows.outputs;
}

static size_t rows_per_block(const struct gb_window *w) {
    return larger(1, BLOCK_STEPS / (size_t)w->columns.outputs);
}

struct weight_scratch {
    float *sums, *panel;
    struct gb_segment *segments;
};

static size_t segment_floats(const struct gb_window *w) {
    return gb_round_up(rows_per_block(w) * sizeof(struct gb_segment) / sizeof(float), 16);
}
static size_t panel_floats(const struct gb_window *w) {
    return rows_per_block(w) * (size_t)w->columns.outputs * GB_TILE_COLUMNS;
}
static const size_t group_sums = (size_t)GROUP_TILES * GB_TILE_ROWS * GB_TILE_COLUMNS;

static size_t weight_run_scratch(const struct gb_window *w) {
    return group_sums + panel_floats(w) + segment_floats(w);
}

static struct weight_scratch weight_scratch_at(float *scratch, const struct gb_window *w) {
    return (struct weight_scratch){scratch, scratch + group_sums,
                                   (struct gb_segment *)(scratch + group_sums + panel_floats(w))};
}

// Where a tap reads x for the rows of pixels [begin, end).
static size_t list_segments(const struct weight_run *run, size_t tap, size_t begin, size_t end,
                            struct gb_segment *segments) {
    const struct gb_axis *rows = &run->a_reads.rows, *columns = &run->a_reads.columns;
    int a = (int)tap / columns->taps, b = (int)tap % columns->taps;
    struct gb_range inside = gb_axis_inside(columns, b);
    size_t count = 0;
    for (size_t row = begin; row < end && inside.begin < inside.end; row++) {
        int n = (int)row / rows->outputs, i = gb_axis_input(rows, (int)row % rows->outputs, a);
        int j = inside.begin * columns->stride + columns->origin + b;
        if (i >= 0)
            segments[count++] =
                (struct gb_segment){gb_at(run->x, n, i, j),
                                    (row - begin) * (size_t)columns->outputs + (size_t)inside.begin,
                                    (size_t)(inside.end - inside.begin)};
    }
    return count;
}

static void gather_panel(const struct weight_run *run, size_t begin, size_t end, size_t column,
                         size_t width, float *panel) {
    size_t pixels = (size_t)run->b_reads.columns.outputs, rows = (end - begin) * pixels;
    size_t used = smaller(width, run->forward.weights.columns - column);
    gb_window_gather(&run->b_reads, run->dy, begin * pixels, rows, column, used, panel,
                     (ptrdiff_t)width);
    gb_clear_rows(rows, width - used, panel + used, (ptrdiff_t)width);
}

// Tiles [begin, end) of one panel, whose sums are kept while the blocks of pixels go by.
struct strip {
    size_t panel, begin, end;
    size_t place; // in the packed weights
    float *sums;
};

static size_t strip_floats(const struct product *g, const struct strip *s) {
    return (tile_rows(g, s->end - 1).end - tile_rows(g, s->begin).begin) *
           gb_panel_width(g->weights, s->panel);
}

// Adds the rows of pixels [row, row_end) to a strip's sums.
static void sum_block(const struct weight_run *run, const struct weight_scratch *scratch,
                      const struct strip *strip, size_t row, size_t row_end) {
    const struct product *g = &run->forward;
    size_t width = gb_panel_width(g->weights, strip->panel), listed = SIZE_MAX, segments = 0;
    float *sums = strip->sums;
    gather_panel(run, row, row_end, strip->panel * GB_TILE_COLUMNS, width, scratch->panel);
    for (size_t tile = strip->begin; tile < strip->end; tile++) {
        size_t tap = tile / tiles_per_tap(g);
        if (tap != listed)
            segments = list_segments(run, listed = tap, row, row_end, scratch->segments);
        struct gb_share rows = tile_rows(g, tile);
        size_t count = rows.end - rows.begin;
        if (segments > 0)
            gb_step_kernels[count - 1][width / GB_LANES - 1](
                scratch->segments, segments, rows.begin - tap * (size_t)g->in_c,
                run->a_reads.columns.stride * run->x->pixel, scratch->panel, sums, row == 0);
        else if (row == 0)
            gb_clear_rows(1, count * width, sums, 0);
        sums += count * width;
    }
}

// The strips of a group take turns at each block of pixels, which stays in the second-level cache
// for all of them.
static void sum_group(const struct weight_run *run, const struct weight_scratch *scratch,
                      const struct strip *strips, size_t count) {
    size_t pixel_rows = pixel_rows_of(run), step = rows_per_block(&run->a_reads);
    for (size_t row = 0; row < pixel_rows; row += step)
        for (size_t s = 0; s < count; s++)
            sum_block(run, scratch, &strips[s], row, smaller(row + step, pixel_rows));
}

// Units are tiles, in the order (chunk of tiles, panel, tile in the chunk).
static struct strip strip_at(const struct product *g, size_t tiles, size_t unit, size_t last) {
    size_t panels = gb_panel_count(g->weights);
    size_t in_chunk = ceil_div(tiles, ceil_div(tiles, STRIP_TILES)); // chunks are about equal
    size_t first = unit / (in_chunk * panels) * in_chunk, count = smaller(tiles - first, in_chunk);
    size_t rest = unit - first * panels, begin = first + rest % count;
    return (struct strip){rest / count, begin, smaller(first + count, begin + last - unit), 0,
                          NULL};
}

// The next strips of a thread's share, from `unit` on. Where one block holds all pixels there is
// nothing to take turns for.
static size_t list_strips(const struct weight_run *run, size_t unit, size_t last, float *sums,
                          struct strip *strips) {
    const struct product *g = &run->forward;
    size_t tiles = run->taps_of_a * tiles_per_tap(g), pixel_rows = pixel_rows_of(run), count = 0;
    size_t most = pixel_rows <= rows_per_block(&run->a_reads) ? 1 : GROUP_STRIPS;
    for (size_t listed = 0; count < most && unit < last; count++) {
        struct strip s = strip_at(g, tiles, unit, last);
        listed += s.end - s.begin;
        if (count > 0 && listed > GROUP_TILES)
            break;
        s.place = gb_panel_offset(g->weights, s.panel) +
                  tile_rows(g, s.begin).begin * gb_panel_width(g->weights, s.panel);
        s.sums = run->update ? sums : run->d_packed + s.place;
        sums += strip_floats(g, &s);
        unit += s.end - s.begin;
        strips[count] = s;
    }
    return count;
}

static void weight_body(void *argument, int rank, int size) {
    const struct weight_run *run = argument;
    const struct product *g = &run->forward;
    const struct gb_adam_target *update = run->update;
    struct weight_scratch scratch = weight_scratch_at(
        run->exec->scratch + run->plan->scratch_per_thread * (size_t)rank, &run->a_reads);
    size_t tiles = run->taps_of_a * tiles_per_tap(g);
    struct gb_share share = gb_share_of(gb_panel_count(g->weights) * tiles, rank, size);
    for (size_t unit = share.begin; unit < share.end;) {
        struct strip strips[GROUP_STRIPS];
        size_t count = list_strips(run, unit, share.end, scratch.sums, strips);
        sum_group(run, &scratch, strips, count);
        for (const struct strip *s = strips; s < strips + count; s++) {
            if (update)
                gb_adam_piece(update->adam, strip_floats(g, s), s->sums, update->weights + s->place,
                              update->moment1 + s->place, update->moment2 + s->place);
            unit += s->end - s->begin;
        }
    }
}

// The sum's pixels are those of the product's rows.
static struct gb_window weight_window(const struct product *forward) {
    return forward->reads;
}

// ---- The backend's entries ----

enum gb_status GB_NAME(gb_conv_plan_f32)(const struct gb_conv_problem *problem,
                                         struct gb_conv_plan *plan) {
    GB_TRY(gb_conv_check(problem));
    struct product forward = forward_product(problem), backward = backward_product(problem);
    struct gb_window sums = weight_window(&forward);
    size_t backward_shared = shared_panels_floats(&backward) + scattered_floats(&backward) +
                             backward.out_tiles * partial_row(problem->c);
    size_t products = larger(multiply_scratch(&forward), multiply_scratch(&backward));
    *plan = (struct gb_conv_plan){
        .problem = *problem,
        .out_h = gb_conv_out_h(problem),
        .out_w = gb_conv_out_w(problem),
        .weight_floats = gb_panels_floats(forward.weights),
        .scratch_shared = gb_round_up(larger(scattered_floats(&forward), backward_shared), 16),
        .scratch_per_thread = gb_round_up(larger(products, weight_run_scratch(&sums)), 16),
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

void GB_NAME(gb_conv_forward_f32)(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                                  const struct gb_tensor *x, const float *packed,
                                  const struct gb_conv_epilogue *epilogue,
                                  const struct gb_tensor *y) {
    struct run run = {.g = forward_product(&plan->problem), .exec = exec, .in = x, .out = y};
    int threads = threads_for(plan, exec);
    run.weights = packed;
    run.per_thread = plan->scratch_per_thread;
    run.forward = epilogue;
    run.activation = plan->problem.activation;
    run.scattered = exec->scratch + (size_t)threads * plan->scratch_per_thread;
    run.scattered_row = gb_panels_width(run.g.weights);
    gb_parallel(threads, run_body, &run);
}

void GB_NAME(gb_conv_backward_data_f32)(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                                        const struct gb_tensor *dy, const float *packed,
                                        const struct gb_conv_input_epilogue *epilogue,
                                        const struct gb_tensor *dx) {
    struct product forward = forward_product(&plan->problem);
    struct run run = {.g = backward_product(&plan->problem), .exec = exec, .in = dy, .out = dx};
    int threads = threads_for(plan, exec);
    run.per_thread = plan->scratch_per_thread;
    run.packed_shape = &forward;
    run.packed = packed;
    float *shared = exec->scratch + (size_t)threads * plan->scratch_per_thread;
    run.weights = run.transposed = transposes_alone(&run.g) ? NULL : shared;
    run.scattered = shared + shared_panels_floats(&run.g);
    run.scattered_row = gb_panels_width(run.g.weights);
    run.partials = run.scattered + scattered_floats(&run.g);
    run.backward = epilogue;
    run.activation = epilogue ? epilogue->activation : GB_IDENTITY;
    gb_parallel(threads, run_body, &run);
}

void GB_NAME(gb_conv_backward_weights_f32)(const struct gb_conv_plan *plan,
                                           const struct gb_exec *exec, const struct gb_tensor *x,
                                           const struct gb_tensor *dy, float *d_packed,
                                           const struct gb_adam_target *update) {
    struct weight_run run = {.plan = plan, .exec = exec, .x = x, .dy = dy, .d_packed = d_packed};
    run.update = update;
    run.forward = forward_product(&plan->problem);
    run.a_reads = weight_window(&run.forward);
    run.taps_of_a = (size_t)gb_window_taps(&run.a_reads);
    run.b_reads = run.forward.form == SCATTERED ? gb_window_backward(&plan->problem)
                                                : gb_window_pointwise(plan->out_h, plan->out_w);
    gb_parallel(threads_for(plan, exec), weight_body, &run);
}

struct epilogue_run {
    enum gb_activation activation;
    const struct gb_tensor *dy, *y, *du;
    const float *scale;
    float *d_bias, *d_log_scale, *partials;
    size_t chunks;
};

static void epilogue_chunk(const struct epilogue_run *run, size_t chunk) {
    const struct gb_tensor *y = run->y;
    size_t pixels = (size_t)y->n * (size_t)y->h * (size_t)y->w, first = chunk * GB_EPILOGUE_CHUNK;
    size_t count = smaller(pixels - first, GB_EPILOGUE_CHUNK);
    float *partial = run->partials + chunk * partial_row(y->c);
    for (int column = 0; column < y->c; column += GB_LANES) {
        struct gb_pixel p = gb_pixel_at(first, y->h, y->w);
        int lanes = y->c - column < GB_LANES ? y->c - column : GB_LANES;
        gb_v scale = run->scale ? gb_v_load(run->scale + column) : gb_v_set(1.0f);
        gb_v d_bias = {0}, d_log_scale = {0};
        for (size_t s = 0; s < count; s++, gb_pixel_next(&p, y->h, y->w)) {
            gb_v value = gb_v_load_part(gb_at(y, p.n, p.i, p.j) + column, lanes);
            gb_v g = gb_v_load_part(gb_at(run->dy, p.n, p.i, p.j) + column, lanes);
            g = gb_v_activation_gradient(run->activation, g, value);
            d_log_scale += g * value;
            g *= scale;
            d_bias += g;
            gb_v_store_part(gb_at(run->du, p.n, p.i, p.j) + column, g, lanes);
        }
        gb_v_store(partial + column, d_bias);
        gb_v_store(partial + partial_row(y->c) / 2 + column, d_log_scale);
    }
}

static void epilogue_body(void *argument, int rank, int size) {
    const struct epilogue_run *run = argument;
    struct gb_share chunks = gb_share_of(run->chunks, rank, size);
    for (size_t chunk = chunks.begin; chunk < chunks.end; chunk++)
        epilogue_chunk(run, chunk);
    gb_barrier(size);
    add_partials(run->partials, run->chunks, run->y->c, run->d_bias, run->d_log_scale, rank, size);
}

void GB_NAME(gb_epilogue_backward_f32)(const struct gb_exec *exec, enum gb_activation activation,
                                       const struct gb_tensor *dy, const struct gb_tensor *y,
                                       const float *scale, const struct gb_tensor *du,
                                       float *d_bias, float *d_log_scale) {
    enum { WORTH_SHARING = 1 << 16 }; // elements
    size_t pixels = (size_t)y->n * (size_t)y->h * (size_t)y->w;
    struct epilogue_run run = {activation,
                               dy,
                               y,
                               du,
                               scale,
                               d_bias,
                               d_log_scale,
                               exec->scratch,
                               ceil_div(pixels, GB_EPILOGUE_CHUNK)};
    gb_parallel(gb_elements(y) < WORTH_SHARING ? 1 : exec->threads, epilogue_body, &run);
}
