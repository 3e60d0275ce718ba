// SPDX-License-Identifier: MIT
// Models that are one feed-forward network (flows/models/regression.h), each in a tiny
// configuration: gradients against differences, every backend against the reference, predictions,
// files, refusals, and what is special to each model.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "flows/files/checkpoint.h"
#include "flows/models/model.h"
#include "tests/flows/flow_check.h"

// Relative errors, of a backend against the reference, and of gradients against differences in
// float, whose two sides may lie on two sides of a ReLU or of a choice of max-pooling (0.02 seen).
static const double backend_bound = 2e-5;
static const double difference_bound = 0.03;

enum targets { REAL, LEVELS, MASK, LABELS };

struct model_case {
    const char *name;
    const struct gb_model_kind *kind;
    union gb_model_config config;
    enum targets targets;
    bool input_gradient;
    double spread; // of weights whose gradients are neither lost in rounding nor steep
};

static const struct model_case cases[] = {
    {"factored, super-resolution",
     &gb_factored_model,
     {.factored = {{4, 6, 3, 8, 12, 3}, GB_CNF_SUPER_RESOLUTION, 6, 1, 4, 0, 0}},
     LEVELS,
     true,
     0.9},
    {"factored, segmentation",
     &gb_factored_model,
     {.factored = {{16, 8, 3, 16, 8, 1}, GB_CNF_SEGMENTATION, 5, 0, 0, 2, 90}},
     MASK,
     true,
     0.9},
    {"DnCNN", &gb_dncnn_model, {.dncnn = {{8, 6, 3, 8, 6, 3}, 4, 5}}, REAL, true, 0.9},
    {"SRCNN", &gb_srcnn_model, {.srcnn = {{5, 6, 3, 10, 12, 3}, 7, 4}}, REAL, false, 0.9},
    {"feed-forward network", &gb_ffn_model, {.ffn = {{16, 8, 3, 8, 4, 2}, 2, 4}}, REAL, true, 0.9},
    {"FCN-8s of a mask",
     &gb_fcn_model,
     {.fcn = {{32, 64, 3, 32, 64, 1}, GB_FCN_ZERO_ONE, 2}},
     MASK,
     true,
     1.2},
    {"FCN-8s of labels",
     &gb_fcn_model,
     {.fcn = {{64, 32, 3, 64, 32, 3}, GB_FCN_ZERO_ONE, 1}},
     LABELS,
     true,
     1.2},
};
enum { CASES = sizeof cases / sizeof *cases, BATCH = 2 };
static const float d_log_likelihood[] = {-0.5f, -0.25f};

struct scene {
    const struct model_case *of;
    struct flow_images x, y;
    struct gb_model_shapes shapes;
    uint64_t state;
};

static void make_targets(struct scene *scene) {
    size_t size = reference_elements(scene->y.shape);
    size_t pixels = size / (size_t)scene->y.shape.c;
    for (int n = 0; n < BATCH; n++) {
        double *y = flow_image(&scene->y, n);
        for (size_t i = 0; i < size; i++)
            if (scene->of->targets == LEVELS)
                y[i] = fmin(fmax(floor(128 + 50 * y[i]), 0), 255) / 256;
            else if (scene->of->targets == MASK)
                y[i] = y[i] > 0.5;
            else if (scene->of->targets == LABELS)
                y[i] = i / pixels == i % pixels / 7 % (size_t)scene->y.shape.c;
        flow_write(&scene->y.tensor, n, y);
    }
}

static struct scene scene_new(const struct model_case *of) {
    struct scene scene = {.of = of, .state = 71 + (uint64_t)(of - cases)};
    assert_ok(of->kind->check(&of->config));
    gb_model_shapes(of->kind, &of->config, BATCH, &scene.shapes);
    assert_int_equal(scene.shapes.dequantisation, GB_NOT_DEQUANTISED);
    const struct gb_tensor *x = &scene.shapes.x, *y = &scene.shapes.y;
    scene.x =
        flow_images_new(BATCH, (struct reference_shape){x->c, x->h, x->w}, FLOW_GAPS, &scene.state);
    scene.y =
        flow_images_new(BATCH, (struct reference_shape){y->c, y->h, y->w}, FLOW_GAPS, &scene.state);
    make_targets(&scene);
    return scene;
}

static void scene_free(struct scene *scene) {
    flow_images_free(&scene->x);
    flow_images_free(&scene->y);
}

static struct gb_model *model_new(const struct scene *scene, struct gb_model_use use,
                                  const struct gb_backend *backend) {
    struct gb_model *model;
    use.batch = use.batch ? use.batch : BATCH;
    use.samples_per_x = use.samples_per_x ? use.samples_per_x : 1;
    assert_ok(gb_model_create(scene->of->kind, &scene->of->config, &use, backend, &model));
    assert_ok(gb_params_initialise(&model->params, 5));
    return model;
}

static const struct gb_backend *scalar(void) {
    const struct gb_backend *backend;
    assert_ok(gb_backend_find("scalar", &backend));
    return backend;
}

static void forward(const struct scene *scene, struct gb_model *model,
                    double log_likelihood[BATCH]) {
    assert_ok(scene->of->kind->condition(model, &scene->x.tensor));
    assert_ok(scene->of->kind->forward(model, &scene->y.tensor, NULL, log_likelihood, NULL));
}

static double loss(const struct scene *scene, struct gb_model *model) {
    double log_likelihood[BATCH], sum = 0;
    forward(scene, model, log_likelihood);
    for (int n = 0; n < BATCH; n++)
        sum += (double)d_log_likelihood[n] * log_likelihood[n];
    return sum;
}

// Uniform numbers of the model's noise, dense; free level[0].data.
static struct gb_latents noise_new(const struct scene *scene, const struct gb_model *model) {
    struct gb_latents noise;
    scene->of->kind->latent_shapes(model, &noise);
    assert_int_equal(noise.count, scene->of->kind->point_estimate ? 0 : 1);
    const struct gb_random_key key = {.seed = 3, .purpose = GB_RANDOM_TEST};
    size_t count = gb_elements(&noise.level[0]);
    float *numbers = test_malloc(count * sizeof *numbers);
    for (size_t i = 0; i < count; i++)
        numbers[i] = gb_random_uniform(&key, (uint32_t)i);
    noise.level[0].data = numbers;
    return noise;
}

static void for_every_case(void (*check)(struct scene *scene)) {
    for (int i = 0; i < CASES; i++) {
        print_message("           %s\n", cases[i].name);
        struct scene scene = scene_new(&cases[i]);
        check(&scene);
        scene_free(&scene);
    }
}

// ---- gradients ----

static double length_of(size_t count, const float *v) {
    double square = 0;
    for (size_t i = 0; i < count; i++)
        square += (double)v[i] * (double)v[i];
    return sqrt(square);
}

// The loss's slope in the direction of `gradient`, which is the gradient's length where it is
// right.
static double slope_along(const struct scene *scene, struct gb_model *model, float *at,
                          size_t count, const float *gradient, double step) {
    double length = length_of(count, gradient), side[2];
    float *kept = test_malloc(count * sizeof *kept);
    memcpy(kept, at, count * sizeof *kept);
    for (int s = 0; s < 2; s++) {
        for (size_t i = 0; i < count; i++)
            at[i] = (float)(kept[i] + (s ? step : -step) * gradient[i] / length);
        side[s] = loss(scene, model);
    }
    memcpy(at, kept, count * sizeof *kept);
    test_free(kept);
    return (side[1] - side[0]) / (2 * step);
}

static void check_slope(const struct scene *scene, struct gb_model *model, const char *name,
                        float *at, size_t count, const float *gradient) {
    // A step as short as the loss's rounding errors let it be: few ReLUs turn on the way.
    const double rounding = 2e-7 * fabs(loss(scene, model)), longest = 5e-3;
    double length = length_of(count, gradient);
    double step = fmin(longest, 50 * rounding / length), noise = rounding / step;
    if (length <= noise)
        return; // such as biases in front of an instance norm, which have no effect
    double slope = slope_along(scene, model, at, count, gradient, step);
    if (!(fabs(slope - length) <= difference_bound * length + noise))
        fail_msg("%s, %s: a gradient of length %g, but a slope of %g", scene->of->name, name,
                 length, slope);
}

// Weights of one size in all layers: those that start small have small gradients.
static void start_alike(struct gb_params *params, double spread) {
    for (int i = 0; i < params->count; i++) {
        struct gb_param *param = &params->list[i];
        double inputs = (double)gb_param_elements(param) / param->shape[0];
        param->init = (struct gb_init){GB_INIT_NORMAL,
                                       (float)(param->dims > 1 ? spread / sqrt(inputs) : 0.1)};
    }
    assert_ok(gb_params_initialise(params, 6));
}

static void check_gradients(struct scene *scene) {
    struct gb_model_use use = {
        .threads = 1, .gradients = true, .input_gradient = scene->of->input_gradient};
    struct gb_model *model = model_new(scene, use, scalar());
    struct gb_params *params = &model->params;
    struct flow_images dx = flow_images_new(BATCH, scene->x.shape, FLOW_GAPS, NULL);
    start_alike(params, scene->of->spread);
    loss(scene, model);
    scene->of->kind->backward(model, d_log_likelihood, NULL,
                              scene->of->input_gradient ? &dx.tensor : NULL, NULL);
    for (int i = 0; i < params->count; i++) {
        const struct gb_param *param = &params->list[i];
        check_slope(scene, model, param->name, params->value + param->offset, param->size,
                    params->gradient + param->offset);
    }
    flow_check_gaps(&dx);
    if (scene->of->input_gradient) {
        // Where both have gaps, so that the gradient's and the images' elements coincide.
        for (size_t i = 0; i < dx.floats; i++)
            dx.memory[i] = isnan(dx.memory[i]) ? 0 : dx.memory[i];
        check_slope(scene, model, "x", scene->x.memory, scene->x.floats, dx.memory);
    }
    flow_images_free(&dx);
    gb_model_free(model);
}

GB_TEST(test_gradients) {
    for_every_case(check_gradients);
}

// ---- backends ----

static void check_backends(struct scene *scene) {
    struct gb_model_use use = {.threads = 2, .gradients = true};
    double expected[BATCH], found[BATCH];
    struct gb_model *reference = model_new(scene, use, scalar());
    const struct gb_params *of_reference = &reference->params;
    forward(scene, reference, expected);
    scene->of->kind->backward(reference, d_log_likelihood, NULL, NULL, NULL);
    for (const struct gb_backend *b = NULL; (b = flow_next_backend(b));) {
        struct gb_model *model = model_new(scene, use, b);
        const struct gb_params *params = &model->params;
        forward(scene, model, found);
        scene->of->kind->backward(model, d_log_likelihood, NULL, NULL, NULL);
        for (int n = 0; n < BATCH; n++)
            flow_check_close("log-likelihood", found[n], expected[n],
                             backend_bound * fabs(expected[n]));
        for (int i = 0; i < params->count; i++) {
            size_t count = gb_param_elements(&params->list[i]);
            double *want = flow_export_block(of_reference, i, of_reference->gradient);
            double *got = flow_export_block(params, i, params->gradient);
            double square = 0;
            for (size_t e = 0; e < count; e++)
                square += want[e] * want[e];
            if (sqrt(square) > 1e-4 * (double)count)
                flow_check_close(params->list[i].name, flow_relative_error(count, got, want), 0,
                                 10 * backend_bound);
            test_free(want);
            test_free(got);
        }
        gb_model_free(model);
    }
    gb_model_free(reference);
}

GB_TEST(test_backends) {
    for_every_case(check_backends);
}

static void train(const struct scene *scene, struct gb_model *model, const struct gb_adam *adam) {
    loss(scene, model);
    scene->of->kind->backward(model, d_log_likelihood, adam, NULL, NULL);
}

// ---- answers ----

static void answer(const struct scene *scene, struct gb_model *model, const struct gb_tensor *x,
                   float temperature, const struct flow_images *y) {
    struct gb_latents noise = noise_new(scene, model);
    assert_ok(scene->of->kind->condition(model, x));
    scene->of->kind->inverse(model, &noise, temperature, &y->tensor);
    flow_check_gaps(y);
    test_free(noise.level[0].data);
}

// Samples of one x differ where there are samples, and at temperature 0 do not; they are what a
// model for each x gives.
static void check_answers(struct scene *scene) {
    enum { SAMPLES = 2 };
    const struct gb_model_kind *kind = scene->of->kind;
    struct gb_model_use use = {.batch = SAMPLES, .samples_per_x = SAMPLES, .threads = 2};
    struct gb_model *model = model_new(scene, use, flow_next_backend(NULL));
    struct gb_model *single =
        model_new(scene, (struct gb_model_use){.threads = 1}, flow_next_backend(NULL));
    struct flow_images y = flow_images_new(SAMPLES, scene->y.shape, FLOW_GAPS, NULL);
    struct flow_images alone = flow_images_new(BATCH, scene->y.shape, FLOW_GAPS, NULL);
    struct gb_tensor x = gb_images(&scene->x.tensor, 0, 1);
    size_t size = reference_elements(scene->y.shape);
    for (int hot = 0; hot < 2; hot++) {
        answer(scene, model, &x, (float)hot, &y);
        answer(scene, single, &scene->x.tensor, (float)hot, &alone);
        for (int n = 0; n < SAMPLES; n++)
            flow_read(&y.tensor, n, flow_image(&y, n));
        flow_read(&alone.tensor, 0, flow_image(&alone, 0));
        bool same = memcmp(flow_image(&y, 0), flow_image(&y, 1), size * sizeof *y.values) == 0;
        assert_true(same == (!hot || kind->point_estimate));
        assert_memory_equal(flow_image(&y, 0), flow_image(&alone, 0), size * sizeof *y.values);
        for (size_t i = 0; i < SAMPLES * size; i++) {
            if (scene->of->targets == LEVELS)
                assert_true(y.values[i] >= 0 && y.values[i] * 256 == floor(y.values[i] * 256));
            if (scene->of->targets == LABELS)
                assert_true(y.values[i] > 0 && y.values[i] < 1);
            if (scene->of->targets == MASK)
                assert_true(hot && !kind->point_estimate ? y.values[i] == 0 || y.values[i] == 1
                                                         : y.values[i] > 0 && y.values[i] < 1);
        }
    }
    flow_images_free(&y);
    flow_images_free(&alone);
    gb_model_free(model);
    gb_model_free(single);
}

GB_TEST(test_predictions) {
    for_every_case(check_answers);
}

// ---- files ----

static void check_files(struct scene *scene) {
    const struct gb_model_kind *kind = scene->of->kind;
    struct gb_model_use use = {.threads = 2, .training = true};
    char path[] = "/tmp/test_regression_XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    struct gb_model *trained = model_new(scene, use, flow_next_backend(NULL));
    for (long step = 1; step <= 2; step++) {
        struct gb_adam adam = flow_adam(step, 0.25f);
        train(scene, trained, &adam);
    }
    json_t *metadata = json_object(), *read;
    assert_ok(gb_config_to_metadata(&scene->of->config, kind->table, metadata));
    assert_ok(gb_checkpoint_save(path, &trained->params, metadata));
    json_decref(metadata);

    union gb_model_config config = {0};
    assert_ok(gb_checkpoint_metadata(path, &read));
    assert_ok(gb_config_from_metadata(read, path, kind->table, &config));
    json_decref(read);
    assert_memory_equal(&config, &scene->of->config, sizeof config);
    struct gb_model *loaded = model_new(scene, use, flow_next_backend(NULL));
    assert_ok(gb_checkpoint_load(path, &loaded->params, GB_CHECKPOINT_RESUMED));
    flow_check_same_state(&trained->params, &loaded->params);
    gb_model_free(trained);
    gb_model_free(loaded);
    unlink(path);
}

GB_TEST(test_files) {
    for_every_case(check_files);
}

// ---- refusals ----

static void check_refusals(struct scene *scene) {
    const struct gb_model_kind *kind = scene->of->kind;
    const struct gb_model_use use = {.batch = 1, .samples_per_x = 1, .threads = 1};
    for (int i = 0; i < kind->table->count; i++)
        for (int above = 0; above < 2; above++) {
            const struct gb_config_field *field = &kind->table->fields[i];
            union gb_model_config bad = scene->of->config;
            struct gb_model *model = (void *)scene; // not a model: create must clear it
            gb_config_set(&bad, field, above ? field->max + 1 : field->min - 1);
            flow_check_refused(gb_model_create(kind, &bad, &use, scalar(), &model), GB_BAD_INPUT);
            assert_null(model);
        }
    union gb_model_config bad = scene->of->config;
    const struct gb_tensor *y = &scene->shapes.y;
    gb_config_set(&bad, gb_config_find(kind->table, "y_height"), y->h + 1);
    flow_check_refused(kind->check(&bad), GB_BAD_INPUT);
}

GB_TEST(test_refusals) {
    for_every_case(check_refusals);
}

static void check_likelihood_that_is_not_finite(struct scene *scene) {
    double log_likelihood[BATCH];
    struct gb_model *model =
        model_new(scene, (struct gb_model_use){.threads = 2}, flow_next_backend(NULL));
    struct gb_params *params = &model->params;
    params->value[params->list[params->count - 1].offset] = NAN; // the last bias
    assert_ok(scene->of->kind->condition(model, &scene->x.tensor));
    flow_check_refused(
        scene->of->kind->forward(model, &scene->y.tensor, NULL, log_likelihood, NULL),
        GB_CHECK_FAILED);
    gb_model_free(model);
}

GB_TEST(test_likelihood_that_is_not_finite) {
    for_every_case(check_likelihood_that_is_not_finite);
}

// ---- single models ----

static void check_match(const struct gb_cnf_config *flow, double bound) {
    struct gb_factored_config config;
    size_t wanted, found;
    struct gb_model *model;
    const struct gb_model_use use = {.batch = 1, .samples_per_x = 1, .threads = 1};
    assert_ok(gb_model_parameters(&gb_cnf_model, flow, &wanted));
    assert_ok(gb_factored_match(flow, &config));
    assert_ok(gb_model_create(&gb_factored_model, &config, &use, scalar(), &model));
    found = gb_params_elements(&model->params);
    print_message("           growth %d, %d channels: %zu parameters for %zu\n", config.growth,
                  config.channels, found, wanted);
    flow_check_close("parameters", (double)found, (double)wanted, bound * (double)wanted);
    gb_model_free(model);
}

// The factored baseline has its flow's number of parameters.
GB_TEST(test_parameters_of_factored) {
    const struct gb_cnf_config paper = {
        {16, 16, 3, 32, 32, 3}, GB_CNF_SUPER_RESOLUTION, 2, 8, 128, 512, 16, 32, 0};
    const struct gb_cnf_config small = {
        {16, 16, 3, 32, 32, 3}, GB_CNF_SUPER_RESOLUTION, 2, 4, 64, 128, 4, 16, 0};
    const struct gb_cnf_config vessels = {
        {64, 64, 3, 64, 64, 1}, GB_CNF_SEGMENTATION, 2, 2, 32, 32, 0, 0, 2};
    check_match(&paper, 0.02);
    check_match(&small, 0.02);
    check_match(&vessels, 0.02);
}

// Given sizes stay; the growth follows from the flow or is given too.
GB_TEST(test_factored_of_its_own) {
    const struct gb_cnf_config flow = {
        {16, 16, 3, 32, 32, 3}, GB_CNF_SUPER_RESOLUTION, 3, 4, 24, 48, 2, 16, 0};
    struct gb_factored_config config = {
        .channels = 40, .growth = GB_FOLLOWS, .ones_percent = GB_FOLLOWS};
    struct gb_factored_parameters parameters;
    assert_ok(gb_factored_follow(&flow, &config, &parameters));
    assert_true(config.channels == 40 && config.rrdb_blocks == 2 && config.levels == 0);
    flow_check_close("parameters", (double)parameters.baseline, (double)parameters.flow,
                     0.02 * (double)parameters.flow);
    config.growth = 7;
    assert_ok(gb_factored_follow(&flow, &config, &parameters));
    assert_true(config.growth == 7 && parameters.flow == 0);
    struct gb_cnf_config none = flow;
    none.rrdb_blocks = 0;
    config.growth = GB_FOLLOWS;
    assert_int_equal(gb_factored_follow(&none, &config, &parameters), GB_BAD_INPUT);
}

// Training leaves the normaliser of Eq. 9 out; a trained model is scored with it.
GB_TEST(test_normaliser_of_factored) {
    struct scene scene = scene_new(&cases[1]);
    double weighted[BATCH], normalised[BATCH];
    struct gb_model *trained =
        model_new(&scene, (struct gb_model_use){.threads = 1, .training = true}, scalar());
    struct gb_model *scored = model_new(&scene, (struct gb_model_use){.threads = 1}, scalar());
    forward(&scene, trained, weighted);
    forward(&scene, scored, normalised);
    for (int n = 0; n < BATCH; n++)
        assert_true(normalised[n] < 0 && fabs(normalised[n] - weighted[n]) > 1);
    gb_model_free(trained);
    gb_model_free(scored);
    scene_free(&scene);
}

// What enlarges FCN's scores starts as bilinear interpolation, each class for itself.
GB_TEST(test_start_of_fcn) {
    static const int kernel[] = {1, 2, 1, 2, 4, 2, 1, 2, 1};
    struct scene scene = scene_new(&cases[CASES - 1]);
    struct gb_model *model = model_new(&scene, (struct gb_model_use){.threads = 1}, scalar());
    const struct gb_params *params = &model->params;
    int index = gb_params_find(params, "enlarge.4.weight"), classes = scene.y.shape.c;
    double *weight = flow_export_block(params, index, params->value);
    for (int o = 0; o < classes; o++)
        for (int i = 0; i < classes; i++)
            for (int k = 0; k < 9; k++)
                assert_true(weight[(o * classes + i) * 9 + k] == (o == i ? kernel[k] / 16.0 : 0));
    test_free(weight);
    gb_model_free(model);
    scene_free(&scene);
}

// Masks around 0 are the same masks: the same likelihood and gradients, and answers half lower.
GB_TEST(test_centred_targets) {
    struct model_case centred = cases[CASES - 2];
    centred.config.fcn.targets = GB_FCN_CENTRED;
    struct scene scene = scene_new(&cases[CASES - 2]), other = scene_new(&cases[CASES - 2]);
    const struct gb_model_use use = {.threads = 2, .training = true, .gradients = true};
    assert_ok(gb_fcn_model.check(&centred.config));
    centred.config.fcn.sizes.y_c = 3;
    flow_check_refused(gb_fcn_model.check(&centred.config), GB_BAD_INPUT);
    centred.config.fcn.sizes.y_c = 1;
    struct gb_tensor *y = &other.y.tensor;
    for (int n = 0; n < BATCH; n++)
        for (int i = 0; i < y->h; i++)
            for (int j = 0; j < y->w; j++)
                *gb_at(y, n, i, j) -= 0.5f;
    struct gb_model *plain = model_new(&scene, use, flow_next_backend(NULL));
    other.of = &centred;
    struct gb_model *shifted = model_new(&other, use, flow_next_backend(NULL));
    train(&scene, plain, NULL);
    train(&other, shifted, NULL);
    const struct gb_params *a = &plain->params, *b = &shifted->params;
    assert_memory_equal(a->gradient, b->gradient, a->bytes);
    answer(&scene, plain, &scene.x.tensor, 1, &scene.y);
    answer(&other, shifted, &other.x.tensor, 1, &other.y);
    for (int n = 0; n < BATCH; n++)
        for (int i = 0; i < y->h; i++)
            for (int j = 0; j < y->w; j++)
                assert_true(*gb_at(y, n, i, j) == *gb_at(&scene.y.tensor, n, i, j) - 0.5f);
    gb_model_free(plain);
    gb_model_free(shifted);
    scene_free(&scene);
    scene_free(&other);
}
