// SPDX-License-Identifier: MIT
#ifndef GB_LOGARITHM_H
#define GB_LOGARITHM_H

// ln x for a positive normal x, within 2 ulp and independent of the C library. For the few
// logarithms that log-determinants take in double; the ones for tensors are in simd/math.h.
double gb_natural_log(double x);

#endif
