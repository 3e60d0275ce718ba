// SPDX-License-Identifier: MIT
// The weight gradient of a convolution that goes by Winograd's tiles (winograd.h): with d and e the
// inputs and the outputs' gradients of a tile,
//   dw = G^T (sum over tiles of (B^T d B) * (A e A^T)) G,
// 16 matrix products of in channels by tiles by out channels. Part of conv_body.c.
#ifndef GB_CONV_WINOGRAD_GRADIENT_H
#define GB_CONV_WINOGRAD_GRADIENT_H

#include "kernels/conv/weight_gradient.h"
#include "kernels/conv/winograd.h"

enum {
    // The points of a block of tiles, of both sides: 1 MiB of the second-level cache. Between
    // blocks every sum is stored and loaded once.
    GRADIENT_BLOCK_FLOATS = 1 << 18,
};

// The forward product's tiles, with blocks of their own and threads that divide the out channels or
// the in channels.
struct winograd_gradient {
    struct winograd tiles;
    size_t dy_row; // floats of a tile's out channels at one point
};

// Threads divide the channels of the side that has more of them, and each makes its points of that
// side and all points of the other: with points made together, half of what a thread read came from
// another core's cache, and 128 to 32 channels at 8 x 16 x 16 pixels took 1.25 times as long on two
// threads. With one vector of channels for each thread that is as far as it goes.
static struct winograd_gradient winograd_gradient_of(const struct product *g) {
    struct winograd_gradient d = {.tiles = winograd_of(g)};
    struct winograd *w = &d.tiles;
    d.dy_row = gb_panels_width(w->filters);
    size_t tiles = GRADIENT_BLOCK_FLOATS / (POINTS * (w->in_row + d.dy_row));
    tiles = larger(tiles, LEAST_WINOGRAD_TILES);
    w->block_pieces =
        smaller(larger(tiles / most_piece_tiles(&w->pieces), 1), tile_count(&w->pieces));
    w->divides_out = g->out_c > g->in_c;
    return d;
}

static size_t dy_point(const struct winograd_gradient *d) {
    return block_tiles(&d->tiles) * d->dy_row + POINT_GAP;
}

// A tap of one input channel's filters.
static size_t tap_row(const struct product *g) {
    return gb_round_up((size_t)g->out_c, 16);
}

// The filters' gradient point by point, and packed.
static size_t winograd_gradient_shared(const struct product *g) {
    struct winograd_gradient d = winograd_gradient_of(g);
    return POINTS * filter_point(&d.tiles) + gb_panels_floats(g->weights);
}
static size_t winograd_gradient_scratch(const struct product *g) {
    struct winograd_gradient d = winograd_gradient_of(g);
    return POINTS * (input_point(&d.tiles) + dy_point(&d)) +
           (g->form == SCATTERED ? 9 * tap_row(g) : 0);
}

struct winograd_gradient_run {
    const struct weight_run *weights;
    struct winograd_gradient shape;
    float *sums, *d_packed;
};

// What one thread makes: the gradient of some in channels by some panels of out channels.
struct gradient_part {
    const struct winograd_gradient_run *run;
    struct gb_range channels, panels;
    struct gb_tensor x; // its channels
    float *x_points, *dy_points, *filters;
};

// ---- The outputs' points: A e A^T ----

GB_INLINE void gradient_line(const gb_v e[2], gb_v m[4]) {
    m[0] = e[0];
    m[1] = e[0] + e[1];
    m[2] = e[0] - e[1];
    m[3] = -e[1];
}

// The 2x2 outputs of a tile; those outside the image are zero.
GB_INLINE void gradient_points(const struct gb_tensor *dy, int n, int i, int j, int channel,
                               float *to, size_t point) {
    int lanes = (int)smaller((size_t)(dy->c - channel), GB_LANES);
    gb_v lines[2][4];
    GB_UNROLL
    for (int a = 0; a < 2; a++) {
        gb_v e[2];
        GB_UNROLL
        for (int b = 0; b < 2; b++)
            e[b] = i + a < dy->h && j + b < dy->w
                       ? load_lanes(gb_at(dy, n, i + a, j + b) + channel, lanes)
                       : (gb_v){0};
        gradient_line(e, lines[a]);
    }
    GB_UNROLL
    for (int b = 0; b < 4; b++) {
        const gb_v column[2] = {lines[0][b], lines[1][b]};
        gb_v m[4];
        gradient_line(column, m);
        GB_UNROLL
        for (size_t a = 0; a < 4; a++)
            gb_v_store(to + (4 * a + (size_t)b) * point, m[a]);
    }
}

// Points of dy go panel by panel, as the products read them: tile by tile within one.
static void make_gradient_tile(const struct gradient_part *part, int n, int i, int j, size_t tile,
                               size_t tiles) {
    const struct winograd_gradient *d = &part->run->shape;
    for (size_t panel = part->panels.begin; panel < part->panels.end; panel++) {
        size_t width = gb_panel_width(d->tiles.filters, panel),
               first = panel * d->tiles.filters.width;
        float *to = part->dy_points + first * tiles + tile * width;
        for (size_t v = 0; v < width; v += GB_LANES)
            gradient_points(part->run->weights->dy, n, i, j, (int)(first + v), to + v, dy_point(d));
    }
}

static void make_points(const struct gradient_part *part, struct gb_range pieces, size_t tiles) {
    const struct winograd_gradient *d = &part->run->shape;
    size_t tile = 0;
    for (size_t p = pieces.begin; p < pieces.end; p++) {
        struct stretch piece = tile_at(&d->tiles.pieces, p);
        for (int t = piece.begin; t < piece.begin + piece.count; t++, tile++) {
            input_tile(&part->run->weights->forward, &part->x, piece.n, piece.line, t,
                       part->x_points + tile * d->tiles.in_row, input_point(&d->tiles));
            make_gradient_tile(part, piece.n, 2 * piece.line, 2 * t, tile, tiles);
        }
    }
}

// ---- The sums over tiles, and the gradient of the filters: G^T u G ----

// A panel of points of dy stays in the first-level cache for all of a part's channels.
static void add_products(const struct gradient_part *part, size_t tiles, bool fresh) {
    const struct winograd_gradient *d = &part->run->shape;
    const struct gb_segment all = {0, 0, tiles};
    size_t count = part->channels.end - part->channels.begin;
    size_t turns = ceil_div(count, gb_tile_rows(d->tiles.filters));
    for (size_t point = 0; point < POINTS; point++)
        for (size_t panel = part->panels.begin; panel < part->panels.end; panel++) {
            size_t width = gb_panel_width(d->tiles.filters, panel);
            float *sums = part->run->sums + point * filter_point(&d->tiles) +
                          gb_panel_offset(d->tiles.filters, panel) + part->channels.begin * width;
            for (size_t turn = 0; turn < turns; turn++) {
                struct gb_range rows = gb_partition(count, (int)turn, (int)turns);
                gb_step_kernels[width / GB_LANES - 1][rows.end - rows.begin - 1](
                    part->x_points + point * input_point(&d->tiles) + rows.begin, &all, 1,
                    (ptrdiff_t)d->tiles.in_row,
                    part->dy_points + point * dy_point(d) + panel * d->tiles.filters.width * tiles,
                    sums + rows.begin * width, fresh);
            }
        }
}

GB_INLINE void filter_gradient_line(const gb_v u[4], gb_v g[3]) {
    const gb_v half = gb_v_set(0.5f), sum = half * (u[1] + u[2]);
    g[0] = u[0] + sum;
    g[1] = half * (u[1] - u[2]);
    g[2] = sum + u[3];
}

// The nine taps of a vector of filters, `tap` floats apart.
GB_INLINE void filter_gradient(const float *sums, size_t point, float *to, size_t tap) {
    gb_v lines[3][4];
    GB_UNROLL
    for (size_t b = 0; b < 4; b++) {
        gb_v u[4], g[3];
        GB_UNROLL
        for (size_t a = 0; a < 4; a++)
            u[a] = gb_v_load(sums + (4 * a + b) * point);
        filter_gradient_line(u, g);
        GB_UNROLL
        for (size_t a = 0; a < 3; a++)
            lines[a][b] = g[a];
    }
    GB_UNROLL
    for (size_t a = 0; a < 3; a++) {
        gb_v g[3];
        filter_gradient_line(lines[a], g);
        GB_UNROLL
        for (size_t b = 0; b < 3; b++)
            gb_v_store(to + (3 * a + b) * tap, g[b]);
    }
}

// The scattered form: out channels of one input channel's filters to their places.
static void scatter_filters(const struct product *to, size_t in, struct gb_range out,
                            const float *from, float *packed) {
    for (size_t tap = 0; tap < 9; tap++) {
        size_t column = weight_column(to, tap, 0);
        for (size_t o = out.begin, together; o < out.end; o += together) {
            size_t width = to->weights.width, next = ((column + o) / width + 1) * width;
            together = smaller(next - column - o, out.end - o);
            memcpy(packed + gb_panel_index(to->weights, in, column + o),
                   from + tap * tap_row(to) + o, together * sizeof *packed);
        }
    }
}

static void clear_padding(struct gb_panels panels, float *packed) {
    size_t last = gb_panel_count(panels) - 1, padding = gb_panels_width(panels) - panels.columns;
    if (padding > 0)
        gb_clear_rows(panels.rows, padding, packed + gb_panel_index(panels, 0, panels.columns),
                      (ptrdiff_t)gb_panel_width(panels, last));
}

static void make_gradient(const struct gradient_part *part) {
    const struct winograd_gradient *d = &part->run->shape;
    const struct product *g = &part->run->weights->forward;
    float *packed = part->run->d_packed;
    size_t width = d->tiles.filters.width, most = (size_t)g->out_c;
    struct gb_range out = {part->panels.begin * width, smaller(part->panels.end * width, most)};
    for (size_t in = part->channels.begin; in < part->channels.end; in++) {
        for (size_t o = out.begin; o < out.end; o += GB_LANES) {
            const float *sums = part->run->sums + gb_panel_index(d->tiles.filters, in, o);
            if (g->form == SCATTERED)
                filter_gradient(sums, filter_point(&d->tiles), part->filters + o, tap_row(g));
            else
                filter_gradient(sums, filter_point(&d->tiles),
                                packed + gb_panel_index(g->weights, in, o),
                                (size_t)g->in_c * gb_panel_width(g->weights, o / g->weights.width));
        }
        if (g->form == SCATTERED)
            scatter_filters(g, in, out, part->filters, packed);
    }
}

static struct gradient_part part_of(const struct winograd_gradient_run *run, int rank, int size) {
    const struct winograd_gradient *d = &run->shape;
    const struct weight_run *w = run->weights;
    size_t channels = d->tiles.filters.rows, panels = gb_panel_count(d->tiles.filters);
    float *own = w->exec->scratch + w->plan->scratch_per_thread * (size_t)rank;
    struct gradient_part part = {.run = run,
                                 .channels = {0, channels},
                                 .panels = {0, panels},
                                 .x_points = own,
                                 .dy_points = own + POINTS * input_point(&d->tiles)};
    part.filters = part.dy_points + POINTS * dy_point(d);
    if (d->tiles.divides_out)
        part.panels = gb_partition(panels, rank, size);
    else {
        struct gb_range vectors = gb_partition(ceil_div(channels, GB_LANES), rank, size);
        part.channels.begin = vectors.begin * GB_LANES;
        part.channels.end = smaller(vectors.end * GB_LANES, channels);
    }
    part.x =
        gb_channels(w->x, (int)part.channels.begin, (int)(part.channels.end - part.channels.begin));
    return part;
}

static void make_part(const struct gradient_part *part) {
    const struct winograd_gradient *d = &part->run->shape;
    size_t pieces = tile_count(&d->tiles.pieces);
    if (part->channels.begin == part->channels.end || part->panels.begin == part->panels.end)
        return;
    for (size_t first = 0; first < pieces; first += d->tiles.block_pieces) {
        struct gb_range block = {first, smaller(first + d->tiles.block_pieces, pieces)};
        size_t tiles = tiles_of(&d->tiles.pieces, block);
        make_points(part, block, tiles);
        add_products(part, tiles, first == 0);
    }
    make_gradient(part);
}

static void winograd_gradient_body(void *argument, int rank, int size) {
    const struct winograd_gradient_run *run = argument;
    const struct weight_run *w = run->weights;
    const struct gradient_part part = part_of(run, rank, size);
    make_part(&part);
    if (!w->update)
        return;
    gb_barrier(size);
    struct gb_range share = weight_share(w, rank, size);
    if (share.begin < share.end)
        update_piece(w->update, share.end - share.begin, run->d_packed + share.begin, share.begin);
}

// Where it is the faster way.
static bool gradient_goes_by_winograd(const struct product *g) {
    enum { LEAST_WEIGHTS = 1024 };
    return fits_winograd(g) && g->in_c * g->out_c >= LEAST_WEIGHTS;
}

static void run_winograd_gradient(const struct weight_run *weights, int threads) {
    struct winograd_gradient_run run = {.weights = weights,
                                        .shape = winograd_gradient_of(&weights->forward)};
    run.sums = weights->exec->scratch + (size_t)threads * weights->plan->scratch_per_thread;
    run.d_packed =
        weights->update ? run.sums + POINTS * filter_point(&run.shape.tiles) : weights->d_packed;
    clear_padding(weights->forward.weights, run.d_packed);
    gb_parallel(threads, winograd_gradient_body, &run);
}

#endif
