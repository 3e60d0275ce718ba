// SPDX-License-Identifier: MIT
// What the references in double precision are made of: one image at a time, in PyTorch's order
// (C, H, W), plain loops. Test code: running out of memory aborts.
#ifndef REFERENCE_IMAGE_H
#define REFERENCE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

struct reference_param {
    char name[96];
    int dims, shape[4];
    size_t count;
    double *value;
};

struct reference_shape {
    int c, h, w;
};

static inline size_t reference_elements(struct reference_shape shape) {
    return (size_t)shape.c * (size_t)shape.h * (size_t)shape.w;
}

// Zeros; free() them.
void *reference_allocate(size_t count, size_t size);
double *reference_doubles(size_t count);
double *reference_copy(size_t count, const double *values);

// Numbers of the tests: uniform in [0, 1) and standard normal from a counter that they advance.
double reference_uniform(uint64_t *state);
double reference_normal(uint64_t *state);

// An image with its own memory; free(image.data).
struct reference_image {
    struct reference_shape shape;
    double *data;
};
struct reference_image reference_image_new(int c, int h, int w);

enum reference_activation {
    REFERENCE_IDENTITY,
    REFERENCE_RELU,
    REFERENCE_LEAKY_RELU, // slope 0.2
    REFERENCE_TANH
};
double reference_activate(enum reference_activation activation, double u);

struct reference_convolution {
    int k, kernel_h, kernel_w, stride_h, stride_w, pad;
    const double *weight; // k, c, kernel_h, kernel_w
};
// act((conv(in) + bias) * exp(log_scale)); log_scale NULL is 0. Frees `in`.
struct reference_image reference_convolve(const struct reference_convolution *conv,
                                          struct reference_image in, const double *bias,
                                          const double *log_scale,
                                          enum reference_activation activation);

// Squeezes `wide` (c, 2h, 2w) to `deep` (4c, h, w), and back; `shape` is the deep one.
void reference_squeeze(struct reference_shape shape, const double *wide, double *deep);
void reference_unsqueeze(struct reference_shape shape, const double *deep, double *wide);

// log|det| of an n x n matrix, which is overwritten; -infinity where it is singular.
double reference_log_abs_det(int n, double *matrix);
// The same, and `right`, n x columns, becomes matrix^-1 right.
double reference_eliminate(int n, double *matrix, int columns, double *right);

#endif
