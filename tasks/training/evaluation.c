// SPDX-License-Identifier: MIT
// What a predictor makes of a whole split: scores, and a picture.
#include <stdlib.h>
#include <string.h>

#include "flows/networks/network.h"
#include "tasks/images/picture.h"
#include "tasks/metrics/record.h"
#include "tasks/program/clock.h"
#include "tasks/training/predictor.h"

enum { PICTURE_SAMPLES = 4 };

static const char *name_of(const struct gb_dataset *set, int index) {
    return set->names[index] ? set->names[index] : "";
}

static enum gb_status no_memory(const struct gb_predictor *p) {
    return gb_fail(GB_OUT_OF_MEMORY, "cannot evaluate", p->task->name, "out of memory");
}

// ---- Scores ----

// The answers of the scored examples.
static enum gb_status predict(struct gb_predictor *p, const struct gb_selection *scored,
                              const struct gb_examples *examples, const struct gb_tensor *picture,
                              const struct gb_tensor *answers) {
    struct gb_model_shapes one;
    p->kind->shapes(&p->config, 1, &one);
    one.y.data = malloc(gb_elements(&one.y) * sizeof(float));
    enum gb_status status = one.y.data ? GB_OK : no_memory(p);
    for (int i = 0; status == GB_OK && i < examples->count; i++) {
        struct gb_tensor x = gb_images(&examples->x, i, 1), answer = gb_images(answers, i, 1);
        status = gb_predictor_answer(p, &x, scored->names[i], scored->indices[i], &one.y);
        if (status != GB_OK)
            break;
        p->task->reveal(&x, &one.y, picture);
        p->task->decide(&x, picture, &answer);
    }
    free(one.y.data);
    return status;
}

static enum gb_status add_bits(const struct gb_predictor *p, const struct gb_selection *scored,
                               const double *bits, json_t *metrics, json_t *per_image) {
    const char *name = p->kind->one_answer ? "loss" : "bits_per_dimension";
    double sum = 0;
    for (int i = 0; i < scored->count; i++) {
        sum += bits[i];
        if (json_array_append_new(
                per_image, json_pack("{s:s, s:f}", "name", scored->names[i], name, bits[i])) != 0)
            return no_memory(p);
    }
    double mean = sum / scored->count;
    GB_TRY(gb_metric_set(metrics, "", name, mean));
    return p->kind->one_answer ? GB_OK
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
    GB_TRY(gb_predictor_bits(p, &room->examples, scored->names, room->bits));
    double start = gb_seconds();
    GB_TRY(predict(p, scored, &room->examples, &room->picture, &room->answers));
    double seconds = (gb_seconds() - start) / scored->count;
    GB_TRY(add_bits(p, scored, room->bits, metrics, per_image));
    GB_TRY(gb_metric_set_speed(metrics, seconds));
    const struct gb_answers answers = {.train = train,
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
    GB_TRY(gb_dataset_select(test, p->options.images, &room->scored));
    const int count = room->scored.count;
    GB_TRY(gb_dataset_gather(test, room->scored.indices, count, p->options.seed, p->options.threads,
                             &room->examples));
    room->bits = malloc((size_t)count * sizeof *room->bits);
    room->picture = gb_dense(NULL, 1, test->shape.y_h, test->shape.y_w, channels);
    room->answers = gb_dense(NULL, count, test->shape.y_h, test->shape.y_w, channels);
    room->picture.data = malloc(gb_elements(&room->picture) * sizeof(float));
    room->answers.data = malloc(gb_elements(&room->answers) * sizeof(float));
    return room->bits && room->picture.data && room->answers.data ? GB_OK : no_memory(p);
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
    if (p->task->evaluate)
        return p->task->evaluate(p, train, test, metrics, per_image);
    struct room room = {0};
    enum gb_status status = take_room(p, test, &room);
    if (status == GB_OK)
        status = evaluate(p, train, test, &room, metrics, per_image);
    free_room(&room);
    return status;
}

// ---- The picture ----

// The columns, in one block: input, truth, samples, mean, answer.
struct sheet {
    struct gb_tensor x, truth, samples[PICTURE_SAMPLES], mean, answer;
    struct gb_tensor target; // room for one
};

static void bind_sheet(struct sheet *sheet, struct gb_arena *arena, const struct gb_predictor *p,
                       const struct gb_examples *examples) {
    const struct gb_tensor *y = &examples->y;
    struct gb_tensor *const columns[] = {&sheet->truth,      &sheet->samples[0], &sheet->samples[1],
                                         &sheet->samples[2], &sheet->samples[3], &sheet->mean,
                                         &sheet->answer};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        *columns[i] = gb_take_tensor(arena, y->n, y->h, y->w, p->task->picture_channels);
    sheet->target = gb_take_tensor(arena, 1, p->target.h, p->target.w, p->target.c);
    // A person sees colour, or grey.
    sheet->x = gb_channels(&examples->x, 0, examples->x.c >= 3 ? 3 : 1);
}

static enum gb_status fill_row(struct gb_predictor *p, const struct gb_dataset *set, int index,
                               const struct gb_examples *examples, int row, struct sheet *sheet) {
    const struct gb_task *task = p->task;
    struct gb_tensor x = gb_images(&examples->x, row, 1), y = gb_images(&examples->y, row, 1);
    struct gb_tensor truth = gb_images(&sheet->truth, row, 1);
    task->target(&x, &y, &sheet->target);
    task->reveal(&x, &sheet->target, &truth);
    GB_TRY(gb_predictor_draw(p, &x, name_of(set, index), index, 0));
    for (int m = 0; m < PICTURE_SAMPLES && m < p->drawn_at_once; m++) {
        struct gb_tensor sample = gb_images(&p->drawn, m, 1);
        struct gb_tensor picture = gb_images(&sheet->samples[m], row, 1);
        task->reveal(&x, &sample, &picture);
    }
    struct gb_tensor mean = gb_images(&sheet->mean, row, 1);
    struct gb_tensor answer = gb_images(&sheet->answer, row, 1);
    GB_TRY(gb_predictor_answer(p, &x, name_of(set, index), index, &sheet->target));
    task->reveal(&x, &sheet->target, &mean);
    task->decide(&x, &mean, &answer);
    return GB_OK;
}

static enum gb_status write_sheet(const struct gb_predictor *p, const struct sheet *sheet,
                                  const char *const *names, const char *path) {
    struct gb_picture_column columns[4 + PICTURE_SAMPLES] = {{"input", sheet->x},
                                                             {"truth", sheet->truth}};
    int count = 2;
    for (int m = 0; !p->kind->one_answer && m < PICTURE_SAMPLES && m < p->drawn_at_once; m++)
        columns[count++] = (struct gb_picture_column){"sample", sheet->samples[m]};
    columns[count++] =
        (struct gb_picture_column){gb_prediction_names[p->options.prediction], sheet->mean};
    columns[count++] = (struct gb_picture_column){"prediction", sheet->answer};
    const struct gb_picture picture = {.title = p->task->summary,
                                       .columns = columns,
                                       .column_count = count,
                                       .row_count = sheet->x.n,
                                       .row_captions = names};
    return gb_picture_write(path, &picture);
}

static enum gb_status draw_examples(struct gb_predictor *p, const struct gb_dataset *set,
                                    const int *indices, const struct gb_examples *examples,
                                    const char **names, const char *path) {
    struct sheet sheet;
    struct gb_arena arena = {0};
    bind_sheet(&sheet, &arena, p, examples);
    GB_TRY(gb_arena_reserve(&arena, "picture"));
    bind_sheet(&sheet, &arena, p, examples);
    enum gb_status status = GB_OK;
    for (int row = 0; status == GB_OK && row < examples->count; row++) {
        names[row] = name_of(set, indices[row]);
        status = fill_row(p, set, indices[row], examples, row, &sheet);
    }
    if (status == GB_OK)
        status = write_sheet(p, &sheet, names, path);
    gb_arena_free(&arena);
    return status;
}

enum gb_status gb_predictor_picture(struct gb_predictor *p, const struct gb_dataset *set,
                                    int images, const char *path) {
    if (images > set->count)
        images = set->count;
    if (p->task->picture)
        return p->task->picture(p, set, images, path);
    GB_TRY(gb_task_check_shape(p->kind, &p->config, &set->shape));
    struct gb_examples examples = {0};
    int *indices = calloc((size_t)images, sizeof *indices);
    const char **names = calloc((size_t)images, sizeof *names);
    enum gb_status status = indices && names ? GB_OK : no_memory(p);
    for (int i = 0; status == GB_OK && i < images; i++)
        indices[i] = (int)((long)i * set->count / images);
    if (status == GB_OK)
        status =
            gb_dataset_gather(set, indices, images, p->options.seed, p->options.threads, &examples);
    if (status == GB_OK)
        status = draw_examples(p, set, indices, &examples, names, path);
    gb_examples_free(&examples);
    free(indices);
    free(names);
    return status;
}
