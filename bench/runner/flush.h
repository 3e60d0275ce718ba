// SPDX-License-Identifier: MIT
#ifndef GB_FLUSH_H
#define GB_FLUSH_H

#include <stddef.h>

// Puts a block out of all caches of all processors: what reads it next reads memory. Where the CPU
// has no instruction for that, reads a buffer of 64 MiB instead, which pushes it out of most.
void gb_flush_block(const void *block, size_t bytes);

#endif
