#include "hub/marks.h"

#include "base/fork.h"
#include "ctx/stack.h"

#include <cress/greenlet.h>

#include <errno.h>
#include <string.h>

enum {
    ROWS = CRESS_STACK_MARKS_MAX + 1, /* the last is for names that find no room */
    PLACES = 2048,                    /* of the hash table: at most half are taken */
    OWN_FRAMES = 2048,                /* of marks_begin() and what it calls */
};
_Static_assert(ROWS <= PLACES / 2, "a search must come to a free place soon");

atomic_bool cress__marks_on;

static cress_stack_mark rows[ROWS]; /* in the order in which the names came */
static size_t n_rows;
static uint16_t places[PLACES]; /* of a name's row, counted from 1; 0: free */

static size_t hash(const char *name)
{
    size_t h = 5381;
    while (*name != '\0')
        h = h * 33 + (unsigned char)*name++;
    return h;
}

/* The row of a name, a new one if need be. */
static cress_stack_mark *row_of(const char *name)
{
    size_t place = hash(name) % PLACES;
    while (places[place] != 0) {
        cress_stack_mark *row = &rows[places[place] - 1];
        if (strcmp(row->name, name) == 0)
            return row;
        place = (place + 1) % PLACES;
    }
    if (n_rows >= CRESS_STACK_MARKS_MAX) {
        n_rows = ROWS;
        strcpy(rows[ROWS - 1].name, CRESS_STACK_MARKS_OTHERS);
        return &rows[ROWS - 1];
    }
    cress_stack_mark *row = &rows[n_rows++];
    strcpy(row->name, name);
    places[place] = (uint16_t)n_rows;
    return row;
}

noinline void cress__marks_begin(cress_coro *co)
{
    if (co->stack != NULL) /* main's is not ours */
        stack_trim(co->stack, (char *)__builtin_frame_address(0) - OWN_FRAMES);
}

noinline void cress__marks_end(cress_coro *co, const char *name)
{
    size_t peak = cress_coro_stack_peak(co);
    uint64_t mask = fork_lock();
    cress_stack_mark *row = row_of(name);
    row->ended++;
    if (peak > row->peak) {
        row->peak = peak;
        row->stack_size = (size_t)(co->stack->top - co->stack->low);
    }
    fork_unlock(mask);
}

void cress_stack_marks_enable(bool on)
{
    uint64_t mask = fork_lock();
    if (on && !atomic_load(&cress__marks_on)) {
        memset(rows, 0, sizeof rows);
        memset(places, 0, sizeof places);
        n_rows = 0;
    }
    atomic_store(&cress__marks_on, on);
    fork_unlock(mask);
}

ssize_t cress_stack_marks(cress_stack_mark *marks, size_t n)
{
    if (marks == NULL && n > 0)
        return -EINVAL;
    uint64_t mask = fork_lock();
    size_t count = n_rows;
    if (n > 0)
        memcpy(marks, rows, (n < count ? n : count) * sizeof *marks);
    fork_unlock(mask);
    return (ssize_t)count;
}
