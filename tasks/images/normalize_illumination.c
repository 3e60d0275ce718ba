// SPDX-License-Identifier: MIT
#include "tasks/images/normalize_illumination.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/minmax.h"

// Sums over all pixels above and to the left, (h + 1) x (w + 1), of one channel inside the field.
struct sums {
    int w, h;
    uint32_t *values, *pixels; // GB_IMAGE_MAX_PIXELS * 255 would not fit, but differences of it do
};

static void sum_up(const struct sums *sums, const struct gb_image *image,
                   const struct gb_image *field, int channel) {
    const size_t row = (size_t)sums->w + 1;
    for (int y = 0; y < sums->h; y++) {
        uint32_t value = 0, pixels = 0;
        for (int x = 0; x < sums->w; x++) {
            size_t place = (size_t)y * (size_t)sums->w + (size_t)x;
            size_t to = ((size_t)y + 1) * row + (size_t)x + 1;
            if (field->pixels[place]) {
                value += image->pixels[place * (size_t)image->c + (size_t)channel];
                pixels++;
            }
            sums->values[to] = sums->values[to - row] + value;
            sums->pixels[to] = sums->pixels[to - row] + pixels;
        }
    }
}

// The rounded mean around a pixel of the field.
static int mean_around(const struct sums *sums, int x, int y, int radius) {
    const size_t row = (size_t)sums->w + 1;
    size_t left = (size_t)gb_max_int(x - radius, 0), top = (size_t)gb_max_int(y - radius, 0);
    size_t right = (size_t)gb_min_int(x + radius + 1, sums->w);
    size_t bottom = (size_t)gb_min_int(y + radius + 1, sums->h);
    const uint32_t *all[] = {sums->values, sums->pixels};
    uint32_t inside[2];
    for (int i = 0; i < 2; i++)
        inside[i] = all[i][bottom * row + right] - all[i][bottom * row + left] -
                    all[i][top * row + right] + all[i][top * row + left];
    return (int)((inside[0] + inside[1] / 2) / inside[1]);
}

static void level_channel(const struct sums *sums, struct gb_image *image,
                          const struct gb_image *field, int radius, int channel) {
    for (int y = 0; y < image->h; y++)
        for (int x = 0; x < image->w; x++) {
            size_t place = (size_t)y * (size_t)image->w + (size_t)x;
            unsigned char *value = &image->pixels[place * (size_t)image->c + (size_t)channel];
            int level = GB_LEVEL_NEUTRAL;
            if (field->pixels[place])
                level += mean_around(sums, x, y, radius) - *value;
            *value = (unsigned char)gb_min_int(gb_max_int(level, 0), 255);
        }
}

enum gb_status gb_normalize_illumination(struct gb_image *image, const struct gb_image *field,
                                         int radius) {
    assert(image->bits == 8 && field->c == 1 && field->w == image->w && field->h == image->h);
    size_t places = ((size_t)image->w + 1) * ((size_t)image->h + 1);
    struct sums sums = {.w = image->w,
                        .h = image->h,
                        .values = calloc(places, sizeof *sums.values),
                        .pixels = calloc(places, sizeof *sums.pixels)};
    bool whole = sums.values && sums.pixels;
    for (int c = 0; whole && c < image->c; c++) {
        sum_up(&sums, image, field, c);
        level_channel(&sums, image, field, radius, c);
    }
    free(sums.values);
    free(sums.pixels);
    return whole ? GB_OK : gb_no_memory("cannot normalise illumination", "image");
}
