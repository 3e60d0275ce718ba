// SPDX-License-Identifier: MIT
#include "kernels/adam/adam_inline.h"
#include "kernels/backend.h"

struct update {
    const struct gb_adam *adam;
    size_t count;
    const float *gradient;
    float *weights, *moment1, *moment2;
};

static void update_share(void *argument, int rank, int size) {
    const struct update *u = argument;
    struct gb_range share = gb_partition(u->count, rank, size);
    size_t first = share.begin;
    gb_adam_slice(u->adam, share.end - first, u->gradient + first, u->weights + first,
                  u->moment1 + first, u->moment2 + first);
}

void GB_NAME(gb_adam)(const struct gb_exec *exec, const struct gb_adam *adam, size_t count,
                      const float *gradient, float *weights, float *moment1, float *moment2) {
    struct update update = {adam, count, gradient, weights, moment1, moment2};
    gb_parallel(gb_threads_for(exec, count), update_share, &update);
}
