// SPDX-License-Identifier: MIT
// Binary segmentation of horses (c-Glow paper, section 5.2, Table 1).
//
// Data: Weizmann Horse Database, 200 training images; sizes 32, 64 and 128. Preprocessing: the
// mask, minus 0.5, copied to three channels; uniform noise of width 1 dequantises its two levels.
// Model: L = 3, K = 8, n_c = 64, n_w = 128. Prediction: the mean of samples + 0.5, averaged over
// the copies, clipped and rounded. Metric: intersection over union.
#include <stdlib.h>

#include "tasks/data/horses_data.h"
#include "tasks/metrics/metrics.h"
#include "tasks/metrics/record.h"
#include "tasks/recipes.h"
#include "tasks/synthetic/synthetic_horses.h"

static enum gb_status load(const struct gb_source *source, struct gb_dataset splits[]) {
    if (!source->directory)
        return gb_synthetic_horses_load(GB_SYNTHETIC_SEED, source->size, GB_SYNTHETIC_HORSES_TRAIN,
                                        GB_SYNTHETIC_HORSES_TEST, source->threads, splits);
    return gb_horses_load(source, splits);
}

enum { MASK_COPIES = 3 };

static const struct gb_task_model models[] = {
    GB_CGLOW_MODEL(GB_LEVEL_NOISE, MASK_COPIES, 3, 64, 128), GB_FCN_MODEL(1, GB_FCN_CENTRED), {0}};

static void target(const struct gb_tensor *x, const struct gb_tensor *mask,
                   const struct gb_tensor *target) {
    (void)x;
    for (int n = 0; n < mask->n; n++)
        for (int i = 0; i < mask->h; i++)
            for (int j = 0; j < mask->w; j++)
                for (int copy = 0; copy < target->c; copy++)
                    gb_at(target, n, i, j)[copy] = *gb_at(mask, n, i, j) - 0.5f;
}

static void to_image(const struct gb_tensor *x, const struct gb_tensor *target,
                     const struct gb_tensor *picture) {
    (void)x;
    for (int n = 0; n < target->n; n++)
        for (int i = 0; i < target->h; i++)
            for (int j = 0; j < target->w; j++) {
                float sum = 0;
                for (int copy = 0; copy < target->c; copy++)
                    sum += gb_at(target, n, i, j)[copy];
                *gb_at(picture, n, i, j) = sum / (float)target->c + 0.5f;
            }
}

static float is_horse(float mean) {
    return mean >= 0.5f;
}

static void postprocess(const struct gb_tensor *x, const struct gb_tensor *picture,
                        const struct gb_tensor *prediction) {
    (void)x;
    gb_map_values(picture, is_horse, prediction);
}

static enum gb_status set_scores(json_t *metrics, const char *prefix,
                                 const struct gb_mask_scores *s) {
    const struct {
        const char *name;
        double value;
    } rows[] = {
        {"foreground_iou", s->foreground_iou},
        {"mean_iou", s->mean_iou},
        {"iou_batch10", s->iou_batch10},
        {"pixel_accuracy", s->pixel_accuracy},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        GB_TRY(gb_metric_set(metrics, prefix, rows[i].name, rows[i].value));
    return GB_OK;
}

static enum gb_status add_scores(const struct gb_predictions *predictions,
                                 const struct gb_examples *train, double *iou, float *mean_mask,
                                 json_t *metrics, json_t *per_image) {
    const struct gb_tensor *truth = &predictions->examples->y;
    struct gb_mask_scores scores;
    struct gb_trivial_scores trivial;
    gb_score_masks(truth, predictions->predicted, &scores, iou);
    gb_most_frequent(&train->y, 2, mean_mask);
    gb_score_trivial(mean_mask, truth, &trivial);
    // The better of the two trivial predictors is the one to beat.
    bool background = trivial.background.mean_iou > trivial.mean_mask.mean_iou;
    GB_TRY(set_scores(metrics, "", &scores));
    GB_TRY(set_scores(metrics, "trivial_", background ? &trivial.background : &trivial.mean_mask));
    for (int i = 0; i < truth->n; i++)
        GB_TRY(gb_metric_set(json_array_get(per_image, (size_t)i), "", "foreground_iou", iou[i]));
    return GB_OK;
}

static enum gb_status score(const struct gb_predictions *predictions, json_t *metrics,
                            json_t *per_image) {
    const struct gb_tensor *truth = &predictions->examples->y;
    struct gb_examples train;
    GB_TRY(gb_dataset_gather(predictions->train, NULL, predictions->train->count, 0,
                             predictions->threads, &train));
    double *iou = malloc((size_t)truth->n * sizeof *iou);
    float *mean_mask = malloc((size_t)truth->h * (size_t)truth->w * sizeof *mean_mask);
    enum gb_status status =
        iou && mean_mask ? add_scores(predictions, &train, iou, mean_mask, metrics, per_image)
                         : gb_no_memory("cannot score", "horses");
    free(iou);
    free(mean_mask);
    gb_examples_free(&train);
    return status;
}

const struct gb_task gb_horses = {
    .name = "horses",
    .summary = "binary segmentation of horses",
    .paper = "c-Glow, section 5.2, Table 1",
    .dataset = "Weizmann Horse Database: rgb/*.jpg and figure_ground/*.jpg",
    .size = "height and width",
    .default_size = 32,
    .level_distance = 1,
    .noise_low = -0.5f,
    .published_bits = 1, // log2 of the two levels, although they lie 1 apart
    .reduced = {.size = 32, .batch = 4, .iterations = 2500, .learning_rate = 5e-4f},
    .models = models,
    .load = load,
    .own_masks = true,
    .copies = true,
    .target = target,
    .to_image = to_image,
    .postprocess = postprocess,
    .picture_channels = 1,
    .score = score,
    .headline = "mean_iou",
};
