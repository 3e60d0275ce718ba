// SPDX-License-Identifier: MIT
// Depth maps of rooms with boxes and spheres, clean and as measured by a structured-light sensor:
// the disparity between projector and camera is measured up to a pixel away, with partly correlated
// errors and in steps of an eighth of a pixel, so that the depth error grows with the square of the
// depth; shadows of the projector, oblique surfaces and some pixels along edges are holes. Scores
// on them say nothing about real data.
//
// The sensor is not calibrated: disparities are a tenth of a pixel too large, so that depths are 2
// mm too small at 1 m, 9 mm at 2 m and 20 mm at 3 m. Averaging over neighbours does not remove
// that; a model that learns it from clean maps can. Kinects have such errors: depths of Red Kitchen
// are 2 mm below the clean ones between 1.0 and 1.5 m and 4 mm between 2.0 and 2.5 m (mean over 20
// frames), although the clean ones share most of the error. Their position-dependent systematic
// error is left out, since a random crop does not know its position.
#ifndef GB_SYNTHETIC_DEPTH_H
#define GB_SYNTHETIC_DEPTH_H

#include <stdint.h>

#include "tasks/data/depth_maps.h"

// Examples first .. first+count-1 of `seed`, named "depth0000000" by index: windows of h x w of the
// sensor's 160 x 120 pixels. Bitwise identical on every machine, whatever `threads`.
// GB_OUT_OF_MEMORY.
enum gb_status gb_synthetic_depth_maps(uint64_t seed, uint32_t first, int count, int h, int w,
                                       int threads, struct gb_depth_maps *maps);

#endif
