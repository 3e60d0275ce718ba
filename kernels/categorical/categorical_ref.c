// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/math.h"

// For a pixel: the largest logit, which keeps the exponentials in range, and their sum.
struct softmax {
    float largest, sum;
};

static struct softmax softmax_of(const float *logits, int classes) {
    struct softmax s = {.largest = logits[0]};
    for (int c = 1; c < classes; c++)
        s.largest = logits[c] > s.largest ? logits[c] : s.largest;
    for (int c = 0; c < classes; c++)
        s.sum += gb_expf(logits[c] - s.largest);
    return s;
}

void gb_categorical_forward_f32__scalar(const struct gb_exec *exec, const struct gb_tensor *y,
                                        const struct gb_tensor *logits, double *log_likelihood) {
    (void)exec;
    assert(gb_same_shape(y, logits) && y->c <= GB_MOST_CLASSES);
    for (int n = 0; n < y->n; n++)
        for (int i = 0; i < y->h; i++) {
            float row = 0;
            for (int j = 0; j < y->w; j++) {
                const float *weight = gb_at(y, n, i, j), *logit = gb_at(logits, n, i, j);
                struct softmax s = softmax_of(logit, y->c);
                for (int c = 0; c < y->c; c++)
                    row += weight[c] * ((logit[c] - s.largest) - gb_logf(s.sum));
            }
            log_likelihood[n] += row;
        }
}

void gb_categorical_backward_f32__scalar(const struct gb_exec *exec, const struct gb_tensor *y,
                                         const struct gb_tensor *logits,
                                         const float *d_log_likelihood,
                                         const struct gb_tensor *d_logits) {
    (void)exec;
    assert(gb_same_shape(y, logits) && gb_same_shape(y, d_logits) && y->c <= GB_MOST_CLASSES);
    for (int n = 0; n < y->n; n++)
        for (int i = 0; i < y->h; i++)
            for (int j = 0; j < y->w; j++) {
                const float *weight = gb_at(y, n, i, j), *logit = gb_at(logits, n, i, j);
                struct softmax s = softmax_of(logit, y->c);
                float weights = 0;
                for (int c = 0; c < y->c; c++)
                    weights += weight[c];
                for (int c = 0; c < y->c; c++) {
                    float p = gb_expf(logit[c] - s.largest) / s.sum;
                    gb_at(d_logits, n, i, j)[c] = d_log_likelihood[n] * (weight[c] - weights * p);
                }
            }
}

void gb_categorical_mean_f32__scalar(const struct gb_exec *exec, const struct gb_tensor *logits,
                                     const struct gb_tensor *mean) {
    (void)exec;
    assert(gb_same_shape(logits, mean) && mean->c <= GB_MOST_CLASSES);
    for (int n = 0; n < mean->n; n++)
        for (int i = 0; i < mean->h; i++)
            for (int j = 0; j < mean->w; j++) {
                const float *logit = gb_at(logits, n, i, j);
                struct softmax s = softmax_of(logit, mean->c);
                for (int c = 0; c < mean->c; c++)
                    gb_at(mean, n, i, j)[c] = gb_expf(logit[c] - s.largest) / s.sum;
            }
}
