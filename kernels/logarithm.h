// SPDX-License-Identifier: MIT
#ifndef GB_LOGARITHM_H
#define GB_LOGARITHM_H

// ln x for a positive normal x, within 2 ulp; the C library's would tie a run's bits to the
// library. For the few logarithms that a log-determinant takes in double; tensors' own are in
// simd/math.h.
double gb_natural_log(double x);

#endif
