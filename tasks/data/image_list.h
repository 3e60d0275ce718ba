// SPDX-License-Identifier: MIT
// Images in memory, read once and kept as 8 bits a channel, and square patches of them: random
// ones for training, the central one for testing.
#ifndef GB_IMAGE_LIST_H
#define GB_IMAGE_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "kernels/random/random.h"
#include "tasks/images/image.h"

struct gb_image_list {
    int count;
    struct gb_image *images; // of 3 channels and 8 bits
    char **names;            // as people know them: "train/100075.jpg"
};

// Allocates memory for `count` empty images without names. GB_OUT_OF_MEMORY.
enum gb_status gb_image_list_create(struct gb_image_list *list, int count);
// Adds `more` empty images without names behind those that are there. GB_OUT_OF_MEMORY: all is as
// it was.
enum gb_status gb_image_list_extend(struct gb_image_list *list, int more);
// Frees what they hold and zeroes them; all zeros are left alone.
void gb_image_list_free(struct gb_image_list *list);

// Reads FOLDER/NAME for each of `count` names, on `threads` threads. GB_BAD_INPUT with the file as
// gb_image_read, and for one with a side below `min_side`. On failure nothing is held.
enum gb_status gb_image_list_read(const char *directory, char *const *names, int count,
                                  int min_side, int threads, struct gb_image_list *list);

// A hash of all pixels and sizes in order; names do not count.
uint64_t gb_image_list_hash(const struct gb_image_list *list);

// Which patch of a image is taken.
struct gb_patch_rule {
    int crop;    // side of the square that is cut out; no image has a shorter one
    int size;    // side that it is resized to (bicubic, images/resize.h; a copy where they agree)
    bool random; // anywhere, mirrored or not each way; else from the middle
};

// Fills size x size x 3 floats in [0, 1], multiples of 1/255. The place is drawn by the key's words
// (seed, step, sample), under the purpose GB_RANDOM_AUGMENT. GB_OUT_OF_MEMORY.
enum gb_status gb_patch_take(const struct gb_image *photograph, const struct gb_patch_rule *rule,
                             const struct gb_random_key *key, float *patch);

#endif
