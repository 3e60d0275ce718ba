// SPDX-License-Identifier: MIT
// The float CNF, on every backend that this CPU runs, against the double reference: likelihood,
// latents, inverse, every gradient, stored and recomputed; and identical bits for any number of
// threads, its initialisation from data, its files, and its refusals.
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "flows/files/checkpoint.h"
#include "flows/models/model.h"
#include "tests/flows/flow_check.h"
#include "tests/flows/reference_cnf.h"

// Relative L2 errors that float arithmetic may have against double; in brackets the largest seen
// over all cases and backends.
static const double latent_bound = 2e-6; // (3.4e-7)
static const double image_bound = 1e-5;  // (2.0e-6)
// Of |log-determinant| + |log prior| + |log q|. (4.8e-7)
static const double likelihood_bound = 1e-6;
// Instance norms of few pixels divide by small deviations. (2.5e-5)
static const double gradient_bound = 5e-5;

struct flow_case {
    const char *name;
    int batch;
    struct gb_cnf_config config;
};

// Kind; height, width and channels of x and of y; levels, steps; condition and coupling channels;
// RRDB blocks and their growth; steps of the dequantiser.
static const struct flow_case cases[] = {
    {"two levels", 2, {{4, 6, 3, 8, 12, 3}, GB_CNF_SUPER_RESOLUTION, 2, 2, 5, 7, 1, 3, 0}},
    {"one channel, two RRDBs",
     3,
     {{3, 5, 1, 6, 10, 1}, GB_CNF_SUPER_RESOLUTION, 1, 1, 3, 4, 2, 2, 0}},
    {"three levels, wide",
     1,
     {{8, 4, 2, 16, 8, 2}, GB_CNF_SUPER_RESOLUTION, 3, 1, 33, 17, 1, 16, 0}},
    {"vessels, uniform", 2, {{12, 16, 3, 12, 16, 1}, GB_CNF_SEGMENTATION, 2, 2, 5, 6, 0, 0, 0}},
    {"vessels", 3, {{8, 12, 2, 8, 12, 1}, GB_CNF_SEGMENTATION, 1, 2, 4, 5, 0, 0, 2}},
    {"vessels of two channels",
     1,
     {{16, 12, 3, 16, 12, 2}, GB_CNF_SEGMENTATION, 2, 1, 9, 32, 0, 0, 1}},
};
enum { CASES = sizeof cases / sizeof *cases, MOST_IMAGES = 4 };

// A case with parameters and inputs.
struct scene {
    const struct flow_case *flow;
    struct reference_cnf *reference;
    struct flow_images x, y, noise; // noise: of the dequantiser
    size_t dimensions;              // of one target
};

static struct gb_model *model_new(const struct gb_cnf_config *config, struct gb_model_use use,
                                  const struct gb_backend *backend) {
    struct gb_model *model = NULL;
    assert_ok(gb_model_create(&gb_cnf_model, config, &use, backend, &model));
    return model;
}

static void import(struct gb_model *model, const struct reference_cnf *reference) {
    struct gb_params *params = &model->params;
    assert_int_equal(params->count, reference->count);
    for (int i = 0; i < params->count; i++)
        flow_import_param(params, i, &reference->params[i]);
}

static bool dequantises(const struct scene *scene) {
    return scene->flow->config.dequantiser_steps > 0;
}

static void make_mask(struct flow_images *y) {
    size_t count = (size_t)y->tensor.n * reference_elements(y->shape);
    for (size_t i = 0; i < count; i++)
        y->values[i] = y->values[i] > 0.5;
    for (int n = 0; n < y->tensor.n; n++)
        flow_write(&y->tensor, n, flow_image(y, n));
}

static struct scene scene_new(const struct flow_case *flow, enum flow_gaps gaps) {
    const struct gb_cnf_config *config = &flow->config;
    uint64_t state = 177 + (uint64_t)(flow - cases);
    struct gb_model_use use = {.batch = 1, .samples_per_x = 1, .threads = 1};
    struct gb_model *model = model_new(config, use, flow_next_backend(NULL));
    struct scene scene = {.flow = flow, .reference = reference_cnf_create(config, &model->params)};
    gb_model_free(model);
    reference_cnf_randomise(scene.reference, state);
    struct reference_shape x = {config->sizes.x_c, config->sizes.x_h, config->sizes.x_w};
    struct reference_shape y = {config->sizes.y_c, config->sizes.y_h, config->sizes.y_w};
    scene.dimensions = reference_elements(y);
    scene.x = flow_images_new(flow->batch, x, gaps, &state);
    scene.y = flow_images_new(flow->batch, y, gaps, &state);
    scene.noise = flow_images_new(flow->batch, y, gaps, &state);
    if (dequantises(&scene))
        make_mask(&scene.y);
    return scene;
}

static void scene_free(struct scene *scene) {
    reference_cnf_free(scene->reference);
    flow_images_free(&scene->x);
    flow_images_free(&scene->y);
    flow_images_free(&scene->noise);
}

static const struct gb_tensor *noise_of(const struct scene *scene) {
    return dequantises(scene) ? &scene->noise.tensor : NULL;
}

static const double *reference_noise(const struct scene *scene, int n) {
    return dequantises(scene) ? flow_image(&scene->noise, n) : NULL;
}

static struct gb_model *scene_model(const struct scene *scene, struct gb_model_use use,
                                    const struct gb_backend *backend) {
    use.batch = use.batch ? use.batch : scene->flow->batch;
    use.samples_per_x = use.samples_per_x ? use.samples_per_x : 1;
    struct gb_model *model = model_new(&scene->flow->config, use, backend);
    import(model, scene->reference);
    return model;
}

static struct flow_batch batch_of(const struct scene *scene) {
    return (struct flow_batch){&scene->x.tensor, &scene->y.tensor, noise_of(scene)};
}

static void forward(const struct scene *scene, struct gb_model *model, double *log_likelihood,
                    struct gb_latents *latents) {
    const struct flow_batch batch = batch_of(scene);
    flow_forward(model, &batch, log_likelihood, latents);
}

// Runs a check over all cases and backends; `same_bits`: those that promise it.
static void check_all(bool same_bits,
                      void (*check)(struct scene *scene, const struct gb_backend *backend)) {
    for (int i = 0; i < CASES; i++) {
        struct scene scene = scene_new(&cases[i], i % 2 ? FLOW_GAPS : FLOW_DENSE);
        for (const struct gb_backend *b = NULL; (b = flow_next_backend(b));) {
            if (same_bits && !b->same_bits)
                continue;
            print_message("           %s, %s\n", b->name, cases[i].name);
            check(&scene, b);
        }
        scene_free(&scene);
    }
}

// ---- the reference itself: log-determinants against dense Jacobians ----

struct map {
    const struct scene *scene;
    void (*run)(const struct scene *scene, const double *in, double *out);
};

static void target_to_latents(const struct scene *scene, const double *in, double *out) {
    reference_cnf_forward(scene->reference, flow_image(&scene->x, 0), in, NULL, NULL, out, NULL);
}

static void noise_to_target(const struct scene *scene, const double *in, double *out) {
    reference_cnf_forward(scene->reference, flow_image(&scene->x, 0), flow_image(&scene->y, 0), in,
                          out, NULL, NULL);
}

// log|det| of the Jacobian at `v`, by central differences.
static double dense_log_det(const struct map *map, const double *v) {
    const double h = 1e-5;
    size_t n = map->scene->dimensions;
    double *jacobian = test_malloc(n * n * sizeof *jacobian), *at = test_malloc(n * sizeof *at);
    double *above = test_malloc(n * sizeof *at), *below = test_malloc(n * sizeof *at);
    memcpy(at, v, n * sizeof *at);
    for (size_t j = 0; j < n; j++) {
        at[j] = v[j] + h;
        map->run(map->scene, at, above);
        at[j] = v[j] - h;
        map->run(map->scene, at, below);
        at[j] = v[j];
        for (size_t i = 0; i < n; i++)
            jacobian[i * n + j] = (above[i] - below[i]) / (2 * h);
    }
    double log_det = reference_log_abs_det((int)n, jacobian);
    test_free(jacobian);
    test_free(at);
    test_free(above);
    test_free(below);
    return log_det;
}

GB_TEST(test_log_determinants) {
    for (int i = 0; i < CASES; i++) {
        struct scene scene = scene_new(&cases[i], FLOW_DENSE);
        struct reference_cnf_density density =
            reference_cnf_forward(scene.reference, flow_image(&scene.x, 0), flow_image(&scene.y, 0),
                                  reference_noise(&scene, 0), NULL, NULL, NULL);
        const struct map flow = {&scene, target_to_latents},
                         dequantiser = {&scene, noise_to_target};
        if (dequantises(&scene)) {
            double log_normal = 0;
            for (size_t d = 0; d < scene.dimensions; d++)
                log_normal -= 0.5 * (log(2 * M_PI) + pow(scene.noise.values[d], 2));
            flow_check_close("log q", density.log_q,
                             log_normal - dense_log_det(&dequantiser, scene.noise.values),
                             1e-7 * (double)scene.dimensions);
        } else {
            flow_check_close("log-determinant", density.log_det,
                             dense_log_det(&flow, scene.y.values), 1e-7 * (double)scene.dimensions);
        }
        scene_free(&scene);
    }
}

// ---- forward and inverse ----

static void check_forward(struct scene *scene, const struct gb_backend *backend) {
    double log_likelihood[MOST_IMAGES];
    double *found = test_malloc(scene->dimensions * sizeof *found);
    double *expected = test_malloc(scene->dimensions * sizeof *expected);
    for (int training = 0; training < 2; training++) {
        struct gb_latents latents;
        struct gb_model_use use = {.threads = 2, .gradients = training, .reversible = training};
        struct gb_model *model = scene_model(scene, use, backend);
        scene->reference->own_moments = training;
        forward(scene, model, log_likelihood, &latents);
        assert_int_equal(latents.count, scene->flow->config.levels);
        for (int n = 0; n < scene->flow->batch; n++) {
            struct reference_cnf_density d = reference_cnf_forward(
                scene->reference, flow_image(&scene->x, n), flow_image(&scene->y, n),
                reference_noise(scene, n), NULL, expected, NULL);
            double size = fabs(d.log_det) + fabs(d.log_prior) + fabs(d.log_q);
            flow_check_close("log-likelihood", log_likelihood[n], d.log_det + d.log_prior - d.log_q,
                             likelihood_bound * size);
            flow_read_latents(&latents, n, found);
            flow_check_close("latents", flow_relative_error(scene->dimensions, found, expected), 0,
                             latent_bound);
        }
        gb_model_free(model);
    }
    scene->reference->own_moments = false;
    test_free(found);
    test_free(expected);
}

GB_TEST(test_forward) {
    check_all(false, check_forward);
}

// The noise that belongs to y gives y (with a dequantiser, v) back; other noise at another
// temperature gives what the reference takes for that noise.
static void check_inverse(struct scene *scene, const struct gb_backend *backend) {
    const float temperature = 0.75f;
    size_t size = scene->dimensions, batch = (size_t)scene->flow->batch;
    double *standard = test_malloc(batch * size * sizeof *standard);
    double *v = test_malloc(batch * size * sizeof *v), *back = test_malloc(size * sizeof *back);
    for (size_t n = 0; n < batch; n++)
        reference_cnf_forward(scene->reference, flow_image(&scene->x, (int)n),
                              flow_image(&scene->y, (int)n), reference_noise(scene, (int)n),
                              v + n * size, NULL, standard + n * size);
    struct gb_model *model = scene_model(scene, (struct gb_model_use){.threads = 2}, backend);
    struct flow_images y = flow_images_new((int)batch, scene->y.shape, FLOW_GAPS, NULL);
    struct gb_latents noise = flow_noise_new(model, standard);
    assert_ok(gb_cnf_model.condition(model, &scene->x.tensor));
    gb_cnf_model.inverse(model, &noise, 1, &y.tensor);
    flow_check_gaps(&y);
    for (size_t n = 0; n < batch; n++) {
        flow_read(&y.tensor, (int)n, back);
        flow_check_close("inverse of forward", flow_relative_error(size, back, v + n * size), 0,
                         image_bound);
    }
    gb_cnf_model.inverse(model, &noise, temperature, &y.tensor);
    for (size_t n = 0; n < batch && !dequantises(scene); n++) {
        double *other = flow_image(&y, (int)n);
        flow_read(&y.tensor, (int)n, other);
        reference_cnf_forward(scene->reference, flow_image(&scene->x, (int)n), other, NULL, NULL,
                              NULL, back);
        for (size_t i = 0; i < size; i++)
            back[i] /= (double)temperature;
        flow_check_close("noise of a sample", flow_relative_error(size, back, standard + n * size),
                         0, image_bound);
    }
    test_free(noise.level[0].data);
    test_free(standard);
    test_free(v);
    test_free(back);
    flow_images_free(&y);
    gb_model_free(model);
}

GB_TEST(test_inverse) {
    check_all(false, check_inverse);
}

// Three samples of each x in one model are what one model for each gives.
static void check_samples_per_x(struct scene *scene, const struct gb_backend *backend) {
    enum { SAMPLES = 3 };
    int batch = scene->flow->batch * SAMPLES;
    size_t size = scene->dimensions;
    uint64_t state = 5;
    double *values = test_malloc((size_t)batch * size * sizeof *values);
    double *found = test_malloc(size * sizeof *found), *alone = test_malloc(size * sizeof *alone);
    for (size_t i = 0; i < (size_t)batch * size; i++)
        values[i] = reference_normal(&state);
    struct gb_model_use together = {.batch = batch, .samples_per_x = SAMPLES, .threads = 2};
    struct gb_model_use single = {.batch = 1, .threads = 1};
    struct gb_model *many = scene_model(scene, together, backend);
    struct gb_model *one = scene_model(scene, single, backend);
    struct flow_images y = flow_images_new(batch, scene->y.shape, FLOW_DENSE, NULL);
    struct flow_images y_alone = flow_images_new(1, scene->y.shape, FLOW_DENSE, NULL);
    struct gb_latents noise = flow_noise_new(many, values);
    assert_ok(gb_cnf_model.condition(many, &scene->x.tensor));
    gb_cnf_model.inverse(many, &noise, 0.5f, &y.tensor);
    for (int n = 0; n < batch; n++) {
        struct gb_tensor x = gb_images(&scene->x.tensor, n / SAMPLES, 1);
        struct gb_latents own = flow_noise_new(one, values + (size_t)n * size);
        assert_ok(gb_cnf_model.condition(one, &x));
        gb_cnf_model.inverse(one, &own, 0.5f, &y_alone.tensor);
        flow_read(&y.tensor, n, found);
        flow_read(&y_alone.tensor, 0, alone);
        flow_check_close("sample", flow_relative_error(size, found, alone), 0, image_bound);
        test_free(own.level[0].data);
    }
    test_free(noise.level[0].data);
    test_free(values);
    test_free(found);
    test_free(alone);
    flow_images_free(&y);
    flow_images_free(&y_alone);
    gb_model_free(many);
    gb_model_free(one);
}

GB_TEST(test_samples_per_x) {
    check_all(false, check_samples_per_x);
}

// ---- gradients ----

static double reference_loss(const void *of) {
    const struct scene *scene = of;
    double loss = 0;
    for (int n = 0; n < scene->flow->batch; n++)
        loss += (double)flow_d_log_likelihood[n] *
                reference_cnf_log_likelihood(scene->reference, flow_image(&scene->x, n),
                                             flow_image(&scene->y, n), reference_noise(scene, n));
    return loss;
}

enum { PLACE_X = -1, PLACE_Y = -2 }; // of probes; others are the index of a parameter

// Whether a float gradient, in the reference's order, agrees; says so if not.
static bool agrees(const struct flow_probe *probe, const double *gradient) {
    double length = sqrt(flow_dot(probe->count, gradient, gradient));
    double error = fabs(flow_dot(probe->count, gradient, probe->direction) - probe->derivative);
    // The rounding error of the central differences is absolute. A bias that an instance norm
    // follows has no effect: its gradient is rounding errors of sums over all pixels.
    const double differences = 2e-6, no_effect = 1e-3;
    bool right = fabs(probe->derivative) <= differences
                     ? length <= no_effect
                     : error <= gradient_bound * length + differences;
    if (!right)
        print_error("%s: a derivative of %.9g is off by %.3g; the gradient's length is %.3g\n",
                    probe->name, probe->derivative, error, length);
    return right;
}

static double *image_gradient(const struct flow_images *images) {
    size_t size = reference_elements(images->shape);
    double *gradient = test_malloc((size_t)images->tensor.n * size * sizeof *gradient);
    for (int n = 0; n < images->tensor.n; n++)
        flow_read(&images->tensor, n, gradient + (size_t)n * size);
    return gradient;
}

enum { DIRECTIONS = 2 };

// The biases in front of an instance norm have no effect.
static bool has_gradient(const struct scene *scene, const struct gb_param *param) {
    bool idle = scene->flow->config.kind == GB_CNF_SEGMENTATION &&
                strstr(param->name, "coupling.net.0.bias");
    return !param->statistic && !idle;
}

static void check_gradients(const struct scene *scene, const struct flow_probe *probes, int count,
                            const struct gb_backend *backend, bool reversible) {
    struct gb_model_use use = {.threads = 2, .gradients = true, .reversible = reversible};
    struct gb_model *model = scene_model(scene, use, backend);
    const struct gb_params *params = &model->params;
    struct flow_images dx = flow_images_new(scene->flow->batch, scene->x.shape, FLOW_GAPS, NULL);
    struct flow_images dy = flow_images_new(scene->flow->batch, scene->y.shape, FLOW_GAPS, NULL);
    double log_likelihood[MOST_IMAGES];
    forward(scene, model, log_likelihood, NULL);
    gb_cnf_model.backward(model, flow_d_log_likelihood, NULL, &dx.tensor,
                          dequantises(scene) ? NULL : &dy.tensor);
    flow_check_gaps(&dx);
    int wrong = 0;
    for (int i = 0; i < count; i++) {
        double *gradient = probes[i].place >= 0
                               ? flow_export_block(params, probes[i].place, params->gradient)
                               : image_gradient(probes[i].place == PLACE_X ? &dx : &dy);
        wrong += !agrees(&probes[i], gradient);
        test_free(gradient);
    }
    if (wrong)
        fail_msg("%d of %d derivatives are wrong", wrong, count);
    flow_images_free(&dx);
    flow_images_free(&dy);
    gb_model_free(model);
}

GB_TEST(test_gradients) {
    for (int i = 0; i < CASES; i++) {
        struct scene scene = scene_new(&cases[i], i % 2 ? FLOW_GAPS : FLOW_DENSE);
        scene.reference->own_moments = true;
        struct gb_model *model =
            scene_model(&scene, (struct gb_model_use){.threads = 1}, flow_next_backend(NULL));
        const struct gb_params *params = &model->params;
        struct flow_probe *probes =
            test_malloc((size_t)(params->count + 2) * DIRECTIONS * sizeof *probes);
        int count = 0;
        uint64_t random = 9;
        for (int d = 0; d < DIRECTIONS; d++) {
            for (int p = 0; p < params->count; p++) {
                struct reference_param *param = &scene.reference->params[p];
                if (has_gradient(&scene, &params->list[p]))
                    probes[count++] = flow_probe_new(param->name, p, param->value, param->count,
                                                     false, reference_loss, &scene, &random);
            }
            size_t batch = (size_t)cases[i].batch;
            probes[count++] = flow_probe_new("dx", PLACE_X, scene.x.values,
                                             batch * reference_elements(scene.x.shape), false,
                                             reference_loss, &scene, &random);
            if (!dequantises(&scene))
                probes[count++] =
                    flow_probe_new("dy", PLACE_Y, scene.y.values, batch * scene.dimensions, false,
                                   reference_loss, &scene, &random);
        }
        for (const struct gb_backend *b = NULL; (b = flow_next_backend(b));)
            for (int reversible = 0; reversible < 2; reversible++) {
                print_message("           %s, %s%s\n", b->name, cases[i].name,
                              reversible ? ", reversible" : "");
                check_gradients(&scene, probes, count, b, reversible);
            }
        for (int p = 0; p < count; p++)
            test_free(probes[p].direction);
        test_free(probes);
        gb_model_free(model);
        scene_free(&scene);
    }
}

// ---- the same bits ----

static void train_step(const struct scene *scene, struct gb_model *model,
                       const struct gb_adam *adam, double *log_likelihood) {
    const struct flow_batch batch = batch_of(scene);
    flow_train_step(model, &batch, adam, log_likelihood);
}

static void check_threads(struct scene *scene, const struct gb_backend *backend) {
    enum { MAX_THREADS = 3 };
    const struct flow_batch batch = batch_of(scene);
    for (int reversible = 0; reversible < 2; reversible++) {
        struct gb_model *models[MAX_THREADS];
        for (int t = 0; t < MAX_THREADS; t++) {
            struct gb_model_use use = {
                .threads = t + 1, .training = true, .reversible = reversible};
            models[t] = scene_model(scene, use, backend);
        }
        flow_check_same_training(models, MAX_THREADS, &batch, INFINITY);
    }
}

GB_TEST(test_threads) {
    check_all(true, check_threads);
}

static void check_sample_threads(struct scene *scene, const struct gb_backend *backend) {
    size_t count = (size_t)scene->flow->batch * scene->dimensions;
    uint64_t state = 3;
    double *values = test_malloc(count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = reference_normal(&state);
    struct flow_images y[3];
    for (int t = 0; t < 3; t++) {
        struct gb_model *model =
            scene_model(scene, (struct gb_model_use){.threads = t + 1}, backend);
        struct gb_latents noise = flow_noise_new(model, values);
        y[t] = flow_images_new(scene->flow->batch, scene->y.shape, FLOW_DENSE, NULL);
        assert_ok(gb_cnf_model.condition(model, &scene->x.tensor));
        gb_cnf_model.inverse(model, &noise, 0.8f, &y[t].tensor);
        assert_memory_equal(y[t].memory, y[0].memory, y[0].floats * sizeof *y[0].memory);
        test_free(noise.level[0].data);
        gb_model_free(model);
    }
    for (int t = 0; t < 3; t++)
        flow_images_free(&y[t]);
    test_free(values);
}

GB_TEST(test_sample_threads) {
    check_all(true, check_sample_threads);
}

// ---- memory ----

GB_TEST(test_memory) {
    for (int i = 0; i < CASES; i++) {
        struct scene scene = scene_new(&cases[i], FLOW_DENSE);
        const struct gb_model_use uses[] = {{.threads = 1},
                                            {.threads = 1, .training = true, .reversible = true},
                                            {.threads = 1, .training = true}};
        size_t bytes[3];
        for (int u = 0; u < 3; u++) {
            struct gb_model *model = scene_model(&scene, uses[u], flow_next_backend(NULL));
            bytes[u] = model->arena.bytes;
            assert_true(model->step_flops > 0);
            gb_model_free(model);
        }
        assert_true(bytes[0] < bytes[1]);
        assert_true(cases[i].config.steps > 1 ? bytes[1] < bytes[2] : bytes[1] <= bytes[2]);
        scene_free(&scene);
    }
}

// ---- starts ----

static void check_rotation(const struct gb_params *params, int index) {
    double *matrix = flow_export_block(params, index, params->value);
    flow_check_rotation(params->list[index].shape[0], matrix);
    test_free(matrix);
}

// After a start from data, what comes out of the first actnorm has mean 0 and variance 1 over the
// batch; every other actnorm has been started too.
static void check_first_actnorm(const struct scene *scene, const struct gb_params *params) {
    struct reference_shape deep = {4 * scene->y.shape.c, scene->y.shape.h / 2,
                                   scene->y.shape.w / 2};
    size_t pixels = (size_t)(deep.h * deep.w), size = scene->dimensions;
    int batch = scene->flow->batch;
    double *v = test_malloc((size_t)batch * size * sizeof *v);
    for (int n = 0; n < batch; n++)
        reference_squeeze(deep, flow_image(&scene->y, n), v + (size_t)n * size);
    double *bias = flow_export_block(
        params, gb_params_find(params, "levels.0.steps.0.actnorm.bias"), params->value);
    double *log_scale = flow_export_block(
        params, gb_params_find(params, "levels.0.steps.0.actnorm.log_scale"), params->value);
    for (int c = 0; c < deep.c; c++) {
        double sum = 0, squares = 0;
        for (int n = 0; n < batch; n++)
            for (size_t p = 0; p < pixels; p++) {
                double u =
                    (v[(size_t)n * size + (size_t)c * pixels + p] + bias[c]) * exp(log_scale[c]);
                sum += u;
                squares += u * u;
            }
        flow_check_close("mean", sum / (double)pixels / batch, 0, 1e-5);
        flow_check_close("variance", squares / (double)pixels / batch, 1, 1e-4);
    }
    test_free(v);
    test_free(bias);
    test_free(log_scale);
}

static void check_start(struct scene *scene, const struct gb_backend *backend) {
    struct gb_model_use use = {.threads = 2, .training = true, .gradients = true};
    struct gb_model *model = scene_model(scene, use, backend);
    struct gb_params *params = &model->params;
    bool actnorm = scene->flow->config.kind == GB_CNF_SUPER_RESOLUTION;
    double log_likelihood[MOST_IMAGES];
    assert_ok(gb_params_initialise(params, 11));
    assert_ok(gb_cnf_model.condition(model, &scene->x.tensor));
    assert_ok(gb_cnf_model.start(model, &scene->y.tensor, noise_of(scene)));
    for (int i = 0; i < params->count; i++) {
        if (strstr(params->list[i].name, "mix.weight"))
            check_rotation(params, i);
        if (!strstr(params->list[i].name, "actnorm.log_scale"))
            continue;
        double *log_scale = flow_export_block(params, i, params->value);
        assert_true(flow_dot(gb_param_elements(&params->list[i]), log_scale, log_scale) > 0);
        test_free(log_scale);
    }
    if (actnorm)
        check_first_actnorm(scene, params);
    // The last layers start at zero; one step, and gradients pass through them.
    struct gb_adam adam = flow_adam(1, INFINITY);
    train_step(scene, model, &adam, log_likelihood);
    train_step(scene, model, NULL, log_likelihood);
    for (int i = 0; i < params->count; i++) {
        double *gradient = flow_export_block(params, i, params->gradient);
        double square = flow_dot(gb_param_elements(&params->list[i]), gradient, gradient);
        if (!isfinite(square) || (has_gradient(scene, &params->list[i]) && square == 0))
            fail_msg("%s: a gradient of squared length %g", params->list[i].name, square);
        test_free(gradient);
    }
    gb_model_free(model);
}

GB_TEST(test_start) {
    check_all(false, check_start);
}

// A training step moves the stored moments a tenth of the way to the batch's.
static void check_running_moments(struct scene *scene, const struct gb_backend *backend) {
    if (scene->flow->config.kind != GB_CNF_SEGMENTATION || dequantises(scene))
        return;
    struct gb_model_use use = {.threads = 2, .training = true};
    struct gb_model *model = scene_model(scene, use, backend);
    const struct gb_params *params = &model->params;
    int index = gb_params_find(params, "levels.0.steps.0.norm.mean");
    double *before = flow_export_block(params, index, params->value);
    double log_likelihood[MOST_IMAGES];
    struct gb_adam adam = flow_adam(1, INFINITY);
    train_step(scene, model, &adam, log_likelihood);
    double *after = flow_export_block(params, index, params->value);
    int w = scene->y.shape.w, batch = scene->flow->batch;
    for (int c = 0; c < 4; c++) { // of the squeezed mask: the pixels of one place in each 2 x 2
        double sum = 0;
        for (int n = 0; n < batch; n++)
            for (int y = c / 2; y < scene->y.shape.h; y += 2)
                for (int x = c % 2; x < w; x += 2)
                    sum += flow_image(&scene->y, n)[y * w + x];
        double mean = sum * 4 / (double)((size_t)batch * scene->dimensions);
        flow_check_close("stored mean", after[c], before[c] + 0.1 * (mean - before[c]), 1e-6);
    }
    test_free(before);
    test_free(after);
    gb_model_free(model);
}

GB_TEST(test_running_moments) {
    check_all(false, check_running_moments);
}

// ---- files ----

GB_TEST(test_checkpoint) {
    char path[] = "/tmp/test_cnf_XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    for (int i = 0; i < CASES; i++) {
        struct scene scene = scene_new(&cases[i], FLOW_DENSE);
        struct gb_model_use use = {.threads = 2, .training = true};
        struct gb_model *trained = scene_model(&scene, use, flow_next_backend(NULL));
        double log_likelihood[MOST_IMAGES];
        for (long step = 1; step <= 2; step++) {
            struct gb_adam adam = flow_adam(step, INFINITY);
            train_step(&scene, trained, &adam, log_likelihood);
        }
        json_t *metadata = json_object(), *read;
        assert_ok(gb_config_to_metadata(&cases[i].config, &gb_cnf_table, metadata));
        assert_ok(gb_checkpoint_save(path, &trained->params, metadata));
        json_decref(metadata);

        struct gb_cnf_config config = {.levels = -7};
        assert_ok(gb_checkpoint_metadata(path, &read));
        assert_ok(gb_config_from_metadata(read, path, &gb_cnf_table, &config));
        json_decref(read);
        assert_memory_equal(&config, &cases[i].config, sizeof config);
        struct gb_model *loaded = scene_model(&scene, use, flow_next_backend(NULL));
        assert_ok(gb_checkpoint_load(path, &loaded->params, GB_CHECKPOINT_RESUMED));
        flow_check_same_state(&trained->params, &loaded->params);
        gb_model_free(trained);
        gb_model_free(loaded);
        scene_free(&scene);
    }
    unlink(path);
}

GB_TEST(test_strange_metadata) {
    struct gb_cnf_config config = {.levels = -7};
    json_t *metadata = json_object();
    assert_ok(gb_config_to_metadata(&cases[0].config, &gb_cnf_table, metadata));
    json_object_set_new(metadata, "kind", json_string("something else"));
    flow_check_refused(gb_config_from_metadata(metadata, "a file", &gb_cnf_table, &config),
                       GB_BAD_INPUT);
    json_object_set_new(metadata, "model", json_string("cglow"));
    flow_check_refused(gb_config_from_metadata(metadata, "a file", &gb_cnf_table, &config),
                       GB_BAD_INPUT);
    assert_int_equal(config.levels, -7);
    json_decref(metadata);
}

GB_TEST(test_published_names) {
    const struct gb_cnf_config config = {
        .kind = GB_CNF_SUPER_RESOLUTION, .levels = 2, .steps = 8, .rrdb_blocks = 16};
    static const struct {
        const char *ours, *theirs;
    } names[] = {
        {"levels.0.steps.0.actnorm.bias", "flow.level_modules.0.1.actnorm.b"},
        {"levels.1.steps.7.actnorm.log_scale", "flow.level_modules.1.8.actnorm.logs"},
        {"levels.1.steps.2.mix.weight", "flow.level_modules.1.3.invconv.weight"},
        {"levels.0.steps.1.coupling.net.1.bias",
         "flow.level_modules.0.2.conditionalCoupling.Net.Net.2.bias"},
        {"levels.0.steps.1.coupling.net.2.log_scale",
         "flow.level_modules.0.2.conditionalCoupling.Net.Net.4.logs"},
        {"levels.0.prior.weight", "flow.level_modules.0.9.conv.weight"},
        {"levels.1.prior.log_scale", "flow.level_modules.1.9.conv.logs"},
        {"features.first.weight", "flow.lrNet.RRDBNet.conv_first.weight"},
        {"features.blocks.15.dense.2.conv.4.bias",
         "flow.lrNet.RRDBNet.RRDB_trunk.15.RDB3.conv5.bias"},
        {"features.trunk.bias", "flow.lrNet.RRDBNet.trunk_conv.bias"},
        {"features.up.weight", "flow.lrNet.RRDBNet.upconv1.weight"},
        {"features.levels.1.weight", "flow.downsample_convs.1.weight"},
        {"features.levels.2.weight", ""},
        {"features.blocks.16.dense.0.conv.0.weight", ""},
        {"levels.0.steps.8.mix.weight", ""},
        {"levels.0.steps.0.mix.bias", ""},
        {"levels.2.prior.weight", ""},
        {"levels.0.prior.weights", ""},
        {"", ""},
    };
    char published[96];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        gb_cnf_published_name(&config, names[i].ours, published);
        assert_string_equal(published, names[i].theirs);
    }
    gb_cnf_published_name(&cases[3].config, "levels.0.prior.weight", published);
    assert_string_equal(published, "");
}

// ---- refusals ----

GB_TEST(test_bad_configurations) {
    const struct gb_cnf_config sr = {
        {8, 8, 3, 16, 16, 3}, GB_CNF_SUPER_RESOLUTION, 2, 2, 4, 4, 1, 4, 0};
    const struct gb_cnf_config seg = {
        {16, 16, 3, 16, 16, 1}, GB_CNF_SEGMENTATION, 2, 2, 4, 4, 0, 0, 2};
    struct gb_cnf_config bad[64];
    int count = 0;
#define BAD(good, field, value) (bad[count] = good, bad[count++].field = (value))
    BAD(sr, sizes.x_h, 0);
    BAD(sr, sizes.x_w, 9); // y is not twice that
    BAD(sr, sizes.x_c, -1);
    BAD(sr, sizes.y_h, 18);
    BAD(sr, sizes.y_c, 0);
    BAD(sr, sizes.y_c, 200); // 1600 at the last level
    BAD(sr, levels, 0);
    BAD(sr, levels, 5); // 16 halves four times only
    BAD(sr, levels, 1000000);
    BAD(sr, steps, 0);
    BAD(sr, steps, INT_MAX);
    BAD(sr, condition_channels, 0);
    BAD(sr, coupling_channels, 1 << 30);
    BAD(sr, rrdb_blocks, 0);
    BAD(sr, growth, 0);
    BAD(sr, dequantiser_steps, 1);
    BAD(seg, sizes.x_h, 8);
    BAD(seg, rrdb_blocks, 1);
    BAD(seg, growth, 4);
    BAD(seg, dequantiser_steps, -1);
    BAD(seg, sizes.y_w, 1 << 30);
#undef BAD
    assert_ok(gb_cnf_model.check(&sr));
    assert_ok(gb_cnf_model.check(&seg));
    flow_check_bad_configs(&gb_cnf_model, bad, sizeof *bad, count);
}

// W = 0 has no log-determinant, and NaN none either.
GB_TEST(test_singular_matrices) {
    struct scene scene = scene_new(&cases[0], FLOW_DENSE);
    for (const struct gb_backend *b = NULL; (b = flow_next_backend(b));)
        for (int poison = 0; poison < 2; poison++) {
            struct gb_model *model = scene_model(&scene, (struct gb_model_use){.threads = 2}, b);
            struct gb_params *params = &model->params;
            const struct gb_param *weight =
                &params->list[gb_params_find(params, "levels.1.steps.0.mix.weight")];
            for (size_t e = 0; e < gb_param_elements(weight); e++)
                params->value[weight->offset + e] = poison ? NAN : 0;
            flow_check_refused(gb_cnf_model.condition(model, &scene.x.tensor), GB_CHECK_FAILED);
            gb_model_free(model);
        }
    scene_free(&scene);
}

GB_TEST(test_likelihood_that_is_not_finite) {
    struct scene scene = scene_new(&cases[0], FLOW_DENSE);
    double log_likelihood[MOST_IMAGES];
    gb_at(&scene.y.tensor, 1, 3, 2)[1] = NAN;
    for (const struct gb_backend *b = NULL; (b = flow_next_backend(b));) {
        struct gb_model *model = scene_model(&scene, (struct gb_model_use){.threads = 2}, b);
        assert_ok(gb_cnf_model.condition(model, &scene.x.tensor));
        flow_check_refused(gb_cnf_model.forward(model, &scene.y.tensor, NULL, log_likelihood, NULL),
                           GB_CHECK_FAILED);
        gb_model_free(model);
    }
    scene_free(&scene);
}
