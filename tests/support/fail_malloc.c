// SPDX-License-Identifier: MIT
// To be preloaded: the allocation of this number fails, counted over all threads from the start of
// the process. GB_FAIL_MALLOC is the number (0: none); the number of all goes to the file
// GB_COUNT_MALLOC, if that is set.
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// glibc's own, so that none is looked up, which would allocate.
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static atomic_long calls;
static long failing = -1;

static int fails(void) {
    if (failing < 0) {
        const char *number = getenv("GB_FAIL_MALLOC");
        failing = number ? atol(number) : 0;
    }
    if (atomic_fetch_add(&calls, 1) + 1 != failing)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size) {
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *block, size_t size) {
    return fails() ? NULL : __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    return fails() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    void *memory = fails() ? NULL : __libc_memalign(alignment, size);
    if (!memory)
        return ENOMEM;
    *block = memory;
    return 0;
}

__attribute__((destructor)) static void write_count(void) {
    const char *path = getenv("GB_COUNT_MALLOC");
    const int file = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666) : -1;
    char text[32];
    const int length = snprintf(text, sizeof text, "%ld\n", atomic_load(&calls));
    if (file >= 0 && write(file, text, (size_t)length) == length)
        close(file);
}
