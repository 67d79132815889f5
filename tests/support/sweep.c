/* sweep - see sweep.h. */
#include "support/sweep.h"
#include "support/child.h"
#include "support/fds.h"
#include "base/alloc.h"
#include "base/fault.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    MAX_POINTS = 20000,
    MAX_TOLD = 10,
    MAX_HANGS = 3 /* each costs the whole limit; the program has one too */
};

/* A child needs milliseconds, sanitizers and qemu some more. */
int sweep_limit_ms = 10000;

/* What a child finds out, in memory shared with its parent. */
struct outcome {
    atomic_int met;   /* points passed so far */
    atomic_int fired; /* points failed so far */
    char what[2][32]; /* their names */
    size_t fds_left;
    size_t blocks_left;
    atomic_bool finished;
};

/* One run: fail the points number first .. first + count - 1 among those named. */
struct run {
    void (*scenario)(void);
    const char *const *points;
    int first;
    int count;
    int hangs; /* children so far that had to be killed */
    struct outcome *outcome;
};

/* The run of this process; set in the child before the scenario starts, NULL in the parent. */
static struct run *current;

bool sweep_met_fault(void)
{
    return current != NULL && atomic_load(&current->outcome->fired) > 0;
}

static bool counts(const char *const *points, const char *what)
{
    if (points == NULL) {
        return true;
    }
    for (; *points != NULL; points++) {
        if (strcmp(*points, what) == 0) {
            return true;
        }
    }
    return false;
}

/* Any thread of the scenario may come here. */
static bool fail_now(const char *what)
{
    if (!counts(current->points, what)) {
        return false;
    }
    int number = atomic_fetch_add(&current->outcome->met, 1) + 1;
    if (number < current->first || number >= current->first + current->count) {
        return false;
    }
    snprintf(current->outcome->what[number - current->first],
             sizeof current->outcome->what[number - current->first], "%s", what);
    atomic_fetch_add(&current->outcome->fired, 1);
    return true;
}

static void in_child(void *argument)
{
    current = argument;
    static struct fds before;
    fds_mark(&before);
    size_t blocks = cress__alloc_live();
    cress__fault_hook = fail_now;
    current->scenario();
    cress__fault_hook = NULL;
    current->outcome->fds_left = fds_leaked(&before);
    current->outcome->blocks_left = cress__alloc_live() - blocks;
    atomic_store(&current->outcome->finished, true);
}

/* Run once; true when the outcome is right. Otherwise tells what was wrong, if asked to. */
static bool run_once(const char *name, struct run *run, bool tell)
{
    struct outcome *outcome = run->outcome;
    memset(outcome, 0, sizeof *outcome);
    struct child_result result;
    child_run(in_child, run, sweep_limit_ms, &result);
    run->hangs += result.timed_out;
    bool clean = atomic_load(&outcome->finished) && !result.timed_out && result.signal == 0 &&
                 result.status == 0;
    if (clean && outcome->fds_left == 0 && outcome->blocks_left == 0) {
        return true;
    }
    if (!tell) {
        return false;
    }
    fprintf(stderr, "fault sweep %s: ", name);
    if (atomic_load(&outcome->fired) == 0) {
        fprintf(stderr, "without any fault");
    } else {
        fprintf(stderr, "point %d (%s) failed", run->first, outcome->what[0]);
        if (atomic_load(&outcome->fired) > 1) {
            fprintf(stderr, " and the next (%s)", outcome->what[1]);
        }
    }
    if (!clean) {
        fprintf(stderr, ": the scenario %s%s\n", child_words(&result),
                result.status == 0 && result.signal == 0 && !result.timed_out
                    ? " in the middle of it"
                    : "");
    } else {
        fprintf(stderr, ": %zu fds and %zu blocks of memory left\n", outcome->fds_left,
                outcome->blocks_left);
    }
    if (result.error[0] != '\0') {
        fprintf(stderr, "  its stderr:\n%s\n", result.error);
    }
    return false;
}

static int sweep(const char *name, void (*scenario)(void), const char *const *points, int count)
{
    struct outcome *outcome =
        mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (outcome == MAP_FAILED) {
        perror("mmap");
        abort();
    }
    struct run run = { .scenario = scenario, .points = points, .outcome = outcome };
    int wrong = 0, failed = 0;
    if (!run_once(name, &run, true)) { /* no count: no fault */
        wrong = 1;
    } else if (atomic_load(&outcome->met) == 0) {
        fprintf(stderr, "fault sweep %s: the scenario meets no point: nothing to fail\n", name);
        wrong = 1;
    } else {
        run.count = count;
        for (run.first = 1;; run.first++) {
            wrong += !run_once(name, &run, wrong < MAX_TOLD);
            if (atomic_load(&outcome->fired) == 0) {
                break;
            }
            failed++;
            if (failed == MAX_POINTS || run.hangs == MAX_HANGS) {
                fprintf(stderr, "fault sweep %s: given up after %d points, %d of them hung\n", name,
                        failed, run.hangs);
                wrong++;
                break;
            }
        }
    }
    munmap(outcome, sizeof *outcome);
    printf("fault sweep %s: %d points, each failed once%s, %d wrong outcomes\n", name, failed,
           count > 1 ? " with the one after it" : "", wrong);
    return wrong < 100 ? wrong : 100; /* fits into an exit status */
}

int fault_sweep(const char *name, void (*scenario)(void))
{
    return sweep(name, scenario, NULL, 1);
}

int fault_sweep_pairs(const char *name, void (*scenario)(void), const char *const *points)
{
    return sweep(name, scenario, points, 2);
}
