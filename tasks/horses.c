// SPDX-License-Identifier: MIT
// Binary segmentation of horses (c-Glow paper, section 5.2, Table 1).
//
// Data: the Weizmann Horse Database, 200 images for training; sizes 32, 64 and 128.
// Preprocessing: the mask is copied to three channels, minus 0.5, so that its two levels lie 1
// apart around 0; uniform noise of width 1 dequantises it. Model: L = 3, K = 8, n_c = 64, n_w =
// 128. Prediction: the mean of samples, + 0.5, the mean over the copies, clipped and rounded.
// Metric: intersection over union.
#include <stdio.h>
#include <stdlib.h>

#include "tasks/data/horses_data.h"
#include "tasks/metrics/metrics.h"
#include "tasks/synthetic/synthetic_horses.h"
#include "tasks/task.h"

static enum gb_status load(const struct gb_task_source *source, struct gb_dataset splits[]) {
    if (!source->folder)
        return gb_synthetic_horses_load(GB_SYNTHETIC_HORSES_SEED, source->size,
                                        GB_SYNTHETIC_HORSES_TRAIN, GB_SYNTHETIC_HORSES_TEST,
                                        source->threads, splits);
    return gb_horses_load(source, splits);
}

static void configure(int size, struct gb_cglow_config *config) {
    *config = (struct gb_cglow_config){.x_h = size,
                                       .x_w = size,
                                       .x_c = 3,
                                       .y_h = size,
                                       .y_w = size,
                                       .y_c = 3, // copies of the mask
                                       .levels = 3,
                                       .steps = 8,
                                       .n_c = 64,
                                       .n_w = 128,
                                       .coupling_channels = 256,
                                       .feature_channels = 16,
                                       .init = GB_INIT_LIVE};
}

static void target(const struct gb_tensor *mask, const struct gb_tensor *target) {
    for (int n = 0; n < mask->n; n++)
        for (int i = 0; i < mask->h; i++)
            for (int j = 0; j < mask->w; j++)
                for (int copy = 0; copy < target->c; copy++)
                    gb_at(target, n, i, j)[copy] = *gb_at(mask, n, i, j) - 0.5f;
}

static void reveal(const struct gb_tensor *target, const struct gb_tensor *picture) {
    for (int n = 0; n < target->n; n++)
        for (int i = 0; i < target->h; i++)
            for (int j = 0; j < target->w; j++) {
                float sum = 0;
                for (int copy = 0; copy < target->c; copy++)
                    sum += gb_at(target, n, i, j)[copy];
                *gb_at(picture, n, i, j) = sum / (float)target->c + 0.5f;
            }
}

static void decide(const struct gb_tensor *picture, const struct gb_tensor *answer) {
    for (int n = 0; n < picture->n; n++)
        for (int i = 0; i < picture->h; i++)
            for (int j = 0; j < picture->w; j++)
                *gb_at(answer, n, i, j) = *gb_at(picture, n, i, j) >= 0.5f ? 1 : 0;
}

static int set_scores(json_t *metrics, const char *prefix, const struct gb_mask_scores *s) {
    const struct {
        const char *name;
        double value;
    } rows[] = {
        {"foreground_iou", s->foreground_iou},
        {"mean_iou", s->mean_iou},
        {"iou_batch10", s->iou_batch10},
        {"pixel_accuracy", s->pixel_accuracy},
    };
    int failed = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s", prefix, rows[i].name);
        failed |= json_object_set_new(metrics, name, json_real(rows[i].value));
    }
    return failed;
}

static enum gb_status score(const struct gb_dataset *train, const struct gb_dataset *test,
                            const struct gb_tensor *answers, json_t *metrics, json_t *per_image) {
    double *iou = malloc((size_t)test->count * sizeof *iou);
    float *mean_mask = malloc((size_t)test->y.h * (size_t)test->y.w * sizeof *mean_mask);
    int failed = !iou || !mean_mask;
    if (!failed) {
        struct gb_mask_scores scores;
        struct gb_trivial_scores trivial;
        gb_score_masks(&test->y, answers, &scores, iou);
        gb_mean_mask(&train->y, mean_mask);
        gb_score_trivial(mean_mask, &test->y, &trivial);
        // The better of the two blind predictors is the one to beat.
        bool background = trivial.background.mean_iou > trivial.mean_mask.mean_iou;
        failed |= set_scores(metrics, "", &scores);
        failed |=
            set_scores(metrics, "trivial_", background ? &trivial.background : &trivial.mean_mask);
        for (int i = 0; i < test->count; i++)
            failed |= json_object_set_new(json_array_get(per_image, (size_t)i), "foreground_iou",
                                          json_real(iou[i]));
    }
    free(iou);
    free(mean_mask);
    return failed ? gb_fail(GB_OUT_OF_MEMORY, "cannot score", "horses", "out of memory") : GB_OK;
}

const struct gb_task gb_horses = {
    .name = "horses",
    .summary = "binary segmentation of horses",
    .paper = "c-Glow, section 5.2, Table 1",
    .dataset = "Weizmann Horse Database: rgb/*.jpg and figure_ground/*.jpg",
    .default_size = 32,
    .level_distance = 1,
    .published_bits = 1, // log2 of the two levels, although they lie 1 apart
    .load = load,
    .configure = configure,
    .target = target,
    .reveal = reveal,
    .decide = decide,
    .score = score,
    .headline = "mean_iou",
};
