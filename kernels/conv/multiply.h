// SPDX-License-Identifier: MIT
// Runs a product: the forward pass and the data gradient, with what follows fused behind its tiles.
// Part of conv_body.c.
#ifndef GB_CONV_MULTIPLY_H
#define GB_CONV_MULTIPLY_H

#include "kernels/conv/epilogue.h"
#include "kernels/conv/source.h"
#include "kernels/simd/simd.h"

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

// A tile of the product: `count` rows from `row` on.
struct tile {
    size_t row, count;
    // Steps of the sum whose filter rows lie inside the image: the others add zeros. At 16 x 16
    // pixels that is every 24th step of a 3x3 kernel, at 8 x 8 every 12th.
    size_t begin, end;
    const float *in; // of the first row, position (0, 0) of its window
    // The first row's pixel in the output and, for the data gradient, in the input that the
    // epilogue reads; in the disjoint form, that of the first tap.
    float *out;
    const float *x;
    float *partial; // where the data gradient's sums over the tile go, NULL in a forward pass
};

// A panel: `width` columns from `column` on. A vector of them goes `out` and `x` floats behind a
// tile's pixels, as channels from `channel` on.
struct panel {
    size_t column, width;
    const float *weights;
    struct place {
        ptrdiff_t out, x, partial;
        size_t channel;
    } places[GB_TILE_VECTORS];
};

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

static ptrdiff_t tap_offset(const struct product *g, const struct gb_tensor *t, size_t tap) {
    size_t across = (size_t)g->window.columns.taps;
    return (ptrdiff_t)(tap / across) * t->row + (ptrdiff_t)(tap % across) * t->pixel;
}

static struct place place_of(const struct multiply_run *run, size_t column) {
    const struct product *g = &run->g;
    size_t tap = g->form == DISJOINT ? column / (size_t)g->out_c : 0;
    size_t channel = column - tap * (size_t)g->out_c;
    return (struct place){
        .out = tap_offset(g, run->out, tap) + (ptrdiff_t)channel,
        .x = run->backward ? tap_offset(g, run->backward->x, tap) + (ptrdiff_t)channel : 0,
        .partial = (ptrdiff_t)(tap * partial_floats(run) + channel),
        .channel = channel};
}

// Panel number `index` of `panels`; its weights are for the caller to find.
static struct panel panel_of(const struct multiply_run *run, struct gb_panels panels,
                             size_t index) {
    struct panel p = {.column = index * panels.width, .width = gb_panel_width(panels, index)};
    for (size_t v = 0; v < p.width; v += GB_LANES)
        p.places[v / GB_LANES] = place_of(run, p.column + v);
    return p;
}

// A tile's first pixel, and the floats from one to the next.
static float *first_pixel(const struct product *g, const struct gb_tensor *t, struct stretch s) {
    return gb_at(t, s.n, s.line * g->down, s.begin * g->right);
}
static ptrdiff_t pixel_step(const struct product *g, const struct gb_tensor *t) {
    return g->right * t->pixel;
}

GB_INLINE void finish_forward(const struct multiply_run *run, const struct tile *tile,
                              const struct panel *panel, const float *sums,
                              enum gb_activation activation) {
    const struct gb_conv_epilogue *e = run->forward;
    ptrdiff_t step = pixel_step(&run->g, run->out);
    size_t width = panel->width, count = tile->count;
    for (size_t v = 0; v < width; v += GB_LANES) {
        size_t channel = panel->column + v;
        int lanes = lanes_from(run->out->c, channel);
        gb_v bias = e->bias ? gb_v_load(e->bias + channel) : (gb_v){0};
        gb_v scale = e->scale ? gb_v_load(e->scale + channel) : gb_v_set(1.0f);
        float *out = tile->out + channel;
        for (size_t r = 0; r < count; r++, out += step) {
            gb_v u = (gb_v_load(sums + r * width + v) + bias) * scale;
            store_lanes(out, gb_v_activate(activation, u), lanes);
        }
    }
}

GB_INLINE void finish_backward(const struct multiply_run *run, const struct tile *tile,
                               const struct panel *panel, const float *sums,
                               enum gb_activation activation) {
    const struct gb_conv_input_epilogue *e = run->backward;
    ptrdiff_t step = pixel_step(&run->g, run->out), x_step = pixel_step(&run->g, e->x);
    size_t width = panel->width, count = tile->count;
    for (size_t v = 0; v < width; v += GB_LANES) {
        const struct place *place = &panel->places[v / GB_LANES];
        int lanes = lanes_from(run->out->c, place->channel);
        gb_v scale = e->scale ? gb_v_load(e->scale + place->channel) : gb_v_set(1.0f);
        gb_v d_bias = {0}, d_log_scale = {0};
        const float *x = tile->x + place->x;
        float *out = tile->out + place->out, *partial = tile->partial + place->partial;
        for (size_t r = 0; r < count; r++, out += step, x += x_step) {
            gb_v value = load_lanes(x, lanes);
            gb_v g = gb_v_keep(gb_v_load(sums + r * width + v), lanes);
            g = gb_v_activation_gradient(activation, g, value);
            d_log_scale += g * value;
            g *= scale;
            d_bias += g;
            store_lanes(out, g, lanes);
        }
        gb_v_store(partial, d_bias);
        gb_v_store(partial + partial_floats(run) / 2, d_log_scale);
    }
}

static void finish_plain(const struct multiply_run *run, const struct tile *tile,
                         const struct panel *panel, const float *sums) {
    ptrdiff_t step = pixel_step(&run->g, run->out);
    for (size_t v = 0; v < panel->width; v += GB_LANES) {
        const struct place *place = &panel->places[v / GB_LANES];
        int lanes = lanes_from(run->out->c, place->channel);
        float *out = tile->out + place->out;
        for (size_t r = 0; r < tile->count; r++, out += step)
            store_lanes(out, gb_v_load(sums + r * panel->width + v), lanes);
    }
}

// Where nothing is summed over pixels and the tile goes out as it stands, the micro-kernel finishes
// its sums before they leave the registers: 2x2 from 3 to 64 channels took 1.25 times as long with
// a pass over them.
static bool ends_in_registers(const struct multiply_run *run) {
    return run->g.form == GATHERED && !run->backward && run->activation != GB_TANH;
}
static struct gb_tile_end tile_end(const struct multiply_run *run, const struct tile *tile,
                                   const struct panel *panel) {
    const struct gb_conv_epilogue *e = run->forward;
    return (struct gb_tile_end){
        .out = tile->out + panel->column,
        .row = pixel_step(&run->g, run->out),
        .lanes = lanes_from(run->out->c, panel->column + panel->width - GB_LANES),
        .activation = run->activation,
        .bias = e && e->bias ? e->bias + panel->column : NULL,
        .scale = e && e->scale ? e->scale + panel->column : NULL};
}

// The activations that a tile's epilogue reads and those that it writes lie in memory by now; asked
// for before the sums, which take about a microsecond, they are there after them.
static void fetch_ahead(const struct multiply_run *run, const struct tile *tile,
                        const struct panel *panel) {
    enum { LINE_FLOATS = 16, LEAST_STEPS = 64 };
    if (run->g.weights.rows < LEAST_STEPS)
        return;
    ptrdiff_t count = (ptrdiff_t)tile->count, step = pixel_step(&run->g, run->out);
    ptrdiff_t x_step = run->backward ? pixel_step(&run->g, run->backward->x) : 0;
    for (size_t v = 0; v < panel->width; v += LINE_FLOATS) {
        const struct place *place = &panel->places[v / GB_LANES];
        for (ptrdiff_t r = 0; r < count; r++)
            __builtin_prefetch(tile->out + place->out + r * step);
        for (ptrdiff_t r = 0; run->backward && r < count; r++)
            __builtin_prefetch(tile->x + place->x + r * x_step);
    }
}

GB_INLINE void finish_with(const struct multiply_run *run, const struct tile *tile,
                           const struct panel *panel, const float *sums,
                           enum gb_activation activation) {
    if (run->forward)
        finish_forward(run, tile, panel, sums, activation);
    else
        finish_backward(run, tile, panel, sums, activation);
}

// One instance of the loops for each activation, so that none branches on it.
static void finish(const struct multiply_run *run, const struct tile *tile,
                   const struct panel *panel, const float *sums) {
    if (!run->forward && !run->backward) {
        finish_plain(run, tile, panel, sums);
        return;
    }
    switch (run->activation) {
    case GB_IDENTITY:
        finish_with(run, tile, panel, sums, GB_IDENTITY);
        break;
    case GB_RELU:
        finish_with(run, tile, panel, sums, GB_RELU);
        break;
    case GB_LEAKY_RELU:
        finish_with(run, tile, panel, sums, GB_LEAKY_RELU);
        break;
    case GB_TANH:
        finish_with(run, tile, panel, sums, GB_TANH);
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
    size_t width = gb_panel_width(g->weights, panel), first = panel * g->weights.width;
    for (size_t tap = 0; tap < taps; tap++)
        for (size_t column = 0; column < columns; column += GB_LANES)
            for (size_t row = first; row < first + width; row += GB_LANES) {
                const float *source =
                    run->packed + gb_panel_index(from->weights, tap * rows + row, column);
                size_t source_row = gb_panel_width(from->weights, column / from->weights.width);
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
    struct gb_range share = gb_partition(gb_panel_count(run->g.weights), rank, size);
    for (size_t panel = share.begin; panel < share.end; panel++)
        transpose_panel(run, panel, run->transposed + gb_panel_offset(run->g.weights, panel));
}

// A thread's walk over the units (tile, panel). Units go block by block of tiles; in a block panel
// by panel, beside a panel part by part of the sum: a part of a panel stays in the first-level
// cache for all tiles of the block, and the block's rows and its sums beside the panel in the
// second level.
struct block {
    const struct multiply_run *run;
    const float *weights; // panels
    float *sums;
    size_t count;
    struct tile tiles[MAX_BLOCK_TILES];
    // What the next block reads of the input beyond this one's, and how much of it each unit asks
    // for.
    const float *ahead;
    size_t ahead_floats;
};

// The panels that the units of a thread's share need, where all are in one block: panel by panel.
static void transpose_share(const struct multiply_run *run, struct gb_range share, float *to) {
    const struct product *g = &run->g;
    size_t tiles = tile_count(&g->tiling);
    for (size_t panel = share.begin / tiles; panel * tiles < share.end; panel++)
        transpose_panel(run, panel, to + gb_panel_offset(g->weights, panel));
}

static struct tile tile_of(const struct multiply_run *run, size_t index) {
    const struct product *g = &run->g;
    struct stretch s = tile_at(&g->tiling, index);
    int row = (s.n * g->tiling.height + s.line) * g->tiling.width + s.begin;
    struct gb_tap_range taps = gb_axis_taps_inside(&g->reads.rows, s.line);
    size_t filter_row = (size_t)g->reads.columns.taps * (size_t)g->in_c;
    struct tile tile = {.row = (size_t)row,
                        .count = (size_t)s.count,
                        .begin = (size_t)taps.begin * filter_row,
                        .end = (size_t)taps.end * filter_row,
                        .in = source_at(&run->source, s.n, s.line * g->reads.rows.stride,
                                        s.begin * g->reads.columns.stride)};
    if (g->form == SCATTERED)
        return tile;
    tile.out = first_pixel(g, run->out, s);
    tile.x = run->backward ? first_pixel(g, run->backward->x, s) : NULL;
    tile.partial = tile_partial(run, index);
    return tile;
}

// The last line of input under the windows of a tile, or of the last one there is.
static const float *input_under(const struct multiply_run *run, size_t index) {
    const struct product *g = &run->g;
    struct tile tile = tile_of(run, smaller(index, tile_count(&g->tiling) - 1));
    return tile.in + (g->reads.rows.taps - 1) * run->source.line;
}

static void enter_block(struct block *block, size_t first) {
    const struct multiply_run *run = block->run;
    const struct product *g = &run->g;
    block->count = smaller(g->block_tiles, tile_count(&g->tiling) - first);
    for (size_t slot = 0; slot < block->count; slot++)
        block->tiles[slot] = tile_of(run, first + slot);
    block->ahead_floats = 0;
    if (g->plane.floats < CACHED_FLOATS)
        return;
    size_t units = block->count * gb_panel_count(g->weights) * g->parts,
           next = first + block->count;
    block->ahead = input_under(run, next);
    block->ahead_floats = (size_t)(input_under(run, next + g->block_tiles) - block->ahead) / units;
}

// A large input lies in the third level or in memory, and a tile's rows are too short for the
// processor to see that they go on. Asked for a block ahead they are in the second level when their
// turn comes: 1x1 from 256 to 256 channels at 2 x 32 x 32 pixels is 1.06 times as fast forward,
// 1.09 backward.
static void fetch_input(struct block *block) {
    enum { LINE_FLOATS = 16, SECOND_LEVEL = 2 };
    for (size_t i = 0; i < block->ahead_floats; i += LINE_FLOATS)
        __builtin_prefetch(block->ahead + i, 0, SECOND_LEVEL);
    block->ahead += block->ahead_floats;
}

// Where a tile's first row lies under steps [begin, end) of the sum, counted from its base: filter
// rows in one run where they lie so, else tap by tap. Taps that step backwards are met from the
// last.
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
    struct gb_segment segments[MOST_PART_ROWS + 1];
};

static void multiply_tile(const struct multiply_run *run, const struct tile *tile,
                          const struct panel *panel, const struct part *part, float *sums) {
    const struct product *g = &run->g;
    gb_row_kernel *kernel = gb_row_kernels[panel->width / GB_LANES - 1][tile->count - 1];
    ptrdiff_t in_step = g->reads.columns.stride * run->source.pixel;
    size_t from = larger(part->begin, tile->begin), to = smaller(part->end, tile->end);
    if (from >= to)
        return;
    struct part inside;
    if (from > part->begin || to < part->end) {
        inside.segment_count = list_steps(run, from, to, inside.segments);
        part = &inside;
    }
    const float *weights = panel->weights + from * panel->width;
    bool first = from == tile->begin, last = to == tile->end;
    if (g->form == SCATTERED) {
        kernel(tile->in, part->segments, part->segment_count, in_step, weights,
               run->scattered + tile->row * run->scattered_row + panel->column,
               (ptrdiff_t)run->scattered_row, first, NULL);
        return;
    }
    if (last)
        fetch_ahead(run, tile, panel);
    bool ends = last && ends_in_registers(run);
    struct gb_tile_end end;
    if (ends)
        end = tile_end(run, tile, panel);
    kernel(tile->in, part->segments, part->segment_count, in_step, weights, sums,
           (ptrdiff_t)panel->width, first, ends ? &end : NULL);
    if (last && !ends)
        finish(run, tile, panel, sums);
}

// Tiles [begin, end) of a block beside one panel.
static void multiply_panel(struct block *block, size_t index, size_t begin, size_t end) {
    const struct multiply_run *run = block->run;
    const struct product *g = &run->g;
    size_t kept = g->parts > 1 ? GB_TILE_FLOATS : 0;
    struct panel panel = panel_of(run, g->weights, index);
    struct part part;
    panel.weights = block->weights + gb_panel_offset(g->weights, index);
    for (part.begin = 0; part.begin < g->weights.rows; part.begin = part.end) {
        part.end = smaller(part.begin + g->part_rows, g->weights.rows);
        part.segment_count = list_steps(run, part.begin, part.end, part.segments);
        float *sums = block->sums;
        for (size_t slot = begin; slot < end; slot++, sums += kept) {
            fetch_input(block);
            multiply_tile(run, &block->tiles[slot], &panel, &part, sums);
        }
    }
}

static void multiply(const struct multiply_run *run, int rank, int size) {
    const struct product *g = &run->g;
    size_t panels = gb_panel_count(g->weights), per_block = g->block_tiles * panels;
    float *own = run->exec->scratch + run->per_thread * (size_t)rank;
    struct block block = {.run = run, .weights = run->weights, .sums = own + own_panels_floats(g)};
    struct gb_range share = gb_partition(tile_count(&g->tiling) * panels, rank, size);
    if (!run->weights) {
        transpose_share(run, share, own);
        block.weights = own;
    }
    for (size_t unit = share.begin, count; unit < share.end; unit += count) {
        size_t first = unit % per_block;
        if (first == 0 || unit == share.begin)
            enter_block(&block, unit / per_block * g->block_tiles);
        size_t slot = first % block.count;
        count = smaller(block.count - slot, share.end - unit);
        multiply_panel(&block, first / block.count, slot, slot + count);
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
    struct gb_panels columns = gb_panels_of(1, (size_t)g->out_c);
    float sums[GB_TILE_FLOATS];
    struct gb_range share = gb_partition(tile_count(&g->out_tiling), rank, size);
    for (size_t t = share.begin; t < share.end; t++) {
        struct stretch s = tile_at(&g->out_tiling, t);
        struct tile tile = {.count = (size_t)s.count,
                            .out = first_pixel(g, run->out, s),
                            .x = run->backward ? first_pixel(g, run->backward->x, s) : NULL,
                            .partial = tile_partial(run, t)};
        for (size_t p = 0; p < gb_panel_count(columns); p++) {
            struct panel panel = panel_of(run, columns, p);
            struct gb_pixel pixel = {s.n, s.line, s.begin};
            for (size_t r = 0; r < tile.count; r++, pixel.j++)
                sum_taps(run, pixel, panel.column, panel.width, sums + r * panel.width);
            finish(run, &tile, &panel, sums);
        }
    }
}

static void multiply_body(void *argument, int rank, int size) {
    const struct multiply_run *run = argument;
    const struct plane *plane = &run->g.plane;
    size_t lines = (size_t)run->in->n * (size_t)plane->h;
    if (run->source.plane)
        fill_plane(&run->source, plane, run->in, gb_partition(lines, rank, size));
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
        add_partials(run->partials, partial_count(&run->g), run->g.out_c, run->backward->d_bias,
                     run->backward->d_log_scale, rank, size);
    }
}

#endif
