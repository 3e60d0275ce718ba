// SPDX-License-Identifier: MIT
// 3x3 convolutions of stride 1 by Winograd's minimal filtering F(2x2, 3x3) (Lavin and Gray, "Fast
// Algorithms for Convolutional Neural Networks", 2015): tiles of 2x2 outputs, of which each needs
// 16 products of a filter and a channel in place of 36. With d the 4x4 inputs under a tile and g a
// filter,
//   y = A^T (sum over channels of (G g G^T) * (B^T d B)) A,
// so that the sums over channels are 16 matrix products, one for each point of the 4x4 square, of
// tiles by in and out channels. The data gradient is the same with filters turned round and
// transposed. Coefficients are 0, 1 and 1/2: small integers stay exact. Part of conv_body.c.
#ifndef GB_CONV_WINOGRAD_H
#define GB_CONV_WINOGRAD_H

#include "kernels/conv/multiply.h"

enum {
    POINTS = 16,
    // At the most so many tiles of a line are one piece, whose outputs go through the epilogue
    // together.
    PIECE_TILES = 12,
    // What a block of pieces holds of the input's points is 512 KiB at the most, beside the 128 KiB
    // of its sums: the second-level cache's. A block beside a panel of filters, which is 32 KiB a
    // point at 256 channels, is one pass over them.
    BLOCK_FLOATS = 1 << 17,
    LEAST_WINOGRAD_TILES = 24,
    MOST_WINOGRAD_TILES = 96,
    // Of an array of one point more than its tiles take: without it the 16 points of a tile would
    // fall into the same sets of the first-level cache.
    POINT_GAP = 16,
};

// How a product goes by tiles.
struct winograd {
    struct tiling pieces;     // of tiles
    struct gb_panels filters; // of one point: in channels by out channels
    size_t in_row;            // floats of a tile's channels at one point: odd in cache lines
    size_t block_pieces;
    // Threads divide the panels of out channels, each beside all tiles; else the tiles.
    bool divides_out;
};

static size_t most_piece_tiles(const struct tiling *pieces) {
    return ceil_div((size_t)pieces->width, (size_t)pieces->across);
}

static size_t tiles_of(const struct tiling *pieces, struct gb_range share) {
    size_t tiles = 0;
    for (size_t p = share.begin; p < share.end; p++)
        tiles += (size_t)tile_at(pieces, p).count;
    return tiles;
}

static struct winograd winograd_of(const struct product *g) {
    int down = (g->window.rows.outputs + 1) / 2, across = (g->window.columns.outputs + 1) / 2;
    int pieces = (int)ceil_div((size_t)across, PIECE_TILES);
    struct winograd w = {.pieces = {g->n, down, across, pieces, across % pieces, across / pieces},
                         .filters = gb_panels_of((size_t)g->in_c, (size_t)g->out_c),
                         .in_row = (ceil_div((size_t)g->in_c, 16) | 1) * 16};
    w.filters.width = smaller(w.filters.width, 2 * GB_LANES);
    size_t tiles = smaller(larger(BLOCK_FLOATS / (POINTS * w.in_row), LEAST_WINOGRAD_TILES),
                           MOST_WINOGRAD_TILES);
    w.block_pieces = larger(tiles / most_piece_tiles(&w.pieces), 1);
    // The smaller operand is made by every thread for itself: what another core made comes slowly.
    // On two threads 48 to 256 channels at 2 x 8 x 8 pixels take 1.7 times as long by tiles.
    w.divides_out = w.filters.columns > pixel_count(&w.pieces);
    return w;
}

static size_t block_tiles(const struct winograd *w) {
    return w->block_pieces * most_piece_tiles(&w->pieces);
}
static size_t filter_point(const struct winograd *w) { // floats from one point to the next
    return gb_panels_floats(w->filters) + POINT_GAP;
}
static size_t input_point(const struct winograd *w) {
    return block_tiles(w) * w->in_row + POINT_GAP;
}
static size_t sum_point(const struct winograd *w) {
    return block_tiles(w) * w->filters.width + POINT_GAP;
}

// A row of the scattered form's packed weights, laid flat, with a vector of slack.
static size_t flat_row(const struct product *packed) {
    return gb_panels_width(packed->weights) + 16;
}
static size_t flat_floats(const struct product *packed) {
    return packed->form == SCATTERED ? GB_LANES * flat_row(packed) : 0;
}

// `packed` is the forward product, in whose layout the filters lie.
static size_t winograd_shared(const struct product *g) {
    struct winograd w = winograd_of(g);
    return gb_round_up(POINTS * filter_point(&w), 16);
}
static size_t winograd_partial_count(const struct product *g) {
    struct winograd w = winograd_of(g);
    return (size_t)g->n * (size_t)g->window.rows.outputs * (size_t)w.pieces.across;
}
static size_t winograd_scratch(const struct product *g, const struct product *packed) {
    struct winograd w = winograd_of(g);
    size_t line = 2 * PIECE_TILES * w.filters.width;
    return larger(POINTS * (input_point(&w) + sum_point(&w)) + 2 * line, flat_floats(packed));
}

struct winograd_run {
    struct multiply_run product;
    struct winograd shape;
    const struct product *packed_shape;
    const float *packed;
    float *filters;
};

// ---- The filters' points: G g G^T ----

GB_INLINE void filter_line(const gb_v g[3], gb_v u[4]) {
    const gb_v half = gb_v_set(0.5f), ends = g[0] + g[2];
    u[0] = g[0];
    u[1] = half * (ends + g[1]);
    u[2] = half * (ends - g[1]);
    u[3] = g[2];
}

// `taps`: nine vectors, `from` floats apart, in the order that the product reads them or turned
// round; the points go `point` floats apart.
GB_INLINE void filter_points(const float *taps, ptrdiff_t from, bool turned, float *to,
                             size_t point) {
    gb_v lines[3][4];
    GB_UNROLL
    for (int a = 0; a < 3; a++) {
        gb_v g[3];
        GB_UNROLL
        for (int b = 0; b < 3; b++)
            g[b] = gb_v_load(taps + (turned ? 8 - 3 * a - b : 3 * a + b) * from);
        filter_line(g, lines[a]);
    }
    GB_UNROLL
    for (int b = 0; b < 4; b++) {
        const gb_v column[3] = {lines[0][b], lines[1][b], lines[2][b]};
        gb_v u[4];
        filter_line(column, u);
        GB_UNROLL
        for (size_t a = 0; a < 4; a++)
            gb_v_store(to + (4 * a + (size_t)b) * point, u[a]);
    }
}

// Where the packed filters of an input channel and a vector of output channels lie.
struct filters {
    const float *first; // of tap (0, 0)
    ptrdiff_t tap, in;  // floats from one tap, one input channel to the next
};

// `flat`: of the scattered form, the rows from input channel `in` on.
static struct filters filters_at(const struct winograd_run *run, size_t in, size_t out,
                                 const float *flat) {
    const struct product *from = run->packed_shape;
    if (from->form == SCATTERED)
        return (struct filters){flat + out, from->out_c, (ptrdiff_t)flat_row(from)};
    ptrdiff_t width = (ptrdiff_t)gb_panel_width(from->weights, out / from->weights.width);
    return (struct filters){run->packed + gb_panel_index(from->weights, in, out),
                            from->in_c * width, width};
}

// Input channels [in, in + count) of the scattered form; others are read where they are.
static void lay_flat(const struct winograd_run *run, size_t in, size_t count, float *flat) {
    const struct product *from = run->packed_shape;
    size_t row = flat_row(from);
    if (from->form != SCATTERED)
        return;
    for (size_t q = 0; q < count; q++) {
        for (size_t panel = 0; panel < gb_panel_count(from->weights); panel++) {
            size_t column = panel * from->weights.width;
            memcpy(flat + q * row + column,
                   run->packed + gb_panel_index(from->weights, in + q, column),
                   gb_panel_width(from->weights, panel) * sizeof *flat);
        }
        gb_clear_rows(1, 16, flat + (q + 1) * row - 16, 0);
    }
}

// Forward: columns of each point's panels for an input channel, which is their row.
static void make_filter_row(const struct winograd_run *run, size_t in, struct gb_range columns,
                            float *room) {
    const struct winograd *w = &run->shape;
    lay_flat(run, in, 1, room);
    for (size_t out = columns.begin; out < columns.end; out += GB_LANES) {
        struct filters f = filters_at(run, in, out, room);
        filter_points(f.first, f.tap, false, run->filters + gb_panel_index(w->filters, in, out),
                      filter_point(w));
    }
}

// Data gradient: a vector of columns, which are the packed weights' input channels; rows are the
// output channels. Squares of both are transposed tap by tap.
static void make_filter_columns(const struct winograd_run *run, size_t column, float *room) {
    const struct winograd *w = &run->shape;
    const struct product *from = run->packed_shape;
    size_t in_count = smaller((size_t)from->in_c - column, GB_LANES);
    float taps[9][GB_LANES * GB_LANES] = {0};
    lay_flat(run, column, in_count, room);
    for (size_t out = 0; out < (size_t)from->out_c; out += GB_LANES) {
        size_t count = smaller((size_t)from->out_c - out, GB_LANES);
        struct filters f = filters_at(run, column, out, room);
        for (size_t tap = 0; tap < 9; tap++) {
            const float *square = f.first + (ptrdiff_t)tap * f.tap;
            if (in_count == GB_LANES)
                gb_transpose(square, (size_t)f.in, taps[tap], GB_LANES);
            else
                transpose_edge(square, (size_t)f.in, in_count, taps[tap], GB_LANES, GB_LANES);
        }
        for (size_t i = 0; i < count; i++)
            filter_points(taps[0] + i * GB_LANES, GB_LANES * GB_LANES, true,
                          run->filters + gb_panel_index(w->filters, out + i, column),
                          filter_point(w));
    }
}

// The points of a thread's share: of its panels, else of all filters, which threads make together.
static void make_filters(const struct winograd_run *run, struct gb_range panels, float *room,
                         int rank, int size) {
    const struct winograd *w = &run->shape;
    bool forward = run->product.g.window.rows.step > 0;
    struct gb_range rows = {0, w->filters.rows};
    struct gb_range columns = {panels.begin * w->filters.width,
                               smaller(panels.end * w->filters.width, w->filters.columns)};
    if (!w->divides_out && forward)
        rows = gb_partition(w->filters.rows, rank, size);
    if (!w->divides_out && !forward) {
        struct gb_range vectors = gb_partition(ceil_div(columns.end, GB_LANES), rank, size);
        columns.begin = vectors.begin * GB_LANES;
        columns.end = smaller(vectors.end * GB_LANES, columns.end);
    }
    for (size_t in = rows.begin; forward && in < rows.end; in++)
        make_filter_row(run, in, columns, room);
    for (size_t column = columns.begin; !forward && column < columns.end; column += GB_LANES)
        make_filter_columns(run, column, room);
}

// ---- The input's points: B^T d B ----

GB_INLINE void input_line(const gb_v d[4], gb_v v[4]) {
    v[0] = d[0] - d[2];
    v[1] = d[1] + d[2];
    v[2] = d[2] - d[1];
    v[3] = d[1] - d[3];
}

// The 4x4 inputs under a tile; those outside the image are zero.
struct field {
    const float *first;
    ptrdiff_t line, pixel;
    bool inside[4][4], all;
};

static struct field field_of(const struct product *g, const struct gb_tensor *in, int n, int line,
                             int tile) {
    int i = 2 * line + axis_shift(&g->window.rows), j = 2 * tile + axis_shift(&g->window.columns);
    struct field f = {.line = in->row, .pixel = in->pixel, .all = true};
    f.first = (const float *)in->data + n * in->image + i * f.line + j * f.pixel;
    for (int a = 0; a < 4; a++)
        for (int b = 0; b < 4; b++) {
            f.inside[a][b] = i + a >= 0 && i + a < in->h && j + b >= 0 && j + b < in->w;
            f.all &= f.inside[a][b];
        }
    return f;
}

GB_INLINE void input_points(const struct field *f, size_t channel, int lanes, bool all, float *to,
                            size_t point) {
    gb_v lines[4][4];
    GB_UNROLL
    for (int a = 0; a < 4; a++) {
        gb_v d[4];
        GB_UNROLL
        for (int b = 0; b < 4; b++) {
            const float *from = f->first + a * f->line + b * f->pixel + channel;
            d[b] = all || f->inside[a][b] ? load_lanes(from, lanes) : (gb_v){0};
        }
        input_line(d, lines[a]);
    }
    GB_UNROLL
    for (int b = 0; b < 4; b++) {
        const gb_v column[4] = {lines[0][b], lines[1][b], lines[2][b], lines[3][b]};
        gb_v v[4];
        input_line(column, v);
        GB_UNROLL
        for (size_t a = 0; a < 4; a++)
            gb_v_store(to + (4 * a + (size_t)b) * point, v[a]);
    }
}

GB_INLINE void input_channels(const struct field *f, size_t channels, bool all, float *to,
                              size_t point) {
    size_t whole = channels / GB_LANES * GB_LANES;
    for (size_t channel = 0; channel < whole; channel += GB_LANES)
        input_points(f, channel, GB_LANES, all, to + channel, point);
    if (whole < channels)
        input_points(f, whole, (int)(channels - whole), all, to + whole, point);
}

static void input_tile(const struct product *g, const struct gb_tensor *in, int n, int line,
                       int tile, float *to, size_t point) {
    struct field f = field_of(g, in, n, line, tile);
    if (f.all)
        input_channels(&f, (size_t)in->c, true, to, point);
    else
        input_channels(&f, (size_t)in->c, false, to, point);
}

// ---- A block: tiles that lie behind each other in the arrays of points ----

struct winograd_block {
    const struct winograd_run *run;
    struct gb_range panels, pieces;
    size_t tiles;
    float *inputs, *sums, *lines;
};

static void make_inputs(const struct winograd_block *block) {
    const struct multiply_run *run = &block->run->product;
    const struct winograd *w = &block->run->shape;
    float *to = block->inputs;
    for (size_t s = block->pieces.begin; s < block->pieces.end; s++) {
        struct stretch piece = tile_at(&w->pieces, s);
        for (int tile = piece.begin; tile < piece.begin + piece.count; tile++, to += w->in_row)
            input_tile(&run->g, run->in, piece.n, piece.line, tile, to, input_point(w));
    }
}

// The sums over channels beside one panel, point by point.
static void multiply_points(const struct winograd_block *block, const struct panel *panel) {
    const struct winograd *w = &block->run->shape;
    const struct gb_segment all = {0, 0, w->filters.rows};
    size_t turns = ceil_div(block->tiles, GB_TILE_FLOATS / panel->width);
    for (size_t point = 0; point < POINTS; point++)
        for (size_t turn = 0; turn < turns; turn++) {
            struct gb_range rows = gb_partition(block->tiles, (int)turn, (int)turns);
            gb_row_kernels[panel->width / GB_LANES - 1][rows.end - rows.begin - 1](
                block->inputs + point * input_point(w) + rows.begin * w->in_row, &all, 1,
                (ptrdiff_t)w->in_row, panel->weights + point * filter_point(w),
                block->sums + point * sum_point(w) + rows.begin * panel->width,
                (ptrdiff_t)panel->width, true, NULL);
        }
}

GB_INLINE void output_line(const gb_v m[4], gb_v y[2]) {
    y[0] = m[0] + m[1] + m[2];
    y[1] = m[1] - m[2] - m[3];
}

// A^T m A of one vector of a tile; the two lines of outputs lie `line` floats apart.
GB_INLINE void output_points(const float *sums, size_t point, float *to, size_t line,
                             size_t pixel) {
    gb_v lines[2][4];
    GB_UNROLL
    for (size_t b = 0; b < 4; b++) {
        gb_v m[4], y[2];
        GB_UNROLL
        for (size_t a = 0; a < 4; a++)
            m[a] = gb_v_load(sums + (4 * a + b) * point);
        output_line(m, y);
        lines[0][b] = y[0];
        lines[1][b] = y[1];
    }
    GB_UNROLL
    for (size_t a = 0; a < 2; a++) {
        gb_v y[2];
        output_line(lines[a], y);
        gb_v_store(to + a * line, y[0]);
        gb_v_store(to + a * line + pixel, y[1]);
    }
}

// Both lines of a piece's outputs, and what follows them.
static void finish_piece(const struct winograd_block *block, size_t index,
                         const struct panel *panel, const float *sums) {
    const struct multiply_run *run = &block->run->product;
    const struct winograd *w = &block->run->shape;
    const struct gb_window *window = &run->g.window;
    struct stretch piece = tile_at(&w->pieces, index);
    size_t width = panel->width, line = 2 * PIECE_TILES * width, count = (size_t)piece.count;
    for (size_t t = 0; t < count; t++)
        for (size_t v = 0; v < width; v += GB_LANES)
            output_points(sums + t * width + v, sum_point(w), block->lines + 2 * t * width + v,
                          line, width);
    size_t part = index % (size_t)w->pieces.across;
    int j = 2 * piece.begin;
    for (int a = 0; a < 2 && 2 * piece.line + a < window->rows.outputs; a++) {
        int i = 2 * piece.line + a;
        size_t row = (size_t)(piece.n * window->rows.outputs + i);
        struct tile tile = {.count = smaller(2 * count, (size_t)(window->columns.outputs - j)),
                            .out = gb_at(run->out, piece.n, i, j),
                            .x = run->backward ? gb_at(run->backward->x, piece.n, i, j) : NULL,
                            .partial = run->backward ? run->partials +
                                                           (row * (size_t)w->pieces.across + part) *
                                                               partial_floats(run)
                                                     : NULL};
        finish(run, &tile, panel, block->lines + (size_t)a * line);
    }
}

static void run_block(const struct winograd_block *block) {
    const struct winograd_run *run = block->run;
    const struct winograd *w = &run->shape;
    make_inputs(block);
    for (size_t p = block->panels.begin; p < block->panels.end; p++) {
        struct panel panel = panel_of(&run->product, w->filters, p);
        panel.weights = run->filters + gb_panel_offset(w->filters, p);
        multiply_points(block, &panel);
        const float *sums = block->sums;
        for (size_t s = block->pieces.begin; s < block->pieces.end; s++) {
            finish_piece(block, s, &panel, sums);
            sums += (size_t)tile_at(&w->pieces, s).count * panel.width;
        }
    }
}

static void winograd_body(void *argument, int rank, int size) {
    const struct winograd_run *run = argument;
    const struct multiply_run *product = &run->product;
    const struct winograd *w = &run->shape;
    float *own = product->exec->scratch + product->per_thread * (size_t)rank;
    struct gb_range pieces = {0, tile_count(&w->pieces)};
    struct winograd_block block = {
        .run = run, .panels = {0, gb_panel_count(w->filters)}, .inputs = own};
    block.sums = block.inputs + POINTS * input_point(w);
    block.lines = block.sums + POINTS * sum_point(w);
    if (w->divides_out)
        block.panels = gb_partition(block.panels.end, rank, size);
    else
        pieces = gb_partition(pieces.end, rank, size);
    make_filters(run, block.panels, own, rank, size);
    if (!w->divides_out)
        gb_barrier(size);
    size_t count = pieces.end - pieces.begin, blocks = ceil_div(count, w->block_pieces);
    for (size_t b = 0; b < blocks; b++) {
        struct gb_range share = gb_partition(count, (int)b, (int)blocks);
        block.pieces = (struct gb_range){pieces.begin + share.begin, pieces.begin + share.end};
        block.tiles = tiles_of(&w->pieces, block.pieces);
        run_block(&block);
    }
    if (product->backward) {
        gb_barrier(size);
        add_partials(product->partials, winograd_partial_count(&product->g), product->g.out_c,
                     product->backward->d_bias, product->backward->d_log_scale, rank, size);
    }
}

// 3x3 with stride 1, channels that fill lanes, and enough of both for the points to pay.
static bool fits_winograd(const struct product *g) {
    enum { LEAST_CHANNELS = 12, LEAST_PRODUCTS = 1 << 17 };
    const struct gb_axis *rows = &g->window.rows, *columns = &g->window.columns;
    if (rows->taps != 3 || columns->taps != 3 || rows->stride > 1 || columns->stride > 1 ||
        rows->divisor > 1 || columns->divisor > 1)
        return false;
    struct winograd w = winograd_of(g);
    return g->in_c >= LEAST_CHANNELS && g->out_c >= LEAST_CHANNELS &&
           pixel_count(&w.pieces) * (size_t)g->in_c * (size_t)g->out_c >= LEAST_PRODUCTS;
}

// Where it is the faster way: with few weights the inputs' points cost more than they save, and
// beside few outputs the filters'. 24 to 24 channels at 2 x 16 x 16 pixels take 1.2 times as long
// by tiles, 256 to 12 channels 1.1 times.
static bool goes_by_winograd(const struct product *g) {
    enum { LEAST_WEIGHTS = 512, LEAST_OUTPUTS = 3072 };
    if (!fits_winograd(g) || g->in_c * g->out_c < LEAST_WEIGHTS)
        return false;
    struct winograd w = winograd_of(g);
    return w.divides_out || pixel_count(&w.pieces) * (size_t)g->out_c >= LEAST_OUTPUTS;
}

static void run_winograd(const struct multiply_run *product, int threads,
                         const struct product *packed_shape, const float *packed) {
    float *shared = product->exec->scratch + (size_t)threads * product->per_thread;
    struct winograd_run run = {.product = *product,
                               .shape = winograd_of(&product->g),
                               .packed_shape = packed_shape,
                               .packed = packed,
                               .filters = shared};
    run.product.partials = shared + winograd_shared(&product->g);
    gb_parallel(threads, winograd_body, &run);
}

#endif
