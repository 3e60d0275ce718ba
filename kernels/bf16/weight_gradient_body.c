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

// Where the pixels of ROUND pairs are, from channel 0 on; NULL: outside of the image, zeros. Where
// all are inside and at equal distances, `step` is that distance in bytes and only the first is
// noted.
struct round {
    ptrdiff_t step;
    const char *pixels[2 * ROUND];
};
static const _Alignas(GB_ALIGNMENT) char zeros[GB_LANES * sizeof(float)];

// Pixels of a row of dy, or those of x that they read.
struct pixel_row {
    const char *row;   // NULL: outside of the image
    int first, stride; // columns: of the first pixel, from one to the next
    int begin, end;    // pixels that are inside
    ptrdiff_t pixel_bytes;
};

static struct pixel_row pixel_row_of(const struct gb_tensor *t, int count, int first, int stride) {
    const int begin = first < 0 ? (stride - 1 - first) / stride : 0;
    const int end = first < t->w ? (t->w - 1 - first) / stride + 1 : 0;
    return (struct pixel_row){.first = first,
                              .stride = stride,
                              .begin = begin,
                              .end = gb_min_int(end, count),
                              .pixel_bytes = t->pixel * (ptrdiff_t)gb_type_bytes(t->type)};
}

// Pairs [begin, end) of the row, to the pointers from `to` on; returns where the next ones go.
static const char **point_at(const struct pixel_row *r, int begin, int end, const char **to) {
    const int inside_end = r->row ? gb_min_int(2 * end, r->end) : 0;
    const ptrdiff_t step = r->stride * r->pixel_bytes;
    int m = 2 * begin;
    for (; m < 2 * end && m < r->begin; m++)
        *to++ = NULL;
    if (m < inside_end) {
        const char *at = r->row + (m * r->stride + r->first) * r->pixel_bytes;
        for (; m < inside_end; m++, at += step)
            *to++ = at;
    }
    for (; m < 2 * end; m++)
        *to++ = NULL;
    return to;
}

// The row of x that packed row number `packed` is; NULL where it is outside of the image. Divisions
// of 32 bits take half the time.
static const char *x_row_at(const struct run *run, const struct k_block *block, uint32_t packed) {
    const struct gradient *g = &run->g;
    const struct gb_conv_problem *p = &run->plan->problem;
    const uint32_t rows = (uint32_t)block->rows, image = (uint32_t)g->k.image;
    const uint32_t segment = (uint32_t)g->k.segment_rows;
    uint32_t r = (uint32_t)block->first, a;
    if (g->k.by_filter_row) {
        r += packed % rows;
        a = packed / rows;
    } else {
        const uint32_t step = segment + (uint32_t)g->kernel_h - 1;
        r += packed / step * segment;
        a = packed % step;
    }
    const int row = (int)(r % image) * p->stride_h + (int)a - p->pad_h;
    if (row < 0 || row >= p->h)
        return NULL;
    return gb_advance(run->x, (ptrdiff_t)(r / image) * run->x->image + row * run->x->row);
}

// The rows that a round's pairs are in.
struct round_rows {
    int count;
    struct {
        const char *row; // NULL: zeros
        int begin, end;  // pairs
    } rows[ROUND];
};

// Pairs [first, first + ROUND) of the packed rows of x; beyond the last one they are zeros.
static void rows_of_x(const struct run *run, const struct k_block *block, size_t first,
                      struct round_rows *r) {
    const size_t rows = packed_rows(&run->g, block->rows), pairs = run->g.k.pairs;
    size_t packed = (uint32_t)first / (uint32_t)pairs, begin = (uint32_t)first % (uint32_t)pairs;
    r->count = 0;
    for (size_t left = ROUND, some; left > 0; left -= some, packed++, begin = 0) {
        some = gb_min_size(pairs - begin, left);
        r->rows[r->count].row = packed < rows ? x_row_at(run, block, (uint32_t)packed) : NULL;
        r->rows[r->count].begin = (int)begin;
        r->rows[r->count++].end = (int)(begin + some);
    }
}

// Pairs [first, first + ROUND) of the segment of dy that begins at row `segment`.
static void rows_of_dy(const struct run *run, const struct k_block *block, size_t segment,
                       size_t first, struct round_rows *r) {
    const struct gb_bf16_gradient *k = &run->g.k;
    const struct gb_tensor *dy = run->dy;
    const size_t end = gb_min_size(segment + k->segment_rows, block->first + block->rows);
    size_t row = segment + first / k->pairs, begin = first % k->pairs;
    r->count = 0;
    for (size_t left = ROUND, some; left > 0; left -= some, row++, begin = 0) {
        some = gb_min_size(k->pairs - begin, left);
        r->rows[r->count].row = row < end
                                    ? gb_advance(dy, (ptrdiff_t)(row / k->image) * dy->image +
                                                         (ptrdiff_t)(row % k->image) * dy->row)
                                    : NULL;
        r->rows[r->count].begin = (int)begin;
        r->rows[r->count++].end = (int)(begin + some);
    }
}

static void point_at_round(const struct round_rows *r, struct pixel_row row, struct round *round) {
    const char **to = round->pixels;
    const int begin = r->rows[0].begin, end = r->rows[0].end;
    round->step = 0;
    if (r->count == 1 && r->rows[0].row && 2 * begin >= row.begin && 2 * end <= row.end) {
        round->step = row.stride * row.pixel_bytes;
        *to = r->rows[0].row + (2 * begin * row.stride + row.first) * row.pixel_bytes;
        return;
    }
    for (int i = 0; i < r->count; i++) {
        row.row = r->rows[i].row;
        to = point_at(&row, r->rows[i].begin, r->rows[i].end, to);
    }
}

// The channels of a vector in a round's pixels: pairs as vectors, or as a tile of A has them.
struct channels {
    int first, lanes;
    enum gb_type type;
    bool transposed;
    size_t stride; // of tiles: pairs from a channel to the next
};

GB_INLINE void pack_some(const struct round *round, ptrdiff_t at, int lanes, enum gb_type type,
                         bool stepped, gb_bf16 *to) {
    const ptrdiff_t step = round->step;
    const char *next = stepped ? round->pixels[0] + at : NULL;
    for (int q = 0; q < ROUND; q++, to += 2 * GB_LANES) {
        const char *first = next, *second;
        if (stepped) {
            second = first + step;
            next = second + step;
        } else {
            first = round->pixels[2 * q] ? round->pixels[2 * q] + at : zeros;
            second = round->pixels[2 * q + 1] ? round->pixels[2 * q + 1] + at : zeros;
        }
        const gb_pairs pairs =
            type == GB_BF16 ? gb_pairs_zip((const gb_bf16 *)(const void *)first, lanes,
                                           (const gb_bf16 *)(const void *)second, lanes)
                            : gb_pairs_interleave(gb_pairs_round(
                                  gb_v_load_part((const float *)(const void *)first, lanes),
                                  gb_v_load_part((const float *)(const void *)second, lanes)));
        gb_pairs_store(to, pairs);
    }
}

GB_INLINE void pack_vectors(const struct round *round, ptrdiff_t at, int lanes, enum gb_type type,
                            gb_bf16 *to) {
    if (round->step)
        pack_some(round, at, lanes, type, true, to);
    else
        pack_some(round, at, lanes, type, false, to);
}

static void pack_round(const struct round *round, const struct channels *c, gb_bf16 *to) {
    _Alignas(GB_ALIGNMENT) gb_bf16 square[ROUND * GB_LANES * 2];
    const ptrdiff_t at = c->first * (ptrdiff_t)gb_type_bytes(c->type);
    gb_bf16 *vectors = c->transposed ? square : to;
#ifdef GB_HAS_TILES
    if (c->transposed && c->type == GB_BF16 && c->lanes == GB_LANES) {
        gb_transpose_pixels(round->pixels, round->step, zeros, at, to, 2 * c->stride);
        return;
    }
#endif
    if (c->type == GB_BF16 && c->lanes == GB_LANES)
        pack_vectors(round, at, GB_LANES, GB_BF16, vectors);
    else if (c->type == GB_BF16)
        pack_vectors(round, at, c->lanes, GB_BF16, vectors);
    else
        pack_vectors(round, at, c->lanes, GB_F32, vectors);
    if (c->transposed)
        gb_transpose((const float *)(const void *)square, GB_LANES, (float *)(void *)to, c->stride);
}

// A thread's share of both: all channels of a round of pixels after each other, since a vector of
// them is half a cache line.
static void pack(const struct run *run, const struct k_block *block, int rank, int size) {
    const struct gradient *g = &run->g;
    const size_t pairs = packed_rows(g, block->rows) * g->k.pairs;
    const size_t rounds = gb_ceil_div(pairs + ROUND - 1, ROUND), x_column = g->x_pairs * GB_LANES;
    const struct gb_conv_problem *p = &run->plan->problem;
    const struct gb_range x = gb_partition(rounds, rank, size);
    struct channels c = {.type = run->x->type,
                         .transposed = A_IS_TRANSPOSED && !g->exchanged,
                         .stride = g->dense_tiles ? ROUND : g->x_pairs};
    const bool in_rows = c.transposed && !g->dense_tiles;
    struct round_rows rows;
    struct round round;
    for (size_t at = x.begin; at < x.end; at++) {
        const size_t offset = at * ROUND * 2 * (in_rows ? 1 : GB_LANES);
        rows_of_x(run, block, at * ROUND, &rows);
        for (int b = 0; b < p->kernel_w; b++) {
            gb_bf16 *to = run->packed_x + (size_t)b * x_column * 2 + offset;
            point_at_round(&rows, pixel_row_of(run->x, run->plan->out_w, b - p->pad_w, p->stride_w),
                           &round);
            for (size_t q = 0; q < g->channel_panels; q++, to += g->kernel_w * x_column * 2) {
                c.first = (int)q * GB_LANES;
                c.lanes = gb_min_int(p->c - c.first, GB_LANES);
                pack_round(&round, &c, to);
            }
        }
    }
    const size_t segment_rounds =
        gb_ceil_div(gb_min_size(g->k.segment_rows, block->rows) * g->k.pairs, ROUND);
    const size_t segments = gb_ceil_div(block->rows, g->k.segment_rows);
    const struct gb_range dy = gb_partition(segments * segment_rounds, rank, size);
    const struct pixel_row dy_row = pixel_row_of(run->dy, run->dy->w, 0, 1);
    c = (struct channels){
        .type = GB_BF16, .transposed = A_IS_TRANSPOSED && g->exchanged, .stride = ROUND};
    for (size_t at = dy.begin; at < dy.end; at++) {
        rows_of_dy(run, block, block->first + at / segment_rounds * g->k.segment_rows,
                   at % segment_rounds * ROUND, &rows);
        point_at_round(&rows, dy_row, &round);
        for (size_t v = 0; v < g->vectors; v++) {
            c.first = (int)v * GB_LANES;
            c.lanes = gb_max_int(gb_min_int(p->k - c.first, GB_LANES), 0);
            pack_round(&round, &c, run->packed_dy + (v * g->dy_pairs + at * ROUND) * GB_LANES * 2);
        }
    }
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
