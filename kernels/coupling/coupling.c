// SPDX-License-Identifier: MIT
#include "kernels/coupling/coupling.h"

// One partial sum for each image row.
size_t gb_coupling_scratch_floats(const struct gb_tensor *v) {
    return (size_t)v->n * (size_t)v->h;
}
