// SPDX-License-Identifier: MIT
// What holds of every task alike.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <string.h>

#include "tasks/training/reduced_run.h"

// ---- The main job's scores ----

enum { MOST_TASKS = 16 };

// Records of runs whose models all have this metric, and whose trivial baselines have 0.5.
static void make_records(double metric, json_t *records[static MOST_TASKS]) {
    for (int i = 0; gb_tasks()[i]; i++) {
        char trivial[64];
        snprintf(trivial, sizeof trivial, "trivial_%s", gb_tasks()[i]->headline);
        assert_true(i < MOST_TASKS);
        records[i] =
            json_pack("{s:{s:f, s:f}}", "metrics", gb_tasks()[i]->headline, metric, trivial, 0.5);
        assert_non_null(records[i]);
    }
}

static void set_metric(json_t *record, const char *name, double value) {
    assert_int_equal(
        json_object_set_new(json_object_get(record, "metrics"), name, json_real(value)), 0);
}

static void free_records(json_t *records[static MOST_TASKS]) {
    for (int i = 0; gb_tasks()[i]; i++)
        json_decref(records[i]);
}

static void names_what_does_not_beat_the_trivial_baseline(void **state) {
    (void)state;
    json_t *records[MOST_TASKS];
    make_records(0.75, records);
    assert_int_equal(gb_reduced_check(records), GB_OK);
    set_metric(records[1], gb_tasks()[1]->headline, 0.5);
    set_metric(records[3], gb_tasks()[3]->headline, 0.25);
    assert_int_equal(gb_reduced_check(records), GB_CHECK_FAILED);
    assert_string_equal(gb_error_message(), "no better than the trivial baseline: lfw, depth: see "
                                            "the metrics in the table");
    free_records(records);
}

static void knows_which_metric_is_better(void **state) {
    (void)state;
    json_t *records[MOST_TASKS];
    make_records(0.25, records);
    struct gb_task task = *gb_tasks()[0];
    task.lower_is_better = false;
    assert_false(gb_reduced_beats_trivial(&task, records[0]));
    task.lower_is_better = true;
    assert_true(gb_reduced_beats_trivial(&task, records[0]));
    set_metric(records[0], task.headline, 0.5);
    assert_false(gb_reduced_beats_trivial(&task, records[0]));
    task.headline = "nothing";
    assert_false(gb_reduced_beats_trivial(&task, records[0]));
    free_records(records);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_what_does_not_beat_the_trivial_baseline),
        cmocka_unit_test(knows_which_metric_is_better),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
