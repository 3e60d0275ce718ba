// SPDX-License-Identifier: MIT
#include "flows/models/latents.h"

double gb_bits_per_dimension(double log_likelihood, size_t dimensions) {
    static const double ln_2 = 0.69314718055994530942;
    return -log_likelihood / (ln_2 * (double)dimensions);
}
