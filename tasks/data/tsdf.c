// SPDX-License-Identifier: MIT
#include "tasks/data/tsdf.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/grow.h"
#include "kernels/parallel.h"

static const char cannot_fuse[] = "cannot fuse depth maps";

// Voxels of a block's side, and of a block.
enum { SIDE = 8, VOXELS = SIDE * SIDE * SIDE };

struct block {
    float distance[VOXELS]; // metres, x innermost
    float weight[VOXELS];   // 0: not seen
    float min_distance;     // over seen voxels; positive: no surface in the block
    int x, y, z;            // in blocks from the volume's corner
};

struct gb_tsdf {
    struct gb_tsdf_options options;
    double corner[3];    // of the space, in world coordinates
    int size[3];         // of the space, in blocks
    uint32_t *directory; // by position: 1 + the index of its block, 0: none
    struct block **blocks;
    size_t count;
    const char *where;
};

// A point or a direction in voxels, from the volume's corner.
struct vector {
    float x, y, z;
};

static size_t places(const struct gb_tsdf *volume) {
    return (size_t)volume->size[0] * (size_t)volume->size[1] * (size_t)volume->size[2];
}

size_t gb_tsdf_bytes(const struct gb_tsdf *volume) {
    return places(volume) * sizeof *volume->directory +
           volume->count * (sizeof(struct block) + sizeof(struct block *));
}

// The space extends by the farthest depth, the truncation and a spare block beyond the cameras.
static enum gb_status measure_space(struct gb_tsdf *volume, const struct gb_pose *poses,
                                    int pose_count) {
    const struct gb_tsdf_options *options = &volume->options;
    double block = SIDE * options->voxel, margin = options->farthest + options->truncation + block;
    double entries = 1;
    for (int axis = 0; axis < 3; axis++) {
        double low = INFINITY, high = -INFINITY;
        for (int i = 0; i < pose_count; i++) {
            low = fmin(low, poses[i].position[axis]);
            high = fmax(high, poses[i].position[axis]);
        }
        double blocks = ceil((high - low + 2 * margin) / block);
        entries *= blocks;
        if (entries * sizeof *volume->directory > (double)options->max_bytes / 2)
            return gb_fail(GB_BAD_INPUT, cannot_fuse, volume->where,
                           "the cameras are %.3g m apart, too far for one room", high - low);
        volume->corner[axis] = low - margin;
        volume->size[axis] = (int)blocks;
    }
    return GB_OK;
}

enum gb_status gb_tsdf_create(const struct gb_tsdf_options *options, const struct gb_pose *poses,
                              int pose_count, const char *where, struct gb_tsdf **volume) {
    assert(pose_count > 0 && options->truncation >= 2 * options->voxel);
    assert(options->nearest > 0 && options->min_weight > 0);
    struct gb_tsdf *made = calloc(1, sizeof *made);
    *volume = NULL;
    if (!made)
        return gb_no_memory(cannot_fuse, where);
    made->options = *options;
    made->where = where;
    enum gb_status status = measure_space(made, poses, pose_count);
    if (status == GB_OK) {
        made->directory = calloc(places(made), sizeof *made->directory);
        status = made->directory ? GB_OK : gb_no_memory(cannot_fuse, made->where);
    }
    if (status == GB_OK)
        *volume = made;
    else
        gb_tsdf_free(made);
    return status;
}

void gb_tsdf_free(struct gb_tsdf *volume) {
    if (!volume)
        return;
    for (size_t i = 0; i < volume->count; i++)
        free(volume->blocks[i]);
    free(volume->blocks);
    free(volume->directory);
    free(volume);
}

// ---- fusing ----

static enum gb_status allocate_block(struct gb_tsdf *volume, int x, int y, int z, uint32_t *entry) {
    if (gb_tsdf_bytes(volume) + sizeof(struct block) > volume->options.max_bytes)
        return gb_fail(GB_BAD_INPUT, cannot_fuse, volume->where,
                       "the surfaces fill more than %zu MB; do the poses belong to the frames?",
                       volume->options.max_bytes >> 20);
    struct block **blocks = gb_grow(volume->blocks, volume->count, sizeof *blocks);
    if (blocks)
        volume->blocks = blocks;
    struct block *block = calloc(1, sizeof *block);
    if (!blocks || !block) {
        free(block);
        return gb_no_memory(cannot_fuse, volume->where);
    }
    block->x = x, block->y = y, block->z = z;
    blocks[volume->count++] = block;
    *entry = (uint32_t)volume->count;
    return GB_OK;
}

static uint32_t *entry_at(const struct gb_tsdf *volume, int x, int y, int z) {
    return &volume->directory[((size_t)z * (size_t)volume->size[1] + (size_t)y) *
                                  (size_t)volume->size[0] +
                              (size_t)x];
}

static double measured(const struct gb_tsdf *volume, uint16_t depth) {
    double z = depth / 1000.0;
    bool valid = depth != 65535 && z >= volume->options.nearest && z <= volume->options.farthest;
    return valid ? z : 0;
}

// The world direction of the ray through pixel (u, v), scaled to one metre of depth.
static void ray_direction(const struct gb_camera *camera, const struct gb_pose *pose, int u, int v,
                          double direction[static 3]) {
    double x = (u - camera->cx) / camera->fx, y = (v - camera->cy) / camera->fy;
    for (int axis = 0; axis < 3; axis++) {
        const double *row = pose->rotation[axis];
        direction[axis] = row[0] * x + row[1] * y + row[2];
    }
}

// Allocates the blocks along a ray, within the truncation of the measured depth.
static enum gb_status touch_ray(struct gb_tsdf *volume, const struct gb_pose *pose,
                                const double direction[static 3], double z) {
    const double block = SIDE * volume->options.voxel, truncation = volume->options.truncation;
    const int steps = (int)ceil(4 * truncation / block);
    for (int step = 0; step <= steps; step++) {
        double depth = z - truncation + 2 * truncation * step / steps;
        int at[3];
        for (int axis = 0; axis < 3; axis++) {
            double place = pose->position[axis] + depth * direction[axis] - volume->corner[axis];
            // Rays of the image's corners may leave the space. NaN is outside, too.
            if (!(place >= 0 && place / block < volume->size[axis]))
                return GB_OK;
            at[axis] = (int)(place / block);
        }
        uint32_t *entry = entry_at(volume, at[0], at[1], at[2]);
        if (*entry == 0)
            GB_TRY(allocate_block(volume, at[0], at[1], at[2], entry));
    }
    return GB_OK;
}

static enum gb_status touch_blocks(struct gb_tsdf *volume, const struct gb_camera *camera,
                                   const struct gb_pose *pose, const uint16_t *depth) {
    // Rays half a block apart at the farthest depth are enough.
    const double reach = SIDE * volume->options.voxel / (2 * volume->options.farthest);
    const int step = (int)fmax(1, fmin(camera->fx, camera->fy) * reach);
    for (int v = 0; v < camera->h; v += step)
        for (int u = 0; u < camera->w; u += step) {
            double z = measured(volume, depth[v * camera->w + u]), direction[3];
            if (z == 0)
                continue;
            ray_direction(camera, pose, u, v, direction);
            GB_TRY(touch_ray(volume, pose, direction, z));
        }
    return GB_OK;
}

struct view {
    struct gb_tsdf *volume;
    const struct gb_camera *camera;
    const struct gb_pose *pose;
    const uint16_t *depth;
};

// In camera coordinates: of an offset in world coordinates.
static struct vector to_camera(const struct gb_pose *pose, const double world[static 3]) {
    double out[3];
    for (int axis = 0; axis < 3; axis++)
        out[axis] = pose->rotation[0][axis] * world[0] + pose->rotation[1][axis] * world[1] +
                    pose->rotation[2][axis] * world[2];
    return (struct vector){(float)out[0], (float)out[1], (float)out[2]};
}

static struct vector first_voxel(const struct gb_tsdf *volume, const struct gb_pose *pose,
                                 const struct block *block) {
    const int at[3] = {block->x, block->y, block->z};
    double world[3];
    for (int axis = 0; axis < 3; axis++)
        world[axis] = volume->corner[axis] + (SIDE * at[axis] + 0.5) * volume->options.voxel -
                      pose->position[axis];
    return to_camera(pose, world);
}

// A bounding sphere of a block and its neighbouring voxels, in camera coordinates.
struct ball {
    struct vector middle;
    float radius;
};

static struct ball ball_around(const struct gb_tsdf *volume, struct vector first,
                               const struct vector axes[static 3]) {
    const float half = (SIDE - 1) / 2.0f;
    return (struct ball){{first.x + half * (axes[0].x + axes[1].x + axes[2].x),
                          first.y + half * (axes[0].y + axes[1].y + axes[2].y),
                          first.z + half * (axes[0].z + axes[1].z + axes[2].z)},
                         0.87f * (SIDE + 2) * (float)volume->options.voxel};
}

// The pixels that a sphere may cover, and its nearest depth.
struct footprint {
    int left, right, top, bottom; // empty where right < left or bottom < top
    float nearest;
};

// The range of f * (at +- radius) / z + c over the sphere's depths z, plus a pixel on either side,
// clipped to 0..count-1.
static void cover(float at, float radius, const float z[static 2], double f, double c, int count,
                  int *first, int *last) {
    const float low = at - radius, high = at + radius;
    const double from = f * low / (low < 0 ? z[0] : z[1]) + c - 1,
                 to = f * high / (high < 0 ? z[1] : z[0]) + c + 1;
    *first = (int)fmax(from, 0);
    *last = (int)fmin(to, count - 1);
    if (to < 0 || from > count - 1)
        *last = *first - 1;
}

static struct footprint footprint_of(const struct gb_camera *camera, const struct ball *ball) {
    const float z[2] = {ball->middle.z - ball->radius, ball->middle.z + ball->radius};
    struct footprint print = {0, camera->w - 1, 0, camera->h - 1, z[0]};
    if (z[1] <= 0)
        print.right = -1;
    // A sphere that reaches the camera's plane may be anywhere.
    if (z[0] <= ball->radius)
        return print;
    cover(ball->middle.x, ball->radius, z, camera->fx, camera->cx, camera->w, &print.left,
          &print.right);
    cover(ball->middle.y, ball->radius, z, camera->fy, camera->cy, camera->h, &print.top,
          &print.bottom);
    return print;
}

static bool may_see(const struct view *view, struct vector first,
                    const struct vector axes[static 3]) {
    const struct gb_tsdf_options *options = &view->volume->options;
    const struct ball ball = ball_around(view->volume, first, axes);
    const struct footprint print = footprint_of(view->camera, &ball);
    return print.left <= print.right && print.top <= print.bottom &&
           print.nearest < (float)(options->farthest + options->truncation);
}

// Fuses the view into the row of voxels from `voxel` on, which is at `first` in camera coordinates.
static void fuse_row(const struct view *view, struct block *block, int voxel, struct vector first,
                     struct vector step) {
    const struct gb_camera *camera = view->camera;
    const struct gb_tsdf *volume = view->volume;
    const float fx = (float)camera->fx, fy = (float)camera->fy;
    // Plus a half, so that truncation rounds to nearest.
    const float cx = (float)camera->cx + 0.5f, cy = (float)camera->cy + 0.5f;
    const float truncation = (float)volume->options.truncation;
    const float nearest = (float)volume->options.nearest;
    float u[SIDE], v[SIDE], z[SIDE];
    for (int i = 0; i < SIDE; i++) {
        z[i] = first.z + (float)i * step.z;
        float inverse = 1.0f / z[i];
        u[i] = fx * (first.x + (float)i * step.x) * inverse + cx;
        v[i] = fy * (first.y + (float)i * step.y) * inverse + cy;
    }
    for (int i = 0; i < SIDE; i++) {
        // NaN is outside.
        if (!(z[i] > 0.5f * nearest && u[i] >= 0 && v[i] >= 0 && u[i] < (float)camera->w &&
              v[i] < (float)camera->h))
            continue;
        float depth = (float)measured(volume, view->depth[(int)v[i] * camera->w + (int)u[i]]);
        float distance = depth - z[i];
        if (depth == 0 || distance < -truncation)
            continue;
        float weight = 1.0f / (depth * depth), *sum = &block->weight[voxel + i];
        float *mean = &block->distance[voxel + i];
        distance = distance < truncation ? distance : truncation;
        *sum += weight;
        *mean += (distance - *mean) * (weight / *sum);
    }
}

static void fuse_block(const struct view *view, struct block *block,
                       const struct vector axes[static 3]) {
    struct vector first = first_voxel(view->volume, view->pose, block);
    if (!may_see(view, first, axes))
        return;
    for (int k = 0; k < SIDE; k++)
        for (int j = 0; j < SIDE; j++) {
            float y = (float)j, z = (float)k;
            struct vector row = {first.x + y * axes[1].x + z * axes[2].x,
                                 first.y + y * axes[1].y + z * axes[2].y,
                                 first.z + y * axes[1].z + z * axes[2].z};
            fuse_row(view, block, (k * SIDE + j) * SIDE, row, axes[0]);
        }
    float least = INFINITY;
    for (int i = 0; i < VOXELS; i++) {
        const float known = block->weight[i] > 0 ? block->distance[i] : INFINITY;
        least = known < least ? known : least;
    }
    block->min_distance = least;
}

// The volume's axes in camera coordinates, one voxel long.
static void find_axes(const struct gb_tsdf *volume, const struct gb_pose *pose,
                      struct vector axes[static 3]) {
    for (int axis = 0; axis < 3; axis++) {
        double along[3] = {0};
        along[axis] = volume->options.voxel;
        axes[axis] = to_camera(pose, along);
    }
}

static void fuse_body(void *argument, int rank, int size) {
    const struct view *view = argument;
    struct vector axes[3];
    find_axes(view->volume, view->pose, axes);
    // Interleaved, since blocks allocated together are seen together.
    for (size_t i = (size_t)rank; i < view->volume->count; i += (size_t)size)
        fuse_block(view, view->volume->blocks[i], axes);
}

enum gb_status gb_tsdf_fuse(struct gb_tsdf *volume, const struct gb_camera *camera,
                            const struct gb_pose *pose, const uint16_t *depth, int threads) {
    GB_TRY(touch_blocks(volume, camera, pose, depth));
    struct view view = {volume, camera, pose, depth};
    gb_parallel(threads, fuse_body, &view);
    return GB_OK;
}

// ---- rendering ----

static struct vector along(struct vector from, struct vector direction, float t) {
    return (struct vector){from.x + t * direction.x, from.y + t * direction.y,
                           from.z + t * direction.z};
}

// True if the eight voxels around a point are inside the volume.
static bool inside(const struct gb_tsdf *volume, struct vector p) {
    return p.x >= 1 && p.y >= 1 && p.z >= 1 && p.x < (float)(SIDE * volume->size[0] - 1) &&
           p.y < (float)(SIDE * volume->size[1] - 1) && p.z < (float)(SIDE * volume->size[2] - 1);
}

// The block that holds voxel (x, y, z); NULL for none.
static inline const struct block *block_of(const struct gb_tsdf *volume, int x, int y, int z) {
    uint32_t entry = *entry_at(volume, x / SIDE, y / SIDE, z / SIDE);
    return entry ? volume->blocks[entry - 1] : NULL;
}

static int voxel_in_block(int x, int y, int z) {
    return ((z % SIDE) * SIDE + y % SIDE) * SIDE + x % SIDE;
}

// The eight voxels around a point, and its offset from the first.
struct cube {
    float distance[8], weight[8]; // x innermost
    float x, y, z;
};

static void read_voxel(const struct block *block, int voxel, struct cube *cube, int corner) {
    cube->distance[corner] = block ? block->distance[voxel] : 0;
    cube->weight[corner] = block ? block->weight[voxel] : 0;
}

static void read_cube(const struct gb_tsdf *volume, struct vector p, struct cube *cube) {
    // Values are at voxel centres.
    float x = p.x - 0.5f, y = p.y - 0.5f, z = p.z - 0.5f;
    int ix = (int)x, iy = (int)y, iz = (int)z;
    cube->x = x - (float)ix, cube->y = y - (float)iy, cube->z = z - (float)iz;
    const struct block *first = block_of(volume, ix, iy, iz);
    bool one_block = ix % SIDE + 1 < SIDE && iy % SIDE + 1 < SIDE && iz % SIDE + 1 < SIDE;
    for (int corner = 0; corner < 8; corner++) {
        int cx = ix + (corner & 1), cy = iy + (corner >> 1 & 1), cz = iz + (corner >> 2);
        const struct block *block = one_block ? first : block_of(volume, cx, cy, cz);
        read_voxel(block, voxel_in_block(cx, cy, cz), cube, corner);
    }
}

static float between(float a, float b, float t) {
    return a + t * (b - a);
}

// The interpolated distance at a point; false if one of the eight voxels weighs too little.
static bool sample(const struct gb_tsdf *volume, struct vector p, float *distance) {
    struct cube cube;
    if (!inside(volume, p))
        return false;
    read_cube(volume, p, &cube);
    for (int corner = 0; corner < 8; corner++)
        if (cube.weight[corner] < (float)volume->options.min_weight)
            return false;
    const float *d = cube.distance;
    float top = between(between(d[0], d[1], cube.x), between(d[2], d[3], cube.x), cube.y);
    float low = between(between(d[4], d[5], cube.x), between(d[6], d[7], cube.x), cube.y);
    *distance = between(top, low, cube.z);
    return true;
}

struct ray {
    struct vector from, direction; // direction: voxels per metre of depth
    struct vector inverse;         // 1 / direction, by component
};

static bool sample_ray(const struct gb_tsdf *volume, const struct ray *ray, float depth,
                       float *distance) {
    return sample(volume, along(ray->from, ray->direction, depth), distance);
}

// Depth until the ray reaches the border of the block that starts at `low`, along one axis.
static float border(float at, int low, float direction, float inverse) {
    if (direction == 0)
        return INFINITY;
    return ((float)(direction > 0 ? low + SIDE : low) - at) * inverse;
}

// Depth until the ray leaves the block around p, voxel (x, y, z).
static float exit_block(const struct ray *ray, struct vector p, int x, int y, int z) {
    const float ex = border(p.x, x / SIDE * SIDE, ray->direction.x, ray->inverse.x);
    const float ey = border(p.y, y / SIDE * SIDE, ray->direction.y, ray->inverse.y);
    const float ez = border(p.z, z / SIDE * SIDE, ray->direction.z, ray->inverse.z);
    const float least = ex < ey ? ex : ey;
    return ez < least ? ez : least;
}

// The depth at which a ray meets a surface after `start`, 0 for none.
static float cast(const struct gb_tsdf *volume, const struct ray *ray, float start) {
    const float voxel = (float)volume->options.voxel, farthest = (float)volume->options.farthest;
    bool behind = false; // the last sample was behind a surface
    for (float depth = start; depth < farthest;) {
        struct vector p = along(ray->from, ray->direction, depth);
        if (!inside(volume, p))
            return 0;
        int x = (int)p.x, y = (int)p.y, z = (int)p.z;
        const struct block *block = block_of(volume, x, y, z);
        if (!block || block->min_distance > 0) {
            behind = false;
            depth += exit_block(ray, p, x, y, z) + 0.01f * voxel;
            continue;
        }
        // Distances are along rays: the surface may be 3 times as near if seen at 70 degrees.
        int i = voxel_in_block(x, y, z);
        if (block->distance[i] > 3 * voxel) {
            behind = false;
            depth += block->distance[i] / 3;
            continue;
        }
        float after, before;
        bool was_behind = behind;
        behind = sample(volume, p, &after) && after <= 0;
        if (behind && !was_behind && sample_ray(volume, ray, depth - voxel, &before) && before > 0)
            return depth - voxel * after / (after - before);
        depth += voxel;
    }
    return 0;
}

// Square tiles of an image, with the depth before which each has no surface. Rays that start there
// take a third of the time.
enum { TILE = 8 };
struct tiles {
    int across, down;
    float *start; // infinity: none
};

static void find_starts(const struct gb_tsdf *volume, const struct gb_camera *camera,
                        const struct gb_pose *pose, const struct tiles *tiles) {
    struct vector axes[3];
    find_axes(volume, pose, axes);
    for (int i = 0; i < tiles->across * tiles->down; i++)
        tiles->start[i] = INFINITY;
    for (size_t i = 0; i < volume->count; i++) {
        const struct block *block = volume->blocks[i];
        if (block->min_distance > 0)
            continue;
        const struct ball ball = ball_around(volume, first_voxel(volume, pose, block), axes);
        const struct footprint print = footprint_of(camera, &ball);
        if (print.right < print.left || print.bottom < print.top)
            continue;
        for (int y = print.top / TILE; y <= print.bottom / TILE; y++)
            for (int x = print.left / TILE; x <= print.right / TILE; x++) {
                float *start = &tiles->start[y * tiles->across + x];
                *start = print.nearest < *start ? print.nearest : *start;
            }
    }
}

static void render_rows(const struct gb_tsdf *volume, const struct gb_camera *camera,
                        const struct gb_pose *pose, const struct tiles *tiles, float *depth) {
    const double voxel = volume->options.voxel, *corner = volume->corner, *place = pose->position;
    const float nearest = (float)volume->options.nearest;
    struct ray ray = {.from = {(float)((place[0] - corner[0]) / voxel),
                               (float)((place[1] - corner[1]) / voxel),
                               (float)((place[2] - corner[2]) / voxel)}};
    for (int v = 0; v < camera->h; v++)
        for (int u = 0; u < camera->w; u++) {
            const float start = tiles->start[v / TILE * tiles->across + u / TILE];
            double d[3];
            ray_direction(camera, pose, u, v, d);
            ray.direction = (struct vector){(float)(d[0] / voxel), (float)(d[1] / voxel),
                                            (float)(d[2] / voxel)};
            ray.inverse =
                (struct vector){1 / ray.direction.x, 1 / ray.direction.y, 1 / ray.direction.z};
            depth[v * camera->w + u] = cast(volume, &ray, start > nearest ? start : nearest);
        }
}

enum gb_status gb_tsdf_render(const struct gb_tsdf *volume, const struct gb_camera *camera,
                              const struct gb_pose *pose, float *depth) {
    struct tiles tiles = {(camera->w + TILE - 1) / TILE, (camera->h + TILE - 1) / TILE, NULL};
    tiles.start = malloc((size_t)tiles.across * (size_t)tiles.down * sizeof *tiles.start);
    if (!tiles.start)
        return gb_no_memory(cannot_fuse, volume->where);
    find_starts(volume, camera, pose, &tiles);
    render_rows(volume, camera, pose, &tiles, depth);
    free(tiles.start);
    return GB_OK;
}
