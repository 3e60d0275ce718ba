// SPDX-License-Identifier: MIT
#include "flows/models/model.h"

// ---- c-Glow ----

static enum gb_status cglow_check(const void *config) {
    return gb_cglow_check(config);
}

static enum gb_status cglow_create(const void *config, const struct gb_model_use *use,
                                   const struct gb_backend *backend, void **model) {
    const struct gb_cglow_use own = {.batch = use->batch,
                                     .samples_per_x = use->samples_per_x,
                                     .threads = use->threads,
                                     .training = use->training,
                                     .gradients = use->gradients,
                                     .input_gradient = use->input_gradient};
    struct gb_cglow *cglow;
    enum gb_status status = gb_cglow_create(config, &own, backend, &cglow);
    *model = cglow;
    return status;
}

static void cglow_free(void *model) {
    gb_cglow_free(model);
}

static struct gb_params *cglow_params(void *model) {
    return gb_cglow_params(model);
}

static size_t cglow_activation_bytes(const void *model) {
    return gb_cglow_activation_bytes(model);
}

static double cglow_step_flops(const void *model) {
    return gb_cglow_step_flops(model);
}

static void cglow_shapes(const void *config, int batch, struct gb_model_shapes *shapes) {
    const struct gb_cglow_config *c = config;
    *shapes = (struct gb_model_shapes){.x = gb_dense(NULL, batch, c->x_h, c->x_w, c->x_c),
                                       .y = gb_dense(NULL, batch, c->y_h, c->y_w, c->y_c)};
}

static void cglow_latent_shapes(const void *model, struct gb_latents *shapes) {
    gb_cglow_latent_shapes(model, shapes);
}

static enum gb_status cglow_condition(void *model, const struct gb_tensor *x) {
    return gb_cglow_condition(model, x);
}

static enum gb_status cglow_forward(void *model, const struct gb_tensor *y,
                                    const struct gb_tensor *noise, double *log_likelihood,
                                    struct gb_latents *latents) {
    (void)noise;
    return gb_cglow_forward(model, y, log_likelihood, latents);
}

static void cglow_backward(void *model, const float *d_log_likelihood, const struct gb_adam *adam,
                           const struct gb_tensor *dx, const struct gb_tensor *dy) {
    gb_cglow_backward(model, d_log_likelihood, adam, dx, dy);
}

static void cglow_inverse(void *model, const struct gb_latents *noise, float temperature,
                          const struct gb_tensor *y) {
    gb_cglow_inverse(model, noise, temperature, y);
}

static void cglow_published_name(const void *config, const char *name, char published[static 96]) {
    gb_cglow_published_name(config, name, published);
}

const struct gb_model_kind gb_cglow_model = {
    .title = "c-Glow",
    .table = &gb_cglow_table,
    .check = cglow_check,
    .create = cglow_create,
    .free = cglow_free,
    .params = cglow_params,
    .activation_bytes = cglow_activation_bytes,
    .step_flops = cglow_step_flops,
    .shapes = cglow_shapes,
    .latent_shapes = cglow_latent_shapes,
    .condition = cglow_condition,
    .forward = cglow_forward,
    .backward = cglow_backward,
    .inverse = cglow_inverse,
    .published_name = cglow_published_name,
};

// ---- CNF ----

static enum gb_status cnf_check(const void *config) {
    return gb_cnf_check(config);
}

static enum gb_status cnf_create(const void *config, const struct gb_model_use *use,
                                 const struct gb_backend *backend, void **model) {
    const struct gb_cnf_use own = {.batch = use->batch,
                                   .samples_per_x = use->samples_per_x,
                                   .threads = use->threads,
                                   .training = use->training,
                                   .gradients = use->gradients,
                                   .reversible = use->reversible};
    struct gb_cnf *cnf;
    enum gb_status status = gb_cnf_create(config, &own, backend, &cnf);
    *model = cnf;
    return status;
}

static void cnf_free(void *model) {
    gb_cnf_free(model);
}

static struct gb_params *cnf_params(void *model) {
    return gb_cnf_params(model);
}

static size_t cnf_activation_bytes(const void *model) {
    return gb_cnf_activation_bytes(model);
}

static double cnf_step_flops(const void *model) {
    return gb_cnf_step_flops(model);
}

static void cnf_shapes(const void *config, int batch, struct gb_model_shapes *shapes) {
    const struct gb_cnf_config *c = config;
    *shapes = (struct gb_model_shapes){.x = gb_dense(NULL, batch, c->x_h, c->x_w, c->x_c),
                                       .y = gb_dense(NULL, batch, c->y_h, c->y_w, c->y_c),
                                       .dequantisation = c->dequantiser_steps > 0
                                                             ? GB_DEQUANTISED_BY_MODEL
                                                             : GB_DEQUANTISED_BY_CALLER};
}

static void cnf_latent_shapes(const void *model, struct gb_latents *shapes) {
    gb_cnf_latent_shapes(model, shapes);
}

static enum gb_status cnf_condition(void *model, const struct gb_tensor *x) {
    return gb_cnf_condition(model, x);
}

static enum gb_status cnf_start(void *model, const struct gb_tensor *y,
                                const struct gb_tensor *noise) {
    return gb_cnf_start(model, y, noise);
}

static enum gb_status cnf_forward(void *model, const struct gb_tensor *y,
                                  const struct gb_tensor *noise, double *log_likelihood,
                                  struct gb_latents *latents) {
    return gb_cnf_forward(model, y, noise, log_likelihood, latents);
}

static void cnf_backward(void *model, const float *d_log_likelihood, const struct gb_adam *adam,
                         const struct gb_tensor *dx, const struct gb_tensor *dy) {
    gb_cnf_backward(model, d_log_likelihood, adam, dx, dy);
}

static void cnf_inverse(void *model, const struct gb_latents *noise, float temperature,
                        const struct gb_tensor *y) {
    gb_cnf_inverse(model, noise, temperature, y);
}

static void cnf_published_name(const void *config, const char *name, char published[static 96]) {
    gb_cnf_published_name(config, name, published);
}

const struct gb_model_kind gb_cnf_model = {
    .title = "CNF",
    .table = &gb_cnf_table,
    .check = cnf_check,
    .create = cnf_create,
    .free = cnf_free,
    .params = cnf_params,
    .activation_bytes = cnf_activation_bytes,
    .step_flops = cnf_step_flops,
    .shapes = cnf_shapes,
    .latent_shapes = cnf_latent_shapes,
    .condition = cnf_condition,
    .start = cnf_start,
    .forward = cnf_forward,
    .backward = cnf_backward,
    .inverse = cnf_inverse,
    .published_name = cnf_published_name,
};

// ---- All of them ----

const struct gb_model_kind *const *gb_model_kinds(void) {
    static const struct gb_model_kind *const kinds[] = {
        &gb_cglow_model, &gb_cnf_model, &gb_factored_model, &gb_dncnn_model,
        &gb_srcnn_model, &gb_ffn_model, &gb_fcn_model,      NULL};
    return kinds;
}

enum gb_status gb_model_resize(const struct gb_model_kind *kind, void *config, int x_h, int x_w,
                               int y_h, int y_w) {
    const struct {
        const char *key;
        int value;
    } sizes[] = {{"x_height", x_h}, {"x_width", x_w}, {"y_height", y_h}, {"y_width", y_w}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        gb_config_set(config, gb_config_find(kind->table, sizes[i].key), sizes[i].value);
    return kind->check(config);
}
