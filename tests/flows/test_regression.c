// SPDX-License-Identifier: MIT
// Models that are one feed-forward network (flows/models/regression.h), each in a tiny
// configuration: gradients against differences, every backend against the reference, predictions,
// and what is special to each model.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "flows/models/model.h"
#include "tests/flows/flow_check.h"

// Relative errors, of a backend against the reference, and of gradients against differences in
// float, whose two sides may lie on two sides of a ReLU or of a choice of max-pooling (0.02 seen).
static const double backend_bound = 2e-5;
static const double difference_bound = 0.03;

enum { BATCH = 2 };
static const float d_log_likelihood[] = {-0.5f, -0.25f};

static struct gb_model *model_new(const struct flow_scene *scene, struct gb_model_use use,
                                  const struct gb_backend *backend) {
    struct gb_model *model = flow_model_new(scene, use, backend);
    assert_ok(gb_params_initialise(&model->params, 5));
    return model;
}

static double loss(const struct flow_scene *scene, struct gb_model *model) {
    double log_likelihood[FLOW_MOST_IMAGES], sum = 0;
    flow_forward(scene, model, log_likelihood, NULL);
    for (int n = 0; n < BATCH; n++)
        sum += (double)d_log_likelihood[n] * log_likelihood[n];
    return sum;
}

// Uniform numbers of the model's noise, dense; free level[0].data.
static struct gb_latents noise_new(const struct flow_scene *scene, const struct gb_model *model) {
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

static void for_every_case(void (*check)(struct flow_scene *scene)) {
    for (const struct flow_case *of = flow_models; of->name; of++) {
        if (!of->kind->form)
            continue;
        print_message("           %s\n", of->name);
        struct flow_scene scene = flow_scene_new(of, FLOW_GAPS, 67 + (uint64_t)(of - flow_models));
        check(&scene);
        flow_scene_free(&scene);
    }
}

static const struct flow_case *case_named(const char *name) {
    const struct flow_case *of = flow_models;
    while (strcmp(of->name, name) != 0)
        of++;
    return of;
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
static double slope_along(const struct flow_scene *scene, struct gb_model *model, float *at,
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

static void check_slope(const struct flow_scene *scene, struct gb_model *model, const char *name,
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

// Weights of one size in all layers, so that gradients are neither lost in rounding nor steep.
static void start_alike(struct gb_params *params, double spread) {
    for (int i = 0; i < params->count; i++) {
        struct gb_param *param = &params->list[i];
        double inputs = (double)gb_param_elements(param) / param->shape[0];
        param->init = (struct gb_init){GB_INIT_NORMAL,
                                       (float)(param->dims > 1 ? spread / sqrt(inputs) : 0.1)};
    }
    assert_ok(gb_params_initialise(params, 6));
}

static void check_gradients(struct flow_scene *scene) {
    const bool takes_dx = scene->of->kind != &gb_srcnn_model; // bicubic upsampling has no backward
    const double spread = scene->of->kind == &gb_fcn_model ? 1.2 : 0.9;
    const struct gb_model_use use = {.threads = 1, .gradients = true, .input_gradient = takes_dx};
    struct gb_model *model = model_new(scene, use, flow_scalar());
    struct gb_params *params = &model->params;
    struct flow_images dx = flow_images_new(BATCH, scene->x.shape, FLOW_GAPS, NULL);
    start_alike(params, spread);
    loss(scene, model);
    scene->of->kind->backward(model, d_log_likelihood, NULL, takes_dx ? &dx.tensor : NULL, NULL);
    for (int i = 0; i < params->count; i++) {
        const struct gb_param *param = &params->list[i];
        check_slope(scene, model, param->name, params->value + param->offset, param->size,
                    params->gradient + param->offset);
    }
    flow_check_gaps(&dx);
    if (takes_dx) {
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

static void check_backends(struct flow_scene *scene) {
    struct gb_model_use use = {.threads = 2, .gradients = true};
    double expected[FLOW_MOST_IMAGES], found[FLOW_MOST_IMAGES];
    struct gb_model *reference = model_new(scene, use, flow_scalar());
    const struct gb_params *of_reference = &reference->params;
    flow_forward(scene, reference, expected, NULL);
    scene->of->kind->backward(reference, d_log_likelihood, NULL, NULL, NULL);
    for (const struct gb_backend *b = NULL; (b = flow_next_backend(b));) {
        struct gb_model *model = model_new(scene, use, b);
        const struct gb_params *params = &model->params;
        flow_forward(scene, model, found, NULL);
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

// ---- predictions ----

static void predict(const struct flow_scene *scene, struct gb_model *model,
                    const struct gb_tensor *x, float temperature, const struct flow_images *y) {
    struct gb_latents noise = noise_new(scene, model);
    assert_ok(scene->of->kind->condition(model, x));
    scene->of->kind->inverse(model, &noise, temperature, &y->tensor);
    flow_check_gaps(y);
    test_free(noise.level[0].data);
}

// Samples of one x differ where there are samples, and at temperature 0 do not; they are what a
// model for each x gives.
static void check_predictions(struct flow_scene *scene) {
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
        predict(scene, model, &x, (float)hot, &y);
        predict(scene, single, &scene->x.tensor, (float)hot, &alone);
        for (int n = 0; n < SAMPLES; n++)
            flow_read(&y.tensor, n, flow_image(&y, n));
        flow_read(&alone.tensor, 0, flow_image(&alone, 0));
        bool same = memcmp(flow_image(&y, 0), flow_image(&y, 1), size * sizeof *y.values) == 0;
        assert_true(same == (!hot || kind->point_estimate));
        assert_memory_equal(flow_image(&y, 0), flow_image(&alone, 0), size * sizeof *y.values);
        for (size_t i = 0; i < SAMPLES * size; i++) {
            if (scene->of->targets == FLOW_LEVELS)
                assert_true(y.values[i] >= 0 && y.values[i] * 256 == floor(y.values[i] * 256));
            if (scene->of->targets == FLOW_LABELS)
                assert_true(y.values[i] > 0 && y.values[i] < 1);
            if (scene->of->targets == FLOW_MASK)
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
    for_every_case(check_predictions);
}

// ---- single models ----

static void check_match(const struct gb_cnf_config *flow, double bound) {
    struct gb_factored_config config;
    size_t wanted, found;
    struct gb_model *model;
    const struct gb_model_use use = {.batch = 1, .samples_per_x = 1, .threads = 1};
    assert_ok(gb_model_parameters(&gb_cnf_model, flow, &wanted));
    assert_ok(gb_factored_match(flow, &config));
    assert_ok(gb_model_create(&gb_factored_model, &config, &use, flow_scalar(), &model));
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
    struct flow_scene scene = flow_scene_new(case_named("factored, segmentation"), FLOW_GAPS, 71);
    double weighted[FLOW_MOST_IMAGES], normalised[FLOW_MOST_IMAGES];
    struct gb_model *trained =
        model_new(&scene, (struct gb_model_use){.threads = 1, .training = true}, flow_scalar());
    struct gb_model *scored = model_new(&scene, (struct gb_model_use){.threads = 1}, flow_scalar());
    flow_forward(&scene, trained, weighted, NULL);
    flow_forward(&scene, scored, normalised, NULL);
    for (int n = 0; n < BATCH; n++)
        assert_true(normalised[n] < 0 && fabs(normalised[n] - weighted[n]) > 1);
    gb_model_free(trained);
    gb_model_free(scored);
    flow_scene_free(&scene);
}

// What enlarges FCN's scores starts as bilinear interpolation, each class for itself.
GB_TEST(test_start_of_fcn) {
    static const int kernel[] = {1, 2, 1, 2, 4, 2, 1, 2, 1};
    struct flow_scene scene = flow_scene_new(case_named("FCN-8s of labels"), FLOW_GAPS, 71);
    struct gb_model *model = model_new(&scene, (struct gb_model_use){.threads = 1}, flow_scalar());
    const struct gb_params *params = &model->params;
    int index = gb_params_find(params, "enlarge.4.weight"), classes = scene.y.shape.c;
    double *weight = flow_export_block(params, index, params->value);
    for (int o = 0; o < classes; o++)
        for (int i = 0; i < classes; i++)
            for (int k = 0; k < 9; k++)
                assert_true(weight[(o * classes + i) * 9 + k] == (o == i ? kernel[k] / 16.0 : 0));
    test_free(weight);
    gb_model_free(model);
    flow_scene_free(&scene);
}

// Masks around 0 are the same masks: the same likelihood and gradients, and predictions half lower.
GB_TEST(test_centred_targets) {
    const struct flow_case *of = case_named("FCN-8s of a mask");
    struct flow_case centred = *of;
    centred.config.fcn.targets = GB_FCN_CENTRED;
    struct flow_scene scene = flow_scene_new(of, FLOW_GAPS, 71);
    struct flow_scene other = flow_scene_new(&centred, FLOW_GAPS, 71);
    const struct gb_model_use use = {.threads = 2, .training = true, .gradients = true};
    struct gb_model *plain = model_new(&scene, use, flow_next_backend(NULL));
    struct gb_model *shifted = model_new(&other, use, flow_next_backend(NULL));
    for (size_t i = 0; i < other.y.floats; i++)
        other.y.memory[i] -= 0.5f;
    flow_train_step(&scene, plain, NULL);
    flow_train_step(&other, shifted, NULL);
    const struct gb_params *a = &plain->params, *b = &shifted->params;
    assert_memory_equal(a->gradient, b->gradient, a->bytes);
    predict(&scene, plain, &scene.x.tensor, 1, &scene.y);
    predict(&other, shifted, &other.x.tensor, 1, &other.y);
    for (size_t i = 0; i < other.y.floats; i++)
        assert_true(isnan(other.y.memory[i]) || other.y.memory[i] == scene.y.memory[i] - 0.5f);
    gb_model_free(plain);
    gb_model_free(shifted);
    flow_scene_free(&scene);
    flow_scene_free(&other);
}
