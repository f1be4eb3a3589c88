/* info_tensors.c - thimble info on a weights file: every tensor with its shape, type, mean and deviation */
#include "info_tensors.h"

#include <stdio.h>
#include <string.h>

typedef struct listing {
    tmb__strbuf sb;
    bool json;
    int n;
    int64_t numbers, nonfinite;
} listing;

bool info_tensors_takes(const char *path)
{
    static const char *const endings[] = {
            ".h5", ".hdf5", ".keras", ".weights.json", ".npz", ".npy", ".safetensors"};

    size_t n = strlen(path);

    while (n > 0 && path[n - 1] == '/')
        n--;
    for (size_t i = 0; i < TMB_COUNT(endings); i++) {
        const size_t m = strlen(endings[i]);

        if (n >= m && memcmp(path + n - m, endings[i], m) == 0) return true;
    }
    return false;
}

static void add_shape(tmb__strbuf *sb, const tmb_tensor_info *tensor, const char *between)
{
    for (int d = 0; d < tensor->rank; d++)
        tmb__strbuf_add(sb, "%s%lld", d ? between : "", (long long)tensor->dim[d]);
}

static void add_json(listing *l, const tmb_tensor_info *tensor)
{
    tmb__strbuf_add(&l->sb, "%s\n  {\"name\": ", l->n ? "," : "");
    tmb__strbuf_json(&l->sb, tensor->name);
    tmb__strbuf_add(&l->sb, ", \"shape\": [");
    add_shape(&l->sb, tensor, ", ");
    tmb__strbuf_add(&l->sb,
            "], \"dtype\": \"%s\", \"mean\": %.9g, \"std\": %.9g, \"nonfinite\": %lld}",
            tensor->dtype, tensor->mean, tensor->std, (long long)tensor->nonfinite);
}

/* The layer is all of the path but its last part. */
static void add_line(listing *l, const tmb_tensor_info *tensor)
{
    const char *name = tmb__printable(tensor->name), *slash = strrchr(name, '/');
    const int n_layer = slash ? (int)(slash - name) : 0;
    tmb__strbuf shape = {0};

    tmb__strbuf_add(&shape, "(");
    add_shape(&shape, tensor, ", ");
    tmb__strbuf_add(&shape, ")");
    tmb__strbuf_add(&l->sb, "%-40.*s  %-20s  %-20s  %-8s  %12.5g  %12.5g", n_layer, name,
            slash ? slash + 1 : name, shape.failed ? "?" : shape.text, tensor->dtype, tensor->mean,
            tensor->std);
    if (tensor->nonfinite) {
        tmb__strbuf_add(&l->sb, "  %lld not finite", (long long)tensor->nonfinite);
    }
    tmb__strbuf_add(&l->sb, "\n");
    tmb__strbuf_free(&shape);
}

static int on_tensor(void *user, const tmb_tensor_info *tensor)
{
    listing *l = user;

    if (l->json)
        add_json(l, tensor);
    else
        add_line(l, tensor);
    l->n++;
    l->numbers += tensor->count;
    l->nonfinite += tensor->nonfinite;
    return 0;
}

int info_tensors(const char *path, bool json)
{
    listing l = {.json = json};
    int status;

    if (json)
        tmb__strbuf_add(&l.sb, "{\"tensors\": [");
    else
        tmb__strbuf_add(&l.sb, "%-40s  %-20s  %-20s  %-8s  %12s  %12s\n", "layer", "tensor",
                "shape", "type", "mean", "std");
    status = tmb_tensors_visit(path, on_tensor, &l);
    if (json)
        tmb__strbuf_add(&l.sb, "\n], \"numbers\": %lld}\n", (long long)l.numbers);
    else
        tmb__strbuf_add(&l.sb, "%d tensors, %lld numbers\n", l.n, (long long)l.numbers);
    if (status == 0) return ui_print(&l.sb);
    tmb__strbuf_free(&l.sb);
    return status;
}
