// SPDX-License-Identifier: MIT
// What data sets and caches are told apart by: FNV-1a (Fowler, Noll and Vo), 64 bits, of bytes or,
// where there are many of these, of whole words.
#ifndef GB_HASH_H
#define GB_HASH_H

#include <stddef.h>
#include <stdint.h>

#define GB_HASH_BASIS UINT64_C(0xcbf29ce484222325) // that of nothing

// `hash` with a word after what it is of.
static inline uint64_t gb_hash_word(uint64_t hash, uint64_t word) {
    return (hash ^ word) * UINT64_C(0x100000001b3);
}

// With each of the bytes after it.
static inline uint64_t gb_hash_bytes(uint64_t hash, const void *bytes, size_t count) {
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < count; i++)
        hash = gb_hash_word(hash, byte[i]);
    return hash;
}

#endif
