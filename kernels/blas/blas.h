// SPDX-License-Identifier: MIT
// The backend `blas`: convolution as im2col + SGEMM, the fully connected layer and inv1x1
// as SGEMM, through the CBLAS interface of OpenBLAS (the default) or another library that CMake was
// configured with (GB_BLAS_VENDOR); BLIS through its own. Everything else is the fallback's.
//
// The library runs serially: gb_parallel divides a kernel into blocks, and each thread gathers its
// block, multiplies it and applies the epilogue while it is in cache. With the library's own
// threads each block would cost three parallel regions.
//
// Packed weights are the matrix that SGEMM takes as it is, transposed or not, in all three passes:
// taps*c rows of k for convolution (HWIO), k rows of h*w*c for the fully connected layer.
#ifndef GB_BLAS_H
#define GB_BLAS_H

struct gb_backend;

// Lays the entries conv_*, fc_* and inv1x1_* over `table`, a copy of the fallback that it names.
void gb_blas_overlay(struct gb_backend *table);

#endif
