// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "base/options.h"
#include "bench/commands.h"
#include "kernels/backend.h"
#include "tasks/task.h"

static void list_all(void) {
    printf("tasks:\n");
    for (const struct gb_task *const *task = gb_tasks(); *task; task++) {
        printf("  %-26s%s (%s); models:", (*task)->name, (*task)->summary, (*task)->paper);
        for (const struct gb_task_model *model = (*task)->models; model->name; model++)
            printf(" %s", model->name);
        printf("\n");
    }
    printf("models:\n");
    for (const struct gb_model_kind *const *kind = gb_model_kinds(); *kind; kind++)
        printf("  %-26s%s\n", gb_model_name(*kind), (*kind)->title);
    printf("data sets for --data DIR (default: synthetic data):\n");
    for (const struct gb_task *const *task = gb_tasks(); *task; task++)
        printf("  %-26s%s\n", (*task)->name, (*task)->dataset);
    printf("backends:\n");
    for (const struct gb_backend *const *b = gb_backends(); *b; b++)
        printf("  %-26s%s; needs %s%s\n", (*b)->name,
               (*b)->precisions & 1u << GB_BF16 ? "fp32, bf16" : "fp32", (*b)->isa,
               gb_backend_supported(*b) ? "" : " (not supported by this CPU)");
#define PRINT(entry, isa) "  " #entry "\n"
    printf("kernels, in every backend:\n" GB_KERNELS(PRINT, ));
#undef PRINT
}

static enum gb_status list(int argc, const char **argv) {
    const struct gb_option options[] = {{0}};
    bool helped;
    GB_TRY(gb_options_parse(&gb_list_command, options, argc, argv, &helped));
    if (!helped)
        list_all();
    return GB_OK;
}

const struct gb_command gb_list_command = {
    "list", "List tasks, models, data sets, backends and kernels", list, false, false};
