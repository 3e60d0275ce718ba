// SPDX-License-Identifier: MIT
#include "tasks/training/model_options.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static struct gb_model_option *find(struct gb_model_options *given, const char *key) {
    for (int i = 0; i < given->count; i++)
        if (strcmp(given->list[i].field->key, key) == 0)
            return &given->list[i];
    return NULL;
}

static struct gb_model_option *add(struct gb_model_options *given,
                                   const struct gb_config_field *field) {
    assert(given->count < GB_MODEL_OPTIONS);
    struct gb_model_option *option = &given->list[given->count++];
    *option = (struct gb_model_option){.field = field, .least = field->min, .most = field->max};
    snprintf(option->name, sizeof option->name, "--%s", field->key);
    for (char *c = option->name; *c; c++)
        if (*c == '_')
            *c = '-';
    snprintf(option->help, sizeof option->help, "%s", field->help);
    for (int i = 0; field->names && i <= field->max; i++) {
        size_t used = strlen(option->choices);
        snprintf(option->choices + used, sizeof option->choices - used, "%s%s", i ? "|" : "",
                 field->names[i]);
    }
    return option;
}

// Widens the option by another model's field of the same key.
static void join(struct gb_model_option *option, const char *model,
                 const struct gb_config_field *field) {
    const size_t used = strlen(option->help);
    option->least = field->min < option->least ? field->min : option->least;
    option->most = field->max > option->most ? field->max : option->most;
    if (!strstr(option->help, field->help))
        snprintf(option->help + used, sizeof option->help - used, "; for %s: %s", model,
                 field->help);
}

static void gather(struct gb_model_options *given, const struct gb_config_table *table) {
    for (int i = 0; i < table->count; i++) {
        const struct gb_config_field *field = &table->fields[i];
        if (!field->help)
            continue;
        struct gb_model_option *option = find(given, field->key);
        join(option ? option : add(given, field), table->model, field);
    }
}

void gb_model_options(struct gb_model_options *given, struct gb_option *options) {
    given->count = 0;
    for (const struct gb_model_kind *const *kind = gb_model_kinds(); *kind; kind++)
        gather(given, (*kind)->table);
    for (int i = 0; i < given->count; i++) {
        struct gb_model_option *o = &given->list[i];
        const size_t used = strlen(o->help);
        snprintf(o->help + used, sizeof o->help - used, " (default: the task's)");
        o->number = o->least - 1;
        options[i] = o->field->names
                         ? gb_option_choice(o->name + 2, o->choices, &o->choice, o->help)
                         : gb_option_int(o->name + 2, "N", &o->number, o->least, o->most, o->help);
    }
}

static bool was_given(const struct gb_model_option *option) {
    return option->field->names ? option->choice != NULL : option->number >= option->least;
}

static int value_of(const struct gb_model_option *option) {
    if (!option->field->names)
        return option->number;
    int value = 0;
    while (strcmp(option->field->names[value], option->choice) != 0)
        value++;
    return value;
}

static enum gb_status check_range(const struct gb_model_option *option,
                                  const struct gb_config_field *field,
                                  const struct gb_model_kind *kind) {
    const int value = value_of(option);
    if (!field || (value >= field->min && value <= field->max))
        return GB_OK;
    return gb_fail(GB_BAD_INPUT, "bad value", option->name,
                   "\"%d\" is not in %d .. %d, the range of %s", value, field->min, field->max,
                   kind->title);
}

static const struct gb_config_field *field_of(const struct gb_model_option *option,
                                              const struct gb_model_kind *kind) {
    return kind ? gb_config_find(kind->table, option->field->key) : NULL;
}

enum gb_status gb_model_options_check(const struct gb_model_options *given,
                                      const struct gb_model_kind *kind,
                                      const struct gb_model_kind *flow) {
    for (int i = 0; i < given->count; i++) {
        const struct gb_model_option *option = &given->list[i];
        if (!was_given(option))
            continue;
        const struct gb_config_field *own = field_of(option, kind), *flows = field_of(option, flow);
        if (!own && !flows)
            return gb_fail(GB_BAD_INPUT, "unknown option", option->name, "does not apply to %s",
                           kind->title);
        GB_TRY(check_range(option, own, kind));
        GB_TRY(check_range(option, flows, flow));
    }
    return GB_OK;
}

void gb_model_options_apply(const struct gb_model_options *given, const struct gb_model_kind *kind,
                            void *config) {
    for (int i = 0; i < given->count; i++) {
        const struct gb_model_option *option = &given->list[i];
        const struct gb_config_field *field = field_of(option, kind);
        if (field && was_given(option))
            gb_config_set(config, field, value_of(option));
    }
}

bool gb_model_options_touch(const struct gb_model_options *given, const struct gb_model_kind *kind,
                            const char *exception) {
    for (int i = 0; i < given->count; i++) {
        const struct gb_config_field *field = field_of(&given->list[i], kind);
        if (field && was_given(&given->list[i]) && strcmp(field->key, exception) != 0)
            return true;
    }
    return false;
}

enum gb_status gb_model_options_same(const struct gb_model_options *given,
                                     const struct gb_model_kind *kind, const void *asked,
                                     const void *config, const char *path) {
    for (int i = 0; i < given->count; i++) {
        const struct gb_model_option *option = &given->list[i];
        const struct gb_config_field *field = field_of(option, kind);
        if (!field || gb_config_number(asked, field) == gb_config_number(config, field))
            continue;
        const int has = gb_config_number(config, field);
        char text[32];
        snprintf(text, sizeof text, "%d", has);
        return gb_fail(GB_BAD_INPUT, "cannot change on resume", option->name, "%s has %s", path,
                       field->names ? field->names[has] : text);
    }
    return GB_OK;
}
