// SPDX-License-Identifier: MIT
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "tasks/metrics/superpixels.h"

void gb_fuzz_superpixels(const uint8_t *bytes, size_t size) {
    enum { W = 3, H = 2 };
    struct gb_superpixels superpixels;
    if (gb_superpixels_read(gb_fuzz_file("labels.dat", bytes, size), W, H, &superpixels) != GB_OK)
        return;
    for (int i = 0; i < W * H; i++)
        if (superpixels.labels[i] < 0 || superpixels.labels[i] >= superpixels.count)
            abort();
    gb_superpixels_free(&superpixels);
}
