// SPDX-License-Identifier: MIT
#include "tasks/data/dataset.h"

#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/utf8.h"
#include "kernels/parallel.h"

static const char what[] = "cannot load data";

void gb_source_note(const struct gb_source *source, const char *format, ...) {
    char line[GB_MESSAGE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    for (char *c = line; *c; c++)
        if (iscntrl((unsigned char)*c))
            *c = '?';
    if (source->note)
        source->note(line);
}

// ---- Data sets ----

enum gb_status gb_dataset_create(struct gb_dataset *set, int count,
                                 const struct gb_example_shape *shape) {
    *set = (struct gb_dataset){.shape = *shape};
    set->names = calloc((size_t)count + 1, sizeof *set->names);
    if (!set->names)
        return gb_fail(GB_OUT_OF_MEMORY, what, "data set", "no memory for %d names", count);
    set->count = count;
    return GB_OK;
}

enum gb_status gb_dataset_name(struct gb_dataset *set, int index, const char *name) {
    free(set->names[index]);
    set->names[index] = strdup(name);
    if (!set->names[index])
        return gb_no_memory(what, name);
    gb_make_utf8(set->names[index]);
    return GB_OK;
}

void gb_dataset_free(struct gb_dataset *set) {
    if (set->free_source)
        set->free_source(set->source);
    for (int i = 0; i < set->count; i++)
        free(set->names[i]);
    free(set->names);
    *set = (struct gb_dataset){0};
}

void gb_splits_clear(struct gb_dataset splits[]) {
    for (int split = 0; split < GB_SPLITS; split++)
        splits[split] = (struct gb_dataset){0};
}

enum gb_status gb_splits_keep(struct gb_dataset splits[], enum gb_status status) {
    for (int split = 0; status != GB_OK && split < GB_SPLITS; split++)
        gb_dataset_free(&splits[split]);
    return status;
}

struct gb_example_shape gb_dataset_shape(const struct gb_dataset *set, int index) {
    return set->shape_of ? set->shape_of(set, index) : set->shape;
}

const char *gb_split_name(enum gb_split split) {
    return split == GB_SPLIT_TRAIN ? "train" : "test";
}

// ---- Selections ----

enum gb_status gb_dataset_select(const struct gb_dataset *set, int count,
                                 struct gb_selection *selection) {
    if (count == 0 || count > set->count)
        count = set->count;
    *selection = (struct gb_selection){.count = count,
                                       .indices = malloc((size_t)count * sizeof(int) + 1),
                                       .names = malloc((size_t)count * sizeof(char *) + 1)};
    if (!selection->indices || !selection->names) {
        gb_selection_free(selection);
        return gb_fail(GB_OUT_OF_MEMORY, what, "data set", "no memory to choose %d of it", count);
    }
    for (int i = 0; i < count; i++) {
        selection->indices[i] = (int)((long)i * set->count / count);
        selection->names[i] = set->names[selection->indices[i]];
    }
    return GB_OK;
}

void gb_selection_free(struct gb_selection *selection) {
    free(selection->indices);
    free(selection->names);
    *selection = (struct gb_selection){0};
}

// ---- Examples in memory ----

// Zeroed and aligned as kernels want it; no data where memory is short.
static struct gb_tensor take(int n, int h, int w, int c) {
    size_t bytes = (size_t)n * (size_t)h * (size_t)w * (size_t)c * sizeof(float);
    bytes = gb_round_up(bytes + 1, GB_ALIGNMENT);
    float *data = aligned_alloc(GB_ALIGNMENT, bytes);
    return gb_dense(data ? memset(data, 0, bytes) : NULL, n, h, w, c);
}

enum gb_status gb_examples_create(struct gb_examples *examples, int count,
                                  const struct gb_example_shape *shape) {
    *examples = (struct gb_examples){
        .count = count,
        .x = take(count, shape->x_h, shape->x_w, shape->x_c),
        .y = take(count, shape->y_h, shape->y_w, shape->y_c),
    };
    if (shape->masked)
        examples->mask = take(count, shape->y_h, shape->y_w, 1);
    if (examples->x.data && examples->y.data && (examples->mask.data || !shape->masked))
        return GB_OK;
    gb_examples_free(examples);
    return gb_fail(GB_OUT_OF_MEMORY, what, "examples", "no memory for %d of %d x %d x %d", count,
                   shape->x_h, shape->x_w, shape->x_c);
}

void gb_examples_free(struct gb_examples *examples) {
    free(examples->x.data);
    free(examples->y.data);
    free(examples->mask.data);
    *examples = (struct gb_examples){0};
}

struct gb_example gb_example_at(const struct gb_examples *examples, int index) {
    struct gb_example example = {.x = gb_images(&examples->x, index, 1),
                                 .y = gb_images(&examples->y, index, 1)};
    if (examples->mask.data)
        example.mask = gb_images(&examples->mask, index, 1);
    return example;
}

static void copy_example(const struct gb_example *to, const struct gb_example *from) {
    gb_copy_values(&from->x, &to->x);
    gb_copy_values(&from->y, &to->y);
    if (from->mask.data)
        gb_copy_values(&from->mask, &to->mask);
}

enum gb_status gb_examples_select(const struct gb_examples *from, const int *indices, int count,
                                  struct gb_examples *examples) {
    struct gb_example_shape shape = gb_shape_of(&from->x, &from->y);
    shape.masked = from->mask.data != NULL;
    GB_TRY(gb_examples_create(examples, count, &shape));
    for (int i = 0; i < count; i++) {
        struct gb_example to = gb_example_at(examples, i), chosen = gb_example_at(from, indices[i]);
        copy_example(&to, &chosen);
    }
    return GB_OK;
}

// ---- Data sets of examples in memory ----

struct held {
    struct gb_examples examples;
    struct gb_dataset origin; // of a set that was kept
};

static enum gb_status fill_held(const struct gb_dataset *set, int index,
                                const struct gb_random_key *key, const struct gb_example *example) {
    (void)key;
    const struct held *source = set->source;
    struct gb_example held = gb_example_at(&source->examples, index);
    copy_example(example, &held);
    return GB_OK;
}

static void free_held(void *source) {
    struct held *held = source;
    gb_examples_free(&held->examples);
    if (held->origin.free_source)
        held->origin.free_source(held->origin.source);
    free(held);
}

static uint64_t hash_floats(uint64_t hash, const struct gb_tensor *tensor) {
    const float *values = tensor->data;
    for (size_t i = 0; values && i < gb_elements(tensor); i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        hash = gb_hash_word(hash, bits);
    }
    return hash;
}

uint64_t gb_examples_hash(const struct gb_examples *examples) {
    return hash_floats(hash_floats(hash_floats(GB_HASH_BASIS, &examples->x), &examples->y),
                       &examples->mask);
}

enum gb_status gb_dataset_hold(struct gb_dataset *set, struct gb_examples *examples) {
    assert(set->count == examples->count);
    struct held *held = calloc(1, sizeof *held);
    if (!held)
        return gb_no_memory(what, "data set");
    held->examples = *examples;
    *examples = (struct gb_examples){0};
    set->hash = gb_examples_hash(&held->examples);
    set->source = held;
    set->fill = fill_held;
    set->free_source = free_held;
    return GB_OK;
}

// ---- Gathering ----

struct gathering {
    const struct gb_dataset *set;
    const int *indices;
    uint64_t seed;
    const struct gb_examples *examples;
};

static enum gb_status gather_one(void *argument, int place) {
    const struct gathering *gathering = argument;
    int index = gathering->indices ? gathering->indices[place] : place;
    const struct gb_random_key key = {.seed = gathering->seed, .sample = (uint32_t)index};
    struct gb_example example = gb_example_at(gathering->examples, place);
    return gathering->set->fill(gathering->set, index, &key, &example);
}

enum gb_status gb_dataset_gather(const struct gb_dataset *set, const int *indices, int count,
                                 uint64_t seed, int threads, struct gb_examples *examples) {
    GB_TRY(gb_examples_create(examples, count, &set->shape));
    struct gathering gathering = {
        .set = set, .indices = indices, .seed = seed, .examples = examples};
    const enum gb_status status = gb_parallel_tries(threads, count, gather_one, &gathering);
    if (status != GB_OK)
        gb_examples_free(examples);
    return status;
}

static enum gb_status check_one(void *argument, int index) {
    const struct gathering *checking = argument;
    struct gb_examples room;
    GB_TRY(gb_examples_create(&room, 1, &checking->set->shape));
    const struct gb_random_key key = {.sample = (uint32_t)index};
    const struct gb_example example = gb_example_at(&room, 0);
    const enum gb_status status = checking->set->fill(checking->set, index, &key, &example);
    gb_examples_free(&room);
    return status;
}

enum gb_status gb_dataset_check(const struct gb_dataset *set, int threads) {
    struct gathering checking = {.set = set};
    return gb_parallel_tries(threads, set->count, check_one, &checking);
}

enum gb_status gb_dataset_keep(struct gb_dataset *set, int threads) {
    struct gb_examples examples;
    GB_TRY(gb_dataset_gather(set, NULL, set->count, 0, threads, &examples));
    struct gb_dataset origin = *set;
    origin.names = NULL;
    enum gb_status status = gb_dataset_hold(set, &examples);
    gb_examples_free(&examples);
    if (status == GB_OK)
        ((struct held *)set->source)->origin = origin;
    return status;
}

struct gb_examples *gb_dataset_held(const struct gb_dataset *set) {
    return set->fill == fill_held ? &((struct held *)set->source)->examples : NULL;
}

const struct gb_dataset *gb_dataset_origin(const struct gb_dataset *set) {
    const struct held *held = set->fill == fill_held ? set->source : NULL;
    return held && held->origin.fill ? &held->origin : NULL;
}
