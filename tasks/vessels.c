// SPDX-License-Identifier: MIT
// Segmentation of retinal vessels (CNF paper, section 5.2, Table 3, Figures 4 and 5).
//
// Data: DRIVE or CHASE_DB1, full images or windows of them (--size), illumination normalised
// (tasks/data/vessels_data.h); rotated, scaled and sheared for training. Model: L = 2, K = 2,
// instance norm, additive couplings, binary variational dequantisation by a one-scale flow; the
// paper gives neither channels nor dequantiser steps: 32 and 2 here. Prediction: the mean of
// samples thresholded at 0.5; for the factored baseline its probability; with gradient ascent, the
// mask it finds. Metrics inside the field of view: the maximum F-score over the precision-recall
// curve, the F-score of single samples, the second observer's ("human"); bits per dimension over
// the whole padded tensor, the same for all models. Baselines: vessel everywhere ("trivial"), and
// the best threshold on the green channel ("threshold_f_score").
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/minmax.h"
#include "tasks/data/vessels_data.h"
#include "tasks/images/picture.h"
#include "tasks/metrics/pr_plane.h"
#include "tasks/metrics/precision_recall.h"
#include "tasks/metrics/record.h"
#include "tasks/parallel/ranks.h"
#include "tasks/prediction/predictor.h"
#include "tasks/recipes.h"
#include "tasks/synthetic/fundus.h"

static enum gb_status load(const struct gb_source *source, struct gb_dataset splits[]) {
    if (!source->directory)
        return gb_fundus_load(GB_SYNTHETIC_SEED, GB_FUNDUS_SIZE, GB_FUNDUS_TRAIN, GB_FUNDUS_TEST,
                              source, splits);
    return gb_vessels_load(source, splits);
}

// ---- models ----

#define FLOW(name_, dequantiser_steps_)                                                            \
    {                                                                                              \
        .name = (name_), .kind = &gb_cnf_model,                                                    \
        .config.cnf = {.kind = GB_CNF_SEGMENTATION,                                                \
                       .levels = 2,                                                                \
                       .steps = 2,                                                                 \
                       .condition_channels = 32,                                                   \
                       .coupling_channels = 32,                                                    \
                       .dequantiser_steps = (dequantiser_steps_)},                                 \
        .recipe = RECIPE,                                                                          \
    }
#define RECIPE GB_CNF_RECIPE(2, 1e-3f, 0)

static const struct gb_task_model models[] = {
    FLOW("cnf", 2),
    FLOW("cnf-uniform", 0),
    {.name = "factored", .kind = &gb_factored_model, .flow = &models[0], .recipe = RECIPE},
    {0}};

static float one_or_zero(float value) {
    return value > 0.5f;
}

static void postprocess(const struct gb_tensor *x, const struct gb_tensor *from,
                        const struct gb_tensor *to) {
    (void)x;
    gb_map_values(from, one_or_zero, to);
}

// ---- Evaluation ----

// Levels of the curve of a model that predicts probabilities.
enum { PROBABILITY_LEVELS = 256 };

// Buffers for the predictions of images.
struct buffers {
    // The share of samples with a vessel at each pixel; or the probability, or the mask that
    // gradient ascent finds.
    struct gb_tensor mean;
    struct gb_pr_point *samples; // precision and recall of each sample
    // Of one image at a time: one sample, thresholded; the second observer's mask.
    struct gb_tensor mask, second;
};

static enum gb_status create_buffers(const struct gb_predictor *p, int images, struct buffers *b) {
    const struct gb_tensor *y = &p->target;
    b->mask = b->second = gb_dense(NULL, 1, y->h, y->w, y->c);
    b->mean = gb_dense(NULL, images, y->h, y->w, y->c);
    b->mean.data = malloc(gb_elements(&b->mean) * sizeof(float));
    b->mask.data = malloc(gb_elements(&b->mask) * sizeof(float));
    b->second.data = malloc(gb_elements(&b->second) * sizeof(float));
    b->samples = malloc((size_t)images * (size_t)p->samples * sizeof *b->samples);
    return b->mean.data && b->mask.data && b->second.data && b->samples
               ? GB_OK
               : gb_no_memory("cannot evaluate", "vessels");
}

static void free_buffers(struct buffers *b) {
    free(b->mean.data);
    free(b->mask.data);
    free(b->second.data);
    free(b->samples);
}

// Those of image i.
static struct buffers buffers_at(const struct gb_predictor *p, const struct buffers *b, int i) {
    struct buffers one = *b;
    one.mean = gb_images(&b->mean, i, 1);
    one.samples = b->samples + (size_t)i * (size_t)p->samples;
    return one;
}

// Fills b->mean and b->samples of one image.
static enum gb_status predict(struct gb_predictor *p, const struct gb_example *example,
                              const char *name, int index, struct buffers *b) {
    const struct gb_exec exec = {.threads = p->options.threads};
    float *shares = b->mean.data;
    memset(shares, 0, gb_elements(&b->mean) * sizeof *shares);
    GB_TRY(gb_predictor_condition(p, &example->x, name));
    for (int m = 0; m < p->samples; m++) {
        const struct gb_tensor sample = gb_predictor_sample(p, index, m, p->options.temperature);
        struct gb_detections detections = {0};
        postprocess(&example->x, &sample, &b->mask);
        gb_detections_add(&detections, &example->y, &b->mask, &example->mask);
        b->samples[m] = gb_pr_point_of(&detections);
        p->options.backend->add(&exec, &b->mask, &b->mean);
    }
    for (size_t i = 0; i < gb_elements(&b->mean); i++)
        shares[i] /= (float)p->samples;
    if (p->kind->uniform_noise) {
        const struct gb_tensor probability = gb_predictor_sample(p, index, 0, 0);
        gb_copy_values(&probability, &b->mean);
    }
    if (p->options.prediction == GB_PREDICT_GRADIENT) {
        GB_TRY(gb_predictor_predict(p, &example->x, name, index, &b->mean));
        postprocess(&example->x, &b->mean, &b->mean);
    }
    return GB_OK;
}

// The second observer's mask of an example of gb_dataset_gather, and its detections; false if the
// image has none.
static bool second_observer(const struct gb_predictor *p, const struct gb_dataset *set, int index,
                            const struct gb_example *example, const struct gb_tensor *second,
                            struct gb_detections *detections) {
    const struct gb_random_key key = {.seed = p->options.seed, .sample = (uint32_t)index};
    if (!gb_vessels_second(set, index, &key, second))
        return false;
    gb_detections_add(detections, &example->y, second, &example->mask);
    return true;
}

struct evaluation {
    struct gb_predictor *predictor;
    const struct gb_dataset *train, *test;
    struct gb_selection scored;
    struct gb_examples examples;
    struct buffers buffers;
    double *bits;                        // of each image
    struct gb_soft_counts counts, green; // of the predictions; of the images' green channel
    struct gb_pr_point *curve;           // buffer for the points of either
    struct gb_detections human;          // of the second observer
    int human_count;                     // images with a second observer
    double sample_f_scores;              // sum over images
};

static enum gb_status create_evaluation(struct evaluation *e) {
    struct gb_predictor *p = e->predictor;
    const int levels = p->kind->uniform_noise ? PROBABILITY_LEVELS : p->samples + 1;
    GB_TRY(gb_predictor_resize(p, &e->test->shape));
    GB_TRY(gb_dataset_select(e->test, p->options.scored, &e->scored));
    GB_TRY(gb_dataset_gather(e->test, e->scored.indices, e->scored.count, p->options.seed,
                             p->options.threads, &e->examples));
    GB_TRY(create_buffers(p, e->scored.count, &e->buffers));
    GB_TRY(gb_soft_counts_create(&e->counts, levels));
    GB_TRY(gb_soft_counts_create(&e->green, PROBABILITY_LEVELS));
    e->curve = malloc((size_t)gb_max_int(levels, PROBABILITY_LEVELS) * sizeof *e->curve);
    e->bits = malloc((size_t)e->scored.count * sizeof *e->bits);
    return e->curve && e->bits ? GB_OK : gb_no_memory("cannot evaluate", "vessels");
}

static void free_evaluation(struct evaluation *e) {
    gb_selection_free(&e->scored);
    gb_examples_free(&e->examples);
    free_buffers(&e->buffers);
    gb_soft_counts_free(&e->counts);
    gb_soft_counts_free(&e->green);
    free(e->curve);
    free(e->bits);
}

static json_t *point_json(const struct gb_pr_point *point) {
    return json_pack("{s:f, s:f, s:f}", "recall", point->recall, "precision", point->precision,
                     "f_score", point->f_score);
}

static json_t *points_json(const struct gb_pr_point *points, int count) {
    json_t *array = json_array();
    int failed = 0;
    for (int i = 0; i < count; i++)
        failed |= json_array_append_new(array, point_json(&points[i]));
    if (!failed)
        return array;
    json_decref(array);
    return NULL;
}

// Scores scored image `i`, whose mean and samples are there.
static enum gb_status score_image(struct evaluation *e, int i, json_t *per_image) {
    struct gb_predictor *p = e->predictor;
    const struct buffers one = buffers_at(p, &e->buffers, i), *b = &one;
    const int index = e->scored.indices[i];
    const struct gb_example example = gb_example_at(&e->examples, i);
    const struct gb_tensor green = gb_channels(&example.x, 1, 1);
    gb_soft_counts_add(&e->counts, &example.y, &b->mean, &example.mask);
    gb_soft_counts_add(&e->green, &example.y, &green, &example.mask);
    double f_scores = 0;
    for (int m = 0; m < p->samples; m++)
        f_scores += b->samples[m].f_score;
    e->sample_f_scores += f_scores / p->samples;
    json_t *json = json_pack("{s:s, s:f, s:f, s:o}", "name", e->scored.names[i],
                             "bits_per_dimension", e->bits[i], "sample_f_score",
                             f_scores / p->samples, "samples", points_json(b->samples, p->samples));
    int failed = json_array_append_new(per_image, json);
    struct gb_detections human = {0};
    if (!failed && second_observer(p, e->test, index, &example, &b->second, &human)) {
        const struct gb_pr_point point = gb_pr_point_of(&human);
        failed = json_object_set_new(json, "human", point_json(&point));
        e->human.right += human.right;
        e->human.wrong += human.wrong;
        e->human.missed += human.missed;
        e->human_count++;
    }
    return failed ? gb_no_memory("cannot evaluate", "vessels") : GB_OK;
}

// Bits per dimension of a model that ignores the image: every pixel is a vessel with the training
// set's rate of vessels. One pixel of either kind is added, so that the rate is never 0.
static double trivial_bits(const struct gb_dataset *train, const struct gb_tensor *truth) {
    const double pixels = (double)truth->h * truth->w;
    double ones = 0, train_ones = 0;
    for (int i = 0; i < train->count; i++) {
        const struct gb_image *vessels = &gb_vessels_image(train, i)->vessels;
        for (size_t j = 0; j < (size_t)vessels->w * (size_t)vessels->h; j++)
            train_ones += vessels->pixels[j] != 0;
    }
    const float *values = truth->data;
    for (size_t i = 0; i < gb_elements(truth); i++)
        ones += values[i] != 0;
    double rate = (train_ones + 1) / (pixels * train->count + 2),
           share = ones / (pixels * truth->n);
    return -share * log2(rate) - (1 - share) * log2(1 - rate);
}

static enum gb_status set_point(json_t *metrics, const char *prefix,
                                const struct gb_pr_point *point) {
    GB_TRY(gb_metric_set(metrics, prefix, "f_score", point->f_score));
    GB_TRY(gb_metric_set(metrics, prefix, "precision", point->precision));
    return gb_metric_set(metrics, prefix, "recall", point->recall);
}

static enum gb_status set_metrics(const struct evaluation *e, json_t *metrics) {
    const int points = e->counts.levels - 1, count = e->examples.count;
    const struct gb_image *image = &gb_vessels_image(e->test, 0)->image;
    const double dimensions = (double)e->examples.y.h * e->examples.y.w;
    struct gb_detections everywhere = {0};
    for (int level = 0; level <= points; level++) {
        everywhere.right += e->counts.ones[level];
        everywhere.wrong += e->counts.zeros[level];
    }
    double bits = 0;
    for (int i = 0; i < count; i++)
        bits += e->bits[i] / count;
    gb_pr_curve(&e->green, e->curve);
    const double green = e->curve[gb_pr_best(e->curve, PROBABILITY_LEVELS - 1)].f_score;
    gb_pr_curve(&e->counts, e->curve);
    const int best = gb_pr_best(e->curve, points);
    const struct {
        const char *name;
        double value;
    } numbers[] = {
        {"bits_per_dimension", bits},
        // Padding is certain and lowers the mean; this is over the image's own pixels.
        {"bits_per_photograph_pixel", bits * dimensions / ((double)image->h * image->w)},
        {"dimensions", dimensions},
        {"trivial_bits_per_dimension", trivial_bits(e->train, &e->examples.y)},
        {"best_threshold", (best + 1.0) / points},
        {"sample_f_score", e->sample_f_scores / count},
        {"threshold_f_score", green},
        {"trivial_f_score", gb_pr_point_of(&everywhere).f_score},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        GB_TRY(gb_metric_set(metrics, "", numbers[i].name, numbers[i].value));
    GB_TRY(set_point(metrics, "", &e->curve[best]));
    if (e->human_count == count) {
        const struct gb_pr_point human = gb_pr_point_of(&e->human);
        GB_TRY(set_point(metrics, "human_", &human));
    }
    return json_object_set_new(metrics, "curve", points_json(e->curve, points))
               ? gb_no_memory("cannot evaluate", "vessels")
               : GB_OK;
}

// Likelihoods and predictions of a range of the scored images; `start` becomes the time between.
static enum gb_status predict_range(struct evaluation *e, struct gb_range range, double *start) {
    struct gb_predictor *p = e->predictor;
    GB_TRY(gb_predictor_range_bits(p, &e->examples, range, e->scored.names, e->bits));
    *start = gb_seconds();
    for (int i = (int)range.begin; i < (int)range.end; i++) {
        const struct gb_example example = gb_example_at(&e->examples, i);
        struct buffers one = buffers_at(p, &e->buffers, i);
        GB_TRY(predict(p, &example, e->scored.names[i], e->scored.indices[i], &one));
    }
    return GB_OK;
}

// Of all, which the ranks of a job share.
static enum gb_status predict_all(struct evaluation *e, double *seconds) {
    const int count = e->scored.count;
    const struct buffers *b = &e->buffers;
    double start = 0;
    GB_TRY(gb_ranks_agree(predict_range(e, gb_ranks_share(count), &start), NULL));
    *seconds = (gb_seconds() - start) / count;
    gb_ranks_gather_shares(e->bits, count, sizeof *e->bits);
    gb_ranks_gather_shares(b->mean.data, count, (size_t)b->mean.image * sizeof(float));
    gb_ranks_gather_shares(b->samples, count, (size_t)e->predictor->samples * sizeof *b->samples);
    return GB_OK;
}

static enum gb_status evaluate_into(struct evaluation *e, json_t *metrics, json_t *per_image) {
    GB_TRY(create_evaluation(e));
    double seconds;
    GB_TRY(predict_all(e, &seconds));
    for (int i = 0; i < e->scored.count; i++)
        GB_TRY(score_image(e, i, per_image));
    GB_TRY(set_metrics(e, metrics));
    return gb_metric_set_speed(metrics, seconds);
}

static enum gb_status evaluate(struct gb_predictor *p, const struct gb_dataset *train,
                               const struct gb_dataset *test, json_t *metrics, json_t *per_image) {
    const struct gb_image *first = &gb_vessels_image(test, 0)->image;
    if (test->shape.y_h < first->h || test->shape.y_w < first->w)
        return gb_fail(GB_BAD_INPUT, "cannot evaluate", "--split train",
                       "only the test split has full images to score");
    struct evaluation e = {.predictor = p, .train = train, .test = test};
    const enum gb_status status = evaluate_into(&e, metrics, per_image);
    free_evaluation(&e);
    return status;
}

// ---- Picture ----

enum { SHOWN = 2, MAX_SIDE = 336 }; // samples; pixels

static const float curve_colour[3] = {0, 0, 0}, sample_colour[3] = {0.9f, 0.5f, 0.1f},
                   best_colour[3] = {0.8f, 0, 0}, human_colour[3] = {0, 0.4f, 0.9f};

enum column { INPUT, TRUTH, HUMAN, SAMPLE, OTHER_SAMPLE, MEAN, PLANE, COLUMNS };
static const char *const captions[COLUMNS] = {"input",  "truth", "human",   "sample",
                                              "sample", "mean",  "PR plane"};

// Full images are shown reduced.
static int columns_of(const struct gb_predictor *p, const struct gb_example_shape *shape,
                      struct gb_picture_column columns[static GB_MAX_COLUMNS]) {
    const int factor = (gb_max_int(shape->y_h, shape->y_w) + MAX_SIDE - 1) / MAX_SIDE;
    const int h = shape->y_h / factor, w = shape->y_w / factor;
    for (enum column i = 0; i < COLUMNS; i++)
        columns[i] =
            (struct gb_picture_column){captions[i], gb_dense(NULL, 1, h, i == PLANE ? h : w,
                                                             i == INPUT || i == PLANE ? 3 : 1)};
    columns[MEAN].caption = gb_prediction_names[p->options.prediction];
    return COLUMNS;
}

// Reduces by averaging blocks of pixels.
static void show(const struct gb_tensor *image, const struct gb_tensor *cell) {
    const int factor = image->h / cell->h;
    for (int y = 0; y < cell->h; y++)
        for (int x = 0; x < cell->w; x++)
            for (int c = 0; c < cell->c; c++) {
                float sum = 0;
                for (int i = 0; i < factor * factor; i++)
                    sum += gb_at(image, 0, y * factor + i / factor, x * factor + i % factor)[c];
                gb_at(cell, 0, y, x)[c] = sum / (float)(factor * factor);
            }
}

// Figure 5 for one image: its curve with the best point, the samples, the second observer.
static enum gb_status draw_plane(const struct gb_example *example, const struct buffers *b,
                                 int sample_count, const struct gb_pr_point *human,
                                 const struct gb_tensor *plane) {
    enum { POINTS = PROBABILITY_LEVELS - 1 };
    struct gb_pr_point curve[POINTS];
    struct gb_soft_counts counts;
    GB_TRY(gb_soft_counts_create(&counts, PROBABILITY_LEVELS));
    gb_soft_counts_add(&counts, &example->y, &b->mean, &example->mask);
    gb_pr_curve(&counts, curve);
    gb_soft_counts_free(&counts);
    const int best = gb_pr_best(curve, POINTS), dot = plane->h / 100 + 1;
    gb_pr_plane_clear(plane);
    gb_pr_plane_dots(plane, curve, POINTS, 0, curve_colour);
    gb_pr_plane_dots(plane, b->samples, sample_count, dot - 1, sample_colour);
    gb_pr_plane_dots(plane, &curve[best], 1, dot, best_colour);
    if (human)
        gb_pr_plane_dots(plane, human, 1, dot, human_colour);
    return GB_OK;
}

static enum gb_status fill_cells(struct gb_predictor *p, const struct gb_dataset *set, int index,
                                 const struct gb_example *example, struct buffers *b,
                                 const struct gb_tensor cells[]) {
    struct gb_detections detections = {0};
    const bool seconded = second_observer(p, set, index, example, &b->second, &detections);
    const struct gb_pr_point human = gb_pr_point_of(&detections);
    if (seconded)
        show(&b->second, &cells[HUMAN]);
    GB_TRY(predict(p, example, set->names[index], index, b));
    show(&example->x, &cells[INPUT]);
    show(&example->y, &cells[TRUTH]);
    for (int m = 0; m < SHOWN && m < p->samples; m++) {
        const struct gb_tensor sample = gb_predictor_sample(p, index, m, p->options.temperature);
        postprocess(&example->x, &sample, &b->mask);
        show(&b->mask, &cells[SAMPLE + m]);
    }
    show(&b->mean, &cells[MEAN]);
    return draw_plane(example, b, p->samples, seconded ? &human : NULL, &cells[PLANE]);
}

static enum gb_status fill_row(struct gb_predictor *p, const struct gb_dataset *set, int index,
                               const struct gb_example *example, const struct gb_tensor *target,
                               const struct gb_tensor cells[]) {
    (void)target;
    struct buffers buffers = {0};
    enum gb_status status = create_buffers(p, 1, &buffers);
    if (status == GB_OK)
        status = fill_cells(p, set, index, example, &buffers, cells);
    free_buffers(&buffers);
    return status;
}

static enum gb_status draw_picture(struct gb_predictor *p, const struct gb_dataset *set, int images,
                                   const char *path) {
    static const struct gb_example_picture picture = {columns_of, fill_row};
    GB_TRY(gb_predictor_resize(p, &set->shape));
    return gb_draw_examples(p, &picture, set, images, path);
}

const struct gb_task gb_vessels = {
    .name = "vessels",
    .summary = "segmentation of the retina's vessels",
    .paper = "CNF, section 5.2, Table 3",
    .dataset = "DRIVE (training/, test/) or CHASE_DB1 (Image_*.jpg and *_1stHO.png, *_2ndHO.png)",
    .size = "height and width of training windows, at most those of the padded image",
    .default_size = GB_MAX_SIZE,
    // A mask's levels are 0 and 1; uniform noise is centred on them.
    .level_distance = 1,
    .noise_low = -0.5f,
    .samples = 100,
    .reduced = {.size = GB_FUNDUS_SIZE, .batch = 2, .iterations = 500, .learning_rate = 1e-3f},
    .models = models,
    .load = load,
    .target = gb_target_copied,
    .to_image = gb_target_copied,
    .postprocess = postprocess,
    .picture_channels = 1,
    .evaluate = evaluate,
    .picture = draw_picture,
    .headline = "f_score",
};
