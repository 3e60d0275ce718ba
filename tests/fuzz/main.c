// SPDX-License-Identifier: MIT
// The table of targets, and what libFuzzer calls. Without libFuzzer (GB_FUZZ is off) a main that
// feeds the target the files and directories that are named: seeds and corpus, as a test.
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

struct target {
    const char *name;
    gb_fuzz_fn *feed;
    bool json;
};

static const struct target targets[] = {
    {"check", gb_fuzz_check, true},
    {"checkpoint", gb_fuzz_checkpoint, true},
    {"compare", gb_fuzz_compare, true},
    {"gif", gb_fuzz_image, false},
    {"jpeg", gb_fuzz_image, false},
    {"list", gb_fuzz_list, false},
    {"npz", gb_fuzz_npz, false},
    {"options", gb_fuzz_options, false},
    {"png", gb_fuzz_image, false},
    {"pnm", gb_fuzz_image, false},
    {"problem", gb_fuzz_problem, false},
    {"rows", gb_fuzz_rows, true},
    {"run", gb_fuzz_run, true},
    {"safetensors", gb_fuzz_safetensors, true},
    {"scene", gb_fuzz_scene, false},
    {"superpixels", gb_fuzz_superpixels, false},
    {"table_run", gb_fuzz_table_run, true},
    {"tables", gb_fuzz_tables, true},
    {"tiff", gb_fuzz_image, false},
};

static const struct target *find_target(void) {
    const char *name = getenv("GB_FUZZ_TARGET");
    for (size_t i = 0; name && i < sizeof targets / sizeof *targets; i++)
        if (strcmp(targets[i].name, name) == 0)
            return &targets[i];
    fprintf(stderr, "fuzz: GB_FUZZ_TARGET is not one of:");
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        fprintf(stderr, " %s", targets[i].name);
    fprintf(stderr, "\n");
    exit(2);
}

static const struct target *target;

static void clean_up(void) {
    gb_fixture_teardown(NULL);
}

// What readers print is of no interest, and slows the search down.
__attribute__((constructor)) static void set_up(void) {
    if (gb_fixture_setup(NULL) != 0 || !freopen("/dev/null", "w", stdout)) {
        perror("fuzz");
        exit(2);
    }
    atexit(clean_up);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (!target)
        target = find_target();
    target->feed(bytes, size);
    return 0;
}

#ifdef GB_FUZZ
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t max_size, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t max_size, unsigned seed) {
    const bool as_json = target && target->json && seed % 4 != 0;
    const size_t mutated = as_json ? gb_fuzz_mutate_json(bytes, size, max_size, seed) : 0;
    return mutated ? mutated : LLVMFuzzerMutate(bytes, size, max_size);
}

#else
static int fed;

static void feed_file(const char *path, size_t size) {
    // Exactly as long as the input, so that a sanitizer sees a read past it.
    uint8_t *bytes = malloc(size ? size : 1);
    FILE *file = fopen(path, "rb");
    if (!bytes || !file || fread(bytes, 1, size, file) != size) {
        perror(path);
        exit(2);
    }
    fclose(file);
    fprintf(stderr, "%s\n", path); // the last one named is the one that failed
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    fed++;
}

static void feed_path(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0) {
        perror(path);
        exit(2);
    }
    if (!S_ISDIR(status.st_mode)) {
        feed_file(path, (size_t)status.st_size);
        return;
    }
    DIR *stream = opendir(path);
    for (struct dirent *entry; stream && (entry = readdir(stream));) {
        char inside[4096];
        snprintf(inside, sizeof inside, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.')
            feed_path(inside);
    }
    if (stream)
        closedir(stream);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        feed_path(argv[i]);
    if (fed == 0)
        fprintf(stderr, "fuzz: nothing to replay\n");
    return fed == 0 ? 2 : 0;
}
#endif
