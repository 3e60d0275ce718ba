// SPDX-License-Identifier: MIT
#include "bench/report/training_record.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/files.h"
#include "base/json.h"
#include "bench/report/html.h"

static const char what[] = "cannot read run";

enum gb_status gb_training_run_read(const char *directory, json_t **run) {
    char path[GB_PATH];
    *run = NULL;
    GB_TRY(gb_path_join(directory, "run.json", path));
    if (access(path, F_OK) != 0)
        return gb_fail(GB_BAD_INPUT, what, directory, "not a training run: it has no run.json");
    GB_TRY(gb_json_read(what, path, run));
    if (json_is_string(json_object_get(*run, "task")))
        return GB_OK;
    json_decref(*run);
    *run = NULL;
    return gb_fail(GB_BAD_INPUT, what, path, "not a training run's record: no string 'task'");
}

enum gb_status gb_training_record_read(const char *directory, struct gb_training_record *record) {
    char path[GB_PATH];
    *record = (struct gb_training_record){.directory = directory};
    GB_TRY(gb_training_run_read(directory, &record->run));
    GB_TRY(gb_path_join(directory, "log.jsonl", path));
    record->log = json_array();
    GB_TRY(gb_json_lines_read(what, path, record->log));
    size_t i;
    json_t *row;
    json_array_foreach(record->log, i, row) {
        if (!json_is_integer(json_object_get(row, "step")) || gb_json_integer(row, "step") < 0)
            return gb_fail(GB_BAD_INPUT, what, path,
                           "line %zu: 'step' is not a non-negative integer", i + 1);
    }
    GB_TRY(gb_path_join(directory, "samples.png", path));
    return gb_png_read(what, path, &record->samples, &record->sample_bytes);
}

void gb_training_record_free(struct gb_training_record *record) {
    json_decref(record->run);
    json_decref(record->log);
    free(record->samples);
    *record = (struct gb_training_record){0};
}
