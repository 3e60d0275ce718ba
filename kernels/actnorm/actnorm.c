// SPDX-License-Identifier: MIT
#include "kernels/actnorm/actnorm.h"

double gb_actnorm_log_det(int h, int w, int c, const float *log_scale) {
    double sum = 0;
    for (int i = 0; i < c; i++)
        sum += log_scale[i];
    return (double)h * w * sum;
}
