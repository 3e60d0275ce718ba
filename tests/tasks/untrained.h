// SPDX-License-Identifier: MIT
// Models with the parameters that training starts from, and predictors with these.
#ifndef GB_UNTRAINED_H
#define GB_UNTRAINED_H

#include "tasks/training/predictor.h"
#include "tests/support/test.h"

// The predictor's model for one target, on one thread; to be freed by its kind.
static inline struct gb_model *gb_untrained_model(const struct gb_predictor *predictor,
                                                  uint64_t seed) {
    const struct gb_model_use use = {.batch = 1, .samples_per_x = 1, .threads = 1};
    const struct gb_model_kind *kind = predictor->kind;
    struct gb_model *model;
    assert_ok(gb_model_create(kind, &predictor->config, &use, predictor->options.backend, &model));
    assert_ok(gb_params_initialise(&model->params, seed));
    return model;
}

static inline void gb_load_untrained(struct gb_predictor *predictor, uint64_t seed) {
    struct gb_model *model = gb_untrained_model(predictor, seed);
    assert_ok(gb_predictor_load(predictor, &model->params));
    gb_model_free(model);
}

#endif
