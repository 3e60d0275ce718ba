// SPDX-License-Identifier: MIT
#include "tasks/images/resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/backend.h"

// All native backends give the same bits, and the scalar one is always there.
static const struct gb_backend *fastest_backend(void) {
    const struct gb_backend *const *backend = gb_backends();
    while (!gb_backend_supported(*backend))
        backend++;
    return *backend;
}

static enum gb_status no_memory(const struct gb_tensor *t) {
    return gb_fail(GB_OUT_OF_MEMORY, "cannot resize", "image", "no memory for %d x %d pixels", t->w,
                   t->h);
}

static enum gb_status resample(enum gb_resample_filter filter, const struct gb_tensor *x,
                               const struct gb_tensor *y) {
    struct gb_resample_plan plan;
    GB_TRY(gb_resample_plan_size(filter, x->h, x->w, y->h, y->w, &plan));
    struct gb_exec exec = {.threads = 1, .scratch_bytes = gb_resample_scratch_bytes(x, 1)};
    exec.scratch = aligned_alloc(GB_ALIGNMENT, exec.scratch_bytes);
    if (exec.scratch)
        fastest_backend()->resample(&exec, &plan, x, y);
    const enum gb_status status = exec.scratch ? GB_OK : no_memory(x);
    free(exec.scratch);
    gb_resample_plan_free(&plan);
    return status;
}

// Rounds to levels, halves up.
static void round_levels(const struct gb_tensor *t, float full) {
    float *value = t->data;
    const size_t count = gb_elements(t);
    for (size_t i = 0; i < count; i++)
        value[i] = fminf(fmaxf(floorf(value[i] + 0.5f), 0.0f), full);
}

static enum gb_status resize_as_matlab(const struct gb_tensor *x, const struct gb_tensor *y,
                                       float full) {
    const bool columns_first = (long long)y->w * x->h < (long long)y->h * x->w;
    const int h = columns_first ? x->h : y->h, w = columns_first ? y->w : x->w;
    const struct gb_tensor middle =
        gb_dense(malloc((size_t)h * (size_t)w * (size_t)x->c * sizeof(float)), 1, h, w, x->c);
    if (!middle.data)
        return no_memory(&middle);
    enum gb_status status = resample(GB_BICUBIC, x, &middle);
    if (status == GB_OK) {
        round_levels(&middle, full);
        status = resample(GB_BICUBIC, &middle, y);
    }
    if (status == GB_OK)
        round_levels(y, full);
    free(middle.data);
    return status;
}

enum gb_status gb_resize(const struct gb_image *image, enum gb_resample_filter filter, int h, int w,
                         float *out) {
    const float full = image->bits == 8 ? UINT8_MAX : UINT16_MAX;
    const struct gb_tensor y = gb_dense(out, 1, h, w, image->c);
    struct gb_tensor x = gb_dense(NULL, 1, image->h, image->w, image->c);
    float *levels = malloc(gb_elements(&x) * sizeof *levels);
    if (!levels)
        return no_memory(&x);
    x.data = levels;
    const size_t count = gb_elements(&x);
    for (size_t i = 0; i < count; i++)
        levels[i] = image->bits == 8 ? image->pixels[i] : image->pixels16[i];
    const enum gb_status status =
        filter == GB_BICUBIC ? resize_as_matlab(&x, &y, full) : resample(filter, &x, &y);
    free(levels);
    GB_TRY(status);
    // The cut takes away what rounding adds beyond white.
    const size_t out_count = gb_elements(&y);
    for (size_t i = 0; i < out_count; i++)
        out[i] = fminf(out[i] / full, 1.0f);
    return GB_OK;
}

enum gb_status gb_resize_labels(const struct gb_image *image, int h, int w,
                                struct gb_image *resized) {
    GB_TRY(gb_image_create(resized, w, h, image->c, image->bits, "label map"));
    const size_t pixel = (size_t)(image->c * image->bits / 8);
    unsigned char *to = resized->pixels;
    for (int y = 0; y < h; y++) {
        const size_t row = (size_t)gb_nearest(y, image->h, h) * (size_t)image->w;
        for (int x = 0; x < w; x++, to += pixel)
            memcpy(to, image->pixels + (row + (size_t)gb_nearest(x, image->w, w)) * pixel, pixel);
    }
    return GB_OK;
}
