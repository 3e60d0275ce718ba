// SPDX-License-Identifier: MIT
// The weight gradient of both units: C = A * B with M input channels under a tap, N outputs and
// pairs of pixels as K (kernels/bf16/weight_gradient.h). A and B are packed, x rounded on the way:
//
//   for each block of K                            packed A and B: second-level cache
//       for each panel of C, tap and MC channels   their sums: first-level cache
//           micro-kernels                          MR x NR sums: registers, over all of the block
//           Adam, after the last block
//
// Threads divide the packing of a block, and then panels, taps and channels as one.
//
// Packed A: [panel of 16 channels][filter column][pair of pixels], in vectors of channels, or as
// tiles have it: a row of pairs for each channel. Packed B: [vector of outputs][pair of pixels].
#include "kernels/adam/adam_inline.h"
#include "kernels/bf16/packed.h"
#include "kernels/bf16/units.h"
#include "kernels/bf16/weight_gradient.h"
#ifdef GB_HAS_TILES
#include "kernels/bf16/weight_gradient_tiles_tmpl.h"
#else
#include "kernels/bf16/weight_gradient_vectors_tmpl.h"
#endif

enum { MC = 2 * GB_LANES, ROUND = GB_TILE_PAIRS };

// ---- The plan ----

struct gradient {
    struct gb_bf16_gradient k;
    struct gb_bf16_packed c;
    size_t kernel_h, kernel_w, channel_panels, vectors;
    size_t a_pairs, b_pairs; // of pixels, from one column or vector to the next
    size_t mc_blocks;
    bool kept; // sums go to memory between blocks
};

// Rows of x that a block of `rows` of dy takes, as packed.
static size_t packed_rows(const struct gradient *g, size_t rows) {
    if (g->k.by_filter_row)
        return rows * g->kernel_h;
    return rows + gb_ceil_div(rows, g->k.segment_rows) * (g->kernel_h - 1);
}
// Pairs of a segment of B: zeros follow up to whole tiles.
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
    g.mc_blocks = gb_ceil_div((size_t)p->c, MC);
    // Tiles read up to a tile beyond the end. An odd number of cache lines from one channel to the
    // next spreads them over the sets of the first-level cache.
    const size_t pairs = packed_rows(&g, g.k.block_rows) * g.k.pairs + ROUND;
    g.a_pairs = (gb_ceil_div(pairs, ROUND) | 1) * ROUND;
    g.b_pairs = gb_ceil_div(g.k.block_rows, g.k.segment_rows) * segment_pairs(&g);
    g.kept = gb_bf16_gradient_block(&g.k, 0) < g.k.rows;
    return g;
}

static size_t a_bytes(const struct gradient *g) {
    return g->channel_panels * g->kernel_w * g->a_pairs * GB_LANES * 2 * sizeof(gb_bf16);
}
static size_t b_bytes(const struct gradient *g) {
    return g->vectors * g->b_pairs * GB_LANES * 2 * sizeof(gb_bf16);
}

struct gb_conv_choice GB_NAME(gb_bf16_weight_gradient)(const struct gb_conv_problem *p) {
    const struct gradient g = gradient_of(p);
    const size_t sums = g.kept ? gb_bf16_packed_count(&g.c) * sizeof(float) : 0;
    const size_t columns = gb_min_size(g.c.columns, GB_BF16_NR);
    return (struct gb_conv_choice){.name = GB_TEXT(GB_ISA),
                                   .algorithm = GB_CONV_IMPLICIT_GEMM,
                                   .blocks = {MR, NR, g.k.block_rows * g.k.pairs * 2, MC, columns},
                                   .shared_bytes = a_bytes(&g) + b_bytes(&g) + sums,
                                   .work = gb_conv_work(p) / WORK_SAVED};
}

// ---- Packing ----

struct run {
    struct gradient g;
    const struct gb_conv_plan *plan;
    const struct gb_tensor *x, *dy;
    gb_bf16 *a, *b;
    float *sums; // where they are kept between blocks
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

// Two pixels as pairs of channels; NULL is a zero.
GB_INLINE gb_pairs pair_bf16(const gb_bf16 *first, const gb_bf16 *second, int lanes) {
    const gb_vi zero = {0};
    const gb_vi low = first ? gb_v_bits(gb_v_load_bf16(first, lanes)) : zero;
    const gb_vi high = second ? gb_v_bits(gb_v_load_bf16(second, lanes)) : zero;
    return (low >> 16 & 0xffff) | high;
}
GB_INLINE gb_pairs pair_floats(const float *first, const float *second, int lanes) {
    const gb_v zero = {0};
    return gb_pairs_interleave(gb_pairs_round(first ? gb_v_load_part(first, lanes) : zero,
                                              second ? gb_v_load_part(second, lanes) : zero));
}

// ROUND pairs of a panel's filter column, from pair `first` on; beyond the end they are zeros.
GB_INLINE void pack_a_round(const struct run *run, const struct k_block *block, size_t panel, int b,
                            size_t first, enum gb_type type, gb_bf16 *to) {
    const struct gradient *g = &run->g;
    const struct gb_tensor *x = run->x;
    const struct gb_conv_problem *p = &run->plan->problem;
    const size_t rows = packed_rows(g, block->rows), bytes = gb_type_bytes(type);
    const int channel = (int)panel * GB_LANES;
    const int lanes = x->c - channel < GB_LANES ? x->c - channel : GB_LANES;
    const int pairs = (int)g->k.pairs, out_w = run->plan->out_w;
    size_t packed = first / g->k.pairs;
    int pair = (int)(first % g->k.pairs);
    _Alignas(GB_ALIGNMENT) gb_bf16 vectors[ROUND * GB_LANES * 2];
    const char *row = NULL; // of x, from the panel's channels on
    for (int i = 0; i < ROUND; i++, pair++) {
        if (pair == pairs) {
            pair = 0;
            packed++;
        }
        if (i == 0 || pair == 0) {
            const struct x_row at =
                packed < rows ? x_row_at(run, block, packed) : (struct x_row){0};
            row = at.inside ? gb_advance(x, at.n * x->image + at.row * x->row + channel) : NULL;
        }
        const int column = 2 * pair * p->stride_w + b - p->pad_w, next = column + p->stride_w;
        const bool has_first = row && column >= 0 && column < p->w;
        const bool has_second = row && next >= 0 && next < p->w && 2 * pair + 1 < out_w;
        const void *from = has_first ? row + column * x->pixel * (ptrdiff_t)bytes : NULL;
        const void *second = has_second ? row + next * x->pixel * (ptrdiff_t)bytes : NULL;
        gb_pairs_store(vectors + i * GB_LANES * 2, type == GB_BF16
                                                       ? pair_bf16(from, second, lanes)
                                                       : pair_floats(from, second, lanes));
    }
    store_pairs(vectors, first, g->a_pairs, to);
}

static void pack_b(const struct run *run, const struct k_block *block, size_t vector) {
    const struct gradient *g = &run->g;
    const struct gb_tensor *dy = run->dy;
    const int channel = (int)vector * GB_LANES, rest = dy->c - channel;
    const int lanes = rest < GB_LANES ? rest : GB_LANES;
    gb_bf16 *to = run->b + vector * g->b_pairs * GB_LANES * 2;
    for (size_t r = 0; r < block->rows; r++) {
        const int n = (int)((block->first + r) / g->k.image);
        const int i = (int)((block->first + r) % g->k.image);
        const gb_bf16 *from = gb_bf16_at(dy, n, i, 0) + channel;
        for (int j = 0; j < dy->w; j += 2, to += GB_LANES * 2, from += 2 * dy->pixel)
            gb_pairs_store(to, pair_bf16(from, j + 1 < dy->w ? from + dy->pixel : NULL, lanes));
        if (gb_bf16_gradient_ends(&g->k, block->first + r)) {
            const size_t rows = r % g->k.segment_rows + 1;
            const size_t zeros = gb_round_up(rows * g->k.pairs, ROUND) - rows * g->k.pairs;
            memset(to, 0, zeros * GB_LANES * 2 * sizeof *to);
            to += zeros * GB_LANES * 2;
        }
    }
}

// A thread's share of both.
static void pack(const struct run *run, const struct k_block *block, int rank, int size) {
    const struct gradient *g = &run->g;
    const size_t pairs = packed_rows(g, block->rows) * g->k.pairs;
    const size_t rounds = gb_ceil_div(pairs + ROUND - 1, ROUND),
                 columns = g->channel_panels * g->kernel_w;
    const struct gb_range a = gb_partition(columns * rounds, rank, size);
    for (size_t at = a.begin; at < a.end; at++) {
        const size_t column = at / rounds, panel = column / g->kernel_w,
                     first = at % rounds * ROUND;
        const int b_column = (int)(column % g->kernel_w);
        gb_bf16 *to = run->a + column * g->a_pairs * GB_LANES * 2;
        if (run->x->type == GB_BF16)
            pack_a_round(run, block, panel, b_column, first, GB_BF16, to);
        else
            pack_a_round(run, block, panel, b_column, first, GB_F32, to);
    }
    const struct gb_range b = gb_partition(g->vectors, rank, size);
    for (size_t v = b.begin; v < b.end; v++)
        pack_b(run, block, v);
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
                     .first_pair = in_panel % g->mc_blocks * (MC / 2)};
    u.pairs = gb_min_size(g->c.tap_pairs - u.first_pair, MC / 2);
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
    return (struct gb_gradient_operands){
        .a = pairs_from(run->a + (panel * g->kernel_w + b) * g->a_pairs * GB_LANES * 2, skipped),
        .b = run->b + u->panel * (GB_BF16_NR / GB_LANES) * g->b_pairs * GB_LANES * 2,
        .a_panel = g->kernel_w * g->a_pairs * GB_LANES * 2,
        .b_vector = g->b_pairs * GB_LANES * 2,
        .a_row = g->a_pairs * 2,
        .segments = gb_ceil_div(block->rows, g->k.segment_rows),
        .pairs = segment * g->k.pairs,
        .a_segment = (segment + g->kernel_h - 1) * g->k.pairs,
        .b_segment = gb_round_up(segment * g->k.pairs, ROUND)};
}

// Sums by channel to the packed order.
static void interleave(const float *sums, const struct unit *u, float *to) {
    for (size_t i = 0; i < u->pairs; i++, sums += 2 * u->width)
        for (size_t o = 0; o < u->width; o += GB_LANES, to += 2 * GB_LANES)
            gb_v_store_interleaved(to, gb_v_load(sums + o), gb_v_load(sums + u->width + o));
}

static void run_unit(const struct run *run, const struct k_block *block, const struct unit *u) {
    _Alignas(GB_ALIGNMENT) float sums[MC * GB_BF16_NR];
    _Alignas(GB_ALIGNMENT) float gradient[MC * GB_BF16_NR];
    const size_t floats = 2 * u->pairs * u->width;
    const bool last = block->first + block->rows == run->g.k.rows;
    const struct gb_gradient_operands operands = operands_of(run, block, u);
    float *kept = run->sums + u->offset;
    if (block->first > 0)
        memcpy(sums, kept, floats * sizeof *sums);
    multiply_unit(&operands, 2 * u->pairs, u->width, sums, block->first > 0);
    if (!last)
        memcpy(kept, sums, floats * sizeof *sums);
    else if (run->update) {
        interleave(sums, u, gradient);
        gb_adam_update(run->update, u->offset, floats, gradient);
    } else {
        interleave(sums, u, run->d_packed + u->offset);
    }
}

static void body(void *argument, int rank, int size) {
    const struct run *run = argument;
    const struct gradient *g = &run->g;
    const size_t units = gb_bf16_panel_count(&g->c) * g->c.taps * g->mc_blocks;
    const struct gb_range share = gb_partition(units, rank, size);
    struct k_block block = {0};
    for (; block.first < g->k.rows; block.first += block.rows) {
        block.rows = gb_bf16_gradient_block(&g->k, block.first);
        if (block.first > 0)
            gb_barrier(size); // the packed block is still read
        pack(run, &block, rank, size);
        gb_barrier(size);
        micro_kernel_begin();
        for (size_t i = share.begin; i < share.end; i++) {
            const struct unit u = unit_at(g, i);
            run_unit(run, &block, &u);
        }
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
                      .a = gb_scratch(exec, 0),
                      .d_packed = d_packed,
                      .update = update};
    run.b = gb_scratch(exec, a_bytes(&run.g));
    run.sums = d_packed ? d_packed : gb_scratch(exec, a_bytes(&run.g) + b_bytes(&run.g));
    gb_parallel(gb_threads_for(exec, plan->backward_weights.work), body, &run);
}
