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

enum { BATCH = 2 };

// A step of training, with the parameters that it leaves.
struct step {
    struct flow_scene scene;
    struct gb_model *model;
    struct gb_profile *profile; // NULL: it is not profiled
    struct gb_trace *trace;
    double log_likelihood[FLOW_MOST_IMAGES];
};

static struct step make_step(const struct flow_case *of, bool profiled) {
    const struct gb_adam adam = flow_adam(1, 1);
    const struct gb_backend *backend = flow_scalar();
    struct step step = {.scene = flow_scene_new(of, FLOW_DENSE, 1)};
    if (profiled) {
        assert_ok(gb_trace_open(backend, &step.trace));
        backend = gb_trace_backend(step.trace);
    }
    step.model =
        flow_model_new(&step.scene, (struct gb_model_use){.threads = 2, .training = true}, backend);
    if (profiled) {
        assert_ok(gb_profile_create(&step.model->layers, &step.profile));
        step.model->profile = step.profile;
    }
    assert_ok(gb_params_initialise(&step.model->params, 1));
    flow_forward(&step.scene, step.model, step.log_likelihood, NULL);
    step.model->kind->backward(step.model, flow_d_log_likelihood, &adam, NULL, NULL);
    return step;
}

static void free_step(struct step *step) {
    gb_model_free(step->model);
    gb_profile_free(step->profile);
    gb_trace_close(step->trace);
    flow_scene_free(&step->scene);
}

GB_TEST(changes_nothing) {
    const struct flow_case cases[] = {
        {"c-Glow", BATCH, &gb_cglow_model, .config.cglow = gb_tiny_cglow},
        {"CNF", BATCH, &gb_cnf_model, .config.cnf = gb_tiny_patch},
        {"dequantiser", BATCH, &gb_cnf_model, .config.cnf = gb_tiny_mask, .targets = FLOW_MASK},
        {"DnCNN", BATCH, &gb_dncnn_model, .config.dncnn = gb_tiny_dncnn}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct step plain = make_step(&cases[i], false), profiled = make_step(&cases[i], true);
        const struct gb_params *a = &plain.model->params, *b = &profiled.model->params;
        assert_memory_equal(plain.log_likelihood, profiled.log_likelihood,
                            sizeof plain.log_likelihood);
        flow_check_same_state(a, b);
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
    struct flow_case of = {"c-Glow", BATCH, &gb_cglow_model, .config.cglow = gb_tiny_cglow};
    of.config.cglow.steps = 3;
    struct step step = make_step(&of, true);
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
    const struct flow_case of = {"CNF", BATCH, &gb_cnf_model, .config.cnf = gb_tiny_patch};
    struct step step = make_step(&of, true);
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
    const struct flow_case masks = {"dequantiser", BATCH, &gb_cnf_model, .config.cnf = gb_tiny_mask,
                                    .targets = FLOW_MASK};
    step = make_step(&masks, true);
    assert_ok(gb_profile_list(step.profile, &list, &count));
    check_flops(&step, list, count, "feature_coupling");
    const struct gb_profiled *dequantiser =
        find(list, count, "dequantiser_backward/n2h16w8c1f6k7s2additive");
    assert_true(dequantiser->time.flops > 0 && dequantiser->time.inner_seconds == 0);
    find(list, count, "vgg_backward/n2x16y8z3l2f6");
    free(list);
    free_step(&step);
}
