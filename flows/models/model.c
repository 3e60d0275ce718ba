// SPDX-License-Identifier: MIT
#include "flows/models/model.h"

const struct gb_model_kind *const *gb_model_kinds(void) {
    static const struct gb_model_kind *const kinds[] = {
        &gb_cglow_model, &gb_cnf_model, &gb_factored_model, &gb_dncnn_model,
        &gb_srcnn_model, &gb_ffn_model, &gb_fcn_model,      NULL};
    return kinds;
}

enum gb_status gb_model_resize(const struct gb_model_kind *kind, void *config, int x_h, int x_w,
                               int y_h, int y_w) {
    const struct {
        const char *key;
        int value;
    } sizes[] = {{"x_height", x_h}, {"x_width", x_w}, {"y_height", y_h}, {"y_width", y_w}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        gb_config_set(config, gb_config_find(kind->table, sizes[i].key), sizes[i].value);
    return kind->check(config);
}
