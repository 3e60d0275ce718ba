// SPDX-License-Identifier: MIT
#include "bench/tables/projection.h"

#include <string.h>

#include "base/files.h"
#include "base/json.h"
#include "base/progress.h"
#include "bench/tables/time_to.h"
#include "tasks/data/lists.h"
#include "tasks/task.h"

static enum gb_status add_steps(const char *path, struct gb_rows *steps) {
    struct gb_rows rows = {0};
    enum gb_status status = gb_rows_add_file(&rows, path);
    for (size_t i = 0; i < rows.count && status == GB_OK; i++)
        if (strcmp(rows.list[i].operation, "step") == 0 && !rows.list[i].error) {
            status = gb_rows_add(steps, &rows.list[i]);
            if (status == GB_OK)
                rows.list[i] = (struct gb_row){0}; // moved
        }
    gb_rows_free(&rows);
    return status;
}

enum gb_status gb_backend_steps_read(const char *directory, struct gb_rows *steps) {
    char backends[GB_PATH], path[GB_PATH];
    struct gb_list files;
    GB_TRY(gb_path_join(directory, "backends/steps", backends));
    if (!gb_is_directory(backends))
        return GB_OK;
    GB_TRY(gb_list_directory(backends, ".jsonl", &files));
    enum gb_status status = GB_OK;
    for (int i = 0; i < files.count && status == GB_OK; i++) {
        status = gb_path_join(backends, files.names[i], path);
        if (status == GB_OK)
            status = add_steps(path, steps);
    }
    gb_list_free(&files);
    return status;
}

// Whether an option of the run sets a number of the model other than by its size.
static bool changes_model(const json_t *run, const struct gb_model_kind *kind) {
    const char *option;
    json_t *value;
    json_object_foreach(json_object_get(run, "options"), option, value) {
        char key[GB_WORD];
        snprintf(key, sizeof key, "%s", option);
        for (char *at = key; (at = strchr(at, '-'));)
            *at = '_';
        const struct gb_config_field *field = gb_config_find(kind->table, key);
        if (field && field->help)
            return true;
    }
    return false;
}

// Whether the step is of this model at this size: "step/train/cglow-depth-96x128b2_bf16".
static bool is_of(const struct gb_row *step, const char *model, const char *precision) {
    const size_t length = strlen(model);
    return strncmp(step->problem, model, length) == 0 &&
           (step->problem[length] == 'b' || step->problem[length] == 'x') &&
           strcmp(*step->precision ? step->precision : "fp32", precision) == 0;
}

// The smallest ratio of a library's step to the backend's with as many threads on its machine; 0 if
// there is none.
static double ratio_of(const struct gb_rows *steps, const char *model, const char *precision,
                       const char *backend, const char *library) {
    double ratio = 0;
    for (size_t i = 0; i < steps->count; i++) {
        const struct gb_row *native = &steps->list[i];
        if (strcmp(native->backend, backend) != 0 || !is_of(native, model, precision))
            continue;
        for (size_t j = 0; j < steps->count; j++) {
            const struct gb_row *step = &steps->list[j];
            if (strncmp(step->library, library, strlen(library)) == 0 &&
                strcmp(step->problem, native->problem) == 0 && step->threads == native->threads &&
                strcmp(step->label, native->label) == 0) {
                const double each = step->median_seconds / native->median_seconds;
                ratio = ratio > 0 && ratio < each ? ratio : each;
            }
        }
        if (ratio > 0)
            break;
    }
    return ratio;
}

void gb_projected_times(const struct gb_rows *steps, const json_t *run, const json_t *row,
                        double seconds, char text[static GB_PROJECTED]) {
    static const char *const libraries[] = {"oneDNN", "PyTorch"};
    const struct gb_task *task;
    const struct gb_task_model *model;
    *text = 0;
    if (gb_task_find(gb_json_text(row, "task"), &task) != GB_OK ||
        gb_task_model_find(task, gb_json_text(row, "model"), &model) != GB_OK ||
        changes_model(run, model->kind))
        return;
    char problem[GB_PROBLEM];
    snprintf(problem, sizeof problem, "step/train/%s-%s-%lld", model->name, task->name,
             (long long)gb_json_integer(json_object_get(run, "options"), "size"));
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        const double ratio = ratio_of(steps, problem, gb_row_precision(row),
                                      gb_json_text(row, "backend"), libraries[i]);
        char time[32];
        const size_t length = strlen(text);
        if (!(ratio > 0))
            continue;
        gb_duration_text(seconds * ratio, time);
        snprintf(text + length, GB_PROJECTED - length, "%s%s %s", length ? ", " : "", libraries[i],
                 time);
    }
}
