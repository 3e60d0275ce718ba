// SPDX-License-Identifier: MIT
// Runs a product: the forward pass and the data gradient, with what follows fused behind its tiles.
// Part of conv_body.c.
#ifndef GB_CONV_MULTIPLY_H
#define GB_CONV_MULTIPLY_H

#include "kernels/conv/epilogue.h"
#include "kernels/conv/source.h"
#include "kernels/simd/transpose.h"

struct multiply_run {
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
    struct source source; // of the product's rows
};

// The pixels that a tile's rows are: where they lie in the output and, for the data gradient, in
// the input that the epilogue reads. In the disjoint form, those of the first tap.
struct pixels {
    float *out[GB_TILE_ROWS], *x[GB_TILE_ROWS];
};

// A tile of sums on its way into the output: `count` rows, `width` columns from `column` on.
struct tile {
    size_t count, column, width;
    const struct pixels *pixels;
    const float *sums;
    float *partial; // where the data gradient's sums over the tile go, NULL in a forward pass
};

// Where a vector of columns goes: `out` and `x` floats behind the tile's pixels, as channels from
// `channel` on.
struct place {
    ptrdiff_t out, x;
    size_t channel;
    float *partial;
};

static ptrdiff_t tap_offset(const struct product *g, const struct gb_tensor *t, size_t tap) {
    size_t across = (size_t)g->window.columns.taps;
    return (ptrdiff_t)(tap / across) * t->row + (ptrdiff_t)(tap % across) * t->pixel;
}

static size_t partial_floats(const struct multiply_run *run) {
    return partial_row(run->out->c);
}

// The sums of tile number `index`; in the disjoint form one row of them for each tap.
static float *tile_partial(const struct multiply_run *run, size_t index) {
    if (!run->backward)
        return NULL;
    size_t taps = run->g.form == DISJOINT ? (size_t)gb_window_taps(&run->g.window) : 1;
    return run->partials + index * taps * partial_floats(run);
}

GB_INLINE struct place place_of(const struct multiply_run *run, const struct tile *tile,
                                size_t column) {
    if (run->g.form != DISJOINT)
        return (struct place){(ptrdiff_t)column, (ptrdiff_t)column, column, tile->partial};
    size_t tap = column / (size_t)run->g.out_c, channel = column % (size_t)run->g.out_c;
    struct place place = {.out = tap_offset(&run->g, run->out, tap) + (ptrdiff_t)channel,
                          .channel = channel};
    if (run->backward) {
        place.x = tap_offset(&run->g, run->backward->x, tap) + (ptrdiff_t)channel;
        place.partial = tile->partial + tap * partial_floats(run);
    }
    return place;
}

static void list_pixels_of(const struct product *g, const struct gb_tensor *t, size_t first,
                           size_t count, float **pixels) {
    const struct gb_axis *rows = &g->window.rows, *columns = &g->window.columns;
    bool disjoint = g->form == DISJOINT;
    int h = disjoint ? rows->inputs : t->h, w = disjoint ? columns->inputs : t->w;
    int down = disjoint ? rows->divisor : 1, right = disjoint ? columns->divisor : 1;
    struct gb_pixel p = gb_pixel_at(first, h, w);
    for (size_t r = 0; r < count; r++, gb_pixel_next(&p, h, w))
        pixels[r] = gb_at(t, p.n, p.i * down, p.j * right);
}

static void list_pixels(const struct multiply_run *run, size_t first, size_t count,
                        struct pixels *pixels) {
    list_pixels_of(&run->g, run->out, first, count, pixels->out);
    if (run->backward)
        list_pixels_of(&run->g, run->backward->x, first, count, pixels->x);
}

GB_INLINE void finish_forward(const struct multiply_run *run, const struct tile *tile,
                              enum gb_activation activation) {
    const struct gb_conv_epilogue *e = run->forward;
    for (size_t v = 0; v < tile->width; v += GB_LANES) {
        size_t channel = tile->column + v;
        int lanes = lanes_from(run->out->c, channel);
        gb_v bias = e->bias ? gb_v_load(e->bias + channel) : (gb_v){0};
        gb_v scale = e->scale ? gb_v_load(e->scale + channel) : gb_v_set(1.0f);
        for (size_t r = 0; r < tile->count; r++) {
            gb_v u = (gb_v_load(tile->sums + r * tile->width + v) + bias) * scale;
            store_lanes(tile->pixels->out[r] + channel, gb_v_activate(activation, u), lanes);
        }
    }
}

GB_INLINE void finish_backward(const struct multiply_run *run, const struct tile *tile,
                               enum gb_activation activation) {
    const struct gb_conv_input_epilogue *e = run->backward;
    for (size_t v = 0; v < tile->width; v += GB_LANES) {
        const struct place place = place_of(run, tile, tile->column + v);
        int lanes = lanes_from(run->out->c, place.channel);
        gb_v scale = e->scale ? gb_v_load(e->scale + place.channel) : gb_v_set(1.0f);
        gb_v d_bias = {0}, d_log_scale = {0};
        for (size_t r = 0; r < tile->count; r++) {
            gb_v value = load_lanes(tile->pixels->x[r] + place.x, lanes);
            gb_v g = load_lanes(tile->sums + r * tile->width + v, lanes);
            g = gb_v_activation_gradient(activation, g, value);
            d_log_scale += g * value;
            g *= scale;
            d_bias += g;
            store_lanes(tile->pixels->out[r] + place.out, g, lanes);
        }
        gb_v_store(place.partial + place.channel, d_bias);
        gb_v_store(place.partial + partial_floats(run) / 2 + place.channel, d_log_scale);
    }
}

// The activations that a tile's epilogue reads and those that it writes lie in memory by now; asked
// for before the sums, which take about a microsecond, they are there after them.
static void fetch_ahead(const struct multiply_run *run, const struct tile *tile) {
    enum { LINE_FLOATS = 16 };
    for (size_t v = 0; v < tile->width; v += LINE_FLOATS) {
        const struct place place = place_of(run, tile, tile->column + v);
        for (size_t r = 0; r < tile->count; r++)
            __builtin_prefetch(tile->pixels->out[r] + place.out);
        for (size_t r = 0; run->backward && r < tile->count; r++)
            __builtin_prefetch(tile->pixels->x[r] + place.x);
    }
}

static void finish_plain(const struct multiply_run *run, const struct tile *tile) {
    for (size_t v = 0; v < tile->width; v += GB_LANES) {
        const struct place place = place_of(run, tile, tile->column + v);
        int lanes = lanes_from(run->out->c, place.channel);
        for (size_t r = 0; r < tile->count; r++)
            store_lanes(tile->pixels->out[r] + place.out,
                        gb_v_load(tile->sums + r * tile->width + v), lanes);
    }
}

GB_INLINE void finish_with(const struct multiply_run *run, const struct tile *tile,
                           enum gb_activation activation) {
    if (run->forward)
        finish_forward(run, tile, activation);
    else
        finish_backward(run, tile, activation);
}

// One instance of the loops for each activation, so that none branches on it.
static void finish(const struct multiply_run *run, const struct tile *tile) {
    if (!run->forward && !run->backward) {
        finish_plain(run, tile);
        return;
    }
    switch (run->activation) {
    case GB_IDENTITY:
        finish_with(run, tile, GB_IDENTITY);
        break;
    case GB_RELU:
        finish_with(run, tile, GB_RELU);
        break;
    case GB_LEAKY_RELU:
        finish_with(run, tile, GB_LEAKY_RELU);
        break;
    case GB_TANH:
        finish_with(run, tile, GB_TANH);
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
static void transpose_panel(const struct multiply_run *run, size_t panel, float *to) {
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

static void transpose_weights(const struct multiply_run *run, int rank, int size) {
    struct gb_share share = gb_share_of(gb_panel_count(run->g.weights), rank, size);
    for (size_t panel = share.begin; panel < share.end; panel++)
        transpose_panel(run, panel, run->transposed + gb_panel_offset(run->g.weights, panel));
}

// A thread's walk over the units (tile, panel). Units go block by block of tiles; in a block part by
// part of the sum, within a part panel by panel: a part of a panel stays in the first-level cache
// for all tiles of the block, and the block's gathered rows and sums in the second level.
struct unit {
    size_t block, panel, slot;
    size_t tiles, units; // of the block
};

static struct unit unit_at(const struct product *g, size_t index) {
    size_t panels = gb_panel_count(g->weights), per_block = TILES_PER_BLOCK * panels;
    size_t block = index / per_block, rest = index % per_block;
    size_t tiles = smaller(TILES_PER_BLOCK, g->tiles - block * TILES_PER_BLOCK);
    return (struct unit){block, rest / tiles, rest % tiles, tiles, tiles * panels};
}

static void unit_next(struct unit *u) {
    if (++u->slot == u->tiles) {
        u->slot = 0;
        u->panel++;
    }
}

// The weights of a panel: in place, or transposed into the thread's scratch when the walk comes to
// it.
static const float *panel_weights(const struct multiply_run *run, size_t panel, size_t *present,
                                  float *scratch) {
    if (run->weights)
        return run->weights + gb_panel_offset(run->g.weights, panel);
    if (*present != panel)
        transpose_panel(run, *present = panel, scratch);
    return scratch;
}

// What a thread keeps of the block of tiles that it is in.
struct block {
    const struct multiply_run *run;
    float *panel;   // transposed, where the thread does that alone
    size_t present; // which panel that is
    float *sums;
    size_t entered; // bit mask of the tiles whose places are known
    struct tile_place {
        size_t first, count; // rows of the product
        const float *base;   // the first row, at position (0, 0) of its window
        struct pixels pixels;
    } tiles[TILES_PER_BLOCK];
};

static const struct tile_place *enter_tile(struct block *block, size_t slot, size_t index) {
    const struct multiply_run *run = block->run;
    const struct gb_axis *rows = &run->g.reads.rows, *columns = &run->g.reads.columns;
    struct tile_place *place = &block->tiles[slot];
    if (block->entered >> slot & 1)
        return place;
    block->entered |= (size_t)1 << slot;
    struct gb_share share = tile_of(&run->g, index);
    struct gb_pixel p = gb_pixel_at(share.begin, rows->outputs, columns->outputs);
    place->first = share.begin;
    place->count = share.end - share.begin;
    place->base = source_at(&run->source, p.n, p.i * rows->stride, p.j * columns->stride);
    if (run->g.form != SCATTERED)
        list_pixels(run, place->first, place->count, &place->pixels);
    return place;
}

// Where a tile's first row lies under steps [begin, end) of the sum, counted from its base: filter
// rows in one run where they lie so, else tap by tap. Taps that step backwards are met from the last.
static size_t list_steps(const struct multiply_run *run, size_t begin, size_t end,
                         struct gb_segment *segments) {
    const struct gb_axis *rows = &run->g.reads.rows, *columns = &run->g.reads.columns;
    int across = columns->taps, c = run->g.in_c;
    int taps_a_run = columns->step > 0 && run->source.pixel == c ? across : 1;
    size_t floats = (size_t)taps_a_run * (size_t)c, count = 0;
    for (size_t at = begin, steps; at < end; at += steps) {
        int tap = (int)(at / floats) * taps_a_run, a = tap / across, b = tap % across;
        if (rows->step < 0) {
            a = rows->taps - 1 - a;
            b = across - 1 - b;
        }
        steps = smaller(floats - at % floats, end - at);
        segments[count++] = (struct gb_segment){a * run->source.line + b * run->source.pixel +
                                                    (ptrdiff_t)(at % floats),
                                                at - begin, steps};
    }
    return count;
}

// A part of the sums: steps [begin, end), and where their operands lie.
struct part {
    size_t begin, end, segment_count;
    struct gb_segment segments[PART_ROWS + 1];
};

static void multiply_tile(struct block *block, size_t index, const struct unit *u,
                          const struct part *part, float *sums) {
    const struct multiply_run *run = block->run;
    const struct product *g = &run->g;
    const struct tile_place *place = enter_tile(block, u->slot, index);
    size_t width = gb_panel_width(g->weights, u->panel), column = u->panel * GB_TILE_COLUMNS;
    const float *b =
        panel_weights(run, u->panel, &block->present, block->panel) + part->begin * width;
    gb_row_kernel *kernel = gb_row_kernels[place->count - 1][width / GB_LANES - 1];
    ptrdiff_t a_row = g->reads.columns.stride * run->source.pixel, c_row = (ptrdiff_t)width;
    bool last = part->end == g->weights.rows;
    if (g->form == SCATTERED) {
        sums = run->scattered + place->first * run->scattered_row + column;
        c_row = (ptrdiff_t)run->scattered_row;
        last = false;
    }
    const struct tile tile = {place->count,   column, width,
                              &place->pixels, sums,   tile_partial(run, index)};
    if (last)
        fetch_ahead(run, &tile);
    kernel(place->base, part->segments, part->segment_count, a_row, b, sums, c_row,
           part->begin == 0);
    if (last)
        finish(run, &tile);
}

// `count` units of one block, from `start` on.
static void multiply_block(struct block *block, struct unit start, size_t count) {
    const struct product *g = &block->run->g;
    size_t kept = g->parts > 1 ? GB_TILE_ROWS * GB_TILE_COLUMNS : 0;
    struct part part = {0};
    block->entered = 0;
    for (; part.begin < g->weights.rows; part.begin = part.end) {
        struct unit u = start;
        part.end = smaller(part.begin + g->part_rows, g->weights.rows);
        part.segment_count = list_steps(block->run, part.begin, part.end, part.segments);
        for (size_t i = 0; i < count; i++, unit_next(&u))
            multiply_tile(block, u.block * TILES_PER_BLOCK + u.slot, &u, &part,
                          block->sums + i * kept);
    }
}

static void multiply(const struct multiply_run *run, int rank, int size) {
    const struct product *g = &run->g;
    struct block block = {.run = run,
                          .panel = run->exec->scratch + run->per_thread * (size_t)rank,
                          .present = SIZE_MAX};
    block.sums = block.panel + own_panel_floats(g);
    struct gb_share share = gb_share_of(g->tiles * gb_panel_count(g->weights), rank, size);
    for (size_t index = share.begin; index < share.end;) {
        struct unit u = unit_at(g, index);
        size_t rest = u.units - (u.panel * u.tiles + u.slot);
        size_t count = smaller(rest, share.end - index);
        multiply_block(&block, u, count);
        index += count;
    }
}

// A panel's output channels of one pixel: its taps in the scattered product added up in order.
GB_INLINE void sum_taps(const struct multiply_run *run, struct gb_pixel p, size_t column,
                        size_t width, float *sums) {
    const struct gb_axis *rows = &run->g.window.rows, *columns = &run->g.window.columns;
    gb_v sum[GB_TILE_VECTORS] = {0};
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
            const float *t = run->scattered + (row + (size_t)j) * run->scattered_row +
                             tap * (size_t)run->g.out_c + column;
            for (size_t v = 0; v < width / GB_LANES; v++)
                sum[v] += gb_v_load(t + v * GB_LANES);
        }
    }
    for (size_t v = 0; v < width / GB_LANES; v++)
        gb_v_store(sums + v * GB_LANES, sum[v]);
}

static void add_taps(const struct multiply_run *run, int rank, int size) {
    const struct product *g = &run->g;
    struct gb_panels columns = {1, (size_t)g->out_c};
    float sums[GB_TILE_ROWS * GB_TILE_COLUMNS];
    struct gb_share share = gb_share_of(g->out_tiles, rank, size);
    for (size_t t = share.begin; t < share.end; t++) {
        size_t first = t * GB_TILE_ROWS, count = smaller(g->out_rows - first, GB_TILE_ROWS);
        struct pixels pixels;
        list_pixels(run, first, count, &pixels);
        for (size_t panel = 0; panel < gb_panel_count(columns); panel++) {
            size_t width = gb_panel_width(columns, panel), column = panel * GB_TILE_COLUMNS;
            struct gb_pixel p = gb_pixel_at(first, run->out->h, run->out->w);
            for (size_t r = 0; r < count; r++, gb_pixel_next(&p, run->out->h, run->out->w))
                sum_taps(run, p, column, width, sums + r * width);
            finish(run, &(struct tile){count, column, width, &pixels, sums, tile_partial(run, t)});
        }
    }
}

static void multiply_body(void *argument, int rank, int size) {
    const struct multiply_run *run = argument;
    if (run->source.plane)
        fill_plane(&run->source, &run->g.plane, run->in, rank, size);
    if (run->transposed)
        transpose_weights(run, rank, size);
    if (run->source.plane || run->transposed)
        gb_barrier(size);
    multiply(run, rank, size);
    if (run->g.form == SCATTERED) {
        gb_barrier(size);
        add_taps(run, rank, size);
    }
    if (run->backward) {
        gb_barrier(size);
        add_partials(run->partials, run->g.partials, run->g.out_c, run->backward->d_bias,
                     run->backward->d_log_scale, rank, size);
    }
}

#endif
