// SPDX-License-Identifier: MIT
// Where A's rows are read: in the input itself, or in a dense copy with its padding, in which whole
// filter rows are contiguous. Part of conv_body.c.
#ifndef GB_CONV_PADDED_INPUT_TMPL_H
#define GB_CONV_PADDED_INPUT_TMPL_H

#include "kernels/conv/plan_tmpl.h"

struct input {
    float *copy;       // NULL: read in place
    const float *data; // position (0, 0) of the windows
    ptrdiff_t image, row, pixel;
};

static const float *input_at(const struct input *in, int n, int i, int j) {
    return in->data + n * in->image + i * in->row + j * in->pixel;
}

// True if windows reach into the padding.
static bool needs_padding(const struct gb_padded_input *p, const struct gb_tensor *in) {
    return p->shift_h != 0 || p->shift_w != 0 || p->h > in->h || p->w > in->w;
}

// `room`: p->floats, for the copy.
static struct input input_of(const struct gb_padded_input *p, const struct gb_tensor *in,
                             bool copied, float *room) {
    ptrdiff_t c = in->c;
    if (!copied)
        return (struct input){NULL, in->data, in->image, in->row, in->pixel};
    return (struct input){room, room, p->h * p->w * c, p->w * c, c};
}

// Fills rows of the copy, counted through all images.
static void copy_padded_rows(const struct input *copy, const struct gb_padded_input *p,
                             const struct gb_tensor *in, struct gb_range rows) {
    size_t c = (size_t)in->c;
    int left = -p->shift_w, most = p->w - left, inside = in->w < most ? in->w : most;
    for (size_t row = rows.begin; row < rows.end; row++) {
        int n = (int)(row / (size_t)p->h), h = (int)(row % (size_t)p->h), i = h + p->shift_h;
        float *to = copy->copy + n * copy->image + h * copy->row;
        if (i < 0 || i >= in->h) {
            gb_clear_rows(1, (size_t)p->w * c, to, 0);
            continue;
        }
        gb_clear_rows(1, (size_t)left * c, to, 0);
        to += (size_t)left * c;
        if (in->pixel == in->c)
            gb_copy_rows(1, (size_t)inside * c, gb_at(in, n, i, 0), 0, to, 0);
        else
            gb_copy_rows((size_t)inside, c, gb_at(in, n, i, 0), in->pixel, to, (ptrdiff_t)c);
        gb_clear_rows(1, (size_t)(most - inside) * c, to + (size_t)inside * c, 0);
    }
}

#endif
