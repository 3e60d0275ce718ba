// SPDX-License-Identifier: MIT
// What models of every kind promise: gradients as values (stored, summed over minibatches, clipped
// by norm and applied, against the update that is fused into the backward pass), files, refusals.
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "flows/files/checkpoint.h"
#include "flows/models/model.h"
#include "tests/flows/flow_check.h"
#include "tests/support/fixture.h"

enum { BATCH = 2, STEPS = 3, MAX_THREADS = 3 };

// Two minibatches of a case.
struct scene {
    const struct flow_case *of;
    struct flow_scene minibatch[2];
};

static struct gb_model *model_new(const struct scene *scene, struct gb_model_use use,
                                  const struct gb_backend *backend) {
    use.reversible = scene->of->reversible;
    struct gb_model *model = flow_model_new(&scene->minibatch[0], use, backend);
    flow_initialise_without_zeros(model, 0.1f);
    return model;
}

static void run(const struct scene *scene, struct gb_model *model, int minibatch,
                const struct gb_adam *adam) {
    flow_train_step(&scene->minibatch[minibatch], model, adam);
}

static void for_every_case(void (*check)(const struct scene *, const struct gb_backend *)) {
    for (const struct flow_case *of = flow_models; of->name; of++) {
        struct scene scene = {
            of, {flow_scene_new(of, FLOW_DENSE, 5), flow_scene_new(of, FLOW_GAPS, 6)}};
        for (const struct gb_backend *b = NULL; (b = flow_next_backend(b));) {
            print_message("           %s, %s\n", b->name, of->name);
            check(&scene, b);
        }
        flow_scene_free(&scene.minibatch[0]);
        flow_scene_free(&scene.minibatch[1]);
    }
}

// ---- Stored ----

// What a backward pass says of its gradients.
struct listener {
    const struct gb_params *params;
    int *times;    // that a parameter's was said to be complete
    float *copies; // of it, then
};

static void note_stored(void *argument, int index) {
    const struct listener *listener = argument;
    const struct gb_param *param = &listener->params->list[index];
    listener->times[index]++;
    memcpy(listener->copies + param->offset, listener->params->gradient + param->offset,
           param->size * sizeof(float));
}

// A parameter's gradient is complete when the pass says so, which it does once.
static void check_stored(const struct scene *scene, const struct gb_backend *backend) {
    const struct gb_model_use use = {.threads = 2, .training = true, .gradients = true};
    struct gb_model *model = model_new(scene, use, backend);
    struct gb_params *params = &model->params;
    const struct listener listener = {params, test_malloc((size_t)params->count * sizeof(int)),
                                      test_malloc(params->bytes)};
    memset(listener.times, 0, (size_t)params->count * sizeof(int));
    params->stored = note_stored;
    params->stored_argument = (void *)&listener;
    run(scene, model, 0, NULL);
    for (int i = 0; i < params->count; i++) {
        const struct gb_param *param = &params->list[i];
        if (listener.times[i] != !param->statistic)
            fail_msg("%s was complete %d times", param->name, listener.times[i]);
        if (!param->statistic)
            assert_memory_equal(listener.copies + param->offset, params->gradient + param->offset,
                                gb_param_elements(param) * sizeof(float));
    }
    const struct gb_adam adam = flow_adam(1, 0.25f);
    run(scene, model, 1, &adam); // stores none
    for (int i = 0; i < params->count; i++)
        assert_true(listener.times[i] <= 1);
    test_free(listener.times);
    test_free(listener.copies);
    gb_model_free(model);
}

GB_TEST(test_gradients_are_complete_once) {
    for_every_case(check_stored);
}

// ---- Applied ----

// A vendor library promises identical bits for one number of threads only.
static void check_applied(const struct scene *scene, const struct gb_backend *backend) {
    const int first = backend->same_bits ? 1 : MAX_THREADS;
    struct gb_model *fused[MAX_THREADS + 1], *stored[MAX_THREADS + 1];
    for (int t = first; t <= MAX_THREADS; t++) {
        struct gb_model_use use = {.threads = t, .training = true};
        fused[t] = model_new(scene, use, backend);
        use.gradients = true;
        stored[t] = model_new(scene, use, backend);
    }
    for (long step = 1; step <= STEPS; step++)
        for (int t = first; t <= MAX_THREADS; t++) {
            const struct gb_adam adam = flow_adam(step, 0.25f);
            struct gb_params *params = &stored[t]->params;
            run(scene, fused[t], step % 2, &adam);
            run(scene, stored[t], step % 2, NULL);
            gb_params_apply(params, t, &adam, params->gradient);
            flow_check_same_state(params, &fused[t]->params);
            flow_check_same_state(params, &fused[first]->params);
        }
    for (int t = first; t <= MAX_THREADS; t++) {
        gb_model_free(fused[t]);
        gb_model_free(stored[t]);
    }
}

GB_TEST(test_applied_is_fused) {
    for_every_case(check_applied);
}

// Running statistics move in a training pass that stores gradients, and only in training.
static void check_statistics(const struct scene *scene, const struct gb_backend *backend) {
    for (int training = 0; training < 2; training++) {
        const struct gb_model_use use = {.threads = 1, .training = training, .gradients = true};
        struct gb_model *model = model_new(scene, use, backend);
        const struct gb_params *params = &model->params;
        float *before = test_malloc(params->bytes);
        memcpy(before, params->value, params->bytes);
        run(scene, model, 0, NULL);
        for (int i = 0; i < params->count; i++) {
            const struct gb_param *param = &params->list[i];
            const bool moved = memcmp(before + param->offset, params->value + param->offset,
                                      param->size * sizeof *before) != 0;
            assert_int_equal(moved, training && param->statistic);
        }
        test_free(before);
        gb_model_free(model);
    }
}

GB_TEST(test_statistics) {
    for_every_case(check_statistics);
}

// ---- Norms ----

// The norm over the exported gradients: padding and statistics do not count.
static double exported_norm(const struct gb_params *params) {
    double sum = 0;
    for (int i = 0; i < params->count; i++) {
        double *values = flow_export_block(params, i, params->gradient);
        for (size_t e = 0; e < gb_param_elements(&params->list[i]); e++)
            sum += params->list[i].statistic ? 0 : values[e] * values[e];
        test_free(values);
    }
    return sqrt(sum);
}

static const struct gb_model_use storing = {.threads = 2, .training = true, .gradients = true};

static void check_norm(const struct scene *scene, const struct gb_backend *backend) {
    struct gb_model *model = model_new(scene, storing, backend);
    struct gb_params *params = &model->params;
    run(scene, model, 0, NULL);
    const double norm = gb_params_gradient_norm(params, 1, params->gradient);
    assert_true(norm > 0);
    flow_check_close("norm", norm, exported_norm(params), 1e-12 * norm);
    for (int threads = 2; threads <= MAX_THREADS; threads++)
        assert_true(gb_params_gradient_norm(params, threads, params->gradient) == norm);

    float *before = test_malloc(params->bytes);
    memcpy(before, params->gradient, params->bytes);
    assert_true(gb_params_clip_norm(params, 2, (float)(1.01 * norm), params->gradient) == norm);
    assert_memory_equal(params->gradient, before, params->bytes);
    const float max = (float)(0.3 * norm), factor = (float)((double)max / (norm + 1e-6));
    assert_true(gb_params_clip_norm(params, 2, max, params->gradient) == norm);
    for (size_t i = 0; i < params->size; i++)
        assert_true(params->gradient[i] == factor * before[i]);
    flow_check_close("clipped norm", gb_params_gradient_norm(params, 1, params->gradient),
                     (double)max, 1e-5 * norm);

    memcpy(before, params->gradient, params->bytes);
    params->gradient[params->list[0].offset] = before[params->list[0].offset] = NAN;
    assert_true(isnan(gb_params_clip_norm(params, 2, max, params->gradient)));
    assert_memory_equal(params->gradient, before, params->bytes);
    test_free(before);
    gb_model_free(model);
}

GB_TEST(test_norm) {
    for_every_case(check_norm);
}

// ---- Sums ----

// The sum over single examples is the minibatch's gradient, up to rounding; sums are elementwise.
static void check_sum(const struct scene *scene, const struct gb_backend *backend) {
    const struct flow_scene *batch = &scene->minibatch[0];
    struct gb_model_use one = storing;
    one.batch = 1;
    struct gb_model *whole = model_new(scene, storing, backend);
    struct gb_model *single = model_new(scene, one, backend);
    struct gb_params *params = &single->params, *expected = &whole->params;
    assert_ok(gb_params_reserve_sum(params));
    memset(params->sum, 0xff, params->bytes); // NaN: the first minibatch replaces it
    float *first = test_malloc(params->bytes);
    for (int n = 0; n < BATCH; n++) {
        const struct gb_tensor x = gb_images(&batch->x.tensor, n, 1);
        const struct gb_tensor y = gb_images(&batch->y.tensor, n, 1);
        const struct gb_tensor noise = gb_images(&batch->noise.tensor, n, 1);
        double log_likelihood;
        assert_ok(single->kind->condition(single, &x));
        assert_ok(
            single->kind->forward(single, &y, batch->noisy ? &noise : NULL, &log_likelihood, NULL));
        single->kind->backward(single, &flow_d_log_likelihood[n], NULL, NULL, NULL);
        gb_params_accumulate(params, 1 + n, n == 0);
        if (n == 0)
            memcpy(first, params->gradient, params->bytes);
    }
    for (size_t i = 0; i < params->size; i++)
        assert_true(params->sum[i] == first[i] + params->gradient[i]);
    run(scene, whole, 0, NULL);
    double error = 0; // of exported values: packed layouts may depend on the batch
    for (int i = 0; i < params->count; i++) {
        double *sum = flow_export_block(params, i, params->sum);
        double *gradient = flow_export_block(expected, i, expected->gradient);
        for (size_t e = 0; e < gb_param_elements(&params->list[i]); e++)
            error += (sum[e] - gradient[e]) * (sum[e] - gradient[e]);
        test_free(sum);
        test_free(gradient);
    }
    flow_check_close("sum of gradients", sqrt(error), 0,
                     1e-5 * gb_params_gradient_norm(expected, 1, expected->gradient));
    test_free(first);
    gb_model_free(whole);
    gb_model_free(single);
}

GB_TEST(test_sum) {
    for_every_case(check_sum);
}

// ---- Files ----

GB_FIXTURE_TEST(test_files) {
    const char *path = gb_fixture_path("checkpoint.safetensors");
    for (const struct flow_case *of = flow_models; of->name; of++) {
        struct flow_scene scene = flow_scene_new(of, FLOW_DENSE, 7);
        const struct gb_config_table *table = of->kind->table;
        const struct gb_model_use use = {.threads = 2, .training = true};
        struct gb_model *trained = flow_model_new(&scene, use, flow_next_backend(NULL));
        assert_ok(gb_params_initialise(&trained->params, 5));
        for (long step = 1; step <= 2; step++) {
            const struct gb_adam adam = flow_adam(step, 0.25f);
            flow_train_step(&scene, trained, &adam);
        }
        json_t *metadata = json_object(), *read;
        assert_ok(gb_config_to_metadata(&of->config, table, metadata));
        assert_ok(gb_checkpoint_save(path, &trained->params, metadata));
        json_decref(metadata);

        union gb_model_config config = {0};
        assert_ok(gb_checkpoint_metadata(path, &read));
        assert_ok(gb_config_from_metadata(read, path, table, &config));
        json_decref(read);
        assert_memory_equal(&config, &of->config, sizeof config);
        struct gb_model *loaded = flow_model_new(&scene, use, flow_next_backend(NULL));
        assert_ok(gb_checkpoint_load(path, &loaded->params, GB_CHECKPOINT_RESUMED));
        flow_check_same_state(&trained->params, &loaded->params);
        gb_model_free(trained);
        gb_model_free(loaded);
        flow_scene_free(&scene);
    }
}

// ---- Refusals ----

static void check_refused(const struct flow_case *of, const char *key, int value) {
    const struct gb_model_use use = {.batch = 1, .samples_per_x = 1, .threads = 1};
    union gb_model_config bad = of->config;
    struct gb_model *model = (void *)&bad; // not a model: create must clear it
    gb_config_set(&bad, gb_config_find(of->kind->table, key), value);
    assert_error(of->kind->check(&bad), GB_BAD_INPUT, "unusable model configuration");
    assert_error(gb_model_create(of->kind, &bad, &use, flow_next_backend(NULL), &model),
                 GB_BAD_INPUT, "unusable model configuration");
    assert_null(model);
}

// Of every field, also those that come from damaged files: products of sizes must not overflow on
// the way to the refusal.
GB_TEST(test_fields_out_of_range) {
    for (const struct flow_case *of = flow_models; of->name; of++)
        for (int i = 0; i < of->kind->table->count; i++) {
            const struct gb_config_field *field = &of->kind->table->fields[i];
            const int values[] = {INT_MIN, field->min - 1, field->max + 1, INT_MAX};
            for (int v = 0; v < 4; v++)
                check_refused(of, field->key, values[v]);
        }
}

GB_TEST(test_configurations_that_do_not_fit) {
    static const struct flow_case
        cglow = {.kind = &gb_cglow_model,
                 .config.cglow = {{16, 16, 3, 16, 16, 3}, 2, 2, 4, 4, 8, 4, GB_CGLOW_LIVE}},
        sr = {.kind = &gb_cnf_model,
              .config.cnf = {{8, 8, 3, 16, 16, 3}, GB_CNF_SUPER_RESOLUTION, 2, 2, 4, 4, 1, 4, 0}},
        seg = {.kind = &gb_cnf_model,
               .config.cnf = {{16, 16, 3, 16, 16, 1}, GB_CNF_SEGMENTATION, 2, 2, 4, 4, 0, 0, 2}},
        fcn = {.kind = &gb_fcn_model, .config.fcn = {{32, 32, 3, 32, 32, 3}, GB_FCN_ZERO_ONE, 1}};
    static const struct {
        const struct flow_case *good;
        const char *key;
        int value;
    } bad[] = {
        {&cglow, "y_height", 18},                              // not divisible by 2^2
        {&cglow, "y_width", 14},  {&cglow, "levels", 5},       // 16 halves four times only
        {&cglow, "y_height", 64},                              // its first level is larger than x
        {&cglow, "y_width", 64},  {&cglow, "y_channels", 200}, // 1600 at the last level
        {&sr, "x_width", 9},                                   // y is not twice that
        {&sr, "y_height", 18},    {&sr, "y_channels", 200},
        {&sr, "levels", 5},       {&sr, "rrdb_blocks", 0},
        {&sr, "growth", 0},       {&sr, "dequantiser_steps", 1},
        {&seg, "x_height", 8},    {&seg, "rrdb_blocks", 1},
        {&seg, "growth", 4},      {&fcn, "targets", GB_FCN_CENTRED}, // of one channel only
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_ok(bad[i].good->kind->check(&bad[i].good->config));
        check_refused(bad[i].good, bad[i].key, bad[i].value);
    }
    for (const struct flow_case *of = flow_models; of->name; of++)
        check_refused(of, "y_height", of->config.sizes.y_h + 1);
    // The smallest c-Glow there is: x halves three times, y once.
    const struct flow_case least = {
        .kind = &gb_cglow_model,
        .config.cglow = {{8, 8, 1, 2, 2, 1}, 1, 1, 1, 1, 1, 1, GB_CGLOW_LIVE}};
    const struct gb_model_use use = {.batch = 1, .samples_per_x = 1, .threads = 1};
    struct gb_model *model;
    assert_ok(gb_model_create(least.kind, &least.config, &use, flow_next_backend(NULL), &model));
    gb_model_free(model);
}

static void check_likelihood_that_is_not_finite(const struct scene *scene,
                                                const struct gb_backend *backend) {
    struct gb_model *model = model_new(scene, (struct gb_model_use){.threads = 2}, backend);
    const struct flow_scene *batch = &scene->minibatch[0];
    struct gb_params *params = &model->params;
    double log_likelihood[FLOW_MOST_IMAGES];
    params->value[params->list[params->count - 1].offset] =
        NAN; // a bias or scale of the last layer
    assert_ok(model->kind->condition(model, &batch->x.tensor));
    assert_error(model->kind->forward(model, &batch->y.tensor,
                                      batch->noisy ? &batch->noise.tensor : NULL, log_likelihood,
                                      NULL),
                 GB_CHECK_FAILED, "cannot compute the likelihood");
    gb_model_free(model);
}

GB_TEST(test_likelihood_that_is_not_finite) {
    for_every_case(check_likelihood_that_is_not_finite);
}
