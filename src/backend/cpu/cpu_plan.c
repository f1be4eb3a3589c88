/* cpu_plan.c - levels of stages, and one place for every buffer
 *
 * Level of a stage: the least one that stands after every earlier stage it depends on. Two stages
 * that touch the same buffer, one of them writing, may share a level if both keep to their own
 * sample, or both to the same slices: then each task does them in order for its part.
 *
 * A buffer that is used by ROWS stages of one level only, sample by sample, lives in the worker's
 * scratch. Others get a range of the arena for the levels from their first to their last use.
 * Ranges are handed out first fit, the largest buffer first. */
#include "cpu.h"

enum { ALIGN = 64 };

static int root_of(const struct tmb_program *p, int buffer)
{
    while (p->buffers[buffer].same_as != buffer)
        buffer = p->buffers[buffer].same_as;
    return buffer;
}

/* ---- levels ---- */

typedef enum relation { APART, LOCAL, AFTER } relation;

static bool same_cut(const cpu_stage *a, const cpu_stage *b)
{
    if (a->rows || b->rows) return a->rows && b->rows;
    if (a->tasks == 1 && b->tasks == 1) return true;
    return a->tasks == b->tasks && a->chunk == b->chunk && a->count == b->count;
}

/* How `later` must stand to `earlier` because of one buffer each. */
static relation relation_by(const cpu_stage *earlier, int i, const cpu_stage *later, int j)
{
    const unsigned both = earlier->access[i] & later->access[j];
    const unsigned any = earlier->access[i] | later->access[j];

    if (earlier->use[i] < 0 || earlier->use[i] != later->use[j] || !(any & CPU_WRITE)) return APART;
    if (both & CPU_SHARE) return APART;
    if (same_cut(earlier, later) && (both & CPU_OWN || (!later->rows && later->tasks == 1)))
        return LOCAL;
    return AFTER;
}

static relation relation_of(const cpu_stage *earlier, const cpu_stage *later)
{
    relation worst = APART;

    for (int i = 0; i < earlier->n_uses; i++) {
        for (int j = 0; j < later->n_uses; j++) {
            const relation r = relation_by(earlier, i, later, j);

            if (r > worst) worst = r;
        }
    }
    return worst;
}

/* Give every stage of `from`'s chain the number of `to`'s: one task does both for a slice. */
static void join_chains(struct tmb_program *p, int from, int to)
{
    for (int i = 0; i < p->n_stages; i++) {
        if (p->stages[i].chain == from) p->stages[i].chain = to;
    }
}

static void find_levels(struct tmb_program *p)
{
    for (int j = 0; j < p->n_stages; j++) {
        cpu_stage *stage = &p->stages[j];

        stage->chain = j;
        for (int i = 0; i < j; i++) {
            const relation r = relation_of(&p->stages[i], stage);
            const int least = p->stages[i].level + (r == AFTER);

            if (r != APART && least > stage->level) stage->level = least;
        }
        for (int i = 0; i < j && !stage->rows; i++) {
            const cpu_stage *earlier = &p->stages[i];

            if (earlier->level == stage->level && earlier->chain != stage->chain &&
                    relation_of(earlier, stage) == LOCAL)
                join_chains(p, earlier->chain, stage->chain);
        }
        if (stage->level >= p->n_levels) p->n_levels = stage->level + 1;
    }
}

/* ---- order: the stages of a level, chain by chain ---- */

static cpu_chain gather(struct tmb_program *p, int level, int chain, int *filled)
{
    cpu_chain found = {.first = *filled};

    for (int i = 0; i < p->n_stages; i++) {
        const cpu_stage *stage = &p->stages[i];

        if (stage->level != level ||
                (chain < 0 ? !stage->rows : stage->rows || stage->chain != chain))
            continue;
        p->order[(*filled)++] = i;
        found.n++;
        found.tasks = stage->tasks;
    }
    return found;
}

static bool chain_starts_at(const struct tmb_program *p, int stage)
{
    for (int i = 0; i < stage; i++) {
        if (p->stages[i].chain == p->stages[stage].chain && !p->stages[i].rows) return false;
    }
    return !p->stages[stage].rows;
}

static void order_level(struct tmb_program *p, int number, int *filled)
{
    cpu_level *level = &p->levels[number];

    level->rows = gather(p, number, -1, filled);
    level->first_chain = p->n_chains;
    level->only_packs = level->rows.n == 0;
    for (int i = 0; i < p->n_stages; i++) {
        cpu_chain *chain = &p->chains[p->n_chains];

        if (p->stages[i].level != number) continue;
        level->only_packs &= p->stages[i].pack;
        if (!chain_starts_at(p, i)) continue;
        *chain = gather(p, number, p->stages[i].chain, filled);
        chain->start = level->n_slices;
        level->n_slices += chain->tasks;
        p->n_chains++;
    }
    level->n_chains = p->n_chains - level->first_chain;
}

static int order_stages(struct tmb_program *p)
{
    const size_t n = (size_t)p->n_stages + 1;
    int filled = 0;

    p->order = tmb__cpu_keep(p, n * sizeof *p->order);
    p->chains = tmb__cpu_keep(p, n * sizeof *p->chains);
    p->levels = tmb__cpu_keep(p, ((size_t)p->n_levels + 1) * sizeof *p->levels);
    if (!p->order || !p->chains || !p->levels) return TMB_ENOMEM;
    for (int level = 0; level < p->n_levels; level++)
        order_level(p, level, &filled);
    return 0;
}

/* ---- places ---- */

static void note_use(struct tmb_program *p, int s, int slot)
{
    const cpu_stage *stage = &p->stages[s];
    cpu_buffer *buffer = &p->buffers[stage->use[slot]];

    if (buffer->place == CPU_UNUSED) {
        buffer->place = CPU_ARENA;
        buffer->first = s;
    }
    if (p->stages[buffer->first].level != stage->level || !stage->rows ||
            !(stage->access[slot] & CPU_OWN))
        buffer->shared = true;
    buffer->last = s;
}

static size_t size_of(const struct tmb_program *p, const cpu_buffer *buffer)
{
    size_t units = 1;

    if (buffer->unit == CPU_PER_ROW && buffer->place != CPU_LOCAL) units = (size_t)p->max_batch;
    if (buffer->unit == CPU_PER_GROUP)
        units = (size_t)((p->max_batch + p->group_rows - 1) / p->group_rows);
    return (units * buffer->bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static void choose_places(struct tmb_program *p)
{
    for (int s = 0; s < p->n_stages; s++) {
        for (int i = 0; i < p->stages[s].n_uses; i++) {
            if (p->stages[s].use[i] >= 0) note_use(p, s, i);
        }
    }
    for (int i = 0; i < p->n_buffers; i++) {
        cpu_buffer *buffer = &p->buffers[i];

        if (buffer->same_as != i || buffer->place == CPU_UNUSED) continue;
        if (buffer->unit == CPU_TEMP || (buffer->unit == CPU_PER_ROW && !buffer->shared))
            buffer->place = CPU_LOCAL;
    }
    for (int i = 0; i < p->n_buffers; i++) {
        cpu_buffer *buffer = &p->buffers[i];

        if (!buffer->moved || buffer->same_as != i) continue;
        buffer->place =
                i < p->n_tensors && p->tensors[i].role == TMB_ROLE_INPUT ? CPU_BOUND : CPU_KEPT;
    }
}

typedef struct range {
    int buffer, first, last;
    size_t offset, size;
} range;

/* From when to when the buffer is in use: stages in scratch, levels in the arena.
 *
 * PITFALL: a later stage of the list may stand in an earlier level, so neither the first level of a buffer
 * is that of its first stage nor the last that of its last. */
static void find_time(const struct tmb_program *p, range *out)
{
    const cpu_buffer *b = &p->buffers[out->buffer];

    out->first = b->place == CPU_LOCAL ? b->first : p->n_levels;
    out->last = b->place == CPU_LOCAL ? b->last : 0;
    for (int s = b->first; s <= b->last && b->place != CPU_LOCAL; s++) {
        const cpu_stage *stage = &p->stages[s];

        for (int i = 0; i < stage->n_uses; i++) {
            if (stage->use[i] != out->buffer) continue;
            if (stage->level < out->first) out->first = stage->level;
            if (stage->level > out->last) out->last = stage->level;
        }
    }
}

/* The lowest offset at which `mine` meets none of the placed ranges that live when it does. */
static size_t first_fit(const range *placed, int n, const range *mine)
{
    size_t offset = 0;
    bool moved = true;

    while (moved) {
        moved = false;
        for (int i = 0; i < n; i++) {
            const range *r = &placed[i];

            if (r->last < mine->first || mine->last < r->first) continue;
            if (offset + mine->size <= r->offset || r->offset + r->size <= offset) continue;
            offset = r->offset + r->size;
            moved = true;
        }
    }
    return offset;
}

/* Offsets for all buffers of one place. Returns the size of the block. */
static size_t pack_place(struct tmb_program *p, cpu_place place, range *ranges)
{
    size_t top = 0;
    int n = 0;

    for (int i = 0; i < p->n_buffers; i++) {
        const cpu_buffer *b = &p->buffers[i];
        range mine = {.buffer = i, .size = size_of(p, b), .last = p->n_stages};
        int at = n;

        if (b->place != place || b->same_as != i) continue;
        if (place != CPU_KEPT) find_time(p, &mine);
        for (; at > 0 && ranges[at - 1].size < mine.size; at--)
            ranges[at] = ranges[at - 1];
        ranges[at] = mine;
        n++;
    }
    for (int i = 0; i < n; i++) {
        ranges[i].offset = first_fit(ranges, i, &ranges[i]);
        p->buffers[ranges[i].buffer].offset = ranges[i].offset;
        if (ranges[i].offset + ranges[i].size > top) top = ranges[i].offset + ranges[i].size;
    }
    return top;
}

static int take_memory(struct tmb_program *p)
{
    range *ranges = p->host.alloc((size_t)p->n_buffers + 1, sizeof *ranges);

    if (!ranges) return TMB_ENOMEM;
    p->kept_bytes = pack_place(p, CPU_KEPT, ranges);
    p->arena_bytes = pack_place(p, CPU_ARENA, ranges);
    p->scratch_bytes = pack_place(p, CPU_LOCAL, ranges);
    p->host.free(ranges);
    p->kept = tmb__cpu_keep(p, p->kept_bytes + ALIGN);
    p->arena = tmb__cpu_keep(p, p->arena_bytes + ALIGN);
    p->scratch = tmb__cpu_keep(p, (size_t)p->workers * sizeof *p->scratch);
    if (!p->kept || !p->arena || !p->scratch) return TMB_ENOMEM;
    for (int i = 0; i < p->workers; i++) {
        p->scratch[i] = tmb__cpu_keep(p, p->scratch_bytes + ALIGN);
        if (!p->scratch[i]) return TMB_ENOMEM;
    }
    for (int i = 0; i < p->n_buffers; i++) {
        cpu_buffer *b = &p->buffers[i];

        if (b->place == CPU_KEPT) b->base = p->kept + b->offset;
        if (b->place == CPU_ARENA) b->base = p->arena + b->offset;
    }
    return 0;
}

int tmb__cpu_plan(struct tmb_program *p)
{
    int status;

    for (int s = 0; s < p->n_stages; s++) {
        for (int i = 0; i < p->stages[s].n_uses; i++) {
            if (p->stages[s].use[i] >= 0) p->stages[s].use[i] = root_of(p, p->stages[s].use[i]);
        }
    }
    find_levels(p);
    status = order_stages(p);
    if (status < 0) return status;
    choose_places(p);
    return take_memory(p);
}
