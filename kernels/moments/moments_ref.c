// SPDX-License-Identifier: MIT
#include "kernels/backend.h"

// One channel of images [first, end).
static void moments_of(const struct gb_tensor *v, int first, int end, int c, float *mean,
                       float *variance) {
    const double count = (double)(end - first) * v->h * v->w;
    double sum = 0, squares = 0;
    for (int n = first; n < end; n++)
        for (int i = 0; i < v->h; i++)
            for (int j = 0; j < v->w; j++)
                sum += gb_at(v, n, i, j)[c];
    for (int n = first; n < end; n++)
        for (int i = 0; i < v->h; i++)
            for (int j = 0; j < v->w; j++) {
                double from_mean = gb_at(v, n, i, j)[c] - sum / count;
                squares += from_mean * from_mean;
            }
    *mean = (float)(sum / count);
    *variance = (float)(squares / count);
}

void gb_moments__scalar(const struct gb_exec *exec, const struct gb_tensor *v, float *mean,
                        float *variance, ptrdiff_t stride) {
    (void)exec;
    for (int c = 0; c < v->c; c++)
        if (stride == 0)
            moments_of(v, 0, v->n, c, &mean[c], &variance[c]);
        else
            for (int n = 0; n < v->n; n++)
                moments_of(v, n, n + 1, c, &mean[n * stride + c], &variance[n * stride + c]);
}
