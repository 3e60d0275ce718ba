// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/console.h"
#include "base/files.h"
#include "base/json.h"
#include "base/minmax.h"
#include "base/options.h"
#include "bench/commands.h"
#include "bench/report/figures.h"
#include "bench/score/machines.h"

static const char what[] = "cannot score";

// The files that are written besides the table on stdout; NULL: none.
struct outputs {
    const char *json, *csv, *markdown;
};

static const char *commit_of(const struct gb_summary *summary) {
    return gb_json_string_or_unknown(summary->first->build, "commit");
}

struct interval {
    char text[64];
};

static struct interval interval_text(const struct gb_score *score) {
    struct interval interval = {"-"};
    if (!isnan(score->low))
        snprintf(interval.text, sizeof interval.text, "%s .. %s", gb_figure_number(score->low).text,
                 gb_figure_number(score->high).text);
    return interval;
}

// "3", or "2 of 3" where a backend lacks some.
static struct interval problems_text(const struct gb_score *score) {
    struct interval text;
    if (score->timed == score->problems)
        snprintf(text.text, sizeof text.text, "%d", score->problems);
    else
        snprintf(text.text, sizeof text.text, "%d of %d", score->timed, score->problems);
    return text;
}

static const char *precision_of(const struct gb_score *score) {
    return score->precision == GB_BF16 ? "bf16" : "fp32";
}

// ---- Tables ----

// The label, else the CPU's model and what the machine is called.
struct heading {
    char text[256];
};

static struct heading heading(const struct gb_summary *summary) {
    struct heading heading;
    const char *label = summary->first->label, *product = gb_summary_product(summary);
    snprintf(heading.text, sizeof heading.text, "%.120s%s%s",
             *label ? label : gb_summary_machine(summary), *label || !*product ? "" : ", ",
             *label ? "" : product);
    return heading;
}

static void print_table(const struct gb_summary *summary, const struct gb_scores *scores) {
    enum { OTHERS = 64 }; // columns of a line without the backend
    int backend = (int)strlen("backend");
    for (int i = 0; i < scores->count; i++)
        backend = gb_max_int(backend, (int)strlen(scores->list[i].backend->label));
    // A library's name and version, where there are two versions, are cut where the line would end.
    backend = gb_min_int(backend, gb_max_int(gb_console_columns(), 80) - OTHERS);
    printf("\n%s, commit %s: higher is better\n", heading(summary).text, commit_of(summary));
    for (int i = 0; i < scores->count; i++) {
        const struct gb_score *s = &scores->list[i];
        if (i == 0 || s->threads != s[-1].threads || s->precision != s[-1].precision) {
            char threads[32];
            snprintf(threads, sizeof threads, "%s, %d thread%s", precision_of(s), s->threads,
                     s->threads > 1 ? "s" : "");
            printf("\n%-17s %-*s %8s %6s %-8s %-13s %5s\n", threads, backend, "backend", "problems",
                   "score", "", "95 % interval", "limit");
        }
        printf("%-17s %-*.*s %8s %6s %-8s %-13s %5s%s\n", s->name, backend, backend,
               s->backend->label, problems_text(s).text, gb_figure_number(s->value).text, s->unit,
               interval_text(s).text, gb_figure_share(s->share_of_peak).text,
               s->fallback ? "*" : "");
    }
}

static void write_csv(FILE *file, const struct gb_summary *summary,
                      const struct gb_scores *scores) {
    for (int i = 0; i < scores->count; i++) {
        const struct gb_score *s = &scores->list[i];
        fprintf(file, "\"%s\",%s,%d,%s,\"%s\",%d,%d,%d,%s", heading(summary).text,
                commit_of(summary), s->threads, s->name, s->backend->label, s->problems, s->timed,
                s->samples, s->unit);
        const double numbers[] = {s->value, s->low, s->high, s->share_of_peak};
        for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++)
            if (isnan(numbers[n]))
                fputc(',', file);
            else
                fprintf(file, ",%.6g", numbers[n]);
        fprintf(file, ",%s,", precision_of(s));
        if (!isnan(s->watts))
            fprintf(file, "%.6g", s->watts);
        fputc('\n', file);
    }
}

static void write_markdown(FILE *file, const struct gb_summary *summary,
                           const struct gb_scores *scores) {
    fprintf(file, "%s, commit %s; higher is better.\n\n", heading(summary).text,
            commit_of(summary));
    fputs("| score | precision | threads | backend | problems | value | 95 % interval "
          "| of the limit |\n|---|---|---:|---|---:|---:|---:|---:|\n",
          file);
    for (int i = 0; i < scores->count; i++) {
        const struct gb_score *s = &scores->list[i];
        fprintf(file, "| %s | %s | %d | %s%s | %s | %s %s | %s | %s |\n", s->name, precision_of(s),
                s->threads, s->backend->label, s->fallback ? "\\*" : "", problems_text(s).text,
                gb_figure_number(s->value).text, s->unit, interval_text(s).text,
                gb_figure_share(s->share_of_peak).text);
    }
    fputc('\n', file);
}

static json_t *number(double value) {
    return isnan(value) ? json_null() : json_real(value);
}

static json_t *to_json(const struct gb_summary *summary, const struct gb_scores *scores) {
    json_t *list = json_array();
    for (int i = 0; i < scores->count; i++) {
        const struct gb_score *s = &scores->list[i];
        json_array_append_new(
            list,
            json_pack("{ss ss ss ss si si si si sb so so so so so*}", "name", s->name, "precision",
                      precision_of(s), "unit", s->unit, "backend", s->backend->label, "threads",
                      s->threads, "problems", s->problems, "timed", s->timed, "samples", s->samples,
                      "fallback", s->fallback, "value", number(s->value), "low", number(s->low),
                      "high", number(s->high), "share_of_peak", number(s->share_of_peak), "watts",
                      isnan(s->watts) ? NULL : json_real(s->watts)));
    }
    return json_pack("{sO sO so}", "machine", summary->first->machine, "build",
                     summary->first->build, "scores", list);
}

// ---- The command ----

// Of each machine and build.
struct scored {
    struct gb_rows rows;
    struct gb_summaries summaries;
    struct gb_machines machines;
    json_t *tables; // of them side by side
};

static enum gb_status write_text(const char *path, const char *head, const struct scored *scored,
                                 void (*write)(FILE *, const struct gb_summary *,
                                               const struct gb_scores *)) {
    struct gb_atomic_file file;
    GB_TRY(gb_atomic_open(&file, path));
    fputs(head, file.stream);
    for (int i = 0; i < scored->machines.count; i++)
        write(file.stream, scored->machines.list[i].summary, &scored->machines.list[i].scores);
    if (write == write_markdown)
        gb_tables_markdown(file.stream, scored->tables);
    return gb_atomic_commit(&file);
}

static enum gb_status write_all(const struct outputs *outputs, const struct scored *scored) {
    if (outputs->csv)
        GB_TRY(write_text(outputs->csv,
                          "machine,commit,threads,score,backend,problems,timed,samples,unit,value,"
                          "low,high,share_of_peak,precision,watts\n",
                          scored, write_csv));
    if (outputs->markdown)
        GB_TRY(write_text(outputs->markdown, "", scored, write_markdown));
    if (!outputs->json)
        return GB_OK;
    json_t *all = json_array();
    for (int i = 0; i < scored->machines.count; i++)
        json_array_append_new(
            all, to_json(scored->machines.list[i].summary, &scored->machines.list[i].scores));
    enum gb_status status = gb_json_write(outputs->json, all);
    json_decref(all);
    return status;
}

static enum gb_status make_scores(const char *const *paths, int count,
                                  const struct gb_machine_options *options, struct scored *scored) {
    for (int i = 0; i < count; i++)
        GB_TRY(gb_rows_add_file(&scored->rows, paths[i]));
    GB_TRY(gb_summaries_make(scored->rows.list, scored->rows.count, &scored->summaries));
    GB_TRY(gb_machines_make(&scored->summaries, &scored->rows, options, &scored->machines));
    int found = 0;
    for (int i = 0; i < scored->machines.count; i++)
        found += scored->machines.list[i].scores.count;
    if (!found)
        return gb_fail(GB_BAD_INPUT, what, paths[0],
                       "no steps, samples, convolutions or layers; see bench --suite");
    scored->tables = gb_machines_tables(&scored->machines);
    return scored->tables ? GB_OK : gb_no_memory(what, paths[0]);
}

static void print_all(const struct scored *scored) {
    bool fallback = false;
    for (int i = 0; i < scored->machines.count; i++) {
        const struct gb_machine *machine = &scored->machines.list[i];
        print_table(machine->summary, &machine->scores);
        for (int j = 0; j < machine->scores.count; j++)
            fallback |= machine->scores.list[j].fallback;
    }
    putchar('\n');
    gb_print_wrapped(
        stdout,
        "limit: the score's share of what the machine's measured peaks allow; FLOPs of "
        "the definition, so Winograd convolutions can exceed 100 %. Geometric means "
        "over the problems; the interval is over launches or, of a single launch, "
        "over its repetitions.",
        0, gb_console_columns());
    if (fallback)
        fputs("*  some kernels are the native backend's, which this one lacks\n", stdout);
    gb_tables_print(stdout, scored->tables, &scored->machines);
    gb_rows_print_shared(stdout, scored->rows.list, scored->rows.count);
}

static enum gb_status score(int argc, const char **argv) {
    struct outputs outputs = {0};
    struct gb_machine_options machines = {0};
    const char **paths = calloc(2 * (size_t)argc, sizeof *paths), **costs = paths + argc;
    if (!paths)
        return gb_no_memory(what, "rows");
    machines.costs = costs;
    int count = 0;
    const struct gb_option options[] = {
        gb_option_string("json", "FILE", &outputs.json, "write the scores as JSON"),
        gb_option_string("csv", "FILE", &outputs.csv, "write the scores as CSV"),
        gb_option_string("markdown", "FILE", &outputs.markdown,
                         "write the scores as Markdown tables"),
        GB_MACHINE_OPTIONS(machines, costs),
        gb_operand_list("ROWS", paths, &count, "results of bench --json, of one or more machines"),
        {0},
    };
    bool helped;
    struct scored scored = {0};
    enum gb_status status = gb_options_parse(&gb_score_command, options, argc, argv, &helped);
    if (status == GB_OK && !helped) {
        status = make_scores(paths, count, &machines, &scored);
        if (status == GB_OK) {
            print_all(&scored);
            status = write_all(&outputs, &scored);
        }
    }
    json_decref(scored.tables);
    gb_machines_free(&scored.machines);
    gb_summaries_free(&scored.summaries);
    gb_rows_free(&scored.rows);
    free(paths);
    return status;
}

const struct gb_command gb_score_command = {
    "score", "Sum up benchmark results in a few figures per backend", score, false, false};
