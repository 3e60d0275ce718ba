// SPDX-License-Identifier: MIT
#include "tasks/metrics/record.h"

#include <math.h>
#include <stdio.h>

enum gb_status gb_metric_set(json_t *metrics, const char *prefix, const char *name, double value) {
    char key[128];
    snprintf(key, sizeof key, "%s%s", prefix, name);
    if (!isfinite(value))
        return gb_fail(GB_CHECK_FAILED, "cannot score", key, "it is %g", value);
    if (json_object_set_new(metrics, key, json_real(value)) != 0)
        return gb_no_memory("cannot score", key);
    return GB_OK;
}

enum gb_status gb_metric_set_speed(json_t *metrics, double seconds_per_prediction) {
    GB_TRY(gb_metric_set(metrics, "", "seconds_per_prediction", seconds_per_prediction));
    return gb_metric_set(metrics, "", "images_per_second", 1 / seconds_per_prediction);
}

void gb_metrics_print(const json_t *metrics) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)metrics, name, value) {
        if (json_is_number(value))
            printf("  %-32s %.6g\n", name, json_number_value(value));
        else if (json_is_string(value))
            printf("  %-32s %s\n", name, json_string_value(value));
    }
}
