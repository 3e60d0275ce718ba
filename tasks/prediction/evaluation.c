// SPDX-License-Identifier: MIT
// A predictor's scores on a split, and its contact sheet.
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/minmax.h"
#include "tasks/images/picture.h"
#include "tasks/metrics/record.h"
#include "tasks/parallel/ranks.h"
#include "tasks/prediction/predictor.h"

enum { PICTURE_SAMPLES = 4 };

// ---- Scores ----

// Predictions for the examples in `own`; `picture` is a buffer for one image.
static enum gb_status predict(struct gb_predictor *p, const struct gb_selection *scored,
                              const struct gb_examples *examples, struct gb_range own,
                              const struct gb_tensor *picture, const struct gb_tensor *predicted) {
    struct gb_tensor target = p->target; // buffer for one
    target.data = malloc(gb_elements(&target) * sizeof(float));
    enum gb_status status = target.data ? GB_OK : gb_no_memory("cannot evaluate", p->task->name);
    for (int i = (int)own.begin; status == GB_OK && i < (int)own.end; i++) {
        struct gb_tensor x = gb_images(&examples->x, i, 1), prediction = gb_images(predicted, i, 1);
        status = gb_predictor_predict(p, &x, scored->names[i], scored->indices[i], &target);
        if (status != GB_OK)
            break;
        p->task->to_image(&x, &target, picture);
        gb_task_postprocess(p->task, &x, picture, &prediction);
    }
    free(target.data);
    return status;
}

static enum gb_status add_bits(const struct gb_predictor *p, const struct gb_selection *scored,
                               const double *bits, json_t *metrics, json_t *per_image) {
    const char *name = gb_model_loss_name(p->kind);
    double sum = 0;
    for (int i = 0; i < scored->count; i++) {
        sum += bits[i];
        if (json_array_append_new(
                per_image, json_pack("{s:s, s:f}", "name", scored->names[i], name, bits[i])) != 0)
            return gb_no_memory("cannot evaluate", p->task->name);
    }
    double mean = sum / scored->count;
    GB_TRY(gb_metric_set(metrics, "", name, mean));
    return p->kind->point_estimate ? GB_OK
                                   : gb_metric_set(metrics, "", "bits_per_dimension_published",
                                                   mean + p->task->published_bits);
}

struct buffers {
    struct gb_selection scored;
    struct gb_examples examples;
    double *bits;
    struct gb_tensor picture, predicted;
};

// Likelihoods and predictions, which the ranks of a job share.
static enum gb_status compute(struct gb_predictor *p, const struct buffers *buffers,
                              double *seconds) {
    const int count = buffers->scored.count;
    const struct gb_range own = gb_ranks_share(count);
    enum gb_status status =
        gb_predictor_range_bits(p, &buffers->examples, own, buffers->scored.names, buffers->bits);
    const double start = gb_seconds();
    if (status == GB_OK)
        status = predict(p, &buffers->scored, &buffers->examples, own, &buffers->picture,
                         &buffers->predicted);
    status = gb_ranks_agree(status, NULL);
    if (status == GB_OK) {
        gb_ranks_gather_shares(buffers->bits, count, sizeof *buffers->bits);
        gb_ranks_gather_shares(buffers->predicted.data, count,
                               (size_t)buffers->predicted.image * sizeof(float));
    }
    *seconds = (gb_seconds() - start) / count;
    return status;
}

static enum gb_status evaluate(struct gb_predictor *p, const struct gb_dataset *train,
                               const struct gb_dataset *test, const struct buffers *buffers,
                               json_t *metrics, json_t *per_image) {
    const struct gb_selection *scored = &buffers->scored;
    double seconds;
    GB_TRY(compute(p, buffers, &seconds));
    GB_TRY(add_bits(p, scored, buffers->bits, metrics, per_image));
    GB_TRY(gb_metric_set_speed(metrics, seconds));
    const struct gb_predictions predictions = {.train = train,
                                               .test = test,
                                               .examples = &buffers->examples,
                                               .indices = scored->indices,
                                               .predicted = &buffers->predicted,
                                               .threads = p->options.threads};
    return p->task->score(&predictions, metrics, per_image);
}

static enum gb_status create_buffers(const struct gb_predictor *p, const struct gb_dataset *test,
                                     struct buffers *buffers) {
    const int channels = p->task->picture_channels;
    GB_TRY(gb_dataset_select(test, p->options.scored, &buffers->scored));
    const int count = buffers->scored.count;
    GB_TRY(gb_dataset_gather(test, buffers->scored.indices, count, p->options.seed,
                             p->options.threads, &buffers->examples));
    buffers->bits = malloc((size_t)count * sizeof *buffers->bits);
    buffers->picture = gb_dense(NULL, 1, test->shape.y_h, test->shape.y_w, channels);
    buffers->predicted = gb_dense(NULL, count, test->shape.y_h, test->shape.y_w, channels);
    buffers->picture.data = malloc(gb_elements(&buffers->picture) * sizeof(float));
    buffers->predicted.data = malloc(gb_elements(&buffers->predicted) * sizeof(float));
    return buffers->bits && buffers->picture.data && buffers->predicted.data
               ? GB_OK
               : gb_no_memory("cannot evaluate", p->task->name);
}

static void free_buffers(struct buffers *buffers) {
    gb_selection_free(&buffers->scored);
    gb_examples_free(&buffers->examples);
    free(buffers->bits);
    free(buffers->picture.data);
    free(buffers->predicted.data);
}

static enum gb_status evaluate_by_scores(struct gb_predictor *p, const struct gb_dataset *train,
                                         const struct gb_dataset *test, json_t *metrics,
                                         json_t *per_image) {
    struct buffers buffers = {0};
    enum gb_status status = create_buffers(p, test, &buffers);
    if (status == GB_OK)
        status = evaluate(p, train, test, &buffers, metrics, per_image);
    free_buffers(&buffers);
    return status;
}

enum gb_status gb_predictor_evaluate(struct gb_predictor *p, const struct gb_dataset *train,
                                     const struct gb_dataset *test, json_t *metrics,
                                     json_t *per_image) {
    json_t *rows = per_image ? json_incref(per_image) : json_array();
    enum gb_status status = p->task->evaluate ? p->task->evaluate(p, train, test, metrics, rows)
                                              : evaluate_by_scores(p, train, test, metrics, rows);
    json_decref(rows);
    return gb_ranks_agree(status == GB_OK ? gb_backend_check(p->options.backend) : status, NULL);
}

// ---- Pictures ----

enum gb_status gb_columns_allocate(struct gb_picture_column columns[], int count, int rows,
                                   float **values) {
    size_t floats = 0;
    for (int i = 0; i < count; i++) {
        columns[i].images.n = rows;
        floats += gb_elements(&columns[i].images);
    }
    float *next = *values = calloc(floats, sizeof *next);
    for (int i = 0; next && i < count; i++) {
        columns[i].images.data = next;
        next += gb_elements(&columns[i].images);
    }
    return next ? GB_OK : gb_no_memory("cannot draw", "picture");
}

static enum gb_status draw_row(struct gb_predictor *p, const struct gb_example_picture *picture,
                               const struct gb_dataset *set, int index, int row,
                               const struct gb_picture *sheet) {
    const struct gb_random_key key = {.seed = p->options.seed, .sample = (uint32_t)index};
    struct gb_tensor cells[GB_MAX_COLUMNS], target = p->target;
    struct gb_examples one;
    GB_TRY(gb_examples_create(&one, 1, &set->shape));
    const struct gb_example example = gb_example_at(&one, 0);
    for (int i = 0; i < sheet->column_count; i++)
        cells[i] = gb_images(&sheet->columns[i].images, row, 1);
    target.data = malloc(gb_elements(&target) * sizeof(float));
    enum gb_status status = target.data ? set->fill(set, index, &key, &example)
                                        : gb_no_memory("cannot draw", p->task->name);
    if (status == GB_OK)
        status = picture->fill_row(p, set, index, &example, &target, cells);
    free(target.data);
    gb_examples_free(&one);
    return status;
}

enum gb_status gb_draw_examples(struct gb_predictor *p, const struct gb_example_picture *picture,
                                const struct gb_dataset *set, int images, const char *path) {
    struct gb_picture_column columns[GB_MAX_COLUMNS];
    struct gb_selection shown;
    float *values = NULL;
    GB_TRY(gb_task_check_shape(p->kind, &p->config, &set->shape));
    const int count = picture->columns(p, &set->shape, columns);
    const int most = gb_max_int(1, gb_picture_max_rows(columns, count));
    GB_TRY(gb_dataset_select(set, gb_min_int(images, most), &shown));
    const struct gb_picture sheet = {.title = p->task->summary,
                                     .columns = columns,
                                     .column_count = count,
                                     .row_count = shown.count,
                                     .row_captions = (const char *const *)shown.names};
    enum gb_status status = gb_columns_allocate(columns, count, shown.count, &values);
    for (int row = 0; status == GB_OK && row < shown.count; row++)
        status = draw_row(p, picture, set, shown.indices[row], row, &sheet);
    if (status == GB_OK)
        status = gb_backend_check(p->options.backend);
    if (status == GB_OK)
        status = gb_picture_write(path, &sheet);
    free(values);
    gb_selection_free(&shown);
    return status;
}

// ---- The common picture ----

// Columns before the samples. After them come the mean, where the task postprocesses it, and the
// prediction.
enum { INPUT, TRUTH, SAMPLES };

int gb_shown_samples(const struct gb_predictor *p) {
    return p->kind->point_estimate        ? 0
           : p->samples < PICTURE_SAMPLES ? p->samples
                                          : PICTURE_SAMPLES;
}

static int columns_of(const struct gb_predictor *p, const struct gb_example_shape *shape,
                      struct gb_picture_column columns[static GB_MAX_COLUMNS]) {
    const int samples = gb_shown_samples(p), mean = SAMPLES + samples,
              prediction = mean + (p->task->postprocess != NULL);
    const struct gb_tensor one =
        gb_dense(NULL, 1, shape->y_h, shape->y_w, p->task->picture_channels);
    for (int i = TRUTH; i <= prediction; i++)
        columns[i] = (struct gb_picture_column){"sample", one};
    columns[INPUT] = (struct gb_picture_column){
        "input", gb_dense(NULL, 1, shape->x_h, shape->x_w, shape->x_c >= 3 ? 3 : 1)};
    columns[TRUTH].caption = "truth";
    columns[mean].caption = gb_prediction_names[p->options.prediction];
    columns[prediction].caption = "prediction";
    return prediction + 1;
}

static enum gb_status fill_row(struct gb_predictor *p, const struct gb_dataset *set, int index,
                               const struct gb_example *example, const struct gb_tensor *target,
                               const struct gb_tensor cells[]) {
    const struct gb_task *task = p->task;
    const char *name = set->names[index];
    const struct gb_tensor input = gb_channels(&example->x, 0, cells[INPUT].c);
    const int samples = gb_shown_samples(p);
    gb_copy_values(&input, &cells[INPUT]);
    task->target(&example->x, &example->y, target);
    task->to_image(&example->x, target, &cells[TRUTH]);
    GB_TRY(gb_predictor_condition(p, &example->x, name));
    for (int m = 0; m < samples; m++) {
        const struct gb_tensor sample = gb_predictor_sample(p, index, m, p->options.temperature);
        task->to_image(&example->x, &sample, &cells[SAMPLES + m]);
    }
    const struct gb_tensor *mean = &cells[SAMPLES + samples];
    GB_TRY(gb_predictor_predict(p, &example->x, name, index, target));
    task->to_image(&example->x, target, mean);
    if (task->postprocess)
        task->postprocess(&example->x, mean, mean + 1);
    return GB_OK;
}

enum gb_status gb_predictor_picture(struct gb_predictor *p, const struct gb_dataset *set,
                                    int images, const char *path) {
    static const struct gb_example_picture common = {columns_of, fill_row};
    return p->task->picture ? p->task->picture(p, set, images, path)
                            : gb_draw_examples(p, &common, set, images, path);
}
