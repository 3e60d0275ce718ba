// SPDX-License-Identifier: MIT
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "bench/report/figures.h"
#include "bench/report/html.h"
#include "bench/report/plots.h"
#include "bench/report/report.h"
#include "bench/report/report_parts.h"

extern const char gb_report_css[]; // report.css

// ---- Pictures ----

static void put_picture(FILE *file, const struct gb_picture *picture, const char *caption) {
    if (!picture->svg)
        return;
    gb_html(file, "<figure><div class=\"picture\" role=\"img\" aria-label=\"%s\">\n",
            picture->title);
    gb_html_svg(file, picture->svg, picture->name);
    gb_html(file, "</div>\n<figcaption>%s</figcaption></figure>\n", caption);
}

static const struct gb_picture *find_picture(const struct gb_report *report, const char *kind,
                                             int index, const char *of) {
    static const struct gb_picture empty;
    struct gb_picture wanted;
    gb_picture_set_name(&wanted, kind, index, of);
    for (int i = 0; i < report->picture_count; i++)
        if (strcmp(report->pictures[i].name, wanted.name) == 0)
            return &report->pictures[i];
    return &empty;
}

// ---- The machine and the build ----

static void put_context(FILE *file, const struct gb_summary *s) {
    const struct gb_row *row = s->first;
    const json_t *machine = row->machine, *build = row->build;
    const json_t *cpu = json_object_get(machine, "cpu"),
                 *system = json_object_get(machine, "system");
    size_t i;
    json_t *item;
    gb_html(file, "<dl>\n<dt>CPU</dt><dd>%s, microcode %s, %d cores, %d CPUs",
            gb_json_string_or_unknown(cpu, "model"), gb_json_string_or_unknown(cpu, "microcode"),
            (int)gb_json_integer(cpu, "cores"), (int)gb_json_integer(cpu, "cpus"));
    json_array_foreach(json_object_get(cpu, "instruction_sets"), i, item)
        gb_html(file, ", %s", json_is_string(item) ? json_string_value(item) : "");
    fputs("</dd>\n<dt>Caches, memory</dt><dd>", file);
    json_array_foreach(json_object_get(machine, "caches"), i, item)
        gb_html(file, "L%d %d × %d KiB, ", (int)gb_json_integer(item, "level"),
                (int)gb_json_integer(item, "instances"),
                (int)gb_json_integer(item, "bytes") / 1024);
    gb_html(file, "%.1f GiB</dd>\n<dt>System</dt><dd>%s, %s</dd>\n",
            gb_json_number(machine, "memory_bytes") / (1 << 30),
            gb_json_string_or_unknown(system, "distribution"),
            gb_json_string_or_unknown(system, "kernel"));
    if (json_object_get(system, "product"))
        gb_html(file, "<dt>Product</dt><dd>%s</dd>\n",
                gb_json_string_or_unknown(system, "product"));
    gb_html(file, "<dt>Build</dt><dd>glowbench %s, commit %s, %s, %s; %s, %s</dd>\n",
            gb_json_string_or_unknown(build, "version"), gb_json_string_or_unknown(build, "commit"),
            gb_json_string_or_unknown(build, "type"), gb_json_string_or_unknown(build, "compiler"),
            gb_json_string_or_unknown(build, "flags"),
            gb_json_string_or_unknown(build, "isa_flags"));
    fputs("<dt>Backends</dt><dd>", file);
    for (int column = 0; column < s->column_count; column++)
        gb_html(file, "%s" SWATCH "%s (%s)", column ? ", " : "", s->columns[column].colour,
                s->columns[column].backend,
                *s->columns[column].library ? s->columns[column].library : "native");
    int launches = 0;
    for (int cell = 0; cell < s->setting_count * s->line_count * s->column_count; cell++)
        launches = s->cells[cell].launches > launches ? s->cells[cell].launches : launches;
    gb_html(file, "</dd>\n<dt>Measured</dt><dd>%d launch%s of %d repetitions, from %s", launches,
            launches == 1 ? "" : "es", row->repetitions, row->finished);
    if (row->load_average >= 0)
        gb_html(file, ", load average %.1f", row->load_average);
    gb_html(file, ", threads%s pinned</dd>\n</dl>\n", row->cpu_count ? "" : " not");
}

static void put_failures(FILE *file, const struct gb_summary *s) {
    bool any = false;
    for (int setting = 0; setting < s->setting_count; setting++)
        for (int line = 0; line < s->line_count; line++)
            for (int i = 0; i < s->column_count; i++) {
                const struct gb_cell *cell = gb_summary_cell(s, setting, line, i);
                if (!cell->error)
                    continue;
                fputs(any ? "" : "<h3>Failures</h3>\n<ul>\n", file);
                any = true;
                gb_html(file, "<li><code>%s</code>, %s, %s: %s</li>\n", s->lines[line].row->problem,
                        s->columns[i].label, gb_setting_text(&s->settings[setting]).text,
                        cell->error);
            }
    fputs(any ? "</ul>\n" : "", file);
}

// ---- Tables of backends ----

// Two rows of heads: the backends, and the figures of each.
static void put_heads(FILE *file, const struct gb_summary *s, const char *first, bool calls) {
    gb_html(file, TABLE "<tr><th rowspan=\"2\">%s</th>", first);
    fputs(calls ? "<th rowspan=\"2\">calls</th>" : "", file);
    fputs("<th rowspan=\"2\">bound</th>", file);
    for (int i = 0; i < s->column_count; i++)
        gb_html(file, "<th class=\"first\" colspan=\"3\">" SWATCH "%s</th>", s->columns[i].colour,
                s->columns[i].label);
    fputs("</tr>\n<tr>", file);
    for (int i = 0; i < s->column_count; i++)
        fputs("<th class=\"first\">time</th><th>of peak</th><th>speed</th>", file);
    fputs("</tr>" BODY, file);
}

// The figures of a backend, with the mark of fallbacks and that of rows on a shared machine.
struct figures {
    double seconds, spread, share, speed;
    bool fallback, shared;
};

static void put_figures(FILE *file, const struct figures *f) {
    const double speed = f->speed;
    gb_html(file, "%s%s%s <small>±%s</small></td><td>%s</td><td",
            gb_figure_seconds(f->seconds).text, f->fallback ? "*" : "", f->shared ? "†" : "",
            gb_figure_share(f->spread / 2).text, gb_figure_share(f->share).text);
    fprintf(file, "%s>%s</td>", speed >= 0.995 ? " class=\"best\"" : "",
            gb_figure_ratio(speed).text);
}

static void put_mean_row(FILE *file, const struct gb_summary *s, int setting, int model,
                         int group) {
    const struct gb_mean any = gb_summary_mean(s, setting, model, group, 0);
    if (any.measured == 0)
        return;
    fputs(group == GB_ALL_KERNELS ? "<tr class=\"all\">" : "<tr>", file);
    gb_html(file, "<td>%s</td><td>%d</td><td>%s</td>",
            group == GB_ALL_KERNELS ? GB_ALL_KERNELS_NAME : s->groups[group].name, any.calls,
            gb_figure_bounds(any.bounds).text);
    for (int i = 0; i < s->column_count; i++) {
        const struct gb_mean mean = gb_summary_mean(s, setting, model, group, i);
        if (mean.timed == mean.problems) {
            fputs("<td class=\"first\">", file);
            put_figures(file, &(struct figures){mean.seconds, mean.spread, mean.share_of_peak,
                                                mean.speed, mean.fallback, mean.shared});
        } else {
            gb_html(file, "<td class=\"first none\" colspan=\"3\">%d of %d timed</td>", mean.timed,
                    mean.problems);
        }
    }
    fputs("</tr>\n", file);
}

static void put_model(FILE *file, const struct gb_report *report, int summary, int model) {
    const struct gb_summary *s = &report->summaries.list[summary];
    fputs(model == 0 ? "<details open>" : "<details>", file);
    gb_html(file, "<summary>%s</summary>\n",
            *s->models[model] ? s->models[model] : "Problems outside training steps, each once");
    put_picture(
        file, find_picture(report, "bars", summary, s->models[model]),
        "Geometric means of the times of a step's calls, those of the fastest backend / this "
        "one's. Whiskers: half of the repetitions. Hollow: native fallbacks. Operations "
        "below 1 % of a step are in the tables only.");
    for (int setting = 0; setting < s->setting_count; setting++) {
        if (!gb_summary_has_model(s, setting, model))
            continue;
        put_heads(file, s, gb_setting_text(&s->settings[setting]).text, true);
        for (int group = 0; group < s->group_count; group++)
            put_mean_row(file, s, setting, model, group);
        put_mean_row(file, s, setting, model, GB_ALL_KERNELS);
        fputs(END_TABLE, file);
    }
    fputs("</details>\n", file);
}

static void put_cell(FILE *file, const struct gb_cell *cell) {
    if (!cell->launches) {
        fputs("<td class=\"first none\" colspan=\"3\">–</td>", file);
    } else if (cell->error) {
        gb_html(file, "<td class=\"first failed\" colspan=\"3\" title=\"%s\">failed</td>",
                cell->error);
    } else {
        gb_html(file,
                "<td class=\"first\" title=\"%s GFLOP/s, %s GB/s, spread %.1f %%, %d launch%s\">",
                gb_figure_number(cell->gflops).text, gb_figure_number(cell->gbs).text,
                100 * cell->spread, cell->launches, cell->launches == 1 ? "" : "es");
        put_figures(file, &(struct figures){cell->seconds, cell->spread, cell->share_of_peak,
                                            cell->speed, cell->fallback, cell->shared});
    }
}

static void put_problems(FILE *file, const struct gb_summary *s, int setting) {
    gb_html(file, "<details><summary>%s</summary>\n", gb_setting_text(&s->settings[setting]).text);
    for (int group = 0; group < s->group_count; group++) {
        bool begun = false;
        for (int line = 0; line < s->line_count; line++) {
            if (s->lines[line].group != group || !gb_summary_measured(s, setting, line))
                continue;
            if (!begun)
                put_heads(file, s, s->groups[group].name, false);
            begun = true;
            gb_html(file, "<tr><td>%s</td><td>%s</td>", s->lines[line].shape,
                    gb_figure_bounds(gb_summary_bounds(s, setting, line)).text);
            for (int i = 0; i < s->column_count; i++)
                put_cell(file, gb_summary_cell(s, setting, line, i));
            fputs("</tr>\n", file);
        }
        fputs(begun ? END_TABLE : "", file);
    }
    fputs("</details>\n", file);
}

static void put_summary(FILE *file, const struct gb_report *report, int summary) {
    const struct gb_summary *s = &report->summaries.list[summary];
    const struct gb_picture *scaling[] = {find_picture(report, "scaling", summary, "warm"),
                                          find_picture(report, "scaling", summary, "cold"),
                                          find_picture(report, "scaling", summary, "step")};
    gb_html(file, "<section id=\"machine-%d\">\n<h2>%s</h2>\n", summary + 1, s->name);
    put_context(file, s);
    put_failures(file, s);
    fputs(
        "<h3>Backends, weighted by each model's calls</h3>\n<p class=\"note\">Time: sum over all "
        "calls of the measured problems in one training step, ± half the interquartile range of "
        "the repetitions. Of peak and speed: geometric means over the calls, of which the fastest "
        "backend's is 1.00. Timed kernels: those of these rows, which may be a selection. * falls "
        "back to native kernels. † timed while other work shared the machine. No mean if a "
        "backend lacks a time.</p>\n",
        file);
    for (int model = 0; model < s->model_count; model++)
        put_model(file, report, summary, model);
    fputs("<h3>Roofline</h3>\n", file);
    for (int setting = 0; setting < s->setting_count; setting++)
        put_picture(
            file,
            find_picture(report, "roofline", summary, gb_setting_text(&s->settings[setting]).text),
            "Each kernel under the roofline measured in the same run, named when pointed at; "
            "kernels without FLOPs are left out.");
    fputs(scaling[0]->svg || scaling[1]->svg ? "<h3>Thread scaling</h3>\n" : "", file);
    for (int i = 0; i < 2; i++)
        put_picture(file, scaling[i],
                    "Total time of a step's calls with the fewest threads / with more; dashed: "
                    "ideal scaling.");
    fputs(
        "<h3>Every problem</h3>\n<p class=\"note\">A problem's name has the batch n, height and "
        "width h × w, and channels c; that of a convolution c → k channels, the kernel r × s, the "
        "strides u × v, the padding p × q, and what is fused to it (relu, ...). ± half the "
        "interquartile range of the repetitions. † timed while other work shared the "
        "machine.</p>\n",
        file);
    for (int setting = 0; setting < s->setting_count; setting++)
        put_problems(file, s, setting);
    fputs("</section>\n", file);
}

// ---- Training runs ----

static double number_of(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static void put_number(FILE *file, double number, int digits) {
    if (isnan(number))
        fputs("<td class=\"none\">–</td>", file);
    else
        fprintf(file, "<td>%.*f</td>", digits, number);
}

static void put_records_table(FILE *file, const struct gb_report *report) {
    fputs(TABLE "<tr><th>run</th><th>task</th><th>model</th><th>backend</th><th>threads</th>"
                "<th>steps</th><th>parameters</th><th>time/step</th><th>images/s</th>"
                "<th>peak MiB</th></tr>" BODY,
          file);
    for (int i = 0; i < report->record_count; i++) {
        const json_t *run = report->records[i].run;
        gb_html(file, "<tr><td>" SWATCH "%s</td><td>%s</td><td>%s</td><td>%s</td>",
                gb_run_colour(i), report->records[i].directory,
                gb_json_string_or_unknown(run, "task"), gb_json_string_or_unknown(run, "model"),
                gb_json_string_or_unknown(run, "backend"));
        put_number(file, number_of(run, "threads"), 0);
        put_number(file, number_of(json_object_get(run, "config"), "iterations"), 0);
        put_number(file, number_of(run, "parameters"), 0);
        fprintf(file, "<td>%s</td>", gb_figure_seconds(number_of(run, "step_seconds_median")).text);
        put_number(file, number_of(run, "images_per_second"), 1);
        put_number(file, number_of(run, "peak_memory_bytes") / (1 << 20), 0);
        fputs("</tr>\n", file);
    }
    fputs(END_TABLE, file);
}

static bool is_of_task(const struct gb_report *report, int record, const char *task) {
    return strcmp(gb_json_string_or_unknown(report->records[record].run, "task"), task) == 0;
}

// A run's metrics; NULL for one of another task.
static json_t *metrics_of(const struct gb_report *report, int record, const char *task) {
    return is_of_task(report, record, task)
               ? json_object_get(report->records[record].run, "metrics")
               : NULL;
}

// Whether one of the first runs has the metric.
static bool has_metric(const struct gb_report *report, int runs, const char *task,
                       const char *name) {
    for (int i = 0; i < runs; i++)
        if (json_is_number(json_object_get(metrics_of(report, i, task), name)))
            return true;
    return false;
}

static void put_metric(FILE *file, const struct gb_report *report, const char *task,
                       const char *name) {
    gb_html(file, "<tr><td>%s</td>", name);
    for (int i = 0; i < report->record_count; i++)
        if (is_of_task(report, i, task))
            put_number(file, number_of(metrics_of(report, i, task), name), 4);
    fputs("</tr>\n", file);
}

// The runs of a task side by side, by those metrics of any that are numbers.
static void put_metrics_table(FILE *file, const struct gb_report *report, const char *task) {
    json_t *value;
    const char *name;
    gb_html(file, TABLE "<tr><th>%s</th>", task);
    for (int i = 0; i < report->record_count; i++) {
        if (!is_of_task(report, i, task))
            continue;
        gb_html(file, "<th>" SWATCH "%s</th>", gb_run_colour(i), report->records[i].directory);
    }
    fputs("</tr>" BODY, file);
    for (int i = 0; i < report->record_count; i++)
        json_object_foreach(metrics_of(report, i, task), name, value) {
            if (json_is_number(value) && !has_metric(report, i, task, name))
                put_metric(file, report, task, name);
        }
    fputs(END_TABLE, file);
}

static void put_records(FILE *file, const struct gb_report *report) {
    fputs("<section id=\"runs\">\n<h2>Training runs</h2>\n<p class=\"note\">Bits per dimension: "
          "negative log-likelihood, lower is better. A trivial_ metric is that of a predictor that "
          "ignores the input.</p>\n",
          file);
    put_records_table(file, report);
    for (int i = 0; i < report->record_count; i++) {
        const char *task = gb_json_string_or_unknown(report->records[i].run, "task");
        int first = 0;
        while (!is_of_task(report, first, task))
            first++;
        if (first == i)
            put_metrics_table(file, report, task);
    }
    for (int i = 0; i < report->picture_count; i++)
        if (strncmp(report->pictures[i].name, "curves-", 7) == 0)
            put_picture(file, &report->pictures[i],
                        "As logged during training; the first steps may be out of range.");
    for (int i = 0; i < report->record_count; i++) {
        const struct gb_training_record *record = &report->records[i];
        if (!record->samples)
            continue;
        fputs("<figure>", file);
        gb_html_png(file, record->directory, record->samples, record->sample_bytes);
        gb_html(file, "\n<figcaption>Samples of %s</figcaption></figure>\n", record->directory);
    }
    fputs("</section>\n", file);
}

// ---- The page ----

void gb_report_page(FILE *file, const struct gb_report *report) {
    const struct gb_summaries *summaries = &report->summaries;
    fprintf(file,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
            "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"/>\n"
            "<title>glowbench report</title>\n<style>\n%s</style>\n</head>\n<body><main>\n"
            "<h1>glowbench report</h1>\n",
            gb_report_css);
    for (int i = 0; i < summaries->count; i++)
        gb_report_put_lead(file, &report->machines.list[i]);
    if (summaries->count)
        fputs("<p><b>Speed</b> is relative to the fastest backend: 1.00 is the fastest, 0.50 takes "
              "twice as long.<br/>\n"
              "<b>Of peak</b> is the ideal time at the peak FLOP/s or bandwidth measured in the "
              "same run, whichever limits (<b>bound</b>), / the measured time; Winograd "
              "convolutions can exceed 100 %.</p>\n",
              file);
    fputs("<nav><ul>\n", file);
    for (int i = 0; i < summaries->count; i++)
        gb_html(file, "<li><a href=\"#machine-%d\">%s, commit %s</a></li>\n", i + 1,
                summaries->list[i].name,
                gb_json_string_or_unknown(summaries->list[i].first->build, "commit"));
    if (report->record_count)
        fputs("<li><a href=\"#runs\">Training runs</a></li>\n", file);
    fputs("</ul></nav>\n", file);
    if (summaries->count)
        gb_report_put_side_by_side(file, report);
    for (int i = 0; i < summaries->count; i++)
        put_summary(file, report, i);
    if (report->record_count)
        put_records(file, report);
    fputs("</main></body>\n</html>\n", file);
}
