// SPDX-License-Identifier: MIT
// The directory of a training run: run.json, log.jsonl and samples.png, shown by `report`.
#include "tests/fuzz/fuzz.h"

#include "bench/commands.h"

void gb_fuzz_run(const uint8_t *bytes, size_t size) {
    struct gb_fuzz_input rest = {bytes, size};
    gb_fuzz_part_file("run/run.json", &rest);
    gb_fuzz_part_file("run/log.jsonl", &rest);
    gb_fuzz_file("run/samples.png", rest.bytes, rest.size);
    gb_report_command.run(4, (const char *[]){"report", "--html", gb_fixture_path("page.html"),
                                              gb_fixture_path("run"), NULL});
}
