// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // struct stat's nanoseconds
#include "tasks/data/depth_maps.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/atomic_file.h"
#include "base/cache.h"
#include "base/hash.h"
#include "kernels/parallel.h"
#include "kernels/random/random.h"
#include "tasks/data/scenes_data.h"
#include "tasks/data/tsdf.h"

static const char cannot_load[] = "cannot load depth maps";

// ---- maps ----

static size_t pixels_of(const struct gb_depth_maps *maps) {
    return (size_t)maps->count * (size_t)maps->h * (size_t)maps->w;
}

enum gb_status gb_depth_maps_create(struct gb_depth_maps *maps, int count, int h, int w) {
    *maps = (struct gb_depth_maps){.count = count, .h = h, .w = w};
    maps->raw = calloc(pixels_of(maps) + 1, sizeof *maps->raw);
    maps->clean = calloc(pixels_of(maps) + 1, sizeof *maps->clean);
    maps->names = calloc((size_t)count + 1, sizeof *maps->names);
    if (maps->raw && maps->clean && maps->names)
        return GB_OK;
    maps->count = maps->names ? count : 0;
    gb_depth_maps_free(maps);
    return gb_fail(GB_OUT_OF_MEMORY, cannot_load, "maps", "no memory for %d of %d x %d", count, w,
                   h);
}

void gb_depth_maps_free(struct gb_depth_maps *maps) {
    for (int i = 0; i < maps->count; i++)
        free(maps->names[i]);
    free(maps->names);
    free(maps->raw);
    free(maps->clean);
    *maps = (struct gb_depth_maps){0};
}

enum gb_status gb_depth_maps_name(struct gb_depth_maps *maps, int index, const char *name) {
    maps->names[index] = strdup(name);
    return maps->names[index] ? GB_OK : gb_no_memory(cannot_load, name);
}

uint64_t gb_depth_maps_hash(const struct gb_depth_maps *maps) {
    uint64_t hash = gb_hash_word(gb_hash_word(GB_HASH_BASIS, (uint64_t)maps->h), (uint64_t)maps->w);
    const size_t pixels = pixels_of(maps);
    for (size_t i = 0; i < pixels; i++)
        hash = gb_hash_word(hash, (uint64_t)maps->raw[i] << 16 | maps->clean[i]);
    return hash;
}

// ---- the cache ----

// To be raised when the same frames and parameters give different maps.
enum { PREPARATION = 1 };

struct record {
    char magic[8];
    uint64_t key;
    uint64_t hash[GB_SPLITS];
};
static const char magic[8] = "gbdepth1";

// A missing file hashes as zeros; reading it reports the error.
static enum gb_status hash_file(const struct gb_scenes *scenes, int frame, const char *ending,
                                uint64_t *hash) {
    char *path = gb_scenes_path(scenes, frame, ending);
    if (!path)
        return gb_no_memory(cannot_load, scenes->directory);
    struct stat file = {0};
    if (stat(path, &file) != 0)
        file = (struct stat){0};
    *hash = gb_hash_word(*hash, (uint64_t)file.st_size);
    *hash = gb_hash_word(*hash, (uint64_t)file.st_mtim.tv_sec);
    *hash = gb_hash_word(*hash, (uint64_t)file.st_mtim.tv_nsec);
    free(path);
    return GB_OK;
}

static const struct gb_tsdf_options volume_options = {
    .voxel = GB_DEPTH_VOXEL,
    .truncation = GB_DEPTH_TRUNCATION,
    .nearest = GB_DEPTH_NEAREST,
    .farthest = GB_DEPTH_FARTHEST,
    .min_weight = GB_DEPTH_WEIGHT,
    .max_bytes = (size_t)1 << 30,
};

static enum gb_status make_key(const struct gb_scenes *scenes, const struct gb_list_split *split,
                               int h, int w, uint64_t *key) {
    const int sizes[] = {PREPARATION, GB_DEPTH_FUSED, h, w};
    uint64_t hash = gb_hash_bytes(GB_HASH_BASIS, sizes, sizeof sizes);
    // Neither has padding.
    hash = gb_hash_bytes(hash, &scenes->camera, sizeof scenes->camera);
    hash = gb_hash_bytes(hash, &volume_options, sizeof volume_options);
    for (int frame = 0; frame < scenes->frames.count; frame++) {
        const char *name = scenes->frames.names[frame];
        hash = gb_hash_bytes(hash, name, strlen(name) + 1);
        GB_TRY(hash_file(scenes, frame, ".depth.png", &hash));
        GB_TRY(hash_file(scenes, frame, ".pose.txt", &hash));
    }
    for (int which = 0; which < GB_SPLITS; which++) {
        hash = gb_hash_word(hash, (uint64_t)split->count[which]);
        for (int i = 0; i < split->count[which]; i++)
            hash = gb_hash_word(hash, (uint64_t)split->indices[which][i]);
    }
    *key = hash;
    return GB_OK;
}

static bool read_maps(FILE *stream, const struct gb_depth_maps *maps, uint64_t hash) {
    const size_t pixels = pixels_of(maps);
    return fread(maps->raw, sizeof *maps->raw, pixels, stream) == pixels &&
           fread(maps->clean, sizeof *maps->clean, pixels, stream) == pixels &&
           gb_depth_maps_hash(maps) == hash;
}

// False if the file is missing or incomplete; the contents of the maps are then undefined.
static bool read_cache(const char *path, uint64_t key, const struct gb_depth_maps splits[]) {
    FILE *stream = fopen(path, "rb");
    if (!stream)
        return false;
    struct record record;
    bool valid = fread(&record, sizeof record, 1, stream) == 1 &&
                 memcmp(record.magic, magic, sizeof magic) == 0 && record.key == key;
    for (int which = 0; valid && which < GB_SPLITS; which++)
        valid = read_maps(stream, &splits[which], record.hash[which]);
    fclose(stream);
    return valid;
}

static enum gb_status write_cache(const char *path, uint64_t key,
                                  const struct gb_depth_maps splits[]) {
    struct record record = {.key = key};
    memcpy(record.magic, magic, sizeof magic);
    for (int which = 0; which < GB_SPLITS; which++)
        record.hash[which] = gb_depth_maps_hash(&splits[which]);
    struct gb_atomic_file file = {0};
    GB_TRY(gb_atomic_open(&file, path));
    fwrite(&record, sizeof record, 1, file.stream);
    for (int which = 0; which < GB_SPLITS; which++) {
        const size_t pixels = pixels_of(&splits[which]);
        fwrite(splits[which].raw, sizeof(uint16_t), pixels, file.stream);
        fwrite(splits[which].clean, sizeof(uint16_t), pixels, file.stream);
    }
    return gb_atomic_commit(&file);
}

// ---- preparation ----

// Depth maps read in parallel before they are fused one by one.
enum { BATCH = 16 };

// One map to be made.
struct job {
    int frame, index;
    enum gb_split split;
};

struct preparation {
    const struct gb_scenes *scenes;
    struct gb_depth_maps *splits;
    int threads;

    struct gb_tsdf *volume; // of the current scene
    int first, stride;      // of the frames of a batch
    struct gb_pose *poses;  // by frame, of the current scene
    struct gb_image batch[BATCH];

    struct job *jobs; // by frame
    int job_count, next;
};

static enum gb_status read_frame(void *argument, int i) {
    struct preparation *p = argument;
    return gb_scenes_read_depth(p->scenes, p->first + i * p->stride, &p->batch[i]);
}

// Fuses `count` frames from p->first on.
static enum gb_status fuse_batch(struct preparation *p, int count) {
    enum gb_status status = gb_parallel_tries(p->threads, count, read_frame, p);
    for (int i = 0; i < count && status == GB_OK; i++)
        status = gb_tsdf_fuse(p->volume, &p->scenes->camera, &p->poses[p->first + i * p->stride],
                              p->batch[i].pixels16, p->threads);
    for (int i = 0; i < count; i++)
        gb_image_free(&p->batch[i]);
    return status;
}

static enum gb_status fuse_scene(struct preparation *p, int begin, int end) {
    for (int frame = begin; frame < end; frame++)
        GB_TRY(gb_scenes_read_pose(p->scenes, frame, &p->poses[frame]));
    GB_TRY(gb_tsdf_create(&volume_options, p->poses + begin, end - begin,
                          p->scenes->frames.names[begin], &p->volume));
    p->stride = (end - begin + GB_DEPTH_FUSED - 1) / GB_DEPTH_FUSED;
    for (p->first = begin; p->first < end; p->first += BATCH * p->stride) {
        int left = (end - p->first + p->stride - 1) / p->stride;
        GB_TRY(fuse_batch(p, left < BATCH ? left : BATCH));
    }
    return GB_OK;
}

static bool is_measured(uint16_t depth) {
    return depth >= GB_DEPTH_NEAREST * GB_DEPTH_RAW_LEVELS &&
           depth <= GB_DEPTH_FARTHEST * GB_DEPTH_RAW_LEVELS;
}

struct window {
    int x, y, w, h;
};

static struct window random_window(const struct gb_image *depth, int index, int h, int w) {
    enum { TRIES = 16, SEED = 1 };
    const struct gb_random_key key = {
        .seed = SEED, .purpose = GB_RANDOM_SPLIT, .sample = (uint32_t)index};
    struct window window = {.w = w, .h = h};
    for (uint32_t attempt = 0; attempt < TRIES; attempt++) {
        float across = gb_random_uniform(&key, 2 * attempt),
              down = gb_random_uniform(&key, 2 * attempt + 1);
        window.x = (int)(across * (float)(depth->w - w + 1));
        window.y = (int)(down * (float)(depth->h - h + 1));
        int measured = 0;
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++)
                measured += is_measured(depth->pixels16[(window.y + y) * depth->w + window.x + x]);
        if (2 * measured >= w * h)
            break;
    }
    return window;
}

static void store(const struct gb_image *depth, const struct window *window, const float *rendered,
                  const struct gb_depth_maps *maps, int index) {
    const size_t first = (size_t)index * (size_t)maps->h * (size_t)maps->w;
    for (int y = 0; y < window->h; y++)
        for (int x = 0; x < window->w; x++) {
            const size_t i = (size_t)(y * window->w + x);
            uint16_t raw = depth->pixels16[(window->y + y) * depth->w + window->x + x];
            maps->raw[first + i] = is_measured(raw) ? raw : 0;
            maps->clean[first + i] = (uint16_t)rintf(rendered[i] * GB_DEPTH_CLEAN_LEVELS);
        }
}

// Makes the map of job p->next + i.
static enum gb_status make_map(void *argument, int i) {
    const struct preparation *p = argument;
    const struct job *job = &p->jobs[p->next + i];
    const struct gb_depth_maps *maps = &p->splits[job->split];
    struct gb_image depth;
    GB_TRY(gb_scenes_read_depth(p->scenes, job->frame, &depth));
    struct window window = {.w = depth.w, .h = depth.h};
    if (job->split == GB_SPLIT_TEST)
        window = random_window(&depth, job->index, maps->h, maps->w);
    struct gb_camera camera = p->scenes->camera;
    camera.w = window.w, camera.h = window.h;
    camera.cx -= window.x, camera.cy -= window.y;
    float *rendered = malloc((size_t)window.w * (size_t)window.h * sizeof *rendered);
    enum gb_status status =
        rendered ? gb_tsdf_render(p->volume, &camera, &p->poses[job->frame], rendered)
                 : gb_no_memory(cannot_load, p->scenes->directory);
    if (status == GB_OK)
        store(&depth, &window, rendered, maps, job->index);
    free(rendered);
    gb_image_free(&depth);
    return status;
}

// Makes the remaining maps of frames before `end`.
static enum gb_status make_maps(struct preparation *p, int end) {
    int after = p->next;
    while (after < p->job_count && p->jobs[after].frame < end)
        after++;
    GB_TRY(gb_parallel_tries(p->threads, after - p->next, make_map, p));
    p->next = after;
    return GB_OK;
}

static int by_frame(const void *a, const void *b) {
    return ((const struct job *)a)->frame - ((const struct job *)b)->frame;
}

static enum gb_status create_jobs(struct preparation *p, const struct gb_list_split *split) {
    const size_t count = (size_t)(split->count[GB_SPLIT_TRAIN] + split->count[GB_SPLIT_TEST]);
    p->jobs = calloc(count, sizeof *p->jobs);
    p->poses = calloc((size_t)p->scenes->frames.count, sizeof *p->poses);
    if (!p->jobs || !p->poses)
        return gb_no_memory(cannot_load, p->scenes->directory);
    for (int which = 0; which < GB_SPLITS; which++)
        for (int i = 0; i < split->count[which]; i++)
            p->jobs[p->job_count++] =
                (struct job){split->indices[which][i], i, (enum gb_split)which};
    qsort(p->jobs, count, sizeof *p->jobs, by_frame);
    return GB_OK;
}

// Scene by scene, without those that no split uses.
static enum gb_status make_scenes(struct preparation *p) {
    for (int begin = 0, end; p->next < p->job_count; begin = end) {
        end = gb_scenes_scene_end(p->scenes, begin);
        if (p->jobs[p->next].frame >= end)
            continue;
        enum gb_status status = fuse_scene(p, begin, end);
        if (status == GB_OK)
            status = make_maps(p, end);
        gb_tsdf_free(p->volume);
        p->volume = NULL;
        GB_TRY(status);
    }
    return GB_OK;
}

static enum gb_status prepare(const struct gb_scenes *scenes, const struct gb_list_split *split,
                              int threads, struct gb_depth_maps splits[]) {
    struct preparation p = {.scenes = scenes, .splits = splits, .threads = threads};
    enum gb_status status = create_jobs(&p, split);
    if (status == GB_OK)
        status = make_scenes(&p);
    free(p.jobs);
    free(p.poses);
    return status;
}

// ---- loading ----

static enum gb_status create_maps(const struct gb_scenes *scenes, const struct gb_list_split *split,
                                  int h, int w, struct gb_depth_maps splits[]) {
    const int train = split->count[GB_SPLIT_TRAIN], test = split->count[GB_SPLIT_TEST];
    GB_TRY(gb_depth_maps_create(&splits[GB_SPLIT_TRAIN], train, GB_SCENES_H, GB_SCENES_W));
    GB_TRY(gb_depth_maps_create(&splits[GB_SPLIT_TEST], test, h, w));
    for (int which = 0; which < GB_SPLITS; which++)
        for (int i = 0; i < split->count[which]; i++)
            GB_TRY(gb_depth_maps_name(&splits[which], i,
                                      scenes->frames.names[split->indices[which][i]]));
    return GB_OK;
}

static enum gb_status find_or_prepare(const struct gb_scenes *scenes,
                                      const struct gb_list_split *split,
                                      const struct gb_source *source,
                                      struct gb_depth_maps splits[]) {
    static const char warning[] = "%s: depth maps are not cached and will be regenerated";
    const struct gb_depth_maps *test = &splits[GB_SPLIT_TEST];
    uint64_t key;
    char name[64], path[GB_PATH];
    GB_TRY(make_key(scenes, split, test->h, test->w, &key));
    snprintf(name, sizeof name, "depth-%016llx.maps", (unsigned long long)key);
    const bool has_directory = gb_cache_path(name, path) == GB_OK;
    if (has_directory && read_cache(path, key, splits))
        return GB_OK;
    const bool can_write = has_directory && gb_atomic_probe(path) == GB_OK;
    if (!can_write)
        gb_source_note(source, warning, gb_error_message());
    GB_TRY(prepare(scenes, split, source->threads, splits));
    if (can_write && write_cache(path, key, splits) != GB_OK)
        gb_source_note(source, warning, gb_error_message());
    return GB_OK;
}

static enum gb_status load(const struct gb_scenes *scenes, const struct gb_source *source, int h,
                           int w, struct gb_depth_maps splits[]) {
    struct gb_list_split split;
    GB_TRY(gb_scenes_split(scenes, source, &split));
    enum gb_status status = create_maps(scenes, &split, h, w, splits);
    if (status == GB_OK)
        status = find_or_prepare(scenes, &split, source, splits);
    gb_list_split_free(&split);
    return status;
}

enum gb_status gb_depth_maps_load(const struct gb_source *source, int h, int w,
                                  struct gb_depth_maps splits[]) {
    for (int which = 0; which < GB_SPLITS; which++)
        splits[which] = (struct gb_depth_maps){0};
    if (h > GB_SCENES_H || w > GB_SCENES_W)
        return gb_fail(GB_BAD_INPUT, cannot_load, "size", "frames have %d x %d pixels, not %d x %d",
                       GB_SCENES_W, GB_SCENES_H, w, h);
    struct gb_scenes scenes;
    GB_TRY(gb_scenes_open(source->directory, &scenes));
    enum gb_status status = load(&scenes, source, h, w, splits);
    gb_scenes_free(&scenes);
    for (int which = 0; status != GB_OK && which < GB_SPLITS; which++)
        gb_depth_maps_free(&splits[which]);
    return status;
}
