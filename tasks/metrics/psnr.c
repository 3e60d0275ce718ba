// SPDX-License-Identifier: MIT
#include "tasks/metrics/psnr.h"

#include <math.h>
#include <stdlib.h>

double gb_psnr(const struct gb_tensor *truth, const struct gb_tensor *answer,
               const struct gb_tensor *mask, double peak) {
    assert(gb_same_shape(truth, answer));
    assert(!mask || gb_has_shape(mask, truth->n, truth->h, truth->w, 1));
    double sum = 0.0, count = 0.0;
    GB_EACH_ELEMENT(truth, at) {
        if (mask && *gb_at(mask, at[0], at[1], at[2]) == 0.0f)
            continue;
        const double error = *gb_element(truth, at) - (double)*gb_element(answer, at);
        sum += error * error;
        count++;
    }
    const double psnr = 10.0 * log10(peak * peak * count / sum);
    return psnr > GB_PSNR_MAX ? GB_PSNR_MAX : psnr;
}

// The means that a window's statistics are made of.
enum { TRUTH, ANSWER, TRUTH_SQUARED, ANSWER_SQUARED, PRODUCT, MOMENTS };

static void gaussian_window(double weights[static GB_SSIM_WINDOW]) {
    double sum = 0.0;
    for (int i = 0; i < GB_SSIM_WINDOW; i++) {
        const double distance = i - GB_SSIM_WINDOW / 2;
        weights[i] = exp(-distance * distance / (2.0 * 1.5 * 1.5));
        sum += weights[i];
    }
    for (int i = 0; i < GB_SSIM_WINDOW; i++)
        weights[i] /= sum;
}

// The moments of the windows of pixels along the row that begin at (y, x).
static void row_moments(const struct gb_tensor *truth, const struct gb_tensor *answer, int y, int x,
                        const double weights[static GB_SSIM_WINDOW],
                        double moments[static MOMENTS]) {
    for (int m = 0; m < MOMENTS; m++)
        moments[m] = 0.0;
    for (int i = 0; i < GB_SSIM_WINDOW; i++) {
        const double t = *gb_at(truth, 0, y, x + i), a = *gb_at(answer, 0, y, x + i);
        moments[TRUTH] += weights[i] * t;
        moments[ANSWER] += weights[i] * a;
        moments[TRUTH_SQUARED] += weights[i] * t * t;
        moments[ANSWER_SQUARED] += weights[i] * a * a;
        moments[PRODUCT] += weights[i] * t * a;
    }
}

static double similarity(const double moments[static MOMENTS], double peak) {
    const double c1 = 0.01 * peak * (0.01 * peak), c2 = 0.03 * peak * (0.03 * peak);
    const double t = moments[TRUTH], a = moments[ANSWER];
    const double truth_variance = moments[TRUTH_SQUARED] - t * t;
    const double answer_variance = moments[ANSWER_SQUARED] - a * a;
    const double covariance = moments[PRODUCT] - t * a;
    return (2.0 * t * a + c1) * (2.0 * covariance + c2) /
           ((t * t + a * a + c1) * (truth_variance + answer_variance + c2));
}

enum gb_status gb_ssim(const struct gb_tensor *truth, const struct gb_tensor *answer, double peak,
                       double *ssim) {
    assert(gb_same_shape(truth, answer) && truth->n == 1 && truth->c == 1);
    assert(truth->h >= GB_SSIM_WINDOW && truth->w >= GB_SSIM_WINDOW);
    const int h = truth->h - GB_SSIM_WINDOW + 1, w = truth->w - GB_SSIM_WINDOW + 1;
    double(*rows)[MOMENTS] = malloc((size_t)truth->h * (size_t)w * sizeof *rows);
    if (!rows)
        return gb_no_memory("cannot score", "SSIM");
    double weights[GB_SSIM_WINDOW], sum = 0.0;
    gaussian_window(weights);
    for (int y = 0; y < truth->h; y++)
        for (int x = 0; x < w; x++)
            row_moments(truth, answer, y, x, weights, rows[y * w + x]);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            double moments[MOMENTS] = {0};
            for (int i = 0; i < GB_SSIM_WINDOW; i++)
                for (int m = 0; m < MOMENTS; m++)
                    moments[m] += weights[i] * rows[(y + i) * w + x][m];
            sum += similarity(moments, peak);
        }
    free(rows);
    *ssim = sum / ((double)h * w);
    return GB_OK;
}

void gb_luma(const struct gb_tensor *rgb, const struct gb_tensor *luma) {
    assert(rgb->c == 3 && gb_has_shape(luma, rgb->n, rgb->h, rgb->w, 1));
    GB_EACH_ELEMENT(luma, at) {
        const float *p = gb_at(rgb, at[0], at[1], at[2]);
        const double level = 16.0 + 65.481 * p[0] + 128.553 * p[1] + 24.966 * p[2];
        *gb_element(luma, at) = (float)(level / 255.0);
    }
}

static float clip(float value) {
    return fminf(fmaxf(value, 0.0f), 1.0f);
}

void gb_clip(const struct gb_tensor *images, const struct gb_tensor *clipped) {
    gb_map_values(images, clip, clipped);
}
