// SPDX-License-Identifier: MIT
// One lane: references, elementwise bodies, and host code that shares their arithmetic. The bodies
// of matrix products are not compiled for it, so it has no tile sizes.
#ifndef GB_SIMD_SCALAR_H
#define GB_SIMD_SCALAR_H

#define GB_LANES 1
#define GB_ISA_NEEDS "any CPU"
#define GB_ISA_LEVEL any // the member of struct gb_cpu

#endif
