// SPDX-License-Identifier: MIT
// Command-line options for a model's configuration: one for every field of any model
// (flows/models/config.h) that does not follow from the data, named --KEY with dashes for
// underscores. Its help names its meaning in each model; its range covers all models.
#ifndef GB_MODEL_OPTIONS_H
#define GB_MODEL_OPTIONS_H

#include "base/options.h"
#include "flows/models/model.h"

enum { GB_MODEL_OPTIONS = 48 };

struct gb_model_option {
    const struct gb_config_field *field; // of the first model that has this key
    int least, most;                     // over all models
    char name[48];                       // of the option: "--n-c"
    char choices[64];                    // "live|published"; "" for a number
    char help[256];
    int number;         // given; below `least`: not given
    const char *choice; // given; NULL: not given
};

struct gb_model_options {
    int count;
    struct gb_model_option list[GB_MODEL_OPTIONS];
};

// Fills the list, with nothing given yet, and appends its at most GB_MODEL_OPTIONS options to
// `options`. `given` must not be moved.
void gb_model_options(struct gb_model_options *given, struct gb_option *options);

// GB_BAD_INPUT for an option that neither the model nor the flow it matches (NULL: none) has, and
// for a number out of the range of either. To be called before the data are loaded.
enum gb_status gb_model_options_check(const struct gb_model_options *given,
                                      const struct gb_model_kind *kind,
                                      const struct gb_model_kind *flow);

// Sets the options given (and checked) that the model has in its configuration.
void gb_model_options_apply(const struct gb_model_options *given, const struct gb_model_kind *kind,
                            void *config);

// Whether any option of the model except `exception` was given.
bool gb_model_options_touch(const struct gb_model_options *given, const struct gb_model_kind *kind,
                            const char *exception);

// GB_BAD_INPUT where the options given describe a different model than the checkpoint at `path`.
enum gb_status gb_model_options_same(const struct gb_model_options *given,
                                     const struct gb_model_kind *kind, const void *asked,
                                     const void *config, const char *path);

#endif
