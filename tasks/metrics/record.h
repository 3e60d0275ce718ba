// SPDX-License-Identifier: MIT
// Metrics by name, as in results.
#ifndef GB_RECORD_H
#define GB_RECORD_H

#include <jansson.h>

#include "base/status.h"

// Sets the metric "PREFIXNAME". GB_CHECK_FAILED where the value is not finite: JSON has no such
// numbers. GB_OUT_OF_MEMORY.
enum gb_status gb_metric_set(json_t *metrics, const char *prefix, const char *name, double value);

// Sets seconds_per_prediction (all work for one example) and images_per_second.
enum gb_status gb_metric_set_speed(json_t *metrics, double seconds_per_prediction);

// Prints numbers and strings as "name value" lines, without curves.
void gb_metrics_print(const json_t *metrics);

#endif
