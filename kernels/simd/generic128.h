// SPDX-License-Identifier: MIT
// Four lanes without a single intrinsic: the fallback for CPUs that have no file of their own, and
// the smallest example of one.
#ifndef GB_SIMD_GENERIC128_H
#define GB_SIMD_GENERIC128_H

#define GB_LANES 4
#define GB_ISA_NEEDS "any CPU"
#define GB_ISA_LEVEL any // the member of struct gb_cpu

// Convolution: micro-kernels of MR rows by NR vectors; MR is
// GB_ACCUMULATORS / NR.
#define GB_NR 2
#define GB_ACCUMULATORS 12
// Fully connected layer: samples by vectors of outputs.
#define GB_FC_MR 2
#define GB_FC_NR 4
// Invertible 1x1 convolution: pixels, or rows of the matrix gradient, by one or two vectors.
#define GB_INV1X1_MR 4

#endif
