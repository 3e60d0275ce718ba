// SPDX-License-Identifier: MIT
// FNV-1a (Fowler, Noll and Vo) with 64 bits, of bytes or of 64-bit words: identifies data sets and
// caches.
#ifndef GB_HASH_H
#define GB_HASH_H

#include <stddef.h>
#include <stdint.h>

#define GB_HASH_BASIS UINT64_C(0xcbf29ce484222325) // hash of no bytes

// Folds a word into `hash`.
static inline uint64_t gb_hash_word(uint64_t hash, uint64_t word) {
    return (hash ^ word) * UINT64_C(0x100000001b3);
}

// Folds bytes into `hash`.
static inline uint64_t gb_hash_bytes(uint64_t hash, const void *bytes, size_t count) {
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < count; i++)
        hash = gb_hash_word(hash, byte[i]);
    return hash;
}

#endif
