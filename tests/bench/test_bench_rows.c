// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // memmem
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/runner/journal.h"
#include "bench/runner/row.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"

// A row with a value in every field.
static struct gb_row full_row(void) {
    struct gb_row row = {.problem = "conv/forward/n2",
                         .operation = "conv",
                         .direction = "forward",
                         .share_count = 2,
                         .backend = "onednn",
                         .library = "oneDNN 2.6.3",
                         .borrowers = {"blas", "other"},
                         .algorithm = "winograd",
                         .threads = 2,
                         .cache = GB_CACHE_COLD,
                         .launch = 3,
                         .repetitions = 4,
                         .flops = 8e9,
                         .bytes = 1e9,
                         .peak_gflops = 100,
                         .peak_gbs = 10,
                         .reorder_seconds = 0.25,
                         .cpu_count = 2,
                         .load_average = 0.5};
    row.shares = calloc(2, sizeof *row.shares);
    row.shares[0] = (struct gb_model_share){"cglow-horses-32", 24};
    row.shares[1] = (struct gb_model_share){"cglow-horses-64", 48};
    row.seconds = calloc(4, sizeof *row.seconds);
    for (int i = 0; i < 4; i++)
        row.seconds[i] = 4 - i;
    row.cpus = calloc(2, sizeof *row.cpus);
    row.cpus[1] = 7;
    strcpy(row.finished, "2024-05-01T12:00:00Z");
    row.machine = json_pack("{s:s}", "cpu", "one");
    row.build = json_pack("{s:s}", "commit", "abc");
    assert_int_equal(gb_row_evaluate(&row), GB_OK);
    return row;
}

static void write_rows(const char *name, struct gb_row *row, int times) {
    FILE *file = fopen(gb_fixture_path(name), "w");
    for (int i = 0; i < times; i++)
        assert_int_equal(gb_row_write(file, name, row), GB_OK);
    fclose(file);
}

GB_FIXTURE_TEST(figures_follow_from_times_and_peaks) {
    struct gb_row row = full_row();
    assert_true(row.median_seconds == 2.5);
    assert_true(fabs(row.spread - 1.5 / 2.5) < 1e-15); // quartiles 1.75 and 3.25
    assert_true(row.seconds[0] == 4);                  // left in the order of time
    assert_true(row.gflops == 3.2 && row.gbs == 0.4);
    // Multiply-adds would take 0.08 s, traffic 0.1 s.
    assert_int_equal(row.bound, GB_BOUND_MEMORY);
    assert_true(fabs(row.share_of_peak - 0.04) < 1e-15);
    row.peak_gbs = 1000;
    assert_int_equal(gb_row_evaluate(&row), GB_OK);
    assert_int_equal(row.bound, GB_BOUND_COMPUTE);
    gb_row_free(&row);
}

// Every field is written, so a row that is read and written again has the same bytes.
GB_FIXTURE_TEST(a_row_comes_back_as_it_was) {
    struct gb_row row = full_row();
    write_rows("rows", &row, 2);
    struct gb_rows rows;
    assert_int_equal(gb_rows_read(gb_fixture_path("rows"), &rows), GB_OK);
    assert_int_equal(rows.count, 2);
    write_rows("again", &rows.list[1], 2);
    const size_t size = gb_fixture_size("rows");
    assert_int_equal(gb_fixture_size("again"), size);
    char *texts[2];
    for (int i = 0; i < 2; i++) {
        texts[i] = malloc(size);
        FILE *file = fopen(gb_fixture_path(i ? "again" : "rows"), "r");
        assert_int_equal(fread(texts[i], 1, size, file), size);
        fclose(file);
    }
    assert_memory_equal(texts[0], texts[1], size);
    const char *const values[] = {"\"mixes\":{\"cglow-horses-32\":24,\"cglow-horses-64\":48}",
                                  "\"borrowers\":[\"blas\",\"other\"]",
                                  "\"algorithm\":\"winograd\"",
                                  "\"threads\":2,\"cache\":\"cold\",\"launch\":3",
                                  "\"seconds\":[4.0,3.0,2.0,1.0],\"median_seconds\":2.5",
                                  "\"wall\":\"bandwidth\"",
                                  "\"reorder_seconds\":0.25,\"error\":null,\"cpus\":[0,7]"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (!memmem(texts[0], size, values[i], strlen(values[i])))
            fail_msg("no %s", values[i]);
    free(texts[0]);
    free(texts[1]);
    gb_rows_free(&rows);
    gb_row_free(&row);
}

// A failed kernel has an error and no figures.
GB_FIXTURE_TEST(an_error_has_no_times) {
    struct gb_row row = full_row();
    free(row.seconds);
    row.seconds = NULL;
    row.repetitions = 0;
    row.reorder_seconds = row.peak_gflops = row.peak_gbs = NAN;
    row.error = strdup("comparison failed: caf\xe9: \"quoted\"\nline");
    assert_int_equal(gb_row_evaluate(&row), GB_OK);
    write_rows("rows", &row, 1);
    struct gb_rows rows;
    assert_int_equal(gb_rows_read(gb_fixture_path("rows"), &rows), GB_OK);
    assert_string_equal(rows.list[0].error, "comparison failed: caf?: \"quoted\"\nline");
    assert_null(rows.list[0].seconds);
    assert_true(isnan(rows.list[0].median_seconds) && isnan(rows.list[0].peak_gbs));
    assert_true(isnan(rows.list[0].reorder_seconds));
    gb_rows_free(&rows);
    gb_row_free(&row);
}

static void refuse(const char *text, const char *message) {
    gb_fixture_text("rows", text);
    struct gb_rows rows;
    assert_int_equal(gb_rows_read(gb_fixture_path("rows"), &rows), GB_BAD_INPUT);
    assert_int_equal(rows.count, 0);
    if (!strstr(gb_error_message(), message))
        fail_msg("\"%s\" is not in \"%s\"", message, gb_error_message());
}

// The text of a file with one row, with `from` in its place replaced by `to`.
static char *changed_line(const char *from, const char *to) {
    struct gb_row row = full_row();
    write_rows("rows", &row, 1);
    gb_row_free(&row);
    size_t size = gb_fixture_size("rows");
    char *line = calloc(1, size + 1), *changed = calloc(1, size + strlen(to) + 1);
    FILE *file = fopen(gb_fixture_path("rows"), "r");
    assert_int_equal(fread(line, 1, size, file), size);
    fclose(file);
    char *place = strstr(line, from);
    assert_non_null(place);
    snprintf(changed, size + strlen(to) + 1, "%.*s%s%s", (int)(place - line), line, to,
             place + strlen(from));
    free(line);
    return changed;
}

// Figures that follow from others are not trusted.
GB_FIXTURE_TEST(figures_are_recomputed) {
    struct gb_rows rows;
    char *text = changed_line("\"gflops\":3", "\"gflops\":9");
    gb_fixture_text("rows", text);
    free(text);
    assert_int_equal(gb_rows_read(gb_fixture_path("rows"), &rows), GB_OK);
    assert_true(rows.list[0].gflops == 3.2);
    gb_rows_free(&rows);
}

GB_FIXTURE_TEST(damaged_files_are_refused) {
    struct gb_rows rows;
    assert_int_equal(gb_rows_read(gb_fixture_path("none"), &rows), GB_BAD_INPUT);
    assert_non_null(strstr(gb_error_message(), "No such file"));
    refuse("", "no rows");
    refuse("\n", "line 1: ");
    refuse("{}\n", "line 1: 'schema'");
    refuse("[1]\n", "line 1: 'schema'");
    refuse("{\"schema\":1,\n", "line 1: ");
    const struct {
        const char *from, *to, *message;
    } changes[] = {
        {"\"schema\":1", "\"schema\":2", "line 1: 'schema'"},
        {"\"problem\":\"conv/forward/n2\",", "", "line 1: 'problem'"},
        {"\"backend\":\"onednn\"", "\"backend\":7", "line 1: 'backend'"},
        {"\"backend\":\"onednn\"",
         "\"backend\":\"a name that is longer than a name of a backend can ever be\"",
         "line 1: 'backend'"},
        {"\"threads\":2", "\"threads\":0", "line 1: 'threads'"},
        {"\"threads\":2", "\"threads\":4294967298", "line 1: 'threads'"},
        {"\"launch\":3", "\"launch\":-1", "line 1: 'launch'"},
        {"\"cache\":\"cold\"", "\"cache\":\"tepid\"", "line 1: 'cache'"},
        {"[4.0,3.0", "[4.0,-3.0", "line 1: 'seconds'"},
        {"[4.0,3.0,2.0,1.0]", "[]", "line 1: 'seconds'"},
        {"[4.0,3.0,2.0,1.0]", "null", "line 1: 'seconds'"},
        {"[4.0,3.0", "[4.0,1e999", "line 1: "},
        {"\"median_seconds\":2.5", "\"median_seconds\":null", "line 1: 'median_seconds'"},
        {"\"flops\":8000000000.0", "\"flops\":null", "line 1: 'flops'"},
        {"\"flops\":8000000000.0", "\"flops\":-1.0", "line 1: 'flops'"},
        {"\"peak_gflops\":100.0", "\"peak_gflops\":0.0", "line 1: 'peak_gflops'"},
        {"\"cglow-horses-32\":24", "\"cglow-horses-32\":\"24\"", "line 1: 'mixes'"},
        {"\"cglow-horses-32\":24", "\"cglow-horses-32\":0", "line 1: 'mixes'"},
        {"\"cglow-horses-32\":24", "\"cglow-horses-32\":4294967320", "line 1: 'mixes'"},
        {"\"cpus\":[0", "\"cpus\":[\"a\"", "line 1: 'cpus'"},
        {"\"error\":null", "\"error\":\"both\"", "line 1: 'seconds'"},
        {"{\"cpu\":\"one\"}", "null", "line 1: 'machine'"},
        {"}\n", "}", "line 1 is cut short"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char *text = changed_line(changes[i].from, changes[i].to);
        refuse(text, changes[i].message);
        free(text);
    }
}

// A sweep can resume wherever it was killed.
GB_FIXTURE_TEST(a_line_cut_anywhere_is_left_out) {
    struct gb_row row = full_row();
    write_rows("rows", &row, 3);
    gb_row_free(&row);
    size_t size = gb_fixture_size("rows"), line = size / 3, valid_bytes;
    for (size_t cut = size; cut >= 2 * line; cut -= 101) {
        gb_fixture_truncate("rows", cut);
        struct gb_rows rows;
        assert_int_equal(gb_rows_recover(gb_fixture_path("rows"), &rows, &valid_bytes), GB_OK);
        assert_int_equal(rows.count, cut == size ? 3 : 2);
        assert_int_equal(valid_bytes, rows.count * line);
        gb_rows_free(&rows);
        if (cut < size && cut > 2 * line)
            assert_int_equal(gb_rows_read(gb_fixture_path("rows"), &rows), GB_BAD_INPUT);
    }
    struct gb_rows rows;
    gb_fixture_truncate("rows", 0);
    assert_int_equal(gb_rows_recover(gb_fixture_path("rows"), &rows, &valid_bytes), GB_OK);
    assert_int_equal(rows.count, 0);
    assert_int_equal(gb_rows_recover(gb_fixture_path("none"), &rows, &valid_bytes), GB_OK);
    assert_int_equal(rows.count, 0);
    // A kill does not damage a line before the last.
    gb_fixture_text("rows", "{\n{");
    assert_int_equal(gb_rows_recover(gb_fixture_path("rows"), &rows, &valid_bytes), GB_BAD_INPUT);
}

static void add_row(struct gb_journal *journal, const char *problem) {
    struct gb_row row = full_row();
    json_decref(row.machine); // the journal sets them
    json_decref(row.build);
    snprintf(row.problem, sizeof row.problem, "%s", problem);
    assert_int_equal(gb_journal_add(journal, &row), GB_OK);
}

GB_FIXTURE_TEST(a_journal_resumes_where_it_was_cut) {
    const char *path = gb_fixture_path("rows");
    struct gb_journal journal;
    struct gb_journal second;
    assert_int_equal(gb_journal_open(&journal, path, false), GB_OK);
    assert_int_equal(gb_journal_open(&second, path, true), GB_BAD_INPUT);
    assert_non_null(strstr(gb_error_message(), "another process is writing it"));
    add_row(&journal, "a");
    size_t one = gb_fixture_size("rows"); // flushed
    add_row(&journal, "b");
    gb_journal_close(&journal);

    assert_int_equal(gb_journal_open(&journal, path, false), GB_BAD_INPUT);
    assert_non_null(strstr(gb_error_message(), "it has results already"));
    gb_fixture_truncate("rows", one + 10);
    assert_int_equal(gb_journal_open(&journal, path, true), GB_OK);
    assert_true(journal.dropped);
    assert_int_equal(journal.rows.count, 1);
    assert_int_equal(gb_fixture_size("rows"), one);
    assert_non_null(gb_journal_find(&journal, "a", "onednn", 2, GB_CACHE_COLD, 3));
    assert_null(gb_journal_find(&journal, "b", "onednn", 2, GB_CACHE_COLD, 3));
    assert_null(gb_journal_find(&journal, "a", "avx2", 2, GB_CACHE_COLD, 3));
    assert_null(gb_journal_find(&journal, "a", "onednn", 1, GB_CACHE_COLD, 3));
    assert_null(gb_journal_find(&journal, "a", "onednn", 2, GB_CACHE_WARM, 3));
    assert_null(gb_journal_find(&journal, "a", "onednn", 2, GB_CACHE_COLD, 0));
    add_row(&journal, "b");
    gb_journal_close(&journal);
    assert_int_equal(gb_journal_open(&journal, path, true), GB_OK);
    assert_false(journal.dropped);
    assert_int_equal(journal.rows.count, 2);
    gb_journal_close(&journal);
}

GB_FIXTURE_TEST(rows_of_other_machines_and_builds_are_not_resumed) {
    const char *path = gb_fixture_path("rows");
    struct gb_journal journal;
    assert_int_equal(gb_journal_open(&journal, path, false), GB_OK);
    struct gb_row row = full_row();
    json_decref(row.machine);
    row.machine = json_incref(journal.machine);
    gb_journal_close(&journal);
    write_rows("rows", &row, 1);
    assert_int_equal(gb_journal_open(&journal, path, true), GB_NOT_COMPARABLE);
    assert_non_null(strstr(gb_error_message(), "row 1 is from another build"));
    json_object_set_new(row.machine, "cpu", json_null());
    write_rows("rows", &row, 1);
    assert_int_equal(gb_journal_open(&journal, path, true), GB_NOT_COMPARABLE);
    assert_non_null(strstr(gb_error_message(), "row 1 is from another machine"));
    gb_row_free(&row);
}

GB_FIXTURE_TEST(a_write_error_is_reported) {
    FILE *full = fopen("/dev/full", "w");
    if (!full)
        skip();
    struct gb_row row = full_row();
    assert_int_equal(gb_row_write(full, "/dev/full", &row), GB_IO_ERROR);
    assert_non_null(strstr(gb_error_message(), "/dev/full: No space left"));
    gb_row_free(&row);
    fclose(full);
}
