// SPDX-License-Identifier: MIT
#include "kernels/adam/adam_inline.h"
#include "kernels/backend.h"

struct update {
    const struct gb_adam_target *target;
    size_t first, count;
    const float *gradient;
};

static void update_share(void *argument, int rank, int size) {
    const struct update *u = argument;
    struct gb_range share = gb_partition(u->count, rank, size);
    gb_adam_update(u->target, u->first + share.begin, share.end - share.begin,
                   u->gradient + share.begin);
}

void GB_NAME(gb_adam)(const struct gb_exec *exec, const struct gb_adam_target *target, size_t first,
                      size_t count, const float *gradient) {
    struct update update = {target, first, count, gradient};
    gb_parallel(gb_threads_for(exec, count), update_share, &update);
}
