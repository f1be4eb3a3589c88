/* exec.c - a net's program on a device: weights in and out, predictions, training steps
 *
 * Everything is allocated when the program is made; a step binds pointers, runs the list, and reads the
 * few tensors that the caller wants to see. */
#include "nn/layer.h"

#include <math.h>

struct tmb__exec {
    tmb_device *device; /* borrowed */
    tmb_program *program;
    tmb__lowered list;
    int max_batch;
    bool training;
    bool bf16;
    int *first_weight; /* [n_layers] number of a layer's first weight */
    int n_layers;
    bool *moves;   /* [n_params] weights that training changes */
    float *ones;   /* (max_batch): the sample weights where none are given */
    float *folded; /* room for the largest weight that is folded; NULL: none is */
};

static int64_t tensor_count(const tmb__exec *exec, int tensor)
{
    const tmb_tensor *t = &exec->list.tensors[tensor];
    const tmb__shape shape = tmb__shape_of(t->rank, t->dim);

    return tmb__shape_count(&shape);
}

static int write_tensor(tmb__exec *exec, int tensor, const float *src)
{
    return exec->device->backend->write(exec->program, tensor, src);
}

static int read_tensor(tmb__exec *exec, int tensor, float *dst)
{
    return exec->device->backend->read(exec->program, tensor, dst);
}

/* ---- making ---- */

/* Slots start at the list's value, averages and starts at their weights. */
static int start_slots(tmb__exec *exec, const tmb_model *model)
{
    int64_t most = 1;
    float *start;
    int status = 0;

    for (int i = 0; i < exec->list.n_slots; i++)
        most = TMB_MAX(most, tensor_count(exec, exec->list.slots[i]));
    start = tmb__calloc((size_t)most, sizeof *start);
    if (!start) return TMB_ENOMEM;
    for (int64_t i = 0; i < most; i++)
        start[i] = exec->list.slot_start;
    for (int i = 0; i < exec->list.n_slots && status == 0; i++)
        status = write_tensor(exec, exec->list.slots[i], start);
    tmb__free(start);
    for (int k = 0, i = 0; k < model->n_layers && status == 0; k++) {
        const tmb__layer *layer = &model->layers[k];

        for (int j = 0; j < layer->n_weights && status == 0; j++, i++) {
            const float *now = model->weights + layer->weight[j].offset;

            if (exec->list.average[i] >= 0) status = write_tensor(exec, exec->list.average[i], now);
            if (exec->list.start[i] >= 0 && status == 0)
                status = write_tensor(exec, exec->list.start[i], now);
        }
    }
    return status;
}

static int room_to_fold(tmb__exec *exec, const tmb_model *model)
{
    int64_t most = 0;

    for (int i = 0; i < exec->list.n_folds; i++) {
        const tmb__layer *layer = &model->layers[exec->list.folds[i].layer];

        most = TMB_MAX(most, tensor_count(exec, exec->list.folds[i].bias));
        for (int j = 0; j < layer->n_weights; j++)
            most = TMB_MAX(most, tmb__shape_count(&layer->weight[j].shape));
    }
    if (most == 0) return 0;
    exec->folded = tmb__calloc((size_t)most, sizeof *exec->folded);
    return exec->folded ? 0 : TMB_ENOMEM;
}

/* What is known of the net's weights, and the sample weights of 1. */
static int note_weights(tmb__exec *exec, const tmb_model *model)
{
    exec->n_layers = model->n_layers;
    exec->first_weight = tmb__calloc((size_t)model->n_layers, sizeof *exec->first_weight);
    exec->moves = tmb__calloc((size_t)exec->list.n_params, sizeof *exec->moves);
    exec->ones = tmb__calloc((size_t)exec->max_batch, sizeof *exec->ones);
    if (!exec->first_weight || !exec->moves || !exec->ones) return TMB_ENOMEM;
    for (int i = 0; i < exec->max_batch; i++)
        exec->ones[i] = 1;
    TMB_TRY(room_to_fold(exec, model));
    for (int k = 0, i = 0; k < model->n_layers; k++) {
        exec->first_weight[k] = i;
        for (int j = 0; j < model->layers[k].n_weights; j++, i++)
            exec->moves[i] =
                    exec->training && model->layers[k].trainable && exec->list.param[i] >= 0;
    }
    return 0;
}

static int prepare(
        tmb__exec *exec, const tmb_model *model, tmb__span span, const tmb__train_spec *train)
{
    tmb_op_list list;

    TMB_TRY(tmb__lower(&exec->list, model, span, exec->max_batch, train));
    TMB_TRY(note_weights(exec, model));
    list = (tmb_op_list){
            .tensors = exec->list.tensors,
            .ops = exec->list.ops,
            .n_tensors = exec->list.n_tensors,
            .n_ops = exec->list.n_ops,
            .max_batch = exec->max_batch,
            .bf16 = exec->bf16,
    };
    TMB_TRY(tmb__program_new(&exec->program, exec->device, &list));
    TMB_TRY(tmb__exec_push(exec, model));
    return train ? start_slots(exec, model) : 0;
}

int tmb__exec_new(tmb__exec **out, const tmb_model *model, tmb_device *device, int max_batch,
        const tmb__train_spec *train)
{
    return tmb__exec_new_span(out, model, (tmb__span){0}, device, max_batch, train);
}

int tmb__exec_new_span(tmb__exec **out, const tmb_model *model, tmb__span span, tmb_device *device,
        int max_batch, const tmb__train_spec *train)
{
    tmb__exec *exec;
    int status;

    *out = NULL;
    exec = tmb__calloc(1, sizeof *exec);
    if (!exec) return TMB_ENOMEM;
    exec->device = device;
    exec->max_batch = max_batch;
    exec->training = train != NULL;
    exec->bf16 = device->bf16 && !span.f32;
    status = prepare(exec, model, span, train);
    if (status < 0)
        tmb__exec_free(exec);
    else
        *out = exec;
    return status;
}

void tmb__exec_free(tmb__exec *exec)
{
    if (!exec) return;
    if (exec->program) tmb__program_free(exec->device, exec->program);
    tmb__lowered_free(&exec->list);
    tmb__free(exec->first_weight);
    tmb__free(exec->moves);
    tmb__free(exec->ones);
    tmb__free(exec->folded);
    tmb__free(exec);
}

bool tmb__exec_serves(const tmb__exec *exec, const tmb_device *device, int batch)
{
    return exec->device == device && exec->bf16 == device->bf16 && exec->max_batch >= batch;
}

bool tmb__exec_bf16(const tmb__exec *exec)
{
    return exec->bf16;
}

int64_t tmb__exec_memory(const tmb__exec *exec)
{
    return exec->device->backend->memory(exec->program);
}

/* ---- weights ---- */

/* The program was made for this net: as many weights, in the same order. */
static int check_net(const tmb__exec *exec, const tmb_model *model)
{
    int n = 0;

    for (int k = 0; k < model->n_layers; k++)
        n += model->layers[k].n_weights;
    if (n == exec->list.n_params) return 0;
    return tmb__fail(TMB_EBUG, "the program has %d weights, the net %d: layers were added",
            exec->list.n_params, n);
}

/* The kernels and biases of layers that do a batch normalisation's work too. */
static int push_folded(tmb__exec *exec, const tmb_model *model)
{
    for (int i = 0; i < exec->list.n_folds; i++) {
        const struct tmb__fold *fold = &exec->list.folds[i];
        const tmb__layer *layer = &model->layers[fold->layer], *norm = &model->layers[fold->norm];

        tmb__fold_bias(model, layer, norm, exec->folded);
        TMB_TRY(write_tensor(exec, fold->bias, exec->folded));
        tmb__fold_kernel(model, layer, norm, exec->folded);
        for (int j = 0; j < layer->n_weights; j++) {
            if (!tmb__fold_changes(layer, &layer->weight[j])) continue;
            TMB_TRY(write_tensor(
                    exec, exec->list.param[exec->first_weight[fold->layer] + j], exec->folded));
        }
    }
    return 0;
}

int tmb__exec_push(tmb__exec *exec, const tmb_model *model)
{
    TMB_TRY(check_net(exec, model));
    for (int k = 0, i = 0; k < model->n_layers; k++) {
        const tmb__layer *layer = &model->layers[k];

        for (int j = 0; j < layer->n_weights; j++, i++) {
            if (exec->list.param[i] < 0) continue;
            TMB_TRY(write_tensor(
                    exec, exec->list.param[i], model->weights + layer->weight[j].offset));
        }
    }
    return push_folded(exec, model);
}

int tmb__exec_pull(tmb__exec *exec, tmb_model *model, bool averaged)
{
    TMB_TRY(check_net(exec, model));
    for (int k = 0, i = 0; k < model->n_layers; k++) {
        const tmb__layer *layer = &model->layers[k];

        for (int j = 0; j < layer->n_weights; j++, i++) {
            const bool average = averaged && exec->list.average[i] >= 0;
            const int tensor = average ? exec->list.average[i] : exec->list.param[i];

            if (!exec->moves[i]) continue;
            TMB_TRY(read_tensor(exec, tensor, model->weights + layer->weight[j].offset));
        }
    }
    tmb__model_touch(model);
    return 0;
}

int tmb__exec_slots(const tmb__exec *exec)
{
    return exec->list.n_slots;
}

int tmb__exec_slot(const tmb__exec *exec, int i, const char **name, int64_t *count)
{
    if (i < 0 || i >= exec->list.n_slots)
        return tmb__fail(TMB_EBUG, "slot number %d of %d", i, exec->list.n_slots);
    *name = exec->list.tensors[exec->list.slots[i]].name;
    *count = tensor_count(exec, exec->list.slots[i]);
    return 0;
}

int tmb__exec_slot_read(tmb__exec *exec, int i, float *dst)
{
    TMB_ASSERT(i >= 0 && i < exec->list.n_slots);
    return read_tensor(exec, exec->list.slots[i], dst);
}

int tmb__exec_slot_write(tmb__exec *exec, int i, const float *src)
{
    TMB_ASSERT(i >= 0 && i < exec->list.n_slots);
    return write_tensor(exec, exec->list.slots[i], src);
}

/* Every number of a slot that this program has, one way or the other. */
static int move_slots(tmb__exec *exec, const tmb_model *model,
        int (*move)(tmb__exec *exec, int tensor, float *slot))
{
    const tmb__optimizer *o = model->optimizer;
    int which[TMB__OPTIMIZER_SLOTS];
    const int n_slots = tmb__optimizer_slots(&o->opts, which);

    TMB_TRY(check_net(exec, model));
    TMB_ASSERT(n_slots == o->n_slots);
    for (int k = 0, i = 0; k < model->n_layers; k++) {
        const tmb__layer *layer = &model->layers[k];

        for (int j = 0; j < layer->n_weights; j++, i++) {
            const tmb__part *part = tmb__optimizer_part(o, layer->weight[j].offset);

            for (int s = 0; part && s < n_slots; s++) {
                const int tensor = exec->list.rule[i * TMB__OPTIMIZER_SLOTS + which[s]];

                if (tensor >= 0) TMB_TRY(move(exec, tensor, o->slots + s * o->n + part->at));
            }
        }
    }
    return 0;
}

static int write_slot(tmb__exec *exec, int tensor, float *slot)
{
    return write_tensor(exec, tensor, slot);
}

int tmb__exec_push_optimizer(tmb__exec *exec, const tmb_model *model)
{
    return move_slots(exec, model, write_slot);
}

int tmb__exec_pull_optimizer(tmb__exec *exec, tmb_model *model)
{
    return move_slots(exec, model, read_tensor);
}

int tmb__exec_gradient(tmb__exec *exec, tmb_layer layer, int weight, float *dst)
{
    int tensor;

    TMB_ASSERT(layer >= 1 && layer <= exec->n_layers);
    tensor = layer == 1 ? exec->list.dx : exec->list.grad[exec->first_weight[layer - 1] + weight];
    if (tensor < 0)
        return tmb__fail(TMB_EBUG, "weight %d of layer %d has no gradient here", weight, layer);
    return read_tensor(exec, tensor, dst);
}

/* ---- running ---- */

static int check_n(const tmb__exec *exec, int n, bool training)
{
    if (exec->training != training)
        return tmb__fail(
                TMB_EBUG, "the program was made for %s", exec->training ? "training" : "inference");
    if (n >= 1 && n <= exec->max_batch) return 0;
    return tmb__fail(TMB_EINVAL, "%d samples, 1 to %d expected", n, exec->max_batch);
}

int tmb__exec_predict(tmb__exec *exec, const float *x, int n, float *scores)
{
    const tmb_bind bind = {exec->list.x, x};
    const tmb_run run = {.n = n, .binds = &bind, .n_binds = 1};

    TMB_TRY(check_n(exec, n, false));
    TMB_TRY(tmb__program_run(exec->device, exec->program, &run));
    return read_tensor(exec, exec->list.scores, scores);
}

/* The sum of the penalties, and the norm of the gradient (0 if no weight has one). */
static int read_figures(tmb__exec *exec, tmb__step *step)
{
    float value = 0;

    step->penalty = step->norm = 0;
    for (int i = 0; i < exec->list.n_penalties; i++) {
        TMB_TRY(read_tensor(exec, exec->list.penalties[i], &value));
        step->penalty += value;
    }
    if (exec->list.norm < 0) return 0;
    TMB_TRY(read_tensor(exec, exec->list.norm, &value));
    step->norm = value;
    return 0;
}

int tmb__exec_step(tmb__exec *exec, tmb__step *step)
{
    const tmb__lowered *list = &exec->list;
    const tmb_bind binds[] = {
            {list->x, step->x},
            {list->targets, step->targets},
            {list->sample_weight, step->weight ? step->weight : exec->ones},
    };
    const tmb_run run = {
            .n = step->n,
            .seed = step->seed,
            .step = step->step,
            .lr = step->lr,
            .binds = binds,
            .n_binds = list->sample_weight < 0 ? 2 : 3,
    };

    TMB_TRY(check_n(exec, step->n, true));
    TMB_TRY(tmb__program_run(exec->device, exec->program, &run));
    if (step->loss && list->loss >= 0) TMB_TRY(read_tensor(exec, list->loss, step->loss));
    if (step->scores) TMB_TRY(read_tensor(exec, list->scores, step->scores));
    return read_figures(exec, step);
}
