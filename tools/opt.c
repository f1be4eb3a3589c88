/* opt.c - parse the command line and the environment by the table in options.def */
#include "opt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define C(NAME) (1u << CMD_##NAME)
#define C_ALL   0xffffffffu
#define C_FIT   (C(TRAIN) | C(CROSSVAL))           /* whatever learns */
#define C_NET   (C_FIT | C(FEATURES))              /* and what takes pre-trained networks */
#define C_VIEW  (C_FIT | C(FEATURES) | C(PREVIEW)) /* whatever changes photos at random */

const command_info command_table[COMMAND_COUNT] = {
#define X(ID, name, args, help) {name, args, help},
#include "commands.def"
#undef X
};

const option_info option_table[OPTION_COUNT] = {
#define X(ID, name, key, type, arg, low, high, commands, help)                                     \
    {name, key, OPT_TYPE_##type, arg, low, high, commands, help},
#include "options.def"
#undef X
};

/* ---- nearest name ---- */

int opt_command(const char *name)
{
    int best = 0;

    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(command_table[i].name, name) == 0) return i;
        if (tmb__edit_distance(name, command_table[i].name) <
                tmb__edit_distance(name, command_table[best].name))
            best = i;
    }
    tmb__fail(TMB_EINVAL, "unknown command \"%s\"", tmb__printable(name));
    if (tmb__edit_distance(name, command_table[best].name) <= 3)
        tmb__hint("did you mean %s? `thimble help` lists all", command_table[best].name);
    else
        tmb__hint("`thimble help` lists the commands");
    return -1;
}

static int unknown_short(const char *arg)
{
    tmb__fail(TMB_EINVAL, "unknown option %s", tmb__printable(arg));
    tmb__hint("long options have two dashes; file names that begin with a dash stand after --");
    return TMB_EINVAL;
}

/* What Keras calls differently; its other names differ by '_' alone. */
static const char *of_keras(const char *name)
{
    static const char *const names[][2] = {{"optimizer", "opt"}, {"learning-rate", "lr"},
            {"learning_rate", "lr"}, {"target-size", "img-size"}, {"target_size", "img-size"},
            {"image-size", "img-size"}, {"image_size", "img-size"}, {"clipnorm", "clip-norm-each"},
            {"global_clipnorm", "clip-norm"}, {"validation-split", "val-split"},
            {"validation_split", "val-split"}, {"ema_momentum", "average"}};

    for (size_t i = 0; i < TMB_COUNT(names); i++)
        if (strcmp(name, names[i][0]) == 0) return names[i][1];
    return name;
}

static int unknown_long(command_id command, const char *given, size_t length)
{
    char name[64];
    const char *wanted;
    int best = -1;

    snprintf(name, sizeof name, "%.*s", (int)TMB_MIN(length, sizeof name - 1), given);
    wanted = of_keras(name);
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (!(option_table[i].commands & (1u << command))) continue;
        if (best < 0 ||
                tmb__edit_distance(wanted, option_table[i].name) <
                        tmb__edit_distance(wanted, option_table[best].name))
            best = i;
    }
    tmb__fail(TMB_EINVAL, "unknown option --%s", tmb__printable(name));
    if (best >= 0 && tmb__edit_distance(wanted, option_table[best].name) <= 4)
        tmb__hint("did you mean --%s?", option_table[best].name);
    else
        tmb__hint("`thimble help %s` lists its options", command_table[command].name);
    return TMB_EINVAL;
}

/* ---- values ---- */

/* A value is taken if it was `read` as what is `wanted` and lies in the option's range. */
static int check_value(
        option_id id, const char *text, bool read, const double value[2], const char *wanted)
{
    const option_info *info = &option_table[id];

    if (read && value[0] >= info->low && value[1] <= info->high && value[0] <= value[1]) return 0;
    return tmb__fail(TMB_EINVAL, "--%s \"%s\": expected %s from %.10g to %.10g", info->name,
            tmb__printable(text), wanted, info->low, info->high);
}

/* A number with a unit behind it: `text` is cut before one of the endings, whose factor is applied. */
typedef struct unit {
    const char *ending;
    double factor;
} unit;

static bool parse_unit(const char *text, const unit *units, int n, double *out)
{
    char number[64];
    double factor = 1;
    size_t length = strlen(text);

    for (int i = 0; i < n; i++) {
        size_t tail = strlen(units[i].ending);

        if (length > tail && strcmp(text + length - tail, units[i].ending) == 0) {
            length -= tail;
            factor = units[i].factor;
            break;
        }
    }
    if (length >= sizeof number) return false;
    memcpy(number, text, length);
    number[length] = 0;
    if (!tmb__parse_double(number, out)) return false;
    *out *= factor;
    return true;
}

/* "Z" is 1-Z to 1+Z, as in Keras. */
static bool parse_range(const char *text, double out[2])
{
    const char *comma = strchr(text, ',');
    char low[64];

    if (!comma) {
        if (!tmb__parse_double(text, &out[1])) return false;
        out[0] = 1 - out[1];
        out[1] = 1 + out[1];
        return true;
    }
    snprintf(low, sizeof low, "%.*s", (int)(comma - text), text);
    return tmb__parse_double(low, &out[0]) && tmb__parse_double(comma + 1, &out[1]);
}

const char *opt_word(option_id id, int k, int *length)
{
    const char *word = option_table[id].argument;

    while (k-- > 0 && word)
        word = strchr(word, '|') ? strchr(word, '|') + 1 : NULL;
    *length = word ? (int)strcspn(word, "|") : 0;
    return word;
}

/* A SPEC's parameters behind the colon are for whoever takes the option. */
static int parse_choice(option_id id, const char *text, int *choice)
{
    const size_t length = strcspn(text, option_table[id].type == OPT_TYPE_SPEC ? ":" : "");
    const char *word;
    int n;

    for (*choice = 0; (word = opt_word(id, *choice, &n)); ++*choice) {
        if ((size_t)n == length && strncmp(word, text, length) == 0) return 0;
    }
    return tmb__fail(TMB_EINVAL, "--%s \"%s\": expected one of %s", option_table[id].name,
            tmb__printable(text), option_table[id].argument);
}

static int parse_value(option_id id, const char *text, option_value *value)
{
    static const unit angles[] = {{"deg", 1}, {"rad", 57.295779513082320876798}};
    static const unit sizes[] = {{"K", 1024}, {"M", 1048576}, {"G", 1073741824}};
    const char *wanted = "a number";
    double *number = value->number;
    int64_t whole = 0;
    bool read;

    value->set = true;
    value->text[0] = text;
    switch (option_table[id].type) {
    case OPT_TYPE_WHOLE:
        wanted = "a whole number";
        read = tmb__parse_int(text, &whole);
        number[0] = (double)whole;
        break;
    case OPT_TYPE_ANGLE:
        wanted = "an angle such as 11.5, 11.5deg or 0.2rad,";
        read = parse_unit(text, angles, TMB_COUNT(angles), number);
        break;
    case OPT_TYPE_BYTES:
        wanted = "a size such as 512M or 2G,";
        read = parse_unit(text, sizes, TMB_COUNT(sizes), number);
        break;
    case OPT_TYPE_RANGE:
        return check_value(id, text, parse_range(text, number), number, "Z or LO,HI");
    case OPT_TYPE_CHOICE:
    case OPT_TYPE_SPEC:
        return parse_choice(id, text, &value->choice);
    case OPT_TYPE_FLAG:
    case OPT_TYPE_TEXT:
        return 0;
    case OPT_TYPE_NUMBER:
    default:
        read = tmb__parse_double(text, number);
    }
    number[1] = number[0];
    return check_value(id, text, read, number, wanted);
}

/* ---- the environment ---- */

void opt_env_name(option_id id, char *out, size_t size)
{
    snprintf(out, size, "THIMBLE_%s", option_table[id].name);
    for (char *p = out; *p; p++) {
        if (*p == '-') *p = '_';
        if (*p >= 'a' && *p <= 'z') *p = (char)(*p - 'a' + 'A');
    }
}

static int parse_environment(options *out)
{
    char name[64];

    for (int i = 0; i < OPTION_COUNT; i++) {
        const char *text;

        if (!(option_table[i].commands & (1u << out->command)) || i == OPT_HELP || i == OPT_WEIGHTS)
            continue;
        opt_env_name(i, name, sizeof name);
        text = getenv(name);
        if (!text || !text[0]) continue;
        if (option_table[i].type == OPT_TYPE_FLAG && strcmp(text, "0") == 0) continue;
        if (parse_value(i, text, &out->value[i]) < 0) {
            tmb__hint("it comes from the environment, %s", name);
            return TMB_EINVAL;
        }
    }
    return 0;
}

/* ---- the command line ---- */

static int find_long(command_id command, const char *name, size_t length)
{
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (!(option_table[i].commands & (1u << command))) continue;
        if (strlen(option_table[i].name) == length &&
                memcmp(option_table[i].name, name, length) == 0)
            return i;
    }
    return -1;
}

static int find_short(command_id command, char key)
{
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (option_table[i].key == key && (option_table[i].commands & (1u << command))) return i;
    }
    return -1;
}

/* One argument that begins with a dash, and its value, maybe in the next. Returns the number used. */
static int parse_option(options *out, int n, char **argv)
{
    const char *arg = argv[0], *value = NULL;
    int id, used = 1;

    if (arg[1] == '-') {
        size_t length = strcspn(arg + 2, "=");

        id = find_long(out->command, arg + 2, length);
        if (id < 0) return unknown_long(out->command, arg + 2, length);
        if (arg[2 + length]) value = arg + 3 + length;
    } else {
        id = find_short(out->command, arg[1]);
        if (id < 0) return unknown_short(arg);
        if (arg[2]) value = arg + 2;
    }
    if (option_table[id].type == OPT_TYPE_FLAG) {
        if (value)
            return tmb__fail(TMB_EINVAL, "--%s takes no value, found \"%s\"", option_table[id].name,
                    tmb__printable(value));
        value = "1";
    } else if (!value) {
        if (n < 2)
            return tmb__fail(TMB_EINVAL, "--%s: its value is missing", option_table[id].name);
        value = argv[1];
        used = 2;
    }
    TMB_TRY(parse_value((option_id)id, value, &out->value[id]));
    return used;
}

int opt_parse(options *out, command_id command, int argc, char **argv)
{
    bool only_args = false;

    *out = (options){.command = command};
    out->args = tmb__calloc((size_t)argc + 1, sizeof *out->args);
    if (!out->args) return TMB_ENOMEM;
    TMB_TRY(parse_environment(out));
    for (int i = 2; i < argc;) {
        int used = 1;

        if (!only_args && strcmp(argv[i], "--") == 0)
            only_args = true;
        else if (!only_args && argv[i][0] == '-' && argv[i][1])
            used = parse_option(out, argc - i, argv + i);
        else
            out->args[out->n_args++] = argv[i];
        if (used < 0) return used;
        i += used;
    }
    return 0;
}

void opt_free(options *opts)
{
    tmb__free(opts->args);
    opts->args = NULL;
}

int opt_adopt(options *opts, const char *name, const char *text)
{
    int id = find_long(opts->command, name, strlen(name));

    return id < 0 || opts->value[id].set ? 0 : parse_value((option_id)id, text, &opts->value[id]);
}

bool opt_given(const options *opts, option_id id)
{
    return opts->value[id].set;
}

double opt_number(const options *opts, option_id id, double fallback)
{
    return opts->value[id].set ? opts->value[id].number[0] : fallback;
}

const char *opt_text(const options *opts, option_id id, const char *fallback)
{
    return opts->value[id].set ? opts->value[id].text[0] : fallback;
}

int opt_choice(const options *opts, option_id id, int fallback)
{
    return opts->value[id].set ? opts->value[id].choice : fallback;
}
