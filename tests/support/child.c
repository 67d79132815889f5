/* child - see child.h. */
#include "support/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static _Noreturn void broken(const char *what)
{
    perror(what);
    abort();
}

/* Wait for the child by SIGCHLD, which the caller has blocked: it stays pending from an exit that
 * was faster than we are. */
static bool ended_in_time(pid_t pid, int limit_ms, const sigset_t *sigchld, int *status)
{
    struct timespec now, end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += limit_ms / 1000;
    end.tv_nsec += limit_ms % 1000 * 1000000L;
    for (;;) {
        pid_t got = waitpid(pid, status, WNOHANG);
        if (got == pid) {
            return true;
        }
        if (got < 0) {
            broken("waitpid");
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        long long left = (end.tv_sec - now.tv_sec) * 1000000000LL + end.tv_nsec - now.tv_nsec;
        if (left <= 0) {
            return false;
        }
        struct timespec wait = { .tv_sec = left / 1000000000, .tv_nsec = left % 1000000000 };
        sigtimedwait(sigchld, NULL, &wait);
    }
}

static void read_end(FILE *file, char *buffer, size_t size)
{
    fseek(file, 0, SEEK_END);
    long length = ftell(file);
    long start = length < (long)size ? 0 : length - (long)size + 1;
    fseek(file, start, SEEK_SET);
    buffer[fread(buffer, 1, size - 1, file)] = '\0';
}

void child_run(void (*function)(void *), void *argument, int limit_ms, struct child_result *result)
{
    memset(result, 0, sizeof *result);
    FILE *error = tmpfile();
    if (error == NULL) {
        broken("tmpfile");
    }
    sigset_t sigchld, old;
    sigemptyset(&sigchld);
    sigaddset(&sigchld, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &sigchld, &old) != 0) {
        broken("sigprocmask");
    }
    fflush(NULL); /* else the child's buffers print it again */
    pid_t pid = fork();
    if (pid < 0) {
        broken("fork");
    }
    if (pid == 0) {
        setpgid(0, 0);
        setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
        sigprocmask(SIG_SETMASK, &old, NULL);
        if (dup2(fileno(error), STDERR_FILENO) < 0) {
            _exit(127);
        }
        function(argument);
        fflush(NULL);
        _exit(0);
    }
    setpgid(pid, pid); /* both sides do it: whoever is first */
    int status = 0;
    if (!ended_in_time(pid, limit_ms, &sigchld, &status)) {
        result->timed_out = true;
        kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
    }
    kill(-pid, SIGKILL); /* children of the child */
    sigprocmask(SIG_SETMASK, &old, NULL);
    result->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    result->status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    read_end(error, result->error, sizeof result->error);
    fclose(error);
}

const char *child_words(const struct child_result *result)
{
    static char words[96];
    if (result->timed_out) {
        return "did not end in time";
    }
    if (result->signal != 0) {
        snprintf(words, sizeof words, "ended by signal %d (%s)", result->signal,
                 strsignal(result->signal));
    } else {
        snprintf(words, sizeof words, "ended with exit status %d", result->status);
    }
    return words;
}
