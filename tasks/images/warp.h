// SPDX-License-Identifier: MIT
// Affine maps of images, drawn by a key for augmentation: the map that takes an image takes its
// masks as well.
#ifndef GB_WARP_H
#define GB_WARP_H

#include "kernels/random/random.h"
#include "kernels/tensor.h"
#include "tasks/images/image.h"

// Where a pixel of the output comes from: the input's (xx * u + xy * v + x, yx * u + yy * v + y),
// for the output's (u, v). Both count in pixels from the left upper corner of the image, so that a
// pixel's centre lies at its place plus a half.
struct gb_affine_map {
    double xx, xy, yx, yy, x, y;
};

// What an augmentation draws; all zeros draws the identity.
struct gb_augmentation {
    bool rotate;  // by any angle, all alike
    double scale; // enlarges both ways by a factor in [1 - scale, 1 + scale), all alike
    double
        shear_degrees; // standard deviation of the shear's angle, normal, cut at three deviations
};

// The linear part of what `key` draws (its purpose becomes GB_RANDOM_AUGMENT), about the origin: a
// function of the arguments, bit for bit on every machine. The key's numbers from element
// GB_AUGMENTATION_ELEMENTS on are left to the caller.
enum { GB_AUGMENTATION_ELEMENTS = 1 << 16 };
struct gb_affine_map gb_augmentation_draw(const struct gb_augmentation *ranges,
                                          const struct gb_random_key *key);

// The map with its translation chosen so that the output's point (u, v) comes from (x, y).
struct gb_affine_map gb_affine_anchor(struct gb_affine_map map, double u, double v, double x,
                                      double y);

// Fills `out`, one image of image->c channels, with the values that the map finds in an image of 8
// bits, bilinear between pixel centres, in [0, 1]; 0 outside the image, which ends softly over half
// a pixel. A map that moves by whole pixels copies. The bits depend on nothing but the arguments.
void gb_warp(const struct gb_image *image, const struct gb_affine_map *map,
             const struct gb_tensor *out);

// Likewise a mask of one channel of 0 and 255, to 0 and 1: 1 where gb_warp gives at least a half.
void gb_warp_mask(const struct gb_image *mask, const struct gb_affine_map *map,
                  const struct gb_tensor *out);

#endif
