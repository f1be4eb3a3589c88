/* cmd_help.c - thimble help, version, devices and completion: all of it read from the tables */
#include "ui.h"

#include <stdio.h>
#include <string.h>

static bool belongs(int option, int command)
{
    return (option_table[option].commands >> command) & 1;
}

static bool has_words(const option_info *info)
{
    return info->type == OPT_TYPE_CHOICE || info->type == OPT_TYPE_SPEC;
}

/* Where in the order of options.def a group of options begins, as help shows them. */
static const struct {
    option_id first;
    const char *title;
} groups[] = {{OPT_OUTPUT, "options"}, {OPT_LR, "learning"}, {OPT_BACKBONE, "pre-trained networks"},
        {OPT_ROTATION_RANGE, "random changes"}, {OPT_PART, "photos"}, {OPT_BY_NAME, "weights"},
        {OPT_TOP_K, "answers"}, {OPT_DEVICE, "general"}};

/* "-b, --batch-size N"; a choice shows its words in the text instead. */
static void option_head(int id, char *out, size_t size)
{
    const option_info *info = &option_table[id];
    const char *argument = has_words(info) ? "WORD" : info->argument;
    char key[5] = "    ";

    if (info->key) snprintf(key, sizeof key, "-%c, ", info->key);
    snprintf(out, size, "%s--%s%s%s", key, info->name, argument[0] ? " " : "", argument);
}

/* "constant|step|cosine: how the learning rate moves" */
static const char *option_text(int id, char out[512])
{
    const option_info *info = &option_table[id];
    bool choice = has_words(info);

    snprintf(out, 512, "%s%s%s", choice ? info->argument : "", choice ? ": " : "", info->help);
    return out;
}

/* From column 32 to 100; more goes on below, broken behind a bar or a space. */
static void print_wrapped(const char *text)
{
    const size_t indent = 32, width = 100 - indent;

    while (strlen(text) > width) {
        size_t n = width;

        while (n > 1 && text[n - 1] != '|' && text[n - 1] != ' ')
            n--;
        printf("%.*s\n%*s", (int)(n - (text[n - 1] == ' ')), text, (int)indent, "");
        text += n;
    }
    printf("%s\n", text);
}

/* What is no option. */
static const char *const variables[][2] = {
        {"THIMBLE_CPU", "the most used of the CPU: x86-64, avx2, avx512 or amx (all it has)"},
        {"THIMBLE_PLUGIN_PATH",
                "folders with further devices, libthimble-NAME.so, before the usual"},
        {"THIMBLE_WEIGHTS", "folder of pre-trained weights"}};

static int help_command(int command)
{
    const char *title = NULL;
    char text[64], about[512];

    printf("usage: thimble %s%s%s\n%s\n", command_table[command].name,
            command_table[command].args[0] ? " " : "", command_table[command].args,
            command_table[command].help);
    for (int i = 0; i < OPTION_COUNT; i++) {
        for (size_t g = 0; g < TMB_COUNT(groups); g++) {
            if ((int)groups[g].first == i) title = groups[g].title;
        }
        if (!belongs(i, command)) continue;
        if (title) printf("\n%s:\n", title);
        title = NULL;
        option_head(i, text, sizeof text);
        if (strlen(text) > 29)
            printf("  %s\n%32s", text, "");
        else
            printf("  %-29s ", text);
        print_wrapped(option_text(i, about));
    }
    opt_env_name(OPT_BATCH_SIZE, text, sizeof text);
    printf("\nEvery option can be set in the environment too: %s=8 is --batch-size 8.\n", text);
    for (size_t i = 0; i < TMB_COUNT(variables) && command == CMD_DEVICES; i++)
        printf("%-20s %s\n", variables[i][0], variables[i][1]);
    return 0;
}

static int help_overview(void)
{
    printf("thimble - train image classifiers from little data\n\n");
    for (int i = 0; i < COMMAND_COUNT; i++)
        printf("  thimble %-10s %-24s %s\n", command_table[i].name, command_table[i].args,
                command_table[i].help);
    printf("\nA first run:\n"
           "  thimble sample toys\n"
           "  thimble train toys -o runs/toys\n"
           "  thimble predict runs/toys/model.thimble toys/validation/mugs/*.jpg\n"
           "\n`thimble help COMMAND` lists options, `thimble help exit-codes` the exit codes.\n");
    return 0;
}

static int help_exit_codes(void)
{
    printf("  0  done, warnings possible\n");
    for (int code = 1; code <= 11; code++) {
        for (int status = -1; status >= -11; status--) {
            if (tmb_status_exit(status) == code) printf("%3d  %s\n", code, tmb_status_text(status));
        }
    }
    printf("129, 130, 143  ended by a signal (HUP, INT, TERM); train saves first\n");
    return 0;
}

/* A man page in mdoc-free roff, so that `thimble help man | man -l -` shows it. */
static int help_man(void)
{
    char head[64], about[512];

    printf(".TH THIMBLE 1 \"\" \"thimble %s\"\n.SH NAME\nthimble \\- train image classifiers from "
           "little data\n.SH SYNOPSIS\n",
            tmb_version());
    for (int i = 0; i < COMMAND_COUNT; i++)
        printf(".B thimble %s\n.RI \"%s\"\n.br\n", command_table[i].name, command_table[i].args);
    printf(".SH COMMANDS\n");
    for (int i = 0; i < COMMAND_COUNT; i++)
        printf(".TP\n.B %s\n%s.\n", command_table[i].name, command_table[i].help);
    printf(".SH OPTIONS\n");
    for (int i = 0; i < OPTION_COUNT; i++) {
        option_head(i, head, sizeof head);
        printf(".TP\n.B \"%s\"\n%s\n", head + strspn(head, " "), option_text(i, about));
    }
    opt_env_name(OPT_BATCH_SIZE, head, sizeof head);
    printf(".SH ENVIRONMENT\nEvery option has a name here, as %s.\n", head);
    for (size_t i = 0; i < TMB_COUNT(variables); i++)
        printf(".TP\n.B %s\n%s\n", variables[i][0], variables[i][1]);
    printf(".SH EXIT STATUS\n.nf\n");
    help_exit_codes();
    printf(".fi\n");
    return 0;
}

int cmd_HELP(const options *opts)
{
    int command;

    if (opts->n_args == 0) return help_overview();
    if (strcmp(opts->args[0], "exit-codes") == 0) return help_exit_codes();
    if (strcmp(opts->args[0], "man") == 0) return help_man();
    command = opt_command(opts->args[0]);
    return command < 0 ? TMB_EINVAL : help_command(command);
}

int cmd_VERSION(const options *opts)
{
    (void)opts;
    printf("%s\n", tmb_build_info());
    return 0;
}

/* "cpu  avx512  faster in bf16"; of one that does not open, why. */
static int print_device(const char *name)
{
    tmb_device *device;
    const int status = tmb_device_open(&device, name, 1);

    if (status == TMB_EINVAL) return status; /* what the environment asks for */
    if (status < 0) {
        printf("%s  does not open: %s\n", name, tmb_errmsg());
        return 0;
    }
    printf("%s%s%s%s\n", name, tmb_device_about(device)[0] ? "  " : "", tmb_device_about(device),
            tmb_device_set_precision(device, TMB_PRECISION_BF16) == 0 ? "  faster in bf16" : "");
    tmb_device_free(device);
    return 0;
}

int cmd_DEVICES(const options *opts)
{
    (void)opts;
    for (int i = 0; tmb_device_name(i); i++)
        TMB_TRY(print_device(tmb_device_name(i)));
    return 0;
}

/* ---- completion ---- */

static void print_words(const char *bars)
{
    for (const char *p = bars; *p; p++)
        putchar(*p == '|' ? ' ' : *p);
}

static int bash_completion(void)
{
    printf("_thimble() {\n    local cur=${COMP_WORDS[COMP_CWORD]} "
           "prev=${COMP_WORDS[COMP_CWORD-1]}\n"
           "    local commands=\"");
    for (int i = 0; i < COMMAND_COUNT; i++)
        printf("%s%s", i ? " " : "", command_table[i].name);
    printf("\"\n    if [ \"$COMP_CWORD\" = 1 ]; then\n"
           "        COMPREPLY=($(compgen -W \"$commands\" -- \"$cur\")); return\n    fi\n"
           "    case $prev in\n");
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (!has_words(&option_table[i])) continue;
        printf("        --%s) COMPREPLY=($(compgen -W \"", option_table[i].name);
        print_words(option_table[i].argument);
        printf("\" -- \"$cur\")); return ;;\n");
    }
    printf("    esac\n    local words=\n    case ${COMP_WORDS[1]} in\n");
    for (int c = 0; c < COMMAND_COUNT; c++) {
        printf("        %s) words=\"", command_table[c].name);
        for (int i = 0; i < OPTION_COUNT; i++) {
            if (belongs(i, c)) printf("--%s ", option_table[i].name);
        }
        printf("\" ;;\n");
    }
    printf("    esac\n    case ${COMP_WORDS[1]}:$cur in\n"
           "        *:-*) ;;\n"
           "        help:*) words=\"$commands exit-codes man\" ;;\n"
           "        completion:*) words=\"bash zsh fish\" ;;\n"
           "        *) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n    esac\n"
           "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\n"
           "complete -o filenames -F _thimble thimble\n");
    return 0;
}

static int zsh_completion(void)
{
    printf("#compdef thimble\nif (( CURRENT == 2 )); then\n    compadd");
    for (int i = 0; i < COMMAND_COUNT; i++)
        printf(" %s", command_table[i].name);
    printf("\n    return\nfi\ncase $words[2] in\n");
    for (int c = 0; c < COMMAND_COUNT; c++) {
        printf("    %s) _arguments", command_table[c].name);
        for (int i = 0; i < OPTION_COUNT; i++) {
            const option_info *info = &option_table[i];

            if (!belongs(i, c)) continue;
            printf(" \\\n        '--%s", info->name);
            if (has_words(info)) {
                printf(":word:(");
                print_words(info->argument);
                printf(")");
            } else if (info->type != OPT_TYPE_FLAG) {
                printf(":%s:_files", info->argument);
            }
            printf("'");
        }
        printf(" \\\n        '*:file:_files' ;;\n");
    }
    printf("esac\n");
    return 0;
}

static int fish_completion(void)
{
    for (int i = 0; i < COMMAND_COUNT; i++)
        printf("complete -c thimble -n __fish_use_subcommand -f -a %s -d '%s'\n",
                command_table[i].name, command_table[i].help);
    for (int i = 0; i < OPTION_COUNT; i++) {
        const option_info *info = &option_table[i];

        printf("complete -c thimble -n '__fish_seen_subcommand_from");
        for (int c = 0; c < COMMAND_COUNT; c++) {
            if (belongs(i, c)) printf(" %s", command_table[c].name);
        }
        printf("' -l %s", info->name);
        if (info->key) printf(" -s %c", info->key);
        if (info->type != OPT_TYPE_FLAG) printf(" -r");
        if (has_words(info)) {
            printf(" -f -a '");
            print_words(info->argument);
            printf("'");
        }
        printf("\n");
    }
    return 0;
}

int cmd_COMPLETION(const options *opts)
{
    const char *shell = opts->n_args == 1 ? opts->args[0] : "";

    if (strcmp(shell, "bash") == 0) return bash_completion();
    if (strcmp(shell, "zsh") == 0) return zsh_completion();
    if (strcmp(shell, "fish") == 0) return fish_completion();
    return tmb__fail(
            TMB_EINVAL, "completion takes bash, zsh or fish, found \"%s\"", tmb__printable(shell));
}
