// SPDX-License-Identifier: MIT
// A report's figures for spreadsheets and for Markdown pages.
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "bench/report/figures.h"
#include "bench/report/report.h"

// ---- CSV ----

// A text between quotes, which are doubled (RFC 4180).
static void put_text(FILE *file, const char *text, const char *end) {
    fputc('"', file);
    for (; *text; text++)
        fprintf(file, *text == '"' ? "\"\"" : "%c", *text);
    fprintf(file, "\"%s", end);
}

static void put_number(FILE *file, double number, const char *end) {
    if (isnan(number))
        fputs(end, file);
    else
        fprintf(file, "%.9g%s", number, end);
}

static void put_cell(FILE *file, const struct gb_summary *s, int setting, int line, int column) {
    const struct gb_cell *cell = gb_summary_cell(s, setting, line, column);
    if (!cell->launches)
        return;
    const bool timed = !cell->error;
    put_text(file, s->name, ",");
    put_text(file, gb_json_string_or_unknown(s->first->build, "commit"), ",");
    put_text(file, s->lines[line].row->problem, ",");
    put_text(file, s->columns[column].backend, ",");
    put_text(file, s->columns[column].library, ",");
    fprintf(file, "%d,%s,%d,", s->settings[setting].threads,
            gb_cache_name(s->settings[setting].cache), cell->launches);
    const double numbers[] = {cell->seconds, cell->spread,        cell->gflops,
                              cell->gbs,     cell->share_of_peak, cell->speed};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        put_number(file, timed ? numbers[i] : (double)NAN, ",");
    fprintf(file, "%s,%d,%d,",
            !timed                            ? ""
            : cell->bound == GB_BOUND_COMPUTE ? "compute"
                                              : "memory",
            cell->fallback, cell->shared);
    put_text(file, cell->error ? cell->error : "", "\n");
}

void gb_report_csv(FILE *file, const struct gb_report *report) {
    fputs("machine,commit,problem,backend,library,threads,cache,launches,seconds,spread,gflops,gbs,"
          "share_of_peak,speed,bound,fallback,shared,error\n",
          file);
    for (int i = 0; i < report->summaries.count; i++) {
        const struct gb_summary *s = &report->summaries.list[i];
        for (int line = 0; line < s->line_count; line++)
            for (int setting = 0; setting < s->setting_count; setting++)
                for (int column = 0; column < s->column_count; column++)
                    put_cell(file, s, setting, line, column);
    }
}

// ---- Markdown ----

static void put_means(FILE *file, const struct gb_summary *s, int model, int setting) {
    const struct gb_mean any = gb_summary_mean(s, setting, model, GB_ALL_KERNELS, 0);
    if (any.measured == 0)
        return;
    fprintf(file, "| %s | %s | %d |", *s->models[model] ? s->models[model] : "others, each once",
            gb_setting_text(&s->settings[setting]).text, any.calls);
    for (int i = 0; i < s->column_count; i++) {
        const struct gb_mean mean = gb_summary_mean(s, setting, model, GB_ALL_KERNELS, i);
        if (mean.timed < mean.problems)
            fprintf(file, " %d of %d timed |", mean.timed, mean.problems);
        else
            fprintf(file, " %s%s%s, %s, %s |", gb_figure_seconds(mean.seconds).text,
                    mean.fallback ? "\\*" : "", mean.shared ? "†" : "",
                    gb_figure_share(mean.share_of_peak).text, gb_figure_ratio(mean.speed).text);
    }
    fputc('\n', file);
}

static void put_summary(FILE *file, const struct gb_machine *machine) {
    const struct gb_summary *s = machine->summary;
    const struct gb_disturbance *of = &s->disturbance;
    const struct gb_sentence sentence = gb_machine_sentence(machine);
    fprintf(file, "### %s, commit %s\n\n", s->name,
            gb_json_string_or_unknown(s->first->build, "commit"));
    if (gb_summary_is_disturbed(s))
        fprintf(
            file,
            "**Timed on a loaded machine:** %d of %d rows (†) were preempted, the control varied "
            "by %.0f %%, load average up to %.1f.\n\n",
            of->shared, of->known, 100 * of->control, of->load);
    if (*sentence.text)
        fprintf(file, "%d thread%s. %s.\n\n", machine->threads, machine->threads == 1 ? "" : "s",
                sentence.text);
    fputs("Time of the timed kernels of a training step, share of peak, speed relative to the "
          "fastest backend:\n\n| model | setting | calls |",
          file);
    for (int i = 0; i < s->column_count; i++)
        fprintf(file, " %s |", s->columns[i].label);
    fputs("\n|---|---|---:|", file);
    for (int i = 0; i < s->column_count; i++)
        fputs("---:|", file);
    fputc('\n', file);
    for (int model = 0; model < s->model_count; model++)
        for (int setting = 0; setting < s->setting_count; setting++)
            put_means(file, s, model, setting);
    fputc('\n', file);
}

void gb_report_markdown(FILE *file, const struct gb_report *report) {
    gb_tables_markdown(file, report->tables);
    for (int i = 0; i < report->machines.count; i++)
        put_summary(file, &report->machines.list[i]);
}
