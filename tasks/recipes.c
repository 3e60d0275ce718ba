// SPDX-License-Identifier: MIT
#include "tasks/recipes.h"

void gb_reduce_cglow(void *config) {
    struct gb_cglow_config *cglow = config;
    cglow->steps /= 2;
    cglow->n_c /= 2;
    cglow->n_w /= 2;
    cglow->coupling_channels /= 2;
}
