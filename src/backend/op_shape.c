/* op_shape.c - do the shapes and attributes of one op fit together?
 *
 * Each kind has a pattern for every slot of its signature. A letter is a size: bound where it is
 * first met, equal wherever it stands again; n is the batch. In front, * is any number of sizes,
 * equal in all tensors that have it. At the end, @ is any number of sizes that need not agree. 1 is
 * one value of any rank. What a pattern cannot say (windows, groups, sums) is checked below. */
#include "backend/backend.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *in, *out;
} patterns[TMB_OP_COUNT] = {
        [TMB_OP_CONV] = {"nhwi kljo o", "nrso"},
        [TMB_OP_CONV_BWD_DATA] = {"nrso kljo", "nhwi"},
        [TMB_OP_CONV_BWD_WEIGHTS] = {"nhwi nrso", "kljo o"},
        [TMB_OP_POOL] = {"nhwc", "nrsc nrsc"},
        [TMB_OP_POOL_BWD] = {"nrsc nrsc", "nhwc"},
        [TMB_OP_GLOBAL_POOL] = {"nhwc", "nc nc"},
        [TMB_OP_GLOBAL_POOL_BWD] = {"nc nc", "nhwc"},
        [TMB_OP_DENSE] = {"*i io o", "*o"},
        [TMB_OP_DENSE_BWD_DATA] = {"*o io", "*i"},
        [TMB_OP_DENSE_BWD_WEIGHTS] = {"*i *o", "io o"},
        [TMB_OP_ACT] = {"*", "*"},
        [TMB_OP_ACT_BWD] = {"* * *", "*"},
        [TMB_OP_PRELU] = {"* @", "*"},
        [TMB_OP_PRELU_BWD] = {"* * @", "* @"},
        [TMB_OP_SOFTMAX] = {"*c", "*c"},
        [TMB_OP_SOFTMAX_BWD] = {"*c *c", "*c"},
        [TMB_OP_BN] = {"*c c c c c", "*c c c"},
        [TMB_OP_BN_BWD] = {"*c *c c c c", "*c c c"},
        [TMB_OP_BN_INFER] = {"*c c c c c", "*c"},
        [TMB_OP_BN_INFER_BWD] = {"*c *c c c c", "*c c c"},
        [TMB_OP_LN] = {"*c c c", "*c"},
        [TMB_OP_LN_BWD] = {"*c *c c", "*c c c"},
        [TMB_OP_DROPOUT] = {"*", "*"},
        [TMB_OP_DROPOUT_BWD] = {"*", "*"},
        [TMB_OP_PAD] = {"nhwc", "nrsc"},
        [TMB_OP_PAD_BWD] = {"nrsc", "nhwc"},
        [TMB_OP_ADD] = {"* * * *", "*"},
        [TMB_OP_MERGE] = {"* @", "*"},
        [TMB_OP_MERGE_BWD] = {"* * @", "* @"},
        [TMB_OP_CONCAT] = {"*a *b *c *d *e *f *g *h", "*z"},
        [TMB_OP_CONCAT_BWD] = {"*z", "*a *b *c *d *e *f *g *h"},
        [TMB_OP_RESHAPE] = {"@", "@"},
        [TMB_OP_PERMUTE] = {"@", "@"},
        [TMB_OP_UPSAMPLE] = {"nhwc", "nrsc"},
        [TMB_OP_UPSAMPLE_BWD] = {"nrsc", "nhwc"},
        [TMB_OP_RANDOM] = {"nhwc", "nrsc"},
        [TMB_OP_SCALE] = {"*", "*"},
        [TMB_OP_LOSS] = {"nk nt n@", "n nk"},
        [TMB_OP_PENALTY] = {"* * *", "1"},
        [TMB_OP_GRAD_NORM] = {"@", "1"},
        [TMB_OP_CLIP] = {"* 1", ""},
        [TMB_OP_SGD] = {"* * * 1", ""},
        [TMB_OP_RMSPROP] = {"* * * * * 1", ""},
        [TMB_OP_ADAM] = {"* * * * * 1", ""},
        [TMB_OP_ADAGRAD] = {"* * * 1", ""},
        [TMB_OP_ADADELTA] = {"* * * * 1", ""},
        [TMB_OP_ADAMAX] = {"* * * * 1", ""},
        [TMB_OP_NADAM] = {"* * * * 1", ""},
        [TMB_OP_LION] = {"* * * 1", ""},
        [TMB_OP_CONSTRAIN] = {"* 1", ""},
        [TMB_OP_EMA] = {"* *", ""},
};

/* What the letters stand for so far. */
typedef struct match {
    const tmb_op_list *list;
    const tmb_op *op;
    int64_t size[26]; /* 0: not met yet */
    tmb__shape star;
    bool star_bound, star_batched;
} match;

static int64_t size_of(const match *m, char letter)
{
    return m->size[letter - 'a'];
}

static int fail_op(const match *m, const char *what)
{
    return tmb__fail(TMB_EBUG, "op %d, %s '%s': %s", (int)(m->op - m->list->ops),
            tmb__op_name((int)m->op->kind), m->op->name ? m->op->name : "", what);
}

static bool bind(match *m, char letter, int64_t size)
{
    int64_t *bound = &m->size[letter - 'a'];

    if (*bound == 0) *bound = size;
    return *bound == size;
}

static bool bind_star(match *m, const tmb_tensor *tensor, int rank)
{
    const tmb__shape lead = tmb__shape_of(rank, tensor->dim);

    if (!m->star_bound) {
        m->star = lead;
        m->star_batched = tensor->batched;
        m->star_bound = true;
    }
    return tmb__shape_equal(&m->star, &lead) && m->star_batched == tensor->batched;
}

/* One tensor against its pattern of `len` characters. */
static bool fits(match *m, const char *pattern, int len, const tmb_tensor *tensor)
{
    const tmb__shape shape = tmb__shape_of(tensor->rank, tensor->dim);
    const bool star = pattern[0] == '*', rest = pattern[len - 1] == '@';
    const int letters = len - star - rest;
    const int lead = star ? tensor->rank - letters : 0;

    if (pattern[0] == '1') return tmb__shape_count(&shape) == 1 && !tensor->batched;
    if (tensor->rank < letters || (!star && !rest && tensor->rank != letters)) return false;
    if (star && !bind_star(m, tensor, lead)) return false;
    if (!star && letters > 0 && tensor->batched != (pattern[0] == 'n')) return false;
    for (int i = 0; i < letters; i++) {
        if (!bind(m, pattern[star + i], tensor->dim[lead + i])) return false;
    }
    return true;
}

/* What a pattern asks for, with the sizes known so far: "(5, r, s, 8)". */
static int fail_pattern(const match *m, const char *pattern, int len, int t, const char *slot)
{
    const tmb_tensor *tensor = &m->list->tensors[t];
    const tmb__shape shape = tmb__shape_of(tensor->rank, tensor->dim);
    tmb__strbuf wanted = {0};
    int status;

    for (int i = 0; i < len; i++) {
        const char c = pattern[i];

        if (c >= 'a' && size_of(m, c) > 0)
            tmb__strbuf_add(&wanted, " %lld", (long long)size_of(m, c));
        else if (c == '*' && m->star_bound)
            tmb__strbuf_add(
                    &wanted, " %s%s", tmb__shape_text(&m->star), m->star_batched ? " batched" : "");
        else
            tmb__strbuf_add(&wanted, " %c", c);
    }
    status = tmb__fail(TMB_EBUG, "op %d, %s '%s': %s is %s%s, expected%s",
            (int)(m->op - m->list->ops), tmb__op_name((int)m->op->kind),
            m->op->name ? m->op->name : "", slot, tmb__shape_text(&shape),
            tensor->batched ? " batched" : "", wanted.text ? wanted.text : "");
    tmb__strbuf_free(&wanted);
    return status;
}

static int match_side(match *m, bool outputs)
{
    const char *p = outputs ? patterns[m->op->kind].out : patterns[m->op->kind].in;
    const int *tensors = outputs ? m->op->out : m->op->in;
    tmb__op_slot slots[TMB_OP_INPUTS];
    const int n = tmb__op_slots(slots, (int)m->op->kind, outputs);

    for (int i = 0; i < n; i++) {
        const int len = (int)strcspn(p, " ");

        TMB_ASSERT(len > 0);
        if (tensors[i] >= 0 && !fits(m, p, len, &m->list->tensors[tensors[i]]))
            return fail_pattern(m, p, len, tensors[i], slots[i].name);
        p += len;
        p += *p == ' ';
    }
    return 0;
}

/* Positions of a window of `kernel` taps along `size` pixels. */
static int64_t positions(const tmb_attr *attr, int axis, int64_t size, int64_t kernel, int dilation)
{
    const int64_t padded = size + attr->pad[axis] + attr->pad[axis + 2];
    const int64_t reach = dilation * (kernel - 1) + 1;

    return padded < reach ? 0 : (padded - reach) / attr->stride[axis] + 1;
}

static bool pads_are_sound(const tmb_attr *attr)
{
    for (int i = 0; i < 4; i++) {
        if (attr->pad[i] < 0) return false;
    }
    return true;
}

static int check_conv(const match *m)
{
    const tmb_attr *a = &m->op->attr;

    if (!pads_are_sound(a) || a->stride[0] < 1 || a->stride[1] < 1 || a->dilation[0] < 1 ||
            a->dilation[1] < 1 || a->groups < 1)
        return fail_op(m, "stride, dilation or groups below 1, or a negative pad");
    if (a->kernel[0] != size_of(m, 'k') || a->kernel[1] != size_of(m, 'l'))
        return fail_op(m, "the kernel attribute differs from the shape of w");
    if (size_of(m, 'i') != size_of(m, 'j') * a->groups || size_of(m, 'o') % a->groups != 0)
        return fail_op(m, "the groups do not divide the channels as the shape of w says");
    if (size_of(m, 'r') != positions(a, 0, size_of(m, 'h'), size_of(m, 'k'), a->dilation[0]) ||
            size_of(m, 's') != positions(a, 1, size_of(m, 'w'), size_of(m, 'l'), a->dilation[1]))
        return fail_op(m, "the output's size does not follow from input, kernel, stride and pad");
    return 0;
}

/* Every window must hold a real pixel, hence pads smaller than the kernel. */
static int check_pool(const match *m)
{
    const tmb_attr *a = &m->op->attr;

    if (!pads_are_sound(a) || a->stride[0] < 1 || a->stride[1] < 1 || a->kernel[0] < 1 ||
            a->kernel[1] < 1)
        return fail_op(m, "kernel or stride below 1, or a negative pad");
    for (int i = 0; i < 4; i++) {
        if (a->pad[i] >= a->kernel[i % 2]) return fail_op(m, "a pad as wide as the window");
    }
    if (size_of(m, 'r') != positions(a, 0, size_of(m, 'h'), a->kernel[0], 1) ||
            size_of(m, 's') != positions(a, 1, size_of(m, 'w'), a->kernel[1], 1))
        return fail_op(m, "the output's size does not follow from input, window, stride and pad");
    return 0;
}

/* The workspace between a maximum and its gradient; a mean has none. */
static int check_where(const match *m, int where, bool needed)
{
    if (needed && m->op->attr.max && where < 0)
        return fail_op(m, "the gradient of a maximum needs `where`");
    if (where >= 0 && m->list->tensors[where].dtype != TMB_I32)
        return fail_op(m, "`where` is a workspace of type i32");
    return 0;
}

static int check_pad(const match *m)
{
    const int *pad = m->op->attr.pad;

    if (!pads_are_sound(&m->op->attr)) return fail_op(m, "a negative pad");
    if (size_of(m, 'r') != size_of(m, 'h') + pad[0] + pad[2] ||
            size_of(m, 's') != size_of(m, 'w') + pad[1] + pad[3])
        return fail_op(m, "the output's size is not the input's with its pads");
    return 0;
}

/* The activation that an op fuses, or that it is. */
static int check_act(const match *m)
{
    const tmb_attr *a = &m->op->attr;

    if (a->act < TMB_LINEAR || a->act >= TMB_SOFTMAX)
        return fail_op(m, "softmax is an op of its own, no activation");
    if ((a->act == TMB_LEAKY_RELU || a->act == TMB_ELU) && !(a->alpha >= 0))
        return fail_op(m, "alpha is negative");
    if (m->op->kind == TMB_OP_ACT_BWD && tmb__act_needs_x(a->act) && m->op->in[2] < 0)
        return fail_op(m, "the gradient of this activation needs x");
    return 0;
}

/* `small` is as `large` but for axes of size 1 after the first `skip`; skip 1: both are batched. */
static bool spreads(const match *m, int small, int large, int skip)
{
    const tmb_tensor *s = &m->list->tensors[small], *l = &m->list->tensors[large];
    bool fits = s->rank + (1 - skip) == l->rank && s->batched == (skip == 1) && l->batched;

    for (int i = skip; fits && i < s->rank; i++)
        fits = s->dim[i] == 1 || s->dim[i] == l->dim[i + (1 - skip)];
    return fits;
}

static int check_prelu(const match *m)
{
    const bool back = m->op->kind == TMB_OP_PRELU_BWD;
    const int x = m->op->in[0], alpha = m->op->in[back ? 2 : 1], dalpha = back ? m->op->out[1] : -1;

    if (!m->list->tensors[x].batched) return fail_op(m, "x has no row for each sample");
    if ((alpha >= 0 && !spreads(m, alpha, x, 0)) || (dalpha >= 0 && !spreads(m, dalpha, x, 0)))
        return fail_op(m, "alpha must have the axes of a sample, or 1 in their place");
    if (dalpha >= 0 && alpha < 0) return fail_op(m, "dalpha needs alpha");
    return 0;
}

/* b is as a, or (n, 1, .., c), one factor for all of a channel. */
static int check_merge(const match *m)
{
    const bool back = m->op->kind == TMB_OP_MERGE_BWD;
    const int a = m->op->in[back], b = m->op->in[back + 1], db = back ? m->op->out[1] : -1;
    const tmb_merge merge = m->op->attr.merge;

    if (merge != TMB_MULTIPLY && merge != TMB_MAXIMUM && merge != TMB_MINIMUM)
        return fail_op(m, "merge must be a product, a maximum or a minimum");
    if (!spreads(m, b, a, 1) || (db >= 0 && !spreads(m, db, a, 1)))
        return fail_op(m, "b must have the axes of a, or 1 in their place");
    return 0;
}

static int check_permute(const match *m)
{
    const tmb_tensor *x = &m->list->tensors[m->op->in[0]], *y = &m->list->tensors[m->op->out[0]];
    const int *axes = m->op->attr.axes;
    unsigned seen = 0;

    if (x->rank != y->rank || !x->batched || !y->batched)
        return fail_op(m, "input and output differ in their number of axes");
    for (int i = 0; i + 1 < y->rank; i++) {
        if (axes[i] < 1 || axes[i] >= x->rank || seen >> axes[i] & 1)
            return fail_op(m, "axes must name each axis of a sample once");
        seen |= 1u << axes[i];
        if (y->dim[i + 1] != x->dim[axes[i]])
            return fail_op(m, "the output's size does not follow from input and axes");
    }
    return 0;
}

static int check_upsample(const match *m)
{
    const int *times = m->op->attr.kernel;

    if (times[0] < 1 || times[1] < 1 || size_of(m, 'r') != times[0] * size_of(m, 'h') ||
            size_of(m, 's') != times[1] * size_of(m, 'w'))
        return fail_op(m, "the output's size is not the input's times the kernel attribute");
    return 0;
}

/* Only a crop changes the size. */
static int check_random(const match *m)
{
    const tmb_random_kind random = m->op->attr.random;
    const bool crops = random == TMB_RANDOM_CROP;

    if (random < TMB_RANDOM_FLIP || random > TMB_RANDOM_BRIGHTNESS)
        return fail_op(m, "the kind is none of the known ones");
    if (size_of(m, 'r') > size_of(m, 'h') || size_of(m, 's') > size_of(m, 'w') ||
            (!crops && (size_of(m, 'r') < size_of(m, 'h') || size_of(m, 's') < size_of(m, 'w'))))
        return fail_op(m, "the output's size is not the input's, or a crop of it");
    return 0;
}

static int check_dropout(const match *m)
{
    const tmb_attr *a = &m->op->attr;
    const bool factor = a->noise == TMB_NOISE_GAUSSIAN_FACTOR;

    if (!(a->rate >= 0 && a->rate <= 1) || (factor && a->rate == 1))
        return fail_op(m, "rate must be in [0, 1], below 1 for factors");
    if (!m->list->tensors[m->op->in[0]].batched) return fail_op(m, "x has no row for each sample");
    return 0;
}

static int check_concat(const match *m)
{
    const int *parts = m->op->kind == TMB_OP_CONCAT ? m->op->in : m->op->out;
    int64_t sum = 0;

    for (int i = 0; i < TMB_OP_INPUTS; i++) {
        if (parts[i] >= 0) sum += size_of(m, (char)('a' + i));
    }
    return sum == size_of(m, 'z') ? 0 : fail_op(m, "the parts do not add up to the whole");
}

static int check_reshape(const match *m)
{
    const tmb_tensor *x = &m->list->tensors[m->op->in[0]], *y = &m->list->tensors[m->op->out[0]];
    const tmb__shape from = tmb__shape_of(x->rank, x->dim), to = tmb__shape_of(y->rank, y->dim);

    if (tmb__shape_count(&from) != tmb__shape_count(&to) || x->batched != y->batched)
        return fail_op(m, "input and output differ in their number of elements");
    return 0;
}

static int check_loss(const match *m)
{
    const tmb_attr *a = &m->op->attr;
    const bool sparse = a->loss == TMB_SPARSE_CATEGORICAL_CROSSENTROPY;

    if (a->loss < TMB_BINARY_CROSSENTROPY || a->loss >= TMB_LOSSES)
        return fail_op(m, "the loss is none of the known ones");
    if (size_of(m, 't') != (sparse ? 1 : size_of(m, 'k')))
        return fail_op(m, sparse ? "t must be (n, 1)" : "t must have the shape of z");
    if (m->op->in[2] >= 0) {
        const tmb_tensor *w = &m->list->tensors[m->op->in[2]];

        if (w->rank > 2 || (w->rank == 2 && w->dim[1] != 1))
            return fail_op(m, "weight must be (n) or (n, 1)");
    }
    if (!(a->smoothing >= 0 && a->smoothing < 1)) return fail_op(m, "smoothing must be in [0, 1)");
    return 0;
}

/* What an optimizer's attributes ask for must be among its slots. */
static int check_optimizer(const match *m)
{
    const tmb_attr *a = &m->op->attr;
    const int *in = m->op->in;
    const bool sgd = m->op->kind == TMB_OP_SGD, rmsprop = m->op->kind == TMB_OP_RMSPROP;
    tmb__op_slot slots[TMB_OP_INPUTS];
    const int norm = in[tmb__op_slots(slots, (int)m->op->kind, false) - 1]; /* the last of each */

    if (a->clip > 0 && norm < 0) return fail_op(m, "clip needs norm");
    if (sgd && (a->momentum > 0 || a->nesterov) && in[2] < 0) return fail_op(m, "momentum needs v");
    if (rmsprop && a->momentum > 0 && in[3] < 0) return fail_op(m, "momentum needs m");
    if (rmsprop && a->centered != (in[4] >= 0))
        return fail_op(m, "centered and centre go together");
    if (m->op->kind == TMB_OP_ADAM && a->amsgrad != (in[4] >= 0))
        return fail_op(m, "amsgrad and vmax go together");
    return 0;
}

static int check_constraint(const match *m)
{
    const tmb_constraint *c = &m->op->attr.constraint;
    const int rank = m->list->tensors[m->op->in[0]].rank;

    if (c->limit <= TMB_NO_LIMIT || c->limit > TMB_MIN_MAX_NORM)
        return fail_op(m, "the limit is none of the known ones");
    return c->axes >> rank ? fail_op(m, "axes that w does not have") : 0;
}

static int check_conv_act(const match *m)
{
    TMB_TRY(check_act(m));
    return check_conv(m);
}

static int check_global(const match *m)
{
    return check_where(m, m->op->out[1], false);
}

static int check_global_bwd(const match *m)
{
    return check_where(m, m->op->in[1], true);
}

static int check_pool_where(const match *m)
{
    TMB_TRY(check_global(m));
    return check_pool(m);
}

static int check_pool_bwd(const match *m)
{
    TMB_TRY(check_global_bwd(m));
    return check_pool(m);
}

static int (*const attributes[TMB_OP_COUNT])(const match *m) = {
        [TMB_OP_CONV] = check_conv_act,
        [TMB_OP_CONV_BWD_DATA] = check_conv,
        [TMB_OP_CONV_BWD_WEIGHTS] = check_conv,
        [TMB_OP_POOL] = check_pool_where,
        [TMB_OP_POOL_BWD] = check_pool_bwd,
        [TMB_OP_GLOBAL_POOL] = check_global,
        [TMB_OP_GLOBAL_POOL_BWD] = check_global_bwd,
        [TMB_OP_DENSE] = check_act,
        [TMB_OP_ACT] = check_act,
        [TMB_OP_ACT_BWD] = check_act,
        [TMB_OP_BN] = check_act,
        [TMB_OP_BN_INFER] = check_act,
        [TMB_OP_ADD] = check_act,
        [TMB_OP_PRELU] = check_prelu,
        [TMB_OP_PRELU_BWD] = check_prelu,
        [TMB_OP_MERGE] = check_merge,
        [TMB_OP_MERGE_BWD] = check_merge,
        [TMB_OP_PERMUTE] = check_permute,
        [TMB_OP_UPSAMPLE] = check_upsample,
        [TMB_OP_UPSAMPLE_BWD] = check_upsample,
        [TMB_OP_RANDOM] = check_random,
        [TMB_OP_PAD] = check_pad,
        [TMB_OP_PAD_BWD] = check_pad,
        [TMB_OP_CONCAT] = check_concat,
        [TMB_OP_CONCAT_BWD] = check_concat,
        [TMB_OP_RESHAPE] = check_reshape,
        [TMB_OP_LOSS] = check_loss,
        [TMB_OP_DROPOUT] = check_dropout,
        [TMB_OP_DROPOUT_BWD] = check_dropout,
        [TMB_OP_CONSTRAIN] = check_constraint,
        [TMB_OP_SGD] = check_optimizer,
        [TMB_OP_RMSPROP] = check_optimizer,
        [TMB_OP_ADAM] = check_optimizer,
        [TMB_OP_ADAGRAD] = check_optimizer,
        [TMB_OP_ADADELTA] = check_optimizer,
        [TMB_OP_ADAMAX] = check_optimizer,
        [TMB_OP_NADAM] = check_optimizer,
        [TMB_OP_LION] = check_optimizer,
        [TMB_OP_CLIP] = check_optimizer,
};

int tmb__op_shape_check(const tmb_op_list *list, int op)
{
    match m = {.list = list, .op = &list->ops[op]};

    TMB_TRY(match_side(&m, false));
    TMB_TRY(match_side(&m, true));
    return attributes[m.op->kind] ? attributes[m.op->kind](&m) : 0;
}
