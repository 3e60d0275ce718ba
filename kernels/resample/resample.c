// SPDX-License-Identifier: MIT
#include "kernels/resample/resample.h"

enum gb_status gb_upsample_check(const struct gb_upsample_problem *p) {
    enum { SIZE_LIMIT = 1 << 20 };
    static const char what[] = "cannot plan upsampling";
    const int sizes[] = {p->n, p->h, p->w, p->c, p->factor};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i] < 1 || sizes[i] > SIZE_LIMIT)
            return gb_fail(GB_BAD_INPUT, what, "sizes", "%d is not between 1 and %d", sizes[i],
                           SIZE_LIMIT);
    const double floats = (double)p->n * p->h * p->w * p->c * p->factor * p->factor;
    return floats < 0x1p31
               ? GB_OK
               : gb_fail(GB_BAD_INPUT, what, "output", "%.0f floats, not below 2^31", floats);
}
