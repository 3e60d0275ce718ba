// SPDX-License-Identifier: MIT
// The double-precision c-Glow of the tests, checked against what does not depend on the float code: its own
// dense Jacobians, its inverse, and the oracles that the papers' authors' code computed.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flows/files/safetensors.h"
#include "tests/flows/flow_check.h"
#include "tests/support/real_data.h"

// x height, width, channels, the same of y; levels, steps; n_c, n_w, coupling and feature channels.
static const struct gb_cglow_config tiny[] = {
    {{8, 8, 1, 4, 4, 1}, 1, 1, 3, 4, 5, 3, GB_CGLOW_LIVE},
    {{9, 14, 3, 4, 8, 1}, 2, 2, 4, 5, 6, 4, GB_CGLOW_LIVE},
    {{8, 8, 2, 8, 8, 1}, 3, 1, 3, 4, 5, 3, GB_CGLOW_LIVE},
    {{8, 8, 3, 4, 4, 3}, 1, 2, 3, 4, 5, 3, GB_CGLOW_LIVE},
};
enum { TINY = sizeof tiny / sizeof *tiny };

static double *normals(size_t count, uint64_t *state) {
    double *values = test_malloc(count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = reference_normal(state);
    return values;
}

// A map of R^n to itself, with what it needs.
struct map {
    const struct reference_cglow *model;
    const struct reference_conditions *conditions;
    struct reference_shape shape;
    int level, step;
    double (*forward)(const struct map *map, const double *v, double *u); // returns log|det|
    void (*inverse)(const struct map *map, const double *u, double *v);
};

static const struct reference_step *condition_of(const struct map *map) {
    return &map->conditions->step[map->level * map->model->config.steps + map->step];
}

static double actnorm(const struct map *map, const double *v, double *u) {
    return reference_actnorm_forward(map->shape, condition_of(map), v, u);
}
static void actnorm_inverse(const struct map *map, const double *u, double *v) {
    reference_actnorm_inverse(map->shape, condition_of(map), u, v);
}
static double mix(const struct map *map, const double *v, double *u) {
    return reference_inv1x1_forward(map->shape, condition_of(map), v, u);
}
static void inv1x1_inverse(const struct map *map, const double *u, double *v) {
    reference_inv1x1_inverse(map->shape, condition_of(map), u, v);
}
static double coupling(const struct map *map, const double *v, double *u) {
    return reference_coupling_forward(map->model, map->level, map->step, condition_of(map), v, u);
}
static void coupling_inverse(const struct map *map, const double *u, double *v) {
    reference_coupling_inverse(map->model, map->level, map->step, condition_of(map), u, v);
}
static double squeeze(const struct map *map, const double *v, double *u) {
    reference_squeeze(map->shape, v, u);
    return 0;
}
static void unsqueeze(const struct map *map, const double *u, double *v) {
    reference_unsqueeze(map->shape, u, v);
}
static double flow(const struct map *map, const double *v, double *u) {
    return reference_cglow_forward(map->model, map->conditions, v, u, NULL).log_det;
}
// Standardising by the priors adds a determinant, which makes the prior that of a standard normal.
static double standardised_flow(const struct map *map, const double *v, double *u) {
    struct reference_density density =
        reference_cglow_forward(map->model, map->conditions, v, NULL, u);
    return density.log_det + density.log_prior -
           reference_log_normal(reference_elements(map->shape), u, NULL, NULL);
}
static void flow_inverse(const struct map *map, const double *u, double *v) {
    reference_cglow_inverse(map->model, map->conditions, u, 1, v);
}

// log|det| of the Jacobian of `map` at v, by central differences. With a step of 1e-5 their
// truncation and rounding errors are both near 1e-10.
static double dense_log_det(const struct map *map, const double *v) {
    const double h = 1e-5;
    size_t n = reference_elements(map->shape);
    double *jacobian = test_malloc(n * n * sizeof *jacobian);
    double *at = test_malloc(n * sizeof *at), *above = test_malloc(n * sizeof *at),
           *below = test_malloc(n * sizeof *at);
    memcpy(at, v, n * sizeof *at);
    for (size_t j = 0; j < n; j++) {
        at[j] = v[j] + h;
        map->forward(map, at, above);
        at[j] = v[j] - h;
        map->forward(map, at, below);
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

static void check_map(const struct map *map, uint64_t seed) {
    size_t n = reference_elements(map->shape);
    double *v = normals(n, &seed), *u = test_malloc(n * sizeof *u),
           *back = test_malloc(n * sizeof *u);
    double log_det = map->forward(map, v, u);
    flow_check_close("log-determinant", log_det, dense_log_det(map, v), 1e-7 * (double)n);
    if (map->inverse) {
        map->inverse(map, u, back);
        for (size_t i = 0; i < n; i++)
            flow_check_close("inverse", back[i], v[i], 1e-11);
    }
    test_free(v);
    test_free(u);
    test_free(back);
}

static void check_level(struct map map, uint64_t seed) {
    map.shape = reference_cglow_level(&map.model->config, map.level);
    struct map layers[] = {map, map, map, map};
    layers[0].forward = actnorm;
    layers[0].inverse = actnorm_inverse;
    layers[1].forward = mix;
    layers[1].inverse = inv1x1_inverse;
    layers[2].forward = coupling;
    layers[2].inverse = coupling_inverse;
    layers[3].forward = squeeze;
    layers[3].inverse = unsqueeze;
    for (int i = 0; i < 4; i++)
        check_map(&layers[i], seed + (uint64_t)i);
}

GB_TEST(test_jacobians_and_inverses) {
    for (int i = 0; i < TINY; i++) {
        uint64_t seed = 100 + (uint64_t)i;
        struct reference_cglow *model = reference_cglow_create(&tiny[i]);
        reference_cglow_randomise(model, seed);
        double *x =
            normals((size_t)(tiny[i].sizes.x_c * tiny[i].sizes.x_h * tiny[i].sizes.x_w), &seed);
        struct reference_conditions *conditions = reference_cglow_condition(model, x);
        struct map map = {.model = model, .conditions = conditions};
        for (map.level = 0; map.level < tiny[i].levels; map.level++)
            check_level(map, seed);
        map.shape =
            (struct reference_shape){tiny[i].sizes.y_c, tiny[i].sizes.y_h, tiny[i].sizes.y_w};
        map.forward = flow;
        check_map(&map, seed);
        map.forward = standardised_flow;
        map.inverse = flow_inverse;
        check_map(&map, seed);
        reference_conditions_free(conditions);
        reference_cglow_free(model);
        test_free(x);
    }
}

// ---- oracles ----

// The elements of a tensor of the file as doubles; test_free them.
static double *stored(const struct gb_safetensors *file, const char *name, size_t count) {
    const struct gb_stored_tensor *tensor = gb_safetensors_find(file, name);
    if (!tensor)
        fail_msg("the oracle has no tensor %s", name);
    assert_int_equal(tensor->elements, count);
    float *floats = test_malloc(count * sizeof *floats);
    double *values = test_malloc(count * sizeof *values);
    gb_stored_floats(tensor, floats);
    for (size_t i = 0; i < count; i++)
        values[i] = (double)floats[i];
    test_free(floats);
    return values;
}

static int number(const struct gb_safetensors *file, const char *key) {
    const char *text = json_string_value(json_object_get(gb_safetensors_metadata(file), key));
    assert_non_null(text);
    return atoi(text);
}

static struct gb_cglow_config config_of(const struct gb_safetensors *file) {
    int h = number(file, "height"), w = number(file, "width");
    return (struct gb_cglow_config){
        .sizes = {h, w, number(file, "x_channels"), h, w, number(file, "y_channels")},
        .levels = number(file, "levels"),
        .steps = number(file, "steps"),
        .n_c = number(file, "n_c"),
        .n_w = number(file, "n_w"),
        .coupling_channels = number(file, "coupling_channels"),
        .feature_channels = 16};
}

static void load(struct reference_cglow *model, const struct gb_safetensors *file) {
    for (int i = 0; i < model->count; i++) {
        struct reference_param *param = &model->params[i];
        char path[96], name[112];
        gb_cglow_published_name(&model->config, param->name, path);
        snprintf(name, sizeof name, "param.%s", path);
        double *values = stored(file, name, param->count);
        memcpy(param->value, values, param->count * sizeof *values);
        test_free(values);
    }
}

// The oracles were computed in double and stored as floats: half a unit in the last place of a
// float, 6e-8, is the most that can be asked for.
static const double stored_error = 6e-8;

// The noise for image n of the file in the order of reference_cglow_forward: the file's deepest
// split comes first.
static double *sample_noise(const struct gb_safetensors *file, const struct gb_cglow_config *config,
                            int batch, int n) {
    size_t place = 0;
    double *noise = test_malloc(
        (size_t)(config->sizes.y_c * config->sizes.y_h * config->sizes.y_w) * sizeof *noise);
    for (int l = 0; l < config->levels; l++) {
        size_t count = reference_elements(reference_cglow_latent(config, l));
        char name[32] = "sample.z_top";
        if (l + 1 < config->levels)
            snprintf(name, sizeof name, "sample.eps.%d", config->levels - 2 - l);
        double *values = stored(file, name, (size_t)batch * count);
        memcpy(noise + place, values + (size_t)n * count, count * sizeof *noise);
        place += count;
        test_free(values);
    }
    return noise;
}

static void check_oracle(const char *name) {
    struct gb_safetensors file;
    const char *path = gb_shared_oracle(name);
    if (!path)
        skip();
    assert_ok(gb_safetensors_open(&file, path));
    struct gb_cglow_config config = config_of(&file);
    struct reference_cglow *model = reference_cglow_create(&config);
    load(model, &file);
    int batch = number(&file, "batch");
    size_t count = (size_t)(config.sizes.y_c * config.sizes.y_h * config.sizes.y_w);
    size_t x_count = (size_t)(config.sizes.x_c * config.sizes.x_h * config.sizes.x_w);
    size_t top = reference_elements(reference_cglow_latent(&config, config.levels - 1));
    double *x = stored(&file, "x", (size_t)batch * x_count);
    double *v = stored(&file, "v", (size_t)batch * count);
    double *z = stored(&file, "z", (size_t)batch * top);
    double *sample = stored(&file, "sample.v", (size_t)batch * count);
    double *bits = stored(&file, "bits_per_dimension", (size_t)batch);
    double *result = test_malloc(count * sizeof *result);
    for (int n = 0; n < batch; n++) {
        struct reference_conditions *conditions =
            reference_cglow_condition(model, x + (size_t)n * x_count);
        struct reference_density density =
            reference_cglow_forward(model, conditions, v + (size_t)n * count, result, NULL);
        // Theirs is a bit too high: it subtracts ln 2 a dimension.
        double mine = 1 - (density.log_det + density.log_prior) / (M_LN2 * (double)count);
        flow_check_close("bits per dimension", mine, bits[n], stored_error * fabs(bits[n]));
        flow_check_close("z", flow_relative_error(top, result + count - top, z + (size_t)n * top),
                         0, stored_error);

        double *noise = sample_noise(&file, &config, batch, n);
        reference_cglow_inverse(model, conditions, noise, 1, result);
        flow_check_close("sample", flow_relative_error(count, result, sample + (size_t)n * count),
                         0, stored_error);
        test_free(noise);
        reference_conditions_free(conditions);
    }
    double *all[] = {x, v, z, sample, bits, result};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        test_free(all[i]);
    reference_cglow_free(model);
    gb_safetensors_close(&file);
}

GB_TEST(test_oracle_square) {
    check_oracle("cglow_square.safetensors");
}

GB_TEST(test_oracle_depth) {
    check_oracle("cglow_depth.safetensors");
}
