// SPDX-License-Identifier: MIT
// Single-image super-resolution by two (CNF paper, section 5.1, Tables 1 and 2).
//
// Data: patches of 32 x 32 or 64 x 64 pixels, of images and of their halves, or of ImageNet32
// and ImageNet64. The low resolution is MATLAB's bicubic reduction. Preprocessing: levels / 256,
// and uniform noise in [0, 1/256) dequantises the target. Models: CNF with L = 2, K = 8 and 16
// RRDBs of growth 32 (Tables 5, 6 and 8); the factored baseline with as many parameters; SRCNN.
// Prediction: one sample at each of four temperatures; the level nearest to the mean is the
// factored model's at temperature 0.
//
// Metrics, of every test set and of all images: bits per dimension of 1,000 random crops of 128 x
// 128 pixels (of the whole where images are smaller), the mean over crops; PSNR and SSIM on luma
// (tasks/metrics/super_resolution.h) of whole images, padded with zeros to squares before and cut
// after the model has seen them, the mean over images. "psnr" and "ssim" are those at temperature
// 0. The trivial baseline repeats pixels; bicubic enlargement stands beside it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/minmax.h"
#include "tasks/data/sr_data.h"
#include "tasks/images/picture.h"
#include "tasks/metrics/record.h"
#include "tasks/metrics/super_resolution.h"
#include "tasks/recipes.h"
#include "tasks/training/predictor.h"

// ---- Models ----

static enum gb_status configure_cnf(const struct gb_example_shape *shape,
                                    union gb_model_config *config) {
    config->cnf = (struct gb_cnf_config){.kind = GB_CNF_SUPER_RESOLUTION,
                                         .sizes = gb_sizes_of(shape, shape->y_c),
                                         .levels = 2,
                                         .steps = 8,
                                         .condition_channels = 128,
                                         .coupling_channels = 512,
                                         .rrdb_blocks = 16,
                                         .growth = 32};
    return GB_OK;
}

static enum gb_status configure_factored(const struct gb_example_shape *shape,
                                         union gb_model_config *config) {
    union gb_model_config flow;
    GB_TRY(configure_cnf(shape, &flow));
    return gb_factored_match(&flow.cnf, &config->factored);
}

static enum gb_status configure_srcnn(const struct gb_example_shape *shape,
                                      union gb_model_config *config) {
    config->srcnn = (struct gb_srcnn_config){
        .sizes = gb_sizes_of(shape, shape->y_c), .patch_channels = 64, .mapping_channels = 32};
    return GB_OK;
}

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

static const struct gb_task_model models[] = {{.name = "cnf",
                                               .kind = &gb_cnf_model,
                                               .configure = configure_cnf,
                                               .reduce = reduce,
                                               .recipe = RECIPE},
                                              {.name = "factored",
                                               .kind = &gb_factored_model,
                                               .configure = configure_factored,
                                               .flow = &models[0],
                                               .recipe = RECIPE},
                                              {.name = "srcnn",
                                               .kind = &gb_srcnn_model,
                                               .configure = configure_srcnn,
                                               .recipe = GB_BASELINE_RECIPE(16, 1e-3f)},
                                              {0}};

// ---- Targets and pictures ----

static void target(const struct gb_tensor *x, const struct gb_tensor *y,
                   const struct gb_tensor *target) {
    (void)x;
    gb_copy_values(y, target);
}

static float to_picture(float level) {
    return level * (256.0f / 255.0f);
}

static void to_image(const struct gb_tensor *x, const struct gb_tensor *target,
                     const struct gb_tensor *picture) {
    (void)x;
    gb_map_values(target, to_picture, picture);
}

static void postprocess(const struct gb_tensor *x, const struct gb_tensor *picture,
                        const struct gb_tensor *answer) {
    (void)x;
    gb_copy_values(picture, answer);
}

// ---- Scores ----

enum { CROPS = 1000, SYNTHETIC_CROPS = 64, CROP_SIDE = 128, CROPS_AT_ONCE = 64, TEMPERATURES = 4 };

static const struct {
    float value;
    const char *suffix; // of metrics' names
    const char *caption;
} temperatures[TEMPERATURES] = {
    {0, "", "temp 0"}, {0.5f, "_0.5", "temp 0.5"}, {0.8f, "_0.8", "temp 0.8"}, {1, "_1", "temp 1"}};

// What answers are scored by, each with PSNR and SSIM: samples at the temperatures, and the
// baselines.
enum { BICUBIC = TEMPERATURES, REPEATED, ANSWERS };

// Sums over crops and over images.
struct sums {
    double bits;
    int crops;
    struct gb_sr_score scores[ANSWERS];
    double seconds; // of predictions
    int images;
};

// A test set: images [first, first + count) of the split.
struct test_set {
    const struct gb_dataset *split;
    int first, count;
    int name_length; // of the set's, with which those of its images begin
};

// How many answers a model gives: one that has a single one gives it whatever the temperature.
static int answers_of(const struct gb_predictor *predictor) {
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

// Of heights and widths of targets, which are twice the input's.
static int multiple_of(const struct gb_predictor *predictor) {
    const int multiple = gb_model_multiple(predictor->kind, &predictor->config);
    return multiple > 2 ? multiple : 2;
}

static enum gb_status crop_side(const struct gb_predictor *predictor, const struct test_set *set,
                                int *crop) {
    int side = CROP_SIDE;
    for (int i = set->first; i < set->first + set->count; i++) {
        const struct gb_example_shape shape = gb_dataset_shape(set->split, i);
        side = shape.y_h < side ? shape.y_h : side;
        side = shape.y_w < side ? shape.y_w : side;
    }
    const int multiple = multiple_of(predictor);
    *crop = side / multiple * multiple;
    return *crop > 0
               ? GB_OK
               : gb_fail(GB_BAD_INPUT, "cannot evaluate", set->split->names[set->first],
                         "the test set has sides of %d pixels, and the model's levels need %d",
                         side, multiple);
}

// Of crops [first, first + count), CROPS_AT_ONCE at most: all of them would fill memory.
static enum gb_status add_bits_of(struct gb_predictor *predictor, const struct gb_dataset *crops,
                                  int first, int count, struct sums *sums) {
    int indices[CROPS_AT_ONCE];
    double bits[CROPS_AT_ONCE];
    struct gb_examples examples;
    for (int i = 0; i < count; i++)
        indices[i] = first + i;
    GB_TRY(gb_dataset_gather(crops, indices, count, predictor->options.seed,
                             predictor->options.threads, &examples));
    const enum gb_status status =
        gb_predictor_bits(predictor, &examples, first, crops->names + first, bits);
    for (int i = 0; status == GB_OK && i < count; i++)
        sums->bits += bits[i];
    gb_examples_free(&examples);
    return status;
}

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
    enum gb_status status = gb_predictor_resize(predictor, &crops.shape);
    for (int first = 0; status == GB_OK && first < crops.count; first += CROPS_AT_ONCE)
        status = add_bits_of(predictor, &crops, first,
                             gb_min_int(CROPS_AT_ONCE, crops.count - first), sums);
    gb_dataset_free(&crops);
    return status;
}

// Pixel repetition, the simplest enlargement.
static void repeat_pixels(const struct gb_tensor *low, const struct gb_tensor *high) {
    for (int i = 0; i < high->h; i++)
        for (int j = 0; j < high->w; j++)
            memcpy(gb_at(high, 0, i, j), gb_at(low, 0, i / 2, j / 2), 3 * sizeof(float));
}

// The left upper part of a view.
static struct gb_tensor corner(const struct gb_tensor *t, int h, int w) {
    struct gb_tensor part = *t;
    part.h = h;
    part.w = w;
    return part;
}

static enum gb_status score_baselines(const struct gb_tensor *low, const struct gb_tensor *truth,
                                      struct gb_sr_score scores[ANSWERS]) {
    struct gb_tensor high = gb_dense(NULL, 1, truth->h, truth->w, 3);
    high.data = malloc(gb_elements(&high) * sizeof(float));
    if (!high.data)
        return gb_no_memory("cannot evaluate", "baselines");
    enum gb_status status = gb_sr_bicubic(low, &high);
    if (status == GB_OK)
        status = gb_sr_score(truth, &high, &scores[BICUBIC]);
    if (status == GB_OK) {
        repeat_pixels(low, &high);
        status = gb_sr_score(truth, &high, &scores[REPEATED]);
    }
    free(high.data);
    return status;
}

// Scores image `index`, of which `padded` is the padded pair, or a part.
static enum gb_status score_pair(struct gb_predictor *predictor, const struct gb_dataset *split,
                                 int index, const struct gb_examples *padded,
                                 struct gb_sr_score scores[ANSWERS], double *seconds) {
    const struct gb_example_shape whole = gb_dataset_shape(split, index);
    const int h = gb_min_int(whole.x_h, padded->x.h), w = gb_min_int(whole.x_w, padded->x.w);
    const struct gb_tensor truth = corner(&padded->y, 2 * h, 2 * w);
    const struct gb_tensor low = corner(&padded->x, h, w);
    GB_TRY(score_baselines(&low, &truth, scores));
    const double start = gb_seconds();
    GB_TRY(gb_predictor_condition(predictor, &padded->x, split->names[index]));
    for (int t = 0; t < answers_of(predictor); t++) {
        const struct gb_tensor sample =
            gb_predictor_sample(predictor, index, 0, temperatures[t].value);
        if (t == 0)
            *seconds = gb_seconds() - start;
        const struct gb_tensor answer = corner(&sample, 2 * h, 2 * w);
        GB_TRY(gb_sr_score(&truth, &answer, &scores[t]));
    }
    return GB_OK;
}

static enum gb_status set_score(json_t *object, const char *set, const char *baseline,
                                const char *suffix, const struct gb_sr_score *sum, int count) {
    char psnr[32], ssim[32];
    snprintf(psnr, sizeof psnr, "%spsnr%s", baseline, suffix);
    snprintf(ssim, sizeof ssim, "%sssim%s", baseline, suffix);
    GB_TRY(gb_metric_set(object, set, psnr, sum->psnr / count));
    return gb_metric_set(object, set, ssim, sum->ssim / count);
}

// Means of `count` images' scores; `set` comes before the names.
static enum gb_status set_scores(json_t *object, const char *set, int answers,
                                 const struct gb_sr_score sums[ANSWERS], int count) {
    for (int t = 0; t < answers; t++)
        GB_TRY(set_score(object, set, "", temperatures[t].suffix, &sums[t], count));
    GB_TRY(set_score(object, set, "bicubic_", "", &sums[BICUBIC], count));
    return set_score(object, set, "trivial_", "", &sums[REPEATED], count);
}

// A image, or a part, and its low resolution.
static enum gb_status take_pair(const struct gb_dataset *set, int index, struct gb_examples *pair) {
    const struct gb_example_shape shape = gb_dataset_shape(set, index);
    const struct gb_random_key key = {.sample = (uint32_t)index}; // which draws nothing
    GB_TRY(gb_examples_create(pair, 1, &shape));
    const struct gb_example example = gb_example_at(pair, 0);
    const enum gb_status status = set->fill(set, index, &key, &example);
    if (status != GB_OK)
        gb_examples_free(pair);
    return status;
}

static enum gb_status add_image(struct gb_predictor *predictor, const struct gb_dataset *split,
                                const struct gb_dataset *padded, int index, struct sums *sums,
                                json_t *per_image) {
    const struct gb_example_shape shape = gb_dataset_shape(padded, index);
    struct gb_sr_score scores[ANSWERS] = {0};
    double seconds = 0;
    struct gb_examples pair;
    GB_TRY(take_pair(padded, index, &pair));
    enum gb_status status = gb_predictor_resize(predictor, &shape);
    if (status == GB_OK)
        status = score_pair(predictor, split, index, &pair, scores, &seconds);
    gb_examples_free(&pair);
    GB_TRY(status);
    for (int answer = 0; answer < ANSWERS; answer++) {
        sums->scores[answer].psnr += scores[answer].psnr;
        sums->scores[answer].ssim += scores[answer].ssim;
    }
    sums->seconds += seconds;
    sums->images++;
    json_t *object = json_pack("{s:s}", "name", split->names[index]);
    if (json_array_append_new(per_image, object) != 0)
        return gb_no_memory("cannot evaluate", "metrics");
    return set_scores(object, "", answers_of(predictor), scores, 1);
}

// Of the side that all of a split have.
static enum gb_status middles_of(const struct gb_predictor *predictor,
                                 const struct gb_dataset *split, struct gb_dataset *middles) {
    const struct test_set all = {.split = split, .count = split->count};
    int side;
    GB_TRY(crop_side(predictor, &all, &side));
    return gb_sr_middles(split, side, middles);
}

// Of all images; where few are asked for, of their middles, since whole ones cost as much as
// tens of training steps.
static enum gb_status add_images(struct gb_predictor *predictor, const struct test_set *set,
                                 struct sums *sums, json_t *per_image) {
    const int asked = predictor->options.scored;
    const int count = asked ? gb_min_int(asked, set->count) : set->count;
    struct gb_dataset seen;
    if (asked)
        GB_TRY(middles_of(predictor, set->split, &seen));
    else
        GB_TRY(gb_sr_pad(set->split, multiple_of(predictor), &seen));
    enum gb_status status = GB_OK;
    for (int i = 0; status == GB_OK && i < count; i++) {
        const int index = set->first + (int)((long)i * set->count / count);
        status = add_image(predictor, set->split, &seen, index, sums, per_image);
    }
    gb_dataset_free(&seen);
    return status;
}

static enum gb_status set_count(json_t *metrics, const char *set, const char *name, int count) {
    char whole[96];
    snprintf(whole, sizeof whole, "%s%s", set, name);
    return json_object_set_new(metrics, whole, json_integer(count))
               ? gb_no_memory("cannot evaluate", "metrics")
               : GB_OK;
}

// The means, their names after `set`, and what they were taken over.
static enum gb_status report(const struct gb_predictor *predictor, const struct sums *sums,
                             const char *set, json_t *metrics) {
    const char *loss = gb_model_loss_name(predictor->kind);
    GB_TRY(gb_metric_set(metrics, set, loss, sums->bits / sums->crops));
    GB_TRY(set_count(metrics, set, "crops", sums->crops));
    GB_TRY(set_count(metrics, set, "images", sums->images));
    return set_scores(metrics, set, answers_of(predictor), sums->scores, sums->images);
}

static void add_sums(const struct sums *from, struct sums *to) {
    to->bits += from->bits;
    to->crops += from->crops;
    for (int answer = 0; answer < ANSWERS; answer++) {
        to->scores[answer].psnr += from->scores[answer].psnr;
        to->scores[answer].ssim += from->scores[answer].ssim;
    }
    to->seconds += from->seconds;
    to->images += from->images;
}

static enum gb_status evaluate_set(struct gb_predictor *predictor, const struct test_set *set,
                                   struct sums *all, json_t *metrics, json_t *per_image) {
    struct sums sums = {0};
    GB_TRY(add_bits(predictor, set, &sums));
    GB_TRY(add_images(predictor, set, &sums, per_image));
    add_sums(&sums, all);
    char name[64];
    snprintf(name, sizeof name, "%.*s_", set->name_length, set->split->names[set->first]);
    return report(predictor, &sums, name, metrics);
}

static enum gb_status evaluate(struct gb_predictor *predictor, const struct gb_dataset *train,
                               const struct gb_dataset *test, json_t *metrics, json_t *per_image) {
    (void)train;
    struct sums all = {0};
    if (test->shape.y_h > 0)
        return gb_fail(GB_BAD_INPUT, "cannot evaluate", "--split train",
                       "sr scores whole photographs, and those that train give patches");
    for (int first = 0; first < test->count;) {
        const struct test_set set = test_set_at(test, first);
        GB_TRY(evaluate_set(predictor, &set, &all, metrics, per_image));
        first += set.count;
    }
    GB_TRY(report(predictor, &all, "", metrics));
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
    for (int t = 0; t < answers_of(predictor); t++)
        columns[SAMPLES + t] = (struct gb_picture_column){
            predictor->kind->point_estimate ? "prediction" : temperatures[t].caption, high};
    return SAMPLES + answers_of(predictor);
}

static enum gb_status fill_row(struct gb_predictor *predictor, const struct gb_dataset *middles,
                               int index, const struct gb_example *example,
                               const struct gb_tensor cells[]) {
    gb_map_values(&example->x, to_picture, &cells[INPUT]);
    gb_map_values(&example->y, to_picture, &cells[TRUTH]);
    GB_TRY(gb_sr_bicubic(&example->x, &cells[ENLARGED]));
    gb_map_values(&cells[ENLARGED], to_picture, &cells[ENLARGED]);
    GB_TRY(gb_predictor_condition(predictor, &example->x, middles->names[index]));
    for (int t = 0; t < answers_of(predictor); t++) {
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

// ---- Pictures of whole images ----

struct figure {
    struct gb_picture_column columns[GB_MAX_COLUMNS];
    int count;
};

static void free_figure(struct figure *figure) {
    for (int i = 0; i < figure->count; i++)
        free(figure->columns[i].images.data);
}

static enum gb_status add_column(struct figure *figure, const char *caption,
                                 const struct gb_tensor *values) {
    struct gb_picture_column *column = &figure->columns[figure->count];
    *column = (struct gb_picture_column){caption, gb_dense(NULL, 1, values->h, values->w, 3)};
    column->images.data = malloc(gb_elements(&column->images) * sizeof(float));
    if (!column->images.data)
        return gb_no_memory("cannot evaluate", "pictures");
    figure->count++;
    gb_map_values(values, to_picture, &column->images);
    return GB_OK;
}

static enum gb_status add_bicubic(struct figure *figure, const struct gb_tensor *low) {
    struct gb_tensor high = gb_dense(NULL, 1, 2 * low->h, 2 * low->w, 3);
    high.data = malloc(gb_elements(&high) * sizeof(float));
    enum gb_status status =
        high.data ? gb_sr_bicubic(low, &high) : gb_no_memory("cannot evaluate", "pictures");
    if (status == GB_OK)
        status = add_column(figure, "bicubic", &high);
    free(high.data);
    return status;
}

// The first of a model's answers to a image of h x w, of which `padded` is the padded pair;
// the only one under the caption.
static enum gb_status add_answers(struct figure *figure, struct gb_predictor *predictor,
                                  const char *name, int index, const struct gb_examples *padded,
                                  int h, int w, int answers, const char *caption) {
    const struct gb_example_shape shape = gb_shape_of(&padded->x, &padded->y);
    GB_TRY(gb_predictor_resize(predictor, &shape));
    GB_TRY(gb_predictor_condition(predictor, &padded->x, name));
    for (int t = 0; t < answers; t++) {
        const struct gb_tensor sample =
            gb_predictor_sample(predictor, index, 0, temperatures[t].value);
        const struct gb_tensor answer = corner(&sample, h, w);
        GB_TRY(add_column(figure, answers > 1 ? temperatures[t].caption : caption, &answer));
    }
    return gb_backend_check(predictor->options.backend);
}

// As the model is scored: padded to what it needs.
static enum gb_status pad_and_add(struct figure *figure, struct gb_predictor *predictor,
                                  const struct gb_dataset *test, int index, int answers,
                                  const char *caption) {
    const struct gb_example_shape whole = gb_dataset_shape(test, index);
    struct gb_dataset padded;
    struct gb_examples pair;
    GB_TRY(gb_sr_pad(test, multiple_of(predictor), &padded));
    enum gb_status status = take_pair(&padded, index, &pair);
    if (status == GB_OK) {
        status = add_answers(figure, predictor, test->names[index], index, &pair, whole.y_h,
                             whole.y_w, answers, caption);
        gb_examples_free(&pair);
    }
    gb_dataset_free(&padded);
    return status;
}

static enum gb_status add_columns(struct figure *figure, struct gb_predictor *predictor,
                                  struct gb_predictor *beside, const struct gb_dataset *test,
                                  int index, const struct gb_examples *pair) {
    GB_TRY(add_column(figure, "input", &pair->x));
    GB_TRY(add_bicubic(figure, &pair->x));
    if (beside)
        GB_TRY(pad_and_add(figure, beside, test, index, 1, beside->kind->title));
    GB_TRY(pad_and_add(figure, predictor, test, index, answers_of(predictor), "prediction"));
    return add_column(figure, "truth", &pair->y);
}

static enum gb_status draw_figure(struct gb_predictor *predictor, struct gb_predictor *beside,
                                  const struct gb_dataset *test, int index, const char *path) {
    struct figure figure = {0};
    struct gb_examples pair;
    if (test->shape.y_h > 0)
        return gb_fail(GB_BAD_INPUT, "cannot draw", "--split train",
                       "whole photographs are drawn, and those that train give patches");
    GB_TRY(take_pair(test, index, &pair));
    enum gb_status status = add_columns(&figure, predictor, beside, test, index, &pair);
    const char *const captions[] = {test->names[index]};
    const struct gb_picture picture = {.title = predictor->task->summary,
                                       .columns = figure.columns,
                                       .column_count = figure.count,
                                       .row_count = 1,
                                       .row_captions = captions};
    if (status == GB_OK)
        status = gb_picture_write(path, &picture);
    free_figure(&figure);
    gb_examples_free(&pair);
    return status;
}

const struct gb_task gb_sr = {
    .name = "sr",
    .summary = "super-resolution by two",
    .paper = "CNF, section 5.1, Tables 1 and 2",
    .dataset = "photographs: BSDS500, ImageNet32/64 as npz, or a folder of images; Set5, Set14 and "
               "BSD100 to test on; several folders with colons between (tasks/data/sr_files.h)",
    .size = "height and width of training patches",
    .default_size = 32,
    .level_distance = 1.0f / 256,
    .models = models,
    .reduced = {.size = 32, .batch = 8, .iterations = 1600, .learning_rate = 2e-3f},
    .load = gb_sr_load,
    .target = target,
    .to_image = to_image,
    .postprocess = postprocess,
    .picture_channels = 3,
    .one_sample = true,
    .evaluate = evaluate,
    .picture = picture,
    .figure = draw_figure,
    .temperatures = "0, 0.5, 0.8 and 1",
    .headline = "psnr",
};
