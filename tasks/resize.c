// SPDX-License-Identifier: MIT
#include "tasks/resize.h"

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

static void to_floats(const struct gb_image *image, float *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        values[i] = image->bits == 8 ? image->pixels[i] : image->pixels16[i];
}

static enum gb_status resample(const struct gb_image *image, const struct gb_resample_plan *plan,
                               float *out) {
    const size_t count = (size_t)image->w * (size_t)image->h * (size_t)image->c;
    const int h = plan->rows.out, w = plan->columns.out;
    struct gb_tensor x = gb_dense(NULL, 1, image->h, image->w, image->c);
    const struct gb_tensor y = gb_dense(out, 1, h, w, image->c);
    struct gb_exec exec = {.threads = 1, .scratch_floats = gb_resample_scratch_floats(&x, 1)};
    // Scratch first, since it is aligned.
    exec.scratch = aligned_alloc(
        GB_ALIGNMENT, gb_round_up(exec.scratch_floats + count, GB_CHANNEL_PAD) * sizeof(float));
    if (!exec.scratch)
        return gb_fail(GB_OUT_OF_MEMORY, "cannot resize", "image",
                       "no memory for %d x %d from %d x %d", w, h, image->w, image->h);
    x.data = exec.scratch + exec.scratch_floats;
    to_floats(image, x.data, count);
    fastest_backend()->resample(&exec, plan, &x, &y);
    free(exec.scratch);
    return GB_OK;
}

enum gb_status gb_resize(const struct gb_image *image, enum gb_resample_filter filter, int h, int w,
                         float *out) {
    struct gb_resample_plan plan;
    GB_TRY(gb_resample_plan_size(filter, image->h, image->w, h, w, &plan));
    enum gb_status status = resample(image, &plan, out);
    gb_resample_plan_free(&plan);
    GB_TRY(status);
    const float full = image->bits == 8 ? UINT8_MAX : UINT16_MAX;
    const size_t count = (size_t)h * (size_t)w * (size_t)image->c;
    for (size_t i = 0; i < count; i++)
        out[i] = fminf(fmaxf(out[i] / full, 0.0f), 1.0f);
    return GB_OK;
}

// floor((place + 1/2) * source / target), exactly.
static int nearest(int place, int source, int target) {
    return (int)((2LL * place + 1) * source / (2LL * target));
}

enum gb_status gb_resize_labels(const struct gb_image *image, int h, int w,
                                struct gb_image *resized) {
    GB_TRY(gb_image_create(resized, w, h, image->c, image->bits, "label map"));
    const size_t pixel = (size_t)(image->c * image->bits / 8);
    unsigned char *to = resized->pixels;
    for (int y = 0; y < h; y++) {
        const size_t row = (size_t)nearest(y, image->h, h) * (size_t)image->w;
        for (int x = 0; x < w; x++, to += pixel)
            memcpy(to, image->pixels + (row + (size_t)nearest(x, image->w, w)) * pixel, pixel);
    }
    return GB_OK;
}
