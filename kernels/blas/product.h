// SPDX-License-Identifier: MIT
// SGEMM, and what the layers share around it.
#ifndef GB_BLAS_PRODUCT_H
#define GB_BLAS_PRODUCT_H

#include "base/minmax.h"
#include "kernels/backend.h"
#include "kernels/vendor.h"

// c (rows x columns) = a b, or += a b; a is rows x depth, stored transposed where a_transposed, and
// b depth x columns likewise. On the calling thread alone, inside gb_blas_parallel.
void gb_blas_multiply(int rows, int columns, int depth, struct gb_matrix a, bool a_transposed,
                      struct gb_matrix b, bool b_transposed, bool add, struct gb_matrix c);

// gb_parallel in which the library runs serially, with one thread too.
void gb_blas_parallel(int threads, gb_parallel_body body, void *argument);

// Applies Adam to `count` weights from `first` on, on the calling thread.
void gb_blas_update(const struct gb_vendor_fallback *fallback, const struct gb_adam_target *target,
                    size_t first, size_t count, const float *gradient);

// Into how many pieces of at most `largest` items to divide `count`: a multiple of `size`, the
// number of ranks, so some may be empty. gb_partition maps ranks to pieces and pieces to items.
static inline size_t gb_blas_pieces(size_t count, size_t largest, int size) {
    return gb_round_up((count + largest - 1) / largest, (size_t)size);
}

// Loads the library, once; its kernels will run on this many threads. GB_UNSUPPORTED,
// GB_OUT_OF_MEMORY.
enum gb_status gb_blas_load(int threads);

#endif
