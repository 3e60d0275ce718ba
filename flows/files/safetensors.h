// SPDX-License-Identifier: MIT
// Safetensors, the container in which PyTorch and others exchange named tensors: an 8-byte
// little-endian length, a JSON header of that length, then the tensors' data. The header maps each
// name to {"dtype", "shape", "data_offsets"} and may hold "__metadata__", a map of strings. The
// data has neither holes nor overlaps. https://github.com/huggingface/safetensors
#ifndef GB_SAFETENSORS_H
#define GB_SAFETENSORS_H

#include <jansson.h>
#include <stddef.h>

#include "base/atomic_file.h"

enum gb_element_type { GB_ELEMENT_F32, GB_ELEMENT_F64, GB_ELEMENT_I64 };

enum { GB_SAFETENSORS_DIMS = 8 };

struct gb_stored_tensor {
    const char *name;
    enum gb_element_type type;
    int dims; // 0 for a scalar
    size_t shape[GB_SAFETENSORS_DIMS];
    size_t elements;
    const void *data; // little-endian, at any alignment: read it with gb_stored_floats
};

struct gb_safetensors {
    char *path;
    struct gb_stored_tensor *list; // sorted by name
    size_t count;
    json_t *header; // owns the names
    void *mapping;  // the whole file, read-only
    size_t bytes;
};

// Maps a file and checks all of it but the values: header, types, shapes, and that the tensors fill
// the data exactly. GB_IO_ERROR where the system refuses, GB_BAD_INPUT where the file is not one;
// the message names the file and the tensor, and there is nothing to close.
enum gb_status gb_safetensors_open(struct gb_safetensors *file, const char *path);
void gb_safetensors_close(struct gb_safetensors *file);

// NULL if there is none.
const struct gb_stored_tensor *gb_safetensors_find(const struct gb_safetensors *file,
                                                   const char *name);

// The map of strings, borrowed; NULL if the file has none.
const json_t *gb_safetensors_metadata(const struct gb_safetensors *file);

// Copies all elements, rounded to float.
void gb_stored_floats(const struct gb_stored_tensor *tensor, float *elements);

// What a file to be written holds, in order. Names are UTF-8 and distinct.
struct gb_tensor_entry {
    char name[128];
    int dims;
    size_t shape[GB_SAFETENSORS_DIMS];
};

struct gb_safetensors_writer {
    struct gb_atomic_file file;
    const struct gb_tensor_entry *list; // the caller's; lives until the writer ends
    size_t count, next;
};

// Begins a file of float32 tensors, whole or absent as by base/atomic_file.h. `metadata`: an
// object of strings, or NULL. The data starts at a multiple of 64 bytes. Where this fails, there is
// nothing to end.
enum gb_status gb_safetensors_begin(struct gb_safetensors_writer *writer, const char *path,
                                    const struct gb_tensor_entry *list, size_t count,
                                    const json_t *metadata);

// Writes the elements of the next entry. A failed write is reported by the commit.
void gb_safetensors_append(struct gb_safetensors_writer *writer, const float *elements);

// Ends the file, after every entry; or gives it up.
enum gb_status gb_safetensors_commit(struct gb_safetensors_writer *writer);
void gb_safetensors_abort(struct gb_safetensors_writer *writer);

#endif
