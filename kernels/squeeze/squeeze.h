// SPDX-License-Identifier: MIT
// Squeeze by 2: output channel c*4 + dy*2 + dx of pixel (i, j) is input channel c of pixel (2i+dy,
// 2j+dx) (Dinh, Sohl-Dickstein and Bengio 2017, "Density estimation using Real NVP", section 3.6).
// Unsqueeze is its inverse, and each is the other's gradient.
#ifndef GB_SQUEEZE_H
#define GB_SQUEEZE_H

#include "kernels/operation.h"

// wide: n x 2h x 2w x c; deep: n x h x w x 4c; any strides, no overlap. Copies bits.
typedef void (*gb_squeeze_fn)(const struct gb_exec *exec, const struct gb_tensor *wide,
                              const struct gb_tensor *deep);
typedef void (*gb_unsqueeze_fn)(const struct gb_exec *exec, const struct gb_tensor *deep,
                                const struct gb_tensor *wide);

#endif
