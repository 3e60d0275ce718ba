// SPDX-License-Identifier: MIT
// The text files of 7-Scenes: intrinsics, a pose and the two lists of a split.
#include "tests/fuzz/fuzz.h"

#include "tasks/data/scenes_data.h"

static void read_scene(const char *directory) {
    struct gb_scenes scenes;
    if (gb_scenes_open(directory, &scenes) != GB_OK)
        return;
    struct gb_pose pose;
    gb_scenes_read_pose(&scenes, 0, &pose);
    struct gb_list_split split;
    if (gb_scenes_split(&scenes, &(struct gb_source){.split_directory = directory}, &split) ==
        GB_OK)
        gb_list_split_free(&split);
    gb_scenes_free(&scenes);
}

void gb_fuzz_scene(const uint8_t *bytes, size_t size) {
    struct gb_fuzz_input rest = {bytes, size};
    gb_fuzz_file("chess/seq-01/frame-000000.depth.png", "", 0); // not decoded here
    gb_fuzz_file("chess/seq-01/frame-000001.depth.png", "", 0);
    gb_fuzz_part_file("camera-intrinsics.txt", &rest);
    gb_fuzz_part_file("chess/seq-01/frame-000000.pose.txt", &rest);
    gb_fuzz_part_file("depth_train.txt", &rest);
    gb_fuzz_part_file("depth_test.txt", &rest);
    read_scene(gb_fixture_path(""));
}
