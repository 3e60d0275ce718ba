// SPDX-License-Identifier: MIT
// Weights in PyTorch's order, OIHW, for the references, whose packed weights they are.
#ifndef GB_OIHW_H
#define GB_OIHW_H

#include "kernels/conv/conv.h"

// Weights of one output.
static inline size_t gb_oihw_row(const struct gb_conv_problem *p) {
    return (size_t)p->c * (size_t)p->kernel_h * (size_t)p->kernel_w;
}

// Where w[o, q, a, b] is.
static inline size_t gb_oihw_index(const struct gb_conv_problem *p, int o, int q, int a, int b) {
    return (((size_t)o * (size_t)p->c + (size_t)q) * (size_t)p->kernel_h + (size_t)a) *
               (size_t)p->kernel_w +
           (size_t)b;
}

// True for a row or column of an image, false in its padding.
static inline bool gb_inside(int position, int size) {
    return position >= 0 && position < size;
}

#endif
