// SPDX-License-Identifier: MIT
// Images in memory with 8 bits per channel, and square patches of them: random for training,
// central for testing.
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
    char **names;            // such as "train/100075.jpg"
};

// Allocates memory for `count` empty images without names. GB_OUT_OF_MEMORY.
enum gb_status gb_image_list_create(struct gb_image_list *list, int count);
// Appends `more` empty images without names. GB_OUT_OF_MEMORY; the list is then unchanged.
enum gb_status gb_image_list_extend(struct gb_image_list *list, int more);
// Frees the images and zeroes the list; a zeroed list is left alone.
void gb_image_list_free(struct gb_image_list *list);

// Reads DIRECTORY/NAME for each of `count` names. GB_BAD_INPUT with the file as gb_image_read, and
// for a side below `min_side`. On failure nothing is held.
enum gb_status gb_image_list_read(const char *directory, char *const *names, int count,
                                  int min_side, int threads, struct gb_image_list *list);

// A hash of all pixels and sizes in order, without the names.
uint64_t gb_image_list_hash(const struct gb_image_list *list);

// Which patch of an image is taken.
struct gb_patch_rule {
    int crop;    // side of the square that is cut out; at most an image's shorter side
    int size;    // side that it is resized to (bicubic; a copy if equal)
    bool random; // anywhere, randomly mirrored both ways; else central
};

// Fills size x size x 3 floats in [0, 1], multiples of 1/255. Randomness is by the key's (seed,
// step, sample), with the purpose GB_RANDOM_AUGMENT. GB_OUT_OF_MEMORY.
enum gb_status gb_patch_take(const struct gb_image *image, const struct gb_patch_rule *rule,
                             const struct gb_random_key *key, float *patch);

#endif
