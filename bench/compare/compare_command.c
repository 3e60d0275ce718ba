// SPDX-License-Identifier: MIT
#include "base/options.h"
#include "bench/commands.h"
#include "bench/compare/comparison.h"
#include "bench/verdict/verdict.h"

struct request {
    const char *paths[GB_SIDES], *threshold;
    struct gb_allowed allowed;
    struct gb_verdict_files files;
};

static enum gb_status judge(const struct gb_rows rows[GB_SIDES], const struct request *request,
                            double threshold) {
    GB_TRY(gb_rows_comparable(rows, request->paths, &request->allowed));
    struct gb_comparison comparison;
    enum gb_status status = gb_comparison_make(rows, &comparison);
    if (status == GB_OK) {
        // Rows of two machines get here only if that is allowed.
        comparison.other_machine = gb_first_difference(
            rows[GB_BASE].list->machine, rows[GB_NEW].list->machine, gb_compared_machine);
        gb_comparison_judge(&comparison, threshold);
        status = gb_comparison_write(&comparison, "compare", rows, request->paths, &request->files);
    }
    if (status == GB_OK)
        status = gb_comparison_report(&comparison, rows, request->paths);
    gb_comparison_free(&comparison);
    return status;
}

static enum gb_status compare(int argc, const char **argv) {
    struct request request = {.threshold = GB_THRESHOLD};
    const struct gb_option options[] = {
        gb_operand("BASE", &request.paths[GB_BASE], "results of bench --launches N --json BASE"),
        gb_operand("NEW", &request.paths[GB_NEW], "results of the same benchmarks under test"),
        gb_option_string("threshold", "PERCENT", &request.threshold, "smallest change that counts"),
        gb_option_flag("allow-other-machine", &request.allowed.other_machine,
                       "also judge results from different CPUs"),
        gb_option_flag("allow-other-build", &request.allowed.other_build,
                       "also compare other build types, compilers, flags and libraries"),
        GB_VERDICT_OPTIONS(request.files),
        {0},
    };
    bool helped;
    GB_TRY(gb_options_parse(&gb_compare_command, options, argc, argv, &helped));
    if (helped)
        return GB_OK;
    double threshold;
    GB_TRY(gb_threshold_parse(request.threshold, &threshold));
    GB_TRY(gb_verdict_probe(&request.files));
    struct gb_rows rows[GB_SIDES];
    GB_TRY(gb_sides_read(request.paths, rows));
    enum gb_status status = judge(rows, &request, threshold);
    gb_sides_free(rows);
    return status;
}

const struct gb_command gb_compare_command = {
    "compare", "Compare two result files; report significant slowdowns", compare, false, false};
