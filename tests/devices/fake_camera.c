/* A camera at the boundary between a program and the kernel: the system calls that Video4Linux consists of.

   Preloaded, it answers for the path in FAKE_CAMERA as a USB camera would: MJPG and YUYV, two sizes, 30 and 15
   pictures a second, controls with their ranges. FAKE_JPEG holds its pictures, one file for each number.
   FAKE_BUSY: another program streams from it. FAKE_DIES: it is unplugged after so many pictures.
   FAKE_HANGS: it sends the same picture from that one on. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define BUFFERS 8
#define ROOM (1 << 21)

static int is_ours[1024];
static struct v4l2_pix_format format = {.width = 640, .height = 480, .pixelformat = V4L2_PIX_FMT_YUYV};
static unsigned char *memory[BUFFERS];
static int queued[BUFFERS], count, sequence, rate = 30;
static struct timespec begun;

static struct {
    __u32 id, type;
    const char *name;
    int low, high, step, value;
} controls[] = {
    {V4L2_CID_BRIGHTNESS, V4L2_CTRL_TYPE_INTEGER, "Brightness", -64, 64, 1, 0},
    {V4L2_CID_AUTO_WHITE_BALANCE, V4L2_CTRL_TYPE_BOOLEAN, "White Balance, Automatic", 0, 1, 1, 1},
    {V4L2_CID_WHITE_BALANCE_TEMPERATURE, V4L2_CTRL_TYPE_INTEGER, "White Balance", 2800, 6500, 100, 4600},
    {V4L2_CID_EXPOSURE_AUTO, V4L2_CTRL_TYPE_MENU, "Auto Exposure", 0, 3, 1, 3},
    {V4L2_CID_EXPOSURE_ABSOLUTE, V4L2_CTRL_TYPE_INTEGER, "Exposure Time, Absolute", 3, 2047, 1, 250},
};

static int mine(int fd) { return fd >= 0 && fd < 1024 && is_ours[fd]; }

static int fails(int error) { errno = error; return -1; }

static int open_it(const char *path, int (*real)(const char *, int, ...), int flags, int mode) {
    const char *fake = getenv("FAKE_CAMERA");
    if (!fake || !path || strcmp(path, fake)) return real(path, flags, mode);
    int ends[2]; /* one end can always be read: select() never waits */
    if (pipe(ends) || write(ends[1], "x", 1) != 1) return -1;
    is_ours[ends[0]] = 1;
    return ends[0];
}

#define OPEN(name)                                                          \
    int name(const char *path, int flags, ...) {                            \
        va_list more; va_start(more, flags);                                \
        int mode = va_arg(more, int); va_end(more);                         \
        return open_it(path, dlsym(RTLD_NEXT, #name), flags, mode);         \
    }
OPEN(open)
OPEN(open64)

int close(int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, "close");
    if (mine(fd)) is_ours[fd] = 0;
    return real(fd);
}

static void *map_it(void *(*real)(void *, size_t, int, int, int, off_t), void *at, size_t size, int protect,
                    int flags, int fd, off_t offset) {
    if (!mine(fd)) return real(at, size, protect, flags, fd, offset);
    return memory[offset / ROOM];
}
void *mmap(void *at, size_t size, int protect, int flags, int fd, off_t offset) {
    return map_it(dlsym(RTLD_NEXT, "mmap"), at, size, protect, flags, fd, offset);
}
void *mmap64(void *at, size_t size, int protect, int flags, int fd, off_t offset) {
    return map_it(dlsym(RTLD_NEXT, "mmap64"), at, size, protect, flags, fd, offset);
}
int munmap(void *at, size_t size) {
    int (*real)(void *, size_t) = dlsym(RTLD_NEXT, "munmap");
    for (int n = 0; n < BUFFERS; n++)
        if (memory[n] && at == memory[n]) return 0;
    return real(at, size);
}

static int number_of(const char *name) { return getenv(name) ? atoi(getenv(name)) : -1; }

static int next_picture(struct v4l2_buffer *buffer) {
    int which = sequence, dies = number_of("FAKE_DIES"), hangs = number_of("FAKE_HANGS");
    if (dies >= 0 && sequence >= dies) return fails(ENODEV);
    if (hangs >= 0 && which > hangs) which = hangs;
    for (buffer->index = 0; !queued[buffer->index]; buffer->index++)
        if (buffer->index == BUFFERS - 1) return fails(EAGAIN);
    struct timespec due = begun;
    long nanoseconds = due.tv_nsec + sequence % rate * (1000000000L / rate);
    due.tv_sec += sequence / rate + nanoseconds / 1000000000L;
    due.tv_nsec = nanoseconds % 1000000000L;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
    buffer->bytesused = format.width * format.height * 2;
    if (format.pixelformat == V4L2_PIX_FMT_MJPEG) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%d.jpg", getenv("FAKE_JPEG"), which % 100);
        FILE *file = fopen(path, "rb");
        if (!file) return fails(EIO);
        buffer->bytesused = fread(memory[buffer->index], 1, ROOM, file);
        fclose(file);
    } else {
        memset(memory[buffer->index], 40 + which % 150, buffer->bytesused);
    }
    buffer->timestamp.tv_sec = due.tv_sec;
    buffer->timestamp.tv_usec = due.tv_nsec / 1000;
    buffer->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    buffer->sequence = sequence++;
    buffer->length = ROOM;
    queued[buffer->index] = 0;
    return 0;
}

static int answer(unsigned long request, void *about) {
    static const __u32 formats[] = {V4L2_PIX_FMT_MJPEG, V4L2_PIX_FMT_YUYV}, sizes[][2] = {{640, 480}, {1280, 720}};
    switch (request) {
    case VIDIOC_QUERYCAP: {
        struct v4l2_capability *it = about;
        memset(it, 0, sizeof *it);
        strcpy((char *)it->driver, "uvcvideo");
        strcpy((char *)it->card, "Fake Camera");
        it->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        it->capabilities = it->device_caps | V4L2_CAP_DEVICE_CAPS;
        return 0;
    }
    case VIDIOC_ENUM_FMT: {
        struct v4l2_fmtdesc *it = about;
        if (it->index > 1) return fails(EINVAL);
        it->pixelformat = formats[it->index];
        return 0;
    }
    case VIDIOC_ENUM_FRAMESIZES: {
        struct v4l2_frmsizeenum *it = about;
        if (it->index > 1) return fails(EINVAL);
        it->type = V4L2_FRMSIZE_TYPE_DISCRETE;
        it->discrete.width = sizes[it->index][0];
        it->discrete.height = sizes[it->index][1];
        return 0;
    }
    case VIDIOC_ENUM_FRAMEINTERVALS: {
        struct v4l2_frmivalenum *it = about;
        if (it->index > 1 || (it->index && it->width > 640)) return fails(EINVAL);
        it->type = V4L2_FRMIVAL_TYPE_DISCRETE;
        it->discrete.numerator = 1;
        it->discrete.denominator = it->index ? 15 : 30;
        return 0;
    }
    case VIDIOC_QUERYCTRL: {
        struct v4l2_queryctrl *it = about;
        for (unsigned n = 0; n < sizeof controls / sizeof *controls; n++)
            if (controls[n].id == it->id) {
                it->type = controls[n].type;
                snprintf((char *)it->name, sizeof it->name, "%s", controls[n].name);
                it->minimum = controls[n].low, it->maximum = controls[n].high, it->step = controls[n].step;
                it->default_value = controls[n].value, it->flags = 0;
                return 0;
            }
        return fails(EINVAL);
    }
    case VIDIOC_G_CTRL:
    case VIDIOC_S_CTRL: {
        struct v4l2_control *it = about;
        for (unsigned n = 0; n < sizeof controls / sizeof *controls; n++)
            if (controls[n].id == it->id) {
                if (request == VIDIOC_S_CTRL) {
                    if (it->id == V4L2_CID_EXPOSURE_AUTO && it->value != 1 && it->value != 3) return fails(EINVAL);
                    int steps = (it->value - controls[n].low) / controls[n].step;
                    controls[n].value = controls[n].low + steps * controls[n].step;
                }
                it->value = controls[n].value;
                return 0;
            }
        return fails(EINVAL);
    }
    case VIDIOC_ENUMINPUT: {
        struct v4l2_input *it = about;
        if (it->index) return fails(EINVAL);
        it->type = V4L2_INPUT_TYPE_CAMERA;
        return 0;
    }
    case VIDIOC_G_INPUT:
    case VIDIOC_S_INPUT:
        *(int *)about = 0;
        return 0;
    case VIDIOC_G_FMT:
    case VIDIOC_TRY_FMT:
    case VIDIOC_S_FMT: {
        struct v4l2_format *it = about;
        struct v4l2_pix_format *asked = &it->fmt.pix, got = format;
        if (request == VIDIOC_S_FMT && getenv("FAKE_BUSY")) return fails(EBUSY);
        if (request != VIDIOC_G_FMT) {
            int big = asked->width > 640;
            got.width = sizes[big][0], got.height = sizes[big][1];
            got.pixelformat = asked->pixelformat == V4L2_PIX_FMT_MJPEG ? V4L2_PIX_FMT_MJPEG : V4L2_PIX_FMT_YUYV;
        }
        got.field = V4L2_FIELD_NONE;
        got.bytesperline = got.pixelformat == V4L2_PIX_FMT_MJPEG ? 0 : got.width * 2;
        got.sizeimage = ROOM;
        if (request == VIDIOC_S_FMT) format = got;
        *asked = got;
        return 0;
    }
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM: {
        struct v4l2_captureparm *it = &((struct v4l2_streamparm *)about)->parm.capture;
        if (request == VIDIOC_S_PARM && it->timeperframe.numerator)
            rate = it->timeperframe.denominator / it->timeperframe.numerator < 23 ? 15 : 30;
        it->capability = V4L2_CAP_TIMEPERFRAME;
        it->timeperframe.numerator = 1, it->timeperframe.denominator = rate;
        return 0;
    }
    case VIDIOC_REQBUFS: {
        struct v4l2_requestbuffers *it = about;
        if (getenv("FAKE_BUSY")) return fails(EBUSY);
        if (it->count > BUFFERS) it->count = BUFFERS;
        for (unsigned n = 0; n < it->count; n++)
            if (!memory[n]) memory[n] = malloc(ROOM);
        count = it->count;
        return 0;
    }
    case VIDIOC_QUERYBUF: {
        struct v4l2_buffer *it = about;
        if (it->index >= (unsigned)count) return fails(EINVAL);
        it->length = ROOM, it->m.offset = it->index * ROOM;
        return 0;
    }
    case VIDIOC_QBUF:
        queued[((struct v4l2_buffer *)about)->index] = 1;
        return 0;
    case VIDIOC_DQBUF:
        return next_picture(about);
    case VIDIOC_STREAMON:
        clock_gettime(CLOCK_MONOTONIC, &begun);
        sequence = 0;
        return 0;
    case VIDIOC_STREAMOFF:
        memset(queued, 0, sizeof queued);
        return 0;
    }
    return fails(ENOTTY);
}

int ioctl(int fd, unsigned long request, ...) {
    va_list more; va_start(more, request);
    void *about = va_arg(more, void *); va_end(more);
    int (*real)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
    return mine(fd) ? answer(request & 0xffffffff, about) : real(fd, request, about);
}
