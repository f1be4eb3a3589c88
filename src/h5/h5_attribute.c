/* h5_attribute.c - the few attributes that Keras' files are read by; no other is ever opened
 *
 * Lists of names come as fixed-length strings, as strings of any length, or, empty, as an array of
 * floats without elements; above 64512 bytes in parts name0, name1, ..., which are joined here. */
#include "h5/h5_program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Strings of an attribute: pointers into `block`, or libhdf5's own; freed together. */
typedef struct strings {
    const char **text;
    size_t *len;
    size_t n, cap;
    uint64_t bytes;
} strings;

static void refuse(const walk *w, const char *name, const char *why)
{
    out_refuse("attribute \"%s\" of \"/%s\" %s", name, w->path, why);
}

static void keep(strings *s, const char *text, size_t len)
{
    s->text[s->n] = text;
    s->len[s->n++] = len;
    s->bytes += len;
}

static void make_room(const walk *w, strings *s, const char *name, size_t more)
{
    if (s->n + more > TMB_H5_STRING_LIMIT) refuse(w, name, "has more than 65536 strings");
    s->cap = s->n + more;
    s->text = realloc(s->text, s->cap * sizeof *s->text);
    s->len = realloc(s->len, s->cap * sizeof *s->len);
    if (!s->text || !s->len) refuse(w, name, "needs more memory than a file of this size may");
}

/* The memory stays: this program is short-lived. */
static void read_fixed(
        const walk *w, strings *s, const char *name, hid_t attribute, hid_t type, size_t n)
{
    const size_t size = H5Tget_size(type);
    const hid_t memory = H5Tcopy(H5T_C_S1);
    char *block;

    if (size == 0 || size > TMB_H5_TEXT_LIMIT || size * n > TMB_H5_TEXT_LIMIT) {
        refuse(w, name, "is larger than 16 MiB");
    }
    H5Tset_size(memory, size);
    H5Tset_strpad(memory, H5T_STR_NULLPAD);
    H5Tset_cset(memory, H5Tget_cset(type));
    block = calloc(n, size);
    if (!block) refuse(w, name, "needs more memory than a file of this size may");
    if (H5Aread(attribute, memory, block) < 0) refuse(w, name, "cannot be read");
    for (size_t i = 0; i < n; i++)
        keep(s, block + i * size, strnlen(block + i * size, size));
    H5Tclose(memory);
}

static void read_vlen(
        const walk *w, strings *s, const char *name, hid_t attribute, hid_t type, size_t n)
{
    const hid_t memory = H5Tcopy(H5T_C_S1);
    char **list = calloc(n, sizeof *list);

    if (!list) refuse(w, name, "needs more memory than a file of this size may");
    H5Tset_size(memory, H5T_VARIABLE);
    H5Tset_cset(memory, H5Tget_cset(type));
    if (H5Aread(attribute, memory, list) < 0) refuse(w, name, "cannot be read");
    for (size_t i = 0; i < n; i++)
        keep(s, list[i] ? list[i] : "", list[i] ? strlen(list[i]) : 0);
    H5Tclose(memory);
}

static size_t elements_of(const walk *w, const char *name, hid_t attribute)
{
    const hid_t space = H5Aget_space(attribute);
    const hssize_t n = H5Sget_simple_extent_npoints(space);

    if (n < 0 || n > TMB_H5_STRING_LIMIT) refuse(w, name, "has more than 65536 elements");
    H5Sclose(space);
    return (size_t)n;
}

static void add_strings(const walk *w, strings *s, const char *name, hid_t attribute)
{
    const hid_t type = H5Aget_type(attribute);
    const size_t n = elements_of(w, name, attribute);

    if (n > 0 && H5Tget_class(type) != H5T_STRING) refuse(w, name, "is no list of strings");
    if (n > 0) {
        make_room(w, s, name, n);
        if (H5Tis_variable_str(type) > 0)
            read_vlen(w, s, name, attribute, type, n);
        else
            read_fixed(w, s, name, attribute, type, n);
    }
    if (s->bytes > TMB_H5_TEXT_LIMIT) refuse(w, name, "is larger than 16 MiB");
    H5Tclose(type);
    H5Aclose(attribute);
}

static void send_strings(walk *w, const char *name, const strings *s)
{
    const size_t n_name = strlen(name);

    w->text_bytes += s->bytes + 4 * s->n;
    if (w->text_bytes > TMB_H5_TEXTS_LIMIT) out_refuse("the attributes are larger than 64 MiB");
    out_record(TMB_H5_STRINGS, 4 + w->path_len + 4 + n_name + 4 + 4 * s->n + s->bytes);
    out_text(w->path, w->path_len);
    out_text(name, n_name);
    out_u32((uint32_t)s->n);
    for (size_t i = 0; i < s->n; i++)
        out_text(s->text[i], s->len[i]);
}

static hid_t open_attribute(hid_t object, const char *name)
{
    return H5Aexists(object, name) > 0 ? H5Aopen(object, name, H5P_DEFAULT) : -1;
}

/* `name`, or else its parts; `split` says whether there may be any. */
static void try_strings(walk *w, hid_t object, const char *name, bool split)
{
    strings s = {0};
    hid_t attribute = open_attribute(object, name);
    bool found = attribute >= 0;
    char part[64];

    if (found) add_strings(w, &s, name, attribute);
    for (int i = 0; split && !found; i++) {
        snprintf(part, sizeof part, "%s%d", name, i);
        attribute = open_attribute(object, part);
        if (attribute >= 0) {
            add_strings(w, &s, part, attribute);
        } else {
            found = i > 0;
            break;
        }
    }
    if (found || s.n) send_strings(w, name, &s);
    free(s.text);
    free(s.len);
}

static void try_number(walk *w, hid_t object, const char *name)
{
    const hid_t attribute = open_attribute(object, name);
    const size_t n_name = strlen(name);
    int64_t value = 0;
    hid_t type;

    if (attribute < 0) return;
    type = H5Aget_type(attribute);
    if (elements_of(w, name, attribute) != 1 || H5Tget_class(type) != H5T_INTEGER ||
            H5Tget_size(type) > 8 || H5Aread(attribute, H5T_NATIVE_INT64, &value) < 0) {
        refuse(w, name, "is no whole number");
    }
    out_record(TMB_H5_NUMBER, 4 + w->path_len + 4 + n_name + 8);
    out_text(w->path, w->path_len);
    out_text(name, n_name);
    out_u64((uint64_t)value);
    H5Tclose(type);
    H5Aclose(attribute);
}

void send_attributes(walk *w, hid_t object)
{
    static const struct {
        const char *name;
        bool number, split;
    } known[] = {{"layer_names", false, true}, {"weight_names", false, true},
            {"backend", false, false}, {"keras_version", false, false},
            {"model_config", false, false}, {"training_config", false, false},
            {"thimble", false, false}, {"name", false, false}, {"dtype", false, false},
            {"nb_layers", true, false}, {"nb_params", true, false}};
    H5O_info_t info;

    if (H5Oget_info2(object, &info, H5O_INFO_NUM_ATTRS) < 0) {
        out_refuse("damaged: the attributes of \"/%s\" cannot be listed", w->path);
    }
    for (size_t i = 0; info.num_attrs > 0 && i < sizeof known / sizeof known[0]; i++) {
        if (known[i].number)
            try_number(w, object, known[i].name);
        else
            try_strings(w, object, known[i].name, known[i].split);
    }
}

bool attribute_is(hid_t object, const char *name, const char *value)
{
    const walk nowhere = {0};
    const hid_t attribute = open_attribute(object, name);
    strings s = {0};
    bool same;

    if (attribute < 0) return false;
    add_strings(&nowhere, &s, name, attribute);
    same = s.n == 1 && s.len[0] == strlen(value) && memcmp(s.text[0], value, s.len[0]) == 0;
    free(s.text);
    free(s.len);
    return same;
}
