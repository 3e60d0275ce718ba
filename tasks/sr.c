// SPDX-License-Identifier: MIT
// Single-image super-resolution by a factor of two (CNF paper, section 5.1, Tables 1 and 2).
//
// Data: 32 x 32 or 64 x 64 patches of images and of their halves, or ImageNet32 and ImageNet64; low
// resolutions by MATLAB's bicubic reduction. Preprocessing: levels / 256; uniform noise in [0,
// 1/256) dequantises the target. Models: CNF with L = 2, K = 8 and 16 RRDBs of growth 32 (Tables 5,
// 6 and 8); the factored baseline with as many parameters; SRCNN. Prediction: one sample at each of
// four temperatures; at temperature 0, the factored model's is the level nearest to its mean.
//
// Metrics, per test set and over all images: bits per dimension of 1,000 random 128 x 128 crops
// (smaller for smaller images), the mean over crops; PSNR and SSIM on luma
// (tasks/metrics/super_resolution.h) of full images, zero-padded to squares for the model and
// cropped afterwards, the mean over images. "psnr" and "ssim" are at temperature 0. Baselines:
// repeated pixels ("trivial") and bicubic enlargement.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/minmax.h"
#include "tasks/data/sr_data.h"
#include "tasks/images/picture.h"
#include "tasks/metrics/record.h"
#include "tasks/metrics/super_resolution.h"
#include "tasks/parallel/ranks.h"
#include "tasks/prediction/predictor.h"
#include "tasks/recipes.h"
#include "tasks/synthetic/natural.h"
#include "tasks/synthetic/synthetic.h"

// ---- Synthetic data ----

// Images of SYNTHETIC_SIDE pixels, or of a patch if that is larger, train.
enum { SYNTHETIC_TRAIN = 64, SYNTHETIC_SIDE = 192, SYNTHETIC_TEST = 8, SYNTHETIC_TEST_SIDE = 96 };

static enum gb_status draw_images(const struct gb_source *source, struct gb_image_list lists[]) {
    const int side = gb_max_int(source->size, SYNTHETIC_SIDE);
    struct gb_image_list *test = &lists[GB_SPLIT_TEST];
    GB_TRY(gb_natural_images(GB_SYNTHETIC_SEED, 0, SYNTHETIC_TRAIN, side, side, source->threads,
                             &lists[GB_SPLIT_TRAIN]));
    GB_TRY(gb_natural_images(GB_SYNTHETIC_SEED, GB_SYNTHETIC_TEST_FIRST, SYNTHETIC_TEST,
                             SYNTHETIC_TEST_SIDE, SYNTHETIC_TEST_SIDE, source->threads, test));
    for (int i = 0; i < test->count; i++) {
        char *name = gb_format("synthetic/%s", test->names[i]);
        if (!name)
            return gb_no_memory("cannot generate data", "sr");
        free(test->names[i]);
        test->names[i] = name;
    }
    return GB_OK;
}

static enum gb_status load(const struct gb_source *source, struct gb_dataset splits[]) {
    struct gb_image_list lists[GB_SPLITS] = {0};
    gb_splits_clear(splits);
    if (source->size % 2)
        return gb_fail(GB_BAD_INPUT, "cannot prepare images", "size",
                       "patches of %d pixels have no half", source->size);
    if (source->directory)
        return gb_sr_load(source, splits);
    const enum gb_status status = draw_images(source, lists);
    if (status == GB_OK)
        return gb_sr_hold(lists, source, splits);
    for (int split = 0; split < GB_SPLITS; split++)
        gb_image_list_free(&lists[split]);
    return status;
}

// ---- Models ----

static void reduce(union gb_model_config *config) {
    struct gb_cnf_config *c = &config->cnf;
    c->steps = 2;
    c->condition_channels = 32;
    c->coupling_channels = 48;
    c->rrdb_blocks = 1;
    c->growth = 16;
}

// The paper trains for 200,000 steps, and the code halves the rate after each so many.
#define RECIPE GB_CNF_RECIPE(64, 1e-4f, 200000)

static const struct gb_task_model models[] = {
    {.name = "cnf",
     .kind = &gb_cnf_model,
     .config.cnf = {.kind = GB_CNF_SUPER_RESOLUTION,
                    .levels = 2,
                    .steps = 8,
                    .condition_channels = 128,
                    .coupling_channels = 512,
                    .rrdb_blocks = 16,
                    .growth = 32},
     .reduce = reduce,
     .recipe = RECIPE},
    {.name = "factored", .kind = &gb_factored_model, .flow = &models[0], .recipe = RECIPE},
    {.name = "srcnn",
     .kind = &gb_srcnn_model,
     .config.srcnn = {.patch_channels = 64, .mapping_channels = 32},
     .recipe = GB_BASELINE_RECIPE(16, 1e-3f)},
    {0}};

// ---- Targets and pictures ----

static float to_picture(float level) {
    return level * (256.0f / 255.0f);
}

static void to_image(const struct gb_tensor *x, const struct gb_tensor *target,
                     const struct gb_tensor *picture) {
    (void)x;
    gb_map_values(target, to_picture, picture);
}

// ---- Scores ----

enum { CROPS = 1000, SYNTHETIC_CROPS = 64, CROP_SIDE = 128, CROPS_AT_ONCE = 64, TEMPERATURES = 4 };

static const struct {
    float value;
    const char *suffix; // of metrics' names
    const char *caption;
} temperatures[TEMPERATURES] = {
    {0, "", "temp 0"}, {0.5f, "_0.5", "temp 0.5"}, {0.8f, "_0.8", "temp 0.8"}, {1, "_1", "temp 1"}};

// What is scored by PSNR and SSIM: samples at the temperatures, and two baselines.
enum { BICUBIC = TEMPERATURES, REPEATED, METHODS };

// Sums over crops and over images.
struct sums {
    double bits;
    int crops;
    struct gb_sr_score scores[METHODS];
    double seconds; // of predictions
    int images;
};

// A test set: images [first, first + count) of the split.
struct test_set {
    const struct gb_dataset *split;
    int first, count;
    int name_length; // of the set's name, with which its images' names begin
};

// A model without randomness predicts the same at every temperature.
static int prediction_count(const struct gb_predictor *predictor) {
    return predictor->kind->point_estimate ? 1 : TEMPERATURES;
}

static struct test_set test_set_at(const struct gb_dataset *split, int first) {
    struct test_set set = {.split = split, .first = first};
    set.name_length = (int)strcspn(split->names[first], "/");
    while (first + set.count < split->count &&
           strncmp(split->names[first + set.count], split->names[first],
                   (size_t)set.name_length + 1) == 0)
        set.count++;
    return set;
}

// What heights and widths of targets, which are twice the input's, must be divisible by.
static int multiple_of(const struct gb_predictor *predictor) {
    return gb_max_int(2, gb_model_multiple(predictor->kind, &predictor->config));
}

static enum gb_status crop_side(const struct gb_predictor *predictor, const struct test_set *set,
                                int *crop) {
    int side = CROP_SIDE;
    for (int i = set->first; i < set->first + set->count; i++) {
        const struct gb_example_shape shape = gb_dataset_shape(set->split, i);
        side = gb_min_int(side, gb_min_int(shape.y_h, shape.y_w));
    }
    const int multiple = multiple_of(predictor);
    *crop = side / multiple * multiple;
    return *crop > 0
               ? GB_OK
               : gb_fail(GB_BAD_INPUT, "cannot evaluate", set->split->names[set->first],
                         "the test set has sides of %d pixels, and the model's levels need %d",
                         side, multiple);
}

// The bits of crops in a range, CROPS_AT_ONCE at a time: all would not fit in memory.
static enum gb_status take_bits(struct gb_predictor *predictor, const struct gb_dataset *crops,
                                struct gb_range range, double *bits) {
    const int end = (int)range.end;
    enum gb_status status = GB_OK;
    for (int first = (int)range.begin; status == GB_OK && first < end; first += CROPS_AT_ONCE) {
        const int count = gb_min_int(CROPS_AT_ONCE, end - first);
        int indices[CROPS_AT_ONCE];
        struct gb_examples examples = {0};
        for (int i = 0; i < count; i++)
            indices[i] = first + i;
        status = gb_dataset_gather(crops, indices, count, predictor->options.seed,
                                   predictor->options.threads, &examples);
        if (status == GB_OK)
            status =
                gb_predictor_bits(predictor, &examples, first, crops->names + first, bits + first);
        gb_examples_free(&examples);
    }
    return status;
}

// Adds the bits of the set's random crops.
static enum gb_status add_bits(struct gb_predictor *predictor, const struct test_set *set,
                               struct sums *sums) {
    const bool synthetic = strncmp(set->split->names[set->first], "synthetic/", 10) == 0;
    const int asked = predictor->options.crops;
    struct gb_dataset crops;
    int side;
    sums->crops = asked ? asked : synthetic ? SYNTHETIC_CROPS : CROPS;
    GB_TRY(crop_side(predictor, set, &side));
    GB_TRY(gb_sr_crops(set->split, set->first, set->count, sums->crops, side,
                       predictor->options.seed, &crops));
    double *bits = malloc((size_t)crops.count * sizeof *bits);
    enum gb_status status = bits ? gb_predictor_resize(predictor, &crops.shape)
                                 : gb_no_memory("cannot evaluate", "crops");
    if (status == GB_OK)
        status = take_bits(predictor, &crops, gb_ranks_share(crops.count), bits);
    status = gb_ranks_agree(status, NULL);
    if (status == GB_OK)
        gb_ranks_gather_shares(bits, crops.count, sizeof *bits);
    for (int i = 0; status == GB_OK && i < crops.count; i++)
        sums->bits += bits[i];
    free(bits);
    gb_dataset_free(&crops);
    return status;
}

// The upper left part of a view.
static struct gb_tensor corner(const struct gb_tensor *t, int h, int w) {
    struct gb_tensor part = *t;
    part.h = h;
    part.w = w;
    return part;
}

static enum gb_status score_baselines(const struct gb_tensor *low, const struct gb_tensor *truth,
                                      struct gb_sr_score scores[METHODS]) {
    struct gb_tensor high = gb_dense(NULL, 1, truth->h, truth->w, 3);
    high.data = malloc(gb_elements(&high) * sizeof(float));
    if (!high.data)
        return gb_no_memory("cannot evaluate", "baselines");
    enum gb_status status = gb_sr_bicubic(low, &high);
    if (status == GB_OK)
        status = gb_sr_score(truth, &high, &scores[BICUBIC]);
    for (int i = 0; i < high.h; i++)
        for (int j = 0; j < high.w; j++)
            memcpy(gb_at(&high, 0, i, j), gb_at(low, 0, i / 2, j / 2), 3 * sizeof(float));
    if (status == GB_OK)
        status = gb_sr_score(truth, &high, &scores[REPEATED]);
    free(high.data);
    return status;
}

// Scores image `index`, or a part of it; `padded` is the pair that the model takes.
static enum gb_status score_pair(struct gb_predictor *predictor, const struct gb_dataset *split,
                                 int index, const struct gb_examples *padded,
                                 struct gb_sr_score scores[METHODS], double *seconds) {
    const struct gb_example_shape full = gb_dataset_shape(split, index);
    const int h = gb_min_int(full.x_h, padded->x.h), w = gb_min_int(full.x_w, padded->x.w);
    const struct gb_tensor truth = corner(&padded->y, 2 * h, 2 * w);
    const struct gb_tensor low = corner(&padded->x, h, w);
    GB_TRY(score_baselines(&low, &truth, scores));
    const double start = gb_seconds();
    GB_TRY(gb_predictor_condition(predictor, &padded->x, split->names[index]));
    for (int t = 0; t < prediction_count(predictor); t++) {
        const struct gb_tensor sample =
            gb_predictor_sample(predictor, index, 0, temperatures[t].value);
        if (t == 0)
            *seconds = gb_seconds() - start;
        const struct gb_tensor prediction = corner(&sample, 2 * h, 2 * w);
        GB_TRY(gb_sr_score(&truth, &prediction, &scores[t]));
    }
    return GB_OK;
}

// Sets the means of `count` images' scores, their names after the test set's.
static enum gb_status set_scores(json_t *object, const char *set, int predictions,
                                 const struct gb_sr_score sums[METHODS], int count) {
    for (int method = 0; method < METHODS; method++) {
        const bool sample = method < TEMPERATURES;
        const char *baseline = sample ? "" : method == BICUBIC ? "bicubic_" : "trivial_";
        const char *suffix = sample ? temperatures[method].suffix : "";
        char psnr[32], ssim[32];
        if (sample && method >= predictions)
            continue;
        snprintf(psnr, sizeof psnr, "%spsnr%s", baseline, suffix);
        snprintf(ssim, sizeof ssim, "%sssim%s", baseline, suffix);
        GB_TRY(gb_metric_set(object, set, psnr, sums[method].psnr / count));
        GB_TRY(gb_metric_set(object, set, ssim, sums[method].ssim / count));
    }
    return GB_OK;
}

// An image, or a part, and its low resolution.
static enum gb_status take_pair(const struct gb_dataset *set, int index, struct gb_examples *pair) {
    const struct gb_example_shape shape = gb_dataset_shape(set, index);
    const struct gb_random_key key = {.sample = (uint32_t)index}; // nothing is random
    GB_TRY(gb_examples_create(pair, 1, &shape));
    const struct gb_example example = gb_example_at(pair, 0);
    const enum gb_status status = set->fill(set, index, &key, &example);
    if (status != GB_OK)
        gb_examples_free(pair);
    return status;
}

static void add_sums(const struct sums *from, struct sums *to) {
    for (int method = 0; method < METHODS; method++) {
        to->scores[method].psnr += from->scores[method].psnr;
        to->scores[method].ssim += from->scores[method].ssim;
    }
    to->bits += from->bits;
    to->crops += from->crops;
    to->seconds += from->seconds;
    to->images += from->images;
}

static enum gb_status score_image(struct gb_predictor *predictor, const struct gb_dataset *split,
                                  const struct gb_dataset *padded, int index, struct sums *image) {
    const struct gb_example_shape shape = gb_dataset_shape(padded, index);
    struct gb_examples pair;
    *image = (struct sums){.images = 1};
    GB_TRY(take_pair(padded, index, &pair));
    enum gb_status status = gb_predictor_resize(predictor, &shape);
    if (status == GB_OK)
        status = score_pair(predictor, split, index, &pair, image->scores, &image->seconds);
    gb_examples_free(&pair);
    return status;
}

static enum gb_status add_image(const struct gb_predictor *predictor, const char *name,
                                const struct sums *image, struct sums *sums, json_t *per_image) {
    json_t *object = json_pack("{s:s}", "name", name);
    add_sums(image, sums);
    if (json_array_append_new(per_image, object) != 0)
        return gb_no_memory("cannot evaluate", "metrics");
    return set_scores(object, "", prediction_count(predictor), image->scores, 1);
}

// The central square of every image, of the largest side that all have, up to CROP_SIDE.
static enum gb_status middles_of(const struct gb_predictor *predictor,
                                 const struct gb_dataset *split, struct gb_dataset *middles) {
    const struct test_set all = {.split = split, .count = split->count};
    int side;
    GB_TRY(crop_side(predictor, &all, &side));
    return gb_sr_middles(split, side, middles);
}

// The i-th of `count` images spread over a set.
static int image_at(const struct test_set *set, int i, int count) {
    return set->first + (int)((long)i * set->count / count);
}

// Of all images in full; or of the middles of a few, since full images cost tens of training steps.
static enum gb_status add_images(struct gb_predictor *predictor, const struct test_set *set,
                                 struct sums *sums, json_t *per_image) {
    const int asked = predictor->options.scored;
    const int count = asked ? gb_min_int(asked, set->count) : set->count;
    struct gb_dataset seen;
    if (asked)
        GB_TRY(middles_of(predictor, set->split, &seen));
    else
        GB_TRY(gb_sr_pad(set->split, multiple_of(predictor), &seen));
    struct sums *images = calloc((size_t)count, sizeof *images);
    const struct gb_range own = gb_ranks_share(count);
    enum gb_status status = images ? GB_OK : gb_no_memory("cannot evaluate", "metrics");
    for (int i = (int)own.begin; status == GB_OK && i < (int)own.end; i++)
        status = score_image(predictor, set->split, &seen, image_at(set, i, count), &images[i]);
    gb_dataset_free(&seen);
    status = gb_ranks_agree(status, NULL);
    if (status == GB_OK)
        gb_ranks_gather_shares(images, count, sizeof *images);
    for (int i = 0; status == GB_OK && i < count; i++)
        status = add_image(predictor, set->split->names[image_at(set, i, count)], &images[i], sums,
                           per_image);
    free(images);
    return status;
}

// Sets the means, their names after the test set's, and the counts that they are over.
static enum gb_status set_metrics(const struct gb_predictor *predictor, const struct sums *sums,
                                  const char *set, json_t *metrics) {
    char crops[96], images[96];
    snprintf(crops, sizeof crops, "%scrops", set);
    snprintf(images, sizeof images, "%simages", set);
    GB_TRY(
        gb_metric_set(metrics, set, gb_model_loss_name(predictor->kind), sums->bits / sums->crops));
    if (json_object_set_new(metrics, crops, json_integer(sums->crops)) ||
        json_object_set_new(metrics, images, json_integer(sums->images)))
        return gb_no_memory("cannot evaluate", "metrics");
    return set_scores(metrics, set, prediction_count(predictor), sums->scores, sums->images);
}

static enum gb_status evaluate_set(struct gb_predictor *predictor, const struct test_set *set,
                                   struct sums *all, json_t *metrics, json_t *per_image) {
    struct sums sums = {0};
    GB_TRY(add_bits(predictor, set, &sums));
    GB_TRY(add_images(predictor, set, &sums, per_image));
    add_sums(&sums, all);
    char name[64];
    snprintf(name, sizeof name, "%.*s_", set->name_length, set->split->names[set->first]);
    return set_metrics(predictor, &sums, name, metrics);
}

static enum gb_status evaluate(struct gb_predictor *predictor, const struct gb_dataset *train,
                               const struct gb_dataset *test, json_t *metrics, json_t *per_image) {
    (void)train;
    struct sums all = {0};
    if (test->shape.y_h > 0)
        return gb_fail(GB_BAD_INPUT, "cannot evaluate", "--split train",
                       "only the test split has full images to score");
    for (int first = 0; first < test->count;) {
        const struct test_set set = test_set_at(test, first);
        GB_TRY(evaluate_set(predictor, &set, &all, metrics, per_image));
        first += set.count;
    }
    GB_TRY(set_metrics(predictor, &all, "", metrics));
    return gb_metric_set_speed(metrics, all.seconds / all.images);
}

// ---- Picture ----

// Of the middles of images. The samples are the last.
enum { INPUT, ENLARGED, TRUTH, SAMPLES };

static int columns_of(const struct gb_predictor *predictor, const struct gb_example_shape *shape,
                      struct gb_picture_column columns[static GB_MAX_COLUMNS]) {
    const struct gb_tensor high = gb_dense(NULL, 1, shape->y_h, shape->y_w, 3);
    columns[INPUT] =
        (struct gb_picture_column){"input", gb_dense(NULL, 1, shape->x_h, shape->x_w, 3)};
    columns[ENLARGED] = (struct gb_picture_column){"bicubic", high};
    columns[TRUTH] = (struct gb_picture_column){"truth", high};
    for (int t = 0; t < prediction_count(predictor); t++)
        columns[SAMPLES + t] = (struct gb_picture_column){
            predictor->kind->point_estimate ? "prediction" : temperatures[t].caption, high};
    return SAMPLES + prediction_count(predictor);
}

static enum gb_status fill_row(struct gb_predictor *predictor, const struct gb_dataset *middles,
                               int index, const struct gb_example *example,
                               const struct gb_tensor *target, const struct gb_tensor cells[]) {
    (void)target;
    gb_map_values(&example->x, to_picture, &cells[INPUT]);
    gb_map_values(&example->y, to_picture, &cells[TRUTH]);
    GB_TRY(gb_sr_bicubic(&example->x, &cells[ENLARGED]));
    gb_map_values(&cells[ENLARGED], to_picture, &cells[ENLARGED]);
    GB_TRY(gb_predictor_condition(predictor, &example->x, middles->names[index]));
    for (int t = 0; t < prediction_count(predictor); t++) {
        const struct gb_tensor sample =
            gb_predictor_sample(predictor, index, 0, temperatures[t].value);
        gb_map_values(&sample, to_picture, &cells[SAMPLES + t]);
    }
    return GB_OK;
}

static enum gb_status picture(struct gb_predictor *predictor, const struct gb_dataset *test,
                              int images, const char *path) {
    static const struct gb_example_picture enlargements = {columns_of, fill_row};
    struct gb_dataset middles;
    GB_TRY(middles_of(predictor, test, &middles));
    enum gb_status status = gb_predictor_resize(predictor, &middles.shape);
    if (status == GB_OK)
        status = gb_draw_examples(predictor, &enlargements, &middles, images, path);
    gb_dataset_free(&middles);
    return status;
}

// ---- Figures of single images ----

// Input, bicubic, the other model's prediction, those of the model, truth.
static int figure_columns(const struct gb_predictor *predictor, const struct gb_predictor *baseline,
                          const struct gb_example_shape *shape,
                          struct gb_picture_column columns[static GB_MAX_COLUMNS]) {
    const struct gb_tensor low = gb_dense(NULL, 1, shape->x_h, shape->x_w, 3),
                           high = gb_dense(NULL, 1, shape->y_h, shape->y_w, 3);
    const int predictions = prediction_count(predictor);
    int count = 0;
    columns[count++] = (struct gb_picture_column){"input", low};
    columns[count++] = (struct gb_picture_column){"bicubic", high};
    if (baseline)
        columns[count++] = (struct gb_picture_column){baseline->kind->title, high};
    for (int t = 0; t < predictions; t++)
        columns[count++] = (struct gb_picture_column){
            predictions > 1 ? temperatures[t].caption : "prediction", high};
    columns[count++] = (struct gb_picture_column){"truth", high};
    return count;
}

// The first `count` predictions for image `index`, which is padded as for scoring.
static enum gb_status fill_predictions(struct gb_predictor *predictor,
                                       const struct gb_dataset *test, int index, int count,
                                       const struct gb_picture_column columns[]) {
    struct gb_dataset padded;
    struct gb_examples pair = {0};
    GB_TRY(gb_sr_pad(test, multiple_of(predictor), &padded));
    const struct gb_example_shape shape = gb_dataset_shape(&padded, index);
    enum gb_status status = take_pair(&padded, index, &pair);
    if (status == GB_OK)
        status = gb_predictor_resize(predictor, &shape);
    if (status == GB_OK)
        status = gb_predictor_condition(predictor, &pair.x, test->names[index]);
    for (int t = 0; status == GB_OK && t < count; t++) {
        const struct gb_tensor *cell = &columns[t].images;
        const struct gb_tensor sample =
            gb_predictor_sample(predictor, index, 0, temperatures[t].value);
        const struct gb_tensor prediction = corner(&sample, cell->h, cell->w);
        gb_map_values(&prediction, to_picture, cell);
    }
    gb_examples_free(&pair);
    gb_dataset_free(&padded);
    return status == GB_OK ? gb_backend_check(predictor->options.backend) : status;
}

static enum gb_status draw_figure(struct gb_predictor *predictor, struct gb_predictor *baseline,
                                  const struct gb_dataset *test, int index, const char *path) {
    if (test->shape.y_h > 0)
        return gb_fail(GB_BAD_INPUT, "cannot draw", "--split train",
                       "only the test split has full images to draw");
    const struct gb_example_shape shape = gb_dataset_shape(test, index);
    const char *const captions[] = {test->names[index]};
    struct gb_picture_column columns[GB_MAX_COLUMNS];
    const struct gb_picture picture = {.title = predictor->task->summary,
                                       .columns = columns,
                                       .column_count =
                                           figure_columns(predictor, baseline, &shape, columns),
                                       .row_count = 1,
                                       .row_captions = captions};
    const struct gb_tensor *bicubic = &columns[1].images,
                           *truth = &columns[picture.column_count - 1].images;
    struct gb_picture_column *next = &columns[2];
    struct gb_examples pair = {0};
    float *values;
    GB_TRY(gb_columns_allocate(columns, picture.column_count, 1, &values));
    enum gb_status status = take_pair(test, index, &pair);
    if (status == GB_OK)
        status = gb_sr_bicubic(&pair.x, bicubic);
    if (status == GB_OK) {
        gb_map_values(&pair.x, to_picture, &columns[0].images);
        gb_map_values(bicubic, to_picture, bicubic);
        gb_map_values(&pair.y, to_picture, truth);
    }
    if (status == GB_OK && baseline)
        status = fill_predictions(baseline, test, index, 1, next++);
    if (status == GB_OK)
        status = fill_predictions(predictor, test, index, prediction_count(predictor), next);
    if (status == GB_OK)
        status = gb_picture_write(path, &picture);
    gb_examples_free(&pair);
    free(values);
    return status;
}

const struct gb_task gb_sr = {
    .name = "sr",
    .summary = "super-resolution by two",
    .paper = "CNF, section 5.1, Tables 1 and 2",
    .dataset = "BSDS500, ImageNet32/64 as npz, or a directory of images; Set5, Set14 and BSD100 to "
               "test on; several directories separated by colons (tasks/data/sr_files.h)",
    .size = "height and width of training patches",
    .default_size = 32,
    .level_distance = 1.0f / 256,
    .models = models,
    .reduced = {.size = 32, .batch = 8, .iterations = 1600, .learning_rate = 2e-3f},
    .load = load,
    .target = gb_target_copied,
    .to_image = to_image,
    .postprocess = gb_target_copied,
    .picture_channels = 3,
    .one_sample = true,
    .evaluate = evaluate,
    .picture = picture,
    .figure = draw_figure,
    .temperatures = "0, 0.5, 0.8 and 1",
    .headline = "psnr",
};
