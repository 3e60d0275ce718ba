// SPDX-License-Identifier: MIT
#include "tasks/resize.h"

#include <math.h>
#include <stdlib.h>

// One axis: output i is the sum over k < taps of weights[i * taps + k] * source[first[i] + k].
// Weights past the border are zero, with first chosen so that no tap leaves the source.
struct axis {
    int taps;
    int *first;
    float *weights;
};

static void axis_free(struct axis *axis) {
    free(axis->first);
    free(axis->weights);
}

static void fill_axis(struct axis *axis, int source, int target) {
    double scale = (double)source / target;
    double half_width = scale > 1.0 ? scale : 1.0;
    for (int i = 0; i < target; i++) {
        double centre = (i + 0.5) * scale;
        // The first pixel whose centre lies inside the triangle, at most so far right that all taps
        // fit.
        int first = (int)floor(centre - half_width + 0.5);
        first = first < 0 ? 0 : first;
        first = first > source - axis->taps ? source - axis->taps : first;
        float *weights = axis->weights + (size_t)i * (size_t)axis->taps;
        double sum = 0.0;
        for (int k = 0; k < axis->taps; k++) {
            double weight = 1.0 - fabs(first + k + 0.5 - centre) / half_width;
            sum += weight > 0.0 ? weight : 0.0;
        }
        for (int k = 0; k < axis->taps; k++) {
            double weight = 1.0 - fabs(first + k + 0.5 - centre) / half_width;
            weights[k] = (float)((weight > 0.0 ? weight : 0.0) / sum);
        }
        axis->first[i] = first;
    }
}

static int make_axis(struct axis *axis, int source, int target) {
    double scale = (double)source / target;
    int taps = 2 * (int)ceil(scale > 1.0 ? scale : 1.0) + 1;
    axis->taps = taps < source ? taps : source;
    axis->first = calloc((size_t)target, sizeof *axis->first);
    axis->weights = calloc((size_t)target * (size_t)axis->taps, sizeof *axis->weights);
    if (!axis->first || !axis->weights)
        return -1;
    fill_axis(axis, source, target);
    return 0;
}

// Every row of the image along x: image->h x w x c.
static void resize_columns(const struct gb_image *image, const struct axis *axis, int w,
                           float *out) {
    int c = image->c;
    for (int y = 0; y < image->h; y++) {
        const unsigned char *row = image->pixels + (size_t)y * (size_t)image->w * (size_t)c;
        for (int x = 0; x < w; x++) {
            const float *weights = axis->weights + (size_t)x * (size_t)axis->taps;
            for (int channel = 0; channel < c; channel++) {
                const unsigned char *source = row + (size_t)axis->first[x] * (size_t)c + channel;
                float sum = 0.0f;
                for (int k = 0; k < axis->taps; k++)
                    sum += weights[k] * (float)source[(size_t)k * (size_t)c];
                *out++ = sum;
            }
        }
    }
}

// Along y, and to [0, 1]. The clip takes away what rounding adds beyond white.
static void resize_rows(const float *source, const struct axis *axis, int h, size_t row_floats,
                        float *out) {
    for (int y = 0; y < h; y++) {
        const float *weights = axis->weights + (size_t)y * (size_t)axis->taps;
        const float *rows = source + (size_t)axis->first[y] * row_floats;
        for (size_t i = 0; i < row_floats; i++) {
            float sum = 0.0f;
            for (int k = 0; k < axis->taps; k++)
                sum += weights[k] * rows[(size_t)k * row_floats + i];
            out[(size_t)y * row_floats + i] = fminf(sum / 255.0f, 1.0f);
        }
    }
}

enum gb_status gb_resize(const struct gb_image *image, int h, int w, float *out) {
    size_t row_floats = (size_t)w * (size_t)image->c;
    struct axis columns = {0}, rows = {0};
    float *narrow = malloc((size_t)image->h * row_floats * sizeof *narrow);
    enum gb_status status = GB_OK;
    if (!narrow || make_axis(&columns, image->w, w) || make_axis(&rows, image->h, h)) {
        status = gb_fail(GB_OUT_OF_MEMORY, "cannot resize", "image",
                         "no memory for %d x %d from %d x %d", w, h, image->w, image->h);
    } else {
        resize_columns(image, &columns, w, narrow);
        resize_rows(narrow, &rows, h, row_floats, out);
    }
    axis_free(&columns);
    axis_free(&rows);
    free(narrow);
    return status;
}
