// SPDX-License-Identifier: MIT
// What a kernel's description (kernels/operation.h) promises, tested: on all layouts, numbers and
// thread counts, in place and not, with and without optional operands,
//   - results are within the definition's bound, outputs and scratch having been filled with NaN;
//   - they are bitwise the same for any thread count, in place or not, where the backend promises
//     it, and those of the scalar reference where the kernel does;
//   - guard zones, gaps and inputs stay as they were, and nothing is read beyond the end;
//   - the padding of channels and of packed gradients is zero.
// The check returns false and prints what it found, so that tests/kernels/test_checker.c can hold it
// to account; tests wrap it in assert_true.
#ifndef GB_KERNEL_CHECK_H
#define GB_KERNEL_CHECK_H

#include "kernels/backend.h"

// One kernel on one backend; `text`: a problem of the operation.
bool gb_check_kernel(const struct gb_backend *backend, const struct gb_operation *operation,
                     enum gb_direction direction, const char *text);

// All directions of the operation on all backends of this CPU.
bool gb_check_problem(const struct gb_operation *operation, const char *text);

// The same, or gb_check_gradients, with one row for all samples instead of a row per sample
// (gb_dims_rows), which kernels take as a stride of 0.
bool gb_check_shared_rows(const struct gb_operation *operation, const char *text,
                          bool (*check)(const struct gb_operation *, const char *));

// The definition of the backward direction against difference quotients of the forward one, in
// double. Operands are matched by name: the gradient of v is "dv" or "d_v", on either side.
bool gb_check_gradients(const struct gb_operation *operation, const char *text);

#endif
