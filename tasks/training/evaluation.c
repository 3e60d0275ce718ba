// SPDX-License-Identifier: MIT
// What a predictor makes of a whole split: scores, and a picture.
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tasks/images/picture.h"
#include "tasks/metrics/record.h"
#include "tasks/training/predictor.h"

enum { PICTURE_SAMPLES = 4 };

static const char *name_of(const struct gb_dataset *set, int index) {
    return set->names[index] ? set->names[index] : "";
}

// ---- Scores ----

// The answers of the scored examples.
static enum gb_status predict(struct gb_predictor *p, const struct gb_selection *scored,
                              const struct gb_examples *examples, const struct gb_tensor *picture,
                              const struct gb_tensor *answers) {
    struct gb_tensor target = p->target; // room for one
    target.data = malloc(gb_elements(&target) * sizeof(float));
    enum gb_status status = target.data ? GB_OK : gb_no_memory("cannot evaluate", p->task->name);
    for (int i = 0; status == GB_OK && i < examples->count; i++) {
        struct gb_tensor x = gb_images(&examples->x, i, 1), answer = gb_images(answers, i, 1);
        status = gb_predictor_predict(p, &x, scored->names[i], scored->indices[i], &target);
        if (status != GB_OK)
            break;
        p->task->to_image(&x, &target, picture);
        gb_task_postprocess(p->task, &x, picture, &answer);
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

struct room {
    struct gb_selection scored;
    struct gb_examples examples;
    double *bits;
    struct gb_tensor picture, answers;
};

static enum gb_status evaluate(struct gb_predictor *p, const struct gb_dataset *train,
                               const struct gb_dataset *test, const struct room *room,
                               json_t *metrics, json_t *per_image) {
    const struct gb_selection *scored = &room->scored;
    GB_TRY(gb_predictor_bits(p, &room->examples, 0, scored->names, room->bits));
    double start = gb_seconds();
    GB_TRY(predict(p, scored, &room->examples, &room->picture, &room->answers));
    double seconds = (gb_seconds() - start) / scored->count;
    GB_TRY(add_bits(p, scored, room->bits, metrics, per_image));
    GB_TRY(gb_metric_set_speed(metrics, seconds));
    const struct gb_predictions answers = {.train = train,
                                           .test = test,
                                           .examples = &room->examples,
                                           .indices = scored->indices,
                                           .answers = &room->answers,
                                           .threads = p->options.threads};
    return p->task->score(&answers, metrics, per_image);
}

static enum gb_status take_room(const struct gb_predictor *p, const struct gb_dataset *test,
                                struct room *room) {
    const int channels = p->task->picture_channels;
    GB_TRY(gb_dataset_select(test, p->options.scored, &room->scored));
    const int count = room->scored.count;
    GB_TRY(gb_dataset_gather(test, room->scored.indices, count, p->options.seed, p->options.threads,
                             &room->examples));
    room->bits = malloc((size_t)count * sizeof *room->bits);
    room->picture = gb_dense(NULL, 1, test->shape.y_h, test->shape.y_w, channels);
    room->answers = gb_dense(NULL, count, test->shape.y_h, test->shape.y_w, channels);
    room->picture.data = malloc(gb_elements(&room->picture) * sizeof(float));
    room->answers.data = malloc(gb_elements(&room->answers) * sizeof(float));
    return room->bits && room->picture.data && room->answers.data
               ? GB_OK
               : gb_no_memory("cannot evaluate", p->task->name);
}

static void free_room(struct room *room) {
    gb_selection_free(&room->scored);
    gb_examples_free(&room->examples);
    free(room->bits);
    free(room->picture.data);
    free(room->answers.data);
}

enum gb_status gb_predictor_evaluate(struct gb_predictor *p, const struct gb_dataset *train,
                                     const struct gb_dataset *test, json_t *metrics,
                                     json_t *per_image) {
    struct room room = {0};
    enum gb_status status;
    if (p->task->evaluate)
        status = p->task->evaluate(p, train, test, metrics, per_image);
    else if ((status = take_room(p, test, &room)) == GB_OK)
        status = evaluate(p, train, test, &room, metrics, per_image);
    free_room(&room);
    return status == GB_OK ? gb_backend_check(p->options.backend) : status;
}

// ---- Pictures ----

// One image of every column, one column after the other, for each row.
struct sheet {
    struct gb_picture_column columns[GB_MAX_COLUMNS];
    int column_count;
    float *values;
};

static enum gb_status make_sheet(int rows, struct sheet *sheet) {
    size_t floats = 0;
    for (int i = 0; i < sheet->column_count; i++) {
        struct gb_tensor *images = &sheet->columns[i].images;
        images->n = rows;
        floats += gb_elements(images);
    }
    float *next = sheet->values = calloc(floats, sizeof *next);
    for (int i = 0; next && i < sheet->column_count; i++) {
        sheet->columns[i].images.data = next;
        next += gb_elements(&sheet->columns[i].images);
    }
    return next ? GB_OK : gb_no_memory("cannot draw", "picture");
}

static enum gb_status draw_row(struct gb_predictor *p, const struct gb_example_picture *picture,
                               const struct gb_dataset *set, int index, int row,
                               const struct sheet *sheet) {
    const struct gb_random_key key = {.seed = p->options.seed, .sample = (uint32_t)index};
    struct gb_tensor cells[GB_MAX_COLUMNS];
    struct gb_examples one;
    GB_TRY(gb_examples_create(&one, 1, &set->shape));
    const struct gb_example example = gb_example_at(&one, 0);
    for (int i = 0; i < sheet->column_count; i++)
        cells[i] = gb_images(&sheet->columns[i].images, row, 1);
    enum gb_status status = set->fill(set, index, &key, &example);
    if (status == GB_OK)
        status = picture->fill_row(p, set, index, &example, cells);
    gb_examples_free(&one);
    return status;
}

static enum gb_status draw_sheet(struct gb_predictor *p, const struct gb_example_picture *picture,
                                 const struct gb_dataset *set, const struct gb_selection *shown,
                                 struct sheet *sheet, const char *path) {
    GB_TRY(make_sheet(shown->count, sheet));
    for (int row = 0; row < shown->count; row++)
        GB_TRY(draw_row(p, picture, set, shown->indices[row], row, sheet));
    GB_TRY(gb_backend_check(p->options.backend));
    const struct gb_picture whole = {.title = p->task->summary,
                                     .columns = sheet->columns,
                                     .column_count = sheet->column_count,
                                     .row_count = shown->count,
                                     .row_captions = (const char *const *)shown->names};
    return gb_picture_write(path, &whole);
}

enum gb_status gb_draw_examples(struct gb_predictor *p, const struct gb_example_picture *picture,
                                const struct gb_dataset *set, int images, const char *path) {
    struct sheet sheet = {0};
    struct gb_selection shown;
    GB_TRY(gb_task_check_shape(p->kind, &p->config, &set->shape));
    sheet.column_count = picture->columns(p, &set->shape, sheet.columns);
    const int most = gb_picture_max_rows(sheet.columns, sheet.column_count);
    if (images > most)
        images = most > 0 ? most : 1;
    GB_TRY(gb_dataset_select(set, images, &shown));
    enum gb_status status = draw_sheet(p, picture, set, &shown, &sheet, path);
    free(sheet.values);
    gb_selection_free(&shown);
    return status;
}

// ---- The common picture ----

// Before the samples. Behind them stands the answer, and before it, where the task decides, what it
// decides from.
enum { INPUT, TRUTH, SAMPLES };

int gb_shown_samples(const struct gb_predictor *p) {
    return p->kind->point_estimate        ? 0
           : p->samples < PICTURE_SAMPLES ? p->samples
                                          : PICTURE_SAMPLES;
}

static int columns_of(const struct gb_predictor *p, const struct gb_example_shape *shape,
                      struct gb_picture_column columns[static GB_MAX_COLUMNS]) {
    const int samples = gb_shown_samples(p), undecided = SAMPLES + samples,
              answer = undecided + (p->task->postprocess != NULL);
    const struct gb_tensor one =
        gb_dense(NULL, 1, shape->y_h, shape->y_w, p->task->picture_channels);
    for (int i = TRUTH; i <= answer; i++)
        columns[i] = (struct gb_picture_column){"sample", one};
    // A person sees colour, or grey.
    columns[INPUT] = (struct gb_picture_column){
        "input", gb_dense(NULL, 1, shape->x_h, shape->x_w, shape->x_c >= 3 ? 3 : 1)};
    columns[TRUTH].caption = "truth";
    columns[undecided].caption = gb_prediction_names[p->options.prediction];
    columns[answer].caption = "prediction";
    return answer + 1;
}

static enum gb_status fill_cells(struct gb_predictor *p, const char *name, int index,
                                 const struct gb_example *example, const struct gb_tensor *target,
                                 const struct gb_tensor cells[]) {
    const struct gb_task *task = p->task;
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
    const struct gb_tensor *undecided = &cells[SAMPLES + samples];
    GB_TRY(gb_predictor_predict(p, &example->x, name, index, target));
    task->to_image(&example->x, target, undecided);
    if (task->postprocess)
        task->postprocess(&example->x, undecided, undecided + 1);
    return GB_OK;
}

static enum gb_status fill_row(struct gb_predictor *p, const struct gb_dataset *set, int index,
                               const struct gb_example *example, const struct gb_tensor cells[]) {
    struct gb_tensor target = p->target; // room for one
    target.data = malloc(gb_elements(&target) * sizeof(float));
    enum gb_status status = target.data
                                ? fill_cells(p, name_of(set, index), index, example, &target, cells)
                                : gb_no_memory("cannot evaluate", p->task->name);
    free(target.data);
    return status;
}

enum gb_status gb_predictor_picture(struct gb_predictor *p, const struct gb_dataset *set,
                                    int images, const char *path) {
    static const struct gb_example_picture common = {columns_of, fill_row};
    return p->task->picture ? p->task->picture(p, set, images, path)
                            : gb_draw_examples(p, &common, set, images, path);
}
