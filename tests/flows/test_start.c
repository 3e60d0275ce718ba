// SPDX-License-Identifier: MIT
// How models start: c-Glow's two initialisations, CNF's start from data, its running moments.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flows/models/model.h"
#include "tests/flows/flow_check.h"

// Wide enough that no ReLU network of c-Glow is dead by chance.
static const struct flow_case cases[] = {
    {"c-Glow", 2, FLOW_CASE(cglow, {16, 16, 3, 8, 8, 3}, 2, 2, 16, 64, 16, 16, GB_CGLOW_LIVE)},
    {"c-Glow, odd sizes", 3,
     FLOW_CASE(cglow, {17, 11, 5, 8, 8, 1}, 3, 1, 16, 64, 33, 16, GB_CGLOW_LIVE)},
    {"c-Glow, one level", 2,
     FLOW_CASE(cglow, {8, 24, 1, 8, 24, 1}, 1, 2, 16, 64, 40, 16, GB_CGLOW_LIVE)},
    {"CNF, super-resolution", 2,
     FLOW_CASE(cnf, {4, 6, 3, 8, 12, 3}, GB_CNF_SUPER_RESOLUTION, 2, 2, 5, 7, 1, 3, 0)},
    {"CNF, segmentation", 2,
     FLOW_CASE(cnf, {12, 16, 3, 12, 16, 1}, GB_CNF_SEGMENTATION, 2, 2, 5, 6, 0, 0, 0)},
    {"CNF, dequantised", 3,
     FLOW_CASE(cnf, {8, 12, 2, 8, 12, 1}, GB_CNF_SEGMENTATION, 1, 2, 4, 5, 0, 0, 2),
     .targets = FLOW_MASK},
};
enum { CASES = sizeof cases / sizeof *cases };

static const struct gb_model_use use = {.threads = 2, .training = true, .gradients = true};

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static bool contains(const char *text, const char *part) {
    return strstr(text, part) != NULL;
}

static double *values_of(const struct gb_params *params, const char *name) {
    const int index = gb_params_find(params, name);
    assert_true(index >= 0);
    return flow_export_block(params, index, params->value);
}

// Runs a check on a model of every case, initialised from a seed, and every backend.
static void check_all(const struct gb_model_kind *kind, enum gb_cglow_init init,
                      void (*check)(const struct flow_scene *scene, struct gb_model *model)) {
    for (int i = 0; i < CASES; i++) {
        if (cases[i].kind != kind)
            continue;
        struct flow_case of = cases[i];
        if (kind == &gb_cglow_model)
            of.config.cglow.init = init;
        struct flow_scene scene = flow_scene_new(&of, FLOW_DENSE, 77);
        for (const struct gb_backend *b = NULL; (b = flow_next_backend(b));) {
            print_message("           %s, %s\n", b->name, of.name);
            struct gb_model *model = flow_model_new(&scene, use, b);
            assert_ok(gb_params_initialise(&model->params, 11));
            check(&scene, model);
            gb_model_free(model);
        }
        flow_scene_free(&scene);
    }
}

// Whether the gradient of a parameter is all zero, is not, or may be either.
enum reach { NEVER, ALWAYS, EITHER };

// After `steps` steps of training.
static void check_gradients_reach(const struct flow_scene *scene, struct gb_model *model, int steps,
                                  enum reach (*wanted)(const struct gb_model *model,
                                                       const struct gb_param *param)) {
    const struct gb_params *params = &model->params;
    for (long step = 1; step <= steps; step++) {
        const struct gb_adam adam = flow_adam(step, 0.25f);
        flow_train_step(scene, model, &adam);
    }
    flow_train_step(scene, model, NULL);
    for (int i = 0; i < params->count; i++) {
        double *gradient = flow_export_block(params, i, params->gradient);
        double square = flow_dot(gb_param_elements(&params->list[i]), gradient, gradient);
        enum reach reach = wanted(model, &params->list[i]);
        if (!isfinite(square) || (reach == NEVER && square > 0) || (reach == ALWAYS && square == 0))
            fail_msg("%s: a gradient of squared length %g", params->list[i].name, square);
        test_free(gradient);
    }
}

// ---- c-Glow ----

static enum reach always(const struct gb_model *model, const struct gb_param *param) {
    (void)model, (void)param;
    return ALWAYS;
}

// Every step starts near the identity: log s = b = 0, W a rotation, couplings scale by sigmoid(2)
// and do not shift. The last layers of networks start at zero; after one step gradients pass
// through them.
static void check_live(const struct flow_scene *scene, struct gb_model *model) {
    const struct gb_params *params = &model->params;
    for (int i = 0; i < params->count; i++) {
        const struct gb_param *param = &params->list[i];
        const size_t count = gb_param_elements(param);
        double *value = flow_export_block(params, i, params->value);
        if (contains(param->name, ".actnorm.fc.2.") || contains(param->name, ".net.2.") ||
            ends_with(param->name, ".mix.fc.2.weight"))
            flow_check_close(param->name, flow_dot(count, value, value), 0, 0);
        if (ends_with(param->name, ".mix.fc.2.bias")) {
            for (size_t e = 0; e < count; e++)
                value[e] = tanh(value[e]);
            flow_check_rotation((int)lrint(sqrt((double)count)), value);
        }
        test_free(value);
    }
    check_gradients_reach(scene, model, 1, always);
}

GB_TEST(test_live_start) {
    check_all(&gb_cglow_model, GB_CGLOW_LIVE, check_live);
}

// The published start lets no gradient into conditioning networks except the bias of their last
// layer. The x path is reached only where a bias of its zero convolution happens to be positive.
static enum reach published_reach(const struct gb_model *model, const struct gb_param *param) {
    (void)model;
    if (contains(param->name, ".actnorm.") || contains(param->name, ".mix."))
        return ends_with(param->name, ".fc.2.bias") ? ALWAYS : NEVER;
    return contains(param->name, ".features.") ? EITHER : ALWAYS;
}

// Fails unless the values are zero, N(0, spread^2) or uniform in +-spread, as far as their second
// moment and their largest can tell.
enum distribution { ZERO, NORMAL, UNIFORM };
static void check_distribution(const struct gb_params *params, int index,
                               enum distribution distribution, double spread) {
    const struct gb_param *param = &params->list[index];
    const size_t n = gb_param_elements(param);
    double *value = flow_export_block(params, index, params->value), largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(value[i]));
    const double mean_square = flow_dot(n, value, value) / (double)n;
    const double variance = distribution == NORMAL ? spread * spread : spread * spread / 3;
    // Five standard deviations of the estimate: variance * sqrt(2/n), or sqrt(4/5/n) for a uniform.
    const double slack = 5 * sqrt((distribution == NORMAL ? 2 : 0.8) / (double)n);
    if (distribution == ZERO)
        flow_check_close(param->name, largest, 0, 0);
    else
        flow_check_close(param->name, mean_square / variance, 1, slack);
    if (distribution == UNIFORM)
        assert_true(largest <= spread);
    test_free(value);
}

// PyTorch's for the bias of a convolution, which follows its weight in the list.
static double default_bias_spread(const struct gb_param *bias) {
    const struct gb_param *weight = bias - 1;
    assert_true(ends_with(weight->name, ".weight"));
    return 1 / sqrt((double)gb_param_elements(weight) / weight->shape[0]);
}

// "The published start, exactly".
static void check_published(const struct flow_scene *scene, struct gb_model *model) {
    const struct gb_params *params = &model->params;
    for (int i = 0; i < params->count; i++) {
        const char *name = params->list[i].name;
        bool conditioning_conv = contains(name, ".actnorm.conv.") || contains(name, ".mix.conv.");
        if (contains(name, ".mix.fc.2."))
            check_distribution(params, i, NORMAL, 0.1);
        else if (contains(name, ".fc.") || contains(name, ".net.2."))
            check_distribution(params, i, ZERO, 0);
        else if (contains(name, ".net.0.") || contains(name, ".net.1."))
            check_distribution(params, i, NORMAL, 0.05);
        else if (ends_with(name, ".bias"))
            check_distribution(params, i, UNIFORM, default_bias_spread(&params->list[i]));
        else if (conditioning_conv || contains(name, ".features.1."))
            check_distribution(params, i, ZERO, 0);
        else
            check_distribution(params, i, NORMAL, 0.1);
    }
    check_gradients_reach(scene, model, 3, published_reach);
}

GB_TEST(test_published_start) {
    check_all(&gb_cglow_model, GB_CGLOW_PUBLISHED, check_published);
}

// ---- CNF ----

// After a start from data, what comes out of the first actnorm has mean 0 and variance 1 over the
// batch.
static void check_first_actnorm(const struct flow_scene *scene, const struct gb_params *params) {
    const struct reference_shape *s = &scene->y.shape;
    const int channels = 4 * s->c, batch = scene->of->batch, pixels = s->h / 2 * (s->w / 2);
    double *bias = values_of(params, "levels.0.steps.0.actnorm.bias");
    double *log_scale = values_of(params, "levels.0.steps.0.actnorm.log_scale");
    double *sum = test_calloc((size_t)channels, sizeof *sum);
    double *squares = test_calloc((size_t)channels, sizeof *squares);
    for (int n = 0; n < batch; n++) {
        struct reference_image deep =
            reference_squeeze(reference_image_of(s->c, s->h, s->w, flow_image(&scene->y, n)));
        reference_actnorm(bias, log_scale, &deep);
        for (int i = 0; i < channels * pixels; i++) {
            sum[i / pixels] += deep.data[i];
            squares[i / pixels] += deep.data[i] * deep.data[i];
        }
        free(deep.data);
    }
    for (int c = 0; c < channels; c++) {
        flow_check_close("mean", sum[c] / pixels / batch, 0, 1e-5);
        flow_check_close("variance", squares[c] / pixels / batch, 1, 1e-4);
    }
    double *const all[] = {bias, log_scale, sum, squares};
    for (int i = 0; i < 4; i++)
        test_free(all[i]);
}

// The bias in front of a coupling's instance norm has no effect.
static enum reach trained(const struct gb_model *model, const struct gb_param *param) {
    const bool segments = gb_params_find(&model->params, "levels.0.steps.0.norm.mean") >= 0;
    const bool idle = segments && contains(param->name, "coupling.net.0.bias");
    return param->statistic || idle ? EITHER : ALWAYS;
}

static void check_start(const struct flow_scene *scene, struct gb_model *model) {
    const struct gb_params *params = &model->params;
    const struct gb_tensor *noise = scene->noisy ? &scene->noise.tensor : NULL;
    assert_ok(model->kind->condition(model, &scene->x.tensor));
    assert_ok(model->kind->start(model, &scene->y.tensor, noise));
    for (int i = 0; i < params->count; i++) {
        double *value = flow_export_block(params, i, params->value);
        if (contains(params->list[i].name, "mix.weight"))
            flow_check_rotation(params->list[i].shape[0], value);
        if (contains(params->list[i].name, "actnorm.log_scale")) // has been started too
            assert_true(flow_dot(gb_param_elements(&params->list[i]), value, value) > 0);
        test_free(value);
    }
    if (scene->of->config.cnf.kind == GB_CNF_SUPER_RESOLUTION)
        check_first_actnorm(scene, params);
    // The last layers start at zero; after one step gradients pass through them.
    check_gradients_reach(scene, model, 1, trained);
}

GB_TEST(test_start_from_data) {
    check_all(&gb_cnf_model, 0, check_start);
}

// A training step moves the stored moments a tenth of the way to the batch's.
static void check_running_moments(const struct flow_scene *scene, struct gb_model *model) {
    static const char mean_name[] = "levels.0.steps.0.norm.mean";
    if (scene->noisy || gb_params_find(&model->params, mean_name) < 0)
        return;
    double *before = values_of(&model->params, mean_name);
    const struct gb_adam adam = flow_adam(1, INFINITY);
    flow_train_step(scene, model, &adam);
    double *after = values_of(&model->params, mean_name);
    const int h = scene->y.shape.h, w = scene->y.shape.w, batch = scene->of->batch;
    for (int c = 0; c < 4; c++) { // of the squeezed target: the pixels of one place in each 2 x 2
        double sum = 0;
        for (int n = 0; n < batch; n++)
            for (int y = c / 2; y < h; y += 2)
                for (int x = c % 2; x < w; x += 2)
                    sum += flow_image(&scene->y, n)[y * w + x];
        const double mean = sum * 4 / (batch * h * w);
        flow_check_close("stored mean", after[c], before[c] + 0.1 * (mean - before[c]), 1e-6);
    }
    test_free(before);
    test_free(after);
}

GB_TEST(test_running_moments) {
    check_all(&gb_cnf_model, 0, check_running_moments);
}

// ---- Both ----

// Values depend on the seed, and on nothing else: every backend starts alike.
GB_TEST(test_starts_depend_on_the_seed) {
    for (int i = 0; i < CASES; i++) {
        struct flow_scene scene = flow_scene_new(&cases[i], FLOW_DENSE, 1);
        struct gb_model *first = flow_model_new(&scene, use, flow_next_backend(NULL));
        assert_ok(gb_params_initialise(&first->params, 1));
        for (const struct gb_backend *b = NULL; (b = flow_next_backend(b));)
            for (uint64_t seed = 1; seed <= 2; seed++) {
                struct gb_model *other = flow_model_new(&scene, use, b);
                assert_ok(gb_params_initialise(&other->params, seed));
                bool same = true;
                for (int p = 0; p < first->params.count; p++) {
                    double *a = flow_export_block(&first->params, p, first->params.value);
                    double *c = flow_export_block(&other->params, p, other->params.value);
                    const size_t count = gb_param_elements(&first->params.list[p]);
                    same = same && memcmp(a, c, count * sizeof *a) == 0;
                    test_free(a);
                    test_free(c);
                }
                assert_int_equal(same, seed == 1);
                gb_model_free(other);
            }
        gb_model_free(first);
        flow_scene_free(&scene);
    }
}
