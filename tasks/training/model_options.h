// SPDX-License-Identifier: MIT
// The options of the command line that shape a model: one for every entry of any model's
// configuration (flows/models/config.h) that does not follow from the data, --KEY with dashes for
// underscores. Its help tells what it is of each model, its range is that of all.
#ifndef GB_MODEL_OPTIONS_H
#define GB_MODEL_OPTIONS_H

#include "base/options.h"
#include "flows/models/model.h"

enum { GB_MODEL_OPTIONS = 48 };

struct gb_model_option {
    const struct gb_config_field *field; // of the first model that has one of this key
    int least, most;                     // over all models
    char name[48];                       // of the option
    char choices[64];                    // "live|published"; "" for a number
    char help[256];
    int number;         // given; below `least`: not given
    const char *choice; // given; NULL: not given
};

struct gb_model_options {
    int count;
    struct gb_model_option list[GB_MODEL_OPTIONS];
};

// Fills the list, with nothing given yet, and appends its options to `options`, which has room for
// GB_MODEL_OPTIONS. `given` must not be moved.
void gb_model_options(struct gb_model_options *given, struct gb_option *options);

// GB_BAD_INPUT for an option that neither the model has nor, where it follows one, its flow (NULL:
// none), and for a number beyond the range of either: to be asked before the data is loaded.
enum gb_status gb_model_options_check(const struct gb_model_options *given,
                                      const struct gb_model_kind *kind,
                                      const struct gb_model_kind *flow);

// Sets what was given, and checked, and is the model's, in its configuration.
void gb_model_options_apply(const struct gb_model_options *given, const struct gb_model_kind *kind,
                            void *config);

// Whether anything was given that the model has, beside the entry of this key.
bool gb_model_options_touch(const struct gb_model_options *given, const struct gb_model_kind *kind,
                            const char *beside);

// GB_BAD_INPUT where a model's configuration is not the one that was asked for; `path` names its
// checkpoint.
enum gb_status gb_model_options_same(const struct gb_model_options *given,
                                     const struct gb_model_kind *kind, const void *asked,
                                     const void *config, const char *path);

#endif
