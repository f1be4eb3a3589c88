/* h5_walk.c - all groups and datasets of a file, each once
 *
 * Only hard links are followed, and no name is ever looked up that the file's own listing did not give.
 * A group is read once, whatever leads to it: a group that holds its parent ends the walk there. */
#include "h5/h5_program.h"

#include <stdlib.h>
#include <string.h>

static bool groups_hold(const walk *w, haddr_t address, size_t *slot)
{
    size_t i = (size_t)((uint64_t)address * 0x9E3779B97F4A7C15u >> 32) & (w->cap_groups - 1);

    while (w->groups[i] != HADDR_UNDEF && w->groups[i] != address)
        i = (i + 1) & (w->cap_groups - 1);
    *slot = i;
    return w->groups[i] == address;
}

/* True the first time. The table has room for every link that there may be. */
static bool first_visit(walk *w, haddr_t address)
{
    size_t slot;

    if (groups_hold(w, address, &slot)) return false;
    w->groups[slot] = address;
    w->n_groups++;
    return true;
}

static const char *link_words(H5L_type_t type)
{
    if (type == H5L_TYPE_SOFT) return "soft link";
    return type == H5L_TYPE_EXTERNAL ? "external link" : "link of an unknown kind";
}

static void enter(walk *w, const char *name)
{
    const size_t n = strlen(name);

    if (n == 0) out_refuse("a link in \"%s\" has no name", w->path);
    if (w->path_len + 1 + n > TMB_H5_PATH_LIMIT) {
        out_refuse("a path of more than %d bytes below \"%.100s\"", TMB_H5_PATH_LIMIT, w->path);
    }
    if (w->path_len) w->path[w->path_len++] = '/';
    memcpy(w->path + w->path_len, name, n + 1);
    w->path_len += n;
}

static void read_group(walk *w, hid_t group);

static void read_object(walk *w, hid_t object)
{
    H5O_info_t info;

    switch (H5Iget_type(object)) {
    case H5I_GROUP:
        if (H5Oget_info2(object, &info, H5O_INFO_BASIC) < 0) break;
        if (first_visit(w, info.addr)) read_group(w, object);
        return;
    case H5I_DATASET:
        send_attributes(w, object);
        send_dataset(w, object);
        return;
    case H5I_DATATYPE:
        out_refuse("\"%s\" is a shared type, refused", w->path);
    default:
        break;
    }
    out_refuse("damaged: \"%s\" is no group and no dataset", w->path);
}

static herr_t read_link(hid_t group, const char *name, const H5L_info_t *info, void *user)
{
    walk *w = user;
    const size_t len = w->path_len;
    hid_t object;

    enter(w, name);
    if (info->type != H5L_TYPE_HARD) {
        out_refuse("%s \"%s\" refused: a weights file never needs one", link_words(info->type),
                w->path);
    }
    if (++w->n_links > TMB_H5_LINK_LIMIT) {
        out_refuse("more than %d links", TMB_H5_LINK_LIMIT);
    }
    object = H5Oopen(group, name, w->links);
    if (object < 0) out_refuse("damaged: \"%s\" cannot be opened", w->path);
    read_object(w, object);
    H5Oclose(object);
    w->path_len = len;
    w->path[len] = '\0';
    return 0;
}

static void read_group(walk *w, hid_t group)
{
    if (++w->depth > TMB_H5_DEPTH_LIMIT) {
        out_refuse("groups are nested more than %d deep", TMB_H5_DEPTH_LIMIT);
    }
    send_attributes(w, group);
    if (H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, read_link, w) < 0) {
        out_refuse("damaged: the group \"/%s\" cannot be listed", w->path);
    }
    w->depth--;
}

/* Called for an external link, should one be followed in spite of all. */
static herr_t refuse_external(const char *parent_file, const char *parent_group,
        const char *child_file, const char *child_object, unsigned *flags, hid_t access, void *user)
{
    (void)parent_file;
    (void)parent_group;
    (void)child_file;
    (void)child_object;
    (void)flags;
    (void)access;
    (void)user;
    return -1;
}

void walk_file(walk *w, hid_t file)
{
    const hid_t root = H5Gopen2(file, "/", H5P_DEFAULT);

    if (root < 0) out_refuse("damaged: there is no root group");
    w->links = H5Pcreate(H5P_LINK_ACCESS);
    H5Pset_elink_cb(w->links, refuse_external, NULL);
    H5Pset_nlinks(w->links, 1);
    w->cap_groups = (size_t)1 << 18; /* more than twice the links there may be */
    w->groups = malloc(w->cap_groups * sizeof *w->groups);
    if (!w->groups) out_refuse("not enough memory");
    memset(w->groups, 0xff, w->cap_groups * sizeof *w->groups); /* HADDR_UNDEF */
    read_object(w, root);
}
