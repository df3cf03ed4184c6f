/* The kernel's door: I2C, SPI and GPIO device nodes that lead to simulated chips.
 *
 * Preloaded into an unmodified program. Opening a node named in LATIDO_DOOR_NODES (separated by ':')
 * connects to the Unix socket LATIDO_DOOR instead, and ioctl, read and write on it are sent there.
 * A request is: uint32 kind, uint32 argument, uint32 length, bytes. An answer is: int32 result (below 0 a
 * negated errno), uint32 length, bytes. Structures are those of linux/i2c-dev.h, linux/spi/spidev.h and
 * linux/gpio.h; GPIO ioctls pass as they are. Nodes below /sys/ take writes. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

enum { OPEN = 1, I2C_TRANSFER = 2, SPI_TRANSFER = 3, READ = 4, WRITE = 5, SMBUS = 6, GPIO = 7 };
enum { GPIO_GET_LINE = 0x07, GPIO_LINE_FD_AT = 588 }; /* struct gpio_v2_line_request: fd comes last */
enum { FDS = 4096, BODY_MAX = 1 << 17 };

struct node { int used, is_spi, is_gpio; char path[64]; uint32_t address; uint8_t mode, bits; uint32_t speed; };
static struct node nodes[FDS];
static pthread_mutex_t turns[FDS]; /* one a connection: a bus that hangs holds up nobody else */

struct i2c_msg { uint16_t addr, flags, len; uint8_t *buf; };
struct i2c_rdwr { struct i2c_msg *msgs; uint32_t nmsgs; };
struct smbus { uint8_t read_write, command; uint32_t size; uint8_t *data; };
struct spi_transfer {
    uint64_t tx, rx; uint32_t len, speed; uint16_t delay; uint8_t bits, cs_change, txn, rxn, word_delay, pad;
};

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int wanted(const char *path) {
    const char *list = getenv("LATIDO_DOOR_NODES");
    size_t length = strlen(path);
    while (list && *list) {
        const char *end = strchrnul(list, ':');
        if ((size_t)(end - list) == length && !strncmp(list, path, length)) return 1;
        list = *end ? end + 1 : end;
    }
    return 0;
}

static int all(int fd, void *bytes, size_t length, int sending) {
    uint8_t *at = bytes;
    while (length) {
        ssize_t done = sending ? send(fd, at, length, MSG_NOSIGNAL) : recv(fd, at, length, 0);
        if (done <= 0) { if (done < 0 && errno == EINTR) continue; errno = EIO; return -1; }
        at += done; length -= done;
    }
    return 0;
}

static int ask(int fd, uint32_t kind, uint32_t argument, const void *body, uint32_t length,
               void *answer, uint32_t room) {
    uint32_t head[3] = {kind, argument, length}, back[2];
    int result = -1;
    pthread_mutex_lock(&turns[fd]);
    if (!all(fd, head, sizeof head, 1) && !all(fd, (void *)body, length, 1)
        && !all(fd, back, sizeof back, 0)) {
        uint8_t *rest = back[1] ? malloc(back[1]) : NULL;
        if (!all(fd, rest, back[1], 0)) {
            if ((int32_t)back[0] < 0) errno = -(int32_t)back[0];
            else {
                result = back[0];
                if (answer && rest) memcpy(answer, rest, back[1] < room ? back[1] : room);
            }
        }
        free(rest);
    }
    pthread_mutex_unlock(&turns[fd]);
    return result;
}

static int enter(const char *path) {
    struct sockaddr_un place = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    strncpy(place.sun_path, getenv("LATIDO_DOOR"), sizeof place.sun_path - 1);
    if (fd >= FDS || connect(fd, (void *)&place, sizeof place)) { REAL(close)(fd); errno = ENXIO; return -1; }
    if (ask(fd, OPEN, 0, path, strlen(path), NULL, 0) < 0) {
        int why = errno; REAL(close)(fd); errno = why; return -1;
    }
    nodes[fd] = (struct node){.used = 1, .is_spi = strstr(path, "spidev") != NULL,
                              .is_gpio = strstr(path, "gpiochip") != NULL, .bits = 8, .speed = 500000};
    strncpy(nodes[fd].path, path, sizeof nodes[fd].path - 1);
    return fd;
}

#define OPENER(name)                                                       \
    int name(const char *path, int flags, ...) {                           \
        va_list more; va_start(more, flags);                               \
        mode_t mode = va_arg(more, mode_t); va_end(more);                  \
        if (wanted(path)) return enter(path);                              \
        return REAL(name)(path, flags, mode);                              \
    }
OPENER(open)
OPENER(open64)

int openat(int folder, const char *path, int flags, ...) {
    va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more);
    return wanted(path) ? enter(path) : REAL(openat)(folder, path, flags, mode);
}

/* A node exists as a character device does. */
static const char *seen(const char *path) { return path && wanted(path) ? "/dev/null" : path; }

int access(const char *path, int mode) { return REAL(access)(seen(path), mode); }
/* gpiod asks sysfs whether the device that it found is a GPIO chip: /dev/null is 1:3. */
char *realpath(const char *path, char *room) {
    if (path && !strcmp(path, "/sys/dev/char/1:3/subsystem"))
        return room ? strcpy(room, "/sys/bus/gpio") : strdup("/sys/bus/gpio");
    return REAL(realpath)(path, room);
}

int __xstat(int version, const char *path, struct stat *s); /* what older programs call */
int __lxstat(int version, const char *path, struct stat *s);
int __xstat(int version, const char *path, struct stat *s) {
    return REAL(__xstat)(version, seen(path), s);
}
int __lxstat(int version, const char *path, struct stat *s) {
    return REAL(__lxstat)(version, seen(path), s);
}
int lstat(const char *path, struct stat *s) { return REAL(lstat)(seen(path), s); }
int lstat64(const char *path, struct stat64 *s) { return REAL(lstat64)(seen(path), s); }
int stat(const char *path, struct stat *s) { return REAL(stat)(seen(path), s); }
int stat64(const char *path, struct stat64 *s) { return REAL(stat64)(seen(path), s); }
int fstatat(int folder, const char *path, struct stat *s, int flags) {
    return REAL(fstatat)(folder, seen(path), s, flags);
}
int fstatat64(int folder, const char *path, struct stat64 *s, int flags) {
    return REAL(fstatat64)(folder, seen(path), s, flags);
}

/* /dev lists the named nodes, after what is really there. */
static struct { DIR *folder; const char *next; struct dirent64 entry; } listed;

DIR *opendir(const char *path) {
    DIR *folder = REAL(opendir)(path);
    if (folder && (!strcmp(path, "/dev") || !strcmp(path, "/dev/"))) {
        listed.folder = folder;
        listed.next = getenv("LATIDO_DOOR_NODES");
    }
    return folder;
}

static struct dirent64 *next_node(DIR *folder) {
    while (folder == listed.folder && listed.next && *listed.next) {
        const char *name = listed.next, *end = strchrnul(name, ':');
        listed.next = *end ? end + 1 : end;
        if (strncmp(name, "/dev/", 5)) continue;
        listed.entry = (struct dirent64){.d_ino = 1, .d_type = DT_CHR};
        memcpy(listed.entry.d_name, name + 5, end - name - 5);
        return &listed.entry;
    }
    return NULL;
}

struct dirent64 *readdir64(DIR *folder) {
    struct dirent64 *real = REAL(readdir64)(folder);
    return real ? real : next_node(folder);
}
struct dirent *readdir(DIR *folder) { return (struct dirent *)readdir64(folder); }

int close(int fd) {
    if (fd >= 0 && fd < FDS) nodes[fd].used = 0;
    return REAL(close)(fd);
}

static int is_node(int fd) { return fd >= 0 && fd < FDS && nodes[fd].used; }

ssize_t read(int fd, void *buffer, size_t length) {
    if (!is_node(fd)) return REAL(read)(fd, buffer, length);
    uint32_t size = length;
    return ask(fd, READ, nodes[fd].address, &size, sizeof size, buffer, length) < 0 ? -1 : (ssize_t)length;
}

ssize_t write(int fd, const void *buffer, size_t length) {
    if (!is_node(fd)) return REAL(write)(fd, buffer, length);
    return ask(fd, WRITE, nodes[fd].address, buffer, length, NULL, 0) < 0 ? -1 : (ssize_t)length;
}

static int i2c_transfer(int fd, struct i2c_rdwr *set) {
    uint8_t *body = malloc(BODY_MAX), *answer = malloc(BODY_MAX), *at = body;
    for (uint32_t n = 0; n < set->nmsgs; n++) {
        struct i2c_msg *m = &set->msgs[n];
        memcpy(at, &m->addr, 6); at += 6;
        if (!(m->flags & 1)) { memcpy(at, m->buf, m->len); at += m->len; }
    }
    int result = ask(fd, I2C_TRANSFER, set->nmsgs, body, at - body, answer, BODY_MAX);
    at = answer;
    for (uint32_t n = 0; result >= 0 && n < set->nmsgs; n++) {
        struct i2c_msg *m = &set->msgs[n];
        if (m->flags & 1) { memcpy(m->buf, at, m->len); at += m->len; }
    }
    free(body); free(answer);
    return result < 0 ? -1 : (int)set->nmsgs;
}

static int smbus_transfer(int fd, struct smbus *one) {
    uint8_t body[40] = {one->read_write, one->command}, answer[34] = {0};
    memcpy(body + 2, &one->size, 4);
    if (one->data) memcpy(body + 6, one->data, one->size >= 5 ? 34 : 2);
    int result = ask(fd, SMBUS, nodes[fd].address, body, sizeof body, answer, sizeof answer);
    if (result >= 0 && one->read_write && one->data) memcpy(one->data, answer, result);
    return result < 0 ? -1 : 0;
}

static int spi_transfer(int fd, struct spi_transfer *set, int count) {
    uint8_t *body = malloc(BODY_MAX), *answer = malloc(BODY_MAX), *at = body;
    int total = 0;
    for (int n = 0; n < count; n++) {
        uint32_t speed = set[n].speed ? set[n].speed : nodes[fd].speed;
        uint8_t more[4] = {set[n].cs_change, nodes[fd].mode, set[n].delay & 0xFF, set[n].delay >> 8};
        memcpy(at, &set[n].len, 4); memcpy(at + 4, &speed, 4); memcpy(at + 8, more, 4); at += 12;
        if (set[n].tx) memcpy(at, (void *)(uintptr_t)set[n].tx, set[n].len);
        else memset(at, 0, set[n].len);
        at += set[n].len; total += set[n].len;
    }
    int result = ask(fd, SPI_TRANSFER, count, body, at - body, answer, BODY_MAX);
    at = answer;
    for (int n = 0; result >= 0 && n < count; n++) {
        if (set[n].rx) memcpy((void *)(uintptr_t)set[n].rx, at, set[n].len);
        at += set[n].len;
    }
    free(body); free(answer);
    return result < 0 ? -1 : total;
}

static int spi_setting(struct node *node, unsigned number, int writes, void *argument) {
    void *field = number == 1 || number == 5 ? (void *)&node->mode
                : number == 3 ? (void *)&node->bits : number == 4 ? (void *)&node->speed : NULL;
    size_t size = number == 4 ? 4 : 1;
    if (!field) { if (!writes) memset(argument, 0, 1); return 0; }
    if (writes) memcpy(field, argument, size); else memcpy(argument, field, size);
    return 0;
}

/* A requested line is a connection of its own to the same node. */
static int gpio_ioctl(int fd, unsigned number, void *argument, unsigned size) {
    uint8_t answer[1024];
    int to = number == GPIO_GET_LINE ? enter(nodes[fd].path) : fd;
    if (to < 0) return -1;
    if (ask(to, GPIO, number, argument, size, answer, sizeof answer) < 0) {
        int why = errno;
        if (to != fd) close(to);
        errno = why;
        return -1;
    }
    memcpy(argument, answer, size);
    if (to != fd) memcpy((uint8_t *)argument + GPIO_LINE_FD_AT, &to, 4);
    return 0;
}

int ioctl(int fd, unsigned long request, ...) {
    va_list more; va_start(more, request); void *argument = va_arg(more, void *); va_end(more);
    if (!is_node(fd)) return REAL(ioctl)(fd, request, argument);
    struct node *node = &nodes[fd];
    unsigned number = request & 0xFF, size = request >> 16 & 0x3FFF, writes = request >> 30 & 1;
    if (node->is_gpio) return gpio_ioctl(fd, number, argument, size);
    if (node->is_spi) {
        if ((request >> 8 & 0xFF) != 'k') { errno = ENOTTY; return -1; }
        if (number == 0) return spi_transfer(fd, argument, size / sizeof(struct spi_transfer));
        return spi_setting(node, number, writes, argument);
    }
    switch (request) {
    case 0x0703: case 0x0706: node->address = (uintptr_t)argument; return 0;
    case 0x0705: *(unsigned long *)argument = 0x0EFF0009UL; return 0;
    case 0x0707: return i2c_transfer(fd, argument);
    case 0x0720: return smbus_transfer(fd, argument);
    case 0x0701: case 0x0702: case 0x0704: case 0x0708: return 0;
    }
    errno = ENOTTY;
    return -1;
}
