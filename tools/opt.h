/* opt.h - the program's options: one table, read by the parser, the help and the completions */
#ifndef THIMBLE_TOOLS_OPT_H
#define THIMBLE_TOOLS_OPT_H

#include "base/base.h"

typedef enum command_id {
#define X(ID, name, args, help) CMD_##ID,
#include "commands.def"
#undef X
    COMMAND_COUNT
} command_id;

typedef struct command_info {
    const char *name, *args, *help;
} command_info;
extern const command_info command_table[COMMAND_COUNT];

typedef enum option_id {
#define X(ID, name, key, type, arg, low, high, commands, help) OPT_##ID,
#include "options.def"
#undef X
    OPTION_COUNT
} option_id;

typedef enum option_type {
    OPT_TYPE_FLAG,
    OPT_TYPE_NUMBER,
    OPT_TYPE_WHOLE,
    OPT_TYPE_RANGE,
    OPT_TYPE_ANGLE,
    OPT_TYPE_BYTES,
    OPT_TYPE_CHOICE,
    OPT_TYPE_SPEC,
    OPT_TYPE_TEXT
} option_type;

typedef struct option_info {
    const char *name;
    char key; /* 0: no short form */
    option_type type;
    const char *argument; /* as help shows it; words to choose from between bars */
    double low, high;
    uint32_t commands; /* bit 1 << command_id */
    const char *help;
} option_info;
extern const option_info option_table[OPTION_COUNT];

typedef struct option_value {
    bool set;
    const char *text[2]; /* as given, then NULL: a list of one, too */
    double number[2];    /* NUMBER, WHOLE, BYTES, ANGLE (degrees) twice; RANGE: both ends */
    int choice;          /* CHOICE, SPEC: which word, from 0 */
} option_value;

/* A parsed command line. `args` are what is not an option, in their order. */
typedef struct options {
    command_id command;
    option_value value[OPTION_COUNT];
    const char **args;
    int n_args;
} options;

/* Parse argv[2..]; environment first, the command line wins. TMB_EINVAL with message and hint. */
int opt_parse(options *out, command_id command, int argc, char **argv);
void opt_free(options *opts);
/* Set an option by name, unless it was given; `text` is borrowed. A name that is none is left alone. */
int opt_adopt(options *opts, const char *name, const char *text);

bool opt_given(const options *opts, option_id id);
double opt_number(const options *opts, option_id id, double fallback);
const char *opt_text(const options *opts, option_id id, const char *fallback);
int opt_choice(const options *opts, option_id id, int fallback);
/* Word `k` of a choice and its length; NULL: there are no more. */
const char *opt_word(option_id id, int k, int *length);
/* The environment's name of an option, "THIMBLE_BATCH_SIZE". */
void opt_env_name(option_id id, char *out, size_t size);
/* The command of that name, or -1 with TMB_EINVAL's message and the nearest name as hint. */
int opt_command(const char *name);

#endif
