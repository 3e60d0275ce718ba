// SPDX-License-Identifier: MIT
#include "kernels/fc/fc.h"

enum gb_status gb_fc_check(const struct gb_fc_problem *p) {
    enum { SIZE_LIMIT = 1 << 20 };
    const int sizes[] = {p->n, p->h, p->w, p->c, p->k};
    double weights = (double)p->h * p->w * p->c * p->k;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i] < 1 || sizes[i] > SIZE_LIMIT)
            return gb_fail(GB_BAD_INPUT, "cannot plan fully connected layer", "sizes",
                           "%d is not between 1 and %d", sizes[i], SIZE_LIMIT);
    if (weights > 0x1p31)
        return gb_fail(GB_BAD_INPUT, "cannot plan fully connected layer", "weights",
                       "%.0f are more than 2^31", weights);
    return GB_OK;
}
