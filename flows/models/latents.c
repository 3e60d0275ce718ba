// SPDX-License-Identifier: MIT
#include "flows/models/latents.h"

#include <math.h>

#include "flows/models/config.h"

enum gb_status gb_levels_check(int levels, int y_h, int y_w, int y_c) {
    int last_channels = y_c << (levels + 1), multiple = 1 << levels;
    if (last_channels > GB_MAX_MATRIX)
        return gb_fail(GB_BAD_INPUT, gb_unusable_config, "y channels",
                       "%d make %d at the last level, above %d", y_c, last_channels, GB_MAX_MATRIX);
    if (y_h % multiple || y_w % multiple)
        return gb_fail(GB_BAD_INPUT, gb_unusable_config, "target size",
                       "%dx%d is not divisible by 2^levels = %d on both axes", y_h, y_w, multiple);
    return GB_OK;
}

void gb_latent_shapes(int levels, int batch, int y_h, int y_w, int y_c, struct gb_latents *shapes) {
    shapes->count = levels;
    for (int l = 0, c = y_c; l < levels; l++) {
        c *= 4;
        if (l < levels - 1)
            c /= 2;
        shapes->level[l] = gb_dense(NULL, batch, y_h >> (l + 1), y_w >> (l + 1), c);
    }
}

enum gb_status gb_likelihoods_check(const char *model, int batch, const double *log_likelihood) {
    for (int n = 0; n < batch; n++)
        if (!isfinite(log_likelihood[n]))
            return gb_fail(GB_CHECK_FAILED, "cannot compute the likelihood", model,
                           "example %d of the batch has %g", n, log_likelihood[n]);
    return GB_OK;
}

double gb_bits_per_dimension(double log_likelihood, size_t dimensions) {
    static const double ln_2 = 0.69314718055994530942;
    return -log_likelihood / (ln_2 * (double)dimensions);
}
