// SPDX-License-Identifier: MIT
// The names that the authors' code gives to c-Glow's parameters.

#include "flows/models/cglow.h"
#include "tests/support/test.h"

static const struct gb_cglow_config config = {.levels = 3, .steps = 8};

GB_TEST(names_follow_the_authors_numbering) {
    static const struct {
        const char *ours, *theirs;
    } cases[] = {
        {"levels.0.steps.0.actnorm.conv.0.weight", "flow.layers.1.actnorm.x_Con.0.weight"},
        {"levels.0.steps.7.actnorm.fc.2.bias", "flow.layers.8.actnorm.x_Linear.4.bias"},
        {"levels.0.split.weight", "flow.layers.9.conv.0.weight"},
        {"levels.1.steps.0.mix.conv.1.bias", "flow.layers.11.invconv.x_Con.2.bias"},
        {"levels.1.split.bias", "flow.layers.19.conv.0.bias"},
        {"levels.2.steps.7.mix.fc.1.weight", "flow.layers.28.invconv.x_Linear.2.weight"},
        {"levels.2.steps.7.coupling.features.2.weight", "flow.layers.28.affine.resize_x.4.weight"},
        {"levels.2.steps.7.coupling.net.0.weight", "flow.layers.28.affine.f.0.weight"},
        {"levels.2.steps.7.coupling.net.1.bias", "flow.layers.28.affine.f.2.actnorm.bias"},
        {"levels.2.steps.7.coupling.net.0.log_scale", "flow.layers.28.affine.f.0.actnorm.logs"},
        {"levels.2.steps.7.coupling.net.2.bias", "flow.layers.28.affine.f.4.bias"},
        {"levels.2.steps.7.coupling.net.2.new_bias", "flow.layers.28.affine.f.4.newbias"},
        {"levels.2.steps.7.coupling.net.2.log_scale", "flow.layers.28.affine.f.4.logs"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char published[96];
        gb_cglow_published_name(&config, cases[i].ours, published);
        assert_string_equal(published, cases[i].theirs);
    }
}

GB_TEST(other_names_have_no_counterpart) {
    static const char *const names[] = {
        "",
        "levels",
        "levels.0",
        "levels..split.bias",
        "levels.-1.split.bias",
        "levels.2.split.bias", // the last level does not split
        "levels.3.steps.0.mix.fc.0.bias",
        "levels.0.steps.8.mix.fc.0.bias",
        "levels.99999999999999999999.split.bias",
        "levels.0.split.log_scale",
        "levels.0.steps.0.mix.fc.3.bias",
        "levels.0.steps.0.mix.fc.0.bias.bias",
        "levels.0.steps.0.mix.fc.0.log_scale",
        "levels.0.steps.0.coupling.net.0.weights",
        "levels.0.steps.0.coupling.net.0.new_bias",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char published[96];
        gb_cglow_published_name(&config, names[i], published);
        assert_string_equal(published, "");
    }
}
