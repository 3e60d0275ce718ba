// SPDX-License-Identifier: MIT
// The float c-Glow, on every backend that this CPU runs, against the double reference: likelihood,
// latents, inverse, every gradient; and what a model promises besides: identical bits
// for any number of threads and any grouping of samples, its initialisation, and its refusals.
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flows/models/model.h"
#include "tests/flows/flow_check.h"

// Relative L2 errors that float arithmetic may have against double. A sum of K products is off by
// about sqrt(K) * 2^-24 of its size, K is some hundreds here, and errors add up over the steps. In
// brackets the largest seen over all cases and backends.
static const double latent_bound = 2e-6;     // (4.2e-7)
static const double image_bound = 1e-5;      // (2.1e-6) the inverse divides by scales down to 0.73
static const double likelihood_bound = 3e-7; // (4.9e-8) of |log-determinant| + |log prior|
static const double gradient_bound = 1e-5;   // (1.9e-6)

struct flow_case {
    const char *name;
    int batch;
    struct gb_cglow_config config;
};

// x height, width, channels, the same of y; levels, steps; n_c, n_w, coupling and feature channels.
static const struct flow_case cases[] = {
    {"x larger than y", 2, {{16, 16, 3, 8, 8, 3}, 2, 2, 6, 10, 16, 8, GB_CGLOW_LIVE}},
    {"halves of x are odd", 3, {{20, 12, 1, 20, 12, 1}, 2, 1, 5, 7, 24, 16, GB_CGLOW_LIVE}},
    {"odd x of five channels, three levels",
     1,
     {{17, 11, 5, 8, 8, 1}, 3, 1, 9, 33, 33, 7, GB_CGLOW_LIVE}},
    {"one level, a rectangle", 2, {{8, 24, 1, 8, 24, 1}, 1, 2, 17, 19, 40, 17, GB_CGLOW_LIVE}},
    {"two channels, y reaches one pixel",
     3,
     {{8, 16, 3, 4, 8, 2}, 2, 2, 3, 5, 7, 3, GB_CGLOW_LIVE}},
};
enum { CASES = sizeof cases / sizeof *cases };

// A case with parameters, inputs and what the reference makes of them.
struct scene {
    const struct flow_case *flow;
    struct reference_cglow *reference;
    struct flow_images x, y;
    struct reference_conditions **conditions; // of each image
    struct reference_density *density;
    double *latents, *noise; // of each image, in the reference's order
    size_t dimensions;       // of one target
};

static struct scene scene_new(const struct flow_case *flow, enum flow_gaps gaps) {
    const struct gb_cglow_config *config = &flow->config;
    uint64_t state = 77 + (uint64_t)(flow - cases);
    struct scene scene = {.flow = flow, .reference = reference_cglow_create(config)};
    reference_cglow_randomise(scene.reference, state);
    struct reference_shape x = {config->sizes.x_c, config->sizes.x_h, config->sizes.x_w};
    struct reference_shape y = {config->sizes.y_c, config->sizes.y_h, config->sizes.y_w};
    size_t batch = (size_t)flow->batch;
    scene.dimensions = reference_elements(y);
    scene.x = flow_images_new(flow->batch, x, gaps, &state);
    scene.y = flow_images_new(flow->batch, y, gaps, &state);
    scene.conditions = test_malloc(batch * sizeof *scene.conditions);
    scene.density = test_malloc(batch * sizeof *scene.density);
    scene.latents = test_malloc(batch * scene.dimensions * sizeof *scene.latents);
    scene.noise = test_malloc(batch * scene.dimensions * sizeof *scene.noise);
    for (int n = 0; n < flow->batch; n++) {
        size_t place = (size_t)n * scene.dimensions;
        scene.conditions[n] = reference_cglow_condition(scene.reference, flow_image(&scene.x, n));
        scene.density[n] =
            reference_cglow_forward(scene.reference, scene.conditions[n], flow_image(&scene.y, n),
                                    scene.latents + place, scene.noise + place);
    }
    return scene;
}

static void scene_free(struct scene *scene) {
    for (int n = 0; n < scene->flow->batch; n++)
        reference_conditions_free(scene->conditions[n]);
    test_free(scene->conditions);
    test_free(scene->density);
    test_free(scene->latents);
    test_free(scene->noise);
    flow_images_free(&scene->x);
    flow_images_free(&scene->y);
    reference_cglow_free(scene->reference);
}

static struct gb_model *model_new(const struct gb_cglow_config *config, struct gb_model_use use,
                                  const struct gb_backend *backend,
                                  const struct reference_cglow *reference) {
    struct gb_model *model = NULL;
    assert_ok(gb_model_create(&gb_cglow_model, config, &use, backend, &model));
    if (reference)
        flow_import(&model->params, reference);
    return model;
}

// ---- against the reference ----

static void check_latents(const struct scene *scene, const struct gb_latents *latents) {
    const struct gb_cglow_config *config = &scene->flow->config;
    double *values = test_malloc(scene->dimensions * sizeof *values);
    assert_int_equal(latents->count, config->levels);
    for (int n = 0; n < scene->flow->batch; n++) {
        flow_read_latents(latents, n, values);
        size_t place = 0;
        for (int l = 0; l < config->levels; l++) {
            size_t count = reference_elements(reference_cglow_latent(config, l));
            const double *expected = scene->latents + (size_t)n * scene->dimensions + place;
            flow_check_close("latents", flow_relative_error(count, values + place, expected), 0,
                             latent_bound);
            place += count;
        }
    }
    test_free(values);
}

static void check_forward(const struct scene *scene, struct gb_model *model) {
    double log_likelihood[8];
    struct gb_latents latents;
    assert_ok(gb_cglow_model.forward(model, &scene->y.tensor, NULL, log_likelihood, &latents));
    for (int n = 0; n < scene->flow->batch; n++) {
        const struct reference_density *density = &scene->density[n];
        flow_check_close("log-likelihood", log_likelihood[n], density->log_det + density->log_prior,
                         likelihood_bound * (fabs(density->log_det) + fabs(density->log_prior)));
    }
    check_latents(scene, &latents);
}

// The noise that belongs to y gives y back; other noise gives what the reference makes of it, and
// forward brings it back.
static void check_inverse(const struct scene *scene, struct gb_model *model, enum flow_gaps gaps) {
    struct flow_images y = flow_images_new(scene->flow->batch, scene->y.shape, gaps, NULL);
    double *back = test_malloc(scene->dimensions * sizeof *back);
    double *expected = test_malloc(scene->dimensions * sizeof *expected);
    struct gb_latents noise = flow_noise_new(model, scene->noise);
    gb_cglow_model.inverse(model, &noise, 1, &y.tensor);
    flow_check_gaps(&y);
    for (int n = 0; n < scene->flow->batch; n++) {
        flow_read(&y.tensor, n, back);
        double error = flow_relative_error(scene->dimensions, back, flow_image(&scene->y, n));
        flow_check_close("inverse of forward", error, 0, image_bound);
    }

    const float temperature = 0.75f;
    struct gb_latents latents;
    double log_likelihood[8];
    gb_cglow_model.inverse(model, &noise, temperature, &y.tensor);
    assert_ok(gb_cglow_model.forward(model, &y.tensor, NULL, log_likelihood, &latents));
    for (int n = 0; n < scene->flow->batch; n++) {
        const double *of_image = scene->noise + (size_t)n * scene->dimensions;
        reference_cglow_inverse(scene->reference, scene->conditions[n], of_image,
                                (double)temperature, expected);
        flow_read(&y.tensor, n, back);
        flow_check_close("inverse", flow_relative_error(scene->dimensions, back, expected), 0,
                         image_bound);
        reference_cglow_forward(scene->reference, scene->conditions[n], expected, expected, NULL);
        flow_read_latents(&latents, n, back);
        flow_check_close("forward of inverse",
                         flow_relative_error(scene->dimensions, back, expected), 0, image_bound);
    }
    test_free(noise.level[0].data);
    test_free(back);
    test_free(expected);
    flow_images_free(&y);
}

GB_TEST(test_forward_and_inverse) {
    for (int i = 0; i < CASES; i++)
        for (enum flow_gaps gaps = FLOW_DENSE; gaps <= FLOW_GAPS; gaps++) {
            struct scene scene = scene_new(&cases[i], gaps);
            for (const struct gb_backend *b = NULL; (b = flow_next_backend(b));) {
                print_message("           %s, %s\n", b->name, cases[i].name);
                struct gb_model_use use = {
                    .batch = cases[i].batch, .samples_per_x = 1, .threads = 2};
                struct gb_model *model = model_new(&cases[i].config, use, b, scene.reference);
                assert_ok(gb_cglow_model.condition(model, &scene.x.tensor));
                check_forward(&scene, model);
                check_inverse(&scene, model, gaps);
                gb_model_free(model);
            }
            scene_free(&scene);
        }
}

GB_TEST(test_latent_shapes) {
    for (int i = 0; i < CASES; i++) {
        struct gb_model_use use = {.batch = cases[i].batch, .samples_per_x = 1, .threads = 1};
        struct gb_model *model = model_new(&cases[i].config, use, flow_next_backend(NULL), NULL);
        struct gb_latents shapes;
        gb_cglow_model.latent_shapes(model, &shapes);
        assert_int_equal(shapes.count, cases[i].config.levels);
        for (int l = 0; l < shapes.count; l++) {
            struct reference_shape shape = reference_cglow_latent(&cases[i].config, l);
            struct gb_tensor expected = gb_dense(NULL, cases[i].batch, shape.h, shape.w, shape.c);
            assert_true(gb_same_shape(&shapes.level[l], &expected));
            assert_null(shapes.level[l].data);
            assert_int_equal(shapes.level[l].pixel, expected.pixel);
            assert_int_equal(shapes.level[l].row, expected.row);
            assert_int_equal(shapes.level[l].image, expected.image);
        }
        assert_true(model->arena.bytes > 0);
        gb_model_free(model);
    }
}

// Three samples of each x in one model are what three models of one sample give.
static void check_samples_per_x(const struct scene *scene, const struct gb_backend *backend) {
    enum { SAMPLES = 3 };
    const struct gb_cglow_config *config = &scene->flow->config;
    int images = scene->flow->batch, batch = images * SAMPLES;
    uint64_t state = 5;
    struct flow_images y = flow_images_new(batch, scene->y.shape, FLOW_DENSE, &state);
    struct flow_images sampled = flow_images_new(batch, scene->y.shape, FLOW_DENSE, NULL);
    struct flow_images alone = flow_images_new(1, scene->y.shape, FLOW_DENSE, NULL);
    double *noise = test_malloc((size_t)batch * scene->dimensions * sizeof *noise);
    for (size_t i = 0; i < (size_t)batch * scene->dimensions; i++)
        noise[i] = reference_normal(&state);

    struct gb_model_use together = {.batch = batch, .samples_per_x = SAMPLES, .threads = 2};
    struct gb_model_use single = {.batch = 1, .samples_per_x = 1, .threads = 1};
    struct gb_model *many = model_new(config, together, backend, scene->reference);
    struct gb_model *one = model_new(config, single, backend, scene->reference);
    double *many_likelihood = test_malloc((size_t)batch * sizeof(double)), one_likelihood;
    assert_ok(gb_cglow_model.condition(many, &scene->x.tensor));
    assert_ok(gb_cglow_model.forward(many, &y.tensor, NULL, many_likelihood, NULL));
    struct gb_latents many_noise = flow_noise_new(many, noise);
    gb_cglow_model.inverse(many, &many_noise, 1, &sampled.tensor);
    for (int n = 0; n < batch; n++) {
        struct gb_tensor x = gb_images(&scene->x.tensor, n / SAMPLES, 1);
        struct gb_tensor target = gb_images(&y.tensor, n, 1);
        assert_ok(gb_cglow_model.condition(one, &x));
        assert_ok(gb_cglow_model.forward(one, &target, NULL, &one_likelihood, NULL));
        flow_check_close("log-likelihood of a sample", many_likelihood[n], one_likelihood,
                         likelihood_bound * 8 * (double)scene->dimensions);
        struct gb_latents noise_of_one = flow_noise_new(one, noise + (size_t)n * scene->dimensions);
        gb_cglow_model.inverse(one, &noise_of_one, 1, &alone.tensor);
        flow_read(&sampled.tensor, n, flow_image(&sampled, n));
        flow_read(&alone.tensor, 0, alone.values);
        double error =
            flow_relative_error(scene->dimensions, flow_image(&sampled, n), alone.values);
        flow_check_close("sample", error, 0, image_bound);
        test_free(noise_of_one.level[0].data);
    }
    test_free(many_noise.level[0].data);
    test_free(many_likelihood);
    test_free(noise);
    gb_model_free(many);
    gb_model_free(one);
    flow_images_free(&y);
    flow_images_free(&sampled);
    flow_images_free(&alone);
}

GB_TEST(test_samples_per_x) {
    for (int i = 0; i < CASES; i++) {
        struct scene scene = scene_new(&cases[i], FLOW_DENSE);
        for (const struct gb_backend *b = NULL; (b = flow_next_backend(b));)
            check_samples_per_x(&scene, b);
        scene_free(&scene);
    }
}

// ---- gradients ----

// Tensors that are not parameters, whose place is their index.
enum { PLACE_X = -1, PLACE_Y = -2, DIRECTIONS = 2, ELEMENTS = 2 };

struct probes {
    int count;
    struct flow_probe *list;
};

// The sum of d_log_likelihood[n] * log p(y_n|x_n).
static double reference_loss(const void *of) {
    const struct scene *scene = of;
    double loss = 0;
    for (int n = 0; n < scene->flow->batch; n++)
        loss += (double)flow_d_log_likelihood[n] *
                reference_cglow_log_likelihood(scene->reference, flow_image(&scene->x, n),
                                               flow_image(&scene->y, n));
    return loss;
}

static struct probes probes_new(const struct scene *scene) {
    enum { EACH = DIRECTIONS + ELEMENTS };
    const struct reference_cglow *reference = scene->reference;
    struct probes probes = {0};
    uint64_t state = 9;
    probes.list = test_malloc((size_t)(reference->count + 2) * EACH * sizeof *probes.list);
    for (int place = PLACE_Y; place < reference->count; place++) {
        const struct flow_images *images = place == PLACE_X ? &scene->x : &scene->y;
        const struct reference_param *param = &reference->params[place >= 0 ? place : 0];
        const char *name = place >= 0 ? param->name : place == PLACE_X ? "dx" : "dy";
        double *tensor = place >= 0 ? param->value : images->values;
        size_t count = place >= 0 ? param->count
                                  : (size_t)scene->flow->batch * reference_elements(images->shape);
        for (int i = 0; i < EACH; i++)
            probes.list[probes.count++] = flow_probe_new(
                name, place, tensor, count, i >= DIRECTIONS, reference_loss, scene, &state);
    }
    return probes;
}

static void probes_free(struct probes *probes) {
    for (int i = 0; i < probes->count; i++)
        test_free(probes->list[i].direction);
    test_free(probes->list);
}

// The float gradient that a probe looks at, in the reference's order; test_free it.
static double *gradient_of(const struct scene *scene, const struct gb_params *params,
                           const struct flow_probe *probe, const struct flow_images *dx,
                           const struct flow_images *dy) {
    if (probe->place >= 0) {
        const char *name = scene->reference->params[probe->place].name;
        return flow_export_block(params, gb_params_find(params, name), params->gradient);
    }
    const struct flow_images *images = probe->place == PLACE_X ? dx : dy;
    double *gradient = test_malloc(probe->count * sizeof *gradient);
    for (int n = 0; n < scene->flow->batch; n++)
        flow_read(&images->tensor, n, gradient + (size_t)n * reference_elements(images->shape));
    return gradient;
}

// Whether the float gradient agrees with the probe; says so if not.
static bool right_along(const struct scene *scene, const struct flow_probe *probe,
                        const struct gb_params *params, const struct flow_images *dx,
                        const struct flow_images *dy) {
    double *gradient = gradient_of(scene, params, probe, dx, dy);
    double norm = sqrt(flow_dot(probe->count, gradient, gradient));
    double derivative = flow_dot(probe->count, gradient, probe->direction);
    test_free(gradient);
    // The rounding error of the central differences is absolute.
    double error = fabs(derivative - probe->derivative);
    bool right = norm > 0 && error <= gradient_bound * norm + 1e-6;
    if (!right)
        print_error(
            "%s: derivative %.9g differs from %.9g by %.3g; the gradient's length is %.3g\n",
            probe->name, derivative, probe->derivative, error, norm);
    return right;
}

static void check_gradients(const struct scene *scene, const struct probes *probes,
                            const struct gb_backend *backend, enum flow_gaps gaps) {
    struct gb_model_use use = {.batch = scene->flow->batch,
                               .samples_per_x = 1,
                               .threads = 2,
                               .gradients = true,
                               .input_gradient = true};
    struct gb_model *model = model_new(&scene->flow->config, use, backend, scene->reference);
    struct gb_params *params = &model->params;
    struct flow_images dx = flow_images_new(use.batch, scene->x.shape, gaps, NULL);
    struct flow_images dy = flow_images_new(use.batch, scene->y.shape, gaps, NULL);
    double log_likelihood[8];
    assert_ok(gb_cglow_model.condition(model, &scene->x.tensor));
    assert_ok(gb_cglow_model.forward(model, &scene->y.tensor, NULL, log_likelihood, NULL));
    gb_cglow_model.backward(model, flow_d_log_likelihood, NULL, &dx.tensor, &dy.tensor);
    flow_check_gaps(&dx);
    flow_check_gaps(&dy);
    int wrong = 0;
    for (int i = 0; i < probes->count; i++)
        wrong += !right_along(scene, &probes->list[i], params, &dx, &dy);
    if (wrong)
        fail_msg("%d of %d derivatives are wrong", wrong, probes->count);
    flow_images_free(&dx);
    flow_images_free(&dy);
    gb_model_free(model);
}

GB_TEST(test_gradients) {
    for (int i = 0; i < CASES; i++) {
        enum flow_gaps gaps = i % 2 ? FLOW_GAPS : FLOW_DENSE;
        struct scene scene = scene_new(&cases[i], gaps);
        struct probes probes = probes_new(&scene);
        for (const struct gb_backend *b = NULL; (b = flow_next_backend(b));) {
            print_message("           %s, %s\n", b->name, cases[i].name);
            check_gradients(&scene, &probes, b, gaps);
        }
        probes_free(&probes);
        scene_free(&scene);
    }
}

// ---- the same bits ----

static const float clip = 0.25f;

static void train_step(const struct scene *scene, struct gb_model *model,
                       const struct gb_adam *adam, double *log_likelihood) {
    const struct flow_batch batch = {&scene->x.tensor, &scene->y.tensor, NULL};
    flow_train_step(model, &batch, adam, log_likelihood);
}

static void check_threads(const struct scene *scene, const struct gb_backend *backend) {
    enum { MAX_THREADS = 3 };
    const struct flow_batch batch = {&scene->x.tensor, &scene->y.tensor, NULL};
    struct gb_model *models[MAX_THREADS];
    for (int t = 0; t < MAX_THREADS; t++) {
        struct gb_model_use use = {
            .batch = scene->flow->batch, .samples_per_x = 1, .threads = t + 1, .training = true};
        models[t] = model_new(&scene->flow->config, use, backend, scene->reference);
    }
    flow_check_same_training(models, MAX_THREADS, &batch, clip);
}

// Over all cases and the backends that are deterministic for any number of threads.
static void check_all(void (*check)(const struct scene *scene, const struct gb_backend *backend)) {
    for (int i = 0; i < CASES; i++) {
        struct scene scene = scene_new(&cases[i], FLOW_DENSE);
        for (const struct gb_backend *b = NULL; (b = flow_next_backend(b));) {
            if (!b->same_bits)
                continue;
            print_message("           %s, %s\n", b->name, cases[i].name);
            check(&scene, b);
        }
        scene_free(&scene);
    }
}

GB_TEST(test_threads) {
    check_all(check_threads);
}

// Samples too: inverse on 1, 2 and 3 threads.
static void check_sample_threads(const struct scene *scene, const struct gb_backend *backend) {
    struct flow_images y[3];
    for (int t = 0; t < 3; t++) {
        struct gb_model_use use = {
            .batch = scene->flow->batch, .samples_per_x = 1, .threads = t + 1};
        struct gb_model *model = model_new(&scene->flow->config, use, backend, scene->reference);
        y[t] = flow_images_new(use.batch, scene->y.shape, FLOW_DENSE, NULL);
        assert_ok(gb_cglow_model.condition(model, &scene->x.tensor));
        struct gb_latents noise = flow_noise_new(model, scene->noise);
        gb_cglow_model.inverse(model, &noise, 0.5f, &y[t].tensor);
        assert_memory_equal(y[t].memory, y[0].memory, y[0].floats * sizeof *y[0].memory);
        test_free(noise.level[0].data);
        gb_model_free(model);
    }
    for (int t = 0; t < 3; t++)
        flow_images_free(&y[t]);
}

GB_TEST(test_sample_threads) {
    check_all(check_sample_threads);
}

// ---- starts ----

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static bool contains(const char *text, const char *part) {
    return strstr(text, part) != NULL;
}

// A model with its start, and the same parameters in the reference.
struct started {
    struct gb_model *model;
    struct reference_cglow *reference;
};

static struct started start(const struct flow_case *flow, enum gb_cglow_init init,
                            const struct gb_backend *backend, uint64_t seed) {
    struct gb_cglow_config config = flow->config;
    config.init = init;
    // Wide enough that no ReLU network is dead by chance.
    config.n_c = config.feature_channels = 16;
    config.n_w = 64;
    struct gb_model_use use = {.batch = flow->batch,
                               .samples_per_x = 1,
                               .threads = 2,
                               .training = true,
                               .gradients = true};
    struct started started = {model_new(&config, use, backend, NULL),
                              reference_cglow_create(&config)};
    assert_ok(gb_params_initialise(&started.model->params, seed));
    flow_export(&started.model->params, started.reference);
    return started;
}

static void started_free(struct started *started) {
    gb_model_free(started->model);
    reference_cglow_free(started->reference);
}

// Every step starts near the identity: log s = b = 0, W a rotation, couplings sigmoid(2) with no
// shift.
static void check_live_identity(const struct scene *scene,
                                const struct reference_cglow *reference) {
    const struct gb_cglow_config *config = &reference->config;
    struct reference_conditions *conditions =
        reference_cglow_condition(reference, flow_image(&scene->x, 0));
    double halves = 0;
    for (int i = 0; i < conditions->count; i++) {
        struct reference_shape shape = reference_cglow_level(config, i / config->steps);
        const struct reference_step *step = &conditions->step[i];
        for (int c = 0; c < shape.c; c++) {
            assert_true(step->log_scale[c] == 0);
            assert_true(step->bias[c] == 0);
        }
        flow_check_rotation(shape.c, step->matrix);
        assert_true(flow_dot(reference_elements(shape) / 2, step->features, step->features) > 0);
        halves += (double)reference_elements(shape) / 2;
    }
    struct reference_density density =
        reference_cglow_forward(reference, conditions, flow_image(&scene->y, 0), NULL, NULL);
    flow_check_close("log-determinant at the start", density.log_det, -halves * log1p(exp(-2)),
                     1e-5 * halves);
    reference_conditions_free(conditions);
}

// Whether the gradient of a parameter is all zero, is not, or may be either.
enum reach { NEVER, ALWAYS, EITHER };

static void check_gradients_reach(struct gb_model *model, enum reach (*wanted)(const char *name)) {
    const struct gb_params *params = &model->params;
    for (int i = 0; i < params->count; i++) {
        const char *name = params->list[i].name;
        double *gradient = flow_export_block(params, i, params->gradient);
        double square = flow_dot(gb_param_elements(&params->list[i]), gradient, gradient);
        enum reach reach = wanted(name);
        if (!isfinite(square) || (reach == NEVER && square > 0) || (reach == ALWAYS && square == 0))
            fail_msg("%s: a gradient of squared length %g", name, square);
        test_free(gradient);
    }
}

static enum reach always(const char *name) {
    (void)name;
    return ALWAYS;
}

GB_TEST(test_live_start) {
    for (int i = 0; i < CASES; i++) {
        struct scene scene = scene_new(&cases[i], FLOW_DENSE);
        for (const struct gb_backend *b = NULL; (b = flow_next_backend(b));) {
            struct started live = start(&cases[i], GB_CGLOW_LIVE, b, 11);
            check_live_identity(&scene, live.reference);
            // The last layers start at zero; one step, and gradients pass through them.
            struct gb_adam adam = flow_adam(1, clip);
            double log_likelihood[8];
            train_step(&scene, live.model, &adam, log_likelihood);
            train_step(&scene, live.model, NULL, log_likelihood);
            check_gradients_reach(live.model, always);
            started_free(&live);
        }
        scene_free(&scene);
    }
}

// The published start lets no gradient into conditioning networks except the bias of their last
// layer. The x path is reached only where a bias of its zero convolution happens to be positive.
static enum reach published_reach(const char *name) {
    if (contains(name, ".actnorm.") || contains(name, ".mix."))
        return ends_with(name, ".fc.2.bias") ? ALWAYS : NEVER;
    return contains(name, ".features.") ? EITHER : ALWAYS;
}

// Fails unless the values are zero, N(0, spread^2) or uniform in +-spread, as far as their second
// moment and their largest can tell.
enum distribution { ZERO, NORMAL, UNIFORM };
static void check_distribution(const struct reference_param *param, enum distribution distribution,
                               double spread) {
    double square = 0, largest = 0, n = (double)param->count;
    for (size_t i = 0; i < param->count; i++) {
        square += param->value[i] * param->value[i];
        largest = fmax(largest, fabs(param->value[i]));
    }
    double variance = distribution == NORMAL ? spread * spread : spread * spread / 3;
    // Five standard deviations of the estimate: variance * sqrt(2/n), or sqrt(4/5/n) for a uniform.
    double slack = 5 * sqrt((distribution == NORMAL ? 2 : 0.8) / n);
    if (distribution == ZERO)
        flow_check_close(param->name, largest, 0, 0);
    else
        flow_check_close(param->name, square / n / variance, 1, slack);
    if (distribution == UNIFORM)
        assert_true(largest <= spread);
}

static double default_bias_spread(const struct reference_cglow *reference, const char *bias) {
    char name[96];
    snprintf(name, sizeof name, "%.*s.weight", (int)(strlen(bias) - strlen(".bias")), bias);
    const struct reference_param *weight = reference_cglow_param(reference, "%s", name);
    return 1 / sqrt((double)weight->count / weight->shape[0]);
}

// "The published start, exactly".
static void check_published_values(const struct reference_cglow *reference) {
    for (int i = 0; i < reference->count; i++) {
        const struct reference_param *param = &reference->params[i];
        const char *name = param->name;
        bool conditioning_conv = contains(name, ".actnorm.conv.") || contains(name, ".mix.conv.");
        bool bias = ends_with(name, ".bias");
        if (contains(name, ".mix.fc.2."))
            check_distribution(param, NORMAL, 0.1);
        else if (contains(name, ".fc.") || contains(name, ".net.2."))
            check_distribution(param, ZERO, 0);
        else if (contains(name, ".net.0.bias") || contains(name, ".net.1.bias") ||
                 contains(name, ".net.0.") || contains(name, ".net.1."))
            check_distribution(param, NORMAL, 0.05);
        else if (bias)
            check_distribution(param, UNIFORM, default_bias_spread(reference, name));
        else if (conditioning_conv || contains(name, ".features.1."))
            check_distribution(param, ZERO, 0);
        else
            check_distribution(param, NORMAL, 0.1);
    }
}

GB_TEST(test_published_start) {
    for (int i = 0; i < CASES; i++) {
        struct scene scene = scene_new(&cases[i], FLOW_DENSE);
        for (const struct gb_backend *b = NULL; (b = flow_next_backend(b));) {
            struct started published = start(&cases[i], GB_CGLOW_PUBLISHED, b, 12);
            check_published_values(published.reference);
            double log_likelihood[8];
            for (long step = 1; step <= 3; step++) {
                struct gb_adam adam = flow_adam(step, clip);
                train_step(&scene, published.model, &adam, log_likelihood);
            }
            train_step(&scene, published.model, NULL, log_likelihood);
            check_gradients_reach(published.model, published_reach);
            started_free(&published);
        }
        scene_free(&scene);
    }
}

GB_TEST(test_starts_differ_by_seed_only) {
    for (enum gb_cglow_init init = GB_CGLOW_LIVE; init <= GB_CGLOW_PUBLISHED; init++) {
        struct started first = start(&cases[0], init, flow_next_backend(NULL), 1);
        struct started other = start(&cases[0], init, flow_next_backend(NULL), 2);
        const struct reference_param *param =
            reference_cglow_param(first.reference, "levels.0.steps.0.coupling.net.0.weight");
        assert_memory_not_equal(
            param->value,
            reference_cglow_param(other.reference, "levels.0.steps.0.coupling.net.0.weight")->value,
            param->count * sizeof *param->value);
        for (const struct gb_backend *b = NULL; (b = flow_next_backend(b));) {
            struct started same = start(&cases[0], init, b, 1);
            for (int i = 0; i < first.reference->count; i++)
                assert_memory_equal(first.reference->params[i].value,
                                    same.reference->params[i].value,
                                    first.reference->params[i].count * sizeof(double));
            started_free(&same);
        }
        started_free(&first);
        started_free(&other);
    }
}

// ---- refusals ----

GB_TEST(test_bad_configurations) {
    const struct gb_cglow_config good = {{16, 16, 3, 16, 16, 3}, 2, 2, 4, 4, 8, 4, GB_CGLOW_LIVE};
    struct gb_cglow_config bad[64];
    int count = 0;
#define BAD(field, value) (bad[count] = good, bad[count++].field = (value))
    BAD(sizes.x_h, 0);
    BAD(sizes.x_w, -16);
    BAD(sizes.x_c, 0);
    BAD(sizes.y_h, 0);
    BAD(sizes.y_w, 0);
    BAD(sizes.y_c, 0);
    BAD(levels, 0);
    BAD(steps, 0);
    BAD(n_c, 0);
    BAD(n_w, 0);
    BAD(coupling_channels, 0);
    BAD(feature_channels, -1);
    BAD(sizes.y_h, 18);   // not divisible by 2^2
    BAD(sizes.y_w, 14);   // not either
    BAD(levels, 5);       // 16 halves four times only
    BAD(levels, 17);      // more than there are latents
    BAD(levels, 1000000); // 2^levels overflows
    BAD(sizes.y_h, 64);   // its first level is larger than x
    BAD(sizes.y_w, 64);
    BAD(sizes.x_h, 7); // does not halve three times
    BAD(sizes.x_w, 4);
    // From damaged files; products of sizes must not overflow on the way to the refusal.
    BAD(sizes.x_h, INT_MAX);
    BAD(sizes.x_w, 1 << 30);
    BAD(sizes.x_c, 1 << 30);
    BAD(sizes.y_h, 1 << 30);
    BAD(sizes.y_c, 1 << 30);
    BAD(sizes.y_c, 200); // 1600 at the last level
    BAD(steps, INT_MAX);
    BAD(n_c, 1 << 30);
    BAD(n_w, INT_MAX);
    BAD(coupling_channels, 1 << 30);
    BAD(feature_channels, INT_MIN);
#undef BAD
    assert_ok(gb_cglow_model.check(&good));
    flow_check_bad_configs(&gb_cglow_model, bad, sizeof *bad, count);
    // The smallest there is: x halves three times, y once.
    struct gb_cglow_config least = {{8, 8, 1, 2, 2, 1}, 1, 1, 1, 1, 1, 1, GB_CGLOW_LIVE};
    assert_ok(gb_cglow_model.check(&least));
    const struct gb_model_use use = {.batch = 1, .samples_per_x = 1, .threads = 1};
    gb_model_free(model_new(&least, use, flow_next_backend(NULL), NULL));
}

// W = 0 has no log-determinant, and NaN none either.
GB_TEST(test_singular_matrices) {
    struct scene scene = scene_new(&cases[0], FLOW_DENSE);
    struct gb_model_use use = {.batch = cases[0].batch, .samples_per_x = 1, .threads = 2};
    struct reference_param *weight =
        reference_cglow_param(scene.reference, "levels.1.steps.0.mix.fc.2.weight");
    struct reference_param *bias =
        reference_cglow_param(scene.reference, "levels.1.steps.0.mix.fc.2.bias");
    memset(weight->value, 0, weight->count * sizeof *weight->value);
    for (int poison = 0; poison < 2; poison++) {
        for (size_t i = 0; i < bias->count; i++)
            bias->value[i] = poison ? (double)NAN : 0;
        for (const struct gb_backend *b = NULL; (b = flow_next_backend(b));) {
            struct gb_model *model = model_new(&cases[0].config, use, b, scene.reference);
            flow_check_refused(gb_cglow_model.condition(model, &scene.x.tensor), GB_CHECK_FAILED);
            gb_model_free(model);
        }
    }
    scene_free(&scene);
}

GB_TEST(test_likelihood_that_is_not_finite) {
    struct scene scene = scene_new(&cases[0], FLOW_DENSE);
    struct gb_model_use use = {.batch = cases[0].batch, .samples_per_x = 1, .threads = 2};
    gb_at(&scene.y.tensor, 1, 3, 2)[1] = NAN;
    for (const struct gb_backend *b = NULL; (b = flow_next_backend(b));) {
        double log_likelihood[8];
        struct gb_model *model = model_new(&cases[0].config, use, b, scene.reference);
        assert_ok(gb_cglow_model.condition(model, &scene.x.tensor));
        flow_check_refused(
            gb_cglow_model.forward(model, &scene.y.tensor, NULL, log_likelihood, NULL),
            GB_CHECK_FAILED);
        gb_model_free(model);
    }
    scene_free(&scene);
}

GB_TEST(test_bits_per_dimension) {
    // A standard normal's expected log density is -0.5 * (1 + ln 2 pi) a dimension.
    flow_check_close("bits", gb_bits_per_dimension(-1.4189385332046727 * 300, 300),
                     2.0470955851806896, 1e-12);
    flow_check_close("bits", gb_bits_per_dimension(0, 7), 0, 0);
}
