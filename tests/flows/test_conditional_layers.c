// SPDX-License-Identifier: MIT
// The conditional layers of c-Glow, each alone on every backend: values, inverse, log-determinant
// and gradients against the double reference, and the log-determinant against the dense Jacobian
// that the layer's own gradient spells out row by row.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/minmax.h"
#include "flows/layers/conditional_actnorm.h"
#include "flows/layers/conditional_coupling.h"
#include "flows/layers/conditional_inv1x1.h"
#include "flows/layers/split_prior.h"
#include "tests/flows/flow_check.h"

// As in test_cglow.c, for one layer; log-determinants and log-densities by the element.
static const double value_bound = 1e-6;    // (1.8e-7)
static const double log_det_bound = 2e-6;  // (3.6e-7)
static const double gradient_bound = 5e-6; // (5.0e-7)

enum { BATCH = 2, DIRECTIONS = 3 };

// x height, width, channels, the same of y; levels, steps; n_c, n_w, coupling and feature channels.
static const struct gb_cglow_config configs[] = {
    {{8, 8, 1, 4, 4, 1}, 2, 1, 4, 8, 9, 4, GB_CGLOW_LIVE},
    {{11, 17, 3, 4, 12, 1}, 2, 1, 7, 33, 40, 17, GB_CGLOW_LIVE},
    {{16, 8, 2, 4, 4, 5}, 2, 1, 16, 16, 16, 16, GB_CGLOW_LIVE},
};
enum { CONFIGS = sizeof configs / sizeof *configs };

// The layers of the first step and the split of the first level, in a model of their own, and the
// reference's.
struct layers {
    struct gb_cglow_config config;
    struct gb_params params;
    struct gb_arena arena;
    struct gb_pass pass;
    struct gb_conditional_actnorm actnorm;
    struct gb_conditional_inv1x1 inv1x1;
    struct gb_conditional_coupling coupling;
    struct gb_coupling_shared shared;
    struct gb_split_prior split;
    float *workspace;
    struct reference_cglow *reference;
    struct reference_shape shape; // of the step's variables
    struct flow_images x;
};

static void plan(struct layers *layers) {
    const struct gb_cglow_config *c = &layers->config;
    const struct gb_backend *backend = layers->pass.backend;
    struct reference_shape s = layers->shape;
    struct gb_builder builder = {.backend = backend,
                                 .params = &layers->params,
                                 .threads = layers->pass.exec.threads,
                                 .prefix = "levels.0.steps.0."};
    struct gb_conditioning_shape shape = {.images = BATCH,
                                          .x_h = c->sizes.x_h,
                                          .x_w = c->sizes.x_w,
                                          .x_c = c->sizes.x_c,
                                          .n_c = c->n_c,
                                          .n_w = c->n_w};
    struct gb_coupling_shape coupling = {.images = BATCH,
                                         .x_h = c->sizes.x_h,
                                         .x_w = c->sizes.x_w,
                                         .x_c = c->sizes.x_c,
                                         .batch = BATCH,
                                         .h = s.h,
                                         .w = s.w,
                                         .c = s.c,
                                         .coupling_channels = c->coupling_channels,
                                         .feature_channels = c->feature_channels};
    assert_ok(gb_conditional_actnorm_plan(&layers->actnorm, &builder, shape, BATCH, s.c, true));
    assert_ok(gb_conditional_inv1x1_plan(&layers->inv1x1, &builder, &builder, shape,
                                         &(struct gb_image_problem){BATCH, s.h, s.w, s.c}, true));
    assert_ok(gb_conditional_coupling_plan(&layers->coupling, &builder, &builder, &coupling, true));
    strcpy(builder.prefix, "levels.0.");
    assert_ok(gb_split_prior_plan(&layers->split, &builder, BATCH, s.h, s.w, s.c));
    layers->pass.exec.scratch_bytes = builder.scratch;
}

static void bind(struct layers *layers) {
    struct gb_arena *arena = &layers->arena;
    gb_conditional_actnorm_bind(&layers->actnorm, arena, true);
    gb_conditional_inv1x1_bind(&layers->inv1x1, arena, true);
    gb_coupling_shared_bind(&layers->shared, arena, &layers->coupling, true);
    gb_conditional_coupling_bind(&layers->coupling, arena, &layers->shared, true);
    gb_split_prior_bind(&layers->split, arena, true);
    layers->pass.exec.scratch = gb_arena_alloc(arena, layers->pass.exec.scratch_bytes);
    size_t workspace = gb_conditioning_net_workspace(&layers->actnorm.net);
    workspace = gb_max_size(workspace, gb_conditioning_net_workspace(&layers->inv1x1.net));
    workspace = gb_max_size(workspace, layers->coupling.features.workspace_floats);
    layers->workspace = gb_arena_floats(arena, workspace);
}

static void import(struct layers *layers) {
    for (int i = 0; i < layers->params.count; i++) {
        const char *name = layers->params.list[i].name;
        const struct reference_param *from = reference_cglow_param(layers->reference, "%s", name);
        flow_import_param(&layers->params, i, from);
    }
}

static struct layers *layers_new(const struct gb_cglow_config *config,
                                 const struct gb_backend *backend) {
    uint64_t state = 31;
    struct layers *layers = test_calloc(1, sizeof *layers);
    layers->config = *config;
    layers->params.backend = backend;
    layers->pass =
        (struct gb_pass){.backend = backend, .exec = {.threads = 2}, .params = &layers->params};
    layers->reference = reference_cglow_create(config);
    layers->shape = reference_cglow_level(config, 0);
    reference_cglow_randomise(layers->reference, 5);
    struct reference_shape x = {config->sizes.x_c, config->sizes.x_h, config->sizes.x_w};
    layers->x = flow_images_new(BATCH, x, FLOW_DENSE, &state);
    plan(layers);
    bind(layers);
    assert_ok(gb_arena_reserve(&layers->arena, "test"));
    bind(layers);
    assert_ok(gb_params_reserve(&layers->params, true, false));
    import(layers);
    gb_conditional_actnorm_condition(&layers->actnorm, &layers->pass, &layers->x.tensor);
    gb_conditional_inv1x1_condition(&layers->inv1x1, &layers->pass, &layers->x.tensor);
    assert_ok(gb_conditional_inv1x1_check(&layers->inv1x1, "test"));
    gb_conditional_coupling_condition(&layers->coupling, &layers->pass, &layers->x.tensor);
    return layers;
}

static void layers_free(struct layers *layers) {
    gb_conditional_actnorm_free(&layers->actnorm, layers->pass.backend);
    gb_conditional_inv1x1_free(&layers->inv1x1, layers->pass.backend);
    gb_conditional_coupling_free(&layers->coupling, layers->pass.backend);
    gb_split_prior_free(&layers->split, layers->pass.backend);
    gb_arena_free(&layers->arena);
    gb_params_free(&layers->params);
    reference_cglow_free(layers->reference);
    flow_images_free(&layers->x);
    test_free(layers);
}

// ---- the three invertible layers behind one face ----

struct kind {
    const char *name;
    void (*forward)(struct layers *layers, const struct gb_tensor *v, const struct gb_tensor *u,
                    double *log_det);
    void (*inverse)(struct layers *layers, const struct gb_tensor *u, const struct gb_tensor *v);
    // After forward on v. du and dv do not overlap.
    void (*backward)(struct layers *layers, const struct gb_tensor *v, const struct gb_tensor *du,
                     const float *d_log_det, const struct gb_tensor *dv);
    void (*condition_backward)(struct layers *layers, const struct gb_tensor *dx);
    double (*reference)(const struct layers *layers, const struct reference_step *condition,
                        const double *v, double *u);
};

static void actnorm_forward(struct layers *layers, const struct gb_tensor *v,
                            const struct gb_tensor *u, double *log_det) {
    gb_conditional_actnorm_forward(&layers->actnorm, &layers->pass, v, u, log_det);
}
static void actnorm_inverse(struct layers *layers, const struct gb_tensor *u,
                            const struct gb_tensor *v) {
    gb_conditional_actnorm_inverse(&layers->actnorm, &layers->pass, u, v);
}
static void actnorm_backward(struct layers *layers, const struct gb_tensor *v,
                             const struct gb_tensor *du, const float *d_log_det,
                             const struct gb_tensor *dv) {
    gb_conditional_actnorm_backward(&layers->actnorm, &layers->pass, v, du, d_log_det, dv);
}
static void actnorm_condition_backward(struct layers *layers, const struct gb_tensor *dx) {
    gb_conditional_actnorm_condition_backward(&layers->actnorm, &layers->pass, &layers->x.tensor,
                                              layers->workspace, dx);
}
static double actnorm_reference(const struct layers *layers, const struct reference_step *condition,
                                const double *v, double *u) {
    return reference_actnorm_forward(layers->shape, condition, v, u);
}

static void inv1x1_forward(struct layers *layers, const struct gb_tensor *v,
                           const struct gb_tensor *u, double *log_det) {
    gb_conditional_inv1x1_forward(&layers->inv1x1, &layers->pass, v, u, log_det);
}
static void inv1x1_inverse(struct layers *layers, const struct gb_tensor *u,
                           const struct gb_tensor *v) {
    gb_conditional_inv1x1_inverse(&layers->inv1x1, &layers->pass, u, v);
}
static void inv1x1_backward(struct layers *layers, const struct gb_tensor *v,
                            const struct gb_tensor *du, const float *d_log_det,
                            const struct gb_tensor *dv) {
    gb_conditional_inv1x1_backward(&layers->inv1x1, &layers->pass, v, du, d_log_det, dv);
}
static void inv1x1_condition_backward(struct layers *layers, const struct gb_tensor *dx) {
    gb_conditional_inv1x1_condition_backward(&layers->inv1x1, &layers->pass, &layers->x.tensor,
                                             layers->workspace, dx);
}
static double inv1x1_reference(const struct layers *layers, const struct reference_step *condition,
                               const double *v, double *u) {
    return reference_inv1x1_forward(layers->shape, condition, v, u);
}

// The coupling works in place, in memory of its own.
static void coupling_forward(struct layers *layers, const struct gb_tensor *v,
                             const struct gb_tensor *u, double *log_det) {
    gb_copy_values(v, &layers->coupling.v);
    gb_conditional_coupling_forward(&layers->coupling, &layers->pass, log_det);
    gb_copy_values(&layers->coupling.v, u);
}
static void coupling_inverse(struct layers *layers, const struct gb_tensor *u,
                             const struct gb_tensor *v) {
    gb_copy_values(u, &layers->coupling.v);
    gb_conditional_coupling_inverse(&layers->coupling, &layers->pass);
    gb_copy_values(&layers->coupling.v, v);
}
static void coupling_backward(struct layers *layers, const struct gb_tensor *v,
                              const struct gb_tensor *du, const float *d_log_det,
                              const struct gb_tensor *dv) {
    (void)v;
    gb_copy_values(du, dv);
    gb_conditional_coupling_backward(&layers->coupling, &layers->shared, &layers->pass, dv,
                                     d_log_det);
}
static void coupling_condition_backward(struct layers *layers, const struct gb_tensor *dx) {
    gb_conditional_coupling_condition_backward(&layers->coupling, &layers->pass, &layers->x.tensor,
                                               layers->workspace, dx);
}
static double coupling_reference(const struct layers *layers,
                                 const struct reference_step *condition, const double *v,
                                 double *u) {
    return reference_coupling_forward(layers->reference, 0, 0, condition, v, u);
}

static const struct kind kinds[] = {
    {"actnorm", actnorm_forward, actnorm_inverse, actnorm_backward, actnorm_condition_backward,
     actnorm_reference},
    {"mix", inv1x1_forward, inv1x1_inverse, inv1x1_backward, inv1x1_condition_backward,
     inv1x1_reference},
    {"coupling", coupling_forward, coupling_inverse, coupling_backward, coupling_condition_backward,
     coupling_reference},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

// ---- values, inverse, log-determinant ----

static void check_values(const struct kind *kind, struct layers *layers) {
    uint64_t state = 3;
    size_t size = reference_elements(layers->shape);
    struct flow_images v = flow_images_new(BATCH, layers->shape, FLOW_GAPS, &state);
    struct flow_images u = flow_images_new(BATCH, layers->shape, FLOW_GAPS, NULL);
    struct flow_images back = flow_images_new(BATCH, layers->shape, FLOW_GAPS, NULL);
    double *expected = test_malloc(size * sizeof *expected);
    double log_det[BATCH] = {1, 2}; // forward adds
    kind->forward(layers, &v.tensor, &u.tensor, log_det);
    kind->inverse(layers, &u.tensor, &back.tensor);
    flow_check_gaps(&u);
    flow_check_gaps(&back);
    for (int n = 0; n < BATCH; n++) {
        struct reference_conditions *conditions =
            reference_cglow_condition(layers->reference, flow_image(&layers->x, n));
        double expected_log_det =
            kind->reference(layers, &conditions->step[0], flow_image(&v, n), expected);
        flow_read(&u.tensor, n, flow_image(&u, n));
        flow_read(&back.tensor, n, flow_image(&back, n));
        flow_check_close("value", flow_relative_error(size, flow_image(&u, n), expected), 0,
                         value_bound);
        flow_check_close("inverse",
                         flow_relative_error(size, flow_image(&back, n), flow_image(&v, n)), 0,
                         value_bound);
        flow_check_close("log-determinant", log_det[n] - n - 1, expected_log_det,
                         log_det_bound * (double)size);
        reference_conditions_free(conditions);
    }
    flow_images_free(&v);
    flow_images_free(&u);
    flow_images_free(&back);
    test_free(expected);
}

// Backward of unit vector i is row i of the Jacobian.
static void check_jacobian(const struct kind *kind, struct layers *layers) {
    uint64_t state = 4;
    const float none[BATCH] = {0};
    size_t size = reference_elements(layers->shape);
    struct flow_images v = flow_images_new(BATCH, layers->shape, FLOW_DENSE, &state);
    struct flow_images u = flow_images_new(BATCH, layers->shape, FLOW_DENSE, NULL);
    struct flow_images dv = flow_images_new(BATCH, layers->shape, FLOW_DENSE, NULL);
    double *jacobian[BATCH], log_det[BATCH] = {0};
    for (int n = 0; n < BATCH; n++)
        jacobian[n] = test_malloc(size * size * sizeof **jacobian);
    kind->forward(layers, &v.tensor, &u.tensor, log_det);
    for (size_t i = 0; i < size; i++) {
        for (int n = 0; n < BATCH; n++) {
            memset(flow_image(&u, n), 0, size * sizeof *u.values);
            flow_image(&u, n)[i] = 1;
            flow_write(&u.tensor, n, flow_image(&u, n));
        }
        kind->backward(layers, &v.tensor, &u.tensor, none, &dv.tensor);
        for (int n = 0; n < BATCH; n++)
            flow_read(&dv.tensor, n, jacobian[n] + i * size);
    }
    for (int n = 0; n < BATCH; n++) {
        flow_check_close("log|det| of the Jacobian", log_det[n],
                         reference_log_abs_det((int)size, jacobian[n]),
                         log_det_bound * (double)size);
        test_free(jacobian[n]);
    }
    flow_images_free(&v);
    flow_images_free(&u);
    flow_images_free(&dv);
}

static void for_all_kinds(void (*check)(const struct kind *kind, struct layers *layers)) {
    for (int i = 0; i < CONFIGS; i++)
        for (const struct gb_backend *b = NULL; (b = flow_next_backend(b));) {
            struct layers *layers = layers_new(&configs[i], b);
            for (int k = 0; k < KINDS; k++) {
                print_message("           %s, %s, configuration %d\n", kinds[k].name, b->name, i);
                check(&kinds[k], layers);
            }
            layers_free(layers);
        }
}

GB_TEST(test_values) {
    for_all_kinds(check_values);
}

GB_TEST(test_jacobians) {
    for_all_kinds(check_jacobian);
}

// ---- gradients ----

static const float d_log_det[BATCH] = {0.75f, -1.25f};

// A function of tensors in double, and the float gradient for one of them.
struct loss {
    double (*value)(const struct loss *loss);
    const struct layers *layers;
    const struct kind *kind;      // NULL: the split prior
    const struct flow_images *v;  // what the layer takes
    const struct flow_images *du; // weights of what it gives
};

// sum of du * u + sum of d_log_det[n] * log_det[n].
static double layer_loss(const struct loss *loss) {
    size_t size = reference_elements(loss->layers->shape);
    double sum = 0, *u = test_malloc(size * sizeof *u);
    for (int n = 0; n < BATCH; n++) {
        struct reference_conditions *conditions =
            reference_cglow_condition(loss->layers->reference, flow_image(&loss->layers->x, n));
        sum += (double)d_log_det[n] *
               loss->kind->reference(loss->layers, &conditions->step[0], flow_image(loss->v, n), u);
        sum += flow_dot(size, u, flow_image(loss->du, n));
        reference_conditions_free(conditions);
    }
    test_free(u);
    return sum;
}

// sum of d_log_det[n] * log-density of the second half of v given the first.
static double split_loss(const struct loss *loss) {
    size_t half = reference_elements(loss->layers->shape) / 2;
    double sum = 0, *prior = test_malloc(2 * half * sizeof *prior);
    for (int n = 0; n < BATCH; n++) {
        const double *v = flow_image(loss->v, n);
        reference_split_prior(loss->layers->reference, 0, v, prior, prior + half);
        sum += (double)d_log_det[n] * reference_log_normal(half, v + half, prior, prior + half);
    }
    test_free(prior);
    return sum;
}

static double value_of(const void *of) {
    const struct loss *loss = of;
    return loss->value(loss);
}

// The loss's derivatives along random directions in `tensor` must be those that `gradient` says.
static void check_gradient(const char *name, const struct loss *loss, size_t count, double *tensor,
                           const double *gradient) {
    uint64_t state = 8;
    const double length = sqrt(flow_dot(count, gradient, gradient));
    for (int d = 0; d < DIRECTIONS; d++) {
        struct flow_probe probe =
            flow_probe_new(name, 0, tensor, count, false, value_of, loss, &state);
        flow_check_close(name, flow_dot(count, gradient, probe.direction), probe.derivative,
                         gradient_bound * length + 1e-7);
        test_free(probe.direction);
    }
    if (!(length > 0))
        fail_msg("%s: no gradient", name);
}

static void check_image_gradient(const char *name, const struct loss *loss,
                                 const struct flow_images *images, const struct flow_images *d) {
    for (int n = 0; n < BATCH; n++)
        flow_read(&d->tensor, n, flow_image(d, n));
    check_gradient(name, loss, BATCH * reference_elements(images->shape), images->values,
                   d->values);
}

// Of every parameter whose name begins with `prefix`.
static void check_param_gradients(const char *prefix, const struct loss *loss) {
    const struct gb_params *params = &loss->layers->params;
    int found = 0;
    for (int i = 0; i < params->count; i++) {
        const char *name = params->list[i].name;
        if (strncmp(name, prefix, strlen(prefix)) != 0)
            continue;
        struct reference_param *param = reference_cglow_param(loss->layers->reference, "%s", name);
        double *gradient = flow_export_block(params, i, params->gradient);
        check_gradient(name, loss, param->count, param->value, gradient);
        test_free(gradient);
        found++;
    }
    assert_true(found > 0);
}

static void check_layer_gradients(const struct kind *kind, struct layers *layers) {
    uint64_t state = 6;
    double log_det[BATCH] = {0};
    char prefix[64] = "levels.0.steps.0.";
    struct flow_images v = flow_images_new(BATCH, layers->shape, FLOW_GAPS, &state);
    struct flow_images u = flow_images_new(BATCH, layers->shape, FLOW_GAPS, NULL);
    struct flow_images du = flow_images_new(BATCH, layers->shape, FLOW_GAPS, &state);
    struct flow_images dv = flow_images_new(BATCH, layers->shape, FLOW_GAPS, NULL);
    struct flow_images dx = flow_images_new(BATCH, layers->x.shape, FLOW_GAPS, NULL);
    struct loss loss = {layer_loss, layers, kind, &v, &du};
    kind->forward(layers, &v.tensor, &u.tensor, log_det);
    kind->backward(layers, &v.tensor, &du.tensor, d_log_det, &dv.tensor);
    // The networks that see x run as a job on one thread.
    layers->pass.exec.threads = 1;
    kind->condition_backward(layers, &dx.tensor);
    layers->pass.exec.threads = 2;
    flow_check_gaps(&dv);
    flow_check_gaps(&dx);
    check_image_gradient("dv", &loss, &v, &dv);
    check_image_gradient("dx", &loss, &layers->x, &dx);
    check_param_gradients(strcat(prefix, kind->name), &loss);
    struct flow_images *all[] = {&v, &u, &du, &dv, &dx};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        flow_images_free(all[i]);
}

GB_TEST(test_gradients) {
    for_all_kinds(check_layer_gradients);
}

// ---- the split prior ----

static void check_split(struct layers *layers) {
    uint64_t state = 7;
    int half = layers->shape.c / 2;
    size_t size = reference_elements(layers->shape) / 2;
    struct flow_images v = flow_images_new(BATCH, layers->shape, FLOW_GAPS, &state);
    struct flow_images noise = flow_images_new(BATCH, layers->shape, FLOW_GAPS, &state);
    struct flow_images d = flow_images_new(BATCH, layers->shape, FLOW_GAPS, NULL);
    struct gb_tensor kept = gb_channels(&v.tensor, 0, half);
    struct gb_tensor latent = gb_channels(&v.tensor, half, half);
    struct gb_tensor noise_half = gb_channels(&noise.tensor, half, half);
    struct gb_tensor d_kept = gb_channels(&d.tensor, 0, half);
    struct gb_tensor d_latent = gb_channels(&d.tensor, half, half);
    double *prior = test_malloc(2 * size * sizeof *prior),
           *sample = test_malloc(size * sizeof *sample);

    double log_density[BATCH] = {1, 2}; // forward adds
    gb_split_prior_forward(&layers->split, &layers->pass, &kept, &latent, log_density);
    for (int n = 0; n < BATCH; n++) {
        const double *image = flow_image(&v, n);
        reference_split_prior(layers->reference, 0, image, prior, prior + size);
        flow_check_close("log-density", log_density[n] - n - 1,
                         reference_log_normal(size, image + size, prior, prior + size),
                         log_det_bound * (double)size);
    }

    gb_split_prior_backward(&layers->split, &layers->pass, &kept, &latent, d_log_det, &d_kept,
                            &d_latent);
    flow_check_gaps(&d);
    struct loss loss = {split_loss, layers, NULL, &v, NULL};
    check_image_gradient("dv", &loss, &v, &d);
    check_param_gradients("levels.0.split", &loss);

    // d_kept is added to: once more doubles it.
    struct flow_images twice = flow_images_new(BATCH, layers->shape, FLOW_GAPS, NULL);
    gb_copy_values(&d.tensor, &twice.tensor);
    d_kept = gb_channels(&twice.tensor, 0, half);
    d_latent = gb_channels(&twice.tensor, half, half);
    gb_split_prior_backward(&layers->split, &layers->pass, &kept, &latent, d_log_det, &d_kept,
                            &d_latent);
    for (int n = 0; n < BATCH; n++) {
        flow_read(&twice.tensor, n, flow_image(&twice, n));
        for (size_t i = 0; i < 2 * size; i++)
            assert_true(flow_image(&twice, n)[i] == (i < size ? 2 : 1) * flow_image(&d, n)[i]);
    }

    gb_split_prior_sample(&layers->split, &layers->pass, &kept, &noise_half, 0.5f, &latent);
    flow_check_gaps(&v);
    for (int n = 0; n < BATCH; n++) {
        reference_split_prior(layers->reference, 0, flow_image(&v, n), prior, prior + size);
        for (size_t i = 0; i < size; i++)
            prior[i] += 0.5 * exp(prior[size + i]) * flow_image(&noise, n)[size + i];
        flow_read(&latent, n, sample);
        flow_check_close("sample", flow_relative_error(size, sample, prior), 0, value_bound);
    }
    struct flow_images *all[] = {&v, &noise, &d, &twice};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        flow_images_free(all[i]);
    test_free(prior);
    test_free(sample);
}

GB_TEST(test_split_prior) {
    for (int i = 0; i < CONFIGS; i++)
        for (const struct gb_backend *b = NULL; (b = flow_next_backend(b));) {
            struct layers *layers = layers_new(&configs[i], b);
            check_split(layers);
            layers_free(layers);
        }
}
