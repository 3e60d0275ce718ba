// SPDX-License-Identifier: MIT
// How long benchmarks take, estimated from FLOPs and bytes for a common CPU.
#ifndef GB_FORECAST_H
#define GB_FORECAST_H

#include "bench/runner/benchmark.h"

// Seconds of one run.
double gb_forecast_run(const struct gb_benchmark *benchmark);

// Seconds of a row with so many repetitions; `checked`: with its checks against the reference.
double gb_forecast_row(const struct gb_benchmark *benchmark, int repetitions, bool checked);

// Seconds that a group of rows takes besides them: the control and the probes of the peaks.
double gb_forecast_group(int repetitions, bool cold);

// Seconds as bench, ab and run take them: "90", "90s", "5min", "2h". GB_BAD_INPUT naming `option`
// unless it is a number above 0 with one of these units.
enum gb_status gb_budget_parse(const char *option, const char *text, double *seconds);

// Prints what takes less, if a command takes more than an hour.
void gb_forecast_warn(double seconds);

#endif
