// SPDX-License-Identifier: MIT
#include "tasks/data/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "flows/files/utf8.h"

// Zeroed and aligned as kernels want it; NULL where memory is short.
static float *take_floats(int n, int h, int w, int c) {
    size_t bytes = (size_t)n * (size_t)h * (size_t)w * (size_t)c * sizeof(float);
    bytes = gb_round_up(bytes + 1, GB_ALIGNMENT);
    float *data = aligned_alloc(GB_ALIGNMENT, bytes);
    return data ? memset(data, 0, bytes) : NULL;
}

enum gb_status gb_dataset_create(struct gb_dataset *dataset, int count, int x_h, int x_w, int x_c,
                                 int y_h, int y_w, int y_c) {
    *dataset = (struct gb_dataset){.count = count};
    dataset->x = gb_dense(take_floats(count, x_h, x_w, x_c), count, x_h, x_w, x_c);
    dataset->y = gb_dense(take_floats(count, y_h, y_w, y_c), count, y_h, y_w, y_c);
    dataset->names = calloc((size_t)count + 1, sizeof *dataset->names);
    if (dataset->x.data && dataset->y.data && dataset->names)
        return GB_OK;
    dataset->count = 0;
    gb_dataset_free(dataset);
    return gb_fail(GB_OUT_OF_MEMORY, "cannot load data", "data set",
                   "no memory for %d examples of %d x %d x %d", count, x_h, x_w, x_c);
}

enum gb_status gb_dataset_name(struct gb_dataset *dataset, int index, const char *name) {
    free(dataset->names[index]);
    dataset->names[index] = strdup(name);
    if (!dataset->names[index])
        return gb_fail(GB_OUT_OF_MEMORY, "cannot load data", name, "out of memory");
    gb_make_utf8(dataset->names[index]);
    return GB_OK;
}

static void copy_image(const struct gb_tensor *to, int to_index, const struct gb_tensor *from,
                       int from_index) {
    memcpy(gb_at(to, to_index, 0, 0), gb_at(from, from_index, 0, 0),
           (size_t)from->image * sizeof(float));
}

enum gb_status gb_dataset_select(struct gb_dataset *dataset, const struct gb_dataset *from,
                                 const int *indices, int count) {
    GB_TRY(gb_dataset_create(dataset, count, from->x.h, from->x.w, from->x.c, from->y.h, from->y.w,
                             from->y.c));
    for (int i = 0; i < count; i++) {
        copy_image(&dataset->x, i, &from->x, indices[i]);
        copy_image(&dataset->y, i, &from->y, indices[i]);
        enum gb_status status = gb_dataset_name(dataset, i, from->names[indices[i]]);
        if (status != GB_OK) {
            gb_dataset_free(dataset);
            return status;
        }
    }
    return GB_OK;
}

// FNV-1a over whole floats.
static uint64_t hash_floats(uint64_t hash, const struct gb_tensor *tensor) {
    const uint64_t prime = 0x100000001b3;
    const float *values = tensor->data;
    for (size_t i = 0; i < gb_elements(tensor); i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        hash = (hash ^ bits) * prime;
    }
    return hash;
}

uint64_t gb_dataset_hash(const struct gb_dataset *dataset) {
    const uint64_t basis = 0xcbf29ce484222325;
    return hash_floats(hash_floats(basis, &dataset->x), &dataset->y);
}

void gb_dataset_free(struct gb_dataset *dataset) {
    free(dataset->x.data);
    free(dataset->y.data);
    for (int i = 0; i < dataset->count; i++)
        free(dataset->names[i]);
    free(dataset->names);
    *dataset = (struct gb_dataset){0};
}

const char *gb_split_name(enum gb_split split) {
    return split == GB_SPLIT_TRAIN ? "train" : "test";
}
