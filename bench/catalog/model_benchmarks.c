// SPDX-License-Identifier: MIT
#include "bench/catalog/model_benchmarks.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"

struct description {
    const struct gb_model_case *model;
    struct gb_pass_use use; // threads apart
};

struct state {
    const struct gb_benchmark *benchmark;
    struct gb_model_run *run; // NULL while measuring
    enum gb_status status;
};

// How the two kinds are written: words, and the letter before the batch.
static const struct {
    const char *operation, *direction;
    char letter;
} kinds[] = {
    [GB_PASS_TRAIN] = {"step", "train", 'b'},
    [GB_PASS_SAMPLE] = {"sample", "inverse", 's'},
};

static const struct description *description_of(const struct gb_benchmark *benchmark) {
    return benchmark->description;
}

// ---- Life ----

static enum gb_status open_filled(const struct gb_benchmark *benchmark,
                                  const struct gb_backend *backend, enum gb_type precision,
                                  struct gb_model_run **run) {
    const struct description *description = description_of(benchmark);
    struct gb_pass_use use = description->use;
    use.threads = benchmark->threads;
    use.precision = precision;
    GB_TRY(gb_model_run_open(description->model, &use, backend, run));
    enum gb_status status = gb_model_run_fill(*run);
    if (status != GB_OK)
        gb_model_run_close(*run);
    return status;
}

static void teardown(void *argument) {
    struct state *state = argument;
    gb_model_run_close(state->run);
    free(state);
}

static enum gb_status setup(const struct gb_benchmark *benchmark, struct gb_arena *arena,
                            void **result) {
    *result = NULL;
    struct state *state = calloc(1, sizeof *state);
    if (!state)
        return gb_no_memory("cannot set up", benchmark->problem);
    state->benchmark = benchmark;
    enum gb_status status = arena->base
                                ? open_filled(benchmark, benchmark->backend,
                                              description_of(benchmark)->use.precision, &state->run)
                                : GB_OK;
    if (status != GB_OK) {
        free(state);
        return status;
    }
    *result = state;
    return GB_OK;
}

static void run(void *argument) {
    struct state *state = argument;
    state->status = gb_model_run_pass(state->run, 0);
}

// A pass that fails goes on failing.
static enum gb_status failure(void *argument) {
    return ((const struct state *)argument)->status;
}

// ---- Layers ----

static const char layer_prefix[] = "layer/";

static void restart_layers(void *argument) {
    gb_profile_clear(gb_model_run_profile(((struct state *)argument)->run));
}

static double layer_seconds(void *argument, const char *problem) {
    const struct state *state = argument;
    struct gb_profiled *list;
    int count;
    double seconds = NAN;
    if (gb_profile_list(gb_model_run_profile(state->run), &list, &count) != GB_OK)
        return seconds;
    for (int i = 0; i < count; i++)
        if (strcmp(list[i].problem, problem + strlen(layer_prefix)) == 0)
            seconds = list[i].time.seconds / (double)list[i].time.calls /
                      (list[i].layer.job ? state->benchmark->threads : 1);
    free(list);
    return seconds;
}

void gb_layer_benchmark(const struct gb_profiled *layer, const struct gb_benchmark *pass,
                        struct gb_benchmark *benchmark) {
    *benchmark = (struct gb_benchmark){.operation = "layer",
                                       .flops = layer->time.flops / (double)layer->time.calls,
                                       .bytes = gb_layer_bytes(&layer->layer, layer->direction),
                                       .traffic = gb_layer_traffic(layer->direction),
                                       .pass = pass};
    snprintf(benchmark->problem, GB_PROBLEM, "%s%s", layer_prefix, layer->problem);
    snprintf(benchmark->direction, sizeof benchmark->direction, "%s_%s", layer->layer.name,
             gb_direction_name(layer->direction));
}

// ---- Checks ----

static enum gb_status compare(const struct gb_benchmark *benchmark, const char *what, size_t count,
                              const double *got, const double *want) {
    const struct description *description = description_of(benchmark);
    const struct gb_model_case *model = description->model;
    bool trains = description->use.kind == GB_PASS_TRAIN;
    const bool bf16 = description->use.precision == GB_BF16;
    const double nats = bf16 ? GB_CHECK_NATS_BF16 : GB_CHECK_NATS;
    const double sample = bf16 ? GB_CHECK_SAMPLE_BF16 : GB_CHECK_SAMPLE;
    struct gb_model_shapes shapes;
    gb_model_shapes(model->kind, model->config, 1, &shapes);
    const double dimensions = (double)gb_elements(&shapes.y);
    // Samples from uniform numbers are levels or labels.
    size_t left = !trains && (model->kind->uniform_noise || bf16)
                      ? (size_t)(GB_CHECK_TURNED * (double)count)
                      : 0;
    for (size_t i = 0; i < count; i++) {
        double bound =
            trains ? nats * fmax(dimensions, fabs(want[i])) : sample * fmax(1, fabs(want[i]));
        if (fabs(got[i] - want[i]) <= bound)
            continue;
        if (left-- == 0)
            return gb_fail(GB_CHECK_FAILED, "wrong result", benchmark->problem,
                           "%s %zu %s on %s, %d threads: %.9g, not %.9g +- %.3g",
                           trains ? "log-likelihood" : "element", i, what, benchmark->backend->name,
                           benchmark->threads, got[i], want[i], bound);
    }
    return GB_OK;
}

// What a model of its own gives: results of a pass and, of a training one, of a second after the
// step that the first made, and the moments that it left.
struct outcome {
    double *results;
    size_t count; // of one pass
    double moments;
};

static enum gb_status keep_pass(const struct gb_benchmark *benchmark, struct gb_model_run *run,
                                int pass, struct outcome *outcome) {
    const float learning_rate = 2e-4f; // the paper's
    if (gb_interrupt_asked())
        return gb_fail(GB_INTERRUPTED, "interrupted", benchmark->problem, "in its check");
    GB_TRY(gb_model_run_pass(run, learning_rate));
    const double *results = gb_model_run_results(run, &outcome->count);
    size_t count = outcome->count, before = (size_t)pass * count;
    double *kept = realloc(outcome->results, (before + count) * sizeof *kept);
    if (!kept)
        return gb_no_memory("cannot check", benchmark->problem);
    memcpy(kept + before, results, count * sizeof *kept);
    outcome->results = kept;
    return GB_OK;
}

static enum gb_status run_alone(const struct gb_benchmark *benchmark,
                                const struct gb_backend *backend, enum gb_type precision,
                                struct outcome *outcome) {
    struct gb_model_run *run;
    GB_TRY(open_filled(benchmark, backend, precision, &run));
    enum gb_status status = keep_pass(benchmark, run, 0, outcome);
    if (status == GB_OK && description_of(benchmark)->use.kind == GB_PASS_TRAIN) {
        outcome->moments = gb_model_run_moments(run);
        status = keep_pass(benchmark, run, 1, outcome);
    }
    gb_model_run_close(run);
    return status;
}

static enum gb_status compare_outcomes(const struct gb_benchmark *benchmark,
                                       const struct outcome *got, const struct outcome *want) {
    const size_t count = got->count;
    const bool bf16 = description_of(benchmark)->use.precision == GB_BF16;
    const double bound = (bf16 ? GB_CHECK_GRADIENTS_BF16 : GB_CHECK_GRADIENTS) * want->moments;
    GB_TRY(compare(benchmark, "at first", count, got->results, want->results));
    if (description_of(benchmark)->use.kind != GB_PASS_TRAIN)
        return GB_OK;
    if (!(fabs(got->moments - want->moments) <= bound))
        return gb_fail(GB_CHECK_FAILED, "wrong result", benchmark->problem,
                       "gradients on %s, %d threads, sum to %.9g, not %.9g +- %.3g",
                       benchmark->backend->name, benchmark->threads, got->moments, want->moments,
                       bound);
    return compare(benchmark, "after a step", count, got->results + count, want->results + count);
}

// On models of their own, since the step moves the parameters; one after the other, since large
// ones fill the memory.
static enum gb_status check(void *argument) {
    const struct state *state = argument;
    const struct gb_benchmark *benchmark = state->benchmark;
    GB_TRY(state->status);
    struct outcome tested = {0}, reference = {0};
    const enum gb_type precision = description_of(benchmark)->use.precision;
    // Another backend would widen bf16 operands one by one.
    const struct gb_backend *other =
        precision == GB_BF16 ? benchmark->backend : gb_backend_other(benchmark->backend);
    enum gb_status status = run_alone(benchmark, benchmark->backend, precision, &tested);
    if (status == GB_OK)
        status = run_alone(benchmark, other, GB_F32, &reference);
    if (status == GB_OK)
        status = compare_outcomes(benchmark, &tested, &reference);
    free(tested.results);
    free(reference.results);
    return status;
}

// ---- From text ----

static const char bf16_suffix[] = "_bf16";

void gb_pass_print(const struct gb_model_case *model, const struct gb_pass_use *use,
                   char text[static GB_PROBLEM]) {
    snprintf(text, GB_PROBLEM, "%s/%s/%s%c%d%s", kinds[use->kind].operation,
             kinds[use->kind].direction, model->name, kinds[use->kind].letter, use->batch,
             use->precision == GB_BF16 ? bf16_suffix : "");
}

// A name and the batch, of the model and kind that print as this text.
static bool parse(const struct gb_model_case *models, const char *text, struct description *d) {
    size_t length = strlen(text), digits = 0;
    const size_t suffix = strlen(bf16_suffix);
    if (length > suffix && strcmp(text + length - suffix, bf16_suffix) == 0) {
        d->use.precision = GB_BF16;
        length -= suffix;
    }
    while (digits < length && text[length - digits - 1] >= '0' && text[length - digits - 1] <= '9')
        digits++;
    if (digits < 1 || digits > 4)
        return false;
    d->use.batch = atoi(text + length - digits);
    for (d->model = models; d->model->name; d->model++)
        for (int kind = GB_PASS_TRAIN; kind <= GB_PASS_SAMPLE; kind++) {
            char printed[GB_PROBLEM];
            d->use.kind = (enum gb_pass_kind)kind;
            gb_pass_print(d->model, &d->use, printed);
            if (d->use.batch >= 1 && strcmp(printed, text) == 0)
                return true;
        }
    return false;
}

enum gb_status gb_recorded_pass_benchmark(const struct gb_model_case *model,
                                          const struct gb_pass_use *use,
                                          const struct gb_recorded_pass *pass,
                                          struct gb_benchmark *benchmark) {
    const bool trains = use->kind == GB_PASS_TRAIN;
    double flops = gb_trace_product_flops(pass->trace);
    *benchmark = (struct gb_benchmark){
        .flops = flops,
        .bytes = (trains ? 24 : 4) * pass->parameters,
        .traffic = trains ? GB_TRAFFIC_UPDATE : GB_TRAFFIC_READ,
        .setup = setup,
        .run = run,
        .check = check,
        .failure = failure,
        .teardown = teardown,
    };
    if (use->profiled) {
        benchmark->restart_layers = restart_layers;
        benchmark->layer_seconds = layer_seconds;
    }
    gb_pass_print(model, use, benchmark->problem);
    strcpy(benchmark->operation, kinds[use->kind].operation);
    strcpy(benchmark->direction, kinds[use->kind].direction);
    struct description *kept = malloc(sizeof *kept);
    if (!kept)
        return gb_no_memory("cannot list benchmarks", model->name);
    *kept = (struct description){model, *use};
    benchmark->description = kept;
    return GB_OK;
}

enum gb_status gb_pass_benchmark(const struct gb_model_case *models, const char *text,
                                 struct gb_benchmark *benchmark) {
    struct description named = {.use.threads = 1};
    if (!parse(models, text, &named))
        return gb_fail(GB_BAD_INPUT, "unknown problem", text, "no model and batch are named so");
    struct gb_recorded_pass pass;
    enum gb_status status = gb_model_record(named.model, &named.use, &pass);
    if (status == GB_OK)
        status = gb_recorded_pass_benchmark(named.model, &named.use, &pass, benchmark);
    gb_recorded_pass_close(&pass);
    return status;
}
