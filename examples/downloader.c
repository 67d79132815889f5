/* downloader - many pages at once, but only so many at a time, and a bar that shows how far it is.
 *
 * Usage: downloader HOST:PORT PAGES AT_ONCE
 *
 * The bound needs no lock and no queue: so many greenlets share the number of the next page, and
 * nobody else runs between reading and raising it.
 */
#include <cress.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const char *server;
static int pages, next_page, done, failed;
static size_t bytes;

static void show(void)
{
    enum { WIDTH = 40 };
    char bar[WIDTH + 1] = "";
    for (int i = 0; i < WIDTH; i++)
        bar[i] = i < done * WIDTH / pages ? '#' : '.';
    fprintf(stderr, "\r[%s] %d of %d", bar, done, pages);
}

static int fetch(int page)
{
    int fd = cress_dial(server, CRESS_FOREVER, NULL);
    if (fd < 0)
        return fd;
    char data[4096];
    int n = snprintf(data, sizeof data, "GET /%d HTTP/1.0\r\n\r\n", page);
    ssize_t got = cress_sendall(fd, data, (size_t)n, NULL);
    if (got == 0)
        while ((got = cress_recv(fd, data, sizeof data, 0)) > 0)
            bytes += (size_t)got;
    cress_close(fd);
    return (int)got;
}

/* A limit for each page as a whole, whatever it is made of. */
static void *worker(void *arg)
{
    while (next_page < pages) {
        cress_timeout limit = { 0 };
        int page = next_page++;
        int error = cress_timeout_start(&limit, CRESS_SECONDS(5));
        if (error == 0)
            error = fetch(page);
        if (cress_timeout_stop(&limit))
            error = -ETIMEDOUT;
        failed += error < 0;
        done++;
        show();
    }
    return arg;
}

int main(int argc, char **argv)
{
    if (argc != 4 || (server = argv[1], pages = atoi(argv[2])) < 1)
        return 2;
    for (int i = 0; i < atoi(argv[3]); i++)
        if (cress_go(worker, NULL) < 0)
            return 1;
    if (cress_run(CRESS_FOREVER) < 0)
        return 1;
    printf("\n%d pages, %d failed, %zu bytes\n", done, failed, bytes);
    return failed > 0;
}
