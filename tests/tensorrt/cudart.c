/* A double of CUDA's runtime: its memory is the host's, and its streams do nothing until somebody waits for them.
 *
 * That is the most adverse order that CUDA allows: who reads an output before waiting sees old numbers, and who writes an
 * input before waiting spoils it. Copies are checked against what was allocated; a wrong one aborts. Counters are exported
 * for tests as double_*.
 *
 * Environment: DOUBLE_GPUS (1; 0 is a machine without), DOUBLE_GPU_NAME (Double), DOUBLE_COMPUTE (8.7, one digit each),
 * DOUBLE_MEMORY (bytes of the GPU), DOUBLE_FLAGS_FAIL (1: the flags of the device are refused). */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NO_DEVICE = 100, LAUNCH_FAILED = 719 };
enum { DEVICE, PINNED, KINDS };
enum { MOST_BLOCKS = 256, MOST_STREAMS = 32, MOST_OPS = 16 };

typedef struct { char *at; size_t bytes; int kind; } Block;
typedef int (*Run)(void *);
typedef struct { void *to; const void *from; size_t bytes; Run run; void *argument; } Op;
typedef struct { int open; int count; Op ops[MOST_OPS]; } Stream;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Block blocks[MOST_BLOCKS];
static Stream streams[MOST_STREAMS];
static long live[KINDS], live_bytes[KINDS], allocations, live_streams, most_pending;
static int flags_set, last_error;

static void die(const char *what) {
    fprintf(stderr, "the double of CUDA: %s\n", what);
    abort();
}

static const char *setting(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value ? value : otherwise;
}

/* For the double of TensorRT and for tests. */
long double_live_device(void) { return live[DEVICE]; }
long double_live_pinned(void) { return live[PINNED]; }
long double_live_streams(void) { return live_streams; }
long double_allocations(void) { return allocations; }
long double_most_pending(void) { return most_pending; }

static void within(const void *at, size_t bytes, int kind) {
    const char *begin = at;
    for (int i = 0; i < MOST_BLOCKS; i++) {
        Block *block = &blocks[i];
        if (block->at && block->kind == kind && begin >= block->at && begin + bytes <= block->at + block->bytes) return;
    }
    die(kind == DEVICE ? "not memory of the GPU, or too little of it" : "not pinned memory, or too little of it");
}

void double_check_device(const void *at, size_t bytes) {
    pthread_mutex_lock(&lock);
    within(at, bytes, DEVICE);
    pthread_mutex_unlock(&lock);
}

static void put(Stream *stream, Op op) {
    if (!stream->open) die("a stream that is not there");
    if (stream->count == MOST_OPS) die("a stream that nobody waits for");
    stream->ops[stream->count++] = op;
    long pending = 0;
    for (int i = 0; i < MOST_STREAMS; i++) pending += streams[i].count > 0;
    if (pending > most_pending) most_pending = pending;
}

void double_defer(void *stream, Run run, void *argument) {
    pthread_mutex_lock(&lock);
    put(stream, (Op){.run = run, .argument = argument});
    pthread_mutex_unlock(&lock);
}

int cudaGetDeviceCount(int *count) {
    *count = atoi(setting("DOUBLE_GPUS", "1"));
    return *count > 0 ? SUCCESS : NO_DEVICE;
}

/* As CUDA 12: it makes the context. Without cudaDeviceScheduleBlockingSync (4), a thread that waits for the GPU uses a core. */
int cudaSetDeviceFlags(unsigned flags) {
    if (flags != 4) die("flags of the device that let threads wait without sleeping");
    pthread_mutex_lock(&lock);
    if (flags_set) die("the flags of the device set twice");
    flags_set = 1;
    int status = *setting("DOUBLE_FLAGS_FAIL", "0") == '1' ? INVALID_VALUE : SUCCESS;
    if (status) last_error = status;
    pthread_mutex_unlock(&lock);
    return status;
}

static void context(void) {
    if (!flags_set) die("a context whose threads wait without sleeping: cudaSetDeviceFlags was not called");
    if (last_error) die("an error that CUDA remembers and TensorRT takes for its own: cudaGetLastError was not called");
}

int cudaGetLastError(void) {
    int status = last_error;
    last_error = SUCCESS;
    return status;
}

int cudaSetDevice(int device) {
    context();
    return device == 0 ? SUCCESS : NO_DEVICE;
}

int cudaDeviceGetAttribute(int *value, int which, int device) {
    (void)device;
    switch (which) {
        case 16: *value = 4; return SUCCESS;
        case 75: *value = setting("DOUBLE_COMPUTE", "8.7")[0] - '0'; return SUCCESS;
        case 76: *value = setting("DOUBLE_COMPUTE", "8.7")[2] - '0'; return SUCCESS;
    }
    die("an attribute that nobody should ask for");
    return 1;
}

/* The size of CUDA 12's cudaDeviceProp. */
int cudaGetDeviceProperties(void *properties, int device) {
    (void)device;
    memset(properties, 0xff, 1032);
    snprintf(properties, 256, "%s", setting("DOUBLE_GPU_NAME", "Double"));
    return SUCCESS;
}

static int allocate(void **at, size_t bytes, int kind) {
    context();
    pthread_mutex_lock(&lock);
    size_t limit = strtoull(setting("DOUBLE_MEMORY", "1000000000"), NULL, 10);
    int status = OUT_OF_MEMORY;
    if (kind != DEVICE || live_bytes[DEVICE] + bytes <= limit) {
        for (int i = 0; i < MOST_BLOCKS && status; i++) {
            if (blocks[i].at) continue;
            char *memory = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
            if (!memory) die("no memory");
            memset(memory, 0xff, bytes); /* as numbers: NaN */
            blocks[i] = (Block){memory, bytes, kind};
            live[kind]++;
            live_bytes[kind] += bytes;
            allocations++;
            *at = memory;
            status = SUCCESS;
        }
    }
    pthread_mutex_unlock(&lock);
    return status;
}

static int release(void *at, int kind) {
    pthread_mutex_lock(&lock);
    int found = 0;
    for (int i = 0; i < MOST_BLOCKS && !found; i++) {
        if (blocks[i].at != at || blocks[i].kind != kind) continue;
        for (int s = 0; s < MOST_STREAMS; s++)
            for (int o = 0; o < streams[s].count; o++)
                if (streams[s].ops[o].to == at || streams[s].ops[o].from == at) die("memory freed that a copy waits for");
        live[kind]--;
        live_bytes[kind] -= blocks[i].bytes;
        free(at);
        blocks[i].at = NULL;
        found = 1;
    }
    pthread_mutex_unlock(&lock);
    if (!found) die("memory freed that is not there");
    return SUCCESS;
}

int cudaMalloc(void **at, size_t bytes) { return allocate(at, bytes, DEVICE); }
int cudaFree(void *at) { return release(at, DEVICE); }
int cudaHostAlloc(void **at, size_t bytes, unsigned flags) { return flags ? 1 : allocate(at, bytes, PINNED); }
int cudaFreeHost(void *at) { return release(at, PINNED); }

int cudaMemcpyAsync(void *to, const void *from, size_t bytes, int direction, void *stream) {
    if (direction != 1 && direction != 2) die("a copy neither to the GPU nor from it");
    pthread_mutex_lock(&lock);
    within(to, bytes, direction == 1 ? DEVICE : PINNED);
    within(from, bytes, direction == 1 ? PINNED : DEVICE);
    put(stream, (Op){.to = to, .from = from, .bytes = bytes});
    pthread_mutex_unlock(&lock);
    return SUCCESS;
}

int cudaStreamCreateWithFlags(void **stream, unsigned flags) {
    if (flags != 1) die("a stream that waits for the default stream");
    context();
    pthread_mutex_lock(&lock);
    int status = OUT_OF_MEMORY;
    for (int i = 0; i < MOST_STREAMS && status; i++) {
        if (streams[i].open) continue;
        streams[i] = (Stream){.open = 1};
        *stream = &streams[i];
        live_streams++;
        status = SUCCESS;
    }
    pthread_mutex_unlock(&lock);
    return status;
}

int cudaStreamSynchronize(void *handle) {
    Stream *stream = handle;
    if (!stream->open) die("a stream that is not there");
    int status = SUCCESS;
    for (int i = 0; i < stream->count; i++) {
        Op *op = &stream->ops[i];
        if (op->run) {
            if (op->run(op->argument)) status = LAUNCH_FAILED;
        } else {
            memcpy(op->to, op->from, op->bytes);
        }
    }
    pthread_mutex_lock(&lock);
    stream->count = 0;
    pthread_mutex_unlock(&lock);
    return status;
}

int cudaStreamDestroy(void *handle) {
    Stream *stream = handle;
    pthread_mutex_lock(&lock);
    if (!stream->open) die("a stream destroyed that is not there");
    if (stream->count) die("a stream destroyed that is at work");
    stream->open = 0;
    live_streams--;
    pthread_mutex_unlock(&lock);
    return SUCCESS;
}

const char *cudaGetErrorString(int status) {
    switch (status) {
        case INVALID_VALUE: return "invalid argument";
        case OUT_OF_MEMORY: return "out of memory";
        case NO_DEVICE: return "no CUDA-capable device is detected";
        case LAUNCH_FAILED: return "unspecified launch failure";
    }
    return "unknown error";
}
