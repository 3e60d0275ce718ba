// SPDX-License-Identifier: MIT
#include "tasks/training/data_options.h"

#include <limits.h>
#include <string.h>

static const char *const scenes_names[GB_SPLITS] = {"--train-scenes", "--test-scenes"};
static const char *const frames_names[GB_SPLITS] = {"--train-frames", "--test-frames"};

void gb_data_options(struct gb_source *source, struct gb_option options[GB_DATA_OPTIONS]) {
    struct gb_scene_choice *choice = &source->choice;
    const struct gb_option own[GB_DATA_OPTIONS] = {
        gb_option_string("data", "DIR", &source->directory,
                         "the data set as published (default: generated data)"),
        gb_option_string("masks", "DIR", &source->masks,
                         "(horses only) masks of two values for any images: --data is then their "
                         "directory, and names match"),
        gb_option_string("split-dir", "DIR", &source->split_directory,
                         "lists of the split (default: the task's rule)"),
        gb_option_flag("allow-uniform-masks", &source->uniform_masks,
                       "use masks without any foreground or background"),
        gb_option_string("train-scenes", "A[,B...]", &choice->scenes[GB_SPLIT_TRAIN],
                         "(depth only) scenes to train on (default: chess)"),
        gb_option_string("test-scenes", "A[,B...]", &choice->scenes[GB_SPLIT_TEST],
                         "(depth only) scenes to test on (default: all others)"),
        gb_option_int("train-frames", "N", &choice->frames[GB_SPLIT_TRAIN], 1, INT_MAX,
                      "(depth only) maximum number of training frames (default: 200, as in the "
                      "paper)"),
        gb_option_int("test-frames", "N", &choice->frames[GB_SPLIT_TEST], 1, INT_MAX,
                      "(depth only) maximum number of test frames (default: 5500, as in the "
                      "paper)"),
    };
    memcpy(options, own, sizeof own);
}

// The name of a scene option that was given; NULL if none was.
static const char *given(const struct gb_scene_choice *choice) {
    for (int split = 0; split < GB_SPLITS; split++) {
        if (choice->scenes[split])
            return scenes_names[split];
        if (choice->frames[split])
            return frames_names[split];
    }
    return NULL;
}

static enum gb_status check_scenes(const struct gb_task *task, const struct gb_source *source) {
    const char *name = given(&source->choice);
    if (!name)
        return GB_OK;
    if (!task->has_scenes)
        return gb_fail(GB_BAD_INPUT, "unknown option", name, "the data of %s have no scenes",
                       task->name);
    if (!source->directory)
        return gb_fail(GB_BAD_INPUT, "missing option", "--data", "required by %s", name);
    if (source->split_directory)
        return gb_fail(GB_BAD_INPUT, "conflicting options", name,
                       "--split-dir already lists the frames");
    return GB_OK;
}

enum gb_status gb_data_options_check(const struct gb_task *task, const struct gb_source *source) {
    if (source->masks && !task->own_masks)
        return gb_fail(GB_BAD_INPUT, "unknown option", "--masks", "does not apply to %s",
                       task->name);
    if (source->masks && !source->directory)
        return gb_fail(GB_BAD_INPUT, "missing option", "--data",
                       "required by --masks: the directory of their images");
    if (source->split_directory && !source->directory)
        return gb_fail(GB_BAD_INPUT, "missing option", "--data", "required by --split-dir");
    if (source->width && !task->own_masks)
        return gb_fail(GB_BAD_INPUT, "unknown option", "--width", "does not apply to %s",
                       task->name);
    if (source->width && !source->directory)
        return gb_fail(GB_BAD_INPUT, "missing option", "--data",
                       "generated images are square, not %d x %d", source->size, source->width);
    return check_scenes(task, source);
}
