// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/math.h"
#include "kernels/simd/rows.h"

// An image row as runs of contiguous elements: one per pixel, or a single one where the rows of all
// views are contiguous.
struct runs {
    int count, elements;
};
static struct runs runs_of(const struct gb_tensor *t, bool side_by_side) {
    return side_by_side ? (struct runs){1, t->w * t->c} : (struct runs){t->w, t->c};
}

static bool is_run(const struct gb_tensor *t) {
    return t->pixel == t->c;
}

struct add {
    const struct gb_tensor *x, *y;
};

static void add_row(const void *argument, int n, int i) {
    const struct add *k = argument;
    const struct runs runs = runs_of(k->y, is_run(k->x) && is_run(k->y));
    for (int j = 0; j < runs.count; j++) {
        const float *from = gb_at(k->x, n, i, j);
        float *to = gb_at(k->y, n, i, j);
        for (int c = 0, left = runs.elements; left > 0; c += GB_LANES, left -= GB_LANES)
            gb_store_left(to + c, gb_load_left(to + c, left) + gb_load_left(from + c, left), left);
    }
}

void GB_NAME(gb_add)(const struct gb_exec *exec, const struct gb_tensor *x,
                     const struct gb_tensor *y) {
    assert(gb_same_shape(x, y));
    struct add add = {x, y};
    gb_for_rows(exec, y, 1, add_row, &add);
}

struct add_scaled {
    const struct gb_tensor *x, *r, *y;
    float factor;
};

GB_INLINE void scaled_row(const struct add_scaled *k, int n, int i, bool bf16) {
    const gb_v factor = gb_v_set(k->factor);
    const struct runs runs = runs_of(k->y, (!k->x || is_run(k->x)) && is_run(k->r) && is_run(k->y));
    for (int j = 0; j < runs.count; j++) {
        const void *x = k->x ? gb_pixel_of(k->x, n, i, j, bf16) : NULL;
        const void *r = gb_pixel_of(k->r, n, i, j, bf16);
        void *y = gb_pixel_of(k->y, n, i, j, bf16);
        for (int c = 0, left = runs.elements; left > 0; c += GB_LANES, left -= GB_LANES) {
            gb_v value = gb_load_typed(r, c, left, bf16) * factor;
            if (x)
                value = gb_v_fma(gb_load_typed(r, c, left, bf16), factor,
                                 gb_load_typed(x, c, left, bf16));
            gb_store_typed(y, c, value, left, bf16);
        }
    }
}

static void add_scaled_row(const void *argument, int n, int i) {
    scaled_row(argument, n, i, false);
}

static void add_scaled_bf16_row(const void *argument, int n, int i) {
    scaled_row(argument, n, i, true);
}

void GB_NAME(gb_add_scaled)(const struct gb_exec *exec, const struct gb_tensor *x, float factor,
                            const struct gb_tensor *r, const struct gb_tensor *y) {
    assert(gb_same_shape(r, y) && (!x || gb_same_shape(x, y)));
    assert(r->type == y->type && (!x || x->type == y->type));
    struct add_scaled add = {x, r, y, factor};
    gb_for_rows(exec, y, 1, y->type == GB_BF16 ? add_scaled_bf16_row : add_scaled_row, &add);
}

struct exponential {
    size_t count;
    float factor;
    const float *in;
    float *out;
};

static void exp_share(void *argument, int rank, int size) {
    const struct exponential *k = argument;
    struct gb_range vectors = gb_partition((k->count + GB_LANES - 1) / GB_LANES, rank, size);
    for (size_t i = vectors.begin * GB_LANES; i < vectors.end * GB_LANES; i += GB_LANES) {
        size_t rest = k->count - i;
        int left = rest < GB_LANES ? (int)rest : GB_LANES;
        gb_store_left(k->out + i, gb_v_exp(gb_v_set(k->factor) * gb_load_left(k->in + i, left)),
                      left);
    }
}

void GB_NAME(gb_exp)(const struct gb_exec *exec, size_t count, float factor, const float *in,
                     float *out) {
    struct exponential exponential = {count, factor, in, out};
    gb_parallel(gb_threads_for(exec, 2 * count), exp_share, &exponential);
}

struct squares {
    size_t count;
    const float *x;
    double chunks[GB_SQUARE_CHUNKS];
};

static void squares_share(void *argument, int rank, int size) {
    typedef float floats __attribute__((vector_size(4 * GB_SQUARE_LANES)));
    typedef double doubles __attribute__((vector_size(8 * GB_SQUARE_LANES)));
    struct squares *k = argument;
    const struct gb_range chunks = gb_partition(GB_SQUARE_CHUNKS, rank, size);
    for (size_t chunk = chunks.begin; chunk < chunks.end; chunk++) {
        const struct gb_range range = gb_partition(k->count, (int)chunk, GB_SQUARE_CHUNKS);
        doubles lanes = {0};
        for (size_t i = range.begin; i < range.end; i += GB_SQUARE_LANES) {
            const size_t left = range.end - i;
            floats x = {0};
            if (left >= GB_SQUARE_LANES)
                memcpy(&x, k->x + i, sizeof x);
            else
                memcpy(&x, k->x + i, left * sizeof *k->x);
            const doubles wide = __builtin_convertvector(x, doubles);
            lanes += wide * wide;
        }
        k->chunks[chunk] = 0;
        for (int lane = 0; lane < GB_SQUARE_LANES; lane++)
            k->chunks[chunk] += lanes[lane];
    }
}

void GB_NAME(gb_sum_squares)(const struct gb_exec *exec, size_t count, const float *x,
                             double *sum) {
    struct squares squares = {.count = count, .x = x};
    gb_parallel(gb_threads_for(exec, count), squares_share, &squares);
    *sum = 0;
    for (int chunk = 0; chunk < GB_SQUARE_CHUNKS; chunk++)
        *sum += squares.chunks[chunk];
}
