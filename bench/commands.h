// SPDX-License-Identifier: MIT
// The commands of this directory.
#ifndef GB_BENCH_COMMANDS_H
#define GB_BENCH_COMMANDS_H

#include "base/command.h"

extern const struct gb_command gb_ab_command, gb_bench_command, gb_compare_command,
    gb_history_command, gb_info_command, gb_list_command, gb_report_command, gb_score_command,
    gb_tables_command;

// For --version: the version in the first line, then the CPU, the system and the build.
void gb_print_version(void);

#endif
