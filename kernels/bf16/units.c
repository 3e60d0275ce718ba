// SPDX-License-Identifier: MIT
#include "kernels/bf16/units.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/backend.h"
#include "kernels/cpu.h"

enum { MAX_UNITS = 4 };
static const struct gb_bf16_unit *units[MAX_UNITS + 1];
static pthread_once_t listed = PTHREAD_ONCE_INIT;

#if defined(GB_AVX512_BF16) || defined(GB_NEON_BF16)
#define CONV(isa)                                                                                  \
    .conv_plan = gb_bf16_conv_plan__##isa, .conv_plan_free = gb_bf16_conv_plan_free__##isa,        \
    .conv_pack = gb_bf16_conv_pack__##isa, .conv_unpack = gb_bf16_conv_unpack__##isa,              \
    .conv_forward = gb_bf16_conv_forward__##isa,                                                   \
    .conv_backward_data = gb_bf16_conv_backward_data__##isa,                                       \
    .conv_backward_weights = gb_bf16_conv_backward_weights__##isa
#define FC(isa)                                                                                    \
    .fc_name = #isa, .fc_plan = gb_bf16_dot_fc_plan, .fc_plan_free = gb_bf16_dot_fc_plan_free,     \
    .fc_pack = gb_bf16_dot_fc_pack, .fc_unpack = gb_bf16_dot_fc_unpack,                            \
    .fc_forward = gb_bf16_dot_fc_forward, .fc_backward = gb_bf16_dot_fc_backward
#endif

#if defined(GB_AVX512_BF16)
enum { LEVEL = offsetof(struct gb_cpu, avx512) }; // of the backends that take units
static const struct gb_bf16_unit avx512_bf16 = {
    .name = "avx512_bf16", .reference = &gb_bf16_widened_pairs, CONV(avx512_bf16), FC(avx512_bf16)};
static const struct gb_bf16_unit amx_bf16 = {
    .name = "amx_bf16", .reference = &gb_bf16_widened_tiles, CONV(amx_bf16), FC(avx512_bf16)};
#elif defined(GB_NEON_BF16)
enum { LEVEL = offsetof(struct gb_cpu, neon) };
static const struct gb_bf16_unit neon_bf16 = {
    .name = "neon_bf16", .reference = &gb_bf16_widened_odd, CONV(neon_bf16), FC(neon_bf16)};
#else
enum { LEVEL = offsetof(struct gb_cpu, any) };
#endif

static void list_units(void) {
    int count = 0;
#if defined(GB_AVX512_BF16)
    if (gb_cpu()->avx512_bf16 && gb_cpu_enable_amx())
        units[count++] = &amx_bf16;
    if (gb_cpu()->avx512_bf16)
        units[count++] = &avx512_bf16;
#elif defined(GB_NEON_BF16)
    if (gb_cpu()->neon_bf16)
        units[count++] = &neon_bf16;
#endif
    units[count++] = &gb_bf16_widened_pairs;
}

const struct gb_bf16_unit *const *gb_bf16_units(void) {
    pthread_once(&listed, list_units);
    return units;
}

enum gb_status gb_bf16_unit_of(const struct gb_backend *backend, const struct gb_bf16_unit **unit) {
    const struct gb_backend *native = backend->fallback ? backend->fallback : backend;
    const struct gb_bf16_unit *const *all = gb_bf16_units();
    const char *name = getenv("GB_BF16_UNIT");
    char names[128] = "";
    if (native->cpu_level != LEVEL) {
        *unit = &gb_bf16_widened_pairs;
        return GB_OK;
    }
    *unit = all[0];
    if (!name || !*name)
        return GB_OK;
    for (int i = 0; all[i]; i++) {
        const size_t used = strlen(names);
        *unit = all[i];
        if (strcmp(name, all[i]->name) == 0)
            return GB_OK;
        snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", all[i]->name);
    }
    return gb_fail(GB_UNSUPPORTED, "unknown unit", name, "GB_BF16_UNIT takes one of: %s", names);
}

enum gb_status gb_bf16_conv_plan(const struct gb_backend *backend,
                                 const struct gb_conv_problem *problem, int threads,
                                 struct gb_conv_plan *plan) {
    const struct gb_bf16_unit *unit;
    GB_TRY(gb_problem_check(&gb_conv_operation, problem));
    GB_TRY(gb_bf16_unit_of(backend, &unit));
    GB_TRY(unit->conv_plan(backend, problem, threads, plan));
    plan->unit = unit;
    return GB_OK;
}

enum gb_status gb_bf16_fc_plan(const struct gb_backend *backend,
                               const struct gb_fc_problem *problem, int threads,
                               struct gb_fc_plan *plan) {
    const struct gb_bf16_unit *unit;
    GB_TRY(gb_problem_check(&gb_fc_operation, problem));
    GB_TRY(gb_bf16_unit_of(backend, &unit));
    GB_TRY(unit->fc_plan(backend, problem, threads, plan));
    plan->unit = unit;
    return GB_OK;
}
