/* MLLP load client, loopback only: many connections, one message in flight on each.
 *
 *   mllp_load PORT CONNECTIONS SECONDS RATE TAG CORPUS
 *
 * CORPUS holds one message a line, its segments ended by CR. Each message that is sent gets a control id of its own
 * (TAG and a number) in MSH-10; its answer must be MSA|AA with that id, else it counts as bad. RATE is messages a
 * second, 0 for as fast as answers come. With a rate, latency counts from the moment a message was due, so time that
 * it waited for a free connection is not hidden. Sending ends after SECONDS; answers are awaited ten seconds more.
 * The result is one JSON object.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MOST_CONNECTIONS = 4096, ANSWER_BYTES = 16384, ID_BYTES = 40, GRACE_SECONDS = 10 };

struct message {
  const char *text;
  size_t before, after, length; /* bytes before MSH-10, where what follows it begins, and all of them */
};

struct connection {
  int fd, busy;
  char *out;
  size_t out_length, out_sent, in_length;
  char in[ANSWER_BYTES], id[ID_BYTES];
  double since;
};

static struct message *messages;
static size_t message_count, longest;
static struct connection *connections;
static int *idle, idle_count, epoll_fd;
static double *latencies;
static size_t latency_room, answered, bad, sent;
static const char *tag;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void *room(void *old, size_t bytes) {
  void *made = realloc(old, bytes);
  if (!made) fail("memory");
  return made;
}

/* MSH-10 stands between the ninth and the tenth separator. */
static void add_message(const char *text, size_t length) {
  size_t at = 0, field = 0, before;
  while (at < length && field < 9) field += text[at++] == '|';
  before = at;
  while (at < length && text[at] != '|' && text[at] != '\r') at++;
  if (field < 9) return;
  if (message_count % 1024 == 0) messages = room(messages, (message_count + 1024) * sizeof *messages);
  messages[message_count++] = (struct message){text, before, at, length};
  if (length > longest) longest = length;
}

static void read_corpus(const char *path) {
  struct stat about;
  int fd = open(path, O_RDONLY);
  if (fd < 0 || fstat(fd, &about) < 0) fail(path);
  const char *text = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (text == MAP_FAILED) fail(path);
  const char *end = text + about.st_size;
  while (text < end) {
    const char *line = memchr(text, '\n', (size_t)(end - text));
    if (!line) line = end;
    add_message(text, (size_t)(line - text));
    text = line + 1;
  }
  close(fd);
}

static void watch(int index, unsigned events, int how) {
  struct epoll_event event = {.events = events, .data.u32 = (unsigned)index};
  if (epoll_ctl(epoll_fd, how, connections[index].fd, &event) < 0) fail("epoll");
}

static void dial(int index, int port) {
  struct connection *c = &connections[index];
  struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  int one = 1;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&where, sizeof where) < 0) fail("connect");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  c->out = room(NULL, longest + ID_BYTES + 3);
  watch(index, EPOLLIN, EPOLL_CTL_ADD);
}

static void push(int index) {
  struct connection *c = &connections[index];
  while (c->out_sent < c->out_length) {
    ssize_t n = write(c->fd, c->out + c->out_sent, c->out_length - c->out_sent);
    if (n < 0 && errno == EAGAIN) {
      watch(index, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
      return;
    }
    if (n < 0) fail("write");
    c->out_sent += (size_t)n;
  }
}

static void start(int index, double since) {
  struct connection *c = &connections[index];
  const struct message *m = &messages[sent % message_count];
  size_t id = (size_t)snprintf(c->id, sizeof c->id, "%s%09zu", tag, sent++);
  char *out = c->out;
  *out++ = 0x0b;
  memcpy(out, m->text, m->before), out += m->before;
  memcpy(out, c->id, id), out += id;
  memcpy(out, m->text + m->after, m->length - m->after), out += m->length - m->after;
  *out++ = 0x1c;
  *out++ = 0x0d;
  c->out_length = (size_t)(out - c->out);
  c->out_sent = c->in_length = 0;
  c->since = since;
  c->busy = 1;
  push(index);
}

static int accepted(const struct connection *c) {
  char wanted[ID_BYTES + 8];
  size_t length = (size_t)snprintf(wanted, sizeof wanted, "MSA|AA|%s", c->id);
  const char *at = memmem(c->in, c->in_length, wanted, length);
  return at && (at[length] == '\r' || at[length] == '|');
}

static void answer(int index, double at) {
  struct connection *c = &connections[index];
  ssize_t n = read(c->fd, c->in + c->in_length, sizeof c->in - c->in_length);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) fail("the other side hung up");
  c->in_length += (size_t)n;
  if (!memmem(c->in, c->in_length, "\x1c\x0d", 2)) return;
  if (answered == latency_room) {
    latency_room = latency_room ? 2 * latency_room : 65536;
    latencies = room(latencies, latency_room * sizeof *latencies);
  }
  if (c->busy && accepted(c))
    latencies[answered++] = at - c->since;
  else
    bad++;
  c->busy = 0;
  idle[idle_count++] = index;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double rank(double part) {
  size_t at = (size_t)((double)answered * part);
  return answered ? latencies[at < answered ? at : answered - 1] * 1e3 : 0;
}

int main(int argc, char **argv) {
  if (argc != 7) return fprintf(stderr, "usage: mllp_load PORT CONNECTIONS SECONDS RATE TAG CORPUS\n"), 2;
  int port = atoi(argv[1]), count = atoi(argv[2]);
  double seconds = atof(argv[3]), rate = atof(argv[4]), last = 0;
  tag = argv[5];
  read_corpus(argv[6]);
  if (!message_count || count < 1 || count > MOST_CONNECTIONS || strlen(tag) > 16) return 2;
  connections = room(NULL, (size_t)count * sizeof *connections);
  idle = room(NULL, (size_t)count * sizeof *idle);
  epoll_fd = epoll_create1(0);
  memset(connections, 0, (size_t)count * sizeof *connections);
  for (int i = 0; i < count; i++) dial(i, port), idle[idle_count++] = i;
  double begin = now(), end = begin + seconds;
  for (;;) {
    double at = now();
    int sending = at < end, wait = 100;
    double due = begin + (rate > 0 ? (double)sent / rate : 0);
    while (sending && idle_count && due <= at) {
      start(idle[--idle_count], rate > 0 ? due : now());
      due = begin + (rate > 0 ? (double)sent / rate : 0);
    }
    if (!sending && (idle_count == count || at > end + GRACE_SECONDS)) break;
    if (sending && idle_count) wait = (int)((due - at) * 1e3) + 1;
    struct epoll_event events[256];
    int n = epoll_wait(epoll_fd, events, 256, wait < 100 ? wait : 100);
    for (int i = 0; i < n; i++) {
      int index = (int)events[i].data.u32;
      if (events[i].events & EPOLLOUT) watch(index, EPOLLIN, EPOLL_CTL_MOD), push(index);
      if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) answer(index, last = now());
    }
  }
  double taken = last > begin ? last - begin : 1;
  qsort(latencies, answered, sizeof *latencies, ascending);
  printf("{\"connections\":%d,\"sent\":%zu,\"acked\":%zu,\"bad\":%zu,\"seconds\":%.3f,\"rate\":%.1f,"
         "\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}\n",
         count, sent, answered, bad, taken, (double)answered / taken, rank(0.5), rank(0.99), rank(1.0));
  return 0;
}
