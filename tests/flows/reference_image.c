// SPDX-License-Identifier: MIT
#include "tests/flows/reference_image.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void *reference_allocate(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    if (!memory)
        abort();
    return memory;
}

double *reference_doubles(size_t count) {
    return reference_allocate(count, sizeof(double));
}

double *reference_copy(size_t count, const double *values) {
    double *copy = reference_doubles(count);
    memcpy(copy, values, count * sizeof *copy);
    return copy;
}

// splitmix64 (Steele, Lea and Flood 2014).
double reference_uniform(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

double reference_normal(uint64_t *state) {
    double radius = sqrt(-2 * log(1 - reference_uniform(state)));
    return radius * cos(2 * M_PI * reference_uniform(state));
}

double reference_activate(enum reference_activation activation, double u) {
    switch (activation) {
    case REFERENCE_RELU:
        return u > 0 ? u : 0;
    case REFERENCE_LEAKY_RELU:
        return u > 0 ? u : 0.2 * u;
    case REFERENCE_TANH:
        return tanh(u);
    case REFERENCE_IDENTITY:
        break;
    }
    return u;
}

struct reference_image reference_image_new(int c, int h, int w) {
    struct reference_shape shape = {c, h, w};
    return (struct reference_image){shape, reference_doubles(reference_elements(shape))};
}

static double pixel(const struct reference_image *in, int c, int y, int x) {
    if (y < 0 || x < 0 || y >= in->shape.h || x >= in->shape.w)
        return 0;
    return in->data[(c * in->shape.h + y) * in->shape.w + x];
}

static double convolution_at(const struct reference_convolution *conv,
                             const struct reference_image *in, int o, int i, int j) {
    double sum = 0;
    const double *w = conv->weight + (ptrdiff_t)o * in->shape.c * conv->kernel_h * conv->kernel_w;
    for (int q = 0; q < in->shape.c; q++)
        for (int a = 0; a < conv->kernel_h; a++)
            for (int b = 0; b < conv->kernel_w; b++)
                sum += *w++ * pixel(in, q, i * conv->stride_h + a - conv->pad,
                                    j * conv->stride_w + b - conv->pad);
    return sum;
}

struct reference_image reference_convolve(const struct reference_convolution *conv,
                                          struct reference_image in, const double *bias,
                                          const double *log_scale,
                                          enum reference_activation activation) {
    int h = (in.shape.h + 2 * conv->pad - conv->kernel_h) / conv->stride_h + 1;
    int w = (in.shape.w + 2 * conv->pad - conv->kernel_w) / conv->stride_w + 1;
    struct reference_image out = reference_image_new(conv->k, h, w);
    double *to = out.data;
    for (int o = 0; o < conv->k; o++)
        for (int i = 0; i < h; i++)
            for (int j = 0; j < w; j++) {
                double u = convolution_at(conv, &in, o, i, j) + bias[o];
                *to++ = reference_activate(activation, u * (log_scale ? exp(log_scale[o]) : 1));
            }
    free(in.data);
    return out;
}

static void squeeze(struct reference_shape shape, const double *from, double *to, bool forward) {
    int deep = 0;
    for (int c = 0; c < shape.c; c++)
        for (int i = 0; i < shape.h; i++)
            for (int j = 0; j < shape.w; j++, deep++) {
                int row = 2 * i + c % 4 / 2, column = 2 * j + c % 2;
                int wide = (c / 4 * 2 * shape.h + row) * 2 * shape.w + column;
                to[forward ? deep : wide] = from[forward ? wide : deep];
            }
}

void reference_squeeze(struct reference_shape shape, const double *wide, double *deep) {
    squeeze(shape, wide, deep, true);
}

void reference_unsqueeze(struct reference_shape shape, const double *deep, double *wide) {
    squeeze(shape, deep, wide, false);
}

// Gaussian elimination with partial pivoting on [matrix | right], n x n and n x columns, until
// `right` is matrix^-1 right; returns log|det|.
double reference_eliminate(int n, double *matrix, int columns, double *right) {
    double log_det = 0;
    for (int i = 0; i < n; i++) {
        int pivot = i;
        for (int r = i + 1; r < n; r++)
            if (fabs(matrix[r * n + i]) > fabs(matrix[pivot * n + i]))
                pivot = r;
        log_det += log(fabs(matrix[pivot * n + i]));
        if (isinf(log_det))
            return log_det;
        for (int j = 0; j < n; j++) {
            double swap = matrix[i * n + j];
            matrix[i * n + j] = matrix[pivot * n + j];
            matrix[pivot * n + j] = swap;
        }
        for (int j = 0; j < columns; j++) {
            double swap = right[i * columns + j];
            right[i * columns + j] = right[pivot * columns + j];
            right[pivot * columns + j] = swap;
        }
        for (int r = 0; r < n; r++) {
            double factor = r == i ? 0 : matrix[r * n + i] / matrix[i * n + i];
            for (int j = i; j < n; j++)
                matrix[r * n + j] -= factor * matrix[i * n + j];
            for (int j = 0; j < columns; j++)
                right[r * columns + j] -= factor * right[i * columns + j];
        }
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < columns; j++)
            right[i * columns + j] /= matrix[i * n + i];
    return log_det;
}

double reference_log_abs_det(int n, double *matrix) {
    return reference_eliminate(n, matrix, 0, NULL);
}
