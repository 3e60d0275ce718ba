// SPDX-License-Identifier: MIT
// A truncated signed distance volume (Curless and Levoy 1996) fused from depth maps with known
// poses and rendered by ray casting, as in KinectFusion (Newcombe et al. 2011): clean depth maps
// from many noisy views of a surface.
//
// Each voxel holds the weighted mean over the views of (depth measured along the voxel's ray) -
// (the voxel's depth), clamped to +-truncation; positive in front of a surface. A view with a
// surface more than the truncation in front of the voxel does not count; one with a surface behind
// it marks free space. A measurement at depth z has weight 1 / z^2 (z in metres), since a
// structured-light sensor's error grows with z^2. The volume consists of blocks of 8^3 voxels,
// allocated within the truncation of measured surfaces and found by a dense directory.
#ifndef GB_TSDF_H
#define GB_TSDF_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

// A pinhole camera: the point (x, y, z), with z along the axis and y down, in metres, is at pixel
// (fx x / z + cx, fy y / z + cy); integers are pixel centres.
struct gb_camera {
    int w, h;
    double fx, fy, cx, cy;
};

// Camera to world: rotation, and the camera's position in metres.
struct gb_pose {
    double rotation[3][3], position[3];
};

struct gb_tsdf_options {
    double voxel, truncation; // metres; the truncation is at least two voxels
    double nearest, farthest; // range of measured and rendered depths, metres
    double min_weight;        // > 0: surfaces with smaller weights are not rendered
    size_t max_bytes;         // of blocks and directory
};

struct gb_tsdf;

// An empty volume for views from these poses. GB_BAD_INPUT where they are so far apart that the
// directory would exceed half of max_bytes; `where` is for messages. GB_OUT_OF_MEMORY.
enum gb_status gb_tsdf_create(const struct gb_tsdf_options *options, const struct gb_pose *poses,
                              int pose_count, const char *where, struct gb_tsdf **volume);
void gb_tsdf_free(struct gb_tsdf *volume);

// Adds one view: camera->h * camera->w depths in mm, row-major, 0 and 65535 for none; depths
// outside nearest..farthest are ignored. The result does not depend on `threads`. GB_BAD_INPUT
// where the blocks would exceed max_bytes, GB_OUT_OF_MEMORY.
enum gb_status gb_tsdf_fuse(struct gb_tsdf *volume, const struct gb_camera *camera,
                            const struct gb_pose *pose, const uint16_t *depth, int threads);

// The depth of the first surface along each pixel's ray in metres, 0 for none: where the ray leaves
// measured free space through a zero of the trilinearly interpolated distance. The camera must be
// among the volume's poses. Uses one thread; safe concurrently while nothing is fused.
enum gb_status gb_tsdf_render(const struct gb_tsdf *volume, const struct gb_camera *camera,
                              const struct gb_pose *pose, float *depth);

// Memory of blocks and directory.
size_t gb_tsdf_bytes(const struct gb_tsdf *volume);

#endif
