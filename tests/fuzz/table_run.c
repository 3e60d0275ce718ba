// SPDX-License-Identifier: MIT
// What a table's row is made from: begun.json, run.json and log.jsonl of a finished run.
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "bench/commands.h"

static const char published[] =
    "{\"tables\":[{\"id\":\"t\",\"title\":\"T\",\"note\":\"\",\"columns\":[],\"published\":[],"
    "\"measured\":[]}]}";
static const char run[] =
    "{\"task\":\"horses\",\"options\":{\"size\":32,\"lr\":0.001,\"iters\":100},\"seeds\":[0],"
    "\"data\":\"a:b\",\"splits\":\"c\",\"cells\":[],\"notes\":[]}";

void gb_fuzz_table_run(const uint8_t *bytes, size_t size) {
    struct gb_fuzz_input rest = {bytes, size};
    gb_fuzz_file("results/published.json", published, strlen(published));
    gb_fuzz_file("results/runs/run.json", run, strlen(run));
    gb_fuzz_file("results/rows.jsonl", "", 0);
    gb_fuzz_part_file("out/run-0/begun.json", &rest);
    gb_fuzz_part_file("out/run-0/run.json", &rest);
    gb_fuzz_part_file("out/run-0/log.jsonl", &rest);
    // An unfinished run is not trained: the data are missing.
    const char *argv[] = {"tables",
                          "--results",
                          gb_fixture_path("results"),
                          "--run",
                          "run",
                          "--out",
                          gb_fixture_path("out"),
                          "--data",
                          gb_fixture_path("nowhere"),
                          NULL};
    gb_tables_command.run(sizeof argv / sizeof *argv - 1, argv);
    gb_tables_command.run(3, argv); // shows the row
}
