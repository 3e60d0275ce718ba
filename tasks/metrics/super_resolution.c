// SPDX-License-Identifier: MIT
#include "tasks/metrics/super_resolution.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "tasks/images/resize.h"
#include "tasks/metrics/psnr.h"

static enum gb_status no_memory(const struct gb_tensor *t) {
    return gb_fail(GB_OUT_OF_MEMORY, "cannot score", "image", "no memory for %d x %d pixels", t->w,
                   t->h);
}

static bool is_grey(const struct gb_tensor *image) {
    GB_EACH_ELEMENT(image, at)
        if (*gb_element(image, at) != *gb_at(image, 0, at[1], at[2]))
            return false;
    return true;
}

// Colours within the border, from [0, 255/256] to [0, 1].
static void scale_inside(const struct gb_tensor *image, const struct gb_tensor *inside) {
    GB_EACH_ELEMENT(inside, at) {
        const float *pixel = gb_at(image, 0, at[1] + GB_SR_BORDER, at[2] + GB_SR_BORDER);
        *gb_element(inside, at) = pixel[at[3]] * (256.0f / 255.0f);
    }
    gb_clip(inside, inside);
}

// From black at 16/255 and white at 235/255 to [0, 1].
static void widen(const struct gb_tensor *luma) {
    float *values = luma->data;
    for (size_t i = 0; i < gb_elements(luma); i++)
        values[i] = (values[i] * 255 - 16) / 219;
}

// What is scored of an image, into `luma`; `inside` is room for its colours.
static void take_luma(const struct gb_tensor *image, bool grey, const struct gb_tensor *inside,
                      const struct gb_tensor *luma) {
    scale_inside(image, inside);
    gb_luma(inside, luma);
    if (grey)
        widen(luma);
}

enum gb_status gb_sr_score(const struct gb_tensor *truth, const struct gb_tensor *answer,
                           struct gb_sr_score *score) {
    const int h = truth->h - 2 * GB_SR_BORDER, w = truth->w - 2 * GB_SR_BORDER;
    const size_t pixels = (size_t)h * (size_t)w;
    float *memory = malloc(5 * pixels * sizeof *memory);
    if (!memory)
        return no_memory(truth);
    const struct gb_tensor inside = gb_dense(memory, 1, h, w, 3);
    const struct gb_tensor right = gb_dense(memory + 3 * pixels, 1, h, w, 1);
    const struct gb_tensor given = gb_dense(memory + 4 * pixels, 1, h, w, 1);
    const bool grey = is_grey(truth);
    take_luma(truth, grey, &inside, &right);
    take_luma(answer, grey, &inside, &given);
    score->psnr = gb_psnr(&right, &given, NULL, 1);
    const enum gb_status status = gb_ssim(&right, &given, 1, &score->ssim);
    free(memory);
    return status;
}

enum gb_status gb_sr_bicubic(const struct gb_tensor *low, const struct gb_tensor *high) {
    struct gb_image image;
    GB_TRY(gb_image_create(&image, low->w, low->h, low->c, 8, "low resolution"));
    unsigned char *to = image.pixels;
    GB_EACH_ELEMENT(low, at)
        *to++ = (unsigned char)lrintf(*gb_element(low, at) * 256);
    const enum gb_status status = gb_resize(&image, GB_BICUBIC, high->h, high->w, high->data);
    gb_image_free(&image);
    GB_TRY(status);
    float *values = high->data;
    for (size_t i = 0; i < gb_elements(high); i++)
        values[i] *= 255.0f / 256.0f;
    return GB_OK;
}
