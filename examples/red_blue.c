/* red_blue - one colour hands over to the other, and is the last to say something.
 *
 * A value goes along with each switch: here, the word that the other side prints.
 */
#include <cress.h>
#include <stdio.h>

static void *blue(void *red, void *word)
{
    puts(word);
    cress_coro_switch(red, "red done", NULL);
    puts("blue done"); /* never: red ends, and main goes on */
    return NULL;
}

static void *red(void *arg, void *word)
{
    (void)arg;
    puts(word);
    cress_coro *other;
    if (cress_coro_new(NULL, blue, cress_coro_current(), &other) < 0)
        return NULL;
    void *answer = NULL;
    cress_coro_switch(other, "blue", &answer);
    puts(answer);
    cress_coro_free(other); /* it waits: it is ended where it stands */
    return NULL;
}

int main(void)
{
    cress_coro *co;
    if (cress_coro_new(NULL, red, NULL, &co) < 0)
        return 1;
    cress_coro_switch(co, "red", NULL);
    cress_coro_free(co);
    return 0;
}
