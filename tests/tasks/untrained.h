// SPDX-License-Identifier: MIT
// Models with the parameters that training starts from, and predictors with these.
#ifndef GB_UNTRAINED_H
#define GB_UNTRAINED_H

#include "tasks/prediction/predictor.h"
#include "tests/support/test.h"
#include "tests/tasks/loading.h"

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

// Bits per dimension of one target in itself, by these parameters.
static inline double gb_untrained_bits(const struct gb_predictor *predictor, uint64_t seed,
                                       const struct gb_tensor *x, const struct gb_tensor *target) {
    double log_likelihood;
    struct gb_model *model = gb_untrained_model(predictor, seed);
    assert_ok(predictor->kind->condition(model, x));
    assert_ok(predictor->kind->forward(model, target, NULL, &log_likelihood, NULL));
    gb_model_free(model);
    return gb_bits_per_dimension(log_likelihood, gb_elements(target));
}

// Scores the test split.
static inline void evaluate(struct gb_predictor *predictor, const struct gb_dataset splits[],
                            struct scores *scores) {
    *scores = new_scores(0);
    if (gb_predictor_evaluate(predictor, &splits[GB_SPLIT_TRAIN], &splits[GB_SPLIT_TEST],
                              scores->metrics, scores->per_image) != GB_OK)
        fail_msg("%s: %s", predictor->kind->title, gb_error_message());
}

#endif
