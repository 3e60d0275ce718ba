// SPDX-License-Identifier: MIT
#include "flows/models/model.h"

#include <stdlib.h>

const struct gb_model_kind *const *gb_model_kinds(void) {
    static const struct gb_model_kind *const kinds[] = {
        &gb_cglow_model, &gb_cnf_model, &gb_factored_model, &gb_dncnn_model,
        &gb_srcnn_model, &gb_ffn_model, &gb_fcn_model,      NULL};
    return kinds;
}

// A model without memory for activations and parameters.
static enum gb_status plan(const struct gb_model_kind *kind, const void *config,
                           const struct gb_model_use *use, const struct gb_backend *backend,
                           struct gb_model **result) {
    GB_TRY(kind->check(config));
    if (use->reversible)
        GB_TRY(gb_model_check_reversible(kind));
    struct gb_model *model = *result = calloc(1, kind->size);
    if (!model)
        return gb_no_memory("cannot build the model", kind->title);
    model->kind = kind;
    model->use = *use;
    model->backend = model->params.backend = backend;
    model->params.moments = use->moments;
    model->exec.threads = use->threads;
    return kind->plan(model, config);
}

static void bind(struct gb_model *model) {
    model->kind->bind(model);
    model->exec.scratch = gb_arena_alloc(&model->arena, model->exec.scratch_bytes);
}

static enum gb_status reserve(struct gb_model *model) {
    bind(model);
    GB_TRY(gb_arena_reserve(&model->arena, "activations"));
    bind(model);
    return gb_params_reserve(&model->params, model->use.gradients, model->use.training);
}

enum gb_status gb_model_create(const struct gb_model_kind *kind, const void *config,
                               const struct gb_model_use *use, const struct gb_backend *backend,
                               struct gb_model **model) {
    assert(use->batch >= 1 && use->samples_per_x >= 1 && use->batch % use->samples_per_x == 0);
    assert(use->samples_per_x == 1 || !gb_model_trains(use));
    *model = NULL;
    enum gb_status status = plan(kind, config, use, backend, model);
    if (status == GB_OK)
        status = reserve(*model);
    if (status != GB_OK) {
        gb_model_free(*model);
        *model = NULL;
    }
    return status;
}

void gb_model_free(struct gb_model *model) {
    if (!model)
        return;
    model->kind->release(model);
    gb_arena_free(&model->arena);
    gb_params_free(&model->params);
    free(model->layers.list);
    free(model);
}

enum gb_status gb_model_check_reversible(const struct gb_model_kind *kind) {
    if (kind->recomputes)
        return GB_OK;
    return gb_fail(GB_BAD_INPUT, "cannot recompute activations", kind->title,
                   "reversible memory is for c-Glow, CNF and the factored models");
}

enum gb_status gb_model_parameters(const struct gb_model_kind *kind, const void *config,
                                   size_t *parameters) {
    const struct gb_model_use use = {.batch = 1, .samples_per_x = 1, .threads = 1};
    const struct gb_backend *scalar;
    struct gb_model *model = NULL;
    GB_TRY(gb_backend_find("scalar", &scalar));
    enum gb_status status = plan(kind, config, &use, scalar, &model);
    if (status == GB_OK)
        *parameters = gb_params_elements(&model->params);
    gb_model_free(model);
    return status;
}

void gb_model_shapes(const struct gb_model_kind *kind, const void *config, int batch,
                     struct gb_model_shapes *shapes) {
    const struct gb_image_sizes *s = config;
    *shapes = (struct gb_model_shapes){.x = gb_dense(NULL, batch, s->x_h, s->x_w, s->x_c),
                                       .y = gb_dense(NULL, batch, s->y_h, s->y_w, s->y_c),
                                       .dequantisation = kind->dequantisation(config)};
}

struct gb_pass gb_model_pass(struct gb_model *model, const struct gb_adam *adam) {
    return (struct gb_pass){.backend = model->backend,
                            .exec = model->exec,
                            .params = &model->params,
                            .training = model->use.training,
                            .adam = adam,
                            .profile = model->profile};
}

int gb_model_multiple(const struct gb_model_kind *kind, const void *config) {
    const struct gb_config_field *levels = gb_config_find(kind->table, "levels");
    return 1 << (levels ? gb_config_number(config, levels) : 0);
}

enum gb_status gb_model_resize(const struct gb_model_kind *kind, void *config, int x_h, int x_w,
                               int y_h, int y_w) {
    struct gb_image_sizes *sizes = config;
    *sizes = (struct gb_image_sizes){x_h, x_w, sizes->x_c, y_h, y_w, sizes->y_c};
    return kind->check(config);
}
