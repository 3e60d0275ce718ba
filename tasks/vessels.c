// SPDX-License-Identifier: MIT
// Segmentation of the retina's vessels (CNF paper, section 5.2, Table 3, Figures 4 and 5).
//
// Data: DRIVE or CHASE_DB1, whole images at full resolution, or windows on them by --size;
// their light is levelled (tasks/data/vessels_data.h); rotated, scaled and sheared for training.
// Model: L = 2, K = 2, instance norm, additive couplings, binary variational dequantisation by a
// flow of one scale; the paper gives no numbers of channels and no steps for the dequantiser: 32
// and 2 here. Prediction: the mean of samples, each cut at 0.5 first; of the factored baseline,
// which has it, the probability; by gradient ascent, what it finds, cut alike. Metrics inside the
// field of view: the maximal F-score over the curve of precision and recall, the F-score of single
// samples, that of the second observer ("human"); bits per dimension of the whole padded tensor,
// the same for all models. "trivial" is vessel everywhere, "threshold_f_score" the best threshold
// on the levelled images' green channel.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "flows/models/factored.h"
#include "tasks/data/vessels_data.h"
#include "tasks/images/picture.h"
#include "tasks/images/pr_plane.h"
#include "tasks/metrics/precision_recall.h"
#include "tasks/metrics/record.h"
#include "tasks/recipes.h"
#include "tasks/synthetic/fundus.h"
#include "tasks/training/predictor.h"

static enum gb_status load(const struct gb_source *source, struct gb_dataset splits[]) {
    if (!source->directory)
        return gb_fundus_load(GB_SYNTHETIC_SEED, GB_FUNDUS_SIZE, GB_FUNDUS_TRAIN, GB_FUNDUS_TEST,
                              source, splits);
    return gb_vessels_load(source, splits);
}

// ---- models ----

static struct gb_cnf_config flow(const struct gb_example_shape *shape, int dequantiser_steps) {
    return (struct gb_cnf_config){.kind = GB_CNF_SEGMENTATION,
                                  .sizes = gb_sizes_of(shape, shape->y_c),
                                  .levels = 2,
                                  .steps = 2,
                                  .condition_channels = 32,
                                  .coupling_channels = 32,
                                  .dequantiser_steps = dequantiser_steps};
}

enum { DEQUANTISER_STEPS = 2 };

static enum gb_status configure_cnf(const struct gb_example_shape *shape,
                                    union gb_model_config *config) {
    config->cnf = flow(shape, DEQUANTISER_STEPS);
    return GB_OK;
}

static enum gb_status configure_uniform(const struct gb_example_shape *shape,
                                        union gb_model_config *config) {
    config->cnf = flow(shape, 0);
    return GB_OK;
}

static enum gb_status configure_factored(const struct gb_example_shape *shape,
                                         union gb_model_config *config) {
    const struct gb_cnf_config matched = flow(shape, DEQUANTISER_STEPS);
    return gb_factored_match(&matched, &config->factored);
}

#define RECIPE GB_CNF_RECIPE(2, 1e-3f, 0)

static const struct gb_task_model models[] = {
    {.name = "cnf", .kind = &gb_cnf_model, .configure = configure_cnf, .recipe = RECIPE},
    {.name = "cnf-uniform",
     .kind = &gb_cnf_model,
     .configure = configure_uniform,
     .recipe = RECIPE},
    {.name = "factored",
     .kind = &gb_factored_model,
     .configure = configure_factored,
     .flow = &models[0],
     .recipe = RECIPE},
    {0}};

static void copy(const struct gb_tensor *x, const struct gb_tensor *from,
                 const struct gb_tensor *to) {
    (void)x;
    gb_copy_values(from, to);
}

static float one_or_zero(float value) {
    return value > 0.5f;
}

static void cut(const struct gb_tensor *x, const struct gb_tensor *from,
                const struct gb_tensor *to) {
    (void)x;
    gb_map_values(from, one_or_zero, to);
}

// ---- evaluation ----

// Levels of the curve for a model that gives probabilities.
enum { PROBABILITY_LEVELS = 256 };

// What samples say about one image.
struct prediction_stats {
    struct gb_tensor mean;       // of one image: the share of samples that have a vessel there, or
                                 // what else is predicted
    struct gb_tensor mask;       // room for one sample, cut: the predictor may give it again
    struct gb_pr_point *samples; // of each
    int sample_count;
};

static enum gb_status prediction_stats_create(struct prediction_stats *prediction_stats,
                                              const struct gb_predictor *p) {
    const struct gb_tensor *y = &p->target;
    const struct gb_tensor image = gb_dense(NULL, 1, y->h, y->w, y->c);
    *prediction_stats =
        (struct prediction_stats){.mean = image, .mask = image, .sample_count = p->samples};
    prediction_stats->mean.data = malloc(gb_elements(&image) * sizeof(float));
    prediction_stats->mask.data = malloc(gb_elements(&image) * sizeof(float));
    prediction_stats->samples = malloc((size_t)p->samples * sizeof *prediction_stats->samples);
    return prediction_stats->mean.data && prediction_stats->mask.data && prediction_stats->samples
               ? GB_OK
               : gb_no_memory("cannot evaluate", "vessels");
}

static void prediction_stats_free(struct prediction_stats *prediction_stats) {
    free(prediction_stats->mean.data);
    free(prediction_stats->mask.data);
    free(prediction_stats->samples);
}

// The first of the samples stay in `kept` (of any number of images; NULL: none).
static enum gb_status ask(struct gb_predictor *p, const struct gb_example *example,
                          const char *name, int index, const struct gb_tensor *kept,
                          struct prediction_stats *prediction_stats) {
    const struct gb_exec exec = {.threads = p->options.threads};
    const struct gb_tensor *mean = &prediction_stats->mean, *mask = &prediction_stats->mask;
    float *shares = mean->data;
    memset(shares, 0, gb_elements(mean) * sizeof *shares);
    GB_TRY(gb_predictor_condition(p, &example->x, name));
    for (int m = 0; m < p->samples; m++) {
        const struct gb_tensor sample = gb_predictor_sample(p, index, m, p->options.temperature);
        cut(&example->x, &sample, mask);
        struct gb_detections detections = {0};
        gb_detections_add(&detections, &example->y, mask, &example->mask);
        prediction_stats->samples[m] = gb_pr_point_of(&detections);
        p->options.backend->add(&exec, mask, mean);
        if (kept && m < kept->n) {
            const struct gb_tensor keep = gb_images(kept, m, 1);
            gb_copy_values(mask, &keep);
        }
    }
    for (size_t i = 0; i < gb_elements(mean); i++)
        shares[i] /= (float)p->samples;
    if (p->kind->uniform_noise) { // the probability itself, instead of the mean
        const struct gb_tensor probability = gb_predictor_sample(p, index, 0, 0);
        gb_copy_values(&probability, mean);
    }
    if (p->options.prediction == GB_PREDICT_GRADIENT) {
        GB_TRY(gb_predictor_predict(p, &example->x, name, index, mean));
        cut(&example->x, mean, mean);
    }
    return GB_OK;
}

// Sums over the images of a split.
struct totals {
    struct gb_soft_counts counts, green; // of the opinions; of the levelled images' green
    struct gb_pr_point *curve;           // room for the points of either
    double *bits;                        // of each image
    struct gb_tensor second;             // room for the second observer
    struct gb_detections human;
    int seconded; // images with a second observer
    double sample_f_scores;
};

static enum gb_status totals_create(struct totals *totals, const struct gb_predictor *p,
                                    int count) {
    const struct gb_tensor *y = &p->target;
    int levels = p->kind->uniform_noise ? PROBABILITY_LEVELS : p->samples + 1;
    *totals = (struct totals){.second = gb_dense(NULL, 1, y->h, y->w, y->c)};
    GB_TRY(gb_soft_counts_create(&totals->counts, levels));
    GB_TRY(gb_soft_counts_create(&totals->green, PROBABILITY_LEVELS));
    int most = levels > PROBABILITY_LEVELS ? levels : PROBABILITY_LEVELS;
    totals->curve = malloc((size_t)most * sizeof *totals->curve);
    totals->bits = malloc((size_t)count * sizeof *totals->bits);
    totals->second.data = malloc(gb_elements(&totals->second) * sizeof(float));
    return totals->curve && totals->bits && totals->second.data
               ? GB_OK
               : gb_no_memory("cannot evaluate", "vessels");
}

static void totals_free(struct totals *totals) {
    gb_soft_counts_free(&totals->counts);
    gb_soft_counts_free(&totals->green);
    free(totals->curve);
    free(totals->bits);
    free(totals->second.data);
}

// What the second observer says of an example of gb_dataset_gather.
static bool ask_human(const struct gb_predictor *p, const struct gb_dataset *set, int index,
                      const struct gb_example *example, const struct gb_tensor *second,
                      struct gb_detections *detections) {
    const struct gb_random_key key = {.seed = p->options.seed, .sample = (uint32_t)index};
    if (!gb_vessels_second(set, index, &key, second))
        return false;
    gb_detections_add(detections, &example->y, second, &example->mask);
    return true;
}

static json_t *point_json(const struct gb_pr_point *point) {
    return json_pack("{s:f, s:f, s:f}", "recall", point->recall, "precision", point->precision,
                     "f_score", point->f_score);
}

static json_t *points_json(const struct gb_pr_point *points, int count) {
    json_t *array = json_array();
    for (int i = 0; i < count; i++)
        if (json_array_append_new(array, point_json(&points[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

// Image `index` of the set, whose bits per dimension are known.
static enum gb_status add_photograph(struct gb_predictor *p, const struct gb_dataset *set,
                                     int index, double bits, const struct gb_example *example,
                                     const struct prediction_stats *prediction_stats,
                                     struct totals *totals, json_t *per_image) {
    struct gb_tensor green = gb_channels(&example->x, 1, 1);
    gb_soft_counts_add(&totals->counts, &example->y, &prediction_stats->mean, &example->mask);
    gb_soft_counts_add(&totals->green, &example->y, &green, &example->mask);
    double f_scores = 0;
    for (int m = 0; m < prediction_stats->sample_count; m++)
        f_scores += prediction_stats->samples[m].f_score;
    totals->sample_f_scores += f_scores / prediction_stats->sample_count;
    json_t *json =
        json_pack("{s:s, s:f, s:f, s:o}", "name", set->names[index], "bits_per_dimension", bits,
                  "sample_f_score", f_scores / prediction_stats->sample_count, "samples",
                  points_json(prediction_stats->samples, prediction_stats->sample_count));
    struct gb_detections human = {0};
    int failed = 0;
    if (ask_human(p, set, index, example, &totals->second, &human)) {
        struct gb_pr_point point = gb_pr_point_of(&human);
        failed = json_object_set_new(json, "human", point_json(&point));
        totals->human.right += human.right;
        totals->human.wrong += human.wrong;
        totals->human.missed += human.missed;
        totals->seconded++;
    }
    failed |= json_array_append_new(per_image, json);
    return failed ? gb_no_memory("cannot evaluate", "vessels") : GB_OK;
}

// Bits per dimension of a blind model: every pixel a vessel with the training set's share of them,
// one pixel of either kind counted beside, so that a set without vessels leaves it a chance.
static double blind_bits(const struct gb_dataset *train, const struct gb_tensor *truth) {
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

static enum gb_status add_metrics(const struct gb_dataset *train, const struct gb_dataset *test,
                                  const struct gb_examples *examples, const struct totals *totals,
                                  json_t *metrics) {
    const int points = totals->counts.levels - 1, count = examples->count;
    const struct gb_image *image = &gb_vessels_image(test, 0)->image;
    const double dimensions = (double)examples->y.h * examples->y.w;
    struct gb_detections everywhere = {0};
    for (int level = 0; level <= points; level++) {
        everywhere.right += totals->counts.ones[level];
        everywhere.wrong += totals->counts.zeros[level];
    }
    double bits = 0;
    for (int i = 0; i < count; i++)
        bits += totals->bits[i] / count;
    // What no network is needed for.
    gb_pr_curve(&totals->green, totals->curve);
    double green = totals->curve[gb_pr_best(totals->curve, PROBABILITY_LEVELS - 1)].f_score;
    gb_pr_curve(&totals->counts, totals->curve);
    int best = gb_pr_best(totals->curve, points);
    const struct {
        const char *name;
        double value;
    } numbers[] = {
        {"bits_per_dimension", bits},
        // Padding is certain, so it flatters: the same bits over the image's own pixels.
        {"bits_per_photograph_pixel", bits * dimensions / ((double)image->h * image->w)},
        {"dimensions", dimensions},
        {"trivial_bits_per_dimension", blind_bits(train, &examples->y)},
        {"best_threshold", (best + 1.0) / points},
        {"sample_f_score", totals->sample_f_scores / count},
        {"threshold_f_score", green},
        {"trivial_f_score", gb_pr_point_of(&everywhere).f_score},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        GB_TRY(gb_metric_set(metrics, "", numbers[i].name, numbers[i].value));
    GB_TRY(set_point(metrics, "", &totals->curve[best]));
    if (totals->seconded == count) {
        struct gb_pr_point human = gb_pr_point_of(&totals->human);
        GB_TRY(set_point(metrics, "human_", &human));
    }
    return json_object_set_new(metrics, "curve", points_json(totals->curve, points))
               ? gb_no_memory("cannot evaluate", "vessels")
               : GB_OK;
}

static enum gb_status evaluate_all(struct gb_predictor *p, const struct gb_dataset *train,
                                   const struct gb_dataset *test, const struct gb_selection *scored,
                                   const struct gb_examples *examples,
                                   struct prediction_stats *prediction_stats, struct totals *totals,
                                   json_t *metrics, json_t *per_image) {
    GB_TRY(gb_predictor_bits(p, examples, 0, scored->names, totals->bits));
    double seconds = 0;
    for (int i = 0; i < scored->count; i++) {
        const int index = scored->indices[i];
        struct gb_example example = gb_example_at(examples, i);
        double start = gb_seconds();
        GB_TRY(ask(p, &example, scored->names[i], index, NULL, prediction_stats));
        seconds += (gb_seconds() - start) / scored->count;
        GB_TRY(add_photograph(p, test, index, totals->bits[i], &example, prediction_stats, totals,
                              per_image));
    }
    GB_TRY(add_metrics(train, test, examples, totals, metrics));
    return gb_metric_set_speed(metrics, seconds);
}

static enum gb_status evaluate(struct gb_predictor *p, const struct gb_dataset *train,
                               const struct gb_dataset *test, json_t *metrics, json_t *per_image) {
    const struct gb_image *first = &gb_vessels_image(test, 0)->image;
    if (test->shape.y_h < first->h || test->shape.y_w < first->w)
        return gb_fail(GB_BAD_INPUT, "cannot evaluate", "--split train",
                       "vessels scores whole photographs, and those that train give windows");
    struct gb_selection scored;
    struct gb_examples examples = {0};
    struct prediction_stats prediction_stats = {0};
    struct totals totals = {0};
    GB_TRY(gb_predictor_resize(p, &test->shape));
    GB_TRY(gb_dataset_select(test, p->options.scored, &scored));
    enum gb_status status = gb_dataset_gather(test, scored.indices, scored.count, p->options.seed,
                                              p->options.threads, &examples);
    if (status == GB_OK)
        status = prediction_stats_create(&prediction_stats, p);
    if (status == GB_OK)
        status = totals_create(&totals, p, scored.count);
    if (status == GB_OK)
        status = evaluate_all(p, train, test, &scored, &examples, &prediction_stats, &totals,
                              metrics, per_image);
    prediction_stats_free(&prediction_stats);
    totals_free(&totals);
    gb_examples_free(&examples);
    gb_selection_free(&scored);
    return status;
}

// ---- the picture ----

enum { KEPT = 2, MOST_SIDE = 336 };

static const float curve_colour[3] = {0, 0, 0}, sample_colour[3] = {0.9f, 0.5f, 0.1f},
                   best_colour[3] = {0.8f, 0, 0}, human_colour[3] = {0, 0.4f, 0.9f};

enum column { INPUT, TRUTH, HUMAN, SAMPLE, OTHER_SAMPLE, MEAN, PLANE, COLUMNS };
static const char *const captions[COLUMNS] = {"input",  "truth", "human",   "sample",
                                              "sample", "mean",  "PR plane"};

// Whole images are shown smaller.
static int columns_of(const struct gb_predictor *p, const struct gb_example_shape *shape,
                      struct gb_picture_column columns[static GB_MAX_COLUMNS]) {
    const int longer = shape->y_h > shape->y_w ? shape->y_h : shape->y_w;
    const int factor = (longer + MOST_SIDE - 1) / MOST_SIDE;
    const int h = shape->y_h / factor, w = shape->y_w / factor;
    for (enum column i = 0; i < COLUMNS; i++)
        columns[i] =
            (struct gb_picture_column){captions[i], gb_dense(NULL, 1, h, i == PLANE ? h : w,
                                                             i == INPUT || i == PLANE ? 3 : 1)};
    columns[MEAN].caption = gb_prediction_names[p->options.prediction];
    return COLUMNS;
}

// Means of whole blocks of pixels.
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

// Figure 5 for one image: its curve and the best of it, the samples, the second observer.
static enum gb_status draw_plane(const struct gb_example *example,
                                 const struct prediction_stats *prediction_stats,
                                 const struct gb_pr_point *human, const struct gb_tensor *plane) {
    enum { POINTS = PROBABILITY_LEVELS - 1 };
    struct gb_pr_point curve[POINTS];
    struct gb_soft_counts counts;
    GB_TRY(gb_soft_counts_create(&counts, PROBABILITY_LEVELS));
    gb_soft_counts_add(&counts, &example->y, &prediction_stats->mean, &example->mask);
    gb_pr_curve(&counts, curve);
    gb_soft_counts_free(&counts);
    int best = gb_pr_best(curve, POINTS), dot = plane->h / 100 + 1;
    gb_pr_plane_clear(plane);
    gb_pr_plane_dots(plane, curve, POINTS, 0, curve_colour);
    gb_pr_plane_dots(plane, prediction_stats->samples, prediction_stats->sample_count, dot - 1,
                     sample_colour);
    gb_pr_plane_dots(plane, &curve[best], 1, dot, best_colour);
    if (human)
        gb_pr_plane_dots(plane, human, 1, dot, human_colour);
    return GB_OK;
}

// `kept` is room for KEPT samples at full size.
static enum gb_status fill_cells(struct gb_predictor *p, const struct gb_dataset *set, int index,
                                 const struct gb_example *example, const struct gb_tensor *kept,
                                 struct prediction_stats *prediction_stats,
                                 const struct gb_tensor cells[]) {
    const struct gb_tensor second = gb_images(kept, 0, 1); // until the samples come
    struct gb_detections detections = {0};
    const bool seconded = ask_human(p, set, index, example, &second, &detections);
    const struct gb_pr_point human = gb_pr_point_of(&detections);
    if (seconded)
        show(&second, &cells[HUMAN]);
    GB_TRY(ask(p, example, set->names[index], index, kept, prediction_stats));
    show(&example->x, &cells[INPUT]);
    show(&example->y, &cells[TRUTH]);
    for (int m = 0; m < KEPT && m < p->samples; m++) {
        const struct gb_tensor sample = gb_images(kept, m, 1);
        show(&sample, &cells[SAMPLE + m]);
    }
    show(&prediction_stats->mean, &cells[MEAN]);
    return draw_plane(example, prediction_stats, seconded ? &human : NULL, &cells[PLANE]);
}

static enum gb_status fill_row(struct gb_predictor *p, const struct gb_dataset *set, int index,
                               const struct gb_example *example, const struct gb_tensor cells[]) {
    const struct gb_tensor *y = &example->y;
    struct gb_tensor kept = gb_dense(NULL, KEPT, y->h, y->w, 1);
    struct prediction_stats prediction_stats = {0};
    kept.data = malloc(gb_elements(&kept) * sizeof(float));
    enum gb_status status = kept.data ? prediction_stats_create(&prediction_stats, p)
                                      : gb_no_memory("cannot evaluate", "vessels");
    if (status == GB_OK)
        status = fill_cells(p, set, index, example, &kept, &prediction_stats, cells);
    prediction_stats_free(&prediction_stats);
    free(kept.data);
    return status;
}

static enum gb_status draw_picture(struct gb_predictor *p, const struct gb_dataset *set, int images,
                                   const char *path) {
    static const struct gb_example_picture opinions = {columns_of, fill_row};
    GB_TRY(gb_predictor_resize(p, &set->shape));
    return gb_draw_examples(p, &opinions, set, images, path);
}

const struct gb_task gb_vessels = {
    .name = "vessels",
    .summary = "segmentation of the retina's vessels",
    .paper = "CNF, section 5.2, Table 3",
    .dataset = "DRIVE (training/, test/) or CHASE_DB1 (Image_*.jpg and *_1stHO.png, *_2ndHO.png)",
    .size = "height and width of training windows, at most those of the padded photographs",
    .default_size = GB_MAX_SIZE,
    // A mask's levels are 0 and 1; uniform noise is centred on them.
    .level_distance = 1,
    .noise_low = -0.5f,
    .samples = 100,
    .reduced = {.size = GB_FUNDUS_SIZE, .batch = 2, .iterations = 500, .learning_rate = 1e-3f},
    .models = models,
    .load = load,
    .target = copy,
    .to_image = copy,
    .postprocess = cut,
    .picture_channels = 1,
    .evaluate = evaluate,
    .picture = draw_picture,
    .headline = "f_score",
};
