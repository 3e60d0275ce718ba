// SPDX-License-Identifier: MIT
// Pairs of depth maps in memory: as measured by a sensor, and clean.
#ifndef GB_DEPTH_MAPS_H
#define GB_DEPTH_MAPS_H

#include <stdint.h>

#include "base/status.h"
#include "tasks/data/dataset.h"

// Levels per metre: the sensor's are mm; clean depths are finer, so that they act as real numbers.
enum { GB_DEPTH_RAW_LEVELS = 1000, GB_DEPTH_CLEAN_LEVELS = 8000 };

struct gb_depth_maps {
    int count, h, w;
    // count x h x w levels, 0 for none
    uint16_t *raw, *clean;
    char **names;
};

// Allocates memory for maps without depths and names. GB_OUT_OF_MEMORY.
enum gb_status gb_depth_maps_create(struct gb_depth_maps *maps, int count, int h, int w);
// Frees the maps and zeroes the struct; a zeroed one is left alone.
void gb_depth_maps_free(struct gb_depth_maps *maps);
// Copies the name of map `index`. GB_OUT_OF_MEMORY.
enum gb_status gb_depth_maps_name(struct gb_depth_maps *maps, int index, const char *name);
// A hash of all depths in order, without the names.
uint64_t gb_depth_maps_hash(const struct gb_depth_maps *maps);

// Clean maps of 7-Scenes (tasks/data/tsdf.h): the frames of a scene, at most GB_DEPTH_FUSED evenly
// spaced ones, are fused into a volume, from which each map is rendered. Measured on the 303 frames
// of a Red Kitchen sequence: 96 MB, 14 ms of one core to fuse a frame and 0.2 s to render it; 98 %
// of the measured pixels have a clean depth, 96 % of these within 10 cm, with an RMS difference of
// 16 mm.
#define GB_DEPTH_VOXEL 0.01      // metres
#define GB_DEPTH_TRUNCATION 0.04 // metres: two deviations of the sensor's noise at 2.5 m
#define GB_DEPTH_NEAREST 0.4     // metres: nearer the sensor measures nothing
#define GB_DEPTH_FARTHEST 8.0    // metres: what the clean maps' levels reach
#define GB_DEPTH_WEIGHT 1.0      // four views from 2 m, or one from 1 m
enum { GB_DEPTH_FUSED = 1000 };

// Loads both splits of 7-Scenes (GB_SPLITS entries; frames as in tasks/data/scenes_data.h): for
// training full frames of 480 x 640; for testing one fixed random h x w window per frame, of which
// the sensor measured at least half if one of 16 tries finds it. The result is cached
// (base/cache.h) under a hash of the frames' names, sizes and modification times, the split and all
// parameters; a damaged file is regenerated. If the cache cannot be written, source->note says why.
// GB_BAD_INPUT with the file and the reason, also for a window larger than a frame. On failure
// nothing is held.
enum gb_status gb_depth_maps_load(const struct gb_source *source, int h, int w,
                                  struct gb_depth_maps splits[]);

#endif
