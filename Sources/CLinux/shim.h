// Linux as Swift sees it: liburing, epoll, eventfd, signalfd, sockets.
//
// Swift imports neither variadic functions nor function-like macros, and reads `errno` poorly across calls: the inline functions below
// perform one system call each and return its result, or the negated error number.
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <features.h>
// The standard library's view of the C library names the member of fd_set without X/Open; both views must agree on the structure.
#undef __USE_XOPEN
#include <sys/select.h>
#define __USE_XOPEN 1
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static inline uint64_t clock_monotonic_nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

// 1 when the kernel takes its wall clock for synchronised.
static inline int clock_is_synchronised(void) {
  struct timex state = {0};
  return adjtimex(&state) >= 0 && !(state.status & STA_UNSYNC);
}

// Sockets

static inline int socket_open(int family, int nonblocking) {
  int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0), 0);
  if (fd < 0) return -errno;
  int one = 1;
  if (family != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

static inline int socket_limit_unsent(int fd, int bytes) {
  return setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes) < 0 ? -errno : 0;
}

// Accepted sockets inherit TCP_NODELAY from the listener.
static inline int socket_listen(const void *address, unsigned length, int backlog, int reuse_port) {
  int family = ((const struct sockaddr *)address)->sa_family;
  int fd = socket_open(family, 1);
  if (fd < 0) return fd;
  int one = 1;
  if (family != AF_UNIX) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
  if (reuse_port) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  if (bind(fd, (const struct sockaddr *)address, length) < 0 || listen(fd, backlog) < 0) {
    int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

// A listening socket that another process opened: made non-blocking, closed on exec.
static inline int socket_adopt(int fd) {
  int value = 0;
  socklen_t length = sizeof value;
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) < 0) return -errno;
  if (!value) return -EINVAL;
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) return -errno;
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return 0;
}

// One datagram to a Unix-domain socket; an abstract name begins with a zero byte.
static inline int notify_send(const void *path, unsigned length, const void *text, size_t count) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (length == 0 || length >= sizeof address.sun_path) return -EINVAL;
  memcpy(address.sun_path, path, length);
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  unsigned whole = (unsigned)offsetof(struct sockaddr_un, sun_path) + length + (address.sun_path[0] != 0);
  ssize_t sent = sendto(fd, text, count, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&address, whole);
  int result = sent < 0 ? -errno : 0;
  close(fd);
  return result;
}

static inline int socket_name(int fd, int of_peer, void *address, unsigned capacity) {
  socklen_t length = capacity;
  int result = of_peer ? getpeername(fd, (struct sockaddr *)address, &length) : getsockname(fd, (struct sockaddr *)address, &length);
  return result < 0 ? -errno : (int)length;
}

static inline int socket_credentials(int fd, struct ucred *credentials) {
  socklen_t length = sizeof *credentials;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, &length) < 0 ? -errno : 0;
}

// 1 when the peer of a Unix-domain socket has the group among its supplementary ones, 0 when not or when they are too many to tell.
static inline int socket_peer_has_group(int fd, gid_t group) {
  gid_t groups[1024];
  socklen_t length = sizeof groups;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length) < 0) return 0;
  for (unsigned i = 0; i < length / sizeof groups[0]; i++)
    if (groups[i] == group) return 1;
  return 0;
}

static inline int socket_option(int fd, int level, int option) {
  int value = 0;
  socklen_t length = sizeof value;
  return getsockopt(fd, level, option, &value, &length) < 0 ? -errno : value;
}

static inline int socket_accept(int fd) {
  int accepted = accept4(fd, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
  return accepted < 0 ? -errno : accepted;
}

static inline int socket_connect(int fd, const void *address, unsigned length) {
  return connect(fd, (const struct sockaddr *)address, length) < 0 ? -errno : 0;
}

static inline int socket_receive(int fd, void *bytes, unsigned capacity) {
  ssize_t n = recv(fd, bytes, capacity, 0);
  return n < 0 ? -errno : (int)n;
}

static inline int socket_send(int fd, const struct iovec *slices, unsigned count) {
  if (count == 1) {
    ssize_t n = send(fd, slices->iov_base, slices->iov_len, MSG_NOSIGNAL);
    return n < 0 ? -errno : (int)n;
  }
  struct msghdr message = {.msg_iov = (struct iovec *)slices, .msg_iovlen = count};
  ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL);
  return n < 0 ? -errno : (int)n;
}

static inline void socket_shutdown_output(int fd) { shutdown(fd, SHUT_WR); }

static inline void socket_reset_on_close(int fd) {
  struct linger linger = {.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

// Descriptors that make a loop readable

static inline int reserve_open(void) {
  int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

static inline int event_open(void) {
  int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

static inline void event_signal(int fd) {
  uint64_t one = 1;
  // The counter saturates only after 2^64 - 1 wake-ups; a full counter is readable, which is all that is asked.
  while (write(fd, &one, sizeof one) < 0 && errno == EINTR) {}
}

static inline void event_clear(int fd) {
  uint64_t count;
  while (read(fd, &count, sizeof count) < 0 && errno == EINTR) {}
}

static inline sigset_t stop_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  return set;
}

// A reader that goes away is told by the error of the write.
static inline int signals_block(void) {
  signal(SIGPIPE, SIG_IGN);
  sigset_t set = stop_signals();
  return -pthread_sigmask(SIG_BLOCK, &set, 0);
}

static inline int signals_open(void) {
  sigset_t set = stop_signals();
  int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

// The next signal number, or 0 when there is none.
static inline int signals_next(int fd) {
  struct signalfd_siginfo info;
  return read(fd, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : 0;
}

static inline int descriptor_is_readable(int fd) {
  struct pollfd entry = {.fd = fd, .events = POLLIN};
  return poll(&entry, 1, 0) > 0;
}

static inline int thread_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d) {
  return prctl(option, a, b, c, d) < 0 ? -errno : 0;
}

// Gives the calling thread an empty descriptor table of its own (above standard error).
static inline int thread_own_descriptors(void) { return syscall(SYS_close_range, 3u, ~0u, 2u) < 0 ? -errno : 0; }

static inline int descriptor_duplicate(int fd) {
  int copy = dup(fd);
  return copy < 0 ? -errno : copy;
}

static inline int epoll_open(void) {
  int fd = epoll_create1(EPOLL_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

static inline int epoll_change(int set, int operation, int fd, uint32_t events, uint64_t id) {
  struct epoll_event event = {.events = events, .data = {.u64 = id}};
  return epoll_ctl(set, operation, fd, &event) < 0 ? -errno : 0;
}

// io_uring

// Zeroed pages, or null.
static inline void *memory_map(size_t bytes) {
  void *memory = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? 0 : memory;
}

struct ring_completion {
  uint64_t id;
  int32_t result;
  uint32_t flags;
};

// A ring for the calling thread alone; 0 or the negated error number.
static inline int ring_open(struct io_uring *ring, unsigned submissions, unsigned completions) {
  struct io_uring_params parameters;
  memset(&parameters, 0, sizeof parameters);
  parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
  parameters.cq_entries = completions;
  return io_uring_queue_init_params(submissions, ring, &parameters);
}

// Copies up to `capacity` completions out of the ring and gives their entries back to the kernel.
static inline unsigned ring_reap(struct io_uring *ring, struct ring_completion *out, unsigned capacity) {
  unsigned head = *ring->cq.khead;
  unsigned ready = io_uring_smp_load_acquire(ring->cq.ktail) - head;
  unsigned mask = *ring->cq.kring_mask;
  if (ready > capacity) ready = capacity;
  for (unsigned i = 0; i < ready; i++) {
    const struct io_uring_cqe *entry = &ring->cq.cqes[(head + i) & mask];
    out[i].id = entry->user_data;
    out[i].result = entry->res;
    out[i].flags = entry->flags;
  }
  io_uring_cq_advance(ring, (int)ready);
  return ready;
}

// Submits everything queued and waits for one completion; forever when `nanoseconds` is the largest value.
static inline int ring_submit_and_wait(struct io_uring *ring, uint64_t nanoseconds) {
  if (nanoseconds == 0) return io_uring_submit_and_get_events(ring);
  if (nanoseconds == UINT64_MAX) return io_uring_submit_and_wait(ring, 1);
  struct __kernel_timespec timeout = {.tv_sec = (long long)(nanoseconds / 1000000000ull), .tv_nsec = (long long)(nanoseconds % 1000000000ull)};
  struct io_uring_cqe *first = 0;
  return io_uring_submit_and_wait_timeout(ring, &first, 1, &timeout, 0);
}

static inline struct io_uring_sqe *ring_entry(struct io_uring *ring) {
  struct io_uring_sqe *entry = io_uring_get_sqe(ring);
  while (!entry) {
    io_uring_submit(ring);
    entry = io_uring_get_sqe(ring);
  }
  return entry;
}

static inline void ring_accept(struct io_uring *ring, int fd, uint64_t id) {
  struct io_uring_sqe *entry = ring_entry(ring);
  io_uring_prep_multishot_accept(entry, fd, 0, 0, SOCK_CLOEXEC);
  entry->user_data = id;
}

static inline void ring_receive(struct io_uring *ring, int fd, uint16_t group, uint64_t id) {
  struct io_uring_sqe *entry = ring_entry(ring);
  io_uring_prep_recv_multishot(entry, fd, 0, 0, 0);
  entry->flags |= IOSQE_BUFFER_SELECT;
  entry->buf_group = group;
  entry->user_data = id;
}

static inline void ring_send(struct io_uring *ring, int fd, const void *bytes, size_t count, uint64_t id) {
  struct io_uring_sqe *entry = ring_entry(ring);
  io_uring_prep_send(entry, fd, bytes, count, MSG_NOSIGNAL | MSG_WAITALL);
  entry->user_data = id;
}

static inline void ring_send_gathered(struct io_uring *ring, int fd, const struct msghdr *message, uint64_t id) {
  struct io_uring_sqe *entry = ring_entry(ring);
  io_uring_prep_sendmsg(entry, fd, message, MSG_NOSIGNAL | MSG_WAITALL);
  entry->user_data = id;
}

static inline void ring_connect(struct io_uring *ring, int fd, const void *address, unsigned length, uint64_t id) {
  struct io_uring_sqe *entry = ring_entry(ring);
  io_uring_prep_connect(entry, fd, (const struct sockaddr *)address, length);
  entry->user_data = id;
}

static inline void ring_watch(struct io_uring *ring, int fd, uint64_t id) {
  struct io_uring_sqe *entry = ring_entry(ring);
  io_uring_prep_poll_multishot(entry, fd, POLLIN);
  entry->user_data = id;
}

static inline void ring_cancel(struct io_uring *ring, uint64_t operation, uint64_t id) {
  struct io_uring_sqe *entry = ring_entry(ring);
  io_uring_prep_cancel64(entry, operation, 0);
  entry->user_data = id;
}

static inline void ring_cancel_all(struct io_uring *ring, int fd, uint64_t id) {
  struct io_uring_sqe *entry = ring_entry(ring);
  io_uring_prep_cancel_fd(entry, fd, IORING_ASYNC_CANCEL_ALL);
  entry->user_data = id;
}

static inline void ring_close(struct io_uring *ring, int fd, uint64_t id) {
  struct io_uring_sqe *entry = ring_entry(ring);
  io_uring_prep_close(entry, fd);
  entry->user_data = id;
}

static inline int ring_register_buffers(struct io_uring *ring, struct io_uring_buf_ring *buffers, unsigned count, uint16_t group) {
  struct io_uring_buf_reg registration;
  memset(&registration, 0, sizeof registration);
  registration.ring_addr = (uint64_t)(uintptr_t)buffers;
  registration.ring_entries = count;
  registration.bgid = group;
  io_uring_buf_ring_init(buffers);
  return io_uring_register_buf_ring(ring, &registration, 0);
}

static inline void ring_provide(struct io_uring_buf_ring *buffers, void *bytes, unsigned length, uint16_t buffer, int mask, int offset) {
  io_uring_buf_ring_add(buffers, bytes, length, buffer, mask, offset);
}

static inline void ring_publish(struct io_uring_buf_ring *buffers, int count) { io_uring_buf_ring_advance(buffers, count); }
