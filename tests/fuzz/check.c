// SPDX-License-Identifier: MIT
// check.json: the metrics that `tables --check` compares with.
#include "tests/fuzz/fuzz.h"

#include "bench/tables/tables.h"

void gb_fuzz_check(const uint8_t *bytes, size_t size) {
    json_t *expected;
    if (gb_expected_metrics_read(gb_fuzz_file("check.json", bytes, size), &expected) == GB_OK)
        json_decref(expected);
}
