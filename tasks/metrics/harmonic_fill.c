// SPDX-License-Identifier: MIT
#include "tasks/metrics/harmonic_fill.h"

#include <math.h>

struct block {
    int top, left, h, w;
};

// The start: the mean of the pixels around the block.
static void fill_mean(const struct gb_tensor *image, const struct block *block, int channel) {
    double sum = 0.0;
    for (int x = 0; x < block->w; x++)
        sum += (double)gb_at(image, 0, block->top - 1, block->left + x)[channel] +
               (double)gb_at(image, 0, block->top + block->h, block->left + x)[channel];
    for (int y = 0; y < block->h; y++)
        sum += (double)gb_at(image, 0, block->top + y, block->left - 1)[channel] +
               (double)gb_at(image, 0, block->top + y, block->left + block->w)[channel];
    const float mean = (float)(sum / (2 * (block->h + block->w)));
    for (int y = 0; y < block->h; y++)
        for (int x = 0; x < block->w; x++)
            gb_at(image, 0, block->top + y, block->left + x)[channel] = mean;
}

// Returns the largest change of a value.
static float sweep(const struct gb_tensor *image, const struct block *block, int channel,
                   float relaxation) {
    float largest = 0.0f;
    for (int y = 0; y < block->h; y++)
        for (int x = 0; x < block->w; x++) {
            float *value = gb_at(image, 0, block->top + y, block->left + x) + channel;
            const float mean = 0.25f * (value[-image->row] + value[-image->pixel] +
                                        value[image->pixel] + value[image->row]);
            const float change = relaxation * (mean - *value);
            *value += change;
            largest = fmaxf(largest, fabsf(change));
        }
    return largest;
}

void gb_harmonic_fill(const struct gb_tensor *images, int top, int left, int h, int w) {
    assert(top >= 1 && left >= 1 && top + h < images->h && left + w < images->w);
    const struct block block = {top, left, h, w};
    // The best factor for a square of this side is 2 / (1 + sin(pi / (side + 1))).
    const float side = h > w ? (float)h : (float)w;
    const float relaxation = 2.0f / (1.0f + 3.14159265f / (side + 1.0f));
    for (int n = 0; n < images->n; n++) {
        const struct gb_tensor image = gb_images(images, n, 1);
        for (int channel = 0; channel < images->c; channel++) {
            fill_mean(&image, &block, channel);
            while (sweep(&image, &block, channel, relaxation) > GB_HARMONIC_TOLERANCE)
                continue;
        }
    }
}
