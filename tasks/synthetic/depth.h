// SPDX-License-Identifier: MIT
// Depth maps of rooms with boxes and spheres, clean and as a structured-light sensor might measure
// them: the disparity between projector and camera is found at a place up to a pixel away, with an
// error that neighbours share in part, and in steps of an eighth of a pixel, so that the error of
// depth grows with its square; what the projector does not reach (the shadows beside edges), what
// is seen too obliquely and some pixels along edges are holes. They stand in where real data are
// not at hand; scores on them say nothing about the real ones.
//
// The sensor is not calibrated: it finds every disparity a tenth of a pixel too large and so
// measures 2 mm too little at 1 m, 9 mm at 2 m and 20 mm at 3 m. No average over neighbours takes
// that away; who has seen clean maps of this sensor can, at each depth by its own amount. Kinects
// have such errors: the depths of Red Kitchen lie 2 mm below the clean ones between 1.0 and 1.5 m
// and 4 mm between 2.0 and 2.5 m, on the mean over 20 of its frames, though the clean ones are
// fused from maps of the same sensor and share most of it. Their other systematic error, which
// depends on the place in the image, is left out: a random crop does not tell where it lies.
#ifndef GB_SYNTHETIC_DEPTH_H
#define GB_SYNTHETIC_DEPTH_H

#include <stdint.h>

#include "tasks/data/depth_maps.h"

// Draws example `index` of `seed`: h x w levels of each, 0 for none (tasks/data/depth_maps.h), a
// window of the sensor's 160 x 120 pixels. It is a function of its arguments, bit for bit on every
// machine.
void gb_synthetic_depth(uint64_t seed, uint32_t index, int h, int w, uint16_t *raw,
                        uint16_t *clean);

// Draws examples first .. first+count-1, named "depth0000000" by index, on `threads` threads, on
// which nothing depends. GB_OUT_OF_MEMORY.
enum gb_status gb_synthetic_depth_maps(uint64_t seed, uint32_t first, int count, int h, int w,
                                       int threads, struct gb_depth_maps *maps);

#endif
