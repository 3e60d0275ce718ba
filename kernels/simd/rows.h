// SPDX-License-Identifier: MIT
// How elementwise kernels traverse tensors: by image rows, each on one thread. A pixel's few channels
// would leave most lanes empty (10 of 16 for a coupling's half of 12 channels), so kernels with
// expensive functions copy part of a row into dense buffers and work there on full vectors.
#ifndef GB_ROWS_H
#define GB_ROWS_H

#include "kernels/parallel.h"
#include "kernels/simd/simd.h"
#include "kernels/tensor.h"

struct gb_row_job {
    void (*row)(const void *argument, int n, int y);
    const void *argument;
    int n, h;
};

static inline void gb_run_rows(void *argument, int rank, int size) {
    const struct gb_row_job *job = argument;
    struct gb_range share = gb_partition((size_t)job->n * (size_t)job->h, rank, size);
    for (size_t r = share.begin; r < share.end; r++)
        job->row(job->argument, (int)(r / (size_t)job->h), (int)(r % (size_t)job->h));
}

// Calls row(argument, n, y) for every image row of t. `cost`: of an element, in floats of
// gb_threads_for.
static inline void gb_for_rows(const struct gb_exec *exec, const struct gb_tensor *t, size_t cost,
                               void (*row)(const void *argument, int n, int y),
                               const void *argument) {
    struct gb_row_job job = {row, argument, t->n, t->h};
    gb_parallel(gb_threads_for(exec, gb_elements(t) * cost), gb_run_rows, &job);
}

// A whole vector, or the `left` >= 1 lanes that remain.
GB_INLINE gb_v gb_load_left(const float *p, int left) {
    return left >= GB_LANES ? gb_v_load(p) : gb_v_load_part(p, left);
}
GB_INLINE void gb_store_left(float *p, gb_v v, int left) {
    if (left >= GB_LANES)
        gb_v_store(p, v);
    else
        gb_v_store_part(p, v, left);
}

// Part of a row: pixels x .. x+pixels-1 of row y of image n, channels channel .. channel+channels-1.
struct gb_piece {
    int n, y, x, channel, pixels, channels;
};

enum { GB_PIECE_FLOATS = 1024 };

// A piece in dense order, pixels * channels floats, padded for the last vector.
struct gb_dense_piece {
    float at[GB_PIECE_FLOATS + GB_LANES] __attribute__((aligned(64)));
};

GB_INLINE int gb_smaller(int a, int b) {
    return a < b ? a : b;
}

// The pieces of row y of an image with t's width and channels, in a fixed order:
// for (struct gb_piece p = gb_first_piece(t, n, y); p.pixels; p = gb_next_piece(t, p))
GB_INLINE struct gb_piece gb_first_piece(const struct gb_tensor *t, int n, int y) {
    int channels = gb_smaller(t->c, GB_PIECE_FLOATS);
    int pixels = channels ? gb_smaller(t->w, GB_PIECE_FLOATS / channels) : 0;
    return (struct gb_piece){n, y, 0, 0, pixels, channels};
}
GB_INLINE struct gb_piece gb_next_piece(const struct gb_tensor *t, struct gb_piece p) {
    p.x += p.pixels;
    if (p.x == t->w) {
        p.x = 0;
        p.channel += p.channels;
        p.channels = gb_smaller(t->c - p.channel, GB_PIECE_FLOATS);
    }
    p.pixels = p.channels ? gb_smaller(t->w - p.x, GB_PIECE_FLOATS / p.channels) : 0;
    return p;
}

// Copies a piece of t's channels, counted from `first`, into the dense buffer.
GB_INLINE void gb_gather(const struct gb_tensor *t, const struct gb_piece *p, int first,
                         struct gb_dense_piece *dense) {
    const float *from = gb_at(t, p->n, p->y, p->x) + first + p->channel;
    float *to = dense->at;
    for (int x = 0; x < p->pixels; x++, from += t->pixel, to += p->channels)
        // A vector may overlap the next pixel, which is written later.
        for (int c = 0; c < p->channels; c += GB_LANES)
            gb_v_store(to + c, gb_load_left(from + c, p->channels - c));
}

// Copies it back.
GB_INLINE void gb_scatter(const struct gb_tensor *t, const struct gb_piece *p, int first,
                          const struct gb_dense_piece *dense) {
    float *to = gb_at(t, p->n, p->y, p->x) + first + p->channel;
    const float *from = dense->at;
    for (int x = 0; x < p->pixels; x++, to += t->pixel, from += p->channels)
        for (int c = 0; c < p->channels; c += GB_LANES)
            gb_store_left(to + c, gb_v_load(from + c), p->channels - c);
}

#endif
