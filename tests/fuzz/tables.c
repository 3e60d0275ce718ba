// SPDX-License-Identifier: MIT
// The directory of results: published.json, a run, rows.jsonl and a page with marks, written out by
// `tables`.
#include "tests/fuzz/fuzz.h"

#include "bench/commands.h"

void gb_fuzz_tables(const uint8_t *bytes, size_t size) {
    struct gb_fuzz_input rest = {bytes, size};
    gb_fuzz_part_file("results/published.json", &rest);
    gb_fuzz_part_file("results/runs/run.json", &rest);
    gb_fuzz_part_file("results/rows.jsonl", &rest);
    const char *page = gb_fuzz_file("page.md", rest.bytes, rest.size);
    gb_tables_command.run(5, (const char *[]){"tables", "--results", gb_fixture_path("results"),
                                              "--readme", page, NULL});
}
