// SPDX-License-Identifier: MIT
// A page's first lines about each machine, and its tables of machines side by side.
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/minmax.h"
#include "bench/report/figures.h"
#include "bench/report/html.h"
#include "bench/report/report_parts.h"

// ---- The first lines ----

// Of the kernels of the model with the most calls, if there are no scores.
static void put_kernel_sentence(FILE *file, const struct gb_machine *machine) {
    const struct gb_summary *s = machine->summary;
    const int setting =
        gb_max_int(0, gb_summary_find_setting(s, machine->threads, s->settings[0].cache));
    int model = 0, best = -1, second = -1;
    double speeds[2] = {0};
    for (int i = 1; i < s->model_count; i++)
        if (gb_summary_mean(s, setting, i, GB_ALL_KERNELS, 0).calls >
            gb_summary_mean(s, setting, model, GB_ALL_KERNELS, 0).calls)
            model = i;
    for (int i = 0; i < s->column_count; i++) {
        const double speed = gb_summary_mean(s, setting, model, GB_ALL_KERNELS, i).speed;
        if (isnan(speed))
            continue;
        if (best < 0 || speed > speeds[0]) {
            second = best;
            speeds[1] = speeds[0];
            best = i;
            speeds[0] = speed;
        } else if (second < 0 || speed > speeds[1]) {
            second = i;
            speeds[1] = speed;
        }
    }
    if (best < 0)
        return;
    gb_html(file, "<p class=\"lead\"><b>%s</b>, %s: %s is the fastest backend", s->name,
            gb_setting_text(&s->settings[setting]).text, s->columns[best].label);
    if (second >= 0)
        gb_html(file, ", %s times %s,", gb_figure_ratio(speeds[0] / speeds[1]).text,
                s->columns[second].label);
    gb_html(file, " over the timed kernels of %s.</p>\n",
            *s->models[model] ? s->models[model] : "no training step");
}

static void put_warning(FILE *file, const struct gb_summary *s) {
    const struct gb_disturbance *of = &s->disturbance;
    if (!gb_summary_is_disturbed(s))
        return;
    gb_html(file, "<p class=\"warning\"><b>Timed on a loaded machine:</b> %s. ", s->name);
    if (of->shared > 0)
        gb_html(file, "Other work preempted %d of %d rows, marked †. ", of->shared, of->known);
    if (of->control >= GB_CONTROL_SPREAD)
        gb_html(file, "The control benchmark, which always does the same, varied by %.0f %%. ",
                100 * of->control);
    if (of->load >= 0)
        gb_html(file, "Load average up to %.1f. ", of->load);
    fputs("Do not publish these times.</p>\n", file);
}

void gb_report_put_lead(FILE *file, const struct gb_machine *machine) {
    const struct gb_sentence sentence = gb_machine_sentence(machine);
    put_warning(file, machine->summary);
    if (*sentence.text)
        gb_html(file, "<p class=\"lead\"><b>%s</b>, %d thread%s. %s.</p>\n", machine->summary->name,
                machine->threads, machine->threads == 1 ? "" : "s", sentence.text);
    else
        put_kernel_sentence(file, machine);
}

// ---- Machines side by side ----

// With one thread, or as many as a machine has; -1 if there are no such rows.
static int setting_of(const struct gb_machine *machine, bool all_threads, enum gb_cache cache) {
    return gb_summary_find_setting(machine->summary, all_threads ? machine->threads : 1, cache);
}

// The time of a model's kernels; NAN if they are not those of the baseline.
static double step_seconds(const struct gb_machines *machines, int index, const char *model,
                           bool all_threads, enum gb_cache cache, int column) {
    const struct gb_machine *machine = &machines->list[index],
                            *base = &machines->list[machines->baseline];
    const int at = setting_of(machine, all_threads, cache);
    const int of = gb_summary_find_model(machine->summary, model);
    const int base_of = gb_summary_find_model(base->summary, model);
    if (at < 0 || of < 0)
        return NAN;
    const struct gb_mean mean = gb_summary_mean(machine->summary, at, of, GB_ALL_KERNELS, column);
    if (base_of < 0)
        return mean.seconds;
    const struct gb_mean same = gb_summary_mean(base->summary, 0, base_of, GB_ALL_KERNELS, 0);
    return mean.problems == same.problems && mean.calls == same.calls ? mean.seconds : NAN;
}

static double best_step(const struct gb_machines *machines, int index, const char *model,
                        bool all_threads, enum gb_cache cache) {
    double best = NAN;
    for (int i = 0; i < machines->list[index].summary->column_count; i++)
        best = fmin(best, step_seconds(machines, index, model, all_threads, cache, i));
    return best;
}

static void put_step_row(FILE *file, const struct gb_machines *machines, const char *model,
                         bool all_threads, enum gb_cache cache) {
    bool any = false;
    for (int m = 0; m < machines->count; m++)
        any |= !isnan(best_step(machines, m, model, all_threads, cache));
    if (!any)
        return;
    gb_html(file, "<tr><td>%s</td><td>%s, %s</td>", model, all_threads ? "all threads" : "1 thread",
            gb_cache_name(cache));
    const double base = best_step(machines, machines->baseline, model, all_threads, cache);
    for (int m = 0; m < machines->count; m++) {
        const double best = best_step(machines, m, model, all_threads, cache);
        gb_html(file, "<td class=\"first best\">%s</td>", gb_figure_ratio(base / best).text);
        for (int i = 0; i < machines->list[m].summary->column_count; i++)
            gb_html(
                file, "<td>%s</td>",
                gb_figure_seconds(step_seconds(machines, m, model, all_threads, cache, i)).text);
    }
    fputs("</tr>\n", file);
}

// The models of all machines, each once.
static json_t *models_of(const struct gb_machines *machines) {
    json_t *models = json_object();
    for (int m = 0; m < machines->count; m++)
        for (int i = 0; i < machines->list[m].summary->model_count; i++)
            if (*machines->list[m].summary->models[i])
                json_object_set_new(models, machines->list[m].summary->models[i], json_true());
    return models;
}

static void put_steps(FILE *file, const struct gb_machines *machines) {
    json_t *models = models_of(machines), *value;
    const char *model;
    gb_html(file,
            "<h3>Kernels of a training step</h3>\n<p class=\"note\">Time of all calls of the timed "
            "kernels; x: speed of the fastest backend relative to that of %s. – if other kernels "
            "were timed, or not all.</p>\n" TABLE
            "<tr><th rowspan=\"2\">model</th><th rowspan=\"2\">threads, caches</th>",
            machines->list[machines->baseline].summary->name);
    for (int m = 0; m < machines->count; m++)
        gb_html(file, "<th class=\"first\" colspan=\"%d\"><a href=\"#machine-%d\">%s</a></th>",
                machines->list[m].summary->column_count + 1, m + 1,
                machines->list[m].summary->name);
    fputs("</tr>\n<tr>", file);
    for (int m = 0; m < machines->count; m++) {
        const struct gb_summary *s = machines->list[m].summary;
        fputs("<th class=\"first\">x</th>", file);
        for (int i = 0; i < s->column_count; i++)
            gb_html(file, "<th>" SWATCH "%s</th>", s->columns[i].colour, s->columns[i].label);
    }
    fputs("</tr>" BODY, file);
    json_object_foreach(models, model, value)
        for (enum gb_cache cache = GB_CACHE_WARM; cache <= GB_CACHE_COLD; cache++)
            for (int all_threads = 1; all_threads >= 0; all_threads--)
                put_step_row(file, machines, model, all_threads, cache);
    fputs(END_TABLE, file);
    json_decref(models);
}

static void put_tables(FILE *file, const json_t *tables) {
    size_t i, j, c;
    json_t *table, *row, *cell;
    json_array_foreach(tables, i, table) {
        gb_html(file, "<h3>%s</h3>\n<p class=\"note\">%s</p>\n", gb_json_text(table, "title"),
                gb_json_text(table, "note"));
        fputs(TABLE, file);
        json_array_foreach(json_object_get(table, "rows"), j, row) {
            fputs("<tr>", file);
            json_array_foreach(row, c, cell)
                gb_html(file, j ? "<td>%s</td>" : "<th>%s</th>", json_string_value(cell));
            fputs(j ? "</tr>\n" : "</tr>" BODY, file);
        }
        fputs(END_TABLE, file);
    }
}

void gb_report_put_side_by_side(FILE *file, const struct gb_report *report) {
    const bool several = report->machines.count > 1;
    if (several)
        fputs("<h2>Side by side</h2>\n<p class=\"note\">Machines and builds are shown, not judged: "
              "<code>glowbench compare</code> judges builds on one machine.</p>\n",
              file);
    put_tables(file, report->tables);
    if (several)
        put_steps(file, &report->machines);
}
