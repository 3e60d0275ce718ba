// SPDX-License-Identifier: MIT
// The weight gradient: for every weight the sum over pixels of the forward product's left operand
// times the gradient of its right one. In the gathered form a tap's sums run over the rows of
// output pixels where the tap reads inside the image; with so few channels that they do not fill a
// tile, a whole filter row's sums run together, over x with its padding. The scattered form is the
// same with x and dy exchanged: there dy is gathered. Where tiles are few, the pixels are divided
// as well. Part of conv_body.c.
#ifndef GB_CONV_WEIGHT_GRADIENT_H
#define GB_CONV_WEIGHT_GRADIENT_H

#include "kernels/adam/adam_inline.h"
#include "kernels/conv/source.h"

enum {
    BLOCK_STEPS = 128, // pixels at a time: a panel of 16 KiB
    // At most so many tiles of a panel. Every chunk of tiles reads all of x and dy again: 3x3 from
    // 128 to 128 channels at 8 x 32 x 32 pixels went from 63 to 80 % of the peak between 32 and
    // 100.
    STRIP_TILES = 112,
    // Strips that take turns, and their tiles, whose sums are kept meanwhile.
    GROUP_STRIPS = 16,
    GROUP_TILES = 4 * STRIP_TILES,
    // Units of work below which the pixels are divided.
    LEAST_UNITS = 12,
};

struct weight_run {
    const struct gb_conv_plan *plan;
    const struct gb_exec *exec;
    const struct gb_tensor *x, *dy;
    struct product forward;
    struct tiling tiling;              // of the rows of weights
    struct gb_window a_reads, b_reads; // how the sum's pixels read x and dy
    struct source source;              // of filter rows; each thread has its own
    size_t chunks;
    float *partials; // gradients of the chunks, one behind the other, where there are several
    float *d_packed;
    const struct gb_adam_target *update;
};

// Rows of weights come in groups that share their pixels: taps, or filter rows.
static bool groups_filter_rows(const struct product *g) {
    return g->reads.columns.taps > 1 && g->in_c < GB_TILE_SUMS / 2;
}
// Their tiles: a group is a line.
static struct tiling weight_tiling(const struct product *g) {
    int across = g->reads.columns.taps, taps = gb_window_taps(&g->reads);
    return groups_filter_rows(g) ? tiling_of(1, taps / across, across * g->in_c, g->weights)
                                 : tiling_of(1, taps, g->in_c, g->weights);
}
// A tile's first row of weights, or for the number of tiles that of all rows.
static size_t first_row(const struct tiling *tiling, size_t tile) {
    struct stretch s = tile_at(tiling, tile);
    return (size_t)((s.n * tiling->height + s.line) * tiling->width + s.begin);
}

static size_t pixel_rows_of(const struct weight_run *run) {
    return (size_t)run->forward.n * (size_t)run->a_reads.rows.outputs;
}

static size_t rows_per_block(const struct gb_window *w) {
    return larger(1, BLOCK_STEPS / (size_t)w->columns.outputs);
}

static size_t block_count(const struct product *g, const struct gb_window *a_reads) {
    return ceil_div((size_t)g->n * (size_t)a_reads->rows.outputs, rows_per_block(a_reads));
}

// Chunks of pixels whose sums are made apart and then added in order, so that threads find enough
// to share: 3x3 from 3 to 16 channels has three tiles. The shape alone decides.
static size_t chunk_count(const struct product *g) {
    struct tiling tiling = weight_tiling(g);
    size_t units = tile_count(&tiling) * gb_panel_count(g->weights);
    return smaller(ceil_div(LEAST_UNITS, units), block_count(g, &g->reads));
}
static size_t partials_floats(const struct product *g) {
    size_t chunks = chunk_count(g);
    return chunks > 1 ? chunks * gb_panels_floats(g->weights) : 0;
}
// Rows of pixels [begin, end).
struct chunk {
    size_t index, begin, end;
};
static struct chunk chunk_at(const struct weight_run *run, size_t index) {
    size_t step = rows_per_block(&run->a_reads), rows = pixel_rows_of(run);
    size_t blocks = block_count(&run->forward, &run->a_reads);
    struct gb_range share = gb_partition(blocks, (int)index, (int)run->chunks);
    return (struct chunk){index, share.begin * step, smaller(share.end * step, rows)};
}

struct weight_scratch {
    float *sums, *panel, *plane;
    struct gb_segment *segments;
};

static size_t segment_floats(const struct gb_window *w) {
    return gb_round_up(rows_per_block(w) * sizeof(struct gb_segment) / sizeof(float), 16);
}
static size_t panel_floats(const struct product *g) {
    const struct gb_window *w = &g->reads;
    return rows_per_block(w) * (size_t)w->columns.outputs * g->weights.width;
}
static size_t sum_floats(const struct product *g) {
    struct tiling tiling = weight_tiling(g);
    size_t tiles = tile_count(&tiling) * gb_panel_count(g->weights);
    return smaller(tiles, GROUP_TILES) * GB_TILE_FLOATS;
}

static size_t weight_scratch_floats(const struct product *g) {
    return sum_floats(g) + panel_floats(g) + segment_floats(&g->reads) +
           (groups_filter_rows(g) ? g->plane.floats : 0);
}

static struct weight_scratch weight_scratch_at(float *scratch, const struct product *g) {
    float *panel = scratch + sum_floats(g), *segments = panel + panel_floats(g);
    return (struct weight_scratch){.sums = scratch,
                                   .panel = panel,
                                   .plane = segments + segment_floats(&g->reads),
                                   .segments = (struct gb_segment *)segments};
}

// Where a tap reads x for the rows of pixels [begin, end).
static size_t list_segments(const struct weight_run *run, size_t tap, size_t begin, size_t end,
                            struct gb_segment *segments) {
    const struct gb_axis *rows = &run->a_reads.rows, *columns = &run->a_reads.columns;
    int a = (int)tap / columns->taps, b = (int)tap % columns->taps;
    struct gb_tap_range inside = gb_axis_inside(columns, b);
    size_t count = 0;
    for (size_t row = begin; row < end && inside.begin < inside.end; row++) {
        struct gb_pixel p = gb_pixel_at(row, rows->outputs, 1); // a row of pixels
        int i = gb_axis_input(rows, p.i, a);
        int j = inside.begin * columns->stride + columns->origin + b;
        if (i >= 0)
            segments[count++] =
                (struct gb_segment){gb_at(run->x, p.n, i, j) - (const float *)run->x->data,
                                    (row - begin) * (size_t)columns->outputs + (size_t)inside.begin,
                                    (size_t)(inside.end - inside.begin)};
    }
    return count;
}

static size_t list_filter_rows(const struct weight_run *run, size_t a, size_t begin, size_t end,
                               struct gb_segment *segments) {
    const struct gb_axis *rows = &run->a_reads.rows, *columns = &run->a_reads.columns;
    for (size_t row = begin; row < end; row++) {
        struct gb_pixel p = gb_pixel_at(row, rows->outputs, 1);
        const float *at = source_at(&run->source, p.n, p.i * rows->stride + (int)a, 0);
        segments[row - begin] =
            (struct gb_segment){at - run->source.data, (row - begin) * (size_t)columns->outputs,
                                (size_t)columns->outputs};
    }
    return end - begin;
}

// Rows of `count` floats to rows of as many whole vectors as they take.
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

static void gather_panel(const struct weight_run *run, size_t begin, size_t end, size_t column,
                         size_t width, float *panel) {
    size_t pixels = (size_t)run->b_reads.columns.outputs, rows = (end - begin) * pixels;
    size_t used = smaller(width, run->forward.weights.columns - column);
    if (run->forward.form != SCATTERED && gb_is_matrix(run->dy)) {
        const float *dy = gb_at(run->dy, 0, 0, 0) + column;
        copy_padded(rows, used, dy + begin * pixels * (size_t)run->dy->pixel, run->dy->pixel,
                    panel);
        return;
    }
    gb_window_gather(&run->b_reads, run->dy, begin * pixels, rows, column, used, panel,
                     (ptrdiff_t)width);
    gb_clear_rows(rows, width - used, panel + used, (ptrdiff_t)width);
}

// The panel for the rows of pixels [begin, end). Where dy's channels fill one, it is dy as it lies:
// 3x3 from 3 to 16 channels has 3 tiles, for which the copy took a third of the time.
static const float *panel_at(const struct weight_run *run, size_t begin, size_t end, size_t panel,
                             float *room) {
    const struct product *g = &run->forward;
    size_t width = gb_panel_width(g->weights, panel);
    if (g->form != SCATTERED && (size_t)run->dy->pixel == width && run->dy->c == run->dy->pixel &&
        gb_is_matrix(run->dy))
        return gb_at(run->dy, 0, 0, 0) + begin * (size_t)run->b_reads.columns.outputs * width;
    gather_panel(run, begin, end, panel * g->weights.width, width, room);
    return room;
}

// Tiles [begin, end) of one panel, whose sums are kept while the blocks of pixels go by.
struct strip {
    size_t panel, begin, end;
    size_t place; // in the packed weights
    float *sums;
};

static size_t strip_floats(const struct weight_run *run, const struct strip *s) {
    return (first_row(&run->tiling, s->end) - first_row(&run->tiling, s->begin)) *
           gb_panel_width(run->forward.weights, s->panel);
}

// What is asked for ahead: x under the rows of pixels [row, end), an equal part beside each tile.
struct fetch {
    size_t row, end, part, parts;
};

// x was last seen in the forward pass and lies in memory by now: asked for a block ahead it is in
// the second-level cache when its turn comes.
static void fetch_part(const struct weight_run *run, struct fetch *fetch) {
    enum { LINE_FLOATS = 16, SECOND_LEVEL = 2 };
    const struct gb_axis *rows = &run->a_reads.rows;
    size_t row_floats = (size_t)run->x->w * (size_t)run->x->pixel;
    size_t floats = (fetch->end - fetch->row) * row_floats;
    size_t begin = floats * fetch->part / fetch->parts / LINE_FLOATS * LINE_FLOATS;
    size_t end = floats * ++fetch->part / fetch->parts;
    for (size_t at = begin; at < end;) {
        struct gb_pixel p = gb_pixel_at(fetch->row + at / row_floats, rows->outputs, 1);
        const float *x = gb_at(run->x, p.n, p.i * rows->stride, 0) + at % row_floats;
        size_t count = smaller(end - at, row_floats - at % row_floats);
        for (size_t i = 0; i < count; i += LINE_FLOATS)
            __builtin_prefetch(x + i, 0, SECOND_LEVEL);
        at += count;
    }
}

// Adds the rows of pixels [row, row_end) to a strip's sums, of which they are the first if `fresh`.
static void sum_block(const struct weight_run *run, const struct weight_scratch *scratch,
                      const struct strip *strip, size_t row, size_t row_end, bool fresh,
                      struct fetch *ahead) {
    const struct product *g = &run->forward;
    size_t width = gb_panel_width(g->weights, strip->panel), listed = SIZE_MAX, segments = 0;
    float *sums = strip->sums;
    bool filter_rows = groups_filter_rows(g);
    const float *a = filter_rows ? run->source.data : run->x->data;
    ptrdiff_t a_step =
        run->a_reads.columns.stride * (filter_rows ? run->source.pixel : run->x->pixel);
    const float *panel = panel_at(run, row, row_end, strip->panel, scratch->panel);
    for (size_t tile = strip->begin; tile < strip->end; tile++) {
        struct stretch rows = tile_at(&run->tiling, tile);
        size_t group = (size_t)rows.line, count = (size_t)rows.count;
        if (group != listed) {
            listed = group;
            segments = filter_rows ? list_filter_rows(run, group, row, row_end, scratch->segments)
                                   : list_segments(run, group, row, row_end, scratch->segments);
        }
        fetch_part(run, ahead);
        if (segments > 0)
            gb_step_kernels[width / GB_LANES - 1][count - 1](a + rows.begin, scratch->segments,
                                                             segments, a_step, panel, sums, fresh);
        else if (fresh)
            gb_clear_rows(1, count * width, sums, 0);
        sums += count * width;
    }
}

// The strips of a group take turns at each block of pixels, which stays in the second-level cache
// for all of them.
static void sum_group(const struct weight_run *run, const struct weight_scratch *scratch,
                      const struct chunk *chunk, const struct strip *strips, size_t count) {
    size_t step = rows_per_block(&run->a_reads), tiles = 0;
    for (size_t s = 0; s < count; s++)
        tiles += strips[s].end - strips[s].begin;
    for (size_t row = chunk->begin; row < chunk->end; row += step) {
        size_t end = smaller(row + step, chunk->end);
        struct fetch ahead = {end, smaller(end + step, chunk->end), 0, tiles};
        for (size_t s = 0; s < count; s++)
            sum_block(run, scratch, &strips[s], row, end, row == chunk->begin, &ahead);
    }
}

// Units are tiles, in the order (chunk of tiles, panel, tile in the chunk).
static struct strip strip_at(const struct product *g, size_t tiles, size_t unit, size_t last) {
    size_t panels = gb_panel_count(g->weights);
    size_t in_chunk = ceil_div(tiles, ceil_div(tiles, STRIP_TILES)); // chunks are about equal
    size_t first = unit / (in_chunk * panels) * in_chunk, count = smaller(tiles - first, in_chunk);
    size_t rest = unit - first * panels, begin = first + rest % count;
    return (struct strip){
        .panel = rest / count, .begin = begin, .end = smaller(first + count, begin + last - unit)};
}

// Where a strip's gradient goes: to its chunk's, to the caller, or to `sums`, for Adam.
static float *strip_sums(const struct weight_run *run, const struct chunk *chunk,
                         const struct strip *s, float *sums) {
    if (run->chunks > 1)
        return run->partials + chunk->index * gb_panels_floats(run->forward.weights) + s->place;
    return run->update ? sums : run->d_packed + s->place;
}

// The next strips of a thread's share of a chunk, from `unit` on. Where one block holds all pixels
// there is nothing to take turns for.
static size_t list_strips(const struct weight_run *run, const struct chunk *chunk, size_t unit,
                          size_t last, float *sums, struct strip *strips) {
    const struct product *g = &run->forward;
    size_t tiles = tile_count(&run->tiling), count = 0;
    size_t most = chunk->end - chunk->begin <= rows_per_block(&run->a_reads) ? 1 : GROUP_STRIPS;
    for (size_t listed = 0; count < most && unit < last; count++) {
        struct strip s = strip_at(g, tiles, unit, last);
        listed += s.end - s.begin;
        if (count > 0 && listed > GROUP_TILES)
            break;
        s.place = gb_panel_offset(g->weights, s.panel) +
                  first_row(&run->tiling, s.begin) * gb_panel_width(g->weights, s.panel);
        s.sums = strip_sums(run, chunk, &s, sums);
        sums += strip_floats(run, &s);
        unit += s.end - s.begin;
        strips[count] = s;
    }
    return count;
}

static void update_piece(const struct gb_adam_target *update, size_t count, const float *gradient,
                         size_t place) {
    gb_adam_piece(update->adam, count, gradient, update->weights + place, update->moment1 + place,
                  update->moment2 + place);
}

// A thread's share of the packed weights, in whole vectors.
static struct gb_range weight_share(const struct weight_run *run, int rank, int size) {
    size_t vectors = gb_panels_floats(run->forward.weights) / GB_LANES;
    struct gb_range share = gb_partition(vectors, rank, size);
    return (struct gb_range){share.begin * GB_LANES, share.end * GB_LANES};
}

// Adds up the chunks' gradients in order, each thread its share of the weights.
static void add_chunks(const struct weight_run *run, int rank, int size) {
    size_t floats = gb_panels_floats(run->forward.weights);
    struct gb_range share = weight_share(run, rank, size);
    size_t begin = share.begin, end = share.end;
    float *sums = run->update ? run->partials : run->d_packed;
    for (size_t i = begin; i < end; i += GB_LANES) {
        gb_v sum = gb_v_load(run->partials + i);
        for (size_t chunk = 1; chunk < run->chunks; chunk++)
            sum += gb_v_load(run->partials + chunk * floats + i);
        gb_v_store(sums + i, sum);
    }
    if (run->update && begin < end)
        update_piece(run->update, end - begin, sums + begin, begin);
}

// The plane's lines under the chunks [begin, end).
static struct gb_range lines_under(const struct weight_run *run, size_t begin, size_t end) {
    const struct gb_axis *rows = &run->a_reads.rows;
    struct gb_pixel first = gb_pixel_at(chunk_at(run, begin).begin, rows->outputs, 1);
    struct gb_pixel last = gb_pixel_at(chunk_at(run, end - 1).end - 1, rows->outputs, 1);
    int h = run->forward.plane.h;
    return (struct gb_range){(size_t)(first.n * h + first.i * rows->stride),
                             (size_t)(last.n * h + last.i * rows->stride + rows->taps)};
}

// Every thread copies the filter rows that it reads for itself. Made together, half of the copy
// came from the other core's cache: 3x3 from 6 to 6 channels took 34 us on two threads, and 21
// where both copied everything.
static struct source filter_row_source(const struct weight_run *run, struct gb_range lines,
                                       float *plane) {
    const struct product *g = &run->forward;
    bool copied = needs_plane(g, run->x) || run->x->pixel != run->x->c;
    struct source source = source_of(g, run->x, copied, plane);
    if (copied)
        fill_plane(&source, &g->plane, run->x, lines);
    return source;
}

static void weight_body(void *argument, int rank, int size) {
    struct weight_run own = *(const struct weight_run *)argument, *run = &own;
    const struct product *g = &run->forward;
    struct weight_scratch scratch =
        weight_scratch_at(run->exec->scratch + run->plan->scratch_per_thread * (size_t)rank, g);
    size_t units = gb_panel_count(g->weights) * tile_count(&run->tiling);
    struct gb_range share = gb_partition(run->chunks * units, rank, size);
    if (groups_filter_rows(g) && share.begin < share.end)
        run->source = filter_row_source(
            run, lines_under(run, share.begin / units, ceil_div(share.end, units)), scratch.plane);
    for (size_t unit = share.begin; unit < share.end;) {
        struct strip strips[GROUP_STRIPS];
        struct chunk chunk = chunk_at(run, unit / units);
        size_t first = unit % units, last = smaller(first + share.end - unit, units);
        size_t count = list_strips(run, &chunk, first, last, scratch.sums, strips);
        sum_group(run, &scratch, &chunk, strips, count);
        for (const struct strip *s = strips; s < strips + count; s++) {
            if (run->update && run->chunks == 1)
                update_piece(run->update, strip_floats(run, s), s->sums, s->place);
            unit += s->end - s->begin;
        }
    }
    if (run->chunks > 1) {
        gb_barrier(size);
        add_chunks(run, rank, size);
    }
}

#endif
