// SPDX-License-Identifier: MIT
// Models of every kind in bf16, against the same weights in fp32.
#include <math.h>
#include <string.h>

#include "flows/files/checkpoint.h"
#include "flows/models/model.h"
#include "tests/flows/flow_check.h"
#include "tests/support/fixture.h"

enum { BATCH = 2, STEPS = 3, MAX_THREADS = 2 };

static struct gb_model *model_new(const struct flow_scene *scene, struct gb_model_use use,
                                  enum gb_type precision, const struct gb_backend *backend) {
    use.precision = precision;
    use.reversible = scene->of->reversible;
    struct gb_model *model = flow_model_new(scene, use, backend);
    flow_initialise_without_zeros(model, 0.05f);
    return model;
}

// Native backends: a vendor library's kernels have orders of their own.
static void for_every_case(void (*check)(const struct flow_scene *, const struct gb_backend *)) {
    for (const struct flow_case *of = flow_models; of->name; of++) {
        struct flow_scene scene = flow_scene_new(of, FLOW_GAPS, 5);
        for (const struct gb_backend *b = NULL; (b = flow_next_backend(b));) {
            if (b->fallback)
                continue;
            print_message("           %s, %s\n", b->name, of->name);
            check(&scene, b);
        }
        flow_scene_free(&scene);
    }
}

// ---- Parameters ----

static void assert_same_block(const struct gb_params *a, const float *of_a,
                              const struct gb_params *b, const float *of_b) {
    for (int i = 0; i < a->count; i++) {
        double *want = flow_export_block(a, i, of_a), *got = flow_export_block(b, i, of_b);
        assert_memory_equal(want, got, gb_param_elements(&a->list[i]) * sizeof *want);
        test_free(want);
        test_free(got);
    }
}

static bool has_split(const struct gb_params *params) {
    bool any = false;
    for (int i = 0; i < params->count; i++)
        any |= params->list[i].type == GB_BF16;
    return any;
}

// Initialisation, copies and averages keep every bit of the weights.
static void check_parameters(const struct flow_scene *scene, const struct gb_backend *backend) {
    const struct gb_model_use use = {.threads = 2, .training = true};
    struct gb_model *wide = model_new(scene, use, GB_F32, backend);
    struct gb_model *narrow = model_new(scene, use, GB_BF16, backend);
    struct gb_params *a = &wide->params, *b = &narrow->params;
    assert_true(has_split(b) && !has_split(a));
    assert_same_block(a, a->value, b, b->value);
    assert_ok(gb_params_keep_average(b));
    assert_same_block(a, a->value, b, b->average);
    const struct gb_adam adam = flow_adam(1, 0.25f);
    flow_train_step(scene, narrow, &adam);
    assert_ok(gb_params_copy(b, a)); // the average, which has not moved
    gb_params_average(b, 2, 0.5f);
    for (int i = 0; i < b->count; i++) {
        double *before = flow_export_block(a, i, a->value);
        double *value = flow_export_block(b, i, b->value);
        double *average = flow_export_block(b, i, b->average);
        for (size_t e = 0; e < gb_param_elements(&b->list[i]); e++) {
            const float old = (float)before[e], now = (float)value[e];
            assert_true((float)average[e] == old + 0.5f * (now - old));
        }
        test_free(before);
        test_free(value);
        test_free(average);
    }
    gb_model_free(wide);
    gb_model_free(narrow);
}

GB_TEST(test_parameters_survive_splitting) {
    for_every_case(check_parameters);
}

// ---- Training ----

// A stored gradient that is applied, and any number of threads, have the bits of the fused update.
static void check_applied_with(const struct flow_scene *scene, const struct gb_backend *backend,
                               enum gb_type moments) {
    struct gb_model *fused[MAX_THREADS], *stored[MAX_THREADS];
    for (int t = 0; t < MAX_THREADS; t++) {
        struct gb_model_use use = {.threads = t + 1, .training = true, .moments = moments};
        fused[t] = model_new(scene, use, GB_BF16, backend);
        use.gradients = true;
        stored[t] = model_new(scene, use, GB_BF16, backend);
    }
    for (long step = 1; step <= STEPS; step++)
        for (int t = 0; t < MAX_THREADS; t++) {
            const struct gb_adam adam = flow_adam(step, 0.25f);
            struct gb_params *params = &stored[t]->params;
            flow_train_step(scene, fused[t], &adam);
            flow_train_step(scene, stored[t], NULL);
            gb_params_apply(params, t + 1, &adam, params->gradient);
            flow_check_same_state(params, &fused[t]->params);
            flow_check_same_state(params, &fused[0]->params);
        }
    for (int t = 0; t < MAX_THREADS; t++) {
        gb_model_free(fused[t]);
        gb_model_free(stored[t]);
    }
}

static void check_applied(const struct flow_scene *scene, const struct gb_backend *backend) {
    check_applied_with(scene, backend, GB_F32);
    check_applied_with(scene, backend, GB_BF16);
}

GB_TEST(test_applied_is_fused) {
    for_every_case(check_applied);
}

// ---- Accuracy ----

// The likelihood of the same weights, per dimension; returns the gradient's relative error.
static double check_likelihood(const struct flow_scene *scene, const struct gb_backend *backend) {
    const double bits_bound = 0.02;
    const struct gb_model_use use = {.threads = 2, .training = true, .gradients = true};
    struct gb_model *model[2];
    double likelihood[2][FLOW_MOST_IMAGES];
    for (int i = 0; i < 2; i++) {
        model[i] = model_new(scene, use, i ? GB_BF16 : GB_F32, backend);
        flow_forward(scene, model[i], likelihood[i], NULL);
        model[i]->kind->backward(model[i], flow_d_log_likelihood, NULL, NULL, NULL);
    }
    const double dimensions = (double)reference_elements(scene->y.shape);
    for (int n = 0; n < BATCH; n++) {
        const double want = likelihood[0][n] / dimensions / log(2);
        assert_true(likelihood[0][n] != likelihood[1][n]); // it is another precision
        // Regressions far from a target of noise have large ones.
        flow_check_close("bits per dimension", likelihood[1][n] / dimensions / log(2), want,
                         bits_bound * fmax(1, fabs(want)));
    }
    double error = 0, norm = 0;
    for (int i = 0; i < model[0]->params.count; i++) {
        double *want = flow_export_block(&model[0]->params, i, model[0]->params.gradient);
        double *got = flow_export_block(&model[1]->params, i, model[1]->params.gradient);
        for (size_t e = 0; e < gb_param_elements(&model[0]->params.list[i]); e++) {
            error += (got[e] - want[e]) * (got[e] - want[e]);
            norm += want[e] * want[e];
        }
        test_free(want);
        test_free(got);
    }
    gb_model_free(model[0]);
    gb_model_free(model[1]);
    return sqrt(error / norm);
}

// Each of up to 20 layers in sequence rounds two operands by up to 2^-9, forward and backward, and
// these roundings are independent: 2^-9 * sqrt(4 * 20) is 1.7 %. Rounding also moves units across
// the kink of their ReLU, or past another pixel of their pool, a share of about 2^-9 per layer,
// whose gradients then differ altogether: sqrt(5 * 2^-9) is 10 % for five such layers. In models
// with a few hundred units one of them may weigh 19 %, but not in every scene, as a mistake would.
static void check_accuracy(const struct flow_scene *scene, const struct gb_backend *backend) {
    const double gradient_bound = 0.1;
    double smallest = check_likelihood(scene, backend);
    for (uint64_t seed = 10; seed < 15 && !(smallest <= gradient_bound); seed++) {
        struct flow_scene other = flow_scene_new(scene->of, FLOW_GAPS, seed);
        smallest = fmin(smallest, check_likelihood(&other, backend));
        flow_scene_free(&other);
    }
    flow_check_close("gradient's relative error", smallest, 0, gradient_bound);
}

GB_TEST(test_likelihood_and_gradient_are_close) {
    for_every_case(check_accuracy);
}

// ---- Files ----

// A checkpoint does not depend on the precision of the model that saves or loads it.
GB_FIXTURE_TEST(test_checkpoints_load_at_either_precision) {
    const char *path = gb_fixture_path("checkpoint.safetensors");
    for (const struct flow_case *of = flow_models; of->name; of++) {
        struct flow_scene scene = flow_scene_new(of, FLOW_DENSE, 7);
        const struct gb_model_use use = {.threads = 2, .training = true};
        for (int i = 0; i < 2; i++) {
            const enum gb_type from = i ? GB_BF16 : GB_F32, to = i ? GB_F32 : GB_BF16;
            struct gb_model *saved = model_new(&scene, use, from, flow_next_backend(NULL));
            const struct gb_adam adam = flow_adam(1, 0.25f);
            flow_train_step(&scene, saved, &adam);
            json_t *metadata = json_object();
            assert_ok(gb_checkpoint_save(path, &saved->params, metadata));
            json_decref(metadata);
            struct gb_model *loaded = model_new(&scene, use, to, flow_next_backend(NULL));
            const struct gb_params *a = &saved->params, *b = &loaded->params;
            assert_ok(gb_checkpoint_load(path, &loaded->params, GB_CHECKPOINT_RESUMED));
            assert_same_block(a, a->value, b, b->value);
            assert_same_block(a, a->moment1, b, b->moment1);
            assert_same_block(a, a->moment2, b, b->moment2);
            gb_model_free(saved);
            gb_model_free(loaded);
        }
        flow_scene_free(&scene);
    }
}
