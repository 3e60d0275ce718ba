// SPDX-License-Identifier: MIT
#include "tasks/training/predictor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flows/networks/network.h"
#include "tasks/data/randomness.h"
#include "tasks/images/picture.h"
#include "tasks/program/clock.h"

enum { SCORER_BATCH = 8, PICTURE_SAMPLES = 4 };

static void bind(struct gb_predictor *p, const struct gb_cglow_config *c) {
    p->target = gb_take_tensor(&p->arena, SCORER_BATCH, c->y_h, c->y_w, c->y_c);
    p->noise = gb_arena_take(&p->arena, (size_t)p->target.image);
    p->x_batch = gb_take_tensor(&p->arena, SCORER_BATCH, c->x_h, c->x_w, c->x_c);
    gb_cglow_latent_shapes(p->sampler, &p->latents);
    for (int l = 0; l < p->latents.count; l++)
        p->latents.level[l].data = gb_arena_take(&p->arena, gb_elements(&p->latents.level[l]));
    p->drawn = gb_take_tensor(&p->arena, p->samples, c->y_h, c->y_w, c->y_c);
}

enum gb_status gb_predictor_create(struct gb_predictor *p,
                                   const struct gb_predictor_options *options,
                                   const struct gb_cglow_config *config) {
    *p = (struct gb_predictor){.task = options->task,
                               .backend = options->backend,
                               .threads = options->threads,
                               .samples = options->samples,
                               .temperature = options->temperature,
                               .seed = options->seed,
                               .dequantise = options->dequantise};
    const struct gb_cglow_use score = {
        .batch = SCORER_BATCH, .samples_per_x = 1, .threads = options->threads};
    const struct gb_cglow_use sample = {
        .batch = options->samples, .samples_per_x = options->samples, .threads = options->threads};
    enum gb_status status = gb_cglow_create(config, &score, options->backend, &p->scorer);
    if (status == GB_OK)
        status = gb_cglow_create(config, &sample, options->backend, &p->sampler);
    if (status == GB_OK) {
        bind(p, config);
        status = gb_arena_reserve(&p->arena, "predictions");
    }
    if (status == GB_OK)
        bind(p, config);
    else
        gb_predictor_free(p);
    return status;
}

void gb_predictor_free(struct gb_predictor *p) {
    gb_cglow_free(p->scorer);
    gb_cglow_free(p->sampler);
    gb_arena_free(&p->arena);
    *p = (struct gb_predictor){0};
}

// Fills the scorer's batch with examples first, first + 1, ...; the last one is repeated beyond the
// set.
static void fill_batch(struct gb_predictor *p, const struct gb_dataset *set, int first) {
    float half = p->task->level_distance / 2;
    for (int i = 0; i < SCORER_BATCH; i++) {
        int index = first + i < set->count ? first + i : set->count - 1;
        struct gb_tensor y = gb_images(&set->y, index, 1);
        struct gb_tensor target = gb_images(&p->target, i, 1);
        memcpy(gb_at(&p->x_batch, i, 0, 0), gb_at(&set->x, index, 0, 0),
               (size_t)p->x_batch.image * sizeof(float));
        p->task->target(&y, &target);
        const struct gb_random_key key = {
            .seed = p->seed, .purpose = GB_RANDOM_DEQUANTISE, .sample = (uint32_t)index};
        if (p->dequantise && half > 0)
            gb_add_noise(p->backend, p->threads, &key, -half, half, &target, p->noise);
    }
}

// The model's failure, told as that of an image.
static enum gb_status failed_on(enum gb_status status, const char *what, const char *name) {
    char reason[256];
    snprintf(reason, sizeof reason, "%s", gb_error_message());
    return gb_fail(status, what, name, "%s", reason);
}

// Log-likelihoods of the scorer's batch, which begins with example `first`.
static enum gb_status score_batch(struct gb_predictor *p, const struct gb_dataset *set, int first,
                                  double log_likelihood[static SCORER_BATCH]) {
    static const char what[] = "cannot evaluate";
    fill_batch(p, set, first);
    enum gb_status status = gb_cglow_condition(p->scorer, &p->x_batch);
    if (status != GB_OK)
        return failed_on(status, what, set->names[first]);
    status = gb_cglow_forward(p->scorer, &p->target, log_likelihood, NULL);
    for (int i = 0; status != GB_OK && i < SCORER_BATCH; i++)
        if (!isfinite(log_likelihood[i]))
            return failed_on(status, what, set->names[first + i]);
    return status;
}

enum gb_status gb_predictor_bits(struct gb_predictor *p, const struct gb_dataset *set,
                                 double *bits) {
    size_t dimensions = (size_t)p->target.image;
    GB_TRY(gb_task_check_data(gb_cglow_config(p->scorer), set));
    for (int first = 0; first < set->count; first += SCORER_BATCH) {
        double log_likelihood[SCORER_BATCH];
        GB_TRY(score_batch(p, set, first, log_likelihood));
        for (int i = 0; i < SCORER_BATCH && first + i < set->count; i++)
            bits[first + i] = gb_bits_per_dimension(log_likelihood[i], dimensions);
    }
    return GB_OK;
}

enum gb_status gb_predictor_draw(struct gb_predictor *p, const struct gb_dataset *set, int index) {
    const struct gb_exec exec = {.threads = p->threads};
    struct gb_tensor x = gb_images(&set->x, index, 1);
    GB_TRY(gb_task_check_data(gb_cglow_config(p->sampler), set));
    enum gb_status status = gb_cglow_condition(p->sampler, &x);
    if (status != GB_OK)
        return failed_on(status, "cannot draw", set->names[index]);
    for (int l = 0; l < p->latents.count; l++) {
        const struct gb_tensor *latent = &p->latents.level[l];
        const struct gb_random_key key = {.seed = p->seed,
                                          .purpose = GB_RANDOM_LATENT,
                                          .step = (uint32_t)l,
                                          .sample = (uint32_t)index};
        p->backend->random_normal(&exec, &key, 0, gb_elements(latent), 1, latent->data);
    }
    gb_cglow_inverse(p->sampler, &p->latents, p->temperature, &p->drawn);
    return GB_OK;
}

void gb_predictor_average(const struct gb_predictor *p, const struct gb_tensor *picture) {
    const struct gb_exec exec = {.threads = p->threads};
    struct gb_tensor mean = gb_images(&p->drawn, 0, 1);
    for (int m = 1; m < p->samples; m++) {
        struct gb_tensor sample = gb_images(&p->drawn, m, 1);
        p->backend->add(&exec, &sample, &mean);
    }
    float *values = mean.data;
    for (size_t i = 0; i < gb_elements(&mean); i++)
        values[i] /= (float)p->samples;
    p->task->reveal(&mean, picture);
}

// The answers for the whole set, into `answers` (shape of set->y).
static enum gb_status predict(struct gb_predictor *p, const struct gb_dataset *set,
                              const struct gb_tensor *answers) {
    for (int i = 0; i < set->count; i++) {
        struct gb_tensor answer = gb_images(answers, i, 1);
        GB_TRY(gb_predictor_draw(p, set, i));
        gb_predictor_average(p, &answer);
        p->task->decide(&answer, &answer);
    }
    return GB_OK;
}

static enum gb_status evaluate(struct gb_predictor *p, const struct gb_dataset *train,
                               const struct gb_dataset *test, double *bits,
                               const struct gb_tensor *answers, json_t *metrics,
                               json_t *per_image) {
    GB_TRY(gb_predictor_bits(p, test, bits));
    double start = gb_seconds();
    GB_TRY(predict(p, test, answers));
    double seconds = (gb_seconds() - start) / test->count;

    double sum = 0;
    int failed = 0;
    for (int i = 0; i < test->count; i++) {
        sum += bits[i];
        failed |= json_array_append_new(per_image, json_pack("{s:s, s:f}", "name",
                                                             test->names[i] ? test->names[i] : "",
                                                             "bits_per_dimension", bits[i]));
    }
    double mean = sum / test->count;
    failed |= json_object_set_new(metrics, "bits_per_dimension", json_real(mean));
    failed |= json_object_set_new(metrics, "bits_per_dimension_published",
                                  json_real(mean + p->task->published_bits));
    failed |= json_object_set_new(metrics, "seconds_per_prediction", json_real(seconds));
    failed |= json_object_set_new(metrics, "images_per_second", json_real(1 / seconds));
    if (failed)
        return gb_fail(GB_OUT_OF_MEMORY, "cannot evaluate", p->task->name, "out of memory");
    return p->task->score(train, test, answers, metrics, per_image);
}

enum gb_status gb_predictor_evaluate(struct gb_predictor *p, const struct gb_dataset *train,
                                     const struct gb_dataset *test, json_t *metrics,
                                     json_t *per_image) {
    double *bits = malloc((size_t)test->count * sizeof *bits);
    struct gb_tensor answers = test->y;
    answers.data = malloc(gb_elements(&answers) * sizeof(float));
    enum gb_status status =
        bits && answers.data
            ? evaluate(p, train, test, bits, &answers, metrics, per_image)
            : gb_fail(GB_OUT_OF_MEMORY, "cannot evaluate", p->task->name, "out of memory");
    free(bits);
    free(answers.data);
    return status;
}

// The columns of the picture, in one block: input, truth, samples, average, answer.
struct sheet {
    struct gb_tensor x, truth, samples[PICTURE_SAMPLES], average, answer;
};

static void bind_sheet(struct sheet *sheet, struct gb_arena *arena, const struct gb_dataset *set,
                       int images) {
    const struct gb_tensor *x = &set->x, *y = &set->y;
    struct gb_tensor *const columns[] = {&sheet->truth,      &sheet->samples[0], &sheet->samples[1],
                                         &sheet->samples[2], &sheet->samples[3], &sheet->average,
                                         &sheet->answer};
    sheet->x = gb_dense(NULL, images, x->h, x->w, x->c);
    sheet->x.data = gb_arena_take(arena, gb_elements(&sheet->x));
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        *columns[i] = gb_dense(NULL, images, y->h, y->w, y->c);
        columns[i]->data = gb_arena_take(arena, gb_elements(columns[i]));
    }
}

static enum gb_status fill_sheet(struct gb_predictor *p, const struct gb_dataset *set,
                                 struct sheet *sheet, const char **names) {
    int images = sheet->x.n;
    for (int i = 0; i < images; i++) {
        int index = (int)((long)i * set->count / images);
        names[i] = set->names[index];
        memcpy(gb_at(&sheet->x, i, 0, 0), gb_at(&set->x, index, 0, 0),
               (size_t)sheet->x.image * sizeof(float));
        memcpy(gb_at(&sheet->truth, i, 0, 0), gb_at(&set->y, index, 0, 0),
               (size_t)sheet->truth.image * sizeof(float));
        GB_TRY(gb_predictor_draw(p, set, index));
        for (int m = 0; m < PICTURE_SAMPLES && m < p->samples; m++) {
            struct gb_tensor sample = gb_images(&p->drawn, m, 1);
            struct gb_tensor cell = gb_images(&sheet->samples[m], i, 1);
            p->task->reveal(&sample, &cell);
        }
        struct gb_tensor average = gb_images(&sheet->average, i, 1);
        struct gb_tensor answer = gb_images(&sheet->answer, i, 1);
        gb_predictor_average(p, &average);
        p->task->decide(&average, &answer);
    }
    return GB_OK;
}

enum gb_status gb_predictor_picture(struct gb_predictor *p, const struct gb_dataset *set,
                                    int images, const char *path) {
    if (images > set->count)
        images = set->count;
    struct sheet sheet;
    struct gb_arena arena = {0};
    bind_sheet(&sheet, &arena, set, images);
    GB_TRY(gb_arena_reserve(&arena, "picture"));
    bind_sheet(&sheet, &arena, set, images);
    const char **names = calloc((size_t)images, sizeof *names);
    enum gb_status status = names ? fill_sheet(p, set, &sheet, names)
                                  : gb_fail(GB_OUT_OF_MEMORY, "cannot draw", path, "out of memory");
    if (status == GB_OK) {
        struct gb_picture_column columns[4 + PICTURE_SAMPLES] = {{"input", sheet.x},
                                                                 {"truth", sheet.truth}};
        int count = 2;
        for (int m = 0; m < PICTURE_SAMPLES && m < p->samples; m++)
            columns[count++] = (struct gb_picture_column){"sample", sheet.samples[m]};
        columns[count++] = (struct gb_picture_column){"mean", sheet.average};
        columns[count++] = (struct gb_picture_column){"prediction", sheet.answer};
        const struct gb_picture picture = {.title = p->task->summary,
                                           .columns = columns,
                                           .column_count = count,
                                           .row_count = images,
                                           .row_captions = names};
        status = gb_picture_write(path, &picture);
    }
    free(names);
    gb_arena_free(&arena);
    return status;
}
