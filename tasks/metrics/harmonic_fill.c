// SPDX-License-Identifier: MIT
#include "tasks/metrics/harmonic_fill.h"

#include <math.h>

// A block, and the image's view of it with its rim of one pixel.
struct hole {
    const struct gb_tensor *block;
    struct gb_tensor around;
};

// A pixel of the block or of its rim, in the block's coordinates.
static inline const float *pixel_at(const struct hole *hole, int y, int x) {
    const struct gb_tensor *block = hole->block;
    const bool inside = y >= 0 && y < block->h && x >= 0 && x < block->w;
    return inside ? gb_at(block, 0, y, x) : gb_at(&hole->around, 0, y + 1, x + 1);
}

// The start: the mean of the pixels around the block.
static void fill_mean(const struct hole *hole, int channel) {
    const int h = hole->block->h, w = hole->block->w;
    double sum = 0.0;
    for (int x = 0; x < w; x++)
        sum += (double)pixel_at(hole, -1, x)[channel] + (double)pixel_at(hole, h, x)[channel];
    for (int y = 0; y < h; y++)
        sum += (double)pixel_at(hole, y, -1)[channel] + (double)pixel_at(hole, y, w)[channel];
    const float mean = (float)(sum / (2 * (h + w)));
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            gb_at(hole->block, 0, y, x)[channel] = mean;
}

// Returns the largest change of a value.
static float sweep(const struct hole *hole, int channel, float relaxation) {
    float largest = 0.0f;
    for (int y = 0; y < hole->block->h; y++)
        for (int x = 0; x < hole->block->w; x++) {
            float *value = gb_at(hole->block, 0, y, x) + channel;
            const float mean =
                0.25f * (pixel_at(hole, y - 1, x)[channel] + pixel_at(hole, y, x - 1)[channel] +
                         pixel_at(hole, y, x + 1)[channel] + pixel_at(hole, y + 1, x)[channel]);
            const float change = relaxation * (mean - *value);
            *value += change;
            largest = fmaxf(largest, fabsf(change));
        }
    return largest;
}

void gb_harmonic_fill(const struct gb_tensor *images, int top, int left,
                      const struct gb_tensor *blocks) {
    const int h = blocks->h, w = blocks->w;
    assert(blocks->n == images->n && blocks->c == images->c);
    assert(top >= 1 && left >= 1 && top + h < images->h && left + w < images->w);
    // The best factor for a square of this side is 2 / (1 + sin(pi / (side + 1))).
    const float side = h > w ? (float)h : (float)w;
    const float relaxation = 2.0f / (1.0f + 3.14159265f / (side + 1.0f));
    for (int n = 0; n < images->n; n++) {
        const struct gb_tensor block = gb_images(blocks, n, 1);
        struct hole hole = {.block = &block, .around = gb_images(images, n, 1)};
        hole.around.data = gb_at(&hole.around, 0, top - 1, left - 1);
        hole.around.h = h + 2, hole.around.w = w + 2;
        for (int channel = 0; channel < images->c; channel++) {
            fill_mean(&hole, channel);
            while (sweep(&hole, channel, relaxation) > GB_HARMONIC_TOLERANCE)
                continue;
        }
    }
}
