// SPDX-License-Identifier: MIT
// Pairs of depth maps, as a sensor measured them and clean, in memory.
#ifndef GB_DEPTH_MAPS_H
#define GB_DEPTH_MAPS_H

#include <stdint.h>

#include "base/status.h"
#include "tasks/data/dataset.h"

// Levels a metre: the sensor's are mm, clean depths are finer, so that they serve as real numbers.
enum { GB_DEPTH_RAW_LEVELS = 1000, GB_DEPTH_CLEAN_LEVELS = 8000 };

struct gb_depth_maps {
    int count, h, w;
    // count x h x w levels, 0 for none
    uint16_t *raw, *clean;
    char **names;
};

// Allocates memory for maps without depths and names. GB_OUT_OF_MEMORY.
enum gb_status gb_depth_maps_create(struct gb_depth_maps *maps, int count, int h, int w);
// Frees what they hold and zeroes them; all zeros are left alone.
void gb_depth_maps_free(struct gb_depth_maps *maps);
// Names map `index` with a copy. GB_OUT_OF_MEMORY.
enum gb_status gb_depth_maps_name(struct gb_depth_maps *maps, int index, const char *name);
// A hash of all depths in order; names do not count.
uint64_t gb_depth_maps_hash(const struct gb_depth_maps *maps);

// How 7-Scenes gets its clean maps (tasks/data/tsdf.h): all frames of a scene, or every n-th so
// that at most GB_DEPTH_FUSED are taken, are fused into one volume, and each map is rendered from
// it. The one sequence of Red Kitchen that was measured (303 frames) fills 96 MB, 41 of them the
// directory; a frame takes 14 ms of one core to fuse and 0.2 s to render. 98 % of the pixels that
// the sensor measured have a clean depth: 96 % of these lie within 10 cm of it, at 16 mm root mean
// square.
#define GB_DEPTH_VOXEL 0.01      // metres
#define GB_DEPTH_TRUNCATION 0.04 // metres: two deviations of the sensor's noise at 2.5 m
#define GB_DEPTH_NEAREST 0.4     // metres: nearer the sensor measures nothing
#define GB_DEPTH_FARTHEST 8.0    // metres: what the clean maps' levels reach
#define GB_DEPTH_WEIGHT 1.0      // four views from 2 m, or one from 1 m
enum { GB_DEPTH_FUSED = 1000 };

// Loads both splits of 7-Scenes (the array has GB_SPLITS entries; tasks/data/scenes_data.h tells
// which frames are whose): for training whole frames of 480 x 640; for testing of each frame one
// window of h x w, random except for ever the same, at least half of which the sensor measured, if 16
// tries find one. What is prepared is kept in the user's cache (base/cache.h) under a hash
// of the frames' names, sizes and times of change, the split and all parameters, and found there by
// the next start; a damaged file there is made anew. It is not beside a run's output, since all
// runs on the same frames share it, and eval and sample too, which have no output directory. Where the
// cache cannot be written, a line on stderr says why, and nothing is kept. GB_BAD_INPUT with the
// file and the reason, also where the window is larger than a frame. On failure nothing is held.
enum gb_status gb_depth_maps_load(const struct gb_source *source, int h, int w,
                                  struct gb_depth_maps splits[]);

#endif
