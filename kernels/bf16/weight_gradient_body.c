// SPDX-License-Identifier: MIT
// The weight gradient of the units: C = A * B with M input channels under a tap, N outputs and
// pairs of pixels as K (kernels/bf16/weight_gradient.h). Both are packed, x rounded on the way:
//
//   for each block of K                            packed x and dy: second-level cache
//       for each panel of C, tap and MC channels   their sums: first-level cache
//           micro-kernels                          MR x NR sums: registers, over all of the block
//           Adam, after the last block
//
// Threads divide the packing of a block, and then panels, taps and channels as one.
//
// Packed x: [panel of 16 channels][filter column][pair of pixels], packed dy: [vector of
// outputs][pair of pixels], both in vectors of a pair's channels. A tile of A has a row of pairs
// for each channel instead, which takes a transpose: where dy has fewer of them, it is A, and C is
// computed with its rows and columns exchanged. The sums are the same.
#include "kernels/adam/adam_inline.h"
#include "kernels/bf16/packed.h"
#include "kernels/bf16/units.h"
#include "kernels/bf16/weight_gradient.h"
#ifdef GB_HAS_TILES
#include "kernels/bf16/weight_gradient_tiles_tmpl.h"
#else
#include "kernels/bf16/weight_gradient_vectors_tmpl.h"
#endif

enum { ROUND = GB_TILE_PAIRS, UNIT_FLOATS = 4 * GB_LANES * GB_BF16_NR };

// ---- The plan ----

struct gradient {
    struct gb_bf16_gradient k;
    struct gb_bf16_packed c;
    size_t kernel_h, kernel_w, channel_panels, vectors;
    size_t x_pairs, dy_pairs; // of pixels, from one column or vector to the next
    bool exchanged;           // A is dy
    bool dense_tiles;         // of A
    size_t mc, mc_blocks;
    bool kept; // sums stay in memory between blocks
};

// Rows of x that a block of `rows` of dy takes, as packed.
static size_t packed_rows(const struct gradient *g, size_t rows) {
    if (g->k.by_filter_row)
        return rows * g->kernel_h;
    return rows + gb_ceil_div(rows, g->k.segment_rows) * (g->kernel_h - 1);
}
// Pairs of a segment of dy: zeros follow up to whole tiles.
static size_t segment_pairs(const struct gradient *g) {
    return gb_round_up(g->k.segment_rows * g->k.pairs, ROUND);
}

static struct gradient gradient_of(const struct gb_conv_problem *p) {
    struct gradient g = {.k = gb_bf16_gradient_of(p),
                         .c = gb_bf16_packed_weights(p),
                         .kernel_h = (size_t)p->kernel_h,
                         .kernel_w = (size_t)p->kernel_w,
                         .channel_panels = gb_ceil_div((size_t)p->c, GB_LANES)};
    g.vectors = g.c.columns / GB_LANES;
    g.exchanged = A_IS_TRANSPOSED && g.channel_panels * g.kernel_w > g.vectors;
    // Tiles that a filter row shifts by less than a tile cannot lie one after the other.
    g.dense_tiles = g.exchanged || g.kernel_h == 1 || g.k.pairs % ROUND == 0;
    g.mc = 4 * GB_LANES;
    g.mc_blocks = gb_ceil_div((size_t)p->c, g.mc);
    // Tiles read up to a tile beyond the end. An odd number of cache lines from one channel to the
    // next spreads them over the sets of the first-level cache.
    const size_t pairs = packed_rows(&g, g.k.block_rows) * g.k.pairs + ROUND;
    g.x_pairs = (gb_ceil_div(pairs, ROUND) | 1) * ROUND;
    g.dy_pairs = gb_ceil_div(g.k.block_rows, g.k.segment_rows) * segment_pairs(&g);
    g.dy_pairs = (g.dy_pairs / ROUND | 1) * ROUND;
    g.kept = gb_bf16_gradient_block(&g.k, 0) < g.k.rows;
    return g;
}

static size_t unit_count(const struct gradient *g) {
    return gb_bf16_panel_count(&g->c) * g->c.taps * g->mc_blocks;
}

static size_t x_bytes(const struct gradient *g) {
    return g->channel_panels * g->kernel_w * g->x_pairs * GB_LANES * 2 * sizeof(gb_bf16);
}
static size_t dy_bytes(const struct gradient *g) {
    return g->vectors * g->dy_pairs * GB_LANES * 2 * sizeof(gb_bf16);
}
static size_t sums_bytes(const struct gradient *g) {
    return g->kept ? unit_count(g) * UNIT_FLOATS * sizeof(float) : 0;
}

struct gb_conv_choice GB_NAME(gb_bf16_weight_gradient)(const struct gb_conv_problem *p) {
    const struct gradient g = gradient_of(p);
    const size_t columns = gb_min_size(g.c.columns, GB_BF16_NR);
    return (struct gb_conv_choice){
        .name = GB_TEXT(GB_ISA),
        .algorithm = GB_CONV_IMPLICIT_GEMM,
        .blocks = {MR, NR, g.k.block_rows * g.k.pairs * 2, g.mc, columns},
        .shared_bytes = x_bytes(&g) + dy_bytes(&g) + sums_bytes(&g),
        .work = gb_conv_work(p) / WORK_SAVED};
}

// ---- Packing ----

struct run {
    struct gradient g;
    const struct gb_conv_plan *plan;
    const struct gb_tensor *x, *dy;
    gb_bf16 *packed_x, *packed_dy;
    float *sums; // of all units, where they are kept between blocks
    float *d_packed;
    const struct gb_adam_target *update;
};

struct k_block {
    size_t first, rows; // of dy
};

// A row of packed x: that of an image, or outside of it.
struct x_row {
    int n, row;
    bool inside;
};
static struct x_row x_row_at(const struct run *run, const struct k_block *block, size_t packed) {
    const struct gradient *g = &run->g;
    const struct gb_conv_problem *p = &run->plan->problem;
    size_t r, a;
    if (g->k.by_filter_row) {
        r = block->first + packed % block->rows;
        a = packed / block->rows;
    } else {
        const size_t step = g->k.segment_rows + g->kernel_h - 1;
        r = block->first + packed / step * g->k.segment_rows;
        a = packed % step;
    }
    const int row = (int)(r % g->k.image) * p->stride_h + (int)a - p->pad_h;
    return (struct x_row){(int)(r / g->k.image), row, row >= 0 && row < p->h};
}

// A row of pixels of which pairs are packed; the rest of the last pair, and what is outside of the
// image, are zeros.
struct pixel_row {
    const char *at;               // of column 0, from the panel's channels on; NULL: all zeros
    int width, count;             // of the image, of dy
    int first, stride;            // columns: of the first pixel of dy, from one to the next
    int inside_begin, inside_end; // pairs that are inside of the image
    ptrdiff_t pixel_bytes;
};

static struct pixel_row pixel_row_of(const struct gb_tensor *t, int count, int first, int stride) {
    const int last = t->w - 1 - first - stride; // where 0 is the last first pixel inside
    return (struct pixel_row){
        .width = t->w,
        .count = count,
        .first = first,
        .stride = stride,
        .inside_begin = first < 0 ? (2 * stride - 1 - first) / (2 * stride) : 0,
        .inside_end = last < 0 ? 0 : gb_min_int(last / (2 * stride) + 1, count / 2),
        .pixel_bytes = t->pixel * (ptrdiff_t)gb_type_bytes(t->type)};
}

// Two pixels, of which so many channels are read, as pairs of channels.
GB_INLINE gb_pairs pair_of(const void *first, int first_lanes, const void *second, int second_lanes,
                           enum gb_type type) {
    if (type == GB_BF16)
        return gb_pairs_zip(first, first_lanes, second, second_lanes);
    return gb_pairs_interleave(
        gb_pairs_round(gb_v_load_part(first, first_lanes), gb_v_load_part(second, second_lanes)));
}

static bool is_inside(const struct pixel_row *row, int column) {
    return column >= 0 && column < row->width;
}

// A pair at the edge of the image.
static gb_pairs edge_pair(const struct pixel_row *row, int q, enum gb_type type, int lanes) {
    const int column = 2 * q * row->stride + row->first, next = column + row->stride;
    const bool has_next = 2 * q + 1 < row->count && is_inside(row, next);
    return pair_of(row->at + column * row->pixel_bytes, is_inside(row, column) ? lanes : 0,
                   row->at + next * row->pixel_bytes, has_next ? lanes : 0, type);
}

// Pairs [begin, end) of a row, to vectors.
GB_INLINE void pack_row(const struct pixel_row *row, int begin, int end, enum gb_type type,
                        int lanes, gb_bf16 *to) {
    const ptrdiff_t next = row->stride * row->pixel_bytes;
    const int inside_end = gb_min_int(end, row->inside_end);
    int q = begin;
    for (; q < end && q < row->inside_begin; q++, to += GB_LANES * 2)
        gb_pairs_store(to, edge_pair(row, q, type, lanes));
    const char *at = row->at + (2 * q * row->stride + row->first) * row->pixel_bytes;
    for (; q < inside_end; q++, at += 2 * next, to += GB_LANES * 2)
        gb_pairs_store(to, pair_of(at, lanes, at + next, lanes, type));
    for (; q < end; q++, to += GB_LANES * 2)
        gb_pairs_store(to, edge_pair(row, q, type, lanes));
}

// Pairs of a vector of channels, one after the other: as vectors, or as a tile of A has them.
struct packed_vector {
    gb_bf16 *to;
    size_t pair, stride; // tiles: pairs from a channel to the next; 0: ROUND, tile after tile
    enum gb_type type;
    int lanes;
    bool transposed;
    _Alignas(GB_ALIGNMENT) gb_bf16 round[ROUND * GB_LANES * 2];
};

static void pack_some(struct packed_vector *v, const struct pixel_row *row, int begin, int end,
                      gb_bf16 *to) {
    if (!row->at)
        memset(to, 0, (size_t)(end - begin) * GB_LANES * 2 * sizeof *to);
    else if (v->type == GB_BF16 && v->lanes == GB_LANES)
        pack_row(row, begin, end, GB_BF16, GB_LANES, to);
    else if (v->type == GB_BF16)
        pack_row(row, begin, end, GB_BF16, v->lanes, to);
    else
        pack_row(row, begin, end, GB_F32, v->lanes, to);
}

static void store_tile(const struct packed_vector *v) {
    const size_t first = v->pair - ROUND;
    float *to = (float *)(void *)v->to + (v->stride ? first : first * GB_LANES);
    gb_transpose((const float *)(const void *)v->round, GB_LANES, to,
                 v->stride ? v->stride : ROUND);
}

// Appends pairs [begin, end) of a row.
static void pack_pairs(struct packed_vector *v, const struct pixel_row *row, int begin, int end) {
    if (!v->transposed) {
        pack_some(v, row, begin, end, v->to + v->pair * GB_LANES * 2);
        v->pair += (size_t)(end - begin);
        return;
    }
    for (int count; begin < end; begin += count) {
        const size_t filled = v->pair % ROUND;
        count = gb_min_int(end - begin, ROUND - (int)filled);
        pack_some(v, row, begin, begin + count, v->round + filled * GB_LANES * 2);
        v->pair += (size_t)count;
        if (v->pair % ROUND == 0)
            store_tile(v);
    }
}

// Pairs [first, end) of a panel's filter column; beyond the last row they are zeros.
static void pack_x(const struct run *run, const struct k_block *block, size_t column, size_t first,
                   size_t end) {
    const struct gradient *g = &run->g;
    const struct gb_conv_problem *p = &run->plan->problem;
    const size_t rows = packed_rows(g, block->rows), pairs = g->k.pairs;
    const size_t panel = column / g->kernel_w;
    const int channel = (int)panel * GB_LANES, b = (int)(column % g->kernel_w);
    struct packed_vector v = {.to = run->packed_x + column * g->x_pairs * GB_LANES * 2,
                              .pair = first,
                              .stride = g->dense_tiles ? 0 : g->x_pairs,
                              .type = run->x->type,
                              .lanes = gb_min_int(p->c - channel, GB_LANES),
                              .transposed = A_IS_TRANSPOSED && !g->exchanged};
    struct pixel_row row = pixel_row_of(run->x, run->plan->out_w, b - p->pad_w, p->stride_w);
    while (v.pair < end) {
        const size_t packed = v.pair / pairs, begin = v.pair % pairs;
        const struct x_row at =
            packed < rows ? x_row_at(run, block, packed) : (struct x_row){.inside = false};
        row.at = at.inside
                     ? gb_advance(run->x, at.n * run->x->image + at.row * run->x->row + channel)
                     : NULL;
        pack_pairs(&v, &row, (int)begin, (int)gb_min_size(pairs, begin + end - v.pair));
    }
}

static void pack_dy(const struct run *run, const struct k_block *block, size_t vector) {
    const struct gradient *g = &run->g;
    const struct gb_tensor *dy = run->dy;
    const int channel = (int)vector * GB_LANES;
    struct packed_vector v = {.to = run->packed_dy + vector * g->dy_pairs * GB_LANES * 2,
                              .stride = 0,
                              .type = GB_BF16,
                              .lanes = gb_max_int(gb_min_int(dy->c - channel, GB_LANES), 0),
                              .transposed = A_IS_TRANSPOSED && g->exchanged};
    struct pixel_row row = pixel_row_of(dy, dy->w, 0, 1);
    const struct pixel_row zeros = {.at = NULL};
    for (size_t r = block->first; r < block->first + block->rows; r++) {
        row.at = gb_advance(dy, (ptrdiff_t)(r / g->k.image) * dy->image +
                                    (ptrdiff_t)(r % g->k.image) * dy->row + channel);
        pack_pairs(&v, &row, 0, (int)g->k.pairs);
        if (gb_bf16_gradient_ends(&g->k, r))
            pack_pairs(&v, &zeros, 0, (int)(gb_round_up(v.pair, ROUND) - v.pair));
    }
}

// A thread's share of both. Rows of x are the outer loop: a panel's channels are half a cache line
// of each pixel, and filter columns read them again.
static void pack(const struct run *run, const struct k_block *block, int rank, int size) {
    const struct gradient *g = &run->g;
    const size_t pairs = packed_rows(g, block->rows) * g->k.pairs;
    const size_t end = gb_round_up(pairs + ROUND - 1, ROUND), some = gb_round_up(g->k.pairs, ROUND);
    const size_t columns = g->channel_panels * g->kernel_w;
    const struct gb_range x = gb_partition(gb_ceil_div(end, some) * columns, rank, size);
    for (size_t at = x.begin; at < x.end; at++) {
        const size_t first = at / columns * some;
        pack_x(run, block, at % columns, first, gb_min_size(first + some, end));
    }
    const struct gb_range dy = gb_partition(g->vectors, rank, size);
    for (size_t v = dy.begin; v < dy.end; v++)
        pack_dy(run, block, v);
}

// ---- The loops ----

// A tap's MC channels by a panel of outputs.
struct unit {
    size_t panel, tap, first_pair, pairs; // of channels
    size_t width, offset;                 // in packed weights
};
static struct unit unit_at(const struct gradient *g, size_t index) {
    const size_t taps = g->c.taps, in_panel = index % (taps * g->mc_blocks);
    struct unit u = {.panel = index / (taps * g->mc_blocks),
                     .tap = in_panel / g->mc_blocks,
                     .first_pair = in_panel % g->mc_blocks * (g->mc / 2)};
    u.pairs = gb_min_size(g->c.tap_pairs - u.first_pair, g->mc / 2);
    u.width = gb_bf16_panel_width(&g->c, u.panel);
    u.offset = gb_bf16_panel_offset(&g->c, u.panel) +
               2 * (u.tap * g->c.tap_pairs + u.first_pair) * u.width;
    return u;
}

// Where the micro-kernels read a unit's operands.
static struct gb_gradient_operands operands_of(const struct run *run, const struct k_block *block,
                                               const struct unit *u) {
    const struct gradient *g = &run->g;
    const size_t a = u->tap / g->kernel_w, b = u->tap % g->kernel_w;
    const size_t panel = u->first_pair / (GB_LANES / 2);
    const size_t skipped = a * (g->k.by_filter_row ? block->rows : 1) * g->k.pairs;
    const size_t segment = gb_min_size(g->k.segment_rows, block->rows);
    const gb_bf16 *x = run->packed_x + (panel * g->kernel_w + b) * g->x_pairs * GB_LANES * 2;
    const gb_bf16 *dy = run->packed_dy + u->panel * GB_BF16_NR * g->dy_pairs * 2;
    const size_t x_panel = g->kernel_w * g->x_pairs * GB_LANES * 2;
    const size_t dy_vector = g->dy_pairs * GB_LANES * 2;
    const size_t x_segment = (segment + g->kernel_h - 1) * g->k.pairs;
    const size_t dy_segment = gb_round_up(segment * g->k.pairs, ROUND);
    struct gb_gradient_operands operands = {.segments = gb_ceil_div(block->rows, g->k.segment_rows),
                                            .pairs = segment * g->k.pairs};
    if (g->exchanged) {
        operands.a = dy;
        operands.a_panel = dy_vector;
        operands.a_row = ROUND * 2;
        operands.a_pair = GB_LANES * 2;
        operands.a_segment = dy_segment;
        operands.b = x + skipped * GB_LANES * 2;
        operands.b_vector = x_panel;
        operands.b_segment = x_segment;
    } else {
        const bool rows = A_IS_TRANSPOSED && !g->dense_tiles;
        operands.a_row = rows ? g->x_pairs * 2 : ROUND * 2;
        operands.a_pair = rows ? 2 : GB_LANES * 2;
        operands.a = x + skipped * operands.a_pair;
        operands.a_panel = x_panel;
        operands.a_segment = x_segment;
        operands.b = dy;
        operands.b_vector = dy_vector;
        operands.b_segment = dy_segment;
    }
    return operands;
}

// Sums by channel to the packed order.
static void interleave(const float *sums, const struct unit *u, float *to) {
    for (size_t i = 0; i < u->pairs; i++, sums += 2 * u->width)
        for (size_t o = 0; o < u->width; o += GB_LANES, to += 2 * GB_LANES)
            gb_v_store_interleaved(to, gb_v_load(sums + o), gb_v_load(sums + u->width + o));
}

// Sums by output to sums by channel.
static void exchange(const float *sums, size_t channels, size_t width, float *to) {
    for (size_t o = 0; o < width; o += GB_LANES)
        for (size_t q = 0; q < channels; q += GB_LANES)
            gb_transpose(sums + o * channels + q, channels, to + q * width + o, width);
}

static void run_unit(const struct run *run, const struct k_block *block, size_t index) {
    _Alignas(GB_ALIGNMENT) float own[UNIT_FLOATS], by_channel[UNIT_FLOATS], gradient[UNIT_FLOATS];
    const struct gradient *g = &run->g;
    const struct unit u = unit_at(g, index);
    const size_t channels = gb_round_up(2 * u.pairs, GB_LANES);
    const struct gb_gradient_operands operands = operands_of(run, block, &u);
    float *sums = g->kept ? run->sums + index * UNIT_FLOATS : own;
    if (g->exchanged)
        multiply_unit(&operands, u.width, channels, sums, block->first > 0);
    else
        multiply_unit(&operands, 2 * u.pairs, u.width, sums, block->first > 0);
    if (block->first + block->rows < g->k.rows)
        return;
    if (g->exchanged) {
        exchange(sums, channels, u.width, by_channel);
        sums = by_channel;
    }
    interleave(sums, &u, run->update ? gradient : run->d_packed + u.offset);
    if (run->update)
        gb_adam_update(run->update, u.offset, 2 * u.pairs * u.width, gradient);
}

static void body(void *argument, int rank, int size) {
    const struct run *run = argument;
    const struct gradient *g = &run->g;
    const struct gb_range share = gb_partition(unit_count(g), rank, size);
    struct k_block block = {0};
    for (; block.first < g->k.rows; block.first += block.rows) {
        block.rows = gb_bf16_gradient_block(&g->k, block.first);
        if (block.first > 0)
            gb_barrier(size); // the packed block is still read
        pack(run, &block, rank, size);
        gb_barrier(size);
        micro_kernel_begin();
        for (size_t i = share.begin; i < share.end; i++)
            run_unit(run, &block, i);
        micro_kernel_end();
    }
}

void GB_NAME(gb_bf16_conv_backward_weights)(const struct gb_conv_plan *plan,
                                            const struct gb_exec *exec, const struct gb_tensor *x,
                                            const struct gb_tensor *dy, float *d_packed,
                                            const struct gb_adam_target *update) {
    assert(gb_conv_operands_fit(plan, exec, x, dy) && dy->type == GB_BF16);
    assert(gb_conv_one_target(d_packed, update));
    struct run run = {.g = gradient_of(&plan->problem),
                      .plan = plan,
                      .x = x,
                      .dy = dy,
                      .packed_x = gb_scratch(exec, 0),
                      .d_packed = d_packed,
                      .update = update};
    run.packed_dy = gb_scratch(exec, x_bytes(&run.g));
    run.sums = gb_scratch(exec, x_bytes(&run.g) + dy_bytes(&run.g));
    gb_parallel(gb_threads_for(exec, plan->backward_weights.work), body, &run);
}
