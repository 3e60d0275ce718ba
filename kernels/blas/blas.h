// SPDX-License-Identifier: MIT
// The backend `blas`: convolution as im2col + SGEMM, the fully connected layer and channel mixing
// as SGEMM, through the CBLAS interface of OpenBLAS (the default) or another library that CMake was
// told to take (GB_BLAS_VENDOR); BLIS through its own. Everything else is the fallback's.
//
// The library runs serially: gb_parallel divides a kernel into blocks, and each thread gathers its
// block, multiplies it and applies the epilogue while it is in cache. To the library's own threads
// that would be three parallel regions a block.
//
// Packed weights are the matrix that SGEMM takes as it is, transposed or not, in all three passes:
// taps*c rows of k for convolution (HWIO), k rows of h*w*c for the fully connected layer.
#ifndef GB_BLAS_H
#define GB_BLAS_H

struct gb_backend;

// Lays the entries conv_*, fc_* and inv1x1_* over `table`, a copy of its fallback's. Called once, before
// any plan is made.
void gb_blas_overlay(struct gb_backend *table);

#endif
