// SPDX-License-Identifier: MIT
// Profiles of passes: which layers are timed and how often, that their FLOPs are the step's, and
// that timing changes no result.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "flows/models/model.h"
#include "kernels/trace.h"
#include "tests/flows/flow_check.h"
#include "tests/support/tiny_models.h"

enum { BATCH = 2, THREADS = 2 };

static const struct gb_backend *scalar(void) {
    const struct gb_backend *backend;
    assert_ok(gb_backend_find("scalar", &backend));
    return backend;
}

// A step of training, with the parameters that it leaves.
struct step {
    struct gb_model *model;
    struct gb_profile *profile; // NULL: it is not profiled
    struct gb_trace *trace;
    float *memory;
    double log_likelihood[BATCH];
};

static struct step make_step(const struct gb_model_kind *kind, const void *config, bool profiled) {
    const struct gb_model_use use = {
        .batch = BATCH, .samples_per_x = 1, .threads = THREADS, .training = true};
    struct step step = {0};
    const struct gb_backend *backend = scalar();
    if (profiled) {
        assert_ok(gb_trace_open(backend, &step.trace));
        backend = gb_trace_backend(step.trace);
    }
    assert_ok(gb_model_create(kind, config, &use, backend, &step.model));
    if (profiled) {
        assert_ok(gb_profile_create(&step.model->layers, &step.profile));
        step.model->profile = step.profile;
    }
    assert_ok(gb_params_initialise(&step.model->params, 1));
    struct gb_model_shapes shapes;
    gb_model_shapes(kind, config, BATCH, &shapes);
    const bool mask = shapes.dequantisation == GB_DEQUANTISED_BY_MODEL;
    const size_t x = gb_elements(&shapes.x), y = gb_elements(&shapes.y);
    step.memory = calloc(x + 2 * y, sizeof *step.memory);
    assert_non_null(step.memory);
    for (size_t i = 0; i < x + 2 * y; i++)
        step.memory[i] = (float)(i * 7 % 5) / 5 - 0.4f;
    for (size_t i = x; i < x + y && mask; i++)
        step.memory[i] = (float)(i % 2);
    struct gb_tensor noise = shapes.y;
    shapes.x.data = step.memory;
    shapes.y.data = step.memory + x;
    noise.data = step.memory + x + y;
    const struct gb_adam settings = {
        .learning_rate = 1e-3f, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .clip = 1};
    const struct gb_adam adam = gb_adam_at_step(settings, 1);
    const float d[BATCH] = {-0.5f, -0.5f};
    assert_ok(kind->condition(step.model, &shapes.x));
    assert_ok(
        kind->forward(step.model, &shapes.y, mask ? &noise : NULL, step.log_likelihood, NULL));
    kind->backward(step.model, d, &adam, NULL, NULL);
    return step;
}

static void free_step(struct step *step) {
    gb_model_free(step->model);
    gb_profile_free(step->profile);
    gb_trace_close(step->trace);
    free(step->memory);
}

GB_TEST(changes_nothing) {
    const struct {
        const struct gb_model_kind *kind;
        const void *config;
    } models[] = {{&gb_cglow_model, &gb_tiny_cglow},
                  {&gb_cnf_model, &gb_tiny_patch},
                  {&gb_cnf_model, &gb_tiny_mask},
                  {&gb_dncnn_model, &gb_tiny_dncnn}};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct step plain = make_step(models[i].kind, models[i].config, false);
        struct step profiled = make_step(models[i].kind, models[i].config, true);
        const struct gb_params *a = &plain.model->params, *b = &profiled.model->params;
        assert_memory_equal(plain.log_likelihood, profiled.log_likelihood,
                            sizeof plain.log_likelihood);
        assert_int_equal(a->bytes, b->bytes);
        assert_memory_equal(a->value, b->value, a->bytes);
        assert_memory_equal(a->moment1, b->moment1, a->bytes);
        free_step(&plain);
        free_step(&profiled);
    }
}

static const struct gb_profiled *find(const struct gb_profiled *list, int count,
                                      const char *problem) {
    for (int i = 0; i < count; i++)
        if (strcmp(list[i].problem, problem) == 0)
            return &list[i];
    fail_msg("%s was not timed", problem);
    return NULL;
}

// All product FLOPs of a step are in its layers, once where nested ones are left out.
static void check_flops(const struct step *step, const struct gb_profiled *list, int count,
                        const char *outer) {
    double flops = 0;
    for (int i = 0; i < count; i++) {
        const struct gb_layer_time *time = &list[i].time;
        assert_true(time->calls > 0 && time->seconds > 0);
        assert_true(time->inner_seconds >= 0 && time->inner_seconds <= time->seconds);
        if (!outer || strcmp(list[i].layer.name, outer) != 0)
            flops += time->flops;
    }
    assert_true(flops == gb_trace_product_flops(step->trace));
    assert_true(flops == step->model->step_flops);
}

GB_TEST(times_the_layers_of_cglow) {
    struct gb_cglow_config three_steps = gb_tiny_cglow;
    three_steps.steps = 3;
    struct step step = make_step(&gb_cglow_model, &three_steps, true);
    struct gb_profiled *list;
    int count;
    assert_ok(gb_profile_list(step.profile, &list, &count));
    check_flops(&step, list, count, NULL);
    static const struct {
        const char *problem;
        int calls;
        bool job;
    } layers[] = {{"coupling_forward/n2h8w8c8k12", 3, false},
                  {"coupling_backward/n2h4w4c16k12", 3, false},
                  {"rotation_forward/n2h8w8c8", 3, false},
                  {"rotation_backward/n2h8w8c8", 3, false},
                  {"split_prior_forward/n2h8w8c8", 1, false},
                  {"features_forward/n2x16y16z3f5h8w8o4", 3, true},
                  {"features_backward/n2x16y16z3f5h4w4o8", 3, true},
                  {"network_forward/n2x16y16z3d4e6o16", 3, true},
                  {"network_backward/n2x16y16z3d4e6o256", 3, true},
                  {"inversion_forward/n2c8", 3, true}};
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        const struct gb_profiled *row = find(list, count, layers[i].problem);
        assert_int_equal(row->time.calls, layers[i].calls);
        assert_int_equal(row->layer.job, layers[i].job);
        assert_true(row->time.inner_seconds == 0);
    }
    // The network's three convolutions with biases and scales, and the last one's new bias.
    const struct gb_layer *coupling = &find(list, count, layers[0].problem)->layer;
    const size_t parameters = (9 * 8 * 12 + 2 * 12) + (12 * 12 + 2 * 12) + (9 * 12 * 8 + 3 * 8);
    const double floats = BATCH * 8 * 8 * (12 + 8);
    assert_int_equal(coupling->parameters, parameters);
    assert_true(gb_layer_bytes(coupling, GB_FORWARD) == 4 * ((double)parameters + floats));
    assert_true(gb_layer_bytes(coupling, GB_BACKWARD) == 24 * (double)parameters + 4 * floats);
    free(list);
    gb_profile_clear(step.profile);
    assert_ok(gb_profile_list(step.profile, &list, &count));
    assert_int_equal(count, 0);
    free(list);
    free_step(&step);
}

GB_TEST(nests_the_couplings_of_cnf) {
    struct step step = make_step(&gb_cnf_model, &gb_tiny_patch, true);
    struct gb_profiled *list;
    int count;
    assert_ok(gb_profile_list(step.profile, &list, &count));
    check_flops(&step, list, count, "feature_coupling");
    const struct gb_profiled *steps = find(list, count, "steps_backward/n2h4w8c12f6k7s2softplus");
    const struct gb_profiled *coupling =
        find(list, count, "feature_coupling_backward/n2h4w8c12f6k7softplus");
    assert_int_equal(steps->time.calls, 1);
    assert_int_equal(coupling->time.calls, 2);
    assert_true(fabs(steps->time.inner_seconds - coupling->time.seconds) < 1e-9);
    assert_true(steps->time.flops > coupling->time.flops);
    assert_int_equal(find(list, count, "rrdb_forward/n2x4y8z3b1g4f6")->time.calls, 1);
    assert_int_equal(find(list, count, "level_features_backward/n2h8w16f6l2")->time.calls, 1);
    free(list);
    free_step(&step);
    // The dequantiser's steps are its own.
    step = make_step(&gb_cnf_model, &gb_tiny_mask, true);
    assert_ok(gb_profile_list(step.profile, &list, &count));
    check_flops(&step, list, count, "feature_coupling");
    const struct gb_profiled *dequantiser =
        find(list, count, "dequantiser_backward/n2h16w8c1f6k7s2additive");
    assert_true(dequantiser->time.flops > 0 && dequantiser->time.inner_seconds == 0);
    find(list, count, "vgg_backward/n2x16y8z3l2f6");
    free(list);
    free_step(&step);
}
