// SPDX-License-Identifier: MIT
#include "tasks/data/randomness.h"

void gb_shuffle(const struct gb_random_key *key, int *order, int count) {
    for (int i = count - 1; i > 0; i--) {
        // In double the product stays below i + 1.
        int j = (int)((double)gb_random_uniform(key, (uint32_t)i) * (i + 1));
        int swapped = order[i];
        order[i] = order[j];
        order[j] = swapped;
    }
}

void gb_add_noise(const struct gb_backend *backend, int threads, const struct gb_random_key *key,
                  float low, float high, const struct gb_tensor *image, float *noise) {
    const struct gb_exec exec = {.threads = threads};
    struct gb_tensor shift = *image;
    shift.data = noise;
    backend->random_uniform(&exec, key, 0, gb_elements(image), low, high, noise);
    backend->add(&exec, &shift, image);
}
