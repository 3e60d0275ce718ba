// SPDX-License-Identifier: MIT
// The weight gradient by Winograd's tiles (winograd_tmpl.h): with d and e the inputs and the output
// gradients of a tile,
//   dw = G^T (sum over tiles of (B^T d B) * (A e A^T)) G,
// 16 matrix products of input channels by tiles by output channels. Part of conv_body.c.
#ifndef GB_CONV_WINOGRAD_GRADIENT_TMPL_H
#define GB_CONV_WINOGRAD_GRADIENT_TMPL_H

#include "kernels/conv/weight_gradient_tmpl.h"
#include "kernels/conv/winograd_tmpl.h"

// Out channels of one tap of one input channel's filters.
static size_t tap_row(const struct gb_conv_gemm *forward) {
    return gb_round_up((size_t)forward->out_c, FLOATS_ALIGNED);
}

// The filters' gradient, transformed, and packed.
static size_t winograd_gradient_shared_floats(const struct gb_conv_winograd *w,
                                              const struct gb_conv_gemm *forward) {
    return ELEMENTS * w->filter_step + gb_packed_floats(forward->b);
}
static size_t winograd_gradient_thread_floats(const struct gb_conv_winograd *w,
                                              const struct gb_conv_gemm *forward) {
    return ELEMENTS * (w->input_step + w->output_step) +
           (forward->lowering == GB_CONV_COL2IM ? 9 * tap_row(forward) : 0);
}

struct winograd_gradient_run {
    const struct weight_run *weights;
    const struct gb_conv_winograd *w;
    float *sums, *d_packed;
};

// What one thread computes: the gradient of some input channels and some panels of output channels.
struct gradient_share {
    const struct winograd_gradient_run *run;
    struct gb_range channels, panels;
    struct gb_tensor x; // its channels
    float *inputs, *gradients, *taps;
};

// ---- Output gradient transform: A e A^T ----

GB_INLINE void gradient_transform_1d(const gb_v e[2], gb_v m[4]) {
    m[0] = e[0];
    m[1] = e[0] + e[1];
    m[2] = e[0] - e[1];
    m[3] = -e[1];
}

// The 2x2 outputs of a tile; those outside the image are zero.
GB_INLINE void gradient_transform(const struct gb_tensor *dy, int n, int i, int j, int channel,
                                  float *to, size_t element_step) {
    int lanes = lanes_from(dy->c, (size_t)channel);
    gb_v rows[2][4];
    GB_UNROLL
    for (int a = 0; a < 2; a++) {
        gb_v e[2];
        GB_UNROLL
        for (int b = 0; b < 2; b++)
            e[b] = i + a < dy->h && j + b < dy->w
                       ? load_lanes(gb_at(dy, n, i + a, j + b) + channel, lanes)
                       : (gb_v){0};
        gradient_transform_1d(e, rows[a]);
    }
    GB_UNROLL
    for (int b = 0; b < 4; b++) {
        const gb_v column[2] = {rows[0][b], rows[1][b]};
        gb_v m[4];
        gradient_transform_1d(column, m);
        GB_UNROLL
        for (size_t a = 0; a < 4; a++)
            gb_v_store(to + (4 * a + (size_t)b) * element_step, m[a]);
    }
}

// Both operands of a block of tiles. dy is packed in panels, tile by tile, as the products read it.
static void transform_block(const struct gradient_share *share, struct gb_range spans,
                            size_t tiles) {
    const struct gb_conv_winograd *w = share->run->w;
    const struct weight_run *weights = share->run->weights;
    size_t tile = 0;
    for (size_t s = spans.begin; s < spans.end; s++) {
        struct span span = span_at(&w->spans, s);
        for (int j = span.j; j < span.j + span.count; j++, tile++) {
            transform_input_tile(weights->forward, &share->x, span.n, span.i, j,
                                 share->inputs + tile * w->input_row, w->input_step);
            for (size_t panel = share->panels.begin; panel < share->panels.end; panel++) {
                size_t width = gb_panel_width(w->filters, panel), first = panel * w->filters.nr;
                float *to = share->gradients + first * tiles + tile * width;
                for (size_t v = 0; v < width; v += GB_LANES)
                    gradient_transform(weights->dy, span.n, 2 * span.i, 2 * j, (int)(first + v),
                                       to + v, w->output_step);
            }
        }
    }
}

// ---- The sums over tiles ----

// A panel of transformed dy stays in the first-level cache for all channels of the share.
static void add_products(const struct gradient_share *share, size_t tiles, bool first) {
    const struct gb_conv_winograd *w = share->run->w;
    const struct gb_k_span all = {0, 0, tiles};
    size_t count = share->channels.end - share->channels.begin;
    size_t micro_kernels = gb_ceil_div(count, w->blocks.mr);
    for (size_t e = 0; e < ELEMENTS; e++)
        for (size_t panel = share->panels.begin; panel < share->panels.end; panel++) {
            size_t width = gb_panel_width(w->filters, panel);
            const float *b = share->gradients + e * w->output_step + panel * w->filters.nr * tiles;
            float *sums = share->run->sums + e * w->filter_step +
                          gb_panel_offset(w->filters, panel) + share->channels.begin * width;
            for (size_t m = 0; m < micro_kernels; m++) {
                struct gb_range rows = gb_partition(count, (int)m, (int)micro_kernels);
                gb_micro_kernel_tn_of(rows.end - rows.begin, width)(
                    share->inputs + e * w->input_step + rows.begin, &all, 1,
                    (ptrdiff_t)w->input_row, b, sums + rows.begin * width, first);
            }
        }
}

// ---- Filter gradient: G^T u G ----

GB_INLINE void filter_gradient_1d(const gb_v u[4], gb_v g[3]) {
    const gb_v half = gb_v_set(0.5f), sum = half * (u[1] + u[2]);
    g[0] = u[0] + sum;
    g[1] = half * (u[1] - u[2]);
    g[2] = sum + u[3];
}

// The nine taps of a vector of filters, tap_step floats apart.
GB_INLINE void filter_gradient(const float *sums, size_t element_step, float *to, size_t tap_step) {
    gb_v rows[3][4];
    GB_UNROLL
    for (size_t b = 0; b < 4; b++) {
        gb_v u[4], g[3];
        GB_UNROLL
        for (size_t a = 0; a < 4; a++)
            u[a] = gb_v_load(sums + (4 * a + b) * element_step);
        filter_gradient_1d(u, g);
        GB_UNROLL
        for (size_t a = 0; a < 3; a++)
            rows[a][b] = g[a];
    }
    GB_UNROLL
    for (size_t a = 0; a < 3; a++) {
        gb_v g[3];
        filter_gradient_1d(rows[a], g);
        GB_UNROLL
        for (size_t b = 0; b < 3; b++)
            gb_v_store(to + (3 * a + b) * tap_step, g[b]);
    }
}

// Stores output channels of one input channel's filters in weights packed for col2im.
static void store_taps(const struct gb_conv_gemm *forward, size_t in, struct gb_range out,
                       const float *taps, float *packed) {
    const struct gb_packed_b b = forward->b;
    for (size_t tap = 0; tap < 9; tap++) {
        size_t column = tap * (size_t)forward->out_c;
        for (size_t o = out.begin, together; o < out.end; o += together) {
            size_t next_panel = ((column + o) / b.nr + 1) * b.nr;
            together = gb_min_size(next_panel - column - o, out.end - o);
            memcpy(packed + gb_packed_index(b, in, column + o), taps + tap * tap_row(forward) + o,
                   together * sizeof *packed);
        }
    }
}

static void store_gradient(const struct gradient_share *share) {
    const struct gb_conv_winograd *w = share->run->w;
    const struct gb_conv_gemm *forward = share->run->weights->forward;
    const struct gb_packed_b b = forward->b;
    bool col2im = forward->lowering == GB_CONV_COL2IM;
    float *packed = share->run->d_packed;
    struct gb_range out = {share->panels.begin * w->filters.nr,
                           gb_min_size(share->panels.end * w->filters.nr, w->filters.n)};
    for (size_t in = share->channels.begin; in < share->channels.end; in++) {
        for (size_t o = out.begin; o < out.end; o += GB_LANES) {
            const float *sums = share->run->sums + gb_packed_index(w->filters, in, o);
            if (col2im)
                filter_gradient(sums, w->filter_step, share->taps + o, tap_row(forward));
            else
                filter_gradient(sums, w->filter_step, packed + gb_packed_index(b, in, o),
                                (size_t)forward->in_c * gb_panel_width(b, o / b.nr));
        }
        if (col2im)
            store_taps(forward, in, out, share->taps, packed);
    }
}

static void clear_padding(struct gb_packed_b b, float *packed) {
    size_t last = gb_panel_count(b) - 1, padding = gb_padded_n(b) - b.n;
    if (padding > 0)
        gb_clear_rows(b.k, padding, packed + gb_packed_index(b, 0, b.n),
                      (ptrdiff_t)gb_panel_width(b, last));
}

static struct gradient_share share_of(const struct winograd_gradient_run *run, int rank, int size) {
    const struct gb_conv_winograd *w = run->w;
    const struct weight_run *weights = run->weights;
    size_t channels = w->filters.k, panels = gb_panel_count(w->filters);
    float *own = gb_scratch(weights->exec, weights->thread_bytes * (size_t)rank);
    struct gradient_share share = {.run = run,
                                   .channels = {0, channels},
                                   .panels = {0, panels},
                                   .inputs = own,
                                   .gradients = own + ELEMENTS * w->input_step};
    share.taps = share.gradients + ELEMENTS * w->output_step;
    if (w->divides_n) {
        share.panels = gb_partition(panels, rank, size);
    } else {
        struct gb_range vectors = gb_partition(gb_ceil_div(channels, GB_LANES), rank, size);
        share.channels.begin = vectors.begin * GB_LANES;
        share.channels.end = gb_min_size(vectors.end * GB_LANES, channels);
    }
    share.x = gb_channels(weights->x, (int)share.channels.begin,
                          (int)(share.channels.end - share.channels.begin));
    return share;
}

// Between blocks of tiles every sum is stored and loaded once.
static void run_gradient_share(const struct gradient_share *share) {
    const struct gb_conv_winograd *w = share->run->w;
    size_t spans = span_count(&w->spans);
    if (share->channels.begin == share->channels.end || share->panels.begin == share->panels.end)
        return;
    for (size_t first = 0; first < spans; first += w->block_spans) {
        struct gb_range block = {first, gb_min_size(first + w->block_spans, spans)};
        size_t tiles = elements_in(&w->spans, block);
        transform_block(share, block, tiles);
        add_products(share, tiles, first == 0);
    }
    store_gradient(share);
}

static void winograd_gradient_body(void *argument, int rank, int size) {
    const struct winograd_gradient_run *run = argument;
    const struct weight_run *weights = run->weights;
    const struct gradient_share share = share_of(run, rank, size);
    run_gradient_share(&share);
    if (!weights->update)
        return;
    gb_barrier(size);
    struct gb_range slice = weight_share(weights->forward->b, rank, size);
    if (slice.begin < slice.end)
        gb_adam_update(weights->update, slice.begin, slice.end - slice.begin,
                       run->d_packed + slice.begin);
}

static void run_winograd_gradient(const struct weight_run *weights, int threads,
                                  const struct gb_conv_winograd *w) {
    struct winograd_gradient_run run = {.weights = weights, .w = w};
    run.sums = gb_scratch(weights->exec, (size_t)threads * weights->thread_bytes);
    run.d_packed = weights->update ? run.sums + ELEMENTS * w->filter_step : weights->d_packed;
    clear_padding(weights->forward->b, run.d_packed);
    gb_parallel(threads, winograd_gradient_body, &run);
}

#endif
