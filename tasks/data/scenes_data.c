// SPDX-License-Identifier: MIT
#include "tasks/data/scenes_data.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/minmax.h"

static const char cannot_read[] = "cannot read 7-Scenes";
static const char depth_ending[] = ".depth.png", pose_ending[] = ".pose.txt";

// ---- numbers in text ----

// Reads exactly `count` finite numbers.
static enum gb_status read_numbers(const char *path, int count, double *numbers) {
    FILE *stream;
    GB_TRY(gb_text_open(cannot_read, path, &stream));
    int read = 0;
    while (read < count && fscanf(stream, "%lf", &numbers[read]) == 1 && isfinite(numbers[read]))
        read++;
    char rest;
    bool whole = read == count && fscanf(stream, " %c", &rest) == EOF;
    fclose(stream);
    return whole ? GB_OK
                 : gb_fail(GB_BAD_INPUT, cannot_read, path, "it is not %d finite numbers", count);
}

static enum gb_status read_camera(const char *directory, struct gb_camera *camera) {
    *camera = (struct gb_camera){
        .w = GB_SCENES_W, .h = GB_SCENES_H, .fx = 585, .fy = 585, .cx = 320, .cy = 240};
    char path[GB_PATH];
    struct stat file;
    double k[9];
    GB_TRY(gb_path_join(directory, "camera-intrinsics.txt", path));
    if (stat(path, &file) != 0 && errno == ENOENT)
        return GB_OK;
    GB_TRY(read_numbers(path, 9, k));
    camera->fx = k[0], camera->cx = k[2];
    camera->fy = k[4], camera->cy = k[5];
    // Focal lengths from a tenth to ten times the width.
    const double min = GB_SCENES_W / 10.0, max = GB_SCENES_W * 10.0;
    bool focal = k[0] >= min && k[0] <= max && k[4] >= min && k[4] <= max;
    bool pinhole = focal && k[1] == 0 && k[3] == 0 && k[6] == 0 && k[7] == 0 && k[8] == 1;
    bool in_view = k[2] > 0 && k[2] < GB_SCENES_W && k[5] > 0 && k[5] < GB_SCENES_H;
    return pinhole && in_view
               ? GB_OK
               : gb_fail(GB_BAD_INPUT, cannot_read, path,
                         "these are not the intrinsics of a camera of %d x %d pixels without skew",
                         GB_SCENES_W, GB_SCENES_H);
}

// ---- frames ----

// The length of a file's name without its ending.
static int stem(const char *name, const char *ending) {
    return (int)(strlen(name) - strlen(ending));
}

// A pose without its depth map would shift the split.
static enum gb_status check_poses(const char *directory, const struct gb_list *depths) {
    struct gb_list poses;
    GB_TRY(gb_list_entries(directory, pose_ending, &poses));
    enum gb_status status = GB_OK;
    for (int i = 0; status == GB_OK && i < poses.count; i++) {
        const char *pose = poses.names[i];
        char *depth = gb_format("%.*s%s", stem(pose, pose_ending), pose, depth_ending);
        if (!depth)
            status = gb_no_memory(cannot_read, directory);
        else if (gb_list_find(depths, depth) < 0)
            status = gb_fail(GB_BAD_INPUT, cannot_read, directory, "%s has no %s next to it", pose,
                             depth);
        free(depth);
    }
    gb_list_free(&poses);
    return status;
}

// Adds the frames of DIR/SCENE/SEQUENCE.
static enum gb_status add_sequence(struct gb_list *frames, const char *root, const char *scene,
                                   const char *sequence) {
    char directory[GB_PATH];
    struct gb_list held;
    GB_TRY(gb_path_format(directory, "%s/%s/%s", root, scene, sequence));
    GB_TRY(gb_list_entries(directory, depth_ending, &held));
    enum gb_status status = check_poses(directory, &held);
    for (int i = 0; status == GB_OK && i < held.count; i++)
        status = gb_list_add(frames,
                             gb_format("%s/%s/%.*s", scene, sequence,
                                       stem(held.names[i], depth_ending), held.names[i]),
                             directory);
    gb_list_free(&held);
    return status;
}

static enum gb_status add_scene(struct gb_list *frames, const char *root, const char *scene) {
    char directory[GB_PATH];
    struct gb_list sequences;
    GB_TRY(gb_path_join(root, scene, directory));
    GB_TRY(gb_list_subdirectories(directory, &sequences));
    enum gb_status status = GB_OK;
    for (int i = 0; status == GB_OK && i < sequences.count; i++)
        if (strncmp(sequences.names[i], "seq-", 4) == 0)
            status = add_sequence(frames, root, scene, sequences.names[i]);
    gb_list_free(&sequences);
    return status;
}

static enum gb_status find_frames(const char *root, struct gb_list *frames) {
    struct gb_list scenes;
    GB_TRY(gb_list_subdirectories(root, &scenes));
    enum gb_status status = GB_OK;
    for (int i = 0; status == GB_OK && i < scenes.count; i++)
        status = add_scene(frames, root, scenes.names[i]);
    gb_list_free(&scenes);
    GB_TRY(status);
    if (frames->count == 0)
        return gb_fail(GB_BAD_INPUT, cannot_read, root, "it holds no SCENE/seq-NN/frame-NNNNNN%s",
                       depth_ending);
    gb_list_sort(frames);
    return GB_OK;
}

enum gb_status gb_scenes_open(const char *directory, struct gb_scenes *scenes) {
    *scenes = (struct gb_scenes){.directory = strdup(directory)};
    enum gb_status status = scenes->directory ? read_camera(directory, &scenes->camera)
                                              : gb_no_memory(cannot_read, directory);
    if (status == GB_OK)
        status = find_frames(directory, &scenes->frames);
    if (status != GB_OK)
        gb_scenes_free(scenes);
    return status;
}

void gb_scenes_free(struct gb_scenes *scenes) {
    gb_list_free(&scenes->frames);
    free(scenes->directory);
    *scenes = (struct gb_scenes){0};
}

char *gb_scenes_path(const struct gb_scenes *scenes, int frame, const char *ending) {
    return gb_format("%s/%s%s", scenes->directory, scenes->frames.names[frame], ending);
}

enum gb_status gb_scenes_read_depth(const struct gb_scenes *scenes, int frame,
                                    struct gb_image *depth) {
    *depth = (struct gb_image){0};
    char *path = gb_scenes_path(scenes, frame, depth_ending);
    enum gb_status status =
        path ? gb_image_read_grey16(path, depth) : gb_no_memory(cannot_read, scenes->directory);
    if (status == GB_OK && (depth->w != GB_SCENES_W || depth->h != GB_SCENES_H)) {
        status = gb_fail(GB_BAD_INPUT, cannot_read, path, "it has %d x %d pixels, not %d x %d",
                         depth->w, depth->h, GB_SCENES_W, GB_SCENES_H);
        gb_image_free(depth);
    }
    free(path);
    return status;
}

// The published rotations are orthonormal within 1e-6.
static bool is_rotation(double r[3][3]) {
    const double tolerance = 1e-3;
    bool rotation = true;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            double dot = r[0][i] * r[0][j] + r[1][i] * r[1][j] + r[2][i] * r[2][j];
            rotation = rotation && fabs(dot - (i == j)) < tolerance;
        }
    double determinant = r[0][0] * (r[1][1] * r[2][2] - r[1][2] * r[2][1]) -
                         r[0][1] * (r[1][0] * r[2][2] - r[1][2] * r[2][0]) +
                         r[0][2] * (r[1][0] * r[2][1] - r[1][1] * r[2][0]);
    return rotation && determinant > 0;
}

enum gb_status gb_scenes_read_pose(const struct gb_scenes *scenes, int frame,
                                   struct gb_pose *pose) {
    char *path = gb_scenes_path(scenes, frame, pose_ending);
    if (!path)
        return gb_no_memory(cannot_read, scenes->directory);
    double m[16];
    enum gb_status status = read_numbers(path, 16, m);
    for (int row = 0; status == GB_OK && row < 3; row++) {
        memcpy(pose->rotation[row], &m[4 * row], sizeof pose->rotation[row]);
        pose->position[row] = m[4 * row + 3];
    }
    bool motion = status == GB_OK && m[12] == 0 && m[13] == 0 && m[14] == 0 && m[15] == 1 &&
                  is_rotation(pose->rotation);
    if (status == GB_OK && !motion)
        status = gb_fail(GB_BAD_INPUT, cannot_read, path, "the matrix is not a rigid transform");
    free(path);
    return status;
}

// ---- splits ----

static size_t scene_length(const char *name) {
    return strcspn(name, "/");
}

int gb_scenes_scene_end(const struct gb_scenes *scenes, int frame) {
    const char *scene = scenes->frames.names[frame];
    size_t length = scene_length(scene) + 1; // with the slash
    int end = frame;
    while (end < scenes->frames.count && strncmp(scenes->frames.names[end], scene, length) == 0)
        end++;
    return end;
}

// The frames [begin, end) of the scene; empty where it is not there.
struct range {
    int begin, end;
};

static struct range find_scene(const struct gb_scenes *scenes, const char *scene, size_t length) {
    for (int begin = 0; begin < scenes->frames.count;) {
        int end = gb_scenes_scene_end(scenes, begin);
        const char *name = scenes->frames.names[begin];
        if (scene_length(name) == length && strncmp(name, scene, length) == 0)
            return (struct range){begin, end};
        begin = end;
    }
    return (struct range){0, 0};
}

// `sides`: for each frame the split that it belongs to, or GB_SPLITS.
static void assign(struct range range, enum gb_split which, enum gb_split *sides) {
    for (int frame = range.begin; frame < range.end; frame++)
        sides[frame] = which;
}

// Up to `most` evenly spaced frames of a side.
static enum gb_status take_evenly(const struct gb_scenes *scenes, const enum gb_split *sides,
                                  enum gb_split which, int most, struct gb_list_split *split) {
    int held = 0, taken = 0;
    for (int frame = 0; frame < scenes->frames.count; frame++)
        held += sides[frame] == which;
    if (held == 0)
        return gb_fail(GB_BAD_INPUT, cannot_read, scenes->directory, "no scene is left to %s",
                       gb_split_name(which));
    const int count = split->count[which] = gb_min_int(held, most);
    for (int frame = 0, place = 0; taken < count; frame++)
        if (sides[frame] == which && place++ == (int64_t)taken * held / count)
            split->indices[which][taken++] = frame;
    return GB_OK;
}

// Assigns the scenes of "chess,fire" to a side.
static enum gb_status assign_scenes(const struct gb_scenes *scenes, const char *names,
                                    enum gb_split which, enum gb_split *sides) {
    for (const char *name = names;; name++) {
        const size_t length = strcspn(name, ",");
        const struct range scene = find_scene(scenes, name, length);
        if (scene.end == 0)
            return gb_fail(GB_BAD_INPUT, cannot_read, scenes->directory, "it has no scene \"%.*s\"",
                           (int)length, name);
        if (sides[scene.begin] != GB_SPLITS)
            return gb_fail(GB_BAD_INPUT, "cannot split scenes", names,
                           "\"%.*s\" is named twice; lists of frames can split a scene",
                           (int)length, name);
        assign(scene, which, sides);
        name += length;
        if (!*name)
            return GB_OK;
    }
}

static enum gb_status split_by_scenes(const struct gb_scenes *scenes,
                                      const struct gb_scene_choice *choice, enum gb_split *sides,
                                      struct gb_list_split *split) {
    const char *train = choice->scenes[GB_SPLIT_TRAIN], *test = choice->scenes[GB_SPLIT_TEST];
    const int published[GB_SPLITS] = {GB_SCENES_TRAIN, GB_SCENES_TEST};
    GB_TRY(assign_scenes(scenes, train ? train : GB_SCENES_TRAIN_SCENE, GB_SPLIT_TRAIN, sides));
    if (test)
        GB_TRY(assign_scenes(scenes, test, GB_SPLIT_TEST, sides));
    for (int frame = 0; !test && frame < scenes->frames.count; frame++)
        if (sides[frame] == GB_SPLITS)
            sides[frame] = GB_SPLIT_TEST;
    for (int which = 0; which < GB_SPLITS; which++)
        GB_TRY(take_evenly(scenes, sides, (enum gb_split)which,
                           choice->frames[which] ? choice->frames[which] : published[which],
                           split));
    return GB_OK;
}

static enum gb_status split_row(const struct gb_scenes *scenes,
                                const struct gb_scene_choice *choice, enum gb_split *sides,
                                struct gb_list_split *split) {
    const int count = scenes->frames.count, scale = gb_min_int(count, GB_SCENES_ROW);
    const int train = scale * GB_SCENES_TRAIN / GB_SCENES_ROW,
              gap = scale * GB_SCENES_GAP / GB_SCENES_ROW;
    if (train < 1)
        return gb_fail(GB_BAD_INPUT, cannot_read, scenes->directory, "%d frame is too few to split",
                       count);
    assign((struct range){0, train}, GB_SPLIT_TRAIN, sides);
    assign((struct range){train + gap, count}, GB_SPLIT_TEST, sides);
    for (int which = 0; which < GB_SPLITS; which++)
        GB_TRY(take_evenly(scenes, sides, (enum gb_split)which,
                           choice->frames[which] ? choice->frames[which] : count, split));
    return GB_OK;
}

static bool has_chess_and_others(const struct gb_scenes *scenes) {
    const struct range chess =
        find_scene(scenes, GB_SCENES_TRAIN_SCENE, strlen(GB_SCENES_TRAIN_SCENE));
    return chess.end > 0 && chess.end - chess.begin < scenes->frames.count;
}

static enum gb_status split_by_rule(const struct gb_scenes *scenes,
                                    const struct gb_scene_choice *choice,
                                    struct gb_list_split *split) {
    GB_TRY(gb_list_split_create(split, scenes->frames.count));
    enum gb_split *sides = calloc((size_t)scenes->frames.count, sizeof *sides);
    if (!sides)
        return gb_no_memory(cannot_read, scenes->directory);
    assign((struct range){0, scenes->frames.count}, GB_SPLITS, sides);
    const bool chosen = choice->scenes[GB_SPLIT_TRAIN] || choice->scenes[GB_SPLIT_TEST];
    const enum gb_status status = chosen || has_chess_and_others(scenes)
                                      ? split_by_scenes(scenes, choice, sides, split)
                                      : split_row(scenes, choice, sides, split);
    free(sides);
    return status;
}

enum gb_status gb_scenes_split(const struct gb_scenes *scenes, const struct gb_source *source,
                               struct gb_list_split *split) {
    static const char *const lists[GB_SPLITS] = {"depth_train.txt", "depth_test.txt"};
    enum gb_status status = source->split_directory
                                ? gb_list_split_read(source->split_directory, lists,
                                                     &scenes->frames, scenes->directory, split)
                                : split_by_rule(scenes, &source->choice, split);
    if (status != GB_OK)
        gb_list_split_free(split);
    return status;
}
