// SPDX-License-Identifier: MIT
// Masks of foreground and background as different programs write them: 0 and 255, 0 and 1,
// palette indices, grey with blurred edges (JPEG). What their values mean is decided once for all
// masks of a kind.
#ifndef GB_MASKS_H
#define GB_MASKS_H

#include "base/files.h"
#include "tasks/data/dataset.h"
#include "tasks/images/image.h"

// The masks of a kind: of one directory, or of one observer.
struct gb_mask_files {
    const char *kind; // for messages: "figure_ground"
    int count;
    // The path of a mask; "" for one that is not used.
    enum gb_status (*path_of)(const void *context, int index, char path[static GB_PATH]);
    const void *context;
};

// Which values are foreground.
struct gb_mask_rule {
    bool grey;           // those of at least half of white
    uint16_t foreground; // otherwise this one
};

// Reads all masks and finds their rule:
// - Of two different values the larger one is foreground: of grey values, or of palette indices
//   whose colours are not one bright and one dark. Unless they are black and white, source->note
//   tells what was taken; also where white comes before black in a palette.
// - More than GB_MASK_CLASSES values on both sides of half of white, or a JPEG's: blurred edges.
// GB_BAD_INPUT with the values found where they may be classes or anything else, and as
// gb_image_read.
enum { GB_MASK_CLASSES = 32 };
enum gb_status gb_mask_survey(const struct gb_mask_files *files, const struct gb_source *source,
                              struct gb_mask_rule *rule);

// Reads a mask as grey: 0 and 255, or blurred between. Fails as gb_image_read.
enum gb_status gb_mask_read(const char *path, const struct gb_mask_rule *rule,
                            struct gb_image *mask);

// What a message adds where a mask has its image's size once it is rotated.
#define GB_MASK_TURNED "; rotated by 90 degrees they would be: is an orientation tag missing?"

// GB_BAD_INPUT where `foreground` of `pixels` are none or all and source->uniform_masks is not set:
// scores of such a set say nothing.
enum gb_status gb_mask_check(const char *kind, enum gb_split split, const struct gb_source *source,
                             uint64_t foreground, uint64_t pixels);

#endif
