// SPDX-License-Identifier: MIT
// The examples of one split: a source that fills one example at a time. It gives the same example
// every time (a resized image), or a random one by a key (a random crop, noise).
#ifndef GB_DATASET_H
#define GB_DATASET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "kernels/random/random.h"
#include "kernels/tensor.h"

enum gb_split { GB_SPLIT_TRAIN, GB_SPLIT_TEST, GB_SPLITS };

// The scenes that each split uses, for data with scenes.
struct gb_scene_choice {
    const char *scenes[GB_SPLITS]; // comma-separated names; NULL: the task's rule
    int frames[GB_SPLITS];         // at most; 0: the task's number
};

// Where a task's data come from.
struct gb_source {
    const char *directory; // the data set as published; NULL: generated data
    const char *masks; // for tasks with own_masks: of the images in `directory`; NULL: published
    const char *split_directory;   // lists of the split; NULL: the task's rule
    struct gb_scene_choice choice; // zeroed for data without scenes, and with lists
    int size;                      // of an example, as the task defines it
    int width;                     // 0: as the size; for tasks with own_masks
    int multiple; // what the model needs heights and widths to be, for tasks that pad; 0: anything
    int threads;
    bool uniform_masks; // a split's masks may be all background or all foreground
    // Receives lines about the data that the user should know; NULL: nobody.
    void (*note)(const char *line);
    struct gb_progress *progress; // shows long checks; NULL: nothing does
};

// Gives source->note a line formatted as by printf; '?' stands for control characters.
void gb_source_note(const struct gb_source *source, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Heights, widths and channels of an example.
struct gb_example_shape {
    int x_h, x_w, x_c, y_h, y_w, y_c;
    bool masked; // there is a mask of y's height and width
};

// The shape of a tensor's examples, without a mask.
static inline struct gb_example_shape gb_shape_of(const struct gb_tensor *x,
                                                  const struct gb_tensor *y) {
    return (struct gb_example_shape){
        .x_h = x->h, .x_w = x->w, .x_c = x->c, .y_h = y->h, .y_w = y->w, .y_c = y->c};
}

// Where an example goes; each a dense view of one image.
struct gb_example {
    struct gb_tensor x; // the input, in [0, 1] unless the task says otherwise
    struct gb_tensor y; // the target as the data have it (a mask: one channel of 0 and 1), before
                        // any copying, shifting or noise that a model wants
    struct gb_tensor mask; // one channel: 1 where y counts, 0 where it is not known; no data where
                           // the shape is not masked
};

struct gb_dataset {
    int count;
    struct gb_example_shape shape; // of every example; where they differ (whole images) zeros
                                   // for what differs, and shape_of tells
    char **names;  // count names for people and lists, such as "horse001.jpg"; UTF-8
    uint64_t hash; // of what the examples are made from: sets that differ hardly ever share one
    void *source;  // the producer's; `fill`, `shape_of` and `free_source` know it

    // Fills example `index` as `key` draws it; a source that draws nothing ignores the key. Its
    // words of (seed, step, sample) are the caller's, its purpose is set here. What is drawn
    // depends on (index, key) alone. Safe on many threads at once; uses one. GB_BAD_INPUT with the
    // file's name where a file that is read this late does not decode, GB_OUT_OF_MEMORY.
    enum gb_status (*fill)(const struct gb_dataset *set, int index, const struct gb_random_key *key,
                           const struct gb_example *example);
    struct gb_example_shape (*shape_of)(const struct gb_dataset *set, int index); // NULL: `shape`
    void (*free_source)(void *source); // NULL: nothing to free
};

// The shape of example `index`.
struct gb_example_shape gb_dataset_shape(const struct gb_dataset *set, int index);

// Allocates `count` names, all NULL. GB_OUT_OF_MEMORY.
enum gb_status gb_dataset_create(struct gb_dataset *set, int count,
                                 const struct gb_example_shape *shape);
// Copies the name of an example; bytes that are not UTF-8 become '?'.
enum gb_status gb_dataset_name(struct gb_dataset *set, int index, const char *name);
// Frees the set and zeroes it; a zeroed set is left alone.
void gb_dataset_free(struct gb_dataset *set);

// Both splits of a data set (GB_SPLITS entries): zeroed; and freed where `status`, which it
// returns, is a failure.
void gb_splits_clear(struct gb_dataset splits[]);
enum gb_status gb_splits_keep(struct gb_dataset splits[], enum gb_status status);

// Examples of one shape in memory, stacked.
struct gb_examples {
    int count;
    struct gb_tensor x, y, mask; // count x h x w x c; the mask without data where there is none
};

// Allocates zeroed examples. GB_OUT_OF_MEMORY; then there are none.
enum gb_status gb_examples_create(struct gb_examples *examples, int count,
                                  const struct gb_example_shape *shape);
void gb_examples_free(struct gb_examples *examples);

// A view of example `index`.
struct gb_example gb_example_at(const struct gb_examples *examples, int index);
// Copies of the examples indices[0..count). GB_OUT_OF_MEMORY; then there are none.
enum gb_status gb_examples_select(const struct gb_examples *from, const int *indices, int count,
                                  struct gb_examples *examples);
// A hash of all values in order.
uint64_t gb_examples_hash(const struct gb_examples *examples);

// Makes `set`, created with their count and shape, serve these examples, and sets its hash. Takes
// ownership: *examples is zeroed. GB_OUT_OF_MEMORY.
enum gb_status gb_dataset_hold(struct gb_dataset *set, struct gb_examples *examples);

// Replaces the source of a set of one shape by its examples in memory, filled once with seed 0. On
// failure the set is unchanged.
enum gb_status gb_dataset_keep(struct gb_dataset *set, int threads);
// The examples of a set that holds them; NULL where `fill` makes them.
struct gb_examples *gb_dataset_held(const struct gb_dataset *set);
// The set before gb_dataset_keep, without names, for examples of another size; NULL if it was not
// kept. Lives as long as the set.
const struct gb_dataset *gb_dataset_origin(const struct gb_dataset *set);

// Fills every example of a set of one shape once and discards it, so that a damaged file is found
// early. Fails as fill does.
enum gb_status gb_dataset_check(const struct gb_dataset *set, int threads);

// Fills the examples indices[0..count) (NULL: the first `count`) of a set of one shape, with the
// key (seed, step 0, sample = index).
enum gb_status gb_dataset_gather(const struct gb_dataset *set, const int *indices, int count,
                                 uint64_t seed, int threads, struct gb_examples *examples);

struct gb_selection {
    int count;
    int *indices;
    char **names; // the set's own
};
// `count` examples spread evenly over the set; all if that is 0 or more than there are.
// GB_OUT_OF_MEMORY; then there are none.
enum gb_status gb_dataset_select(const struct gb_dataset *set, int count,
                                 struct gb_selection *selection);
void gb_selection_free(struct gb_selection *selection);

// "train", "test".
const char *gb_split_name(enum gb_split split);

#endif
