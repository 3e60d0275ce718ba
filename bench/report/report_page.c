// SPDX-License-Identifier: MIT
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "bench/report/embed.h"
#include "bench/report/figures.h"
#include "bench/report/plots.h"
#include "bench/report/report.h"

// ---- Text ----

static void put(FILE *file, const char *text) {
    for (; *text; text++)
        switch (*text) {
        case '&':
            fputs("&amp;", file);
            break;
        case '<':
            fputs("&lt;", file);
            break;
        case '>':
            fputs("&gt;", file);
            break;
        case '"':
            fputs("&quot;", file);
            break;
        default:
            fputc(*text, file);
        }
}

// An element with nothing but text: put_in(file, "h2", "Machines").
static void put_in(FILE *file, const char *element, const char *text) {
    fprintf(file, "<%s>", element);
    put(file, text);
    fprintf(file, "</%.*s>\n", (int)strcspn(element, " "), element);
}

static const char style[] =
    ":root{color-scheme:light dark;--page:#fff;--ink:#1b1f24;--soft:#59636e;--line:#d5dae0;"
    "--raised:#f4f6f8;--link:#0b5cad}\n"
    "@media (prefers-color-scheme:dark){:root{--page:#14181d;--ink:#e6eaef;--soft:#9aa5b1;"
    "--line:#343c46;--raised:#1d232a;--link:#7db7f0}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,sans-serif}\n"
    "main{max-width:100rem;margin:0 auto;padding:2rem 1.25rem 4rem}\n"
    "h1{font-size:1.9rem;margin:0 0 .5rem}h2{font-size:1.45rem;margin:3rem 0 .75rem;"
    "padding-top:1rem;border-top:1px solid var(--line)}h3{font-size:1.1rem;margin:2rem 0 .5rem}\n"
    "h4{font-size:1rem;margin:1.5rem 0 .4rem}\n"
    "p{max-width:46rem;margin:.5rem 0}.note,figcaption{color:var(--soft);font-size:.88rem}\n"
    "a{color:var(--link)}code{font-size:.9em}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.25rem;margin:.75rem 0;"
    "font-size:.92rem}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}\n"
    ".scroll{overflow-x:auto;margin:.75rem 0}\n"
    "table{border-collapse:collapse;font-size:.86rem;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:.2rem .55rem;text-align:right;white-space:nowrap;"
    "border-bottom:1px solid var(--line)}\n"
    "th{font-weight:600}th:first-child,td:first-child{text-align:left}\n"
    "thead th{background:var(--raised)}tbody tr:hover td{background:var(--raised)}\n"
    "thead tr:last-child th{color:var(--soft);font-weight:400}\n"
    "td.first{border-left:1px solid var(--line)}th.first{border-left:1px solid var(--line);"
    "text-align:left}td.best{font-weight:700}td.none{color:var(--soft);text-align:center}\n"
    "td.failed{color:#d55e00;font-weight:700;text-align:center}tr.all td{border-top:2px solid "
    "var(--line)}\n"
    "i.swatch{display:inline-block;width:.75em;height:.75em;border-radius:2px;"
    "margin-right:.4em}\n"
    "details{margin:.75rem 0}summary{cursor:pointer;font-weight:600}\n"
    "figure{margin:1rem 0 1.5rem}.picture{overflow-x:auto}\n"
    "figure img{max-width:100%;height:auto;image-rendering:pixelated;background:#fff}\n"
    // gnuplot draws black on white; here it takes the page's colours. Its elements carry names of
    // its own making, which are no help when pointed at.
    "figure svg{max-width:100%;height:auto;pointer-events:none}"
    "figure svg text{font-family:system-ui,sans-serif}\n"
    "figure svg>g>rect:first-child{fill:none}"
    "figure svg [fill=\"black\"],figure svg [fill=\"rgb(0,0,0)\"]{fill:var(--ink)}\n";

// ---- Pictures ----

static void put_picture(FILE *file, const struct gb_report *report,
                        const struct gb_picture *picture, const char *caption) {
    if (!picture->svg)
        return;
    fputs("<figure><div class=\"picture\" role=\"img\" aria-label=\"", file);
    put(file, picture->title);
    fputs("\">\n", file);
    gb_embed_svg(file, picture);
    fputs("</div>\n<figcaption>", file);
    put(file, caption);
    fputs(" Also in <code>", file);
    const char *slash = strrchr(report->base, '/');
    put(file, slash ? slash + 1 : report->base);
    fprintf(file, "-%s.svg</code> and <code>.png</code>.</figcaption></figure>\n", picture->name);
}

// ---- The machine and the build ----

static void put_cpu(FILE *file, const json_t *machine) {
    const json_t *cpu = json_object_get(machine, "cpu");
    fputs("<dt>CPU</dt><dd>", file);
    put(file, gb_json_string_or_unknown(cpu, "model"));
    fputs(", microcode ", file);
    put(file, gb_json_string_or_unknown(cpu, "microcode"));
    fprintf(file, ", %d cores, %d CPUs", (int)gb_json_integer(cpu, "cores"),
            (int)gb_json_integer(cpu, "cpus"));
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(cpu, "instruction_sets"), i, item) {
        const char *name = json_string_value(item);
        fputs(", ", file);
        put(file, name ? name : "");
    }
    fputs("</dd>\n<dt>Caches, memory</dt><dd>", file);
    json_array_foreach(json_object_get(machine, "caches"), i, item) {
        fprintf(file, "L%d %d × %d KiB, ", (int)gb_json_integer(item, "level"),
                (int)gb_json_integer(item, "instances"),
                (int)gb_json_integer(item, "bytes") / 1024);
    }
    fprintf(file, "%.1f GiB</dd>\n", gb_json_number(machine, "memory_bytes") / (1 << 30));
    const json_t *system = json_object_get(machine, "system");
    fputs("<dt>System</dt><dd>", file);
    put(file, gb_json_string_or_unknown(system, "distribution"));
    fputs(", ", file);
    put(file, gb_json_string_or_unknown(system, "kernel"));
    fputs("</dd>\n", file);
}

static void put_build(FILE *file, const json_t *build) {
    static const char *const fields[] = {"commit", "type", "compiler", "flags", "isa_flags"};
    fputs("<dt>Build</dt><dd>glowbench ", file);
    put(file, gb_json_string_or_unknown(build, "version"));
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        fputs(i == 0 ? ", commit " : i == 3 ? "; " : ", ", file);
        put(file, gb_json_string_or_unknown(build, fields[i]));
    }
    fputs("</dd>\n", file);
}

static void put_swatch(FILE *file, unsigned colour) {
    fprintf(file, "<i class=\"swatch\" style=\"background:#%06x\"></i>", colour);
}

static void put_libraries(FILE *file, const struct gb_summary *s) {
    fputs("<dt>Backends</dt><dd>", file);
    for (int i = 0; i < s->column_count; i++) {
        fputs(i ? ", " : "", file);
        put_swatch(file, s->columns[i].colour);
        put(file, s->columns[i].backend);
        fputs(*s->columns[i].library ? " by " : " (native)", file);
        put(file, s->columns[i].library);
    }
    fputs("</dd>\n", file);
}

static int max_launches(const struct gb_summary *s) {
    int most = 0;
    for (int i = 0; i < s->setting_count * s->line_count * s->column_count; i++)
        most = s->cells[i].launches > most ? s->cells[i].launches : most;
    return most;
}

static void put_measurement(FILE *file, const struct gb_summary *s) {
    const struct gb_row *row = s->first;
    fprintf(file, "<dt>Measured</dt><dd>%d launch%s of %d repetitions, from ", max_launches(s),
            max_launches(s) == 1 ? "" : "es", row->repetitions);
    put(file, row->finished);
    if (row->load_average >= 0)
        fprintf(file, ", load average %.1f", row->load_average);
    fputs(row->cpu_count ? ", threads pinned</dd>\n" : ", threads not pinned</dd>\n", file);
}

static void put_context(FILE *file, const struct gb_summary *s) {
    fputs("<dl>\n", file);
    put_cpu(file, s->first->machine);
    put_build(file, s->first->build);
    put_libraries(file, s);
    put_measurement(file, s);
    fputs("</dl>\n", file);
}

// ---- Tables of backends ----

// Two rows of heads: the backends, and the figures that each has.
static void put_heads(FILE *file, const struct gb_summary *s, const char *first, bool calls) {
    fputs("<div class=\"scroll\"><table>\n<thead><tr><th rowspan=\"2\">", file);
    put(file, first);
    fputs(calls ? "</th><th rowspan=\"2\">calls</th>" : "</th>", file);
    fputs("<th rowspan=\"2\">wall</th>", file);
    for (int i = 0; i < s->column_count; i++) {
        fputs("<th class=\"first\" colspan=\"3\">", file);
        put_swatch(file, s->columns[i].colour);
        put(file, s->columns[i].label);
        fputs("</th>", file);
    }
    fputs("</tr>\n<tr>", file);
    for (int i = 0; i < s->column_count; i++)
        fputs("<th class=\"first\">time</th><th>of peak</th><th>speed</th>", file);
    fputs("</tr></thead>\n<tbody>\n", file);
}

static void end_table(FILE *file) {
    fputs("</tbody></table></div>\n", file);
}

static void put_figures(FILE *file, double seconds, double share, double speed, const char *mark) {
    fprintf(file, "<td class=\"first\">%s%s</td><td>%s</td><td%s>%s</td>",
            gb_figure_seconds(seconds).text, mark, gb_figure_share(share).text,
            speed >= 0.995 ? " class=\"best\"" : "", gb_figure_ratio(speed).text);
}

static void put_mean_row(FILE *file, const struct gb_summary *s, int setting, int model,
                         int group) {
    struct gb_mean any = gb_summary_mean(s, setting, model, group, 0);
    if (any.measured == 0)
        return;
    fprintf(file, "<tr%s><td>", group == GB_ALL_KERNELS ? " class=\"all\"" : "");
    put(file, group == GB_ALL_KERNELS ? "all kernels" : s->groups[group].name);
    fprintf(file, "</td><td>%d</td><td>%s</td>", any.calls, gb_figure_roofline(any.roofline).text);
    for (int i = 0; i < s->column_count; i++) {
        struct gb_mean mean = gb_summary_mean(s, setting, model, group, i);
        if (mean.timed == mean.problems)
            put_figures(file, mean.seconds, mean.share_of_peak, mean.speed,
                        mean.borrowed ? "*" : "");
        else
            fprintf(file, "<td class=\"first none\" colspan=\"3\">%d of %d timed</td>", mean.timed,
                    mean.problems);
    }
    fputs("</tr>\n", file);
}

static void put_model(FILE *file, const struct gb_report *report, int summary, int model) {
    const struct gb_summary *s = &report->summaries.list[summary];
    fprintf(file, "<details%s><summary>", model == 0 ? " open" : "");
    put(file, *s->models[model] ? s->models[model] : "Problems outside training steps, each once");
    fputs("</summary>\n", file);
    put_picture(file, report, &report->pictures[summary].bars[model],
                "Geometric means over the calls of a step; 1 is the fastest backend at each "
                "problem. Hollow: borrowed kernels. What takes less than 1 % of a step is in the "
                "tables alone.");
    for (int setting = 0; setting < s->setting_count; setting++) {
        put_heads(file, s, gb_setting_text(&s->settings[setting]).text, true);
        for (int group = 0; group < s->group_count; group++)
            put_mean_row(file, s, setting, model, group);
        put_mean_row(file, s, setting, model, GB_ALL_KERNELS);
        end_table(file);
    }
    fputs("</details>\n", file);
}

static void put_cell(FILE *file, const struct gb_cell *cell) {
    if (!cell->launches) {
        fputs("<td class=\"first none\" colspan=\"3\">–</td>", file);
    } else if (cell->error) {
        fputs("<td class=\"first failed\" colspan=\"3\" title=\"", file);
        put(file, cell->error);
        fputs("\">failed</td>", file);
    } else {
        fprintf(file,
                "<td class=\"first\" title=\"%s GFLOP/s, %s GB/s, spread %.1f %%, %d "
                "launch%s\">%s%s</td><td>%s</td><td%s>%s</td>",
                gb_figure_number(cell->gflops).text, gb_figure_number(cell->gbs).text,
                100 * cell->spread, cell->launches, cell->launches == 1 ? "" : "es",
                gb_figure_seconds(cell->seconds).text, cell->borrowed ? "*" : "",
                gb_figure_share(cell->share_of_peak).text,
                cell->speed >= 0.995 ? " class=\"best\"" : "", gb_figure_ratio(cell->speed).text);
    }
}

static void put_line(FILE *file, const struct gb_summary *s, int setting, int line) {
    fputs("<tr><td>", file);
    put(file, s->lines[line].shape);
    fprintf(file, "</td><td>%s</td>",
            gb_figure_roofline(gb_summary_roofline(s, setting, line)).text);
    for (int i = 0; i < s->column_count; i++)
        put_cell(file, gb_summary_cell(s, setting, line, i));
    fputs("</tr>\n", file);
}

static void put_group(FILE *file, const struct gb_summary *s, int setting, int group) {
    bool begun = false;
    for (int line = 0; line < s->line_count; line++) {
        if (s->lines[line].group != group || !gb_summary_measured(s, setting, line))
            continue;
        if (!begun)
            put_heads(file, s, s->groups[group].name, false);
        begun = true;
        put_line(file, s, setting, line);
    }
    if (begun)
        end_table(file);
}

static void put_problems(FILE *file, const struct gb_summary *s, int setting) {
    fputs("<details>", file);
    put_in(file, "summary", gb_setting_text(&s->settings[setting]).text);
    for (int group = 0; group < s->group_count; group++)
        put_group(file, s, setting, group);
    fputs("</details>\n", file);
}

static void put_failures(FILE *file, const struct gb_summary *s) {
    bool any = false;
    for (int setting = 0; setting < s->setting_count; setting++)
        for (int line = 0; line < s->line_count; line++)
            for (int i = 0; i < s->column_count; i++) {
                const struct gb_cell *cell = gb_summary_cell(s, setting, line, i);
                if (!cell->error)
                    continue;
                fputs(any ? "" : "<h3>What failed</h3>\n<ul>\n", file);
                any = true;
                fputs("<li><code>", file);
                put(file, s->lines[line].row->problem);
                fputs("</code>, ", file);
                put(file, s->columns[i].label);
                fprintf(file, ", %s: ", gb_setting_text(&s->settings[setting]).text);
                put(file, cell->error);
                fputs("</li>\n", file);
            }
    fputs(any ? "</ul>\n" : "", file);
}

static void put_summary(FILE *file, const struct gb_report *report, int summary) {
    const struct gb_summary *s = &report->summaries.list[summary];
    const struct gb_summary_pictures *pictures = &report->pictures[summary];
    fprintf(file, "<section id=\"machine-%d\">\n", summary + 1);
    put_in(file, "h2", gb_summary_machine(s));
    put_context(file, s);
    put_failures(file, s);
    put_in(file, "h3", "Backends over each model's mix");
    put_in(file, "p class=\"note\"",
           "Time: of all calls of the problems measured in one training step. Of peak, and speed "
           "relative to the "
           "best backend: geometric means in which every call counts the same. * with kernels "
           "borrowed from the native backend. No figures where not every problem has a time.");
    for (int model = 0; model < s->model_count; model++)
        put_model(file, report, summary, model);
    put_in(file, "h3", "Roofline");
    for (int setting = 0; setting < s->setting_count; setting++)
        put_picture(file, report, &pictures->rooflines[setting],
                    "Each kernel under the walls that were measured beside it; kernels without "
                    "FLOPs are left out.");
    if (pictures->scaling[GB_CACHE_WARM].svg || pictures->scaling[GB_CACHE_COLD].svg)
        put_in(file, "h3", "Thread scaling");
    for (int cache = GB_CACHE_WARM; cache <= GB_CACHE_COLD; cache++)
        put_picture(file, report, &pictures->scaling[cache],
                    "Total time of the calls of a step on the fewest threads / on more; the "
                    "broken line is ideal.");
    put_in(file, "h3", "Every problem");
    for (int setting = 0; setting < s->setting_count; setting++)
        put_problems(file, s, setting);
    fputs("</section>\n", file);
}

// ---- Machines side by side ----

static void put_side_by_side_heads(FILE *file, const struct gb_summaries *summaries) {
    fputs("<div class=\"scroll\"><table>\n<thead><tr><th rowspan=\"2\">kernels of a step</th>"
          "<th rowspan=\"2\">setting</th>",
          file);
    for (int i = 0; i < summaries->count; i++) {
        fprintf(file, "<th class=\"first\" colspan=\"%d\"><a href=\"#machine-%d\">",
                summaries->list[i].column_count, i + 1);
        put(file, gb_summary_machine(&summaries->list[i]));
        fputs("</a></th>", file);
    }
    fputs("</tr>\n<tr>", file);
    for (int i = 0; i < summaries->count; i++)
        for (int j = 0; j < summaries->list[i].column_count; j++) {
            fputs(j ? "<th>" : "<th class=\"first\">", file);
            put_swatch(file, summaries->list[i].columns[j].colour);
            put(file, summaries->list[i].columns[j].label);
            fputs("</th>", file);
        }
    fputs("</tr></thead>\n<tbody>\n", file);
}

// The time of a model's kernels; NAN where they are others than the first summary's, which was then
// measured on other problems.
static double step_seconds(const struct gb_summary *s, const struct gb_summary *first,
                           const char *model, const struct gb_setting *setting, int column) {
    int at = gb_summary_find_setting(s, setting->threads, setting->cache);
    int of = gb_summary_find_model(s, model);
    if (at < 0 || of < 0)
        return NAN;
    struct gb_mean mean = gb_summary_mean(s, at, of, GB_ALL_KERNELS, column);
    struct gb_mean same =
        gb_summary_mean(first, 0, gb_summary_find_model(first, model), GB_ALL_KERNELS, 0);
    return mean.problems == same.problems && mean.calls == same.calls ? mean.seconds : NAN;
}

static void put_side_by_side_row(FILE *file, const struct gb_summaries *summaries,
                                 const char *model, const struct gb_setting *setting) {
    fputs("<tr><td>", file);
    put(file, model);
    fprintf(file, "</td><td>%s</td>", gb_setting_text(setting).text);
    for (int i = 0; i < summaries->count; i++)
        for (int j = 0; j < summaries->list[i].column_count; j++)
            fprintf(file, "<td%s>%s</td>", j ? "" : " class=\"first\"",
                    gb_figure_seconds(
                        step_seconds(&summaries->list[i], &summaries->list[0], model, setting, j))
                        .text);
    fputs("</tr>\n", file);
}

static void put_side_by_side(FILE *file, const struct gb_summaries *summaries) {
    const struct gb_summary *first = &summaries->list[0];
    put_in(file, "h2", "Side by side");
    put_in(
        file, "p class=\"note\"",
        "Time of all calls of the kernels measured in one training step, where each has a time.");
    put_side_by_side_heads(file, summaries);
    for (int model = 0; model < first->model_count; model++)
        for (int setting = 0; *first->models[model] && setting < first->setting_count; setting++)
            put_side_by_side_row(file, summaries, first->models[model], &first->settings[setting]);
    end_table(file);
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

static void put_run(FILE *file, const struct gb_training_record *record, int index) {
    put_swatch(file, gb_run_colour(index));
    put(file, record->directory);
}

static void put_record_row(FILE *file, const struct gb_training_record *record, int index) {
    const json_t *run = record->run;
    const char *const texts[] = {gb_json_string_or_unknown(run, "task"),
                                 gb_json_string_or_unknown(run, "model"),
                                 gb_json_string_or_unknown(run, "backend")};
    fputs("<tr><td>", file);
    put_run(file, record, index);
    fputs("</td>", file);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        put_in(file, "td", texts[i]);
    put_number(file, number_of(run, "threads"), 0);
    put_number(file, number_of(json_object_get(run, "config"), "iterations"), 0);
    put_number(file, number_of(run, "parameters"), 0);
    fprintf(file, "<td>%s</td>", gb_figure_seconds(number_of(run, "step_seconds_median")).text);
    put_number(file, number_of(run, "images_per_second"), 1);
    put_number(file, number_of(run, "peak_memory_bytes") / (1 << 20), 0);
    fputs("</tr>\n", file);
}

static void put_records_table(FILE *file, const struct gb_report *report) {
    static const char *const heads[] = {"run",   "task",       "model",     "backend",  "threads",
                                        "steps", "parameters", "time/step", "images/s", "peak MiB"};
    fputs("<div class=\"scroll\"><table>\n<thead><tr>", file);
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        put_in(file, "th", heads[i]);
    fputs("</tr></thead>\n<tbody>\n", file);
    for (int i = 0; i < report->record_count; i++)
        put_record_row(file, &report->records[i], i);
    end_table(file);
}

static const char *task_of(const struct gb_report *report, int record) {
    return gb_json_string_or_unknown(report->records[record].run, "task");
}

static const json_t *metrics_of(const struct gb_report *report, int record) {
    return json_object_get(report->records[record].run, "metrics");
}

// The first run of a task speaks for it.
static bool is_first_of_task(const struct gb_report *report, int record) {
    for (int i = 0; i < record; i++)
        if (strcmp(task_of(report, i), task_of(report, record)) == 0)
            return false;
    return true;
}

// Of all runs of the task, in order; only numbers: curves have no place in a table.
static json_t *metric_names(const struct gb_report *report, const char *task) {
    json_t *names = json_object();
    for (int i = 0; i < report->record_count; i++) {
        const char *name;
        json_t *value;
        json_object_foreach((json_t *)metrics_of(report, i), name, value) {
            if (strcmp(task_of(report, i), task) == 0 && json_is_number(value))
                json_object_set(names, name, value);
        }
    }
    return names;
}

// The runs of a task side by side.
static void put_metrics_table(FILE *file, const struct gb_report *report, const char *task) {
    json_t *names = metric_names(report, task), *unused;
    const char *name;
    fputs("<div class=\"scroll\"><table>\n<thead><tr>", file);
    put_in(file, "th", task);
    for (int i = 0; i < report->record_count; i++)
        if (strcmp(task_of(report, i), task) == 0) {
            fputs("<th>", file);
            put_run(file, &report->records[i], i);
            fputs("</th>", file);
        }
    fputs("</tr></thead>\n<tbody>\n", file);
    json_object_foreach(names, name, unused) {
        (void)unused;
        fputs("<tr>", file);
        put_in(file, "td", name);
        for (int i = 0; i < report->record_count; i++)
            if (strcmp(task_of(report, i), task) == 0)
                put_number(file, number_of(metrics_of(report, i), name), 4);
        fputs("</tr>\n", file);
    }
    end_table(file);
    json_decref(names);
}

static void put_samples(FILE *file, const struct gb_training_record *record) {
    if (!record->samples)
        return;
    fputs("<figure><img alt=\"Samples of ", file);
    put(file, record->directory);
    fputs("\" src=\"data:image/png;base64,", file);
    gb_embed_base64(file, record->samples, record->sample_bytes);
    fputs("\"/>\n<figcaption>Samples of ", file);
    put(file, record->directory);
    fputs("</figcaption></figure>\n", file);
}

static void put_records(FILE *file, const struct gb_report *report) {
    fputs("<section id=\"runs\">\n", file);
    put_in(file, "h2", "Training runs");
    put_in(file, "p class=\"note\"",
           "Bits per dimension: negative log-likelihood, lower is better. A trivial_ metric is "
           "that of a predictor that never looks at the image.");
    put_records_table(file, report);
    for (int i = 0; i < report->record_count; i++)
        if (is_first_of_task(report, i))
            put_metrics_table(file, report, task_of(report, i));
    for (int i = 0; i < report->curve_count; i++)
        put_picture(file, report, &report->curves[i],
                    "As logged while training; the first steps may lie beyond the frame.");
    for (int i = 0; i < report->record_count; i++)
        put_samples(file, &report->records[i]);
    fputs("</section>\n", file);
}

// ---- The page ----

static void put_contents(FILE *file, const struct gb_report *report) {
    fputs("<nav><ul>\n", file);
    for (int i = 0; i < report->summaries.count; i++) {
        fprintf(file, "<li><a href=\"#machine-%d\">", i + 1);
        put(file, gb_summary_machine(&report->summaries.list[i]));
        fputs(", commit ", file);
        put(file, gb_json_string_or_unknown(report->summaries.list[i].first->build, "commit"));
        fputs("</a></li>\n", file);
    }
    if (report->record_count)
        fputs("<li><a href=\"#runs\">Training runs</a></li>\n", file);
    fputs("</ul></nav>\n", file);
}

void gb_report_page(FILE *file, const struct gb_report *report) {
    fprintf(file,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
            "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"/>\n"
            "<title>glowbench report</title>\n<style>\n%s</style>\n</head>\n<body><main>\n"
            "<h1>glowbench report</h1>\n",
            style);
    if (report->summaries.count)
        fputs("<p>Each backend has one colour everywhere. <b>Speed</b> is relative to the fastest "
              "backend at the same problem: 1.00 is the best, 0.50 takes twice as long.<br/>\n"
              "<b>Of peak</b> is the time that the wall in the way, arithmetic (FLOPs) or memory "
              "traffic (bytes) as measured in the same run, would take / the time taken: 100 % "
              "cannot be beaten.</p>\n",
              file);
    put_contents(file, report);
    if (report->summaries.count > 1)
        put_side_by_side(file, &report->summaries);
    for (int i = 0; i < report->summaries.count; i++)
        put_summary(file, report, i);
    if (report->record_count)
        put_records(file, report);
    fputs("</main></body>\n</html>\n", file);
}
