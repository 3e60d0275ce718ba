// SPDX-License-Identifier: MIT
// Segmentation of faces into hair, face and background (c-Glow paper, section 5.3, Table 2).
//
// Data: LFW Part Labels, official lists (1,500 training and 927 test images); sizes 32, 64 and 128.
// Preprocessing: labels as one-hot channels, so that no part lies between two others, as in the
// published label images; uniform noise of width 1 dequantises the two levels. Model: L = 4, K = 8,
// n_c = 64, n_w = 128. Prediction: the largest channel of the mean of samples. Metrics: superpixel
// accuracy (SPA) at full size, the class of a superpixel being its most frequent label; pixel
// accuracy and mean IoU at the model's size. "superpixels" among the metrics is "published" or
// "slic".
#include <stdlib.h>

#include "kernels/parallel.h"
#include "tasks/data/lfw_data.h"
#include "tasks/metrics/metrics.h"
#include "tasks/metrics/record.h"
#include "tasks/recipes.h"
#include "tasks/synthetic/faces.h"
#include "tasks/synthetic/synthetic.h"

// ---- Synthetic data ----

enum { SYNTHETIC_TRAIN = 600, SYNTHETIC_TEST = 64 };

static void draw(uint64_t seed, uint32_t index, const struct gb_example *example) {
    gb_synthetic_face(seed, index, GB_FACE_ANYWHERE, example->x.h, example->x.data,
                      example->y.data);
}

static enum gb_status load(const struct gb_source *source, struct gb_dataset splits[]) {
    if (source->directory)
        return gb_lfw_load(source, splits);
    const struct gb_synthetic faces = {.name = "faces",
                                       .shape = gb_lfw_shape(source->size),
                                       .counts = {SYNTHETIC_TRAIN, SYNTHETIC_TEST},
                                       .draw = draw};
    return gb_synthetic_load(&faces, GB_SYNTHETIC_SEED, source->threads, splits);
}

static const struct gb_task_model models[] = {
    GB_CGLOW_MODEL(GB_LEVEL_NOISE, GB_FACE_PARTS, 4, 64, 128),
    GB_FCN_MODEL(GB_FACE_PARTS, GB_FCN_ZERO_ONE),
    {0}};

static void target(const struct gb_tensor *x, const struct gb_tensor *parts,
                   const struct gb_tensor *target) {
    (void)x;
    for (int n = 0; n < parts->n; n++)
        for (int i = 0; i < parts->h; i++)
            for (int j = 0; j < parts->w; j++)
                for (int part = 0; part < GB_FACE_PARTS; part++)
                    gb_at(target, n, i, j)[part] =
                        *gb_at(parts, n, i, j) == (float)part ? 1.0f : 0.0f;
}

static int largest(const float channels[static GB_FACE_PARTS]) {
    int largest = 0;
    for (int part = 1; part < GB_FACE_PARTS; part++)
        largest = channels[part] > channels[largest] ? part : largest;
    return largest;
}

static void postprocess(const struct gb_tensor *x, const struct gb_tensor *picture,
                        const struct gb_tensor *prediction) {
    (void)x;
    for (int n = 0; n < picture->n; n++)
        for (int i = 0; i < picture->h; i++)
            for (int j = 0; j < picture->w; j++) {
                const int part = largest(gb_at(picture, n, i, j));
                for (int c = 0; c < GB_FACE_PARTS; c++)
                    gb_at(prediction, n, i, j)[c] = c == part ? 1.0f : 0.0f;
            }
}

// ---- Scores ----

// Two predictors side by side: the model, and trivial to the image the most frequent part of each
// pixel in the training set.
enum predictor { MODEL, TRIVIAL, PREDICTORS };

static const char *const prefixes[PREDICTORS] = {"", "trivial_"};

// Of one example.
struct superpixel_score {
    bool published; // else they are SLIC's
    struct gb_superpixel_counts counts[PREDICTORS];
};

struct scoring {
    const struct gb_dataset *origin;          // gives the test examples at full size
    const int *indices;                       // of the scored ones in it
    struct gb_tensor predictions[PREDICTORS]; // label maps
    struct superpixel_score *scores;          // by example
};

static enum gb_status find_superpixels(const struct gb_dataset *origin, int index,
                                       const struct gb_tensor *image,
                                       struct gb_superpixels *superpixels, bool *published) {
    GB_TRY(gb_lfw_superpixels(origin, index, superpixels));
    *published = superpixels->count > 0;
    return *published ? GB_OK : gb_slic(image, GB_SLIC_COUNT, GB_SLIC_COMPACTNESS, superpixels);
}

static enum gb_status score_superpixels(const struct scoring *scoring, int index,
                                        const struct gb_examples *room) {
    const struct gb_dataset *origin = scoring->origin;
    const int place = scoring->indices[index];
    const struct gb_random_key key = {0}; // nothing is drawn by it
    const struct gb_example example = gb_example_at(room, 0);
    struct gb_superpixels superpixels = {0};
    struct superpixel_score *score = &scoring->scores[index];
    GB_TRY(origin->fill(origin, place, &key, &example));
    GB_TRY(find_superpixels(origin, place, &example.x, &superpixels, &score->published));
    enum gb_status status = GB_OK;
    for (int p = 0; status == GB_OK && p < PREDICTORS; p++) {
        const struct gb_tensor prediction = gb_images(&scoring->predictions[p], index, 1);
        status = gb_superpixels_score(&superpixels, &example.y, &prediction, GB_FACE_PARTS,
                                      &score->counts[p]);
    }
    gb_superpixels_free(&superpixels);
    return status;
}

static enum gb_status score_example(void *argument, int index) {
    const struct scoring *scoring = argument;
    const struct gb_example_shape full = gb_lfw_shape(GB_LFW_SIDE);
    struct gb_examples room;
    GB_TRY(gb_examples_create(&room, 1, &full));
    const enum gb_status status = score_superpixels(scoring, index, &room);
    gb_examples_free(&room);
    return status;
}

static enum gb_status set_scores(const struct scoring *scoring, const struct gb_tensor *truth,
                                 enum predictor predictor, json_t *metrics) {
    static const char *const ious[GB_FACE_PARTS] = {"hair_iou", "face_iou", "background_iou"};
    const struct gb_confusion pixels =
        gb_confusion_of(truth, &scoring->predictions[predictor], 0, truth->n, GB_FACE_PARTS);
    struct gb_superpixel_counts superpixels = {0};
    for (int i = 0; i < truth->n; i++) {
        superpixels.right += scoring->scores[i].counts[predictor].right;
        superpixels.all += scoring->scores[i].counts[predictor].all;
    }
    const char *prefix = prefixes[predictor];
    GB_TRY(gb_metric_set(metrics, prefix, "superpixel_accuracy",
                         gb_count_share(superpixels.right, superpixels.all)));
    GB_TRY(gb_metric_set(metrics, prefix, "pixel_accuracy", gb_pixel_accuracy(&pixels)));
    GB_TRY(gb_metric_set(metrics, prefix, "mean_iou", gb_mean_iou(&pixels)));
    for (int part = 0; part < GB_FACE_PARTS; part++)
        GB_TRY(gb_metric_set(metrics, prefix, ious[part], gb_class_iou(&pixels, part)));
    return GB_OK;
}

static enum gb_status add_scores(struct scoring *scoring, const struct gb_predictions *predictions,
                                 json_t *metrics, json_t *per_image) {
    const struct gb_tensor *truth = &predictions->examples->y;
    GB_TRY(gb_parallel_tries(predictions->threads, truth->n, score_example, scoring));
    bool published = true;
    for (int i = 0; i < truth->n; i++) {
        const struct gb_superpixel_counts *counts = &scoring->scores[i].counts[MODEL];
        published = published && scoring->scores[i].published;
        GB_TRY(gb_metric_set(json_array_get(per_image, (size_t)i), "", "superpixel_accuracy",
                             gb_count_share(counts->right, counts->all)));
    }
    for (int p = 0; p < PREDICTORS; p++)
        GB_TRY(set_scores(scoring, truth, (enum predictor)p, metrics));
    const int failed =
        json_object_set_new(metrics, "superpixels", json_string(published ? "published" : "slic"));
    return failed ? gb_no_memory("cannot score", "lfw") : GB_OK;
}

// One-hot predictions as label maps.
static void to_labels(const struct gb_tensor *predictions, const struct gb_tensor *labels) {
    for (int n = 0; n < predictions->n; n++)
        for (int i = 0; i < predictions->h; i++)
            for (int j = 0; j < predictions->w; j++)
                *gb_at(labels, n, i, j) = (float)largest(gb_at(predictions, n, i, j));
}

static enum gb_status score(const struct gb_predictions *predictions, json_t *metrics,
                            json_t *per_image) {
    const struct gb_tensor *truth = &predictions->examples->y;
    struct gb_examples train;
    GB_TRY(gb_dataset_gather(predictions->train, NULL, predictions->train->count, 0,
                             predictions->threads, &train));
    float *labels = malloc(gb_elements(truth) * sizeof *labels);
    float *trivial = malloc((size_t)truth->h * (size_t)truth->w * sizeof *trivial);
    struct scoring scoring = {.origin = gb_dataset_origin(predictions->test),
                              .indices = predictions->indices,
                              .predictions = {gb_dense(labels, truth->n, truth->h, truth->w, 1),
                                              gb_same_map(trivial, truth->n, truth->h, truth->w)},
                              .scores = calloc((size_t)truth->n, sizeof *scoring.scores)};
    enum gb_status status = gb_no_memory("cannot score", "lfw");
    if (labels && trivial && scoring.scores) {
        gb_most_frequent(&train.y, GB_FACE_PARTS, trivial);
        to_labels(predictions->predicted, &scoring.predictions[MODEL]);
        status = add_scores(&scoring, predictions, metrics, per_image);
    }
    gb_examples_free(&train);
    free(labels);
    free(trivial);
    free(scoring.scores);
    return status;
}

const struct gb_task gb_lfw = {
    .name = "lfw",
    .summary = "segmentation of faces into hair, face and background",
    .paper = "c-Glow, section 5.3, Table 2",
    .dataset = "LFW Part Labels: lfw_funneled/*/*.jpg, parts_lfw_funneled_gt_images/*.ppm and "
               "parts_*.txt",
    .size = "height and width",
    .default_size = 32,
    .level_distance = 1,
    .noise_low = -0.5f,
    .published_bits = 1, // log2 of the two levels, although they lie 1 apart
    .reduced = {.size = 32, .batch = 4, .iterations = 1500, .learning_rate = 5e-4f},
    .models = models,
    .load = load,
    .target = target,
    .to_image = gb_target_copied,
    .postprocess = postprocess,
    .picture_channels = GB_FACE_PARTS,
    .score = score,
    .headline = "superpixel_accuracy",
};
