/* A scheduler with some history whose statistics are printed (no argument), or served over HTTP on a port of 127.0.0.1
 * (argv[1] port, argv[2] seconds): what check_prometheus.py scrapes. */
#include "tests/sched/oracle.h"
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static bool meter(void *user, double *joules)
{
    (void)user;
    *joules = 1234.5;
    return true;
}

static nce_scheduler *with_history(nce_context *ctx)
{
    nce_scheduler_options o = NCE_SCHEDULER_OPTIONS_INIT;
    nce_node_profile p = NCE_NODE_PROFILE_INIT;
    nce_scheduler *s;
    o.simulated = 1;
    o.energy = meter;
    p.block_s = 0.03;
    p.decode_s = 0.005;
    EXPECT(nce_scheduler_create(ctx, &o, &s) == NCE_OK, "%s", nce_context_error(ctx));
    for (int k = 0; k < 3; k++)
        EXPECT(nce_scheduler_add_node(s, &p, 2, 100, NULL) == NCE_OK, "%s", nce_context_error(ctx));
    for (uint64_t i = 0; i < 200; i++) {
        nce_block_hash blocks[6];
        nce_sched_request r = NCE_SCHED_REQUEST_INIT;
        uint64_t job;
        for (uint64_t k = 0; k < 6; k++)
            blocks[k] = (nce_block_hash){k < 3 ? i % 10 * 100 + k + 1 : i * 1000 + k, 1};
        r.blocks = blocks;
        r.n_blocks = 6;
        r.input_tokens = 400;
        r.output_tokens = 20 + (uint32_t)(i % 60);
        EXPECT(nce_scheduler_submit(s, &r, &job) == NCE_OK, "%s", nce_context_error(ctx));
        nce_scheduler_advance(s, nce_scheduler_now(s) + 0.05);
    }
    nce_scheduler_set_node_up(s, 1, false);
    nce_scheduler_advance(s, nce_scheduler_now(s) + 100);
    return s;
}

static void answer(int client, nce_scheduler *s)
{
    static char text[65536], head[160], request[8192];
    size_t used = 0;
    ssize_t got;
    while (used + 1 < sizeof request && (got = read(client, request + used, sizeof request - 1 - used)) > 0) {
        used += (size_t)got;
        request[used] = '\0';
        if (strstr(request, "\r\n\r\n") != NULL) break;
    }
    const bool open_metrics = strstr(request, "application/openmetrics-text") != NULL;
    EXPECT(nce_scheduler_metrics(s, open_metrics, text, sizeof text, NULL) == NCE_OK, "metrics");
    snprintf(head, sizeof head,
             "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
             open_metrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8" : "text/plain; version=0.0.4",
             strlen(text));
    if (write(client, head, strlen(head)) < 0 || write(client, text, strlen(text)) < 0) perror("write");
    close(client);
}

static void serve(nce_scheduler *s, uint16_t port, int seconds)
{
    const int yes = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval limit = {1, 0};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    EXPECT(bind(listener, (const struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 8) == 0,
           "port %u", port);
    puts("ready");
    fflush(stdout);
    for (const time_t end = time(NULL) + seconds; time(NULL) < end;) {
        const int client = accept(listener, NULL, NULL);
        if (client >= 0) answer(client, s);
    }
    close(listener);
}

int main(int argc, char **argv)
{
    static char text[65536];
    nce_context *ctx;
    EXPECT(nce_context_create(NULL, &ctx) == NCE_OK, "context");
    nce_scheduler *s = with_history(ctx);
    if (argc > 2) {
        serve(s, (uint16_t)atoi(argv[1]), atoi(argv[2]));
    } else {
        EXPECT(nce_scheduler_metrics(s, false, text, sizeof text, NULL) == NCE_OK, "%s", nce_context_error(ctx));
        fputs(text, stdout);
    }
    nce_scheduler_destroy(s);
    nce_context_destroy(ctx);
    return 0;
}
