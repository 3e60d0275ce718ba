// SPDX-License-Identifier: MIT
// 7-Scenes (Shotton et al. 2013) as published: rooms recorded with a Kinect,
// DIR/SCENE/seq-NN/frame-NNNNNN.depth.png (640 x 480, 16 bits, mm, 0 and 65535 for no measurement)
// and frame-NNNNNN.pose.txt (4 x 4, camera to world, metres; all sequences of a scene share a
// world). Colour images are not read. Intrinsics are the published 585, 585, 320, 240, or those of
// DIR/camera-intrinsics.txt (3 x 3). TrainSplit.txt and TestSplit.txt, the relocalisation splits,
// are not used.
#ifndef GB_SCENES_DATA_H
#define GB_SCENES_DATA_H

#include "base/status.h"
#include "tasks/data/dataset.h"
#include "tasks/data/lists.h"
#include "tasks/data/tsdf.h"
#include "tasks/images/image.h"

enum { GB_SCENES_W = 640, GB_SCENES_H = 480 };

struct gb_scenes {
    char *directory;
    struct gb_camera camera;
    struct gb_list frames; // "SCENE/seq-NN/frame-NNNNNN", in byte order
};

// Finds the frames. GB_BAD_INPUT with the file and the reason: a directory missing or without depth
// maps, a pose without its depth map (which would shift the split), bad intrinsics. On failure
// nothing is held.
enum gb_status gb_scenes_open(const char *directory, struct gb_scenes *scenes);
void gb_scenes_free(struct gb_scenes *scenes);

// Reads one frame. GB_BAD_INPUT where the file is missing or damaged, a depth map is not 16-bit
// grey or has another size, or a pose is not a rigid transform.
enum gb_status gb_scenes_read_depth(const struct gb_scenes *scenes, int frame,
                                    struct gb_image *depth);
enum gb_status gb_scenes_read_pose(const struct gb_scenes *scenes, int frame, struct gb_pose *pose);

// The path of a frame's file, `ending` being ".depth.png" or ".pose.txt". The caller frees it; NULL
// without memory.
char *gb_scenes_path(const struct gb_scenes *scenes, int frame, const char *ending);

// The end of the scene of `frame`: the first frame of the next scene, or the count.
int gb_scenes_scene_end(const struct gb_scenes *scenes, int frame);

// The c-Glow paper's split: 200 frames of Chess for training and 5,500 of the other scenes for
// testing. It does not say which: here, evenly spaced over Chess, and over the other scenes' frames
// in byte order. The same applies with fewer scenes, if Chess is one of at least two.
#define GB_SCENES_TRAIN_SCENE "chess"
enum { GB_SCENES_TRAIN = 200, GB_SCENES_TEST = 5500 };
// Without Chess, or with Chess only, all frames in byte order are one sequence: a block of it
// trains, the rest after a gap tests. These are the sizes for GB_SCENES_ROW frames; fewer are split
// in proportion, more leave more to the test.
enum { GB_SCENES_GAP = 20, GB_SCENES_ROW = 303 };

// Splits the frames by the lists depth_train.txt and depth_test.txt of source->split_directory (one
// "SCENE/seq-NN/frame-NNNNNN" per line), by source->choice, or as above. Chosen scenes are used
// completely; the defaults are Chess for training and all others for testing, with evenly spaced
// frames up to the number chosen (default: the paper's; in one sequence: all). GB_BAD_INPUT for bad
// lists (tasks/data/lists.h), a scene that is missing or named twice (only lists can split a
// scene), a side without a scene, and fewer than 2 frames.
enum gb_status gb_scenes_split(const struct gb_scenes *scenes, const struct gb_source *source,
                               struct gb_list_split *split);

#endif
