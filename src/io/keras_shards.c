/* keras_shards.c - weights that Keras 3 put into several files
 *
 *     net.weights.json   {"metadata": {"total_size": 1188.0}, "weight_map": {
 *                            "/layers/conv2d/vars": ["net_00000.weights.h5"], ...}}
 *
 * (keras/src/saving/saving_lib.py, ShardedH5IOStore.) A group has one name or a list of them; each file has
 * its part of one and the same tree, so they are put together again. A name is one of a file beside the
 * index: with a slash in it, it is refused. */
#include "io/json_get.h"

#include <string.h>

enum { FILES_LIMIT = 1024 };

#define INDEX_LIMIT ((size_t)16 << 20)

/* The files named so far; the names are borrowed from the JSON. */
typedef struct shards {
    const char *what;
    const char *names[FILES_LIMIT];
    int n;
} shards;

static int add_name(shards *s, const json_t *json)
{
    const char *name = json_string_value(json);

    if (!name || !name[0] || strchr(name, '/')) {
        return tmb__fail(TMB_EMODEL, "%s: weight_map names \"%s\", expected a file beside it",
                tmb__printable(s->what), name ? tmb__printable(name) : "?");
    }
    for (int i = 0; i < s->n; i++) {
        if (strcmp(s->names[i], name) == 0) return 0;
    }
    if (s->n == FILES_LIMIT) {
        return tmb__fail(
                TMB_EMODEL, "%s: more than %d files", tmb__printable(s->what), FILES_LIMIT);
    }
    s->names[s->n++] = name;
    return 0;
}

static int add_names(shards *s, json_t *map)
{
    const char *group;
    json_t *names;

    json_object_foreach(map, group, names)
    {
        if (!json_is_array(names)) TMB_TRY(add_name(s, names));
        for (size_t i = 0; i < json_array_size(names); i++)
            TMB_TRY(add_name(s, json_array_get(names, i)));
    }
    if (s->n) return 0;
    return tmb__fail(TMB_EMODEL, "%s: its weight_map names no file", tmb__printable(s->what));
}

/* The path of a file beside the index. */
static int read_beside(tmb__h5_file *out, const char *index, const char *name)
{
    const char *slash = strrchr(index, '/');
    tmb__strbuf path = {0};
    int status;

    tmb__strbuf_bytes(&path, index, slash ? (size_t)(slash + 1 - index) : 0);
    tmb__strbuf_add(&path, "%s", name);
    status = path.failed ? TMB_ENOMEM : tmb__h5_read(out, path.text);
    tmb__strbuf_free(&path);
    return status;
}

static int read_all(tmb__h5_file *out, const shards *s)
{
    for (int i = 0; i < s->n; i++) {
        tmb__h5_file part = {0};
        int status = read_beside(&part, s->what, s->names[i]);

        if (status == 0) status = tmb__h5_merge(out, &part, s->what);
        tmb__h5_file_free(&part);
        TMB_TRY(status);
    }
    return 0;
}

int tmb__keras_shards(tmb__h5_file *out, const char *path)
{
    shards s = {.what = path};
    json_t *root = NULL;
    tmb__bytes file;
    int status;

    *out = (tmb__h5_file){.tensors = {.owns = true}};
    TMB_TRY(tmb__file_read(&file, path, INDEX_LIMIT, TMB_EMODEL));
    status = tmb__check_kind(&file, "JSON", "JSON", path);
    if (status == 0) status = tmb__json_parse(&root, (const char *)file.data, file.size, path);
    if (status == 0) status = add_names(&s, json_object_get(root, "weight_map"));
    if (status == 0) status = read_all(out, &s);
    json_decref(root);
    tmb__free(file.data);
    if (status < 0) tmb__h5_file_free(out);
    return status;
}
