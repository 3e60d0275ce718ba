// SPDX-License-Identifier: MIT
// A file of rows: recovered as by a sweep that is resumed, written again, shown as the table of
// `bench` and as the page of `report`.
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/commands.h"
#include "bench/report/table.h"

void gb_fuzz_rows(const uint8_t *bytes, size_t size) {
    const char *path = gb_fuzz_file("rows.jsonl", bytes, size);
    const char *again = gb_fixture_path("again.jsonl"), *page = gb_fixture_path("page.html");
    struct gb_rows rows;
    size_t whole_bytes;
    if (gb_rows_recover(path, &rows, &whole_bytes) != GB_OK)
        return;
    if (whole_bytes > size)
        abort();
    FILE *file = fopen(again, "w");
    for (size_t i = 0; file && i < rows.count; i++)
        gb_row_write(file, again, &rows.list[i]);
    if (file)
        fclose(file);
    gb_bench_table_print(stdout, rows.list, rows.count);
    const bool any = rows.count > 0;
    gb_rows_free(&rows);
    // What is written is read again.
    if (any && gb_rows_read(again, &rows) == GB_OK)
        gb_rows_free(&rows);
    else if (any)
        abort();
    gb_report_command.run(4, (const char *[]){"report", "--html", page, path, NULL});
}
