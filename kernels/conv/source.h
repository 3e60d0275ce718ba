// SPDX-License-Identifier: MIT
// Where windows read the input: in place, or in a dense copy with the padding around it, in which
// whole filter rows lie together. Part of conv_body.c.
#ifndef GB_CONV_SOURCE_H
#define GB_CONV_SOURCE_H

#include "kernels/conv/product.h"

struct source {
    float *plane;      // the copy, NULL where the input is read in place
    const float *data; // position (0, 0) of the windows
    ptrdiff_t image, line, pixel;
};

static const float *source_at(const struct source *s, int n, int line, int column) {
    return s->data + n * s->image + line * s->line + column * s->pixel;
}

// True where windows reach into the padding.
static bool needs_plane(const struct product *g, const struct gb_tensor *in) {
    const struct plane *p = &g->plane;
    return p->shift_h != 0 || p->shift_w != 0 || p->h > in->h || p->w > in->w;
}

// `plane` has room for g->plane.floats.
static struct source source_of(const struct product *g, const struct gb_tensor *in, bool copied,
                               float *plane) {
    const struct plane *p = &g->plane;
    ptrdiff_t c = in->c;
    if (!copied)
        return (struct source){NULL, in->data, in->image, in->row, in->pixel};
    return (struct source){plane, plane, p->h * p->w * c, p->w * c, c};
}

// Copies lines of the plane, counted through the images.
static void fill_plane(const struct source *source, const struct plane *p,
                       const struct gb_tensor *in, struct gb_range lines) {
    size_t c = (size_t)in->c;
    int left = -p->shift_w, most = p->w - left, inside = in->w < most ? in->w : most;
    for (size_t l = lines.begin; l < lines.end; l++) {
        int n = (int)(l / (size_t)p->h), line = (int)(l % (size_t)p->h), i = line + p->shift_h;
        float *to = source->plane + n * source->image + line * source->line;
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
