// SPDX-License-Identifier: MIT
// A tensor is a non-owning view of memory. NHWC with the channel innermost; the
// pixel stride may exceed the channel count, so a channel slice is a view of the same memory.
#ifndef GB_TENSOR_H
#define GB_TENSOR_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "kernels/bf16/bf16.h"

enum gb_type { GB_F32, GB_F64, GB_BF16 };

static inline size_t gb_type_bytes(enum gb_type type) {
    return type == GB_F64 ? 8 : type == GB_BF16 ? 2 : 4;
}

struct gb_tensor {
    void *data;
    enum gb_type type;
    int n, h, w, c;
    ptrdiff_t image, row, pixel; // strides, in elements; the channel stride is 1
};

// Per-channel vectors and packed weights are padded with zeros to GB_CHANNEL_PAD floats, so that
// kernels can read whole vectors with any instruction set. Tensors' own channels are not padded.
#if !defined(GB_CACHE_LINE)
#define GB_CACHE_LINE 64 // bytes; the build says 128 for CPUs that have such lines
#endif
enum { GB_CHANNEL_PAD = 32, GB_ALIGNMENT = GB_CACHE_LINE };

static inline size_t gb_round_up(size_t value, size_t multiple) {
    return (value + multiple - 1) / multiple * multiple;
}

// A dense view of n*h*w*c elements.
static inline struct gb_tensor gb_dense_of(enum gb_type type, void *data, int n, int h, int w,
                                           int c) {
    const ptrdiff_t row = (ptrdiff_t)w * c;
    return (struct gb_tensor){data, type, n, h, w, c, h * row, row, c};
}
static inline struct gb_tensor gb_dense(float *data, int n, int h, int w, int c) {
    return gb_dense_of(GB_F32, data, n, h, w, c);
}

// The memory of an element, `elements` after the first.
static inline void *gb_advance(const struct gb_tensor *t, ptrdiff_t elements) {
    return (char *)t->data + elements * (ptrdiff_t)gb_type_bytes(t->type);
}

// Channels [first, first + count) of a view.
static inline struct gb_tensor gb_channels(const struct gb_tensor *t, int first, int count) {
    assert(first >= 0 && count >= 0 && first + count <= t->c);
    struct gb_tensor slice = *t;
    slice.data = gb_advance(t, first);
    slice.c = count;
    return slice;
}

// Images [first, first + count) of a view.
static inline struct gb_tensor gb_images(const struct gb_tensor *t, int first, int count) {
    assert(first >= 0 && count >= 0 && first + count <= t->n);
    struct gb_tensor slice = *t;
    slice.data = gb_advance(t, first * t->image);
    slice.n = count;
    return slice;
}

// All images of a view as one of n*h rows. They must be contiguous (image == h*row), as in a dense
// tensor and its channel slices.
static inline struct gb_tensor gb_stack_images(const struct gb_tensor *t) {
    assert(t->image == t->h * t->row);
    struct gb_tensor stacked = *t;
    stacked.n = 1;
    stacked.h = t->n * t->h;
    stacked.image = t->n * t->image;
    return stacked;
}

// The first channel of a pixel; floats, and bf16.
static inline float *gb_at(const struct gb_tensor *t, int n, int y, int x) {
    assert(t->type == GB_F32);
    return (float *)t->data + n * t->image + y * t->row + x * t->pixel;
}

static inline gb_bf16 *gb_bf16_at(const struct gb_tensor *t, int n, int y, int x) {
    assert(t->type == GB_BF16);
    return (gb_bf16 *)t->data + n * t->image + y * t->row + x * t->pixel;
}

// One value of a view of floats or bf16.
static inline float gb_get(const struct gb_tensor *t, int n, int y, int x, int c) {
    return t->type == GB_BF16 ? gb_bf16_value(gb_bf16_at(t, n, y, x)[c]) : gb_at(t, n, y, x)[c];
}
static inline void gb_put(const struct gb_tensor *t, int n, int y, int x, int c, float value) {
    if (t->type == GB_BF16)
        gb_bf16_at(t, n, y, x)[c] = gb_bf16_round(value);
    else
        gb_at(t, n, y, x)[c] = value;
}

// One value, at index [n, y, x, c].
static inline float *gb_element(const struct gb_tensor *t, const int at[4]) {
    return gb_at(t, at[0], at[1], at[2]) + at[3];
}

// For every index `at` of a view, in the order of memory.
#define GB_EACH_ELEMENT(view, at)                                                                  \
    for (int at[4] = {0}; at[0] < (view)->n; at[0]++)                                              \
        for (at[1] = 0; at[1] < (view)->h; at[1]++)                                                \
            for (at[2] = 0; at[2] < (view)->w; at[2]++)                                            \
                for (at[3] = 0; at[3] < (view)->c; at[3]++)

static inline size_t gb_elements(const struct gb_tensor *t) {
    return (size_t)t->n * (size_t)t->h * (size_t)t->w * (size_t)t->c;
}

// Scratch of kernels that sum terms over each image: one partial sum for each image row.
static inline size_t gb_row_sums_bytes(const struct gb_tensor *t) {
    return (size_t)t->n * (size_t)t->h * sizeof(float);
}

static inline bool gb_same_shape(const struct gb_tensor *a, const struct gb_tensor *b) {
    return a->n == b->n && a->h == b->h && a->w == b->w && a->c == b->c;
}

// Copies a view's values to one of the same shape, which does not overlap it.
static inline void gb_copy_values(const struct gb_tensor *from, const struct gb_tensor *to) {
    assert(gb_same_shape(from, to));
    for (int n = 0; n < from->n; n++)
        for (int y = 0; y < from->h; y++)
            for (int x = 0; x < from->w; x++)
                memcpy(gb_at(to, n, y, x), gb_at(from, n, y, x), (size_t)from->c * sizeof(float));
}

// f of every value, to a view of the same shape, which may be the same.
static inline void gb_map_values(const struct gb_tensor *from, float (*f)(float),
                                 const struct gb_tensor *to) {
    assert(gb_same_shape(from, to));
    GB_EACH_ELEMENT(from, at)
        *gb_element(to, at) = f(*gb_element(from, at));
}

// True for a view of this shape whose pixels do not overlap.
static inline bool gb_has_shape(const struct gb_tensor *t, int n, int h, int w, int c) {
    return t->n == n && t->h == h && t->w == w && t->c == c && t->pixel >= c;
}

// True when consecutive pixels of all images are `pixel` apart, so that the view is a matrix of
// n*h*w rows.
static inline bool gb_is_matrix(const struct gb_tensor *t) {
    return t->row == t->w * t->pixel && t->image == t->h * t->row;
}

#endif
