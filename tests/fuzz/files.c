// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // nftw
#include "tests/fuzz/fuzz.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_SIZE = 4096 };
static char directory[PATH_SIZE];

static void give_up(const char *what) {
    perror(what);
    exit(2);
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk) {
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

static void clean_up(void) {
    nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

// What readers print is of no interest, and slows the search down.
__attribute__((constructor)) static void set_up(void) {
    const char *temporary = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/glowbench-fuzz-XXXXXX",
             temporary && *temporary ? temporary : "/tmp");
    if (!mkdtemp(directory) || !freopen("/dev/null", "w", stdout))
        give_up(directory);
    atexit(clean_up);
}

const char *gb_fuzz_path(const char *name) {
    enum { PATHS = 8 };
    static char paths[PATHS][PATH_SIZE + 256];
    static int next;
    char *path = paths[next++ % PATHS];
    snprintf(path, sizeof *paths, "%s%s%s", directory, *name ? "/" : "", name);
    return path;
}

void gb_fuzz_directory(const char *name) {
    struct stat status;
    const char *path = gb_fuzz_path(name);
    if (stat(path, &status) != 0 && mkdir(path, 0777) != 0)
        give_up(path);
}

const char *gb_fuzz_file(const char *name, const void *bytes, size_t size) {
    const char *path = gb_fuzz_path(name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
        give_up(path);
    return path;
}

struct gb_fuzz_input gb_fuzz_part(struct gb_fuzz_input *rest) {
    struct gb_fuzz_input part = *rest;
    const uint8_t *end = part.size ? memchr(part.bytes, '\f', part.size) : NULL;
    if (end)
        part.size = (size_t)(end - part.bytes);
    const size_t taken = part.size + (end != NULL);
    *rest = (struct gb_fuzz_input){rest->bytes + taken, rest->size - taken};
    return part;
}

const char *gb_fuzz_part_file(const char *name, struct gb_fuzz_input *rest) {
    const struct gb_fuzz_input part = gb_fuzz_part(rest);
    return gb_fuzz_file(name, part.bytes, part.size);
}
