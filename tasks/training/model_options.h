// SPDX-License-Identifier: MIT
// The options of the command line that shape a model: one for every entry of any model's
// configuration (flows/models/config.h) that does not follow from the data, --KEY with dashes for
// underscores. Its help tells what it is of each model, its range is that of all.
#ifndef GB_MODEL_OPTIONS_H
#define GB_MODEL_OPTIONS_H

#include "flows/models/model.h"
#include "tasks/program/options.h"

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

// GB_BAD_INPUT for an option that the model does not have, and for a number beyond its range: to be
// asked before the data is loaded.
enum gb_status gb_model_options_check(const struct gb_model_options *given,
                                      const struct gb_model_kind *kind);

// Sets what was given, and checked, in a model's configuration.
void gb_model_options_apply(const struct gb_model_options *given, const struct gb_model_kind *kind,
                            void *config);

// GB_BAD_INPUT where something was given that is not the configuration's; `path` names its
// checkpoint.
enum gb_status gb_model_options_agree(const struct gb_model_options *given,
                                      const struct gb_model_kind *kind, const void *config,
                                      const char *path);

#endif
