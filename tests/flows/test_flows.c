// SPDX-License-Identifier: MIT
// The float c-Glow and CNF, on every backend that this CPU runs, against the double references:
// likelihood, latents, inverse, every gradient, stored and recomputed; identical bits for any
// number of threads and any grouping of samples; and the references against dense Jacobians.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flows/models/model.h"
#include "tests/flows/flow_check.h"

// Relative L2 errors that float arithmetic may have against double. A sum of K products is off by
// about sqrt(K) * 2^-24 of its size, K is some hundreds here, and errors add up over the steps. In
// brackets the largest seen over all cases and backends.
static const double latent_bound = 2e-6; // (4.2e-7)
static const double image_bound = 1e-5;  // (2.1e-6) the inverse divides by scales down to 0.73

// Of |log-determinant| + |log prior| + |log q|. (4.9e-8, 4.8e-7)
static double likelihood_bound(const struct gb_model_kind *kind) {
    return kind == &gb_cglow_model ? 3e-7 : 1e-6;
}

// CNF's instance norms of few pixels divide by small deviations. (1.9e-6, 2.5e-5)
static double gradient_bound(const struct gb_model_kind *kind) {
    return kind == &gb_cglow_model ? 1e-5 : 5e-5;
}

// c-Glow: height, width and channels of x and of y; levels, steps; n_c, n_w, coupling and feature
// channels; start. CNF: the sizes; kind; levels, steps; condition and coupling channels; RRDB
// blocks and their growth; steps of the dequantiser.
static const struct flow_case cases[] = {
    {"x larger than y", 2,
     FLOW_CASE(cglow, {16, 16, 3, 8, 8, 3}, 2, 2, 6, 10, 16, 8, GB_CGLOW_LIVE)},
    {"halves of x are odd", 3,
     FLOW_CASE(cglow, {20, 12, 1, 20, 12, 1}, 2, 1, 5, 7, 24, 16, GB_CGLOW_LIVE)},
    {"odd x of five channels, three levels", 1,
     FLOW_CASE(cglow, {17, 11, 5, 8, 8, 1}, 3, 1, 9, 33, 33, 7, GB_CGLOW_LIVE)},
    {"one level, a rectangle", 2,
     FLOW_CASE(cglow, {8, 24, 1, 8, 24, 1}, 1, 2, 17, 19, 40, 17, GB_CGLOW_LIVE)},
    {"two channels, y reaches one pixel", 3,
     FLOW_CASE(cglow, {8, 16, 3, 4, 8, 2}, 2, 2, 3, 5, 7, 3, GB_CGLOW_LIVE)},
    {"matrices of 20 and 40 channels", 2,
     FLOW_CASE(cglow, {16, 8, 2, 4, 4, 5}, 2, 1, 16, 16, 16, 16, GB_CGLOW_LIVE)},
    {"super-resolution", 2,
     FLOW_CASE(cnf, {4, 6, 3, 8, 12, 3}, GB_CNF_SUPER_RESOLUTION, 2, 2, 5, 7, 1, 3, 0)},
    {"one channel, two RRDBs", 3,
     FLOW_CASE(cnf, {3, 5, 1, 6, 10, 1}, GB_CNF_SUPER_RESOLUTION, 1, 1, 3, 4, 2, 2, 0)},
    {"three levels, wide", 1,
     FLOW_CASE(cnf, {8, 4, 2, 16, 8, 2}, GB_CNF_SUPER_RESOLUTION, 3, 1, 33, 17, 1, 16, 0)},
    {"vessels, uniform", 2,
     FLOW_CASE(cnf, {12, 16, 3, 12, 16, 1}, GB_CNF_SEGMENTATION, 2, 2, 5, 6, 0, 0, 0)},
    {"vessels", 3, FLOW_CASE(cnf, {8, 12, 2, 8, 12, 1}, GB_CNF_SEGMENTATION, 1, 2, 4, 5, 0, 0, 2),
     .targets = FLOW_MASK},
    {"vessels of two channels", 1,
     FLOW_CASE(cnf, {16, 12, 3, 16, 12, 2}, GB_CNF_SEGMENTATION, 2, 1, 9, 32, 0, 0, 1),
     .targets = FLOW_MASK},
};
enum { CASES = sizeof cases / sizeof *cases, MAX_THREADS = 3 };

// A case with parameters and inputs.
struct scene {
    struct flow_scene flow;
    struct reference *reference;
    size_t dimensions; // of one target
};

static struct scene scene_new(int index) {
    const struct flow_case *of = &cases[index];
    const uint64_t state = 77 + (uint64_t)index;
    struct scene scene = {.flow = flow_scene_new(of, index % 2 ? FLOW_GAPS : FLOW_DENSE, state),
                          .reference = reference_new(of->kind, &of->config, state)};
    scene.dimensions = reference_elements(scene.flow.y.shape);
    return scene;
}

static void scene_free(struct scene *scene) {
    flow_scene_free(&scene->flow);
    reference_free(scene->reference);
}

static struct gb_model *model_new(const struct scene *scene, struct gb_model_use use,
                                  const struct gb_backend *backend) {
    struct gb_model *model = flow_model_new(&scene->flow, use, backend);
    flow_import(&model->params, scene->reference);
    return model;
}

// What the reference makes of image n, or of other values of y or noise.
static struct reference_density reference_of(const struct scene *scene, int n, const double *y,
                                             const double *noise,
                                             struct reference_outputs outputs) {
    const struct flow_scene *flow = &scene->flow;
    y = y ? y : flow_image(&flow->y, n);
    noise = noise ? noise : flow_image(&flow->noise, n);
    return reference_forward(scene->reference, flow_image(&flow->x, n), y,
                             flow->noisy ? noise : NULL, outputs);
}

static double *doubles(size_t count) {
    return test_calloc(count, sizeof(double));
}

static double *normals(size_t count, uint64_t state) {
    double *values = doubles(count);
    for (size_t i = 0; i < count; i++)
        values[i] = reference_normal(&state);
    return values;
}

// Runs a check over all cases and backends; `same_bits`: those that promise it.
static void check_all(bool same_bits,
                      void (*check)(struct scene *scene, const struct gb_backend *backend)) {
    for (int i = 0; i < CASES; i++) {
        struct scene scene = scene_new(i);
        for (const struct gb_backend *b = NULL; (b = flow_next_backend(b));) {
            if (same_bits && !b->same_bits)
                continue;
            print_message("           %s, %s\n", b->name, cases[i].name);
            check(&scene, b);
        }
        scene_free(&scene);
    }
}

// ---- The references: log-determinants against dense Jacobians ----

typedef void reference_map(const struct scene *scene, const double *in, double *out);

static void target_to_latents(const struct scene *scene, const double *in, double *out) {
    reference_of(scene, 0, in, NULL, (struct reference_outputs){.latents = out});
}

// Standardising by the priors adds a determinant, which makes the prior that of a standard normal.
static void target_to_standard(const struct scene *scene, const double *in, double *out) {
    reference_of(scene, 0, in, NULL, (struct reference_outputs){.standard = out});
}

static void noise_to_target(const struct scene *scene, const double *in, double *out) {
    reference_of(scene, 0, NULL, in, (struct reference_outputs){.v = out});
}

// Checks log|det| of the Jacobian at `v`, by central differences. With a step of 1e-5 their
// truncation and rounding errors are both near 1e-10.
static void check_log_det(const char *name, const struct scene *scene, reference_map *map,
                          const double *v, double expected) {
    const double h = 1e-5;
    size_t n = scene->dimensions;
    double *jacobian = doubles(n * n), *at = doubles(n), *above = doubles(n), *below = doubles(n);
    memcpy(at, v, n * sizeof *at);
    for (size_t j = 0; j < n; j++) {
        at[j] = v[j] + h;
        map(scene, at, above);
        at[j] = v[j] - h;
        map(scene, at, below);
        at[j] = v[j];
        for (size_t i = 0; i < n; i++)
            jacobian[i * n + j] = (above[i] - below[i]) / (2 * h);
    }
    flow_check_close(name, reference_log_abs_det((int)n, jacobian), expected, 1e-7 * (double)n);
    double *const all[] = {jacobian, at, above, below};
    for (int i = 0; i < 4; i++)
        test_free(all[i]);
}

static double log_normal(size_t count, const double *z) {
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += reference_log_normal(z[i]);
    return sum;
}

GB_TEST(test_log_determinants) {
    for (int i = 0; i < CASES; i++) {
        struct scene scene = scene_new(i);
        const size_t n = scene.dimensions;
        const double *y = scene.flow.y.values, *noise = scene.flow.noise.values;
        double *standard = doubles(n);
        struct reference_density d =
            reference_of(&scene, 0, NULL, NULL, (struct reference_outputs){.standard = standard});
        if (scene.flow.noisy) {
            check_log_det("log q", &scene, noise_to_target, noise, log_normal(n, noise) - d.log_q);
        } else {
            check_log_det("log-determinant", &scene, target_to_latents, y, d.log_det);
            check_log_det("log prior", &scene, target_to_standard, y,
                          d.log_det + d.log_prior - log_normal(n, standard));
        }
        test_free(standard);
        scene_free(&scene);
    }
}

// ---- Forward and inverse ----

static void check_latents(const struct scene *scene, const struct gb_model *model, int n,
                          const struct gb_latents *latents, const double *expected) {
    struct gb_latents shapes;
    double *found = doubles(scene->dimensions);
    flow_read_latents(latents, n, found);
    model->kind->latent_shapes(model, &shapes);
    assert_int_equal(latents->count, shapes.count);
    size_t at = 0;
    for (int l = 0; l < shapes.count; l++) {
        const struct gb_tensor *t = &shapes.level[l];
        const size_t count = gb_elements(t) / (size_t)t->n;
        assert_null(t->data);
        assert_true(gb_same_shape(t, &latents->level[l]));
        flow_check_close("latents", flow_relative_error(count, found + at, expected + at), 0,
                         latent_bound);
        at += count;
    }
    assert_int_equal(at, scene->dimensions);
    test_free(found);
}

static void check_forward(struct scene *scene, const struct gb_backend *backend) {
    const struct gb_model_kind *kind = scene->flow.of->kind;
    double log_likelihood[FLOW_MOST_IMAGES], *expected = doubles(scene->dimensions);
    for (int training = 0; training < 2; training++) {
        struct gb_latents latents;
        struct gb_model_use use = {.threads = 2, .gradients = training, .reversible = training};
        struct gb_model *model = model_new(scene, use, backend);
        scene->reference->own_moments = training;
        flow_forward(&scene->flow, model, log_likelihood, &latents);
        for (int n = 0; n < scene->flow.of->batch; n++) {
            struct reference_density d =
                reference_of(scene, n, NULL, NULL, (struct reference_outputs){.latents = expected});
            flow_check_close("log-likelihood", log_likelihood[n], d.log_det + d.log_prior - d.log_q,
                             likelihood_bound(kind) *
                                 (fabs(d.log_det) + fabs(d.log_prior) + fabs(d.log_q)));
            check_latents(scene, model, n, &latents, expected);
        }
        gb_model_free(model);
    }
    scene->reference->own_moments = false;
    test_free(expected);
}

GB_TEST(test_forward) {
    check_all(false, check_forward);
}

// The noise that belongs to y gives y (with a dequantiser, v) back; at another temperature it gives
// what the reference standardises to that noise.
static void check_inverse(struct scene *scene, const struct gb_backend *backend) {
    const float temperature = 0.75f;
    const int batch = scene->flow.of->batch;
    const size_t size = scene->dimensions;
    double *standard = doubles((size_t)batch * size), *v = doubles(size), *back = doubles(size);
    for (int n = 0; n < batch; n++)
        reference_of(scene, n, NULL, NULL,
                     (struct reference_outputs){.standard = standard + (size_t)n * size});
    struct gb_model *model = model_new(scene, (struct gb_model_use){.threads = 2}, backend);
    struct flow_images y = flow_images_new(batch, scene->flow.y.shape, FLOW_GAPS, NULL);
    struct gb_latents noise = flow_noise_new(model, standard);
    assert_ok(model->kind->condition(model, &scene->flow.x.tensor));
    model->kind->inverse(model, &noise, 1, &y.tensor);
    flow_check_gaps(&y);
    for (int n = 0; n < batch; n++) {
        memcpy(v, flow_image(&scene->flow.y, n), size * sizeof *v);
        if (scene->flow.noisy)
            reference_of(scene, n, NULL, NULL, (struct reference_outputs){.v = v});
        flow_read(&y.tensor, n, back);
        flow_check_close("inverse of forward", flow_relative_error(size, back, v), 0, image_bound);
    }
    model->kind->inverse(model, &noise, temperature, &y.tensor);
    for (int n = 0; n < batch && !scene->flow.noisy; n++) {
        flow_read(&y.tensor, n, v);
        reference_of(scene, n, v, NULL, (struct reference_outputs){.standard = back});
        for (size_t i = 0; i < size; i++)
            back[i] /= (double)temperature;
        flow_check_close("noise of a sample",
                         flow_relative_error(size, back, standard + (size_t)n * size), 0,
                         image_bound);
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

// `count` images in turn.
static struct flow_images repeated(const struct flow_images *images, int count) {
    struct flow_images many = flow_images_new(count, images->shape, FLOW_DENSE, NULL);
    for (int n = 0; n < count; n++)
        flow_write(&many.tensor, n, flow_image(images, n % images->tensor.n));
    return many;
}

// Three samples of each x in one model are what one model for each gives.
static void check_samples_per_x(struct scene *scene, const struct gb_backend *backend) {
    enum { SAMPLES = 3 };
    const struct flow_scene *flow = &scene->flow;
    const struct gb_model_kind *kind = flow->of->kind;
    const int batch = flow->of->batch * SAMPLES;
    const size_t size = scene->dimensions;
    struct gb_model_use together = {.batch = batch, .samples_per_x = SAMPLES, .threads = 2};
    struct gb_model *many = model_new(scene, together, backend);
    struct gb_model *one =
        model_new(scene, (struct gb_model_use){.batch = 1, .threads = 1}, backend);
    struct flow_images y = repeated(&flow->y, batch), noise = repeated(&flow->noise, batch);
    struct flow_images sampled = repeated(&flow->y, batch), alone = repeated(&flow->y, 1);
    double *standard = normals((size_t)batch * size, 5), *found = doubles(size);
    double *log_likelihood = doubles((size_t)batch), log_likelihood_of_one;
    struct gb_latents latents = flow_noise_new(many, standard);
    assert_ok(kind->condition(many, &flow->x.tensor));
    assert_ok(
        kind->forward(many, &y.tensor, flow->noisy ? &noise.tensor : NULL, log_likelihood, NULL));
    kind->inverse(many, &latents, 0.5f, &sampled.tensor);
    for (int n = 0; n < batch; n++) {
        const struct gb_tensor own_x = gb_images(&flow->x.tensor, n / SAMPLES, 1);
        const struct gb_tensor own_y = gb_images(&y.tensor, n, 1);
        const struct gb_tensor own_noise = gb_images(&noise.tensor, n, 1);
        struct gb_latents own = flow_noise_new(one, standard + (size_t)n * size);
        assert_ok(kind->condition(one, &own_x));
        assert_ok(kind->forward(one, &own_y, flow->noisy ? &own_noise : NULL,
                                &log_likelihood_of_one, NULL));
        flow_check_close("log-likelihood of a sample", log_likelihood[n], log_likelihood_of_one,
                         likelihood_bound(kind) * 8 * (double)size);
        kind->inverse(one, &own, 0.5f, &alone.tensor);
        flow_read(&sampled.tensor, n, found);
        flow_read(&alone.tensor, 0, alone.values);
        flow_check_close("sample", flow_relative_error(size, found, alone.values), 0, image_bound);
        test_free(own.level[0].data);
    }
    test_free(latents.level[0].data);
    test_free(standard);
    test_free(found);
    test_free(log_likelihood);
    struct flow_images *const all[] = {&y, &noise, &sampled, &alone};
    for (int i = 0; i < 4; i++)
        flow_images_free(all[i]);
    gb_model_free(many);
    gb_model_free(one);
}

GB_TEST(test_samples_per_x) {
    check_all(false, check_samples_per_x);
}

// ---- Gradients ----

// In place of the reference's, where derivatives are read from a file.
static double no_loss(const void *of) {
    (void)of;
    return 0;
}

static double reference_loss(const void *of) {
    const struct scene *scene = of;
    double loss = 0;
    for (int n = 0; n < scene->flow.of->batch; n++) {
        struct reference_density d =
            reference_of(scene, n, NULL, NULL, (struct reference_outputs){0});
        loss += (double)flow_d_log_likelihood[n] * (d.log_det + d.log_prior - d.log_q);
    }
    return loss;
}

enum { PLACE_X = -1, PLACE_Y = -2 }; // of probes; others are the index of a parameter

struct probes {
    int count;
    struct flow_probe *list;
    flow_loss *loss;
};

// Along two random directions and, for c-Glow, two random elements of each tensor.
static void add_probes(struct probes *probes, const char *name, int place, double *tensor,
                       size_t count, const struct scene *scene, uint64_t *state) {
    const int each = scene->flow.of->kind == &gb_cglow_model ? 4 : 2;
    for (int i = 0; i < each; i++)
        probes->list[probes->count++] =
            flow_probe_new(name, place, tensor, count, i >= 2, probes->loss, scene, state);
}

// $GB_TEST_DERIVATIVES: a directory where the reference's derivatives of each case are kept, which
// an emulator reads instead of computing them for minutes.
static FILE *derivatives_open(const struct flow_case *of, const char *mode) {
    const char *directory = getenv("GB_TEST_DERIVATIVES");
    char path[4096];
    if (!directory)
        return NULL;
    snprintf(path, sizeof path, "%s/%d", directory, (int)(of - cases));
    return fopen(path, mode);
}

static void derivatives_keep(const struct probes *probes, FILE *file) {
    for (int i = 0; i < probes->count; i++)
        assert_int_equal(fwrite(&probes->list[i].derivative, sizeof(double), 1, file), 1);
    assert_int_equal(fclose(file), 0);
}

static void derivatives_read(struct probes *probes, FILE *file) {
    for (int i = 0; i < probes->count; i++)
        assert_int_equal(fread(&probes->list[i].derivative, sizeof(double), 1, file), 1);
    assert_int_equal(fgetc(file), EOF);
    fclose(file);
}

// The bias in front of the instance norm of a coupling has no effect.
static bool has_gradient(const struct gb_param *param, const struct flow_case *of) {
    const bool segments = of->kind == &gb_cnf_model && of->config.cnf.kind == GB_CNF_SEGMENTATION;
    return !param->statistic && !(segments && strstr(param->name, "coupling.net.0.bias"));
}

static struct probes probes_new(const struct scene *scene, const struct gb_params *params) {
    const struct flow_scene *flow = &scene->flow;
    const size_t batch = (size_t)flow->of->batch;
    FILE *kept = derivatives_open(flow->of, "rb");
    struct probes probes = {.loss = kept ? no_loss : reference_loss};
    uint64_t state = 9;
    probes.list = test_malloc((size_t)(params->count + 2) * 4 * sizeof *probes.list);
    for (int i = 0; i < params->count; i++) {
        const struct reference_param *param = &scene->reference->params[i];
        if (has_gradient(&params->list[i], flow->of))
            add_probes(&probes, param->name, i, param->value, param->count, scene, &state);
    }
    add_probes(&probes, "dx", PLACE_X, flow->x.values, batch * reference_elements(flow->x.shape),
               scene, &state);
    if (!flow->noisy)
        add_probes(&probes, "dy", PLACE_Y, flow->y.values, batch * scene->dimensions, scene,
                   &state);
    if (kept)
        derivatives_read(&probes, kept);
    else if ((kept = derivatives_open(flow->of, "wb")))
        derivatives_keep(&probes, kept);
    return probes;
}

// Whether a float gradient, in the reference's order, agrees; says so if not.
static bool agrees(const struct gb_model_kind *kind, const struct flow_probe *probe,
                   const double *gradient) {
    const bool cglow = kind == &gb_cglow_model;
    const double length = sqrt(flow_dot(probe->count, gradient, gradient));
    const double error =
        fabs(flow_dot(probe->count, gradient, probe->direction) - probe->derivative);
    // The rounding error of the central differences is absolute. A bias that an instance norm
    // follows has no effect: its gradient is rounding errors of sums over all pixels.
    const double differences = cglow ? 1e-6 : 2e-6, no_effect = 1e-3;
    const bool right = !cglow && fabs(probe->derivative) <= differences
                           ? length <= no_effect
                           : length > 0 && error <= gradient_bound(kind) * length + differences;
    if (!right)
        print_error("%s: a derivative of %.9g is off by %.3g; the gradient's length is %.3g\n",
                    probe->name, probe->derivative, error, length);
    return right;
}

static double *image_gradient(const struct flow_images *images) {
    const size_t size = reference_elements(images->shape);
    double *gradient = doubles((size_t)images->tensor.n * size);
    for (int n = 0; n < images->tensor.n; n++)
        flow_read(&images->tensor, n, gradient + (size_t)n * size);
    return gradient;
}

static void check_gradients(const struct scene *scene, const struct probes *probes,
                            const struct gb_backend *backend, bool reversible) {
    const struct flow_scene *flow = &scene->flow;
    const struct gb_model_use use = {
        .threads = 2, .gradients = true, .input_gradient = true, .reversible = reversible};
    struct gb_model *model = model_new(scene, use, backend);
    const struct gb_params *params = &model->params;
    struct flow_images dx = flow_images_new(flow->of->batch, flow->x.shape, FLOW_GAPS, NULL);
    struct flow_images dy = flow_images_new(flow->of->batch, flow->y.shape, FLOW_GAPS, NULL);
    double log_likelihood[FLOW_MOST_IMAGES];
    flow_forward(flow, model, log_likelihood, NULL);
    model->kind->backward(model, flow_d_log_likelihood, NULL, &dx.tensor,
                          flow->noisy ? NULL : &dy.tensor);
    flow_check_gaps(&dx);
    flow_check_gaps(&dy);
    int wrong = 0;
    for (int i = 0; i < probes->count; i++) {
        const int place = probes->list[i].place;
        double *gradient = place >= 0 ? flow_export_block(params, place, params->gradient)
                                      : image_gradient(place == PLACE_X ? &dx : &dy);
        wrong += !agrees(model->kind, &probes->list[i], gradient);
        test_free(gradient);
    }
    if (wrong)
        fail_msg("%d of %d derivatives are wrong", wrong, probes->count);
    flow_images_free(&dx);
    flow_images_free(&dy);
    gb_model_free(model);
}

static void test_gradients(void **state) {
    const struct flow_case *of = *state;
    struct scene scene = scene_new((int)(of - cases));
    scene.reference->own_moments = true;
    struct gb_model *model =
        model_new(&scene, (struct gb_model_use){.threads = 1}, flow_next_backend(NULL));
    struct probes probes = probes_new(&scene, &model->params);
    for (const struct gb_backend *b = NULL; (b = flow_next_backend(b));)
        for (int reversible = 0; reversible < 2; reversible++) {
            print_message("           %s%s\n", b->name, reversible ? ", reversible" : "");
            check_gradients(&scene, &probes, b, reversible);
        }
    for (int p = 0; p < probes.count; p++)
        test_free(probes.list[p].direction);
    test_free(probes.list);
    gb_model_free(model);
    scene_free(&scene);
}

// A test of each case: the quotients take most of the time of all tests.
__attribute__((constructor)) static void add_gradients(void) {
    static char names[CASES][64];
    for (int i = 0; i < CASES; i++) {
        snprintf(names[i], sizeof names[i], "test_gradients: %s", cases[i].name);
        gb_test_add(&(struct CMUnitTest){.name = names[i],
                                         .test_func = test_gradients,
                                         .initial_state = (void *)(uintptr_t)&cases[i]});
    }
}

// ---- The same bits for any number of threads ----

static void check_threads(struct scene *scene, const struct gb_backend *backend) {
    const float d_log_likelihood[FLOW_MOST_IMAGES] = {-1, -1, -1};
    for (int reversible = 0; reversible < 2; reversible++) {
        struct gb_model *models[MAX_THREADS];
        double log_likelihood[MAX_THREADS][FLOW_MOST_IMAGES] = {0};
        for (int t = 0; t < MAX_THREADS; t++) {
            struct gb_model_use use = {
                .threads = t + 1, .training = true, .reversible = reversible};
            models[t] = model_new(scene, use, backend);
        }
        for (long step = 1; step <= 10; step++)
            for (int t = 0; t < MAX_THREADS; t++) {
                const struct gb_adam adam = flow_adam(step, 0.25f);
                flow_forward(&scene->flow, models[t], log_likelihood[t], NULL);
                models[t]->kind->backward(models[t], d_log_likelihood, &adam, NULL, NULL);
                assert_memory_equal(log_likelihood[t], log_likelihood[0], sizeof *log_likelihood);
            }
        for (int t = 1; t < MAX_THREADS; t++)
            flow_check_same_state(&models[0]->params, &models[t]->params);
        for (int t = 0; t < MAX_THREADS; t++)
            gb_model_free(models[t]);
    }
}

GB_TEST(test_threads) {
    check_all(true, check_threads);
}

static void check_sample_threads(struct scene *scene, const struct gb_backend *backend) {
    const int batch = scene->flow.of->batch;
    double *values = normals((size_t)batch * scene->dimensions, 3);
    struct flow_images y[MAX_THREADS];
    for (int t = 0; t < MAX_THREADS; t++) {
        struct gb_model *model = model_new(scene, (struct gb_model_use){.threads = t + 1}, backend);
        struct gb_latents noise = flow_noise_new(model, values);
        y[t] = flow_images_new(batch, scene->flow.y.shape, FLOW_DENSE, NULL);
        assert_ok(model->kind->condition(model, &scene->flow.x.tensor));
        model->kind->inverse(model, &noise, 0.8f, &y[t].tensor);
        assert_memory_equal(y[t].memory, y[0].memory, y[0].floats * sizeof *y[0].memory);
        test_free(noise.level[0].data);
        gb_model_free(model);
    }
    for (int t = 0; t < MAX_THREADS; t++)
        flow_images_free(&y[t]);
    test_free(values);
}

GB_TEST(test_sample_threads) {
    check_all(true, check_sample_threads);
}

// ---- Memory and refusals ----

GB_TEST(test_memory) {
    const struct gb_model_use uses[] = {{.threads = 1},
                                        {.threads = 1, .training = true, .reversible = true},
                                        {.threads = 1, .training = true}};
    for (int i = 0; i < CASES; i++) {
        struct scene scene = scene_new(i);
        size_t bytes[3];
        for (int u = 0; u < 3; u++) {
            struct gb_model *model = model_new(&scene, uses[u], flow_next_backend(NULL));
            bytes[u] = model->arena.bytes;
            assert_true(model->step_flops > 0);
            gb_model_free(model);
        }
        const bool cglow = cases[i].kind == &gb_cglow_model;
        const int steps = cglow ? cases[i].config.cglow.steps : cases[i].config.cnf.steps;
        assert_true(bytes[0] < bytes[2]);
        assert_true(steps == 1 || bytes[1] < bytes[2]);
        scene_free(&scene);
    }
}

static void fill(const struct gb_params *params, int index, float value) {
    const struct gb_param *param = &params->list[index];
    for (size_t e = 0; e < param->size; e++)
        params->value[param->offset + e] = value;
}

// W = 0 has no log-determinant, and neither has NaN: that of the last step. In c-Glow it is what
// the last layer of a network gives, its weight and bias.
static void check_singular(struct scene *scene, const struct gb_backend *backend) {
    for (int poison = 0; poison < 2; poison++) {
        struct gb_model *model = model_new(scene, (struct gb_model_use){.threads = 2}, backend);
        const struct gb_params *params = &model->params;
        const bool cglow = model->kind == &gb_cglow_model;
        int last = -1;
        for (int i = 0; i < params->count; i++)
            if (strncmp(params->list[i].name, "levels.", 7) == 0 &&
                strstr(params->list[i].name, cglow ? ".mix.fc.2.weight" : ".mix.weight"))
                last = i;
        assert_true(last >= 0);
        fill(params, last, poison ? NAN : 0);
        if (cglow)
            fill(params, last + 1, poison ? NAN : 0);
        enum gb_status status = model->kind->condition(model, &scene->flow.x.tensor);
        assert_error(status, GB_CHECK_FAILED, "singular or not finite");
        gb_model_free(model);
    }
}

GB_TEST(test_singular_matrices) {
    check_all(false, check_singular);
}

GB_TEST(test_bits_per_dimension) {
    // A standard normal's expected log density is -0.5 * (1 + ln 2 pi) a dimension.
    flow_check_close("bits", gb_bits_per_dimension(-1.4189385332046727 * 300, 300),
                     2.0470955851806896, 1e-12);
    flow_check_close("bits", gb_bits_per_dimension(0, 7), 0, 0);
}
