// SPDX-License-Identifier: MIT
#ifndef GB_FLUSH_H
#define GB_FLUSH_H

#include <stddef.h>

// Evicts a block from all caches of all processors, so that the next read comes from memory. Where
// the CPU has no instruction for that, reads a buffer of 64 MiB, which evicts it from most.
void gb_flush_block(const void *block, size_t bytes);

#endif
