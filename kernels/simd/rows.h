// SPDX-License-Identifier: MIT
// How elementwise kernels traverse tensors: by image rows, each on one thread. A pixel's few
// channels would leave most lanes empty (10 of 16 for a coupling's half of 12 channels), so kernels
// with expensive functions copy part of a row into dense buffers and work there on full vectors.
#ifndef GB_ROWS_H
#define GB_ROWS_H

#include "base/minmax.h"
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

// Calls row(argument, n, y) for every image row of t. `cost` is of an element, in the unit of
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

// The same of floats or bf16: a pixel, and a vector that begins `at` elements after it. Callers
// pass constants for `bf16`.
GB_INLINE void *gb_pixel_of(const struct gb_tensor *t, int n, int y, int x, bool bf16) {
    return bf16 ? (void *)gb_bf16_at(t, n, y, x) : (void *)gb_at(t, n, y, x);
}
GB_INLINE gb_v gb_load_typed(const void *p, ptrdiff_t at, int left, bool bf16) {
    return bf16 ? gb_v_load_bf16((const gb_bf16 *)p + at, gb_min_int(left, GB_LANES))
                : gb_load_left((const float *)p + at, left);
}
GB_INLINE void gb_store_typed(void *p, ptrdiff_t at, gb_v v, int left, bool bf16) {
    if (bf16)
        gb_v_store_bf16((gb_bf16 *)p + at, v, gb_min_int(left, GB_LANES));
    else
        gb_store_left((float *)p + at, v, left);
}

// Pixels x .. x+pixels-1 of row y of image n, and their channels channel .. channel+channels-1.
struct gb_block {
    int n, y, x, channel, pixels, channels;
};

enum { GB_BLOCK_FLOATS = 1024 };

// A block in dense order, pixels * channels floats, padded for the last vector.
struct gb_dense_block {
    float at[GB_BLOCK_FLOATS + GB_LANES] __attribute__((aligned(64)));
};

// The blocks of row y of an image of t's width and channels, in a fixed order:
// for (struct gb_block p = gb_first_block(t, n, y); p.pixels; p = gb_next_block(t, p))
GB_INLINE struct gb_block gb_first_block(const struct gb_tensor *t, int n, int y) {
    int channels = gb_min_int(t->c, GB_BLOCK_FLOATS);
    int pixels = channels ? gb_min_int(t->w, GB_BLOCK_FLOATS / channels) : 0;
    return (struct gb_block){n, y, 0, 0, pixels, channels};
}
GB_INLINE struct gb_block gb_next_block(const struct gb_tensor *t, struct gb_block p) {
    p.x += p.pixels;
    if (p.x == t->w) {
        p.x = 0;
        p.channel += p.channels;
        p.channels = gb_min_int(t->c - p.channel, GB_BLOCK_FLOATS);
    }
    p.pixels = p.channels ? gb_min_int(t->w - p.x, GB_BLOCK_FLOATS / p.channels) : 0;
    return p;
}

// Copies a block of t into the dense buffer.
GB_INLINE void gb_gather(const struct gb_tensor *t, const struct gb_block *p,
                         struct gb_dense_block *dense) {
    const float *from = gb_at(t, p->n, p->y, p->x) + p->channel;
    float *to = dense->at;
    for (int x = 0; x < p->pixels; x++, from += t->pixel, to += p->channels)
        // A whole vector may overlap the next pixel, which is written later.
        for (int c = 0; c < p->channels; c += GB_LANES)
            gb_v_store(to + c, gb_load_left(from + c, p->channels - c));
}

// Copies it back.
GB_INLINE void gb_scatter(const struct gb_tensor *t, const struct gb_block *p,
                          const struct gb_dense_block *dense) {
    float *to = gb_at(t, p->n, p->y, p->x) + p->channel;
    const float *from = dense->at;
    for (int x = 0; x < p->pixels; x++, to += t->pixel, from += p->channels)
        for (int c = 0; c < p->channels; c += GB_LANES)
            gb_store_left(to + c, gb_v_load(from + c), p->channels - c);
}

// ---- Maps of dense vectors ----

enum { GB_MAP_OPERANDS = 4 };

// The operands of a map, views of one shape; an output may be the same view as any input.
struct gb_map {
    struct gb_tensor in[GB_MAP_OPERANDS], out[GB_MAP_OPERANDS];
    int form;             // of several variants of one operation
    const void *argument; // of the map's function
    float *row_sums;      // one for each image row, of the terms that the function returns
    const float *d_sums;  // one for each image: the gradient of its sum of terms
};

// What a map's function gets besides its vectors. The form is a constant.
struct gb_map_context {
    int form;
    const void *argument;
    float d_sum;
};

// Maps a vector of each input, v[0], v[1], ..., to a vector of each output, in their place. Returns
// a vector of terms to be summed, if any.
typedef gb_v (*gb_map_fn)(struct gb_map_context context, gb_v *v);

// Constants of a map: how many inputs and outputs it has, and whether its terms are summed.
struct gb_map_shape {
    int form, in, out;
    bool sums;
};

// Row y of image n. It is inlined with its function into each caller.
GB_INLINE void gb_map_row(const struct gb_map *map, int n, int y, struct gb_map_shape shape,
                          gb_map_fn function) {
    const struct gb_tensor *t = &map->in[0];
    const struct gb_map_context context = {shape.form, map->argument,
                                           map->d_sums ? map->d_sums[n] : 0};
    struct gb_dense_block dense[GB_MAP_OPERANDS];
    gb_v sum = {0};
    for (struct gb_block p = gb_first_block(t, n, y); p.pixels; p = gb_next_block(t, p)) {
        GB_UNROLL
        for (int k = 0; k < shape.in; k++)
            gb_gather(&map->in[k], &p, &dense[k]);
        const int count = p.pixels * p.channels;
        for (int i = 0; i < count; i += GB_LANES) {
            gb_v v[GB_MAP_OPERANDS];
            GB_UNROLL
            for (int k = 0; k < shape.in; k++)
                v[k] = gb_v_load(dense[k].at + i);
            gb_v terms = function(context, v);
            GB_UNROLL
            for (int k = 0; k < shape.out; k++)
                gb_v_store(dense[k].at + i, v[k]);
            if (shape.sums)
                sum += gb_v_keep(terms, gb_min_int(count - i, GB_LANES));
        }
        GB_UNROLL
        for (int k = 0; k < shape.out; k++)
            gb_scatter(&map->out[k], &p, &dense[k]);
    }
    if (shape.sums)
        map->row_sums[n * t->h + y] = gb_v_sum(sum);
}

// NAME_row, for gb_for_rows, which maps a row with the function NAME; members of the shape follow.
#define GB_MAP_ROW(map_row, name, ...)                                                             \
    static void name##_row(const void *map, int n, int y) {                                        \
        map_row(map, n, y, (struct gb_map_shape){__VA_ARGS__}, name);                              \
    }

// Adds the row sums of the images of t to sums[n], in order.
static inline void gb_add_row_sums(const float *row_sums, const struct gb_tensor *t, double *sums) {
    for (int row = 0; row < t->n * t->h; row++)
        sums[row / t->h] += row_sums[row];
}

#endif
