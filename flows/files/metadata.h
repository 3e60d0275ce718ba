// SPDX-License-Identifier: MIT
// The metadata of a tensor file: a map of strings in which numbers are written in decimal.
#ifndef GB_METADATA_H
#define GB_METADATA_H

#include <jansson.h>
#include <stdint.h>

#include "base/status.h"

// The text under `key`. GB_BAD_INPUT where it is missing or not a string; the message names `path`,
// the file that the metadata came from, and the key. `metadata` may be NULL, which holds nothing.
enum gb_status gb_metadata_string(const json_t *metadata, const char *path, const char *key,
                                  const char **text);

// The number under `key`, low..high. GB_BAD_INPUT where it is missing, is out of range or is not
// written in decimal digits alone.
enum gb_status gb_metadata_integer(const json_t *metadata, const char *path, const char *key,
                                   uint64_t low, uint64_t high, uint64_t *value);

// Sets a key, replacing what it held. GB_BAD_INPUT where the text is not UTF-8, GB_OUT_OF_MEMORY.
enum gb_status gb_metadata_set_string(json_t *metadata, const char *key, const char *text);
enum gb_status gb_metadata_set_integer(json_t *metadata, const char *key, uint64_t value);

#endif
