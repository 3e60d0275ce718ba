// SPDX-License-Identifier: MIT
// A model's parameters on disk: safetensors, each parameter under its name in PyTorch's shape and
// order whatever the backend that trained it, Adam's moments as "adam.moment1.NAME" and
// "adam.moment2.NAME", moving averages as "average.NAME", and the configuration as metadata.
#ifndef GB_CHECKPOINT_H
#define GB_CHECKPOINT_H

#include <jansson.h>

#include "flows/params.h"

// Writes values, and moments and averages where `params` has them. `metadata` is an object of
// strings; the key "checkpoint_version" is added here. The file is whole or as it was.
// GB_CHECK_FAILED where a value is NaN or infinite: such a file would not load.
enum gb_status gb_checkpoint_save(const char *path, const struct gb_params *params,
                                  const json_t *metadata);

// What is loaded.
enum gb_checkpoint_use {
    // The values to use the model with: the averages where the file has any.
    GB_CHECKPOINT_TRAINED,
    // All that training goes on from: values, moments, averages where they are kept.
    GB_CHECKPOINT_RESUMED,
};

// Fills the parameters of a model, which are reserved. The whole file is checked first: all that
// the use asks for there, no tensor that the model does not know, each of its shape, and in what is
// asked for no NaN or infinity and no negative second moment. GB_BAD_INPUT or GB_IO_ERROR leaves
// `params` as it was; after GB_OUT_OF_MEMORY it is undefined. What the use does not ask for is
// skipped.
enum gb_status gb_checkpoint_load(const char *path, struct gb_params *params,
                                  enum gb_checkpoint_use use);

// The metadata alone, to learn the configuration before a model is built. The caller's to
// json_decref.
enum gb_status gb_checkpoint_metadata(const char *path, json_t **metadata);

#endif
