// SPDX-License-Identifier: MIT
#include "kernels/fc/fc.h"

enum gb_status gb_fc_check(const struct gb_fc_problem *p) {
    enum { SIZE_LIMIT = 1 << 20 };
    static const char what[] = "cannot plan fully connected layer";
    const int sizes[] = {p->n, p->h, p->w, p->c, p->k};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i] < 1 || sizes[i] > SIZE_LIMIT)
            return gb_fail(GB_BAD_INPUT, what, "sizes", "%d is not between 1 and %d", sizes[i],
                           SIZE_LIMIT);
    const double inputs = (double)p->h * p->w * p->c;
    const struct {
        const char *name;
        double floats;
    } arrays[] = {
        {"input", p->n * inputs},
        {"output", (double)p->n * p->k},
        {"weights", inputs * p->k},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        if (arrays[i].floats >= 0x1p31)
            return gb_fail(GB_BAD_INPUT, what, arrays[i].name, "%.0f floats, not below 2^31",
                           arrays[i].floats);
    return GB_OK;
}
