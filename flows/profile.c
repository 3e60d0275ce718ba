// SPDX-License-Identifier: MIT
#include "flows/profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "kernels/trace.h"

// An instance of a layer runs on one thread at a time, so its times need no lock.
struct gb_profile {
    const struct gb_layers *layers;
    struct gb_layer_span *innermost; // outside of jobs
    struct gb_layer_time times[];    // GB_DIRECTIONS of each layer
};

static size_t times_bytes(const struct gb_layers *layers) {
    return (size_t)layers->count * GB_DIRECTIONS * sizeof(struct gb_layer_time);
}

enum gb_status gb_profile_create(const struct gb_layers *layers, struct gb_profile **profile) {
    *profile = calloc(1, sizeof **profile + times_bytes(layers));
    if (!*profile)
        return gb_no_memory("cannot profile", "layers");
    (*profile)->layers = layers;
    return GB_OK;
}

void gb_profile_free(struct gb_profile *profile) {
    free(profile);
}

void gb_profile_clear(struct gb_profile *profile) {
    memset(profile->times, 0, times_bytes(profile->layers));
}

// ---- Calls ----

void gb_profile_begin(struct gb_profile *profile, int layer, enum gb_direction direction,
                      struct gb_layer_span *span) {
    *span = (struct gb_layer_span){.layer = layer, .direction = direction};
    if (!layer)
        return;
    if (!profile->layers->list[layer - 1].job) {
        span->outer = profile->innermost;
        profile->innermost = span;
    }
    span->flops = gb_trace_thread_flops();
    span->start = gb_seconds();
}

void gb_profile_end(struct gb_profile *profile, struct gb_layer_span *span) {
    if (!span->layer)
        return;
    const double seconds = gb_seconds() - span->start;
    struct gb_layer_time *time =
        &profile->times[(span->layer - 1) * GB_DIRECTIONS + (int)span->direction];
    time->calls++;
    time->seconds += seconds;
    time->inner_seconds += span->inner_seconds;
    time->flops += gb_trace_thread_flops() - span->flops;
    if (profile->layers->list[span->layer - 1].job)
        return;
    profile->innermost = span->outer;
    if (span->outer)
        span->outer->inner_seconds += seconds;
}

// ---- Results ----

static struct gb_profiled *find(struct gb_profiled *list, int count, const char *problem) {
    for (int i = 0; i < count; i++)
        if (strcmp(list[i].problem, problem) == 0)
            return &list[i];
    return NULL;
}

enum gb_status gb_profile_list(const struct gb_profile *profile, struct gb_profiled **result,
                               int *count) {
    const int rows = profile->layers->count * GB_DIRECTIONS;
    struct gb_profiled *list = *result = calloc((size_t)rows + 1, sizeof *list);
    *count = 0;
    if (!list)
        return gb_no_memory("cannot profile", "layers");
    for (int i = 0; i < rows; i++) {
        const struct gb_layer_time *time = &profile->times[i];
        if (time->calls == 0)
            continue;
        struct gb_profiled row = {.layer = profile->layers->list[i / GB_DIRECTIONS],
                                  .direction = (enum gb_direction)(i % GB_DIRECTIONS)};
        snprintf(row.problem, sizeof row.problem, "%s_%s/%s", row.layer.name,
                 gb_direction_name(row.direction), row.layer.shape);
        struct gb_profiled *known = find(list, *count, row.problem);
        if (!known) {
            known = &list[(*count)++];
            *known = row;
        }
        known->time.calls += time->calls;
        known->time.seconds += time->seconds;
        known->time.inner_seconds += time->inner_seconds;
        known->time.flops += time->flops;
    }
    return GB_OK;
}

double gb_layer_bytes(const struct gb_layer *layer, enum gb_direction direction) {
    return (direction == GB_BACKWARD ? 24 : 4) * (double)layer->parameters +
           sizeof(float) * (double)layer->floats;
}

enum gb_traffic gb_layer_traffic(enum gb_direction direction) {
    return direction == GB_BACKWARD ? GB_TRAFFIC_UPDATE : GB_TRAFFIC_TRIAD;
}
