// SPDX-License-Identifier: MIT
// Refinement of depth maps (c-Glow paper, section 5.5, Table 4).
//
// Data: 7-Scenes, 200 frames of Chess for training and 5,500 of the other scenes for testing, in
// crops of 96 x 128 pixels; clean maps are rendered from a volume fused from a scene's frames
// (tasks/data/depth_maps.h). Input channels: the measured depth in units of 4 m (0: none); 1 where
// there is one, else 0; its difference from the local mean, in units of 0.75 % of the depth. The
// target is the error of the local mean (mean - clean) in these units, since the sensor's error
// grows with the depth. A pixel is valid where both depths exist and differ by at most 10 cm;
// elsewhere the target is standard normal noise, from which a density gains nothing. Model: L = 3,
// K = 8, n_c = 8, n_w = 32. Prediction: the local mean minus the mean of 40 samples. Metric: PSNR
// over valid pixels with a peak of 4 m, the mean over images. Baselines: the measured depth
// (raw_psnr) and its local mean (smoothed_psnr), of which the better is trivial_psnr.
// tasks/README.md has the measurements behind these choices.
#include <math.h>
#include <stdlib.h>

#include "tasks/data/depth_maps.h"
#include "tasks/images/picture.h"
#include "tasks/metrics/psnr.h"
#include "tasks/prediction/predictor.h"
#include "tasks/psnr_scores.h"
#include "tasks/recipes.h"
#include "tasks/synthetic/depth.h"
#include "tasks/synthetic/synthetic.h"

static const float unit = 4.0f;          // metres: depth 1
static const float error_unit = 0.0075f; // of the measured depth: error 1
static const float most_apart = 0.1f;    // metres, of valid pixels

enum { SYNTHETIC_TRAIN = 200, SYNTHETIC_TEST = 64 };

// The multiple of 8, as three squeezes need it, that is nearest to 4/3 of the height.
static int width_of(int height) {
    return (4 * height / 3 + 4) / 8 * 8;
}

// ---- data ----

// The mean over the 7 x 7 pixels around a measured depth that lie within 10 cm of it, in metres.
static float smoothed(const struct gb_depth_maps *maps, int index, int row, int column) {
    enum { REACH = 3 };
    const int h = maps->h, w = maps->w, most = (int)(most_apart * GB_DEPTH_RAW_LEVELS);
    const uint16_t *map = maps->raw + (size_t)index * (size_t)h * (size_t)w;
    const int here = map[row * w + column];
    int sum = 0, count = 0;
    for (int y = row - REACH; y <= row + REACH; y++)
        for (int x = column - REACH; x <= column + REACH; x++)
            if (y >= 0 && x >= 0 && y < h && x < w && abs(map[y * w + x] - here) <= most) {
                sum += map[y * w + x];
                count++;
            }
    return (float)sum / (float)(count * GB_DEPTH_RAW_LEVELS);
}

static void fill_pixel(const struct gb_depth_maps *maps, int index, int row, int column,
                       float noise, float x[static 3], float *y, float *mask) {
    const size_t place =
        ((size_t)index * (size_t)maps->h + (size_t)row) * (size_t)maps->w + (size_t)column;
    const float raw = (float)maps->raw[place] / GB_DEPTH_RAW_LEVELS;
    const float clean = (float)maps->clean[place] / GB_DEPTH_CLEAN_LEVELS;
    const bool valid = raw > 0 && clean > 0 && fabsf(raw - clean) <= most_apart;
    const float mean = raw > 0 ? smoothed(maps, index, row, column) : 0;
    x[0] = raw / unit;
    x[1] = raw > 0 ? 1 : 0;
    x[2] = raw > 0 ? (raw - mean) / (error_unit * raw) : 0;
    *y = valid ? (mean - clean) / (error_unit * raw) : noise;
    *mask = valid ? 1 : 0;
}

// A random crop; the only one of a map that has its size.
static enum gb_status fill(const struct gb_dataset *set, int index, const struct gb_random_key *key,
                           const struct gb_example *example) {
    const struct gb_depth_maps *maps = set->source;
    const int h = example->x.h, w = example->x.w;
    struct gb_random_key crop = *key, noise = *key;
    crop.purpose = GB_RANDOM_AUGMENT;
    noise.purpose = GB_RANDOM_CORRUPTION;
    const int top = (int)(gb_random_uniform(&crop, 0) * (float)(maps->h - h + 1));
    const int left = (int)(gb_random_uniform(&crop, 1) * (float)(maps->w - w + 1));
    for (int i = 0; i < h; i++)
        for (int j = 0; j < w; j++)
            fill_pixel(maps, index, top + i, left + j,
                       gb_random_normal(&noise, (uint32_t)(i * w + j)), gb_at(&example->x, 0, i, j),
                       gb_at(&example->y, 0, i, j), gb_at(&example->mask, 0, i, j));
    return GB_OK;
}

static void free_maps(void *source) {
    gb_depth_maps_free(source);
    free(source);
}

// Takes the maps over.
static enum gb_status make_split(struct gb_depth_maps *maps, int h, int w, struct gb_dataset *set) {
    const struct gb_example_shape shape = {
        .x_h = h, .x_w = w, .x_c = 3, .y_h = h, .y_w = w, .y_c = 1, .masked = true};
    GB_TRY(gb_dataset_create(set, maps->count, &shape));
    for (int i = 0; i < set->count; i++)
        GB_TRY(gb_dataset_name(set, i, maps->names[i]));
    struct gb_depth_maps *source = malloc(sizeof *source);
    if (!source)
        return gb_no_memory("cannot load", "depth");
    *source = *maps;
    *maps = (struct gb_depth_maps){0};
    set->hash = gb_depth_maps_hash(source);
    set->source = source;
    set->fill = fill;
    set->free_source = free_maps;
    return GB_OK;
}

// Drawn maps are as large as the crop, and half as large again for training.
static enum gb_status draw_maps(int h, int w, int threads, struct gb_depth_maps splits[]) {
    GB_TRY(gb_synthetic_depth_maps(GB_SYNTHETIC_SEED, 0, SYNTHETIC_TRAIN, 3 * h / 2, 3 * w / 2,
                                   threads, &splits[GB_SPLIT_TRAIN]));
    return gb_synthetic_depth_maps(GB_SYNTHETIC_SEED, GB_SYNTHETIC_TEST_FIRST, SYNTHETIC_TEST, h, w,
                                   threads, &splits[GB_SPLIT_TEST]);
}

static enum gb_status load(const struct gb_source *source, struct gb_dataset splits[]) {
    struct gb_depth_maps maps[GB_SPLITS] = {0};
    const int h = source->size, w = width_of(h);
    enum gb_status status = source->directory ? gb_depth_maps_load(source, h, w, maps)
                                              : draw_maps(h, w, source->threads, maps);
    gb_splits_clear(splits);
    for (int split = 0; status == GB_OK && split < GB_SPLITS; split++)
        status = make_split(&maps[split], h, w, &splits[split]);
    for (int split = 0; split < GB_SPLITS; split++)
        gb_depth_maps_free(&maps[split]);
    return gb_splits_keep(splits, status);
}

// ---- model ----

// Without noise on inputs, which would be as large as the sensor's.
static const struct gb_task_model models[] = {GB_CGLOW_MODEL(0, 0, 3, 8, 32), {0}};

// ---- prediction ----

// The clean depth is the mean around the measured one less its error; NULL: without error.
static void refine(const struct gb_tensor *x, const struct gb_tensor *error,
                   const struct gb_tensor *picture) {
    for (int n = 0; n < x->n; n++)
        for (int i = 0; i < x->h; i++)
            for (int j = 0; j < x->w; j++) {
                const float *input = gb_at(x, n, i, j);
                const float wrong = input[2] + (error ? *gb_at(error, n, i, j) : 0);
                *gb_at(picture, n, i, j) = input[0] * (1 - error_unit * wrong);
            }
}

static float not_negative(float depth) {
    return fmaxf(0, depth);
}

static void postprocess(const struct gb_tensor *x, const struct gb_tensor *picture,
                        const struct gb_tensor *prediction) {
    (void)x;
    gb_map_values(picture, not_negative, prediction);
}

// ---- metric ----

enum { PREDICTED, RAW, SMOOTHED };
static const char *const metric_names[] = {"psnr", "raw_psnr", "smoothed_psnr", NULL};

static bool score_image(const struct gb_predictions *predictions, int index,
                        const struct gb_example *room, double psnr[static GB_PSNR_METHODS]) {
    const struct gb_examples *examples = predictions->examples;
    const struct gb_tensor x = gb_images(&examples->x, index, 1), raw = gb_channels(&x, 0, 1);
    const struct gb_tensor y = gb_images(&examples->y, index, 1);
    const struct gb_tensor mask = gb_images(&examples->mask, index, 1);
    const struct gb_tensor prediction = gb_images(predictions->predicted, index, 1);
    const struct gb_tensor *truth = &room->y, smoothed = gb_channels(&room->x, 0, 1);
    refine(&x, &y, truth);
    refine(&x, NULL, &smoothed);
    psnr[PREDICTED] = gb_psnr(truth, &prediction, &mask, 1.0);
    psnr[RAW] = gb_psnr(truth, &raw, &mask, 1.0);
    psnr[SMOOTHED] = gb_psnr(truth, &smoothed, &mask, 1.0);
    return !isnan(psnr[RAW]); // no valid pixel
}

static enum gb_status score(const struct gb_predictions *predictions, json_t *metrics,
                            json_t *per_image) {
    static const struct gb_psnr_scores scores = {"depth", metric_names, score_image};
    return gb_psnr_scores_set(&scores, predictions, metrics, per_image);
}

// ---- picture ----

// Depths as reliefs, lit along the rows, in which an error of a centimetre shows; and how far the
// input and the prediction are from the truth, at valid pixels.
enum column { MEASURED, MEAN, CLEAN, SAMPLE, PREDICTION, ERROR_IN, ERROR_OUT, COLUMNS };

static const char *const captions[COLUMNS] = {"measured",   "smoothed", "clean",    "sample",
                                              "prediction", "error in", "error out"};

// Grey where the surface faces the camera; a step of 4 cm a pixel is white or black, and so is what
// is not known.
static void draw_relief(const struct gb_tensor *depth, const struct gb_tensor *known,
                        const struct gb_tensor *picture) {
    const float gain = 0.5f * unit / 0.04f;
    for (int i = 0; i < depth->h; i++)
        for (int j = 0; j < depth->w; j++) {
            const int left = j > 0 ? j - 1 : 0;
            const float rise = *gb_at(depth, 0, i, left) - *gb_at(depth, 0, i, j);
            const bool shown = *gb_at(known, 0, i, j) > 0 && *gb_at(known, 0, i, left) > 0;
            *gb_at(picture, 0, i, j) = shown ? 0.5f + gain * rise : 0;
        }
}

// White: 4 cm and more. `picture` may be `depth` or `truth`.
static void draw_error(const struct gb_tensor *depth, const struct gb_tensor *truth,
                       const struct gb_tensor *mask, const struct gb_tensor *picture) {
    const float gain = unit / 0.04f;
    for (int i = 0; i < depth->h; i++)
        for (int j = 0; j < depth->w; j++)
            *gb_at(picture, 0, i, j) = *gb_at(mask, 0, i, j) * gain *
                                       fabsf(*gb_at(depth, 0, i, j) - *gb_at(truth, 0, i, j));
}

static int columns_of(const struct gb_predictor *predictor, const struct gb_example_shape *shape,
                      struct gb_picture_column columns[static GB_MAX_COLUMNS]) {
    (void)predictor;
    for (int column = 0; column < COLUMNS; column++)
        columns[column] = (struct gb_picture_column){captions[column],
                                                     gb_dense(NULL, 1, shape->y_h, shape->y_w, 1)};
    return COLUMNS;
}

// The columns of errors hold depths until these are drawn.
static enum gb_status fill_row(struct gb_predictor *predictor, const struct gb_dataset *set,
                               int index, const struct gb_example *example,
                               const struct gb_tensor *target, const struct gb_tensor cells[]) {
    const char *name = set->names[index];
    const struct gb_tensor *x = &example->x, raw = gb_channels(x, 0, 1);
    const struct gb_tensor *truth = &cells[ERROR_IN], *prediction = &cells[ERROR_OUT];
    refine(x, &example->y, truth);
    draw_relief(&raw, &raw, &cells[MEASURED]);
    refine(x, NULL, prediction);
    draw_relief(prediction, &raw, &cells[MEAN]);
    draw_relief(truth, &example->mask, &cells[CLEAN]);
    GB_TRY(gb_predictor_condition(predictor, x, name));
    const struct gb_tensor sample =
        gb_predictor_sample(predictor, index, 0, predictor->options.temperature);
    refine(x, &sample, prediction);
    draw_relief(prediction, &raw, &cells[SAMPLE]);
    GB_TRY(gb_predictor_predict(predictor, x, name, index, target));
    refine(x, target, prediction);
    draw_relief(prediction, &raw, &cells[PREDICTION]);
    draw_error(prediction, truth, &example->mask, &cells[ERROR_OUT]);
    draw_error(&raw, truth, &example->mask, &cells[ERROR_IN]);
    return GB_OK;
}

static enum gb_status picture(struct gb_predictor *predictor, const struct gb_dataset *test,
                              int images, const char *path) {
    static const struct gb_example_picture reliefs = {columns_of, fill_row};
    return gb_draw_examples(predictor, &reliefs, test, images, path);
}

const struct gb_task gb_depth = {
    .name = "depth",
    .summary = "refinement of depth maps",
    .paper = "c-Glow, section 5.5, Table 4",
    .dataset = "7-Scenes: SCENE/seq-NN/frame-NNNNNN.{depth.png,pose.txt}",
    .size = "height; the width is 4/3 of it",
    .default_size = 96,
    .has_scenes = true,
    .samples = 40,
    .reduced = {.size = 24, .batch = 4, .iterations = 1000, .learning_rate = 5e-4f},
    .models = models,
    .load = load,
    .target = gb_target_copied,
    .to_image = refine,
    .postprocess = postprocess,
    .picture_channels = 1,
    .score = score,
    .picture = picture,
    .headline = "psnr",
};
