// SPDX-License-Identifier: MIT
// Kernels that work element by element, or copy. In place where c-Glow runs them in place.
#include "bench/kernel_benchmarks.h"

static const struct gb_tensor *view(const struct gb_kernel_state *s, int operand) {
    return &s->operand[operand].view;
}

static void take_image(struct gb_kernel_state *s, enum gb_role role, enum gb_fill fill,
                       const struct gb_image_problem *p, int channels) {
    gb_kernel_take(s, role, fill, p->n, p->h, p->w, channels);
}

// A number a sample or a channel that sums over `terms` elements each.
static void take_summed(struct gb_kernel_state *s, int rows, int row, double terms) {
    gb_kernel_take(s, GB_ROLE_OUT, GB_FILL_ZERO, 1, 1, rows, row);
    s->operand[s->operands - 1].terms = terms;
}

// ---- Epilogue ----

enum epilogue_operand {
    EPILOGUE_DY,
    EPILOGUE_Y,
    EPILOGUE_SCALE,
    EPILOGUE_D_BIAS,
    EPILOGUE_D_LOG_SCALE
};

// In place, as convolution layers do it.
static enum gb_status plan_epilogue(struct gb_kernel_state *s) {
    const struct gb_epilogue_problem *p = gb_kernel_problem(s);
    double pixels = (double)p->image.n * p->image.h * p->image.w;
    take_image(s, GB_ROLE_IN_PLACE, GB_FILL_NORMAL, &p->image, p->image.c);
    take_image(s, GB_ROLE_IN, GB_FILL_NORMAL, &p->image, p->image.c);
    gb_kernel_take_channels(s, GB_ROLE_IN, GB_FILL_NORMAL, p->image.c);
    for (int sum = EPILOGUE_D_BIAS; sum <= EPILOGUE_D_LOG_SCALE; sum++) {
        gb_kernel_take_channels(s, GB_ROLE_OUT, GB_FILL_ZERO, p->image.c);
        s->operand[sum].terms = pixels;
    }
    gb_kernel_take_scratch(s, gb_epilogue_scratch_floats(view(s, EPILOGUE_Y)));
    return GB_OK;
}

static void run_epilogue(struct gb_kernel_state *s) {
    const struct gb_epilogue_problem *p = gb_kernel_problem(s);
    bool invertible = p->activation == GB_IDENTITY || p->activation == GB_RELU;
    s->backend->epilogue_backward(&s->exec, p->activation, view(s, EPILOGUE_DY),
                                  view(s, EPILOGUE_Y), gb_kernel_floats(s, EPILOGUE_SCALE),
                                  view(s, EPILOGUE_DY), gb_kernel_floats(s, EPILOGUE_D_BIAS),
                                  invertible ? gb_kernel_floats(s, EPILOGUE_D_LOG_SCALE) : NULL);
}

// ---- Actnorm ----

enum actnorm_operand {
    ACTNORM_IN,
    ACTNORM_LOG_SCALE,
    ACTNORM_BIAS,
    ACTNORM_OUT,
    ACTNORM_DY,
    ACTNORM_D_LOG_SCALE,
    ACTNORM_D_BIAS
};

static enum gb_status plan_actnorm(struct gb_kernel_state *s) {
    const struct gb_image_problem *p = gb_kernel_problem(s);
    take_image(s, GB_ROLE_IN, GB_FILL_NORMAL, p, p->c);
    gb_kernel_take(s, GB_ROLE_IN, GB_FILL_SMALL, 1, 1, p->n, p->c);
    gb_kernel_take(s, GB_ROLE_IN, GB_FILL_NORMAL, 1, 1, p->n, p->c);
    take_image(s, GB_ROLE_OUT, GB_FILL_ZERO, p, p->c);
    return GB_OK;
}

static enum gb_status plan_actnorm_backward(struct gb_kernel_state *s) {
    const struct gb_image_problem *p = gb_kernel_problem(s);
    GB_TRY(plan_actnorm(s));
    take_image(s, GB_ROLE_IN, GB_FILL_NORMAL, p, p->c);
    take_summed(s, p->n, p->c, (double)p->h * p->w);
    take_summed(s, p->n, p->c, (double)p->h * p->w);
    return GB_OK;
}

static struct gb_actnorm_parameters actnorm_parameters(const struct gb_kernel_state *s) {
    return (struct gb_actnorm_parameters){gb_kernel_floats(s, ACTNORM_LOG_SCALE),
                                          gb_kernel_floats(s, ACTNORM_BIAS),
                                          view(s, ACTNORM_IN)->c};
}

static void run_actnorm_forward(struct gb_kernel_state *s) {
    struct gb_actnorm_parameters parameters = actnorm_parameters(s);
    s->backend->actnorm_forward(&s->exec, view(s, ACTNORM_IN), &parameters, view(s, ACTNORM_OUT));
}

static void run_actnorm_inverse(struct gb_kernel_state *s) {
    struct gb_actnorm_parameters parameters = actnorm_parameters(s);
    s->backend->actnorm_inverse(&s->exec, view(s, ACTNORM_IN), &parameters, view(s, ACTNORM_OUT));
}

static void run_actnorm_backward(struct gb_kernel_state *s) {
    struct gb_actnorm_parameters parameters = actnorm_parameters(s);
    s->backend->actnorm_backward(&s->exec, view(s, ACTNORM_IN), &parameters, view(s, ACTNORM_DY),
                                 view(s, ACTNORM_OUT), gb_kernel_floats(s, ACTNORM_D_LOG_SCALE),
                                 gb_kernel_floats(s, ACTNORM_D_BIAS), parameters.stride);
}

// ---- Coupling ----

enum coupling_operand { COUPLING_V, COUPLING_RAW, COUPLING_DU, COUPLING_D_LOG_DET, COUPLING_D_RAW };

static void take_coupling(struct gb_kernel_state *s, enum gb_role role) {
    const struct gb_coupling_problem *p = gb_kernel_problem(s);
    take_image(s, role, GB_FILL_NORMAL, &p->image, p->image.c);
    take_image(s, GB_ROLE_IN, GB_FILL_NORMAL, &p->image,
               gb_coupling_raw_channels(p->form, p->image.c));
    gb_kernel_take_scratch(s, gb_coupling_scratch_floats(view(s, COUPLING_V)));
}

static enum gb_status plan_coupling_forward(struct gb_kernel_state *s) {
    const struct gb_coupling_problem *p = gb_kernel_problem(s);
    take_coupling(s, GB_ROLE_IN_PLACE);
    gb_kernel_take_sums(s, p->image.n, (double)p->image.h * p->image.w * p->image.c);
    return GB_OK;
}

static enum gb_status plan_coupling_inverse(struct gb_kernel_state *s) {
    take_coupling(s, GB_ROLE_IN_PLACE);
    return GB_OK;
}

static enum gb_status plan_coupling_backward(struct gb_kernel_state *s) {
    const struct gb_coupling_problem *p = gb_kernel_problem(s);
    take_coupling(s, GB_ROLE_IN);
    take_image(s, GB_ROLE_IN_PLACE, GB_FILL_NORMAL, &p->image, p->image.c);
    gb_kernel_take(s, GB_ROLE_IN, GB_FILL_NORMAL, 1, 1, 1, p->image.n);
    take_image(s, GB_ROLE_OUT, GB_FILL_ZERO, &p->image,
               gb_coupling_raw_channels(p->form, p->image.c));
    return GB_OK;
}

static void run_coupling_forward(struct gb_kernel_state *s) {
    const struct gb_coupling_problem *p = gb_kernel_problem(s);
    s->backend->coupling_forward(&s->exec, p->form, view(s, COUPLING_V), view(s, COUPLING_RAW),
                                 view(s, COUPLING_V),
                                 p->form == GB_COUPLING_ADDITIVE ? NULL : s->sums);
}

// Run again and again it lets v grow beyond all bounds, which its speed does not depend on.
static void run_coupling_inverse(struct gb_kernel_state *s) {
    const struct gb_coupling_problem *p = gb_kernel_problem(s);
    s->backend->coupling_inverse(&s->exec, p->form, view(s, COUPLING_V), view(s, COUPLING_RAW),
                                 view(s, COUPLING_V));
}

static void run_coupling_backward(struct gb_kernel_state *s) {
    const struct gb_coupling_problem *p = gb_kernel_problem(s);
    s->backend->coupling_backward(&s->exec, p->form, view(s, COUPLING_V), view(s, COUPLING_RAW),
                                  view(s, COUPLING_DU), gb_kernel_floats(s, COUPLING_D_LOG_DET),
                                  view(s, COUPLING_DU), view(s, COUPLING_D_RAW));
}

// ---- Squeeze ----

enum squeeze_operand { SQUEEZE_IN, SQUEEZE_OUT };

static enum gb_status plan_squeeze(struct gb_kernel_state *s) {
    const struct gb_image_problem *p = gb_kernel_problem(s);
    gb_kernel_take(s, GB_ROLE_IN, GB_FILL_NORMAL, p->n, p->h, p->w, p->c);
    gb_kernel_take(s, GB_ROLE_OUT, GB_FILL_ZERO, p->n, p->h / 2, p->w / 2, 4 * p->c);
    return GB_OK;
}

static enum gb_status plan_unsqueeze(struct gb_kernel_state *s) {
    const struct gb_image_problem *p = gb_kernel_problem(s);
    gb_kernel_take(s, GB_ROLE_IN, GB_FILL_NORMAL, p->n, p->h / 2, p->w / 2, 4 * p->c);
    gb_kernel_take(s, GB_ROLE_OUT, GB_FILL_ZERO, p->n, p->h, p->w, p->c);
    return GB_OK;
}

static void run_squeeze(struct gb_kernel_state *s) {
    s->backend->squeeze(&s->exec, view(s, SQUEEZE_IN), view(s, SQUEEZE_OUT));
}

static void run_unsqueeze(struct gb_kernel_state *s) {
    s->backend->unsqueeze(&s->exec, view(s, SQUEEZE_IN), view(s, SQUEEZE_OUT));
}

// ---- Gaussian ----

enum gaussian_operand { GAUSSIAN_Z, GAUSSIAN_PRIOR, GAUSSIAN_OUT, GAUSSIAN_D, GAUSSIAN_D_PRIOR };

static const struct gb_tensor *prior(const struct gb_kernel_state *s, int operand) {
    const struct gb_gaussian_problem *p = gb_kernel_problem(s);
    return p->prior ? view(s, operand) : NULL;
}

static enum gb_sigma_form sigma(const struct gb_kernel_state *s) {
    const struct gb_gaussian_problem *p = gb_kernel_problem(s);
    return p->prior == GB_PRIOR_SOFTPLUS ? GB_SIGMA_SOFTPLUS : GB_SIGMA_EXP;
}

static void take_gaussian(struct gb_kernel_state *s) {
    const struct gb_gaussian_problem *p = gb_kernel_problem(s);
    take_image(s, GB_ROLE_IN, GB_FILL_NORMAL, &p->image, p->image.c);
    take_image(s, GB_ROLE_IN, GB_FILL_SMALL, &p->image, p->prior ? 2 * p->image.c : 0);
    gb_kernel_take_scratch(s, gb_gaussian_scratch_floats(view(s, GAUSSIAN_Z)));
}

static enum gb_status plan_gaussian_forward(struct gb_kernel_state *s) {
    const struct gb_gaussian_problem *p = gb_kernel_problem(s);
    take_gaussian(s);
    gb_kernel_take_sums(s, p->image.n, (double)p->image.h * p->image.w * p->image.c);
    return GB_OK;
}

static enum gb_status plan_gaussian_sample(struct gb_kernel_state *s) {
    const struct gb_gaussian_problem *p = gb_kernel_problem(s);
    take_gaussian(s);
    take_image(s, GB_ROLE_OUT, GB_FILL_ZERO, &p->image, p->image.c);
    return GB_OK;
}

static enum gb_status plan_gaussian_backward(struct gb_kernel_state *s) {
    const struct gb_gaussian_problem *p = gb_kernel_problem(s);
    GB_TRY(plan_gaussian_sample(s));
    gb_kernel_take(s, GB_ROLE_IN, GB_FILL_NORMAL, 1, 1, 1, p->image.n);
    take_image(s, GB_ROLE_OUT, GB_FILL_ZERO, &p->image, p->prior ? 2 * p->image.c : 0);
    return GB_OK;
}

static void run_gaussian_forward(struct gb_kernel_state *s) {
    s->backend->gaussian_forward(&s->exec, sigma(s), view(s, GAUSSIAN_Z), prior(s, GAUSSIAN_PRIOR),
                                 s->sums);
}

static void run_gaussian_sample(struct gb_kernel_state *s) {
    const float temperature = 0.7f;
    s->backend->gaussian_sample(&s->exec, sigma(s), view(s, GAUSSIAN_Z), prior(s, GAUSSIAN_PRIOR),
                                temperature, view(s, GAUSSIAN_OUT));
}

static void run_gaussian_backward(struct gb_kernel_state *s) {
    s->backend->gaussian_backward(&s->exec, sigma(s), view(s, GAUSSIAN_Z), prior(s, GAUSSIAN_PRIOR),
                                  gb_kernel_floats(s, GAUSSIAN_D), view(s, GAUSSIAN_OUT),
                                  prior(s, GAUSSIAN_D_PRIOR));
}

// ---- Arrays ----

static void take_array(struct gb_kernel_state *s, enum gb_role role, enum gb_fill fill) {
    const struct gb_array_problem *p = gb_kernel_problem(s);
    gb_kernel_take(s, role, fill, 1, 1, 1, p->count);
}

static size_t array_count(const struct gb_kernel_state *s) {
    const struct gb_array_problem *p = gb_kernel_problem(s);
    return (size_t)p->count;
}

enum adam_operand { ADAM_GRADIENT, ADAM_WEIGHTS, ADAM_MOMENT1, ADAM_MOMENT2 };

static enum gb_status plan_adam(struct gb_kernel_state *s) {
    take_array(s, GB_ROLE_IN, GB_FILL_NORMAL);
    take_array(s, GB_ROLE_IN_PLACE, GB_FILL_NORMAL);
    take_array(s, GB_ROLE_IN_PLACE, GB_FILL_ZERO);
    take_array(s, GB_ROLE_IN_PLACE, GB_FILL_ZERO);
    return GB_OK;
}

static void run_adam(struct gb_kernel_state *s) {
    s->backend->adam(&s->exec, &s->adam, array_count(s), gb_kernel_floats(s, ADAM_GRADIENT),
                     gb_kernel_floats(s, ADAM_WEIGHTS), gb_kernel_floats(s, ADAM_MOMENT1),
                     gb_kernel_floats(s, ADAM_MOMENT2));
}

static enum gb_status plan_exp(struct gb_kernel_state *s) {
    take_array(s, GB_ROLE_IN, GB_FILL_SMALL);
    take_array(s, GB_ROLE_OUT, GB_FILL_ZERO);
    return GB_OK;
}

static void run_exp(struct gb_kernel_state *s) {
    const float factor = 3; // of Glow's zero-initialised convolution
    s->backend->exp(&s->exec, array_count(s), factor, gb_kernel_floats(s, 0),
                    gb_kernel_floats(s, 1));
}

static enum gb_status plan_random(struct gb_kernel_state *s) {
    take_array(s, GB_ROLE_OUT, GB_FILL_ZERO);
    return GB_OK;
}

static const struct gb_random_key random_key = {.seed = 1, .purpose = GB_RANDOM_TEST};

static void run_random_uniform(struct gb_kernel_state *s) {
    s->backend->random_uniform(&s->exec, &random_key, 0, array_count(s), 0, 1,
                               gb_kernel_floats(s, 0));
}

static void run_random_normal(struct gb_kernel_state *s) {
    s->backend->random_normal(&s->exec, &random_key, 0, array_count(s), 1, gb_kernel_floats(s, 0));
}

// ---- Addition ----

enum add_operand { ADD_X, ADD_Y };

static enum gb_status plan_add(struct gb_kernel_state *s) {
    const struct gb_image_problem *p = gb_kernel_problem(s);
    take_image(s, GB_ROLE_IN, GB_FILL_NORMAL, p, p->c);
    take_image(s, GB_ROLE_IN_PLACE, GB_FILL_NORMAL, p, p->c);
    return GB_OK;
}

static void run_add(struct gb_kernel_state *s) {
    s->backend->add(&s->exec, view(s, ADD_X), view(s, ADD_Y));
}

const struct gb_kernel gb_elementwise_kernels[] = {
    {&gb_epilogue_operation, GB_BACKWARD, GB_TRAFFIC_UPDATE, plan_epilogue, run_epilogue, NULL},
    {&gb_actnorm_operation, GB_FORWARD, GB_TRAFFIC_TRIAD, plan_actnorm, run_actnorm_forward, NULL},
    {&gb_actnorm_operation, GB_INVERSE, GB_TRAFFIC_TRIAD, plan_actnorm, run_actnorm_inverse, NULL},
    {&gb_actnorm_operation, GB_BACKWARD, GB_TRAFFIC_TRIAD, plan_actnorm_backward,
     run_actnorm_backward, NULL},
    {&gb_coupling_operation, GB_FORWARD, GB_TRAFFIC_UPDATE, plan_coupling_forward,
     run_coupling_forward, NULL},
    {&gb_coupling_operation, GB_INVERSE, GB_TRAFFIC_UPDATE, plan_coupling_inverse,
     run_coupling_inverse, NULL},
    {&gb_coupling_operation, GB_BACKWARD, GB_TRAFFIC_TRIAD, plan_coupling_backward,
     run_coupling_backward, NULL},
    {&gb_squeeze_operation, GB_FORWARD, GB_TRAFFIC_TRIAD, plan_squeeze, run_squeeze, NULL},
    {&gb_squeeze_operation, GB_INVERSE, GB_TRAFFIC_TRIAD, plan_unsqueeze, run_unsqueeze, NULL},
    {&gb_gaussian_operation, GB_FORWARD, GB_TRAFFIC_READ, plan_gaussian_forward,
     run_gaussian_forward, NULL},
    {&gb_gaussian_operation, GB_SAMPLE, GB_TRAFFIC_TRIAD, plan_gaussian_sample, run_gaussian_sample,
     NULL},
    {&gb_gaussian_operation, GB_BACKWARD, GB_TRAFFIC_TRIAD, plan_gaussian_backward,
     run_gaussian_backward, NULL},
    {&gb_adam_operation, GB_FORWARD, GB_TRAFFIC_UPDATE, plan_adam, run_adam, NULL},
    {&gb_add_operation, GB_FORWARD, GB_TRAFFIC_UPDATE, plan_add, run_add, NULL},
    {&gb_exp_operation, GB_FORWARD, GB_TRAFFIC_TRIAD, plan_exp, run_exp, NULL},
    {&gb_random_uniform_operation, GB_FORWARD, GB_TRAFFIC_TRIAD, plan_random, run_random_uniform,
     NULL},
    {&gb_random_normal_operation, GB_FORWARD, GB_TRAFFIC_TRIAD, plan_random, run_random_normal,
     NULL},
    {0},
};
