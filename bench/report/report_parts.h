// SPDX-License-Identifier: MIT
// What the parts of the page share. Write errors stay with the stream.
#ifndef GB_REPORT_PARTS_H
#define GB_REPORT_PARTS_H

#include "bench/report/report.h"

#define TABLE "<div class=\"scroll\"><table>\n<thead>"
#define BODY "</thead>\n<tbody>\n"
#define END_TABLE "</tbody></table></div>\n"
#define SWATCH "<i class=\"swatch\" style=\"background:#%06x\"></i>"

// A warning if the machine was loaded, and a sentence about its scores or kernels.
void gb_report_put_lead(FILE *file, const struct gb_machine *machine);

// The tables of machines, and the kernels of their training steps.
void gb_report_put_side_by_side(FILE *file, const struct gb_report *report);

#endif
