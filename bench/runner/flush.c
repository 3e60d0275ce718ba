// SPDX-License-Identifier: MIT
#include "bench/runner/flush.h"

#include <stdlib.h>

#include "kernels/cpu.h"
#include "kernels/tensor.h"

void gb_flush_block(const void *block, size_t bytes) {
    if (gb_cpu_evict(block, bytes))
        return;
    enum { BYTES = 64 << 20 };
    static volatile char *buffer;
    if (!buffer)
        buffer = calloc(BYTES, 1);
    for (size_t i = 0; buffer && i < BYTES; i += GB_ALIGNMENT)
        buffer[i]++;
}
