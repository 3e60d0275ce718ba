// SPDX-License-Identifier: MIT
// What a report shows, and the page that shows it.
#ifndef GB_REPORT_H
#define GB_REPORT_H

#include <stdio.h>

#include "bench/report/gnuplot.h"
#include "bench/report/summary.h"
#include "bench/report/training_record.h"
#include "bench/score/machines.h"

struct gb_report {
    struct gb_summaries summaries;
    struct gb_machines machines; // of the summaries
    json_t *tables;              // of the machines (gb_machines_tables); NULL without rows
    struct gb_training_record *records;
    int record_count;
    struct gb_picture *pictures;
    int picture_count;
};

// A picture's name: "bars-1-cglow-horses-32" for bars of the first summary. For "curves" `index` is
// that of the figure.
void gb_picture_set_name(struct gb_picture *picture, const char *kind, int index, const char *of);

// One line of CSV per problem, setting and backend of each machine, with heads; and the machines'
// tables and the means of each model's kernels as Markdown. Write errors stay with the stream.
void gb_report_csv(FILE *file, const struct gb_report *report);
void gb_report_markdown(FILE *file, const struct gb_report *report);

// Writes the page: one HTML file that needs no other. Write errors stay with the stream.
void gb_report_page(FILE *file, const struct gb_report *report);

#endif
