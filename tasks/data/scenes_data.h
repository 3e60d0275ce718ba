// SPDX-License-Identifier: MIT
// 7-Scenes (Shotton et al. 2013) as it is published: rooms filmed with a Kinect,
// FOLDER/SCENE/seq-NN/frame-NNNNNN.depth.png (640 x 480, 16 bits, mm, 0 and 65535 for no
// measurement) and frame-NNNNNN.pose.txt (4 x 4, camera to world, metres; of the scene's own world,
// which all its sequences share). Colour images are not read. The publishers give no file of
// intrinsics but name the camera's (585, 585, 320, 240); FOLDER/camera-intrinsics.txt (3 x 3),
// which others add, is used where it is there. TrainSplit.txt and TestSplit.txt, which split each
// scene's sequences for relocalisation, are not used.
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
// maps, a pose without its depth map, by whose absence every place in a split would change,
// intrinsics that are not a camera's; GB_OUT_OF_MEMORY. On failure nothing is held.
enum gb_status gb_scenes_open(const char *directory, struct gb_scenes *scenes);
void gb_scenes_free(struct gb_scenes *scenes);

// Reads one frame. GB_BAD_INPUT where the file is missing, truncated or damaged, a depth map is
// of 8 bits, of colour or of another size, a pose is not 16 numbers or no rigid motion.
enum gb_status gb_scenes_read_depth(const struct gb_scenes *scenes, int frame,
                                    struct gb_image *depth);
enum gb_status gb_scenes_read_pose(const struct gb_scenes *scenes, int frame, struct gb_pose *pose);

// The path of a frame's file, `ending` being ".depth.png" or ".pose.txt". The caller frees it; NULL
// where memory is short.
char *gb_scenes_path(const struct gb_scenes *scenes, int frame, const char *ending);

// The frames from `frame` on that belong to its scene: the first frame of the next one, or the
// count.
int gb_scenes_scene_end(const struct gb_scenes *scenes, int frame);

// The c-Glow paper's split: 200 frames of Chess for training and 5,500 of the other scenes for
// testing. It does not say which: here evenly spaced ones, over Chess and over all others' frames
// in byte order, so that a scene has its share. Fewer scenes than seven are split in the same way
// if Chess is one of two or more: Chess trains, the others that are there test.
#define GB_SCENES_TRAIN_SCENE "chess"
enum { GB_SCENES_TRAIN = 200, GB_SCENES_TEST = 5500 };
// Without Chess, or with nothing else, there are no two sides to take whole scenes for: all frames
// in byte order are one row, a block of which trains and another tests. These are the shares of
// training, of what is left out between the two, and of the test where there are GB_SCENES_ROW
// frames. Fewer are split in these proportions; where there are more, training and gap have the
// same, the test has the rest.
enum { GB_SCENES_GAP = 20, GB_SCENES_ROW = 303 };

struct gb_scenes_split {
    int *frames[GB_SPLITS]; // in order
    int count[GB_SPLITS];
};

// Splits as source->split_directory says, which holds depth_train.txt and depth_test.txt, a frame a
// line: "SCENE/seq-NN/frame-NNNNNN"; as source->choice says; or as above. Scenes that are chosen
// are taken whole: where none are chosen for training, Chess is; where none are for testing, all
// others are. Of more frames than the choice's number (where it has none the paper's, in a row no
// bound) evenly spaced ones are taken. GB_BAD_INPUT for lists as tasks/data/lists.h has it, for a
// scene that is not there or named twice, on whichever side (lists can split a scene), where a side
// is left without a scene, and for fewer than 2 frames.
enum gb_status gb_scenes_split(const struct gb_scenes *scenes, const struct gb_source *source,
                               struct gb_scenes_split *split);
void gb_scenes_split_free(struct gb_scenes_split *split);

#endif
