/* cpu_build.c - what the ops' files call while they turn a list into stages */
#include "cpu.h"

int64_t tmb__cpu_count(const tmb_tensor *tensor)
{
    int64_t count = 1;

    for (int i = 0; i < tensor->rank; i++)
        count *= tensor->dim[i];
    return count;
}

int64_t tmb__cpu_row_count(const tmb_tensor *tensor)
{
    int64_t count = 1;

    for (int i = tensor->batched ? 1 : 0; i < tensor->rank; i++)
        count *= tensor->dim[i];
    return count;
}

int64_t tmb__cpu_last(const tmb_tensor *tensor)
{
    return tensor->rank > 0 ? tensor->dim[tensor->rank - 1] : 1;
}

int tmb__cpu_buffer(struct tmb_program *p, cpu_unit unit, size_t bytes)
{
    cpu_buffer *buffer = &p->buffers[p->n_buffers];

    if (p->n_buffers == p->max_buffers)
        return p->host.fail(TMB_EBUG, "cpu: more than %d buffers", p->max_buffers);
    *buffer = (cpu_buffer){.unit = unit, .bytes = bytes, .same_as = p->n_buffers, .last = -1};
    return p->n_buffers++;
}

static cpu_stage *add_stage(struct tmb_program *p, int op, cpu_fn fn)
{
    cpu_stage *stage = &p->stages[p->n_stages];

    if (p->n_stages < p->max_stages - 1) p->n_stages++; /* a full array fails once it is built */
    *stage = (cpu_stage){.fn = fn, .op = op};
    return stage;
}

cpu_stage *tmb__cpu_rows(struct tmb_program *p, int op, cpu_fn fn)
{
    cpu_stage *stage = add_stage(p, op, fn);

    stage->rows = true;
    return stage;
}

int tmb__cpu_own_rows(struct tmb_program *p, int op, cpu_fn fn, void *data, int n_in, int n_out)
{
    cpu_stage *stage = tmb__cpu_rows(p, op, fn);

    stage->data = data;
    for (int i = 0; i < n_in; i++)
        tmb__cpu_use(stage, p->ops[op].in[i], CPU_READ | CPU_OWN);
    for (int i = 0; i < n_out; i++)
        tmb__cpu_use(stage, p->ops[op].out[i], CPU_WRITE | CPU_OWN);
    return 0;
}

cpu_stage *tmb__cpu_slices(struct tmb_program *p, int op, cpu_fn fn, int64_t count, int64_t chunk)
{
    cpu_stage *stage = add_stage(p, op, fn);

    stage->count = count;
    stage->chunk = chunk;
    stage->tasks = (int)((count + chunk - 1) / chunk);
    return stage;
}

cpu_stage *tmb__cpu_once(struct tmb_program *p, int op, cpu_fn fn)
{
    return tmb__cpu_slices(p, op, fn, 1, 1);
}

void tmb__cpu_use(cpu_stage *stage, int buffer, unsigned access)
{
    stage->use[stage->n_uses] = buffer;
    stage->access[stage->n_uses] = access;
    stage->n_uses++;
}

int tmb__cpu_own(struct tmb_program *p, void *thing, cpu_drop drop)
{
    if (p->n_things == p->max_things) {
        const int more = 2 * p->max_things + 64;
        void **things = p->host.alloc((size_t)more, sizeof *things);
        cpu_drop *drops = p->host.alloc((size_t)more, sizeof *drops);

        if (!things || !drops) {
            p->host.free(things);
            p->host.free(drops);
            drop(thing);
            return TMB_ENOMEM;
        }
        for (int i = 0; i < p->n_things; i++) {
            things[i] = p->things[i];
            drops[i] = p->drops[i];
        }
        p->host.free(p->things);
        p->host.free(p->drops);
        p->things = things;
        p->drops = drops;
        p->max_things = more;
    }
    p->things[p->n_things] = thing;
    p->drops[p->n_things++] = drop;
    return 0;
}

void *tmb__cpu_keep(struct tmb_program *p, size_t size)
{
    void *memory = p->host.alloc(1, size);

    if (!memory || tmb__cpu_own(p, memory, p->host.free) < 0) return NULL;
    return memory;
}

/* Slices of about 128 KB: a weight, its gradient and its optimizer slots then fit into a core's L2.
 */
int64_t tmb__cpu_chunk(int64_t count, int64_t row)
{
    const int64_t wanted = count / 32768, slices = wanted < 1 ? 1 : wanted > 64 ? 64 : wanted;
    const int64_t unit = row > 1 ? row : 16, chunk = (count + slices - 1) / slices;

    return (chunk + unit - 1) / unit * unit;
}

int tmb__cpu_writer(const struct tmb_program *p, int tensor, int before)
{
    for (int op = before - 1; op >= 0; op--) {
        for (int i = 0; i < TMB_OP_OUTPUTS; i++) {
            if (p->ops[op].out[i] == tensor) return op;
        }
    }
    return -1;
}

int tmb__cpu_readers(const struct tmb_program *p, int tensor)
{
    int readers = 0;

    for (int op = 0; op < p->n_ops; op++) {
        for (int i = 0; i < TMB_OP_INPUTS; i++)
            readers += p->ops[op].in[i] == tensor;
    }
    return readers;
}
