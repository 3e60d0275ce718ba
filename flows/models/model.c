// SPDX-License-Identifier: MIT
#include "flows/models/model.h"

const struct gb_model_kind *const *gb_model_kinds(void) {
    static const struct gb_model_kind *const kinds[] = {
        &gb_cglow_model, &gb_cnf_model, &gb_factored_model, &gb_dncnn_model,
        &gb_srcnn_model, &gb_ffn_model, &gb_fcn_model,      NULL};
    return kinds;
}

int gb_model_multiple(const struct gb_model_kind *kind, const void *config) {
    const struct gb_config_field *levels = gb_config_find(kind->table, "levels");
    return 1 << (levels ? gb_config_number(config, levels) : 0);
}

enum gb_status gb_model_resize(const struct gb_model_kind *kind, void *config, int x_h, int x_w,
                               int y_h, int y_w) {
    struct gb_image_sizes *sizes = config;
    sizes->x_h = x_h;
    sizes->x_w = x_w;
    sizes->y_h = y_h;
    sizes->y_w = y_w;
    return kind->check(config);
}
