// SPDX-License-Identifier: MIT
// What a report shows, and the page that shows it.
#ifndef GB_REPORT_H
#define GB_REPORT_H

#include <stdio.h>

#include "bench/report/gnuplot.h"
#include "bench/report/summary.h"
#include "bench/report/training_record.h"
#include "bench/runner/row.h"

// The pictures of a summary.
struct gb_summary_pictures {
    struct gb_picture *bars;      // [model]
    struct gb_picture *rooflines; // [setting]; not drawn: all zeros
    struct gb_picture scaling[2]; // [enum gb_cache]; not drawn: all zeros
};

struct gb_report {
    struct gb_summaries summaries;
    struct gb_summary_pictures *pictures; // [summary]
    struct gb_training_record *records;
    int record_count;
    struct gb_picture *curves; // one a logged figure
    int curve_count;
    // What the names of the picture files begin with: the page's own, without its ending.
    const char *base;
};

// Writes the page: one file that needs no other. Errors stay with the stream.
void gb_report_page(FILE *file, const struct gb_report *report);

#endif
