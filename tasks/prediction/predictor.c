// SPDX-License-Identifier: MIT
#include "tasks/prediction/predictor.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/minmax.h"
#include "flows/files/checkpoint.h"
#include "flows/files/safetensors.h"
#include "flows/networks/network.h"
#include "kernels/arena.h"
#include "tasks/data/randomness.h"

const char *const gb_prediction_names[GB_PREDICTIONS] = {"mean", "gradient"};

// Limits on targets and their floats per batch, so that activations of full images fit in memory;
// at least one target.
enum { SCORED_AT_ONCE = 8, SCORED_FLOATS = 1 << 19, DRAWN_FLOATS = 1 << 21 };

// The samples that `drawn` holds; none if at_once is 0.
struct samples {
    int index, first, at_once;
    float temperature;
};

struct gb_predictor_state {
    enum gb_dequantisation dequantisation;
    int scored_at_once, drawn_at_once;
    struct gb_model *scorer, *sampler;
    struct gb_model *ascent_model; // of one target, with gradients; NULL without ascent
    struct gb_arena arena;
    struct gb_tensor x, targets;                       // of the scorer's batch
    struct gb_tensor noise;                            // for the model's dequantiser
    float *uniform;                                    // buffer for the noise of one target
    struct gb_latents latents;                         // noise for the sampler
    struct gb_tensor drawn;                            // drawn_at_once targets
    struct samples in_hand;                            // of `drawn`
    struct gb_tensor ascended, moments[2], d_ascended; // of gradient ascent
};

// ---- Creation ----

static int at_once(int wanted, const struct gb_tensor *target, int floats) {
    long fit = floats / (target->image > 0 ? target->image : 1);
    return wanted <= fit ? wanted : fit < 1 ? 1 : (int)fit;
}

static void bind(struct gb_predictor *p, const struct gb_model_shapes *one) {
    struct gb_predictor_state *state = p->state;
    struct gb_arena *arena = &state->arena;
    const struct gb_tensor *x = &one->x, *y = &one->y;
    state->x = gb_take_tensor(arena, state->scored_at_once, x->h, x->w, x->c);
    state->targets = gb_take_tensor(arena, state->scored_at_once, y->h, y->w, y->c);
    if (state->dequantisation == GB_DEQUANTISED_BY_MODEL)
        state->noise = gb_take_tensor(arena, state->scored_at_once, y->h, y->w, y->c);
    state->uniform = gb_arena_floats(arena, (size_t)y->image);
    p->kind->latent_shapes(state->sampler, &state->latents);
    for (int l = 0; l < state->latents.count; l++)
        state->latents.level[l].data =
            gb_arena_floats(arena, gb_elements(&state->latents.level[l]));
    state->drawn = gb_take_tensor(arena, state->drawn_at_once, y->h, y->w, y->c);
    if (!state->ascent_model)
        return;
    struct gb_tensor *const ascent[] = {&state->ascended, &state->moments[0], &state->moments[1],
                                        &state->d_ascended};
    for (size_t i = 0; i < sizeof ascent / sizeof *ascent; i++)
        *ascent[i] = gb_take_tensor(arena, 1, y->h, y->w, y->c);
}

static enum gb_status build_ascent_model(struct gb_predictor *p) {
    const struct gb_model_use use = {.batch = 1,
                                     .samples_per_x = 1,
                                     .threads = p->options.threads,
                                     .gradients = true,
                                     .precision = p->precision};
    if (p->task->one_sample)
        return gb_fail(GB_BAD_INPUT, "cannot predict", "--predict gradient",
                       "%s scores single samples, not a prediction", p->task->name);
    if (p->kind->point_estimate || p->state->dequantisation != GB_DEQUANTISED_BY_CALLER)
        return gb_fail(GB_BAD_INPUT, "cannot predict", "--predict gradient",
                       "%s has no density to maximise", p->kind->title);
    return gb_model_create(p->kind, &p->config, &use, p->options.backend, &p->state->ascent_model);
}

// Random streams have 2^32 elements (kernels/random/random.h), and samples share none.
static enum gb_status check_samples(const struct gb_predictor *p, const struct gb_tensor *y) {
    if ((uint64_t)p->samples * (uint64_t)y->image <= UINT32_MAX)
        return GB_OK;
    return gb_fail(GB_BAD_INPUT, "cannot predict", "--samples",
                   "%d samples of %td values need more than 2^32 random numbers", p->samples,
                   y->image);
}

// Creates everything that depends on the sizes.
static enum gb_status build(struct gb_predictor *p) {
    struct gb_predictor_state *state = p->state = calloc(1, sizeof *state);
    if (!state)
        return gb_no_memory("cannot predict", p->task->name);
    struct gb_model_shapes one;
    gb_model_shapes(p->kind, &p->config, 1, &one);
    GB_TRY(check_samples(p, &one.y));
    p->target = one.y;
    state->dequantisation = one.dequantisation;
    state->scored_at_once = at_once(SCORED_AT_ONCE, &one.y, SCORED_FLOATS);
    state->drawn_at_once = at_once(p->samples, &one.y, DRAWN_FLOATS);
    const struct gb_model_use score = {.batch = state->scored_at_once,
                                       .samples_per_x = 1,
                                       .threads = p->options.threads,
                                       .precision = p->precision};
    const struct gb_model_use sample = {.batch = state->drawn_at_once,
                                        .samples_per_x = state->drawn_at_once,
                                        .threads = p->options.threads,
                                        .precision = p->precision};
    GB_TRY(gb_model_create(p->kind, &p->config, &score, p->options.backend, &state->scorer));
    GB_TRY(gb_model_create(p->kind, &p->config, &sample, p->options.backend, &state->sampler));
    if (p->options.prediction == GB_PREDICT_GRADIENT)
        GB_TRY(build_ascent_model(p));
    bind(p, &one);
    GB_TRY(gb_arena_reserve(&state->arena, "predictions"));
    bind(p, &one);
    return GB_OK;
}

enum gb_status gb_predictor_create(struct gb_predictor *p, const struct gb_run_config *run,
                                   const struct gb_predictor_options *options) {
    const struct gb_model_kind *kind = run->model->kind;
    *p = (struct gb_predictor){
        .task = run->task,
        .kind = kind,
        .config = run->config,
        .precision = run->precision,
        .options = *options,
        .samples = kind->point_estimate || run->task->one_sample ? 1 : options->samples};
    enum gb_status status = build(p);
    if (status != GB_OK)
        gb_predictor_free(p);
    return status;
}

void gb_predictor_free(struct gb_predictor *p) {
    if (p->state) {
        gb_model_free(p->state->scorer);
        gb_model_free(p->state->sampler);
        gb_model_free(p->state->ascent_model);
        gb_arena_free(&p->state->arena);
        free(p->state);
    }
    *p = (struct gb_predictor){0};
}

// Copies the scorer's values to the others.
static enum gb_status share_parameters(struct gb_predictor *p) {
    const struct gb_params *params = &p->state->scorer->params;
    GB_TRY(gb_params_copy(params, &p->state->sampler->params));
    return p->state->ascent_model ? gb_params_copy(params, &p->state->ascent_model->params) : GB_OK;
}

enum gb_status gb_predictor_load(struct gb_predictor *p, const struct gb_params *trained) {
    GB_TRY(gb_params_copy(trained, &p->state->scorer->params));
    return share_parameters(p);
}

enum gb_status gb_predictor_restore(struct gb_predictor *p, const char *checkpoint) {
    GB_TRY(gb_checkpoint_load(checkpoint, &p->state->scorer->params, GB_CHECKPOINT_TRAINED));
    return share_parameters(p);
}

enum gb_status gb_predictor_resize(struct gb_predictor *p, const struct gb_example_shape *shape) {
    if (gb_task_check_shape(p->kind, &p->config, shape) == GB_OK)
        return GB_OK;
    struct gb_predictor old = *p;
    p->state = NULL;
    enum gb_status status =
        gb_model_resize(p->kind, &p->config, shape->x_h, shape->x_w, shape->y_h, shape->y_w);
    if (status == GB_OK)
        status = build(p);
    if (status == GB_OK)
        status = gb_predictor_load(p, &old.state->scorer->params);
    gb_predictor_free(&old);
    return status;
}

// ---- Likelihood ----

static void add_noise(struct gb_predictor *p, int place, int index) {
    const struct gb_exec exec = {.threads = p->options.threads};
    const struct gb_task *task = p->task;
    const struct gb_random_key key = {
        .seed = p->options.seed, .purpose = GB_RANDOM_DEQUANTISE, .sample = (uint32_t)index};
    struct gb_tensor target = gb_images(&p->state->targets, place, 1);
    if (p->state->dequantisation == GB_DEQUANTISED_BY_MODEL)
        p->options.backend->random_normal(&exec, &key, 0, gb_elements(&target), 1,
                                          gb_at(&p->state->noise, place, 0, 0));
    else if (p->state->dequantisation == GB_DEQUANTISED_BY_CALLER && task->level_distance > 0 &&
             p->options.dequantise)
        gb_add_noise(p->options.backend, p->options.threads, &key, task->noise_low,
                     task->noise_low + task->level_distance, &target, p->state->uniform);
}

// Fills the scorer's batch with examples from `first` on, numbered from `number`; the last one is
// repeated beyond the end.
static void fill_batch(struct gb_predictor *p, const struct gb_examples *examples, int first,
                       int number) {
    for (int i = 0; i < p->state->scored_at_once; i++) {
        int index = first + i < examples->count ? first + i : examples->count - 1;
        struct gb_tensor x = gb_images(&examples->x, index, 1);
        struct gb_tensor y = gb_images(&examples->y, index, 1);
        struct gb_tensor target = gb_images(&p->state->targets, i, 1);
        memcpy(gb_at(&p->state->x, i, 0, 0), x.data, (size_t)p->state->x.image * sizeof(float));
        p->task->target(&x, &y, &target);
        add_noise(p, i, number + index - first);
    }
}

// Log-likelihoods of the scorer's batch from example `first` on.
static enum gb_status score_batch(struct gb_predictor *p, const struct gb_examples *examples,
                                  char *const *names, int first, int number,
                                  double log_likelihood[static SCORED_AT_ONCE]) {
    static const char what[] = "cannot evaluate";
    bool wants_noise = p->state->dequantisation == GB_DEQUANTISED_BY_MODEL;
    fill_batch(p, examples, first, number);
    enum gb_status status = p->kind->condition(p->state->scorer, &p->state->x);
    if (status != GB_OK)
        return gb_fail_within(status, what, names[first]);
    status = p->kind->forward(p->state->scorer, &p->state->targets,
                              wants_noise ? &p->state->noise : NULL, log_likelihood, NULL);
    for (int i = 0; status != GB_OK && i < p->state->scored_at_once && first + i < examples->count;
         i++)
        if (!isfinite(log_likelihood[i]))
            return gb_fail_within(status, what, names[first + i]);
    return status == GB_OK ? GB_OK : gb_fail_within(status, what, names[first]);
}

enum gb_status gb_predictor_bits(struct gb_predictor *p, const struct gb_examples *examples,
                                 int first, char *const *names, double *bits) {
    size_t dimensions = (size_t)p->target.image;
    const struct gb_example_shape shape = gb_shape_of(&examples->x, &examples->y);
    GB_TRY(gb_task_check_shape(p->kind, &p->config, &shape));
    for (int at = 0; at < examples->count; at += p->state->scored_at_once) {
        double log_likelihood[SCORED_AT_ONCE];
        GB_TRY(score_batch(p, examples, names, at, first + at, log_likelihood));
        for (int i = 0; i < p->state->scored_at_once && at + i < examples->count; i++)
            bits[at + i] =
                gb_task_bits(p->task, p->state->dequantisation, log_likelihood[i], dimensions);
    }
    return GB_OK;
}

enum gb_status gb_predictor_range_bits(struct gb_predictor *p, const struct gb_examples *examples,
                                       struct gb_range range, char *const *names, double *bits) {
    const int begin = (int)range.begin, count = (int)(range.end - range.begin);
    struct gb_examples part = *examples;
    part.count = count;
    part.x = gb_images(&part.x, begin, count);
    part.y = gb_images(&part.y, begin, count);
    return count > 0 ? gb_predictor_bits(p, &part, begin, names + begin, bits + begin) : GB_OK;
}

// ---- Tensors for other implementations ----

static struct gb_tensor_entry image_entry(const char *name, const struct gb_tensor *images) {
    struct gb_tensor_entry entry = {
        .dims = 4,
        .shape = {(size_t)images->n, (size_t)images->c, (size_t)images->h, (size_t)images->w}};
    snprintf(entry.name, sizeof entry.name, "%s", name);
    return entry;
}

static void append_images(struct gb_safetensors_writer *writer, const struct gb_tensor *images,
                          float *buffer) {
    float *to = buffer;
    for (int n = 0; n < images->n; n++)
        for (int c = 0; c < images->c; c++)
            for (int i = 0; i < images->h; i++)
                for (int j = 0; j < images->w; j++)
                    *to++ = gb_at(images, n, i, j)[c];
    gb_safetensors_append(writer, buffer);
}

// The scorer's batch, of which the first `count` are examples.
static enum gb_status write_batch(const struct gb_predictor *p, const struct gb_run_config *run,
                                  int count, const double *log_likelihood, const char *path) {
    const struct gb_predictor_state *state = p->state;
    const struct gb_tensor images[] = {gb_images(&state->x, 0, count),
                                       gb_images(&state->targets, 0, count),
                                       gb_images(&state->noise, 0, count)};
    static const char *const names[] = {"x", "y", "noise"};
    const int tensors = state->noise.data ? 3 : 2;
    struct gb_tensor_entry list[4];
    size_t largest = 0;
    for (int i = 0; i < tensors; i++) {
        list[i] = image_entry(names[i], &images[i]);
        largest = gb_max_size(largest, gb_elements(&images[i]));
    }
    list[tensors] =
        (struct gb_tensor_entry){.name = "log_likelihood", .dims = 1, .shape = {(size_t)count}};
    float *buffer = malloc(gb_max_size(largest, (size_t)count) * sizeof *buffer);
    json_t *metadata = json_object();
    struct gb_safetensors_writer writer;
    enum gb_status status = buffer && metadata ? gb_run_config_to_metadata(run, metadata)
                                               : gb_no_memory("cannot write", path);
    if (status == GB_OK)
        status = gb_safetensors_begin(&writer, path, list, (size_t)tensors + 1, metadata);
    if (status == GB_OK) {
        for (int i = 0; i < tensors; i++)
            append_images(&writer, &images[i], buffer);
        for (int i = 0; i < count; i++)
            buffer[i] = (float)log_likelihood[i];
        gb_safetensors_append(&writer, buffer);
        status = gb_safetensors_commit(&writer);
    }
    json_decref(metadata);
    free(buffer);
    return status;
}

enum gb_status gb_predictor_write_tensors(struct gb_predictor *p, const struct gb_run_config *run,
                                          const struct gb_dataset *set, int most,
                                          const char *path) {
    double log_likelihood[SCORED_AT_ONCE];
    const int count = gb_min_int(gb_min_int(most, set->count), p->state->scored_at_once);
    struct gb_examples examples;
    GB_TRY(gb_task_check_shape(p->kind, &p->config, &set->shape));
    GB_TRY(gb_dataset_gather(set, NULL, count, p->options.seed, p->options.threads, &examples));
    enum gb_status status = score_batch(p, &examples, set->names, 0, 0, log_likelihood);
    if (status == GB_OK)
        status = write_batch(p, run, count, log_likelihood, path);
    gb_examples_free(&examples);
    return status;
}

// ---- Samples ----

// Noise for sample `number` in one level, of one image.
static void draw_latent(const struct gb_predictor *p, const struct gb_random_key *key, int number,
                        const struct gb_tensor *latent) {
    const struct gb_exec exec = {.threads = p->options.threads};
    const struct gb_backend *backend = p->options.backend;
    const size_t count = gb_elements(latent);
    if (p->kind->uniform_noise)
        backend->random_uniform(&exec, key, (uint32_t)number * (uint32_t)count, count, 0, 1,
                                latent->data);
    else
        backend->random_normal(&exec, key, (uint32_t)(number / 2) * (uint32_t)count, count,
                               number % 2 ? -1 : 1, latent->data);
}

// Noise for the samples from number `first` on.
static void draw_latents(struct gb_predictor *p, int index, int first) {
    for (int l = 0; l < p->state->latents.count; l++) {
        const struct gb_random_key key = {.seed = p->options.seed,
                                          .purpose = GB_RANDOM_LATENT,
                                          .step = (uint32_t)l,
                                          .sample = (uint32_t)index};
        for (int m = 0; m < p->state->latents.level[l].n; m++) {
            const struct gb_tensor latent = gb_images(&p->state->latents.level[l], m, 1);
            draw_latent(p, &key, first + m, &latent);
        }
    }
}

enum gb_status gb_predictor_condition(struct gb_predictor *p, const struct gb_tensor *x,
                                      const char *name) {
    struct gb_example_shape shape = gb_shape_of(x, &p->target);
    GB_TRY(gb_task_check_shape(p->kind, &p->config, &shape));
    p->state->in_hand = (struct samples){0};
    enum gb_status status = p->kind->condition(p->state->sampler, x);
    return status == GB_OK ? GB_OK : gb_fail_within(status, "cannot draw", name);
}

static bool is_in_hand(const struct samples *samples, int index, int number, float temperature) {
    return samples->index == index && !(samples->temperature < temperature) &&
           !(samples->temperature > temperature) && number >= samples->first &&
           number < samples->first + samples->at_once;
}

struct gb_tensor gb_predictor_sample(struct gb_predictor *p, int index, int number,
                                     float temperature) {
    struct gb_predictor_state *state = p->state;
    struct samples *in_hand = &state->in_hand;
    if (!is_in_hand(in_hand, index, number, temperature)) {
        const int at_once = state->drawn_at_once;
        *in_hand = (struct samples){.index = index,
                                    .first = number / at_once * at_once,
                                    .at_once = at_once,
                                    .temperature = temperature};
        draw_latents(p, index, in_hand->first);
        p->kind->inverse(state->sampler, &state->latents, temperature, &state->drawn);
    }
    return gb_images(&state->drawn, number - in_hand->first, 1);
}

static enum gb_status sample_mean(struct gb_predictor *p, const struct gb_tensor *x,
                                  const char *name, int index, const struct gb_tensor *prediction) {
    const struct gb_exec exec = {.threads = p->options.threads};
    GB_TRY(gb_predictor_condition(p, x, name));
    for (int m = 0; m < p->samples; m++) {
        const struct gb_tensor sample = gb_predictor_sample(p, index, m, p->options.temperature);
        if (m == 0)
            gb_copy_values(&sample, prediction);
        else
            p->options.backend->add(&exec, &sample, prediction);
    }
    float *values = prediction->data;
    for (size_t i = 0; i < gb_elements(prediction); i++)
        values[i] /= (float)p->samples;
    return GB_OK;
}

// ---- Gradient ascent ----

static enum gb_status gradient_ascent(struct gb_predictor *p, const struct gb_tensor *x,
                                      const char *name) {
    const struct gb_exec exec = {.threads = p->options.threads};
    const struct gb_adam rule = {.learning_rate = p->options.ascent.rate,
                                 .beta1 = 0.9f,
                                 .beta2 = 0.999f,
                                 .epsilon = 1e-8f,
                                 .clip = INFINITY};
    size_t count = gb_elements(&p->state->ascended);
    // Negative log-likelihood, since Adam minimises.
    const float d_log_likelihood = (float)gb_bits_per_dimension(1, count);
    for (int i = 0; i < 2; i++)
        memset(p->state->moments[i].data, 0, count * sizeof(float));
    enum gb_status status = p->kind->condition(p->state->ascent_model, x);
    for (int step = 1; status == GB_OK && step <= p->options.ascent.steps; step++) {
        double log_likelihood;
        status = p->kind->forward(p->state->ascent_model, &p->state->ascended, NULL,
                                  &log_likelihood, NULL);
        if (status != GB_OK)
            break;
        p->kind->backward(p->state->ascent_model, &d_log_likelihood, NULL, NULL,
                          &p->state->d_ascended);
        const struct gb_adam adam = gb_adam_at_step(rule, step);
        const struct gb_adam_target target = {.adam = &adam,
                                              .weights = p->state->ascended.data,
                                              .moment1 = p->state->moments[0].data,
                                              .moment2 = p->state->moments[1].data};
        p->options.backend->adam(&exec, &target, 0, count, p->state->d_ascended.data);
    }
    return status == GB_OK ? GB_OK : gb_fail_within(status, "cannot predict", name);
}

static enum gb_status ascend(struct gb_predictor *p, const struct gb_tensor *x, const char *name,
                             int index, const struct gb_tensor *prediction) {
    const struct gb_tensor *ascended = &p->state->ascended;
    if (p->options.ascent.from_mean) {
        GB_TRY(sample_mean(p, x, name, index, ascended));
    } else {
        GB_TRY(gb_predictor_condition(p, x, name));
        const struct gb_tensor mode = gb_predictor_sample(p, index, 0, 0);
        gb_copy_values(&mode, ascended);
    }
    GB_TRY(gradient_ascent(p, x, name));
    gb_copy_values(ascended, prediction);
    return GB_OK;
}

enum gb_status gb_predictor_predict(struct gb_predictor *p, const struct gb_tensor *x,
                                    const char *name, int index,
                                    const struct gb_tensor *prediction) {
    return p->options.prediction == GB_PREDICT_GRADIENT
               ? ascend(p, x, name, index, prediction)
               : sample_mean(p, x, name, index, prediction);
}
