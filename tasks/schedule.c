// SPDX-License-Identifier: MIT
#include "tasks/schedule.h"

#include <math.h>
#include <string.h>

const char *const gb_schedule_names[GB_SCHEDULE_KINDS] = {"constant", "cosine", "halving"};

static float cosine(const struct gb_schedule *s, float rate, long step) {
    const double pi = 3.14159265358979323846;
    const double part = (double)(step - s->warm_up) / (s->steps - s->warm_up);
    return part < 1 ? (float)((double)rate * 0.5 * (1 + cos(pi * part))) : 0;
}

float gb_schedule_rate(const struct gb_schedule *s, float rate, long step) {
    float scheduled = rate;
    if (s->kind == GB_SCHEDULE_HALVING)
        scheduled = ldexpf(rate, (int)-(step / s->steps));
    else if (s->kind == GB_SCHEDULE_COSINE && step >= s->warm_up)
        scheduled = cosine(s, rate, step);
    return step < s->warm_up ? (float)((double)scheduled * (double)(step + 1) / s->warm_up)
                             : scheduled;
}

enum gb_status gb_schedule_check(const struct gb_schedule *s, int iterations) {
    const char *name = gb_schedule_names[s->kind];
    if (s->kind == GB_SCHEDULE_CONSTANT)
        return s->steps == 0 ? GB_OK
                             : gb_fail(GB_BAD_INPUT, "unknown option", "--schedule-steps",
                                       "the schedule is constant");
    if (s->steps < 1)
        return gb_fail(GB_BAD_INPUT, "missing option", "--schedule-steps",
                       "required by --schedule %s: the model has no steps of its own", name);
    if (s->kind == GB_SCHEDULE_HALVING)
        return GB_OK;
    if (s->warm_up >= s->steps)
        return gb_fail(GB_BAD_INPUT, "invalid schedule", name,
                       "--warm-up %d is not below the %d steps of the schedule", s->warm_up,
                       s->steps);
    if (iterations > s->steps)
        return gb_fail(GB_BAD_INPUT, "invalid schedule", name,
                       "its rate is 0 from step %d on, before --iters %d", s->steps, iterations);
    return GB_OK;
}

enum gb_schedule_kind gb_schedule_find(const char *name) {
    int kind = 0;
    while (kind < GB_SCHEDULE_KINDS && strcmp(gb_schedule_names[kind], name) != 0)
        kind++;
    return (enum gb_schedule_kind)kind;
}
