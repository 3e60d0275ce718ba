// SPDX-License-Identifier: MIT
#include "bench/catalog/layer_benchmarks.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "bench/catalog/kernel_benchmarks.h"
#include "bench/catalog/layers.h"
#include "bench/catalog/model_run.h"

static const struct gb_layer *const kinds[] = {gb_cglow_layer_kinds, gb_cnf_layer_kinds};

struct description {
    const struct gb_layer *layer;
    enum gb_direction direction;
    struct gb_layer_shape shape;
};

static const struct description *description_of(const struct gb_layer_state *state) {
    return state->benchmark->description;
}

static const struct gb_layer *layer_of(const struct gb_layer_state *state) {
    return description_of(state)->layer;
}

static enum gb_direction direction_of(const struct gb_layer_state *state) {
    return description_of(state)->direction;
}

struct gb_tensor gb_layer_take_variables(const struct gb_layer_state *state,
                                         struct gb_arena *arena) {
    const struct gb_layer_shape *p = state->shape;
    return gb_take_tensor(arena, p->n, p->h, p->w, p->c);
}

struct gb_tensor gb_layer_take_image(const struct gb_layer_state *state, struct gb_arena *arena) {
    const struct gb_layer_shape *p = state->shape;
    return gb_take_tensor(arena, p->n, p->x_h, p->x_w, p->x_c);
}

void gb_layer_fill(const struct gb_layer_state *state, const struct gb_tensor *tensor,
                   uint32_t stream) {
    const struct gb_exec one = {.threads = 1};
    const struct gb_random_key key = {.seed = 1, .purpose = GB_RANDOM_TEST, .sample = stream};
    if (tensor->data)
        state->builder.backend->random_normal(&one, &key, 0, gb_elements(tensor), 1, tensor->data);
}

// ---- Life ----

// Parameters and what belongs to no layer alone.
static void bind(struct gb_layer_state *s, struct gb_arena *arena) {
    size_t floats = s->params.size;
    int n = s->shape->n;
    s->params.value = gb_arena_floats(arena, floats);
    s->params.moment1 = gb_arena_floats(arena, floats);
    s->params.moment2 = gb_arena_floats(arena, floats);
    s->d_log_det = gb_arena_floats(arena, (size_t)n);
    s->log_det = gb_arena_doubles(arena, (size_t)n);
    s->pass.exec.scratch = gb_arena_alloc(arena, s->builder.scratch);
    s->pass.exec.scratch_bytes = s->builder.scratch;
    layer_of(s)->bind(s, arena);
}

// Variables and gradients; all are dense but for slices of joined, which v then is as a whole.
static void fill_inputs(struct gb_layer_state *s) {
    gb_layer_fill(s, &s->x, 0);
    gb_layer_fill(s, &s->v, 1);
    gb_layer_fill(s, &s->d, 2);
    for (int n = 0; n < s->shape->n; n++)
        s->d_log_det[n] = 1;
}

static enum gb_status fill(struct gb_layer_state *s) {
    enum { SEED = 1 };
    for (int i = 0; i < s->params.count; i++)
        if (s->params.list[i].init.distribution == GB_INIT_ZERO)
            s->params.list[i].init = (struct gb_init){GB_INIT_NORMAL, 0.002f};
    GB_TRY(gb_params_initialise(&s->params, SEED));
    fill_inputs(s);
    const struct gb_layer *layer = layer_of(s);
    if (layer->prepare)
        GB_TRY(layer->prepare(s));
    if (direction_of(s) == GB_BACKWARD) {
        layer->run[GB_FORWARD](s); // its outputs are what backward reads
        gb_layer_fill(s, &s->d, 2);
    }
    return GB_OK;
}

static void teardown(void *argument) {
    struct gb_layer_state *state = argument;
    layer_of(state)->free(state);
    free(state->own);
    free(state->params.list);
    free(state);
}

static enum gb_status plan(struct gb_layer_state *s) {
    s->builder = (struct gb_builder){
        .backend = s->benchmark->backend, .params = &s->params, .threads = s->benchmark->threads};
    s->params.backend = s->builder.backend;
    // Not clipped: a check compares gradients by their largest.
    const struct gb_adam adam = {
        .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .clip = INFINITY};
    s->adam = gb_adam_at_step(adam, 1);
    s->pass = (struct gb_pass){.backend = s->builder.backend,
                               .exec = {.threads = s->builder.threads},
                               .params = &s->params,
                               .training = true,
                               .adam = &s->adam};
    return layer_of(s)->plan(s);
}

// A layer with its memory, which is not filled.
static enum gb_status build(const struct gb_benchmark *benchmark, struct gb_arena *arena,
                            struct gb_layer_state **result) {
    struct gb_layer_state *state = calloc(1, sizeof *state);
    if (!state)
        return gb_no_memory("cannot set up", benchmark->problem);
    state->benchmark = benchmark;
    state->shape = &description_of(state)->shape;
    state->own = calloc(1, layer_of(state)->own_bytes);
    if (!state->own) {
        free(state);
        return gb_no_memory("cannot set up", benchmark->problem);
    }
    enum gb_status status = plan(state);
    if (status != GB_OK) {
        teardown(state);
        return status;
    }
    bind(state, arena);
    *result = state;
    return GB_OK;
}

static enum gb_status setup(const struct gb_benchmark *benchmark, struct gb_arena *arena,
                            void **result) {
    struct gb_layer_state *state;
    *result = NULL;
    GB_TRY(build(benchmark, arena, &state));
    enum gb_status status = arena->base ? fill(state) : GB_OK;
    if (status != GB_OK) {
        teardown(state);
        return status;
    }
    *result = state;
    return GB_OK;
}

static void run(void *argument) {
    struct gb_layer_state *state = argument;
    layer_of(state)->run[direction_of(state)](state);
}

// ---- Check ----

// A layer on one backend, with memory of its own.
struct copy {
    struct gb_benchmark benchmark;
    struct gb_arena arena;
    void *state;
};

static void close_copy(struct copy *copy) {
    if (copy->state)
        teardown(copy->state);
    gb_arena_free(&copy->arena);
}

static enum gb_status open_copy(const struct gb_benchmark *benchmark,
                                const struct gb_backend *backend, int threads, struct copy *copy) {
    *copy = (struct copy){.benchmark = *benchmark};
    copy->benchmark.backend = backend;
    copy->benchmark.threads = threads;
    GB_TRY(setup(&copy->benchmark, &copy->arena, &copy->state));
    teardown(copy->state);
    copy->state = NULL;
    enum gb_status status = gb_arena_reserve(&copy->arena, "the layer to compare with");
    if (status == GB_OK)
        status = setup(&copy->benchmark, &copy->arena, &copy->state);
    if (status != GB_OK)
        close_copy(copy);
    return status;
}

static double largest_of(size_t count, const float *values) {
    double largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs((double)values[i]));
    return largest;
}

static enum gb_status compare(const struct gb_benchmark *benchmark, const char *what, double bound,
                              size_t count, const float *got, const float *want) {
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - want[i]) <= bound))
            return gb_fail(GB_CHECK_FAILED, "wrong result", benchmark->problem,
                           "%s %zu on %s, %d threads: %.9g, not %.9g +- %.3g", what, i,
                           benchmark->backend->name, benchmark->threads, got[i], want[i], bound);
    return GB_OK;
}

// First moments are a tenth of the gradients after one step from zero.
static enum gb_status compare_moments(const struct gb_layer_state *got,
                                      const struct gb_layer_state *want) {
    double least = GB_CHECK_LEAST * largest_of(want->params.size, want->params.moment1);
    for (int i = 0; i < got->params.count; i++) {
        size_t count = gb_param_elements(&got->params.list[i]);
        float *elements[2];
        GB_TRY(gb_block_reserve(2 * count, "gradients to compare", &elements[0]));
        elements[1] = elements[0] + count;
        enum gb_status status = gb_params_export(&got->params, i, got->params.moment1, elements[0]);
        if (status == GB_OK)
            status = gb_params_export(&want->params, i, want->params.moment1, elements[1]);
        if (status == GB_OK)
            status = compare(got->benchmark, got->params.list[i].name,
                             GB_CHECK_LAYER * fmax(least, largest_of(count, elements[1])), count,
                             elements[0], elements[1]);
        free(elements[0]);
        GB_TRY(status);
    }
    return GB_OK;
}

static const float *pixel_of(const struct gb_tensor *t, size_t pixel) {
    size_t row = pixel / (size_t)t->w;
    return gb_at(t, (int)(row / (size_t)t->h), (int)(row % (size_t)t->h),
                 (int)(pixel % (size_t)t->w));
}

static enum gb_status compare_output(const struct gb_layer_state *got,
                                     const struct gb_layer_state *want) {
    struct gb_tensor a = layer_of(got)->output(got, direction_of(got));
    struct gb_tensor b = layer_of(want)->output(want, direction_of(want));
    // A slice lies in rows of a wider pixel: each row of channels is contiguous.
    size_t pixels = (size_t)a.n * (size_t)a.h * (size_t)a.w, c = (size_t)a.c;
    double largest = 0;
    for (size_t p = 0; p < pixels; p++)
        largest = fmax(largest, largest_of(c, pixel_of(&b, p)));
    for (size_t p = 0; p < pixels; p++)
        GB_TRY(compare(got->benchmark, "element", GB_CHECK_LAYER * largest, c, pixel_of(&a, p),
                       pixel_of(&b, p)));
    return GB_OK;
}

static enum gb_status check(void *argument) {
    const struct gb_benchmark *benchmark = ((struct gb_layer_state *)argument)->benchmark;
    const struct gb_backend *backend;
    int threads;
    GB_TRY(gb_reference_of(benchmark, &backend, &threads));
    struct copy tested, reference;
    GB_TRY(open_copy(benchmark, benchmark->backend, benchmark->threads, &tested));
    enum gb_status status = open_copy(benchmark, backend, threads, &reference);
    if (status == GB_OK) {
        run(tested.state);
        run(reference.state);
        status = compare_output(tested.state, reference.state);
        if (status == GB_OK && direction_of(argument) == GB_BACKWARD)
            status = compare_moments(tested.state, reference.state);
        close_copy(&reference);
    }
    close_copy(&tested);
    return status;
}

// ---- From and to text ----

static void print(const struct gb_layer *layer, enum gb_direction direction,
                  const struct gb_layer_shape *shape, char text[static GB_PROBLEM]) {
    char sizes[GB_PROBLEM_TEXT];
    gb_problem_print(&layer->text, shape, sizes);
    snprintf(text, GB_PROBLEM, "layer/%s_%s/%s", layer->name, gb_direction_name(direction), sizes);
}

// Whether `text` up to `length` is "coupling_forward".
static bool is_named(const struct gb_layer *layer, enum gb_direction direction, const char *text,
                     size_t length) {
    char words[GB_WORD];
    snprintf(words, sizeof words, "%s_%s", layer->name, gb_direction_name(direction));
    return layer->run[direction] && strlen(words) == length && strncmp(words, text, length) == 0;
}

// "coupling_forward/n2h..." of "layer/coupling_forward/n2h...".
static enum gb_status parse(const char *text, struct description *d) {
    size_t length = strcspn(text, "/");
    for (size_t i = 0; text[length] && i < sizeof kinds / sizeof *kinds; i++)
        for (d->layer = kinds[i]; d->layer->name; d->layer++)
            for (d->direction = 0; d->direction < GB_DIRECTIONS; d->direction++)
                if (is_named(d->layer, d->direction, text, length))
                    return gb_problem_parse(&d->layer->text, text + length + 1, &d->shape);
    return gb_fail(GB_BAD_INPUT, "unknown problem", text, "no layer is named so");
}

// The products of a run, as its trace has them, and the traffic of the layer's own numbers.
static void record_cost(struct gb_layer_state *s, const struct gb_trace *trace,
                        struct gb_benchmark *benchmark) {
    run(s);
    struct gb_tensor output = layer_of(s)->output(s, direction_of(s));
    bool backward = direction_of(s) == GB_BACKWARD;
    double parameters = (double)gb_params_elements(&s->params);
    double own = (double)(gb_elements(&s->x) + gb_elements(&s->v) + gb_elements(&output));
    benchmark->flops = gb_trace_product_flops(trace);
    benchmark->check_flops = benchmark->flops <= GB_CHECK_LAYER_FLOPS ? benchmark->flops : 0;
    benchmark->bytes = (backward ? 24 : 4) * parameters + sizeof(float) * own;
    benchmark->traffic = backward ? GB_TRAFFIC_UPDATE : GB_TRAFFIC_TRIAD;
}

static enum gb_status set_cost_by(struct gb_trace *trace, struct gb_benchmark *benchmark) {
    struct gb_benchmark recorded = *benchmark;
    recorded.backend = gb_trace_backend(trace);
    recorded.threads = 1;
    struct gb_arena arena = {0};
    struct gb_layer_state *state;
    GB_TRY(build(&recorded, &arena, &state));
    teardown(state);
    GB_TRY(gb_arena_reserve(&arena, "the layer to record"));
    enum gb_status status = build(&recorded, &arena, &state);
    if (status == GB_OK) {
        gb_make_regular(&state->params);
        gb_trace_clear(trace);
        record_cost(state, trace, benchmark);
        teardown(state);
    }
    gb_arena_free(&arena);
    return status;
}

static enum gb_status set_cost(struct gb_benchmark *benchmark) {
    struct gb_trace *trace;
    GB_TRY(gb_trace_open(NULL, &trace));
    enum gb_status status = set_cost_by(trace, benchmark);
    gb_trace_close(trace);
    return status;
}

enum gb_status gb_layer_benchmark(const char *text, struct gb_benchmark *benchmark) {
    static const char word[] = "layer/";
    struct description description = {0};
    if (strncmp(text, word, strlen(word)) != 0 || strlen(text) >= sizeof benchmark->problem)
        return gb_fail(GB_BAD_INPUT, "unknown problem", text, "no layer is named so");
    GB_TRY(parse(text + strlen(word), &description));
    *benchmark = (struct gb_benchmark){
        .setup = setup, .run = run, .check = check, .teardown = teardown, .operation = "layer"};
    strcpy(benchmark->problem, text);
    snprintf(benchmark->direction, sizeof benchmark->direction, "%s_%s", description.layer->name,
             gb_direction_name(description.direction));
    benchmark->description = &description;
    GB_TRY(set_cost(benchmark));
    struct description *kept = malloc(sizeof *kept);
    if (!kept)
        return gb_no_memory("cannot list benchmarks", text);
    *kept = description;
    benchmark->description = kept;
    return GB_OK;
}

// ---- Of a model ----

void gb_layer_calls_add(struct gb_layer_calls *calls, const struct gb_layer *layer,
                        const struct gb_layer_shape *shape, int count) {
    for (int direction = 0; direction < GB_DIRECTIONS; direction++) {
        if (!layer->run[direction])
            continue;
        struct gb_layer_call *list = gb_grow(calls->list, (size_t)calls->count, sizeof *list);
        if (!list) {
            calls->incomplete = true;
            return;
        }
        calls->list = list;
        struct gb_layer_call *call = &list[calls->count++];
        print(layer, (enum gb_direction)direction, shape, call->text);
        call->count = count;
    }
}

enum gb_status gb_layer_calls_end(struct gb_layer_calls *calls, struct gb_layer_call **list,
                                  int *count) {
    if (calls->incomplete) {
        free(calls->list);
        return gb_no_memory("cannot list benchmarks", "layers");
    }
    *list = calls->list;
    *count = calls->count;
    return GB_OK;
}

enum gb_status gb_model_layers(const struct gb_model_case *model, struct gb_layer_call **calls,
                               int *count) {
    *calls = NULL;
    *count = 0;
    if (model->kind == &gb_cglow_model)
        return gb_cglow_layers(model->config, model->batch, calls, count);
    if (model->kind == &gb_cnf_model)
        return gb_cnf_layers(model->config, model->batch, calls, count);
    return GB_OK;
}
