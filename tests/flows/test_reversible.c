// SPDX-License-Identifier: MIT
// Activations that are recomputed in backward, against stored ones: what stays bitwise, how far
// gradients are where the flow's inverse rounds, and how memory grows.
#include <math.h>
#include <string.h>

#include "flows/models/model.h"
#include "tests/flows/flow_check.h"

enum { MAX_THREADS = 3 };

// Deeper than flow_models, so that networks have several blocks and flows several steps.
static const struct flow_case factored[] = {
    {"RRDBs", 3, FLOW_CASE(factored, {4, 6, 3, 8, 12, 3}, GB_CNF_SUPER_RESOLUTION, 6, 4, 5, 0, 0),
     .targets = FLOW_LEVELS},
    {"VGG", 2, FLOW_CASE(factored, {16, 8, 3, 16, 8, 1}, GB_CNF_SEGMENTATION, 5, 0, 0, 3, 90),
     .targets = FLOW_MASK},
    {0},
};
static const struct flow_case flows[] = {
    {"c-Glow", 2, FLOW_CASE(cglow, {16, 16, 3, 16, 16, 3}, 2, 8, 6, 8, 12, 6, GB_CGLOW_LIVE)},
    {"super-resolution", 2,
     FLOW_CASE(cnf, {8, 8, 3, 16, 16, 3}, GB_CNF_SUPER_RESOLUTION, 2, 8, 6, 12, 6, 4, 0)},
    {"vessels", 2,
     FLOW_CASE(cnf, {16, 16, 3, 16, 16, 1}, GB_CNF_SEGMENTATION, 2, 4, 6, 12, 0, 0, 2),
     .targets = FLOW_MASK},
    {0},
};

static struct gb_model *model_new(const struct flow_scene *scene, struct gb_model_use use,
                                  const struct gb_backend *backend) {
    struct gb_model *model = flow_model_new(scene, use, backend);
    flow_initialise_without_zeros(model, 0.05f);
    return model;
}

static void for_every_case(const struct flow_case *cases, uint64_t seed,
                           void (*check)(const struct flow_scene *, const struct gb_backend *)) {
    for (const struct flow_case *of = cases; of->name; of++) {
        struct flow_scene scene = flow_scene_new(of, FLOW_GAPS, seed);
        for (const struct gb_backend *b = NULL; (b = flow_next_backend(b));) {
            print_message("           %s, %s\n", b->name, of->name);
            check(&scene, b);
        }
        flow_scene_free(&scene);
    }
}

// ---- Bitwise: networks that are run again on what they saw ----

static void check_networks(const struct flow_scene *scene, const struct gb_backend *backend) {
    for (int precision = 0; precision < 2; precision++) {
        struct gb_model_use use = {
            .threads = 2, .training = true, .precision = precision ? GB_BF16 : GB_F32};
        struct gb_model *stored = model_new(scene, use, backend);
        use.reversible = true;
        struct gb_model *recomputed = model_new(scene, use, backend);
        assert_true(recomputed->arena.bytes < stored->arena.bytes);
        for (long step = 1; step <= 3; step++) {
            const struct gb_adam adam = flow_adam(step, 0.25f);
            flow_train_step(scene, stored, &adam);
            flow_train_step(scene, recomputed, &adam);
            flow_check_same_state(&stored->params, &recomputed->params);
        }
        gb_model_free(stored);
        gb_model_free(recomputed);
    }
}

GB_TEST(test_recomputed_networks_are_bitwise_equal) {
    for_every_case(factored, 5, check_networks);
}

static void check_likelihoods(const struct flow_scene *scene, const struct gb_backend *backend) {
    double likelihood[2][FLOW_MOST_IMAGES];
    for (int reversible = 0; reversible < 2; reversible++) {
        const struct gb_model_use use = {.threads = 2, .training = true, .reversible = reversible};
        struct gb_model *model = model_new(scene, use, backend);
        flow_forward(scene, model, likelihood[reversible], NULL);
        gb_model_free(model);
    }
    assert_memory_equal(likelihood[0], likelihood[1], (size_t)scene->of->batch * sizeof(double));
}

GB_TEST(test_likelihoods_are_bitwise_equal) {
    for_every_case(flows, 6, check_likelihoods);
}

// Samples of a model that trains, whose couplings share their features' memory.
static void check_samples(const struct flow_scene *scene, const struct gb_backend *backend) {
    const size_t size = reference_elements(scene->y.shape);
    struct flow_images y[2];
    double *values = test_calloc((size_t)scene->of->batch * size, sizeof *values);
    uint64_t state = 4;
    for (size_t i = 0; i < (size_t)scene->of->batch * size; i++)
        values[i] = reference_normal(&state);
    for (int reversible = 0; reversible < 2; reversible++) {
        const struct gb_model_use use = {.threads = 2, .training = true, .reversible = reversible};
        struct gb_model *model = model_new(scene, use, backend);
        struct gb_latents noise = flow_noise_new(model, values);
        y[reversible] = flow_images_new(scene->of->batch, scene->y.shape, FLOW_DENSE, NULL);
        assert_ok(model->kind->condition(model, &scene->x.tensor));
        model->kind->inverse(model, &noise, 0.5f, &y[reversible].tensor);
        test_free(noise.level[0].data);
        gb_model_free(model);
    }
    assert_memory_equal(y[0].memory, y[1].memory, y[0].floats * sizeof *y[0].memory);
    flow_images_free(&y[0]);
    flow_images_free(&y[1]);
    test_free(values);
}

GB_TEST(test_samples_are_bitwise_equal) {
    for_every_case(&flows[0], 7, check_samples);
}

// ---- Close: what the inverse recovers ----

// The relative distance of the gradients of two uses.
static double gradient_distance(const struct flow_scene *scene, const struct gb_backend *backend,
                                struct gb_model_use a, struct gb_model_use b) {
    a.threads = b.threads = 2;
    a.gradients = b.gradients = true;
    struct gb_model *one = model_new(scene, a, backend), *other = model_new(scene, b, backend);
    flow_train_step(scene, one, NULL);
    flow_train_step(scene, other, NULL);
    double error = 0, norm = 0;
    for (int i = 0; i < one->params.count; i++) {
        double *want = flow_export_block(&one->params, i, one->params.gradient);
        double *got = flow_export_block(&other->params, i, other->params.gradient);
        for (size_t e = 0; e < gb_param_elements(&one->params.list[i]); e++) {
            error += (got[e] - want[e]) * (got[e] - want[e]);
            norm += want[e] * want[e];
        }
        test_free(want);
        test_free(got);
    }
    gb_model_free(one);
    gb_model_free(other);
    return sqrt(error / norm);
}

static const struct gb_model_use stored, reversible = {.reversible = true};

// A level's outputs are kept, so that errors of the inverse add up over its steps alone. Each sums
// c products, divides and subtracts in the coupling and in actnorm, and each of these roundings, up
// to 2^-24 of the variables' size, is independent: sqrt(steps * (c + 8)) of them. Scales of the
// couplings between 0.8 and 1 let an error grow fourfold over eight steps, and a gradient depends
// on what it is computed at through two ReLU layers, each of which passes the error on. (4.9e-7 of
// 7.6e-6)
static double recovery_bound(const struct flow_case *of) {
    const union gb_model_config *config = &of->config;
    const bool cglow = of->kind == &gb_cglow_model;
    const int levels = cglow ? config->cglow.levels : config->cnf.levels;
    const int steps = cglow ? config->cglow.steps : config->cnf.steps;
    const int channels = of->config.sizes.y_c * 2 << levels;
    return 8 * sqrt(steps * (channels + 8.0)) * 0x1p-24;
}

// An error of 1e-6 seldom moves a unit across the kink of its ReLU; where it does, that unit's
// gradient differs altogether, but not in every scene, as a mistake would.
static void check_recovered(const struct flow_scene *scene, const struct gb_backend *backend) {
    double smallest = gradient_distance(scene, backend, stored, reversible);
    const double bound = recovery_bound(scene->of);
    for (uint64_t seed = 20; seed < 25 && !(smallest <= bound); seed++) {
        struct flow_scene other = flow_scene_new(scene->of, FLOW_GAPS, seed);
        smallest = fmin(smallest, gradient_distance(&other, backend, stored, reversible));
        flow_scene_free(&other);
    }
    flow_check_close("gradient's relative error", smallest, 0, bound);
}

GB_TEST(test_gradients_are_close_to_stored_ones) {
    for_every_case(flows, 8, check_recovered);
}

// In bf16 the networks round what the inverse recovers, and small errors become steps of 2^-9: they
// may add as much as bf16 did, but no more. (1.7e-4 of 2e-2, 8.4e-4 of 7.7e-2)
static void check_bf16(const struct flow_scene *scene, const struct gb_backend *backend) {
    struct gb_model_use bf16 = {.precision = GB_BF16}, recovered = bf16;
    recovered.reversible = true;
    const double precision = gradient_distance(scene, backend, stored, bf16);
    const double memory = gradient_distance(scene, backend, bf16, recovered);
    flow_check_close("gradient's relative error in bf16", memory, 0, precision);
}

GB_TEST(test_bf16_gradients_are_close_to_stored_ones) {
    for_every_case(flows, 9, check_bf16);
}

// ---- Threads ----

static void check_threads(const struct flow_scene *scene, const struct gb_backend *backend) {
    if (!backend->same_bits)
        return;
    for (int precision = 0; precision < 2; precision++) {
        struct gb_model *models[MAX_THREADS];
        for (int t = 0; t < MAX_THREADS; t++) {
            const struct gb_model_use use = {.threads = t + 1,
                                             .training = true,
                                             .reversible = true,
                                             .precision = precision ? GB_BF16 : GB_F32};
            models[t] = model_new(scene, use, backend);
        }
        for (long step = 1; step <= 3; step++)
            for (int t = 0; t < MAX_THREADS; t++) {
                const struct gb_adam adam = flow_adam(step, 0.25f);
                flow_train_step(scene, models[t], &adam);
                flow_check_same_state(&models[0]->params, &models[t]->params);
            }
        for (int t = 0; t < MAX_THREADS; t++)
            gb_model_free(models[t]);
    }
}

GB_TEST(test_threads) {
    for_every_case(flows, 10, check_threads);
}

// ---- Memory ----

static size_t activations(const struct flow_case *of, int batch, bool recomputed) {
    const struct gb_model_use use = {.batch = batch,
                                     .samples_per_x = 1,
                                     .threads = 1,
                                     .training = true,
                                     .reversible = recomputed};
    struct gb_model *model;
    assert_ok(gb_model_create(of->kind, &of->config, &use, flow_next_backend(NULL), &model));
    const size_t bytes = model->arena.bytes;
    gb_model_free(model);
    return bytes;
}

// Bytes per image by which one more of `field` adds to the activations.
static double growth(const struct flow_case *of, const char *field, bool recomputed) {
    enum { FEW = 16, MANY = 32 }; // so that vectors fill whole cache lines
    struct flow_case more = *of;
    const struct gb_config_field *of_model = gb_config_find(of->kind->table, field);
    gb_config_set(&more.config, of_model, gb_config_number(&of->config, of_model) + 1);
    const double many =
        (double)activations(&more, MANY, recomputed) - (double)activations(of, MANY, recomputed);
    const double few =
        (double)activations(&more, FEW, recomputed) - (double)activations(of, FEW, recomputed);
    return (many - few) / (MANY - FEW);
}

// A step of c-Glow leaves its conditional parameters, their gradients and the inverse of its
// matrix: numbers per image, not per pixel. One of CNF's has none per image. A block of RRDB leaves
// its input, once there are more than a few.
GB_TEST(test_memory_does_not_grow_with_steps) {
    const struct flow_case *cglow = &flows[0], *sr = &flows[1];
    double numbers = 0;
    for (int l = 1; l <= cglow->config.cglow.levels; l++) {
        const double c = cglow->config.sizes.y_c * 2 << l;
        numbers += (2 * 2 * c + 3 * c * c) * sizeof(float) + sizeof(double);
    }
    flow_check_close("c-Glow's steps", growth(cglow, "steps", true), numbers, 0);
    assert_true(growth(cglow, "steps", false) > 2 * numbers);
    flow_check_close("CNF's steps", growth(sr, "steps", true), 0, 0);
    assert_true(growth(sr, "steps", false) > 0);
    const struct gb_image_sizes *s = &sr->config.sizes;
    const double input = (double)(s->x_h * s->x_w * sr->config.cnf.condition_channels);
    flow_check_close("RRDBs", growth(sr, "rrdb_blocks", true), input * sizeof(float), 0);
    assert_true(growth(sr, "rrdb_blocks", false) > 3 * input * sizeof(float));
    for (const struct flow_case *of = flow_models; of->name; of++)
        if (of->kind->recomputes)
            assert_true(activations(of, 2, true) < activations(of, 2, false));
}

// ---- Refusals ----

GB_TEST(test_refuses_models_with_nothing_to_recompute) {
    const struct gb_model_use use = {
        .batch = 1, .samples_per_x = 1, .threads = 1, .training = true, .reversible = true};
    struct gb_model *model;
    int refused = 0;
    for (const struct flow_case *of = flow_models; of->name; of++) {
        if (of->kind->recomputes)
            continue;
        assert_error(gb_model_create(of->kind, &of->config, &use, flow_next_backend(NULL), &model),
                     GB_BAD_INPUT, "cannot recompute activations");
        assert_null(model);
        refused++;
    }
    assert_true(refused >= 4);
}
