// SPDX-License-Identifier: MIT
// The backend `libxsmm`: convolution and the fully connected layer, forward and both gradients, by
// the layers of libxsmm 1.17, which generate their code for each shape, and with bf16 operands by
// its products of matrices. Everything else and problems that its layers compute wrongly or cannot
// block are the fallback's.
//
// The library runs on the caller's threads and in the caller's scratch. Its tensors are blocked by
// channels and padded with zeros: views are copied into that layout and back, as reorders, except
// where it is the view's own. Packed weights have the library's layout.
#ifndef GB_LIBXSMM_H
#define GB_LIBXSMM_H

struct gb_backend;

// Lays the entries conv_* and fc_* over `table`, a copy of the fallback that it names.
void gb_libxsmm_overlay(struct gb_backend *table);

#endif
