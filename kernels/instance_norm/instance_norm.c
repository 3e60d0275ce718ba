// SPDX-License-Identifier: MIT
#include "kernels/instance_norm/instance_norm.h"

#include "kernels/logarithm.h"

double gb_instance_norm_log_det(int h, int w, int c, const float *variance) {
    double sum = 0;
    for (int i = 0; i < c; i++)
        sum += gb_natural_log((double)variance[i] + GB_NORM_EPSILON);
    return -0.5 * h * w * sum;
}
