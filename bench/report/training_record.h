// SPDX-License-Identifier: MIT
// What a training run left in its directory, read back.
#ifndef GB_TRAINING_RECORD_H
#define GB_TRAINING_RECORD_H

#include <jansson.h>
#include <stddef.h>

#include "base/status.h"

struct gb_training_record {
    const char *directory;
    json_t *run;   // run.json
    json_t *log;   // an array of log.jsonl's rows
    char *samples; // samples.png; NULL if there is none
    size_t sample_bytes;
};

// `directory` must outlive the record, which is to be freed even on failure: GB_BAD_INPUT naming
// the file, and its line, if run.json or log.jsonl is missing or damaged.
enum gb_status gb_training_record_read(const char *directory, struct gb_training_record *record);

// run.json alone, to be released.
enum gb_status gb_training_run_read(const char *directory, json_t **run);

void gb_training_record_free(struct gb_training_record *record);

#endif
