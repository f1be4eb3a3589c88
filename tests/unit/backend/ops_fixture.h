/* ops_fixture.h - small op lists for the tests of backend */
#ifndef THIMBLE_TEST_OPS_FIXTURE_H
#define THIMBLE_TEST_OPS_FIXTURE_H

#include "backend/backend.h"
#include "test.h"

#include <string.h>

/* x (5, 3) and w (3, 2), b (2) -> y (5, 2) by one dense op, for up to five samples. */
typedef struct dense_list {
    tmb_tensor tensor[8];
    tmb_op op[4];
    tmb_op_list list;
} dense_list;

enum { X, W, B, Y };

static inline tmb_tensor tensor_of(const char *name, tmb_role role, int64_t a, int64_t b)
{
    tmb_tensor tensor = {.role = role, .rank = b > 0 ? 2 : 1, .dim = {a, b}, .name = name};

    tensor.batched = role == TMB_ROLE_INPUT || role == TMB_ROLE_OUTPUT || role == TMB_ROLE_ACT;
    return tensor;
}

static inline void dense_list_make(dense_list *d)
{
    memset(d, 0, sizeof *d);
    d->tensor[X] = tensor_of("x", TMB_ROLE_INPUT, 5, 3);
    d->tensor[W] = tensor_of("w", TMB_ROLE_PARAM, 3, 2);
    d->tensor[B] = tensor_of("b", TMB_ROLE_PARAM, 2, 0);
    d->tensor[Y] = tensor_of("y", TMB_ROLE_OUTPUT, 5, 2);
    d->op[0] = tmb__op_init(TMB_OP_DENSE, "top");
    d->op[0].in[0] = X;
    d->op[0].in[1] = W;
    d->op[0].in[2] = B;
    d->op[0].out[0] = Y;
    d->list = (tmb_op_list){
            .tensors = d->tensor, .ops = d->op, .n_tensors = 4, .n_ops = 1, .max_batch = 5};
}

#endif
