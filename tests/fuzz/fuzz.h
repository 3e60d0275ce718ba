// SPDX-License-Identifier: MIT
// Fuzz targets: each is one function that feeds an input to one of the project's readers. A program
// holds them all; $GB_FUZZ_TARGET names the one that runs. With libFuzzer it searches for inputs
// that fail (tests/fuzz.sh); with any compiler it replays files (main.c).
#ifndef GB_FUZZ_H
#define GB_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "tests/support/fixture.h"

typedef void gb_fuzz_fn(const uint8_t *bytes, size_t size);
gb_fuzz_fn gb_fuzz_check, gb_fuzz_checkpoint, gb_fuzz_compare, gb_fuzz_image, gb_fuzz_list,
    gb_fuzz_npz, gb_fuzz_options, gb_fuzz_problem, gb_fuzz_rows, gb_fuzz_run, gb_fuzz_safetensors,
    gb_fuzz_scene, gb_fuzz_superpixels, gb_fuzz_table_run, gb_fuzz_tables;

// ---- Files for readers ----

// Writes a file in the fixture's directory, which is removed at exit, and returns its path.
const char *gb_fuzz_file(const char *name, const void *bytes, size_t size);

// An input for a reader of several files holds them all, separated by form feeds.
struct gb_fuzz_input {
    const uint8_t *bytes;
    size_t size;
};

// Takes what stands before the next form feed off the front of *rest.
struct gb_fuzz_input gb_fuzz_part(struct gb_fuzz_input *rest);

// Takes such a part and writes it to a file.
const char *gb_fuzz_part_file(const char *name, struct gb_fuzz_input *rest);

// Saves the checkpoint that the target's model loads: its seed.
void gb_fuzz_save_checkpoint(const char *path);

// ---- Mutation ----

// Changes values of a JSON text: the input, a part or a line of it, or the header of a safetensors
// file. Takes and returns what LLVMFuzzerCustomMutator does; 0 where no such text is found, or its
// change does not fit.
size_t gb_fuzz_mutate_json(uint8_t *bytes, size_t size, size_t max_size, unsigned seed);

#endif
