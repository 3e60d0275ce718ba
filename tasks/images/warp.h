// SPDX-License-Identifier: MIT
// Affine maps of images, random ones for augmentation: the same map takes an image and its masks.
#ifndef GB_WARP_H
#define GB_WARP_H

#include "kernels/random/random.h"
#include "kernels/tensor.h"
#include "tasks/images/image.h"

// Output pixel (u, v) comes from the input's (xx * u + xy * v + x, yx * u + yy * v + y). Both are
// in pixels from the upper left corner of the image: pixel centres are at integers plus a half.
struct gb_affine_map {
    double xx, xy, yx, yy, x, y;
};

// Ranges of a random map; zeroed: the identity.
struct gb_augmentation {
    bool rotate;  // by a uniformly random angle
    double scale; // zooms by a uniform factor in [1 - scale, 1 + scale)
    double
        shear_degrees; // standard deviation of the shear's angle, normal, cut at three deviations
};

// The linear part of a random map around the origin, by the key with the purpose GB_RANDOM_AUGMENT:
// bitwise identical on every machine. The key's elements from GB_AUGMENTATION_ELEMENTS on are left
// to the caller.
enum { GB_AUGMENTATION_ELEMENTS = 1 << 16 };
struct gb_affine_map gb_augmentation_draw(const struct gb_augmentation *ranges,
                                          const struct gb_random_key *key);

// The map with the translation that takes output point (u, v) from (x, y).
struct gb_affine_map gb_affine_anchor(struct gb_affine_map map, double u, double v, double x,
                                      double y);

// Fills `out`, one image of image->c channels, from an 8-bit image by the map, bilinear between
// pixel centres, in [0, 1]; 0 outside, with half a pixel of transition. Integer translations copy.
// Deterministic.
void gb_warp(const struct gb_image *image, const struct gb_affine_map *map,
             const struct gb_tensor *out);

// The same for a mask of one channel of 0 and 255, to 0 and 1: 1 where gb_warp gives at least a
// half.
void gb_warp_mask(const struct gb_image *mask, const struct gb_affine_map *map,
                  const struct gb_tensor *out);

#endif
