// SPDX-License-Identifier: MIT
// Models with the parameters that training starts from, and predictors with these.
#ifndef GB_UNTRAINED_H
#define GB_UNTRAINED_H

#include "tasks/training/predictor.h"
#include "tests/support/cmocka.h"

// The predictor's model for one target, on one thread; to be freed by its kind.
static inline void *gb_untrained_model(const struct gb_predictor *predictor, uint64_t seed) {
    const struct gb_model_use use = {.batch = 1, .samples_per_x = 1, .threads = 1};
    const struct gb_model_kind *kind = predictor->kind;
    void *model;
    assert_int_equal(kind->create(&predictor->config, &use, predictor->options.backend, &model),
                     GB_OK);
    assert_int_equal(gb_params_initialise(kind->params(model), seed), GB_OK);
    return model;
}

static inline void gb_load_untrained(struct gb_predictor *predictor, uint64_t seed) {
    void *model = gb_untrained_model(predictor, seed);
    assert_int_equal(gb_predictor_load(predictor, predictor->kind->params(model)), GB_OK);
    predictor->kind->free(model);
}

#endif
