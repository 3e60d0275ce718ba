// SPDX-License-Identifier: MIT
// A truncated signed distance volume (Curless and Levoy 1996) fused from depth maps of known poses
// and seen again by ray casting, as KinectFusion does it (Newcombe et al. 2011): what many noisy
// views of a surface agree on, and so a clean depth map for each of them.
//
// Every voxel holds the weighted mean over the views of (depth measured along the voxel's line of
// sight) - (the voxel's own depth), cut at +-truncation; it is positive in front of a surface. A
// view that measures a surface nearer than the voxel by more than the truncation says nothing about
// it; one that measures a farther surface says that it is free. A measurement at depth z weighs 1 /
// z^2 (z in metres), since a structured-light sensor's error grows with z^2. The volume is made of
// blocks of 8^3 voxels, which are taken where some view measured a surface, within the truncation;
// a dense directory over the whole space finds them.
#ifndef GB_TSDF_H
#define GB_TSDF_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

// A pinhole camera: the point (x, y, z) before it, z along its axis, y down, in metres, lies at
// pixel (fx x / z + cx, fy y / z + cy), where integers are the middles of pixels.
struct gb_camera {
    int w, h;
    double fx, fy, cx, cy;
};

// Camera to world: a rotation and the camera's place, in metres.
struct gb_pose {
    double rotation[3][3], place[3];
};

struct gb_tsdf_options {
    double voxel, truncation; // metres; the truncation is at least two voxels
    double nearest, farthest; // depths that are measured and rendered, metres
    double least_weight;      // positive: a surface whose voxels weigh less is not rendered
    size_t max_bytes;         // of blocks and directory
};

struct gb_tsdf;

// An empty volume that takes any of these poses' views. GB_BAD_INPUT where they lie so far apart
// that the directory alone would pass half of max_bytes; `where` is the name for messages.
// GB_OUT_OF_MEMORY.
enum gb_status gb_tsdf_create(const struct gb_tsdf_options *options, const struct gb_pose *poses,
                              int pose_count, const char *where, struct gb_tsdf **volume);
void gb_tsdf_free(struct gb_tsdf *volume);

// Adds one view: camera->h * camera->w depths in mm, rows from the top, 0 and 65535 for none. What
// lies outside nearest..farthest is left out. The result does not depend on `threads`. GB_BAD_INPUT
// where the blocks would pass max_bytes, GB_OUT_OF_MEMORY.
enum gb_status gb_tsdf_fuse(struct gb_tsdf *volume, const struct gb_camera *camera,
                            const struct gb_pose *pose, const uint16_t *depth, int threads);

// The depth of the first surface along each pixel's line of sight, in metres, 0 for none: where a
// ray leaves measured free space through the zero of the trilinearly interpolated distance. The
// camera lies among the volume's poses. Uses one thread; safe on many at once while nothing is
// fused.
enum gb_status gb_tsdf_render(const struct gb_tsdf *volume, const struct gb_camera *camera,
                              const struct gb_pose *pose, float *depth);

// Memory that the volume holds, blocks and directory.
size_t gb_tsdf_bytes(const struct gb_tsdf *volume);

#endif
