// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/runner/journal.h"
#include "tests/support/fixture.h"

// A row with a value in every field, as it is written, with ' for ".
static const char line[] =
    "{'schema':1,'problem':'conv/forward/n2','operation':'conv','direction':'forward',"
    "'algorithm':'winograd','mixes':{'cglow-horses-32':24,'cglow-horses-64':48},"
    "'backend':'onednn','library':'oneDNN 2.6.3','borrowers':['blas','other'],'threads':2,"
    "'cache':'cold','launch':3,'label':'c7a','seconds':[4.0,3.0,2.0,1.0],'median_seconds':2.5,"
    "'spread':0.59999999999999998,'flops':8000000000.0,'bytes':1000000000.0,"
    "'gflops':3.2000000000000002,'gbs':0.40000000000000002,'wall':'bandwidth','peak_gflops':100.0,"
    "'peak_gbs':10.0,'share_of_peak':0.040000000000000001,'reorder_seconds':0.25,"
    "'repetition_seconds':0.040000000000000001,'cpu_seconds':0.080000000000000002,"
    "'voluntary_switches':2.0,'involuntary_switches':0.5,"
    "'migrations':0.0,'page_faults':1.0,'aslr':2.0,'huge_page_bytes':4194304.0,'error':null,"
    "'cpus':[0,7],'load_average':0.5,'finished':'2024-05-01T12:00:00Z','machine':{'cpu':'one'},"
    "'build':{'commit':'abc'}}\n";

// A file of such lines, with `from` replaced by `to`; its path.
static const char *write_lines(int count, const char *from, const char *to) {
    FILE *file = fopen(gb_fixture_path("rows"), "w");
    const char *place = strstr(line, from);
    assert_non_null(place);
    for (int i = 0; i < count; i++) {
        char text[2 * sizeof line];
        snprintf(text, sizeof text, "%.*s%s%s", (int)(place - line), line, to,
                 place + strlen(from));
        for (const char *at = text; *at; at++)
            fputc(*at == '\'' ? '"' : *at, file);
    }
    fclose(file);
    return gb_fixture_path("rows");
}

static struct gb_row read_row(void) {
    struct gb_rows rows;
    assert_ok(gb_rows_read(write_lines(1, "", ""), &rows));
    struct gb_row row = rows.list[0];
    free(rows.list);
    return row;
}

static const char *write_row(const char *name, const struct gb_row *row) {
    FILE *file = fopen(gb_fixture_path(name), "w");
    assert_ok(gb_row_write(file, name, row));
    fclose(file);
    return gb_fixture_path(name);
}

GB_FIXTURE_TEST(figures_follow_from_times_and_peaks) {
    struct gb_row row = read_row();
    assert_true(row.median_seconds == 2.5);
    assert_true(fabs(row.spread - 1.5 / 2.5) < 1e-15); // quartiles 1.75 and 3.25
    assert_true(row.seconds[0] == 4);                  // left in the order of time
    assert_true(row.gflops == 3.2 && row.gbs == 0.4);
    // Multiply-adds would take 0.08 s, traffic 0.1 s.
    assert_int_equal(row.bound, GB_BOUND_MEMORY);
    assert_true(fabs(row.share_of_peak - 0.04) < 1e-15);
    row.peak_gbs = 1000;
    assert_ok(gb_row_evaluate(&row));
    assert_int_equal(row.bound, GB_BOUND_COMPUTE);
    gb_row_free(&row);
    // Those in a file are not trusted.
    struct gb_rows rows;
    assert_ok(gb_rows_read(write_lines(1, "'gflops':3.2", "'gflops':9.2"), &rows));
    assert_true(rows.list[0].gflops == 3.2);
    gb_rows_free(&rows);
}

// "again" has the bytes of "rows".
static void assert_same_file(void) {
    size_t size, size_again;
    char *bytes = gb_fixture_bytes("rows", &size);
    char *again = gb_fixture_bytes("again", &size_again);
    assert_int_equal(size, size_again);
    assert_memory_equal(bytes, again, size);
    free(bytes);
    free(again);
}

GB_FIXTURE_TEST(a_row_comes_back_as_it_was) {
    struct gb_row row = read_row();
    write_row("again", &row);
    gb_row_free(&row);
    assert_same_file();
}

// What the system does not count is left out, as in rows of older versions.
GB_FIXTURE_TEST(unknown_counters_are_absent) {
    struct gb_rows rows;
    assert_ok(gb_rows_read(write_lines(1, "'migrations':0.0,'page_faults':1.0,", ""), &rows));
    assert_true(isnan(rows.list[0].counters.migrations) && rows.list[0].counters.seconds == 0.04);
    write_row("again", &rows.list[0]);
    assert_same_file();
    gb_rows_free(&rows);
}

GB_FIXTURE_TEST(unknown_memory_is_absent) {
    struct gb_rows rows;
    assert_ok(gb_rows_read(write_lines(1, "'aslr':2.0,'huge_page_bytes':4194304.0,", ""), &rows));
    assert_true(isnan(rows.list[0].aslr) && isnan(rows.list[0].huge_page_bytes));
    write_row("again", &rows.list[0]);
    assert_same_file();
    gb_rows_free(&rows);
}

// 0.5 switches in 0.08 s of CPU time are 6.25 per second.
GB_FIXTURE_TEST(preempted_rows_are_shared) {
    struct gb_row row = read_row();
    int known;
    assert_false(gb_row_is_shared(&row));
    row.counters.involuntary_switches = 0.08 * GB_SHARED_SWITCHES;
    assert_true(gb_row_is_shared(&row));
    assert_int_equal(gb_rows_shared(&row, 1, &known), 1);
    assert_int_equal(known, 1);
    row.counters = gb_counters_unknown;
    assert_false(gb_row_is_shared(&row));
    assert_int_equal(gb_rows_shared(&row, 1, &known), 0);
    assert_int_equal(known, 0);
    gb_row_free(&row);
}

GB_FIXTURE_TEST(counters_are_means_over_repetitions) {
    const struct gb_counters begin = {1, 2, 10, 20, 30, 40, 5, 6, 7, NAN},
                             end = {2, 4, 14, 20, 32, 39, 8, 16, 27, NAN};
    struct gb_counters sum = {0};
    gb_counters_add(&sum, &begin, &end);
    assert_true(isnan(sum.migrations)); // a thread has ended
    sum = gb_counters_mean(&sum, 2);
    assert_true(sum.seconds == 0.5 && sum.cpu_seconds == 1 && sum.voluntary_switches == 2 &&
                sum.page_faults == 1);
    sum = gb_counters_join(&sum, 1, &begin, 3);
    assert_true(sum.seconds == 0.875 && sum.voluntary_switches == 8);
    assert_true(sum.joules == 4.125 && sum.cycles == 5.75 && isnan(sum.cache_misses));
}

// A failed kernel has an error and no figures.
GB_FIXTURE_TEST(an_error_has_no_times) {
    struct gb_row row = read_row();
    free(row.seconds);
    row.seconds = NULL;
    row.repetitions = 0;
    row.reorder_seconds = row.peak_gflops = row.peak_gbs = NAN;
    row.error = strdup("comparison failed: caf\xe9: \"quoted\"\nline");
    assert_ok(gb_row_evaluate(&row));
    struct gb_rows rows;
    assert_ok(gb_rows_read(write_row("rows", &row), &rows));
    assert_string_equal(rows.list[0].error, "comparison failed: caf?: \"quoted\"\nline");
    assert_null(rows.list[0].seconds);
    assert_true(isnan(rows.list[0].median_seconds) && isnan(rows.list[0].peak_gbs));
    assert_true(isnan(rows.list[0].reorder_seconds));
    gb_rows_free(&rows);
    gb_row_free(&row);
}

static void refuse(const char *message) {
    struct gb_rows rows;
    assert_error(gb_rows_read(gb_fixture_path("rows"), &rows), GB_BAD_INPUT, message);
    assert_int_equal(rows.count, 0);
}

GB_FIXTURE_TEST(damaged_files_are_refused) {
    static const char long_name[] =
        "'backend':'a name that is longer than a name of a backend can ever be'";
    const struct {
        const char *from, *to, *message;
    } changes[] = {
        {"'schema':1", "'schema':2", "line 1 is of version 2"},
        {"'schema':1", "'schema':-1", "line 1: 'schema'"},
        {"'problem':'conv/forward/n2',", "", "line 1: 'problem'"},
        {"'backend':'onednn'", "'backend':7", "line 1: 'backend'"},
        {"'backend':'onednn'", long_name, "line 1: 'backend'"},
        {"'threads':2", "'threads':0", "line 1: 'threads'"},
        {"'threads':2", "'threads':4294967298", "line 1: 'threads'"},
        {"'launch':3", "'launch':-1", "line 1: 'launch'"},
        {"'cache':'cold'", "'cache':'tepid'", "line 1: 'cache'"},
        {"[4.0,3.0", "[4.0,-3.0", "line 1: 'seconds'"},
        {"[4.0,3.0,2.0,1.0]", "[]", "line 1: 'seconds'"},
        {"[4.0,3.0,2.0,1.0]", "null", "line 1: 'seconds'"},
        {"[4.0,3.0", "[4.0,1e999", "line 1: "},
        {"'median_seconds':2.5", "'median_seconds':null", "line 1: 'median_seconds'"},
        {"'flops':8000000000.0", "'flops':null", "line 1: 'flops'"},
        {"'flops':8000000000.0", "'flops':-1.0", "line 1: 'flops'"},
        {"'peak_gflops':100.0", "'peak_gflops':0.0", "line 1: 'peak_gflops'"},
        {"'cglow-horses-32':24", "'cglow-horses-32':'24'", "line 1: 'mixes'"},
        {"'cglow-horses-32':24", "'cglow-horses-32':0", "line 1: 'mixes'"},
        {"'cglow-horses-32':24", "'cglow-horses-32':4294967320", "line 1: 'mixes'"},
        {"'cpus':[0", "'cpus':['a'", "line 1: 'cpus'"},
        {"'error':null", "'error':'both'", "line 1: 'seconds'"},
        {"{'cpu':'one'}", "null", "line 1: 'machine'"},
        {"'page_faults':1.0", "'page_faults':-1.0", "line 1: 'page_faults'"},
        {"'page_faults':1.0", "'page_faults':null", "line 1: 'page_faults'"},
        {"}\n", "", "line 1 is cut short"},
        {line, "", "no rows"},
        {line, "\n", "no rows"},
        {line, "{}\n", "line 1: 'schema'"},
        {line, "[1]\n", "line 1: 'schema'"},
        {line, "{'schema':1,\n", "line 1: "},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        write_lines(1, changes[i].from, changes[i].to);
        refuse(changes[i].message);
    }
    unlink(gb_fixture_path("rows"));
    refuse("No such file");
}

static size_t recovered(size_t *valid_bytes) {
    struct gb_rows rows;
    assert_ok(gb_rows_recover(gb_fixture_path("rows"), &rows, valid_bytes));
    const size_t count = rows.count;
    gb_rows_free(&rows);
    return count;
}

// Complete except for its newline, as editors leave it, and after a byte-order mark.
GB_FIXTURE_TEST(rows_that_an_editor_wrote_are_read) {
    struct gb_rows rows;
    char text[sizeof line + 3];
    snprintf(text, sizeof text, "\xef\xbb\xbf%.*s", (int)strlen(line) - 1, line);
    for (char *c = text; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    gb_fixture_text("rows", text);
    assert_ok(gb_rows_read(gb_fixture_path("rows"), &rows));
    assert_int_equal(rows.count, 1);
    gb_rows_free(&rows);
    // And with blank lines.
    gb_fixture_text("rows", gb_fixture_name("%s\r\n\r\n%s\n \n", text, text + 3));
    assert_ok(gb_rows_read(gb_fixture_path("rows"), &rows));
    assert_int_equal(rows.count, 2);
    gb_rows_free(&rows);
}

// A sweep can resume wherever it was killed.
GB_FIXTURE_TEST(a_line_cut_anywhere_is_left_out) {
    enum { LINE = sizeof line - 1, ALL = 3 * LINE };
    write_lines(3, "", "");
    size_t valid_bytes;
    for (size_t cut = ALL; cut >= 2 * LINE; cut -= 101) {
        gb_fixture_truncate("rows", cut);
        assert_int_equal(recovered(&valid_bytes), cut == ALL ? 3 : 2);
        assert_int_equal(valid_bytes, cut == ALL ? ALL : 2 * LINE);
        if (cut < ALL && cut > 2 * LINE)
            refuse("is cut short");
    }
    gb_fixture_truncate("rows", 0);
    assert_int_equal(recovered(&valid_bytes), 0);
    unlink(gb_fixture_path("rows"));
    assert_int_equal(recovered(&valid_bytes), 0);
    // A kill does not damage a line before the last.
    struct gb_rows rows;
    gb_fixture_text("rows", "{\n{");
    assert_error(gb_rows_recover(gb_fixture_path("rows"), &rows, &valid_bytes), GB_BAD_INPUT,
                 "line 1: ");
}

static void add_row(struct gb_journal *journal, const char *problem) {
    struct gb_row row = read_row();
    json_decref(row.machine); // the journal sets them
    json_decref(row.build);
    snprintf(row.problem, sizeof row.problem, "%s", problem);
    assert_ok(gb_journal_add(journal, &row));
}

GB_FIXTURE_TEST(a_journal_resumes_where_it_was_cut) {
    char *path = strdup(gb_fixture_path("journal"));
    struct gb_journal journal, second;
    assert_ok(gb_journal_open(&journal, path, false));
    assert_error(gb_journal_open(&second, path, true), GB_BAD_INPUT, "in use by process ");
    add_row(&journal, "a");
    const size_t one = gb_fixture_size("journal"); // flushed
    add_row(&journal, "b");
    gb_journal_close(&journal);

    assert_error(gb_journal_open(&journal, path, false), GB_BAD_INPUT, "it has results already");
    gb_fixture_truncate("journal", one + 10);
    assert_ok(gb_journal_open(&journal, path, true));
    assert_true(journal.dropped);
    assert_int_equal(journal.rows.count, 1);
    assert_int_equal(gb_fixture_size("journal"), one);
    assert_non_null(gb_journal_find(&journal, "a", "onednn", 2, GB_CACHE_COLD, 3));
    assert_null(gb_journal_find(&journal, "b", "onednn", 2, GB_CACHE_COLD, 3));
    assert_null(gb_journal_find(&journal, "a", "avx2", 2, GB_CACHE_COLD, 3));
    assert_null(gb_journal_find(&journal, "a", "onednn", 1, GB_CACHE_COLD, 3));
    assert_null(gb_journal_find(&journal, "a", "onednn", 2, GB_CACHE_WARM, 3));
    assert_null(gb_journal_find(&journal, "a", "onednn", 2, GB_CACHE_COLD, 0));
    add_row(&journal, "b");
    gb_journal_close(&journal);
    assert_ok(gb_journal_open(&journal, path, true));
    assert_false(journal.dropped);
    assert_int_equal(journal.rows.count, 2);
    gb_journal_close(&journal);
    free(path);
}

GB_FIXTURE_TEST(rows_of_other_machines_and_builds_are_not_resumed) {
    struct gb_journal journal;
    assert_ok(gb_journal_open(&journal, NULL, false));
    struct gb_row row = read_row();
    json_decref(row.machine);
    row.machine = json_deep_copy(journal.machine);
    gb_journal_close(&journal);
    assert_error(gb_journal_open(&journal, write_row("rows", &row), true), GB_NOT_COMPARABLE,
                 "row 1 is from another build");
    json_object_set_new(row.machine, "cpu", json_null());
    assert_error(gb_journal_open(&journal, write_row("rows", &row), true), GB_NOT_COMPARABLE,
                 "row 1 is from another machine");
    gb_row_free(&row);
}

GB_FIXTURE_TEST(a_write_error_is_reported) {
    FILE *full = fopen("/dev/full", "w");
    if (!full)
        skip();
    struct gb_row row = read_row();
    assert_error(gb_row_write(full, "/dev/full", &row), GB_IO_ERROR, "/dev/full: No space left");
    gb_row_free(&row);
    fclose(full);
}
