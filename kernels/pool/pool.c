// SPDX-License-Identifier: MIT
#include "kernels/pool/pool.h"

enum gb_status gb_pool_check(const struct gb_pool_problem *p) {
    enum { SIZE_LIMIT = 1 << 20 };
    static const char what[] = "cannot plan max-pooling";
    const int sizes[] = {p->n, p->h, p->w, p->c, p->kernel, p->stride};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i] < 1 || sizes[i] > SIZE_LIMIT)
            return gb_fail(GB_BAD_INPUT, what, "sizes", "%d is not between 1 and %d", sizes[i],
                           SIZE_LIMIT);
    if (p->kernel > p->h || p->kernel > p->w)
        return gb_fail(GB_BAD_INPUT, what, "window", "%d is larger than the %dx%d image", p->kernel,
                       p->h, p->w);
    const double floats = (double)p->n * p->h * p->w * p->c;
    return floats < 0x1p31
               ? GB_OK
               : gb_fail(GB_BAD_INPUT, what, "input", "%.0f floats, not below 2^31", floats);
}
