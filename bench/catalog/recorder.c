// SPDX-License-Identifier: MIT
#include "bench/catalog/recorder.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

#include "base/grow.h"

// Kernels have no argument for it.
static _Thread_local struct gb_recording *recording_now;

// ---- The list ----

static struct gb_recorded *find(const struct gb_recording *recording,
                                const struct gb_recorded *wanted) {
    for (int i = 0; i < recording->count; i++) {
        struct gb_recorded *r = &recording->list[i];
        if (r->operation == wanted->operation && r->direction == wanted->direction &&
            memcmp(&r->problem, &wanted->problem, sizeof r->problem) == 0)
            return r;
    }
    return NULL;
}

static struct gb_recorded *append(struct gb_recording *recording,
                                  const struct gb_recorded *recorded) {
    struct gb_recorded *list = gb_grow(recording->list, (size_t)recording->count, sizeof *list);
    if (!list)
        return NULL;
    recording->list = list;
    recording->list[recording->count] = *recorded;
    return &recording->list[recording->count++];
}

static void note(const struct gb_operation *operation, enum gb_direction direction,
                 const void *problem) {
    assert(recording_now);
    struct gb_recorded recorded = {.operation = operation, .direction = direction};
    assert(operation->problem_bytes <= sizeof recorded.problem);
    memcpy(&recorded.problem, problem, operation->problem_bytes);
    struct gb_recorded *known = find(recording_now, &recorded);
    if (!known)
        known = append(recording_now, &recorded);
    if (known)
        known->count++;
    else
        recording_now->incomplete = true;
}

// A recorded pass touches a few lines of what a model reserves, and the system zeroes a page before
// its first touch: with large ones, which models ask for, that was two thirds of a listing's time.
static _Thread_local int large_pages_off_before;

static int set_large_pages_off(int off) {
#if defined(__linux__)
    int before = prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0);
    (void)prctl(PR_SET_THP_DISABLE, off, 0, 0, 0); // a refusal costs time alone
    return before;
#else
    return off;
#endif
}

void gb_record(struct gb_recording *recording) {
    assert(!recording_now);
    recording_now = recording;
    large_pages_off_before = set_large_pages_off(1);
}

enum gb_status gb_record_end(struct gb_recording *recording) {
    assert(recording_now == recording);
    recording_now = NULL;
    (void)set_large_pages_off(large_pages_off_before);
    return recording->incomplete
               ? gb_fail(GB_OUT_OF_MEMORY, "cannot record", "kernels", "no memory for the list")
               : GB_OK;
}

void gb_recording_free(struct gb_recording *recording) {
    free(recording->list);
    *recording = (struct gb_recording){0};
}

enum gb_direction gb_stored_direction(const struct gb_operation *operation,
                                      enum gb_direction direction) {
    if (direction != GB_BACKWARD_UPDATE)
        return direction;
    return operation->entries[GB_BACKWARD_WEIGHTS] ? GB_BACKWARD_WEIGHTS : GB_BACKWARD;
}

double gb_recording_flops(const struct gb_recording *recording) {
    double flops = 0;
    for (int i = 0; i < recording->count; i++) {
        const struct gb_recorded *r = &recording->list[i];
        if (r->operation != &gb_conv_operation && r->operation != &gb_fc_operation &&
            r->operation != &gb_inv1x1_operation)
            continue;
        enum gb_direction direction = gb_stored_direction(r->operation, r->direction);
        flops += r->count * gb_problem_cost(r->operation, &r->problem, direction).flops;
    }
    return flops;
}

// ---- The kernels ----

static void note_image(const struct gb_operation *operation, enum gb_direction direction,
                       const struct gb_tensor *t) {
    note(operation, direction, &(struct gb_image_problem){t->n, t->h, t->w, t->c});
}

static void note_array(const struct gb_operation *operation, size_t count) {
    note(operation, GB_FORWARD, &(struct gb_array_problem){(int)count});
}

static enum gb_status record_conv_plan(const struct gb_conv_problem *problem, int threads,
                                       struct gb_conv_plan *plan) {
    (void)threads;
    GB_TRY(gb_conv_check(problem));
    *plan = (struct gb_conv_plan){
        .problem = *problem, .out_h = gb_conv_out_h(problem), .out_w = gb_conv_out_w(problem)};
    return GB_OK;
}

static void record_conv_plan_free(struct gb_conv_plan *plan) {
    (void)plan;
}

static void record_conv_pack(const struct gb_conv_plan *plan, const float *oihw, float *packed) {
    (void)plan, (void)oihw, (void)packed;
}

static void record_conv_unpack(const struct gb_conv_plan *plan, const float *packed, float *oihw) {
    (void)plan, (void)packed, (void)oihw;
}

static void record_conv_forward(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                                const struct gb_tensor *x, const float *packed,
                                const struct gb_conv_epilogue *epilogue,
                                const struct gb_tensor *y) {
    (void)exec, (void)x, (void)packed, (void)epilogue, (void)y;
    note(&gb_conv_operation, GB_FORWARD, &plan->problem);
}

static void record_conv_backward_data(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                                      const struct gb_tensor *dy, const float *packed,
                                      const struct gb_conv_input_epilogue *epilogue,
                                      const struct gb_tensor *dx) {
    (void)exec, (void)dy, (void)packed, (void)dx;
    struct gb_conv_problem problem = plan->problem;
    problem.activation = epilogue ? epilogue->activation : GB_IDENTITY;
    note(&gb_conv_operation, GB_BACKWARD_DATA, &problem);
}

static void record_conv_backward_weights(const struct gb_conv_plan *plan,
                                         const struct gb_exec *exec, const struct gb_tensor *x,
                                         const struct gb_tensor *dy, float *d_packed,
                                         const struct gb_adam_target *update) {
    (void)exec, (void)x, (void)dy, (void)d_packed;
    struct gb_conv_problem problem = plan->problem;
    problem.activation = GB_IDENTITY;
    note(&gb_conv_operation, update ? GB_BACKWARD_UPDATE : GB_BACKWARD_WEIGHTS, &problem);
}

static void record_epilogue_backward(const struct gb_exec *exec, enum gb_activation activation,
                                     const struct gb_tensor *dy, const struct gb_tensor *y,
                                     const float *scale, const struct gb_tensor *du, float *d_bias,
                                     float *d_log_scale) {
    (void)exec, (void)dy, (void)scale, (void)du, (void)d_bias, (void)d_log_scale;
    note(&gb_epilogue_operation, GB_BACKWARD,
         &(struct gb_epilogue_problem){{y->n, y->h, y->w, y->c}, activation});
}

static enum gb_status record_fc_plan(const struct gb_fc_problem *problem, int threads,
                                     struct gb_fc_plan *plan) {
    (void)threads;
    GB_TRY(gb_fc_check(problem));
    *plan = (struct gb_fc_plan){.problem = *problem};
    return GB_OK;
}

static void record_fc_plan_free(struct gb_fc_plan *plan) {
    (void)plan;
}

static void record_fc_pack(const struct gb_fc_plan *plan, const float *out_by_in, float *packed) {
    (void)plan, (void)out_by_in, (void)packed;
}

static void record_fc_unpack(const struct gb_fc_plan *plan, const float *packed, float *out_by_in) {
    (void)plan, (void)packed, (void)out_by_in;
}

static void record_fc_forward(const struct gb_fc_plan *plan, const struct gb_exec *exec,
                              const struct gb_tensor *x, const float *packed, const float *bias,
                              const struct gb_tensor *y) {
    (void)exec, (void)x, (void)packed, (void)bias;
    note(&gb_fc_operation, GB_FORWARD, &plan->problem);
    const struct gb_random_key key = {.seed = 1, .purpose = GB_RANDOM_TEST};
    for (int n = 0; n < y->n; n++)
        for (int o = 0; o < y->c; o++)
            gb_at(y, n, 0, 0)[o] = gb_random_uniform(&key, (uint32_t)(n * y->c + o)) - 0.5f;
}

static void record_fc_backward(const struct gb_fc_plan *plan, const struct gb_exec *exec,
                               const struct gb_tensor *x, const struct gb_tensor *dy, float *packed,
                               const struct gb_tensor *dx, float *d_packed,
                               const struct gb_adam_target *update) {
    (void)exec, (void)x, (void)dy, (void)packed, (void)dx, (void)d_packed;
    struct gb_fc_problem problem = plan->problem;
    problem.activation = GB_IDENTITY;
    note(&gb_fc_operation, update ? GB_BACKWARD_UPDATE : GB_BACKWARD, &problem);
}

static enum gb_status record_inv1x1_plan(const struct gb_image_problem *problem, int threads,
                                         struct gb_inv1x1_plan *plan) {
    (void)threads;
    GB_TRY(gb_inv1x1_check(problem));
    *plan = (struct gb_inv1x1_plan){.problem = *problem};
    return GB_OK;
}

static void record_inv1x1_plan_free(struct gb_inv1x1_plan *plan) {
    (void)plan;
}

static void record_inv1x1_forward(const struct gb_inv1x1_plan *plan, const struct gb_exec *exec,
                                  const struct gb_tensor *v, const float *matrices,
                                  const struct gb_tensor *u) {
    (void)exec, (void)v, (void)matrices, (void)u;
    note(&gb_inv1x1_operation, GB_FORWARD, &plan->problem);
}

static void record_inv1x1_backward(const struct gb_inv1x1_plan *plan, const struct gb_exec *exec,
                                   const struct gb_tensor *v, const float *matrices,
                                   const struct gb_tensor *du, const struct gb_tensor *dv,
                                   float *d_matrices) {
    (void)exec, (void)v, (void)matrices, (void)du, (void)dv, (void)d_matrices;
    note(&gb_inv1x1_operation, GB_BACKWARD, &plan->problem);
}

static void record_actnorm_forward(const struct gb_exec *exec, const struct gb_tensor *v,
                                   const struct gb_actnorm_parameters *parameters,
                                   const struct gb_tensor *y) {
    (void)exec, (void)parameters, (void)y;
    note_image(&gb_actnorm_operation, GB_FORWARD, v);
}

static void record_actnorm_inverse(const struct gb_exec *exec, const struct gb_tensor *y,
                                   const struct gb_actnorm_parameters *parameters,
                                   const struct gb_tensor *v) {
    (void)exec, (void)parameters, (void)v;
    note_image(&gb_actnorm_operation, GB_INVERSE, y);
}

static void record_actnorm_backward(const struct gb_exec *exec, const struct gb_tensor *v,
                                    const struct gb_actnorm_parameters *parameters,
                                    const struct gb_tensor *dy, const struct gb_tensor *dv,
                                    float *d_log_scale, float *d_bias, ptrdiff_t d_stride) {
    (void)exec, (void)parameters, (void)dy, (void)dv;
    (void)d_log_scale, (void)d_bias, (void)d_stride;
    note_image(&gb_actnorm_operation, GB_BACKWARD, v);
}

static void note_coupling(enum gb_direction direction, enum gb_coupling_form form,
                          const struct gb_tensor *v) {
    note(&gb_coupling_operation, direction,
         &(struct gb_coupling_problem){{v->n, v->h, v->w, v->c}, form});
}

static void record_coupling_forward(const struct gb_exec *exec, enum gb_coupling_form form,
                                    const struct gb_tensor *v, const struct gb_tensor *raw,
                                    const struct gb_tensor *u, double *log_det) {
    (void)exec, (void)raw, (void)u, (void)log_det;
    note_coupling(GB_FORWARD, form, v);
}

static void record_coupling_inverse(const struct gb_exec *exec, enum gb_coupling_form form,
                                    const struct gb_tensor *u, const struct gb_tensor *raw,
                                    const struct gb_tensor *v) {
    (void)exec, (void)raw, (void)v;
    note_coupling(GB_INVERSE, form, u);
}

static void record_coupling_backward(const struct gb_exec *exec, enum gb_coupling_form form,
                                     const struct gb_tensor *u, const struct gb_tensor *raw,
                                     const struct gb_tensor *du, const float *d_log_det,
                                     const struct gb_tensor *dv, const struct gb_tensor *d_raw) {
    (void)exec, (void)raw, (void)du, (void)d_log_det, (void)dv, (void)d_raw;
    note_coupling(GB_BACKWARD, form, u);
}

static void record_squeeze(const struct gb_exec *exec, const struct gb_tensor *wide,
                           const struct gb_tensor *deep) {
    (void)exec, (void)deep;
    note_image(&gb_squeeze_operation, GB_FORWARD, wide);
}

static void record_unsqueeze(const struct gb_exec *exec, const struct gb_tensor *deep,
                             const struct gb_tensor *wide) {
    (void)exec, (void)deep;
    note_image(&gb_squeeze_operation, GB_INVERSE, wide);
}

static void note_gaussian(enum gb_direction direction, enum gb_sigma_form form,
                          const struct gb_tensor *z, const struct gb_tensor *prior) {
    enum gb_prior_kind kind = !prior                 ? GB_PRIOR_NONE
                              : form == GB_SIGMA_EXP ? GB_PRIOR_EXP
                                                     : GB_PRIOR_SOFTPLUS;
    note(&gb_gaussian_operation, direction,
         &(struct gb_gaussian_problem){{z->n, z->h, z->w, z->c}, kind});
}

static void record_gaussian_forward(const struct gb_exec *exec, enum gb_sigma_form form,
                                    const struct gb_tensor *z, const struct gb_tensor *prior,
                                    double *log_density) {
    (void)exec, (void)log_density;
    note_gaussian(GB_FORWARD, form, z, prior);
}

static void record_gaussian_backward(const struct gb_exec *exec, enum gb_sigma_form form,
                                     const struct gb_tensor *z, const struct gb_tensor *prior,
                                     const float *d_log_density, const struct gb_tensor *dz,
                                     const struct gb_tensor *d_prior) {
    (void)exec, (void)d_log_density, (void)dz, (void)d_prior;
    note_gaussian(GB_BACKWARD, form, z, prior);
}

static void record_gaussian_sample(const struct gb_exec *exec, enum gb_sigma_form form,
                                   const struct gb_tensor *noise, const struct gb_tensor *prior,
                                   float temperature, const struct gb_tensor *z) {
    (void)exec, (void)temperature, (void)z;
    note_gaussian(GB_SAMPLE, form, noise, prior);
}

static void record_adam(const struct gb_exec *exec, const struct gb_adam *adam, size_t count,
                        const float *gradient, float *weights, float *moment1, float *moment2) {
    (void)exec, (void)adam, (void)gradient, (void)weights, (void)moment1, (void)moment2;
    note_array(&gb_adam_operation, count);
}

static void record_add(const struct gb_exec *exec, const struct gb_tensor *x,
                       const struct gb_tensor *y) {
    (void)exec, (void)y;
    note_image(&gb_add_operation, GB_FORWARD, x);
}

static void record_exp(const struct gb_exec *exec, size_t count, float factor, const float *in,
                       float *out) {
    (void)exec, (void)factor, (void)in, (void)out;
    note_array(&gb_exp_operation, count);
}

static void record_random_uniform(const struct gb_exec *exec, const struct gb_random_key *key,
                                  uint32_t first, size_t count, float low, float high, float *out) {
    (void)exec, (void)key, (void)first, (void)low, (void)high, (void)out;
    note_array(&gb_random_uniform_operation, count);
}

static void record_random_normal(const struct gb_exec *exec, const struct gb_random_key *key,
                                 uint32_t first, size_t count, float deviation, float *out) {
    (void)exec, (void)key, (void)first, (void)deviation, (void)out;
    note_array(&gb_random_normal_operation, count);
}

static enum gb_status record_max_pool_plan(const struct gb_pool_problem *problem, int threads,
                                           struct gb_pool_plan *plan) {
    (void)threads;
    GB_TRY(gb_pool_check(problem));
    *plan = (struct gb_pool_plan){.problem = *problem};
    return GB_OK;
}

static void record_max_pool_plan_free(struct gb_pool_plan *plan) {
    (void)plan;
}

static void record_max_pool_forward(const struct gb_pool_plan *plan, const struct gb_exec *exec,
                                    const struct gb_tensor *x, const struct gb_tensor *y) {
    (void)exec, (void)x, (void)y;
    note(&gb_max_pool_operation, GB_FORWARD, &plan->problem);
}

static void record_max_pool_backward(const struct gb_pool_plan *plan, const struct gb_exec *exec,
                                     const struct gb_tensor *x, const struct gb_tensor *dy,
                                     const struct gb_tensor *dx) {
    (void)exec, (void)x, (void)dy, (void)dx;
    note(&gb_max_pool_operation, GB_BACKWARD, &plan->problem);
}

static enum gb_status record_upsample_plan(const struct gb_upsample_problem *problem, int threads,
                                           struct gb_upsample_plan *plan) {
    (void)threads;
    GB_TRY(gb_upsample_check(problem));
    *plan = (struct gb_upsample_plan){.problem = *problem};
    return GB_OK;
}

static void record_upsample_plan_free(struct gb_upsample_plan *plan) {
    (void)plan;
}

static void record_upsample_forward(const struct gb_upsample_plan *plan, const struct gb_exec *exec,
                                    const struct gb_tensor *x, const struct gb_tensor *y) {
    (void)exec, (void)x, (void)y;
    note(&gb_upsample_operation, GB_FORWARD, &plan->problem);
}

static void record_upsample_backward(const struct gb_upsample_plan *plan,
                                     const struct gb_exec *exec, const struct gb_tensor *dy,
                                     const struct gb_tensor *dx) {
    (void)exec, (void)dy, (void)dx;
    note(&gb_upsample_operation, GB_BACKWARD, &plan->problem);
}

static void record_moments(const struct gb_exec *exec, const struct gb_tensor *v, float *mean,
                           float *variance, ptrdiff_t stride) {
    (void)exec, (void)mean, (void)variance;
    note(&gb_moments_operation, GB_FORWARD,
         &(struct gb_moments_problem){{v->n, v->h, v->w, v->c}, stride == 0});
}

static void note_instance_norm(enum gb_direction direction, enum gb_activation activation,
                               const struct gb_tensor *v) {
    note(&gb_instance_norm_operation, direction,
         &(struct gb_instance_norm_problem){{v->n, v->h, v->w, v->c}, activation});
}

static void record_instance_norm_forward(const struct gb_exec *exec, enum gb_activation activation,
                                         const struct gb_tensor *v,
                                         const struct gb_norm_moments *moments,
                                         const struct gb_tensor *y) {
    (void)exec, (void)moments, (void)y;
    note_instance_norm(GB_FORWARD, activation, v);
}

static void record_instance_norm_inverse(const struct gb_exec *exec, const struct gb_tensor *y,
                                         const struct gb_norm_moments *moments,
                                         const struct gb_tensor *v) {
    (void)exec, (void)moments, (void)v;
    note_instance_norm(GB_INVERSE, GB_IDENTITY, y);
}

static void record_instance_norm_backward(const struct gb_exec *exec, enum gb_activation activation,
                                          const struct gb_tensor *v,
                                          const struct gb_norm_moments *moments,
                                          const struct gb_tensor *dy, const float *d_log_det,
                                          const struct gb_tensor *dv) {
    (void)exec, (void)moments, (void)dy, (void)d_log_det, (void)dv;
    note_instance_norm(GB_BACKWARD, activation, v);
}

static void record_dequantise_forward(const struct gb_exec *exec, const struct gb_tensor *y,
                                      const struct gb_tensor *u, const struct gb_tensor *v,
                                      double *log_det) {
    (void)exec, (void)y, (void)v, (void)log_det;
    note_image(&gb_dequantise_operation, GB_FORWARD, u);
}

static void record_dequantise_inverse(const struct gb_exec *exec, const struct gb_tensor *y,
                                      const struct gb_tensor *v, const struct gb_tensor *u) {
    (void)exec, (void)y, (void)u;
    note_image(&gb_dequantise_operation, GB_INVERSE, v);
}

static void record_dequantise_backward(const struct gb_exec *exec, const struct gb_tensor *y,
                                       const struct gb_tensor *u, const struct gb_tensor *dv,
                                       const float *d_log_det, const struct gb_tensor *du) {
    (void)exec, (void)y, (void)dv, (void)d_log_det, (void)du;
    note_image(&gb_dequantise_operation, GB_BACKWARD, u);
}

// Preparation of data, which is no model's.
static void record_resample(const struct gb_exec *exec, const struct gb_resample_plan *plan,
                            const struct gb_tensor *x, const struct gb_tensor *y) {
    (void)exec, (void)plan, (void)x, (void)y;
}

static void note_logistic(enum gb_direction direction, int levels, const struct gb_tensor *x) {
    note(&gb_logistic_operation, direction,
         &(struct gb_logistic_problem){{x->n, x->h, x->w, x->c}, levels});
}

static void record_logistic_forward(const struct gb_exec *exec, int levels,
                                    const struct gb_tensor *x, const struct gb_tensor *raw,
                                    double *log_likelihood) {
    (void)exec, (void)raw, (void)log_likelihood;
    note_logistic(GB_FORWARD, levels, x);
}

static void record_logistic_backward(const struct gb_exec *exec, int levels,
                                     const struct gb_tensor *x, const struct gb_tensor *raw,
                                     const float *d_log_likelihood, const struct gb_tensor *d_raw) {
    (void)exec, (void)raw, (void)d_log_likelihood, (void)d_raw;
    note_logistic(GB_BACKWARD, levels, x);
}

static void record_logistic_sample(const struct gb_exec *exec, int levels,
                                   const struct gb_tensor *uniform, const struct gb_tensor *raw,
                                   float temperature, const struct gb_tensor *x) {
    (void)exec, (void)raw, (void)temperature, (void)x;
    note_logistic(GB_SAMPLE, levels, uniform);
}

static void note_bernoulli(enum gb_direction direction, const struct gb_bernoulli *bernoulli,
                           const struct gb_tensor *y) {
    note(&gb_bernoulli_operation, direction,
         &(struct gb_bernoulli_problem){{y->n, y->h, y->w, y->c}, bernoulli->normalised});
}

static void record_bernoulli_forward(const struct gb_exec *exec,
                                     const struct gb_bernoulli *bernoulli,
                                     const struct gb_tensor *y, const struct gb_tensor *logits,
                                     double *log_likelihood) {
    (void)exec, (void)logits, (void)log_likelihood;
    note_bernoulli(GB_FORWARD, bernoulli, y);
}

static void record_bernoulli_backward(const struct gb_exec *exec,
                                      const struct gb_bernoulli *bernoulli,
                                      const struct gb_tensor *y, const struct gb_tensor *logits,
                                      const float *d_log_likelihood,
                                      const struct gb_tensor *d_logits) {
    (void)exec, (void)logits, (void)d_log_likelihood, (void)d_logits;
    note_bernoulli(GB_BACKWARD, bernoulli, y);
}

// A prediction's, which is neither a step's nor a sample's.
static void record_bernoulli_mean(const struct gb_exec *exec, const struct gb_bernoulli *bernoulli,
                                  const struct gb_tensor *logits, const struct gb_tensor *mean) {
    (void)exec, (void)bernoulli, (void)logits, (void)mean;
}

static void record_bernoulli_sample(const struct gb_exec *exec,
                                    const struct gb_bernoulli *bernoulli,
                                    const struct gb_tensor *uniform, const struct gb_tensor *logits,
                                    const struct gb_tensor *y) {
    (void)exec, (void)logits, (void)y;
    note_bernoulli(GB_SAMPLE, bernoulli, uniform);
}

static void record_categorical_forward(const struct gb_exec *exec, const struct gb_tensor *y,
                                       const struct gb_tensor *logits, double *log_likelihood) {
    (void)exec, (void)logits, (void)log_likelihood;
    note_image(&gb_categorical_operation, GB_FORWARD, y);
}

static void record_categorical_backward(const struct gb_exec *exec, const struct gb_tensor *y,
                                        const struct gb_tensor *logits,
                                        const float *d_log_likelihood,
                                        const struct gb_tensor *d_logits) {
    (void)exec, (void)logits, (void)d_log_likelihood, (void)d_logits;
    note_image(&gb_categorical_operation, GB_BACKWARD, y);
}

// A prediction's, as above.
static void record_categorical_mean(const struct gb_exec *exec, const struct gb_tensor *logits,
                                    const struct gb_tensor *mean) {
    (void)exec, (void)logits, (void)mean;
}

static void record_add_scaled(const struct gb_exec *exec, const struct gb_tensor *x, float factor,
                              const struct gb_tensor *r, const struct gb_tensor *y) {
    (void)exec, (void)factor, (void)y;
    note(&gb_add_scaled_operation, GB_FORWARD,
         &(struct gb_add_scaled_problem){{r->n, r->h, r->w, r->c}, x == NULL});
}

const struct gb_backend *gb_recorder(void) {
#define FILL(entry, isa) .entry = record_##entry,
    static const struct gb_backend recorder = {
        .name = "recorder",
        .isa = "any CPU",
        .library = "",
        .lanes = 1,
        .same_bits = true,
        GB_KERNELS(FILL, )
    };
#undef FILL
    return &recorder;
}
