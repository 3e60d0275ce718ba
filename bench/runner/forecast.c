// SPDX-License-Identifier: MIT
#include "bench/runner/forecast.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/console.h"

double gb_forecast_run(const struct gb_benchmark *benchmark) {
    const double flops = 50e9, bytes = 5e9; // per second
    const double call = 1e-6;
    return call + fmax(benchmark->flops / flops / benchmark->threads, benchmark->bytes / bytes);
}

static double forecast_check(const struct gb_benchmark *benchmark) {
    const double reference_flops = 2e9, bytes = 5e9; // per second
    const double run = gb_forecast_run(benchmark);
    if (benchmark->failure) // two passes each on two backends, of which one may be slower
        return 6 * run;
    return 2 * (benchmark->check_flops / reference_flops + benchmark->bytes / bytes + 2 * run);
}

double gb_forecast_row(const struct gb_benchmark *benchmark, int repetitions, bool checked) {
    const double shortest = 0.03; // of a repetition, with its preparation
    const double long_run = 0.25; // which needs no preparation
    const double run = gb_forecast_run(benchmark);
    return (checked ? forecast_check(benchmark) : 0) +
           (1 + repetitions) * fmax(shortest, run < long_run ? 2 * run : run);
}

double gb_forecast_group(int repetitions, bool cold) {
    const double control = 0.02, probe = 0.017;
    return repetitions * (control + (cold ? 2 : 1) * probe);
}

enum gb_status gb_budget_parse(const char *option, const char *text, double *seconds) {
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"", 1}, {"s", 1}, {"min", 60}, {"h", 3600}};
    char *end;
    const double number = strtod(text, &end);
    if (end != text && isdigit((unsigned char)*text) && number > 0 && number < 1e6)
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
            if (strcmp(end, units[i].unit) == 0) {
                *seconds = number * units[i].seconds;
                return GB_OK;
            }
    return gb_fail(GB_BAD_INPUT, "bad value", option,
                   "\"%s\" is not a time such as 90s, 5min or 2h", text);
}

void gb_forecast_warn(double seconds) {
    const double hour = 3600;
    if (seconds > hour)
        gb_say("More than an hour: --suite quick, --budget 10min or a --filter take less.\n");
}
