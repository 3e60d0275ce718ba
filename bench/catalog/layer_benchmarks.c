// SPDX-License-Identifier: MIT
#include "bench/catalog/layer_benchmarks.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/catalog/recorder.h"
#include "flows/layers/conditional_actnorm.h"
#include "flows/layers/conditional_coupling.h"
#include "flows/layers/conditional_mix.h"
#include "flows/models/cglow.h"

// All numbers that any layer has.
struct shape {
    int n, h, w, c;       // variables
    int k;                // channels of the coupling's network
    int x_h, x_w, x_c;    // conditioning image
    int f, d, e, outputs; // feature channels; channels, width and outputs of a network
};

struct state;

// A kind of layer: the parts of its life, and its runs by direction.
struct layer {
    const char *name;
    struct gb_operation text; // its name and shape as text (kernels/problem.h); no kernels
    enum gb_status (*plan)(struct state *state);
    void (*bind)(struct state *state, struct gb_arena *arena);
    void (*free)(struct state *state);
    enum gb_status (*prepare)(struct state *state);  // what runs but once; NULL: nothing
    void (*run[GB_DIRECTIONS])(struct state *state); // NULL: there is no such direction
    // What a check compares. A backward run's parameters are compared beside it.
    struct gb_tensor (*output)(const struct state *state, enum gb_direction direction);
};

struct description {
    const struct layer *layer;
    enum gb_direction direction;
    struct shape shape;
};

struct state {
    const struct gb_benchmark *benchmark;
    const struct description *description;
    struct gb_params params; // blocks in the arena
    struct gb_builder builder;
    struct gb_pass pass;
    struct gb_adam adam;
    struct gb_conditional_coupling coupling;
    struct gb_coupling_shared shared;
    struct gb_conditional_actnorm actnorm;
    struct gb_conditional_mix mix;
    struct gb_conditioning_net net;
    struct gb_tensor x, v, between, out, d, d_between;
    float *d_log_det, *workspace;
    double *log_det;
};

static struct gb_tensor take_variables(struct state *s, struct gb_arena *arena) {
    const struct shape *p = &s->description->shape;
    return gb_take_tensor(arena, p->n, p->h, p->w, p->c);
}

static struct gb_tensor take_image(struct state *s, struct gb_arena *arena) {
    const struct shape *p = &s->description->shape;
    return gb_take_tensor(arena, p->n, p->x_h, p->x_w, p->x_c);
}

// ---- Coupling ----

// The path from x is not run: an image of the least size stands for it.
static enum gb_status plan_coupling(struct state *s) {
    const struct shape *p = &s->description->shape;
    const struct gb_coupling_shape shape = {.images = p->n,
                                            .x_h = p->h,
                                            .x_w = p->w,
                                            .x_c = 1,
                                            .batch = p->n,
                                            .h = p->h,
                                            .w = p->w,
                                            .c = p->c,
                                            .coupling_channels = p->k,
                                            .feature_channels = 1};
    return gb_conditional_coupling_plan(&s->coupling, &s->builder, &s->builder, &shape, true);
}

static void bind_coupling(struct state *s, struct gb_arena *arena) {
    gb_coupling_shared_bind(&s->shared, arena, &s->coupling, true);
    gb_conditional_coupling_bind(&s->coupling, arena, &s->shared, true);
    s->d = take_variables(s, arena);
    s->v = s->coupling.joined; // with the features
}

static void free_coupling(struct state *s) {
    gb_conditional_coupling_free(&s->coupling, s->builder.backend);
}

static void run_coupling_forward(struct state *s) {
    gb_conditional_coupling_forward(&s->coupling, &s->pass, s->log_det);
}

static void run_coupling_inverse(struct state *s) {
    gb_conditional_coupling_inverse(&s->coupling, &s->pass);
}

static void run_coupling_backward(struct state *s) {
    gb_conditional_coupling_backward(&s->coupling, &s->shared, &s->pass, &s->d, s->d_log_det);
}

static struct gb_tensor coupling_output(const struct state *s, enum gb_direction direction) {
    return direction == GB_BACKWARD ? s->d : s->coupling.v;
}

// ---- The coupling's path from x ----

static enum gb_status plan_features(struct state *s) {
    const struct shape *p = &s->description->shape;
    const struct gb_coupling_shape shape = {.images = p->n,
                                            .x_h = p->x_h,
                                            .x_w = p->x_w,
                                            .x_c = p->x_c,
                                            .batch = p->n,
                                            .h = p->h,
                                            .w = p->w,
                                            .c = 2 * p->outputs,
                                            .coupling_channels = 1,
                                            .feature_channels = p->f};
    return gb_conditional_coupling_plan(&s->coupling, &s->builder, &s->builder, &shape, true);
}

static void bind_features(struct state *s, struct gb_arena *arena) {
    gb_coupling_shared_bind(&s->shared, arena, &s->coupling, true);
    gb_conditional_coupling_bind(&s->coupling, arena, &s->shared, true);
    s->x = take_image(s, arena);
    s->workspace = gb_arena_take(arena, s->coupling.features.workspace_floats);
    s->d = s->coupling.d_input;
}

static void run_features_forward(struct state *s) {
    gb_conditional_coupling_condition(&s->coupling, &s->pass, &s->x);
}

static void run_features_backward(struct state *s) {
    gb_conditional_coupling_condition_backward(&s->coupling, &s->pass, &s->x, s->workspace, NULL);
}

// A gradient of x is not wanted in training, so there is none to compare.
static struct gb_tensor features_output(const struct state *s, enum gb_direction direction) {
    (void)direction;
    return *gb_feed_forward_value(&s->coupling.features, 0);
}

// ---- Actnorm and 1x1 convolution ----

// Their networks run once, on an image of the least size, to give the parameters.
enum { LEAST_X = 8 };

static enum gb_status plan_rotation(struct state *s) {
    const struct shape *p = &s->description->shape;
    const struct gb_conditioning_shape shape = {
        .images = p->n, .x_h = LEAST_X, .x_w = LEAST_X, .x_c = 1, .n_c = 1, .n_w = 1};
    GB_TRY(gb_conditional_actnorm_plan(&s->actnorm, &s->builder, shape, p->n, p->c, true));
    struct gb_tensor v = gb_dense(NULL, p->n, p->h, p->w, p->c);
    gb_builder_need_scratch(&s->builder, gb_mix_scratch_floats(&v));
    return gb_conditional_mix_plan(&s->mix, &s->builder, shape, p->n, p->c, true);
}

static void bind_rotation(struct state *s, struct gb_arena *arena) {
    const struct shape *p = &s->description->shape;
    gb_conditional_actnorm_bind(&s->actnorm, arena, true);
    gb_conditional_mix_bind(&s->mix, arena, true);
    s->x = gb_take_tensor(arena, p->n, LEAST_X, LEAST_X, 1);
    s->v = take_variables(s, arena);
    s->between = take_variables(s, arena);
    s->out = take_variables(s, arena);
    s->d = take_variables(s, arena);
    s->d_between = take_variables(s, arena);
}

static void free_rotation(struct state *s) {
    gb_conditional_actnorm_free(&s->actnorm, s->builder.backend);
    gb_conditional_mix_free(&s->mix, s->builder.backend);
}

static enum gb_status prepare_rotation(struct state *s) {
    gb_conditional_actnorm_condition(&s->actnorm, &s->pass, &s->x);
    gb_conditional_mix_condition(&s->mix, &s->pass, &s->x);
    return gb_conditional_mix_check(&s->mix, s->benchmark->problem);
}

static void run_rotation_forward(struct state *s) {
    gb_conditional_actnorm_forward(&s->actnorm, &s->pass, &s->v, &s->between, s->log_det);
    gb_conditional_mix_forward(&s->mix, &s->pass, &s->between, &s->out, s->log_det);
}

static void run_rotation_inverse(struct state *s) {
    gb_conditional_mix_inverse(&s->mix, &s->pass, &s->v, &s->between);
    gb_conditional_actnorm_inverse(&s->actnorm, &s->pass, &s->between, &s->out);
}

// As c-Glow does it: what the 1x1 convolution saw is computed again.
static void run_rotation_backward(struct state *s) {
    gb_conditional_actnorm_forward(&s->actnorm, &s->pass, &s->v, &s->between, NULL);
    gb_conditional_mix_backward(&s->mix, &s->pass, &s->between, &s->d, s->d_log_det, &s->d_between);
    gb_conditional_actnorm_backward(&s->actnorm, &s->pass, &s->v, &s->d_between, s->d_log_det,
                                    &s->out);
}

static struct gb_tensor rotation_output(const struct state *s, enum gb_direction direction) {
    (void)direction;
    return s->out;
}

// ---- Conditioning network ----

static enum gb_status plan_network(struct state *s) {
    const struct shape *p = &s->description->shape;
    const struct gb_conditioning_shape shape = {.images = p->n,
                                                .x_h = p->x_h,
                                                .x_w = p->x_w,
                                                .x_c = p->x_c,
                                                .n_c = p->d,
                                                .n_w = p->e,
                                                .outputs = p->outputs};
    const struct gb_last_layer_start last = {GB_START_NORMAL, GB_START_NORMAL, 0.1f};
    return gb_conditioning_net_plan(&s->net, &s->builder, "network", &shape, true, last);
}

static void bind_network(struct state *s, struct gb_arena *arena) {
    const struct shape *p = &s->description->shape;
    gb_conditioning_net_bind(&s->net, arena);
    s->x = take_image(s, arena);
    s->v = gb_take_tensor(arena, p->n, 1, 1, p->outputs); // the gradient that comes
    s->d = gb_take_tensor(arena, p->n, 1, 1, p->outputs); // what backward overwrites
    s->workspace = gb_arena_take(arena, gb_conditioning_net_workspace(&s->net));
}

static void free_network(struct state *s) {
    gb_conditioning_net_free(&s->net, s->builder.backend);
}

static void run_network_forward(struct state *s) {
    gb_conditioning_net_forward(&s->net, &s->pass, &s->x);
}

static void run_network_backward(struct state *s) {
    memcpy(s->d.data, s->v.data, gb_elements(&s->v) * sizeof(float));
    gb_conditioning_net_backward(&s->net, &s->pass, &s->x, &s->d, s->workspace, NULL);
}

static struct gb_tensor network_output(const struct state *s, enum gb_direction direction) {
    (void)direction;
    return s->net.hidden[GB_FC_LAYERS - 1];
}

// ---- The kinds ----

#define SIZE(letter, member, least)                                                                \
    { letter, offsetof(struct shape, member), least, GB_SIZE_LIMIT }
static const struct gb_problem_size coupling_sizes[] = {
    SIZE('n', n, 1), SIZE('h', h, 1), SIZE('w', w, 1), SIZE('c', c, 2), SIZE('k', k, 1), {0}};
static const struct gb_problem_size features_sizes[] = {
    SIZE('n', n, 1),   SIZE('x', x_h, 1),     SIZE('y', x_w, 1),
    SIZE('z', x_c, 1), SIZE('f', f, 1),       SIZE('h', h, 1),
    SIZE('w', w, 1),   SIZE('o', outputs, 1), {0}};
static const struct gb_problem_size rotation_sizes[] = {
    SIZE('n', n, 1), SIZE('h', h, 1), SIZE('w', w, 1), SIZE('c', c, 1), {0}};
static const struct gb_problem_size network_sizes[] = {
    SIZE('n', n, 1), SIZE('x', x_h, 8), SIZE('y', x_w, 8),     SIZE('z', x_c, 1),
    SIZE('d', d, 1), SIZE('e', e, 1),   SIZE('o', outputs, 1), {0}};
#undef SIZE

static enum gb_status check_coupling_shape(const void *problem) {
    const struct shape *p = problem;
    return p->c % 2 == 0 ? GB_OK
                         : gb_fail(GB_BAD_INPUT, "sizes make no sense", "coupling layer",
                                   "%d channels have no halves", p->c);
}

static enum gb_status check_features_shape(const void *problem) {
    const struct shape *p = problem;
    return p->x_h >= p->h && p->x_w >= p->w
               ? GB_OK
               : gb_fail(GB_BAD_INPUT, "sizes make no sense", "feature network",
                         "%dx%d is larger than the image of %dx%d", p->h, p->w, p->x_h, p->x_w);
}

enum { COUPLING, FEATURES, ROTATION, NETWORK, KINDS };
static const struct layer layers[KINDS] = {
    [COUPLING] = {.name = "coupling",
                  .text = {.name = "layer",
                           .what = "coupling layer",
                           .problem_bytes = sizeof(struct shape),
                           .sizes = coupling_sizes,
                           .check = check_coupling_shape},
                  .plan = plan_coupling,
                  .bind = bind_coupling,
                  .free = free_coupling,
                  .run = {[GB_FORWARD] = run_coupling_forward,
                          [GB_INVERSE] = run_coupling_inverse,
                          [GB_BACKWARD] = run_coupling_backward},
                  .output = coupling_output},
    [FEATURES] =
        {.name = "features",
         .text = {.name = "layer",
                  .what = "feature network",
                  .problem_bytes = sizeof(struct shape),
                  .sizes = features_sizes,
                  .check = check_features_shape},
         .plan = plan_features,
         .bind = bind_features,
         .free = free_coupling,
         .run = {[GB_FORWARD] = run_features_forward, [GB_BACKWARD] = run_features_backward},
         .output = features_output},
    [ROTATION] = {.name = "rotation",
                  .text = {.name = "layer",
                           .what = "actnorm and 1x1 convolution",
                           .problem_bytes = sizeof(struct shape),
                           .sizes = rotation_sizes},
                  .plan = plan_rotation,
                  .bind = bind_rotation,
                  .free = free_rotation,
                  .prepare = prepare_rotation,
                  .run = {[GB_FORWARD] = run_rotation_forward,
                          [GB_INVERSE] = run_rotation_inverse,
                          [GB_BACKWARD] = run_rotation_backward},
                  .output = rotation_output},
    [NETWORK] = {.name = "network",
                 .text = {.name = "layer",
                          .what = "conditioning network",
                          .problem_bytes = sizeof(struct shape),
                          .sizes = network_sizes},
                 .plan = plan_network,
                 .bind = bind_network,
                 .free = free_network,
                 .run = {[GB_FORWARD] = run_network_forward, [GB_BACKWARD] = run_network_backward},
                 .output = network_output},
};

// ---- Life ----

// Parameters and what belongs to no layer alone.
static void bind(struct state *s, struct gb_arena *arena) {
    size_t floats = s->params.floats;
    int n = s->description->shape.n;
    s->params.value = gb_arena_take(arena, floats);
    s->params.moment1 = gb_arena_take(arena, floats);
    s->params.moment2 = gb_arena_take(arena, floats);
    s->d_log_det = gb_arena_take(arena, (size_t)n);
    s->log_det = gb_take_doubles(arena, (size_t)n);
    s->pass.exec.scratch = gb_arena_take(arena, s->builder.scratch);
    s->pass.exec.scratch_floats = s->builder.scratch;
    s->description->layer->bind(s, arena);
}

static void fill_tensor(const struct state *s, const struct gb_tensor *t, uint32_t stream) {
    const struct gb_exec one = {.threads = 1};
    const struct gb_random_key key = {.seed = 1, .purpose = GB_RANDOM_TEST, .sample = stream};
    if (t->data)
        s->builder.backend->random_normal(&one, &key, 0, gb_elements(t), 1, t->data);
}

// Variables and gradients; all are dense but for slices of joined, which v then is as a whole.
static void fill_inputs(struct state *s) {
    fill_tensor(s, &s->x, 0);
    fill_tensor(s, &s->v, 1);
    fill_tensor(s, &s->d, 2);
    for (int n = 0; n < s->description->shape.n; n++)
        s->d_log_det[n] = 1;
}

static enum gb_status fill(struct state *s) {
    enum { SEED = 1 };
    for (int i = 0; i < s->params.count; i++)
        if (s->params.list[i].start == GB_START_ZERO) {
            s->params.list[i].start = GB_START_NORMAL;
            s->params.list[i].spread = 0.002f;
        }
    GB_TRY(gb_params_initialise(&s->params, SEED));
    fill_inputs(s);
    const struct layer *layer = s->description->layer;
    if (layer->prepare)
        GB_TRY(layer->prepare(s));
    if (s->description->direction == GB_BACKWARD) {
        layer->run[GB_FORWARD](s); // its outputs are what backward reads
        fill_tensor(s, &s->d, 2);
    }
    return GB_OK;
}

static void teardown(void *argument) {
    struct state *state = argument;
    state->description->layer->free(state);
    free(state->params.list);
    free(state);
}

static enum gb_status plan(struct state *s) {
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
                               .adam = &s->adam};
    return s->description->layer->plan(s);
}

// A layer with its memory, which is not filled.
static enum gb_status build(const struct gb_benchmark *benchmark, struct gb_arena *arena,
                            struct state **result) {
    struct state *state = calloc(1, sizeof *state);
    if (!state)
        return gb_fail(GB_OUT_OF_MEMORY, "cannot set up", benchmark->problem, "no memory");
    state->benchmark = benchmark;
    state->description = benchmark->description;
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
    struct state *state;
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
    struct state *state = argument;
    state->description->layer->run[state->description->direction](state);
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

static enum gb_status compare(const struct gb_benchmark *benchmark, const char *what, size_t count,
                              const float *got, const float *want) {
    double largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs((double)want[i]));
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - want[i]) <= GB_CHECK_LAYER * largest))
            return gb_fail(GB_CHECK_FAILED, "wrong result", benchmark->problem,
                           "%s %zu on %s, %d threads: %.9g, not %.9g +- %.3g", what, i,
                           benchmark->backend->name, benchmark->threads, got[i], want[i],
                           GB_CHECK_LAYER * largest);
    return GB_OK;
}

// First moments are a tenth of the gradients after one step from zero.
static enum gb_status compare_moments(const struct state *got, const struct state *want) {
    for (int i = 0; i < got->params.count; i++) {
        size_t count = gb_param_elements(&got->params.list[i]);
        float *elements[2];
        GB_TRY(gb_block_reserve(2 * count, "gradients to compare", &elements[0]));
        elements[1] = elements[0] + count;
        enum gb_status status = gb_params_export(&got->params, i, got->params.moment1, elements[0]);
        if (status == GB_OK)
            status = gb_params_export(&want->params, i, want->params.moment1, elements[1]);
        if (status == GB_OK)
            status =
                compare(got->benchmark, got->params.list[i].name, count, elements[0], elements[1]);
        free(elements[0]);
        GB_TRY(status);
    }
    return GB_OK;
}

static enum gb_status compare_output(const struct state *got, const struct state *want) {
    struct gb_tensor a = got->description->layer->output(got, got->description->direction);
    struct gb_tensor b = want->description->layer->output(want, want->description->direction);
    // A slice lies in rows of a wider pixel: each row of channels is contiguous.
    for (int n = 0; n < a.n; n++)
        for (int i = 0; i < a.h; i++)
            for (int j = 0; j < a.w; j++)
                GB_TRY(compare(got->benchmark, "element", (size_t)a.c, gb_at(&a, n, i, j),
                               gb_at(&b, n, i, j)));
    return GB_OK;
}

static enum gb_status check(void *argument) {
    const struct gb_benchmark *benchmark = ((struct state *)argument)->benchmark;
    const struct gb_backend *backend = benchmark->backend;
    if (benchmark->flops <= GB_CHECK_LAYER_FLOPS)
        GB_TRY(gb_backend_find("scalar", &backend));
    struct copy tested, reference;
    GB_TRY(open_copy(benchmark, benchmark->backend, benchmark->threads, &tested));
    enum gb_status status = open_copy(benchmark, backend, 1, &reference);
    if (status == GB_OK) {
        run(tested.state);
        run(reference.state);
        status = compare_output(tested.state, reference.state);
        if (status == GB_OK && ((struct state *)argument)->description->direction == GB_BACKWARD)
            status = compare_moments(tested.state, reference.state);
        close_copy(&reference);
    }
    close_copy(&tested);
    return status;
}

// ---- From and to text ----

static void print(int kind, enum gb_direction direction, const struct shape *shape,
                  char text[static GB_PROBLEM]) {
    char sizes[GB_PROBLEM_TEXT];
    gb_problem_print(&layers[kind].text, shape, sizes);
    snprintf(text, GB_PROBLEM, "layer/%s_%s/%s", layers[kind].name, gb_direction_name(direction),
             sizes);
}

// "coupling_forward/n2h..." of "layer/coupling_forward/n2h...".
static enum gb_status parse(const char *text, struct description *description) {
    const char *shape = strchr(text, '/');
    for (int kind = 0; kind < KINDS && shape; kind++)
        for (int direction = 0; direction < GB_DIRECTIONS; direction++) {
            char words[GB_WORD];
            snprintf(words, sizeof words, "%s_%s", layers[kind].name,
                     gb_direction_name((enum gb_direction)direction));
            if (!layers[kind].run[direction] || strlen(words) != (size_t)(shape - text) ||
                strncmp(words, text, strlen(words)) != 0)
                continue;
            description->layer = &layers[kind];
            description->direction = (enum gb_direction)direction;
            return gb_problem_parse(&layers[kind].text, shape + 1, &description->shape);
        }
    return gb_fail(GB_BAD_INPUT, "unknown problem", text, "no layer is named so");
}

// What a run takes: products, as the recorder finds them, and numbers of the layer itself.
static enum gb_status record_cost(struct state *s, struct gb_benchmark *benchmark) {
    struct gb_recording recording = {0};
    gb_record(&recording);
    run(s);
    GB_TRY(gb_record_end(&recording));
    struct gb_tensor output = s->description->layer->output(s, s->description->direction);
    bool backward = s->description->direction == GB_BACKWARD;
    double parameters = (double)gb_params_elements(&s->params);
    double own = (double)(gb_elements(&s->x) + gb_elements(&s->v) + gb_elements(&output));
    benchmark->flops = gb_recording_flops(&recording);
    benchmark->bytes = (backward ? 24 : 4) * parameters + sizeof(float) * own;
    benchmark->traffic = backward ? GB_TRAFFIC_UPDATE : GB_TRAFFIC_TRIAD;
    gb_recording_free(&recording);
    return GB_OK;
}

static enum gb_status set_cost(struct gb_benchmark *benchmark) {
    struct gb_benchmark recorded = *benchmark;
    recorded.backend = gb_recorder();
    recorded.threads = 1;
    struct gb_arena arena = {0};
    struct state *state;
    GB_TRY(build(&recorded, &arena, &state));
    teardown(state);
    GB_TRY(gb_arena_reserve(&arena, "the layer to record"));
    enum gb_status status = build(&recorded, &arena, &state);
    if (status == GB_OK) {
        status = record_cost(state, benchmark);
        teardown(state);
    }
    gb_arena_free(&arena);
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
        return gb_fail(GB_OUT_OF_MEMORY, "cannot list benchmarks", text, "no memory");
    *kept = description;
    benchmark->description = kept;
    return GB_OK;
}

// ---- Of a model ----

struct calls {
    struct gb_layer_call *list;
    int count;
};

// In all directions; a step has no inverse, which counts for a sampling pass.
static void add(struct calls *calls, int kind, const struct shape *shape, int count) {
    for (int direction = 0; direction < GB_DIRECTIONS; direction++)
        if (layers[kind].run[direction]) {
            struct gb_layer_call *call = &calls->list[calls->count++];
            print(kind, (enum gb_direction)direction, shape, call->text);
            call->count = count;
        }
}

enum gb_status gb_cglow_layers(const void *config, int batch, struct gb_layer_call **list,
                               int *count) {
    enum { CALLS_A_LEVEL = 3 + 2 + 3 + 2 + 2 };
    const struct gb_cglow_config *c = config;
    struct calls calls = {0};
    calls.list = calloc((size_t)c->levels * CALLS_A_LEVEL, sizeof *calls.list);
    if (!calls.list)
        return gb_fail(GB_OUT_OF_MEMORY, "cannot list benchmarks", "layers", "no memory");
    struct shape shape = {.n = batch,
                          .h = c->y_h,
                          .w = c->y_w,
                          .c = c->y_c,
                          .k = c->coupling_channels,
                          .x_h = c->x_h,
                          .x_w = c->x_w,
                          .x_c = c->x_c,
                          .f = c->feature_channels,
                          .d = c->n_c,
                          .e = c->n_w};
    for (int level = 0; level < c->levels; level++) {
        shape.h /= 2, shape.w /= 2, shape.c *= 4;
        add(&calls, COUPLING, &shape, c->steps);
        add(&calls, ROTATION, &shape, c->steps);
        shape.outputs = shape.c / 2;
        add(&calls, FEATURES, &shape, c->steps);
        shape.outputs = 2 * shape.c;
        add(&calls, NETWORK, &shape, c->steps);
        shape.outputs = shape.c * shape.c;
        add(&calls, NETWORK, &shape, c->steps);
        shape.c /= 2;
    }
    *list = calls.list;
    *count = calls.count;
    return GB_OK;
}
