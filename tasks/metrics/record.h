// SPDX-License-Identifier: MIT
// Metrics under their names, as results hold them.
#ifndef GB_RECORD_H
#define GB_RECORD_H

#include <jansson.h>

#include "base/status.h"

// Sets the metric "PREFIXNAME". GB_CHECK_FAILED where the value is not finite: JSON has no such
// numbers. GB_OUT_OF_MEMORY.
enum gb_status gb_metric_set(json_t *metrics, const char *prefix, const char *name, double value);

// Sets seconds_per_prediction and images_per_second: a prediction is all that answers one example.
enum gb_status gb_metric_set_speed(json_t *metrics, double seconds_per_prediction);

// Prints metrics, and words that tell of them, as "name value" lines; curves are left out.
void gb_metrics_print(const json_t *metrics);

#endif
