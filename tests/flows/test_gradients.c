// SPDX-License-Identifier: MIT
// Gradients as values, for every model: stored, summed over minibatches, clipped by norm and
// applied, against the update that is fused into the backward pass.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "flows/models/model.h"
#include "tests/flows/flow_check.h"

static const struct model_case {
    const char *name;
    const struct gb_model_kind *kind;
    union gb_model_config config;
    bool reversible;
} cases[] = {
    {"c-Glow", &gb_cglow_model, {.cglow = {{16, 9, 3, 8, 12, 2}, 2, 2, 5, 6, 7, 4, 0}}, false},
    {"CNF, super-resolution",
     &gb_cnf_model,
     {.cnf = {{4, 6, 3, 8, 12, 3}, GB_CNF_SUPER_RESOLUTION, 2, 2, 5, 7, 1, 3, 0}},
     false},
    {"CNF, super-resolution, reversible",
     &gb_cnf_model,
     {.cnf = {{4, 6, 3, 8, 12, 3}, GB_CNF_SUPER_RESOLUTION, 2, 2, 5, 7, 1, 3, 0}},
     true},
    {"CNF, segmentation",
     &gb_cnf_model,
     {.cnf = {{8, 12, 2, 8, 12, 1}, GB_CNF_SEGMENTATION, 1, 2, 4, 5, 0, 0, 2}},
     false},
    {"factored, super-resolution",
     &gb_factored_model,
     {.factored = {{4, 6, 3, 8, 12, 3}, GB_CNF_SUPER_RESOLUTION, 6, 1, 4, 0, 0}},
     false},
    {"factored, segmentation",
     &gb_factored_model,
     {.factored = {{16, 8, 3, 16, 8, 1}, GB_CNF_SEGMENTATION, 5, 0, 0, 2, 90}},
     false},
    {"DnCNN", &gb_dncnn_model, {.dncnn = {{8, 6, 3, 8, 6, 3}, 4, 5}}, false},
    {"SRCNN", &gb_srcnn_model, {.srcnn = {{5, 6, 3, 10, 12, 3}, 7, 4}}, false},
    {"feed-forward network", &gb_ffn_model, {.ffn = {{16, 8, 3, 8, 4, 2}, 2, 4}}, false},
    {"FCN-8s", &gb_fcn_model, {.fcn = {{64, 32, 3, 64, 32, 3}, GB_FCN_ZERO_ONE, 1}}, false},
};
enum { CASES = sizeof cases / sizeof *cases, BATCH = 2, STEPS = 3, MAX_THREADS = 3 };

// Two minibatches of a case. Targets are zeros and ones, which every model takes.
struct scene {
    const struct model_case *of;
    struct flow_images x[2], y[2], noise;
    bool noisy; // the model dequantises
};

static struct scene scene_new(const struct model_case *of) {
    struct scene scene = {.of = of};
    struct gb_model_shapes shapes;
    uint64_t state = 5;
    gb_model_shapes(of->kind, &of->config, BATCH, &shapes);
    const struct reference_shape x = {shapes.x.c, shapes.x.h, shapes.x.w};
    const struct reference_shape y = {shapes.y.c, shapes.y.h, shapes.y.w};
    scene.noisy = shapes.dequantisation == GB_DEQUANTISED_BY_MODEL;
    scene.noise = flow_images_new(BATCH, y, FLOW_DENSE, &state);
    for (int i = 0; i < 2; i++) {
        scene.x[i] = flow_images_new(BATCH, x, FLOW_DENSE, &state);
        scene.y[i] = flow_images_new(BATCH, y, FLOW_DENSE, &state);
        for (size_t e = 0; e < scene.y[i].floats; e++)
            scene.y[i].memory[e] = scene.y[i].memory[e] > 0;
    }
    return scene;
}

static void scene_free(struct scene *scene) {
    flow_images_free(&scene->noise);
    for (int i = 0; i < 2; i++) {
        flow_images_free(&scene->x[i]);
        flow_images_free(&scene->y[i]);
    }
}

// `batch` targets. Parameters that would be zero are normal, so that no gradient vanishes.
static struct gb_model *model_new(const struct scene *scene, int batch, int threads, bool training,
                                  bool gradients, const struct gb_backend *backend) {
    const struct gb_model_use use = {.batch = batch,
                                     .samples_per_x = 1,
                                     .threads = threads,
                                     .training = training,
                                     .gradients = gradients,
                                     .reversible = scene->of->reversible};
    struct gb_model *model;
    assert_ok(gb_model_create(scene->of->kind, &scene->of->config, &use, backend, &model));
    struct gb_params *params = &model->params;
    for (int i = 0; i < params->count; i++)
        if (params->list[i].init.distribution == GB_INIT_ZERO && !params->list[i].statistic)
            params->list[i].init = (struct gb_init){GB_INIT_NORMAL, 0.1f};
    assert_ok(gb_params_initialise(params, 3));
    return model;
}

// Forward and backward of images [first, first + count) of a minibatch; the gradient is that of the
// mean of the log-likelihoods of `of_all` examples.
static void run_images(const struct scene *scene, struct gb_model *model, int minibatch, int first,
                       int count, int of_all, const struct gb_adam *adam) {
    const struct gb_tensor x = gb_images(&scene->x[minibatch].tensor, first, count);
    const struct gb_tensor y = gb_images(&scene->y[minibatch].tensor, first, count);
    const struct gb_tensor noise = gb_images(&scene->noise.tensor, first, count);
    double log_likelihood[BATCH];
    float d_log_likelihood[BATCH];
    for (int i = 0; i < count; i++)
        d_log_likelihood[i] = -1.0f / (float)of_all;
    const struct gb_model_kind *kind = scene->of->kind;
    assert_ok(kind->condition(model, &x));
    assert_ok(kind->forward(model, &y, scene->noisy ? &noise : NULL, log_likelihood, NULL));
    kind->backward(model, d_log_likelihood, adam, NULL, NULL);
}

static void run(const struct scene *scene, struct gb_model *model, int minibatch,
                const struct gb_adam *adam) {
    run_images(scene, model, minibatch, 0, BATCH, BATCH, adam);
}

static void for_every_case(void (*check)(const struct scene *, const struct gb_backend *)) {
    for (int i = 0; i < CASES; i++) {
        struct scene scene = scene_new(&cases[i]);
        for (const struct gb_backend *b = NULL; (b = flow_next_backend(b));) {
            print_message("           %s, %s\n", b->name, cases[i].name);
            check(&scene, b);
        }
        scene_free(&scene);
    }
}

// ---- Applied ----

// A vendor library promises identical bits for one number of threads only.
static void check_applied(const struct scene *scene, const struct gb_backend *backend) {
    const int first = backend->same_bits ? 1 : MAX_THREADS;
    struct gb_model *fused[MAX_THREADS + 1], *stored[MAX_THREADS + 1];
    for (int t = first; t <= MAX_THREADS; t++) {
        fused[t] = model_new(scene, BATCH, t, true, false, backend);
        stored[t] = model_new(scene, BATCH, t, true, true, backend);
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
        struct gb_model *model = model_new(scene, BATCH, 1, training, true, backend);
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

static void check_norm(const struct scene *scene, const struct gb_backend *backend) {
    struct gb_model *model = model_new(scene, BATCH, 2, true, true, backend);
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
    struct gb_model *whole = model_new(scene, BATCH, 2, true, true, backend);
    struct gb_model *single = model_new(scene, 1, 2, true, true, backend);
    struct gb_params *params = &single->params, *expected = &whole->params;
    assert_ok(gb_params_reserve_sum(params));
    memset(params->sum, 0xff, params->bytes); // NaN: the first minibatch replaces it
    float *first = test_malloc(params->bytes);
    for (int n = 0; n < BATCH; n++) {
        run_images(scene, single, 0, n, 1, BATCH, NULL);
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
