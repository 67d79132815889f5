/* binding - how a language binding carries its own state over every switch.
 *
 * An interpreter keeps what it is doing in a structure of its thread: here a depth of calls and the
 * exception in flight. With greenlets there are many callers at once, so that state has to change
 * hands at every switch, also at those inside cress's own blocking calls, of which the binding sees
 * nothing. The switch hooks do it: each coroutine has a copy in its user area.
 */
#include <cress.h>
#include <stdio.h>

typedef struct interpreter_state {
    int depth;
    const char *exception;
} interpreter_state;

static interpreter_state interpreter; /* the one that "runs" */
static interpreter_state native;      /* the thread's own stack has no user area */

static void leave(cress_coro *co, void *user)
{
    (void)co;
    *(user ? (interpreter_state *)user : &native) = interpreter;
}

static void enter(cress_coro *co, void *user)
{
    (void)co;
    interpreter = *(user ? (interpreter_state *)user : &native);
}

/* A script function: calls itself, and hands a value to its parent at the bottom. */
static void *call(void *name, void *value)
{
    interpreter.depth++;
    interpreter.exception = name;
    if (interpreter.depth < 3) {
        value = call(name, value);
    } else {
        printf("%s starts with %s at depth %d\n", (char *)name, (char *)value, interpreter.depth);
        cress_coro_switch(cress_coro_parent(cress_coro_current()), name, &value);
        printf("%s goes on with %s at depth %d, handling %s\n", (char *)name, (char *)value,
               interpreter.depth, interpreter.exception);
    }
    interpreter.depth--;
    return value;
}

int main(void)
{
    static const cress_switch_hooks hooks = { .leave = leave, .enter = enter };
    cress_coro_options options = CRESS_CORO_OPTIONS_INIT;
    options.user_size = sizeof(interpreter_state);
    cress_coro *a, *b;
    void *value;
    if (cress_coro_set_hooks(&hooks) < 0 || cress_coro_new(&options, call, "a", &a) < 0 ||
        cress_coro_new(&options, call, "b", &b) < 0)
        return 1;
    cress_coro_switch(a, "one", &value);
    cress_coro_switch(b, "two", &value);
    cress_coro_switch(a, "three", &value);
    printf("a returned %s; main is at depth %d\n", (char *)value, interpreter.depth);
    cress_coro_switch(b, "four", &value);
    printf("b returned %s; main is at depth %d\n", (char *)value, interpreter.depth);
    cress_coro_free(a);
    cress_coro_free(b);
    return 0;
}
