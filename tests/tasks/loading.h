// SPDX-License-Identifier: MIT
// What tests of data sets and of tasks' metrics share.
#ifndef GB_LOADING_H
#define GB_LOADING_H

#include <jansson.h>
#include <string.h>

#include "tasks/data/dataset.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"

// Loads `directory` of the fixture, with the lists in its directory `lists` (NULL: none).
static inline enum gb_status
load_fixture(enum gb_status (*load)(const struct gb_source *source, struct gb_dataset splits[]),
             const char *directory, const char *lists, int size, struct gb_dataset splits[]) {
    const struct gb_source source = {.directory = gb_fixture_path(directory),
                                     .split_directory = lists ? gb_fixture_path(lists) : NULL,
                                     .size = size,
                                     .threads = 2};
    return load(&source, splits);
}

static inline void free_splits(struct gb_dataset splits[]) {
    for (int split = 0; split < GB_SPLITS; split++)
        gb_dataset_free(&splits[split]);
}

// Loading failed with a message that names the place and the reason, and left nothing behind.
static inline void assert_not_loaded(enum gb_status status, const struct gb_dataset splits[],
                                     const char *where, const char *reason) {
    assert_int_equal(status, GB_BAD_INPUT);
    for (int split = 0; split < GB_SPLITS; split++) {
        assert_null(splits[split].names);
        assert_null(splits[split].source);
    }
    assert_message(where, reason);
}

// Example `index` of a set as a key draws it, the only one of these; gb_examples_free.
static inline struct gb_examples take_example(const struct gb_dataset *set, int index,
                                              uint64_t seed, uint32_t step) {
    const struct gb_example_shape shape = gb_dataset_shape(set, index);
    const struct gb_random_key key = {.seed = seed, .step = step, .sample = (uint32_t)index};
    struct gb_examples examples;
    assert_ok(gb_examples_create(&examples, 1, &shape));
    const struct gb_example example = gb_example_at(&examples, 0);
    assert_ok(set->fill(set, index, &key, &example));
    return examples;
}

static inline bool same_values(const struct gb_tensor *a, const struct gb_tensor *b) {
    return memcmp(a->data, b->data, gb_elements(a) * sizeof(float)) == 0;
}

// What a score or an evaluation leaves; a score is given an object for each of `images`.
struct scores {
    json_t *metrics, *per_image;
};

static inline struct scores new_scores(int images) {
    const struct scores scores = {json_object(), json_array()};
    for (int i = 0; i < images; i++)
        json_array_append_new(scores.per_image, json_object());
    return scores;
}

static inline void free_scores(const struct scores *scores) {
    json_decref(scores->metrics);
    json_decref(scores->per_image);
}

static inline double metric(const json_t *metrics, const char *name) {
    const json_t *value = json_object_get(metrics, name);
    if (!json_is_number(value))
        fail_msg("no number %s", name);
    return json_number_value(value);
}

#endif
