// SPDX-License-Identifier: MIT
// A model's parameters on disk: safetensors, each parameter under its name in PyTorch's shape and
// order whatever the backend that trained it, Adam's moments as "adam.moment1.NAME" and
// "adam.moment2.NAME", moving averages as "average.NAME", and the configuration as metadata.
#ifndef GB_CHECKPOINT_H
#define GB_CHECKPOINT_H

#include <jansson.h>

#include "flows/params.h"

// Writes values, and moments and averages where `params` has them. `metadata` is an object of
// strings; the key "checkpoint_version" is added here. The file is complete or unchanged.
// GB_CHECK_FAILED if a value is NaN or infinite: such a file would not load.
enum gb_status gb_checkpoint_save(const char *path, const struct gb_params *params,
                                  const json_t *metadata);

// What is loaded.
enum gb_checkpoint_use {
    // The values to use the model with: the averages where the file has any.
    GB_CHECKPOINT_TRAINED,
    // All that training resumes from: values, moments, averages if they are kept.
    GB_CHECKPOINT_RESUMED,
};

// Fills the parameters of a model, which are reserved. The whole file is checked first: everything
// that the use needs is there, no tensor is unknown to the model, shapes are right, and in what is
// needed there is no NaN or infinity and no negative second moment. The rest is skipped. After
// GB_BAD_INPUT or GB_IO_ERROR `params` is unchanged; after GB_OUT_OF_MEMORY it is undefined.
enum gb_status gb_checkpoint_load(const char *path, struct gb_params *params,
                                  enum gb_checkpoint_use use);

// The metadata alone, which has the configuration to build the model from. The caller calls
// json_decref.
enum gb_status gb_checkpoint_metadata(const char *path, json_t **metadata);

#endif
