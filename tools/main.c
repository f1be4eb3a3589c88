/* main.c - the program: find the command, parse its options, run it, end with its exit code */
#include "ui.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int (*const run_command[COMMAND_COUNT])(const options *opts) = {
#define X(ID, name, args, help) cmd_##ID,
#include "commands.def"
#undef X
};

static void to_stderr(void *user, tmb_log_level level, const char *line)
{
    static const char *const names[] = {"error", "warning", "info", "debug", "trace"};
    const ui *u = user;

    ui_bar_clear(u);
    fprintf(stderr, "thimble %s: %s: %s\n", u->command, names[level], line);
}

static int no_command(void)
{
    fprintf(stderr, "usage: thimble COMMAND [OPTIONS]\n");
    for (int i = 0; i < COMMAND_COUNT; i++)
        fprintf(stderr, "  %-11s %s\n", command_table[i].name, command_table[i].help);
    fprintf(stderr, "`thimble help COMMAND` says more\n");
    return tmb_status_exit(TMB_EINVAL);
}

/* --help and --version are taken for the commands of that name. */
static const char *command_name(const char *arg)
{
    if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) return "help";
    if (strcmp(arg, "--version") == 0 || strcmp(arg, "-V") == 0) return "version";
    return arg;
}

static int run(int argc, char **argv, int command)
{
    options opts;
    int status = opt_parse(&opts, (command_id)command, argc, argv);
    ui u = ui_of(&opts);

    tmb_log_set(to_stderr, &u, u.verbose > 0 ? TMB_DEBUG : u.verbose < 0 ? TMB_ERROR : TMB_INFO);
    if (status == 0 && opt_given(&opts, OPT_HELP)) {
        const char *name = command_table[command].name;
        options help = {.command = CMD_HELP, .args = &name, .n_args = 1};

        status = cmd_HELP(&help);
    } else if (status == 0) {
        status = run_command[command](&opts);
    }
    if (status >= 0) status = ui_finish_output();
    if (status < 0) ui_error(&u, status);
    opt_free(&opts);
    tmb_log_set(NULL, NULL, TMB_ERROR);
    if (status == TMB_ESTOPPED && ui_stop) ui_die_by_signal();
    return tmb_status_exit(status);
}

/* A closed stdin, stdout or stderr would give its number to the next file opened, a model perhaps. */
static void hold_streams(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) close(fd);
}

int main(int argc, char **argv)
{
    const ui u = {.command = ""};
    int command;

    hold_streams();
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is a failed write, not death */
    if (argc < 2) return no_command();
    command = opt_command(command_name(argv[1]));
    if (command >= 0) return run(argc, argv, command);
    ui_error(&u, TMB_EINVAL);
    return tmb_status_exit(TMB_EINVAL);
}
