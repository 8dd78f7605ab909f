/* A double of TensorRT's libnvinfer: the same exports and virtual tables, by -DMAJOR=8, 9, 10, 11 or 12 (-DVERSION=… for
 * another number). With -DRTX it is TensorRT for RTX: -DMAJOR=10 -DVERSION=10400, or -DMAJOR=11 -DVERSION=10700. Every
 * slot that the program has no business with aborts.
 *
 * Its engines are text: `double-engine`, then lines
 *     version NUMBER          compute 8.7          dla CORE          batch LEAST MOST
 *     tensor in|out NAME TYPE RANK DIM…            set INDEX CONSTANT SLOPE          end
 * Outputs are CONSTANT + SLOPE x mean of the picture, number by number; INDEX goes on from one output to the next, and what
 * is not set is zero. -1 is the batch.
 *
 * Environment: DOUBLE_BOGUS (no runtime but a small number), DOUBLE_RENDEZVOUS (an inference waits for another one at the
 * same time), DOUBLE_NO_KERNELS and DOUBLE_FORGETS_KERNELS (RTX makes no cache of kernels, or takes none), DOUBLE_DLA_CORES (0), DOUBLE_COMPUTE (8.7, of the GPU), DOUBLE_REFUSE (enqueueV3 refuses), DOUBLE_FAULT (an inference fails on the GPU).
 *
 * With -DBUILDER (10 and 11) it builds engines, and is its ONNX parser too, under another name: the engine is the file
 * TEST_SITE/trtexec.engine, and what was asked for is a line of TEST_SITE/builder.calls. DOUBLE_OPEN_INPUT leaves the
 * network's batch, height and width open. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifndef VERSION
#define VERSION (MAJOR == 9 ? 9300 : MAJOR < 10 ? MAJOR * 1000 + 502 : MAJOR * 10000 + 300)
#endif
#if MAJOR < 10
typedef int32_t Side;
#else
typedef int64_t Side;
#endif
#define STRING(x) #x
#define TEXT(x) STRING(x)

enum { F32, F16 };
enum { MOST_TENSORS = 4, SLOTS = 64 };

typedef struct { int32_t count; Side sizes[8]; } Dims;
/* What the program holds: { table, implementation }. */
typedef struct { void **table; void *implementation; } Public;
typedef struct { char name[64]; int input; int type; Dims dims; } Tensor;
typedef struct { void **table; void *logger; int dla; long children; Public *self; } Runtime;
typedef struct {
    void **table; Runtime *runtime; Tensor tensors[MOST_TENSORS]; int count; int least, most; int dla;
    size_t numbers; float *constant, *slope; long children; Public *self;
} Engine;
typedef struct {
    void **table; Engine *engine; void *addresses[MOST_TENSORS]; int batch; int has_profile; int in_flight; Public *self;
    long *settings;
} Context;

/* Of the double of CUDA. */
void double_defer(void *stream, int (*run)(void *), void *argument);
void double_check_device(const void *at, size_t bytes);

static void die(const char *what) {
    fprintf(stderr, "the double of TensorRT " TEXT(MAJOR) ": %s\n", what);
    abort();
}

int getInferLibVersion(void) { return VERSION; }

#if MAJOR > 11
void *createInferRuntime_INTERNAL(void *logger, int version) {
    (void)logger, (void)version;
    die("a version that is not served was asked for a runtime");
    return NULL;
}
#else

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t met = PTHREAD_COND_INITIALIZER;
static long objects, runs, pictures, running, most_running, compiled;

long double_objects(void) { return objects; }
long double_runs(void) { return runs; }
long double_pictures(void) { return pictures; }
long double_most_running(void) { return most_running; }
long double_compiled(void) { return compiled; }

#if MAJOR < 10
enum { DESERIALIZE = 2, SET_DLA = 3, DLA_CORES = 5, CREATE_CONTEXT = 11, SHAPE = 34, TYPE = 35, MODE = 38, PROFILE = 44,
       TENSORS = 45, NAME = 46, SET_SHAPE = 29, SET_ADDRESS = 32, ENQUEUE = 44 };
#elif MAJOR == 10 && defined RTX
enum { DESERIALIZE = 3, SET_DLA = 5, DLA_CORES = 7, CREATE_CONTEXT = 5, SHAPE = 17, TYPE = 18, MODE = 21, PROFILE = 27,
       TENSORS = 28, NAME = 29, SET_SHAPE = 21, SET_ADDRESS = 24, ENQUEUE = 37 };
#elif MAJOR == 10
enum { DESERIALIZE = 3, SET_DLA = 5, DLA_CORES = 7, CREATE_CONTEXT = 5, SHAPE = 19, TYPE = 20, MODE = 23, PROFILE = 29,
       TENSORS = 30, NAME = 31, SET_SHAPE = 21, SET_ADDRESS = 24, ENQUEUE = 37 };
#else
enum { DESERIALIZE = 3, SET_DLA = 4, DLA_CORES = 6, CREATE_CONTEXT = 5, SHAPE = 15, TYPE = 16, MODE = 19, PROFILE = 25,
       TENSORS = 26, NAME = 27, SET_SHAPE = 20, SET_ADDRESS = 23, ENQUEUE = 36 };
#endif
/* Of an ILogger: the table of a versioned interface has log last. */
enum { LOG = MAJOR < 11 ? 0 : 4 };

static void unused(void) { die("a slot was called that the program has no business with"); }
static void wrong_destructor(void *object) { (void)object; die("the destructor was called that does not free"); }

static Public *publish(void *implementation, void (*destroy)(Public *)) {
    void **table = calloc(2, sizeof *table);
    table[0] = (void *)wrong_destructor;
    table[1] = (void *)destroy;
    Public *object = malloc(sizeof *object);
    *object = (Public){table, implementation};
    pthread_mutex_lock(&lock);
    objects++;
    pthread_mutex_unlock(&lock);
    return object;
}

static void unpublish(Public *object) {
    free(object->table);
    free(object);
    pthread_mutex_lock(&lock);
    objects--;
    pthread_mutex_unlock(&lock);
}

static void **slots(void) {
    void **table = calloc(SLOTS, sizeof *table);
    for (int i = 0; i < SLOTS; i++) table[i] = (void *)unused;
    return table;
}

static void say(void *logger, int severity, const char *text) {
    void (*log)(void *, int, const char *) = (void (*)(void *, int, const char *))(*(void ***)logger)[LOG];
    log(logger, severity, text);
}

/* As TensorRT 11 asks a logger who it is. */
typedef struct { const char *kind; int32_t major, minor; } InterfaceInfo;
static void check_logger(void *logger) {
#if MAJOR == 11
    int (*language)(void *) = (int (*)(void *))(*(void ***)logger)[0];
    InterfaceInfo (*interface)(void *) = (InterfaceInfo (*)(void *))(*(void ***)logger)[1];
    if (language(logger) != 0) die("a logger of another language than C++");
    InterfaceInfo info = interface(logger);
    if (strcmp(info.kind, "ILogger") || info.major != 1 || info.minor != 0) die("an object that is no logger");
#else
    (void)logger;
#endif
}

static void *refuse(void *logger, const char *text) {
    say(logger, 1, text);
    return NULL;
}

/* Contexts. */

static size_t size_of(const Tensor *tensor) {
    size_t numbers = 1;
    for (int i = 0; i < tensor->dims.count; i++) numbers *= tensor->dims.sizes[i] < 0 ? 1 : tensor->dims.sizes[i];
    return numbers;
}

static size_t per_picture(const Tensor *tensor) {
    Side batch = tensor->dims.sizes[0];
    return size_of(tensor) / (batch < 0 ? 1 : batch);
}

static int find(Engine *engine, const char *name) {
    for (int i = 0; i < engine->count; i++)
        if (!strcmp(engine->tensors[i].name, name)) return i;
    die("a tensor that is not there");
    return -1;
}

static int infer(void *argument) {
    Context *context = argument;
    Engine *engine = context->engine;
    pthread_mutex_lock(&lock);
    runs++;
    pictures += context->batch;
    if (++running > most_running) most_running = running;
    pthread_cond_broadcast(&met);
    if (getenv("DOUBLE_RENDEZVOUS")) {
        struct timespec limit;
        clock_gettime(CLOCK_REALTIME, &limit);
        limit.tv_sec += 20;
        while (most_running < 2 && !pthread_cond_timedwait(&met, &lock, &limit)) {}
    }
    pthread_mutex_unlock(&lock);
    const Tensor *input = &engine->tensors[0];
    size_t fed = size_of(input) / (input->dims.sizes[0] > 0 ? input->dims.sizes[0] : 1);
    size_t first = 0;
    for (int t = 1; t < engine->count; t++) {
        const Tensor *output = &engine->tensors[t];
        size_t numbers = per_picture(output);
        for (int picture = 0; picture < context->batch; picture++) {
            double sum = 0;
            for (size_t i = 0; i < fed; i++) {
                size_t at = picture * fed + i;
                sum += input->type == F32 ? ((float *)context->addresses[0])[at]
                                          : (float)((_Float16 *)context->addresses[0])[at];
            }
            float mean = (float)(sum / fed);
            for (size_t i = 0; i < numbers; i++) {
                float value = engine->constant[first + i] + engine->slope[first + i] * mean;
                size_t at = picture * numbers + i;
                if (output->type == F32) ((float *)context->addresses[t])[at] = value;
                else ((_Float16 *)context->addresses[t])[at] = (_Float16)value;
            }
        }
        first += numbers;
    }
    pthread_mutex_lock(&lock);
    running--;
    context->in_flight = 0;
    pthread_mutex_unlock(&lock);
    return getenv("DOUBLE_FAULT") ? 1 : 0;
}

static _Bool set_shape(Context *context, const char *name, const Dims *dims) {
    Engine *engine = context->engine;
    void *logger = engine->runtime->logger;
    Tensor *tensor = &engine->tensors[find(engine, name)];
    if (!tensor->input) die("the shape of an output was set");
    if (!context->has_profile) {
        refuse(logger, "3: another context has the only optimization profile");
        return 0;
    }
    int fits = dims->count == tensor->dims.count;
    for (int i = 1; fits && i < dims->count; i++) fits = dims->sizes[i] == tensor->dims.sizes[i];
    if (!fits || dims->sizes[0] < engine->least || dims->sizes[0] > engine->most) {
        refuse(logger, "3: setInputShape: the dimensions are not in the range of the profile");
        return 0;
    }
    context->batch = dims->sizes[0];
    return 1;
}

static _Bool set_address(Context *context, const char *name, void *address) {
    Engine *engine = context->engine;
    int at = find(engine, name);
    const Tensor *tensor = &engine->tensors[at];
    int batch = tensor->dims.sizes[0] < 0 ? 1 : tensor->dims.sizes[0];
    double_check_device(address, size_of(tensor) * (tensor->type == F32 ? 4 : 2) / batch);
    context->addresses[at] = address;
    return 1;
}

static _Bool enqueue(Context *context, void *stream) {
    Engine *engine = context->engine;
    if (getenv("DOUBLE_REFUSE")) {
        refuse(engine->runtime->logger, "3: enqueueV3: the double refuses");
        return 0;
    }
    if (!context->batch) die("an inference whose input has no shape");
    for (int i = 0; i < engine->count; i++) {
        const Tensor *tensor = &engine->tensors[i];
        size_t times = tensor->dims.sizes[0] < 0 ? context->batch : 1;
        if (!context->addresses[i]) die("an inference whose tensor has no address");
        double_check_device(context->addresses[i], times * size_of(tensor) * (tensor->type == F32 ? 4 : 2));
    }
    pthread_mutex_lock(&lock);
    if (context->in_flight) die("a context that is at work was given more");
    context->in_flight = 1;
    pthread_mutex_unlock(&lock);
    double_defer(stream, infer, context);
    return 1;
}

static void destroy_context(Public *object) {
    Context *context = object->implementation;
    if (context->in_flight) die("a context was destroyed that is at work");
    context->engine->children--;
    if (context->settings) --*context->settings;
    free(context->table);
    free(context);
    unpublish(object);
}

/* Engines. */

/* As TensorRT for RTX 1.4, where another method stands in this place. */
static int32_t tensors(Engine *engine) { return getenv("DOUBLE_OTHER_TABLE") ? 0 : engine->count; }
static const char *tensor_name(Engine *engine, int32_t index) {
    if (index < 0 || index >= engine->count) die("a tensor beyond the last");
    return engine->tensors[index].name;
}
static Dims shape(Engine *engine, const char *name) { return engine->tensors[find(engine, name)].dims; }
static int32_t type(Engine *engine, const char *name) { return engine->tensors[find(engine, name)].type; }
static int32_t mode(Engine *engine, const char *name) { return engine->tensors[find(engine, name)].input ? 1 : 2; }
static Dims profile(Engine *engine, const char *name, int32_t index, int32_t selector) {
    Dims dims = shape(engine, name);
    if (index != 0) die("a profile beyond the first");
    dims.sizes[0] = selector == 0 ? engine->least : engine->most;
    return dims;
}

static Public *new_context(Engine *engine) {
    Context *context = calloc(1, sizeof *context);
    context->table = slots();
    context->table[SET_SHAPE] = (void *)set_shape;
    context->table[SET_ADDRESS] = (void *)set_address;
    context->table[ENQUEUE] = (void *)enqueue;
    context->engine = engine;
    Side batch = engine->tensors[0].dims.sizes[0];
    context->batch = batch < 0 ? 0 : (int)batch;
    /* From 10 on, contexts share a profile; before, the first one had it alone. */
    context->has_profile = MAJOR >= 10 || engine->children == 0;
    engine->children++;
    return context->self = publish(context, destroy_context);
}

#ifdef RTX
/* The kernels that it compiles for the first context of an engine, and how contexts are made with those of an earlier start. */
typedef struct { void **table; Engine *engine; int compiled; long users; } Kernels;
typedef struct { void **table; Engine *engine; Kernels *kernels; long contexts; } Settings;
typedef struct { void **table; char text[64]; } Blob;

static void *blob_data(Blob *blob) { return blob->text; }
static size_t blob_size(Blob *blob) { return strlen(blob->text); }
static void destroy_blob(Public *object) {
    Blob *blob = object->implementation;
    free(blob->table);
    free(blob);
    unpublish(object);
}

static Public *serialize_kernels(Kernels *kernels) {
    Blob *blob = calloc(1, sizeof *blob);
    snprintf(blob->text, sizeof blob->text, "compiled %d by %d", kernels->compiled, VERSION);
    blob->table = slots();
    blob->table[2] = (void *)blob_data;
    blob->table[3] = (void *)blob_size;
    return publish(blob, destroy_blob);
}
static _Bool deserialize_kernels(Kernels *kernels, const char *bytes, size_t size) {
    char wanted[64];
    snprintf(wanted, sizeof wanted, "compiled 1 by %d", VERSION);
    if (size != strlen(wanted) || memcmp(bytes, wanted, size)) die("kernels that are not its own");
    kernels->compiled = !getenv("DOUBLE_FORGETS_KERNELS");
    return kernels->compiled;
}
static void destroy_kernels(Public *object) {
    Kernels *kernels = object->implementation;
    if (kernels->users) die("kernels were destroyed before what uses them");
    kernels->engine->children--;
    free(kernels->table);
    free(kernels);
    unpublish(object);
}
static Public *create_kernels(Settings *settings) {
    if (getenv("DOUBLE_NO_KERNELS")) return refuse(settings->engine->runtime->logger, "2: the double keeps no kernels");
    Kernels *kernels = calloc(1, sizeof *kernels);
    kernels->table = slots();
    kernels->table[2] = (void *)serialize_kernels;
    kernels->table[3] = (void *)deserialize_kernels;
    kernels->engine = settings->engine;
    settings->engine->children++;
    return publish(kernels, destroy_kernels);
}
static _Bool set_kernels(Settings *settings, Public *kernels) {
    settings->kernels = kernels->implementation;
    settings->kernels->users++;
    return 1;
}
static void destroy_settings(Public *object) {
    Settings *settings = object->implementation;
    if (settings->contexts) die("settings were destroyed before their context");
    if (settings->kernels) settings->kernels->users--;
    settings->engine->children--;
    free(settings->table);
    free(settings);
    unpublish(object);
}
static Public *create_settings(Engine *engine) {
    Settings *settings = calloc(1, sizeof *settings);
    settings->table = slots();
    settings->table[5] = (void *)create_kernels;
    settings->table[6] = (void *)set_kernels;
    settings->engine = engine;
    engine->children++;
    return publish(settings, destroy_settings);
}

static Public *create_context(Engine *engine, Public *object) {
    Settings *settings = object->implementation;
    if (settings->contexts++) die("settings of two contexts");
    if (!settings->kernels) die("a context with settings but without kernels");
    if (!settings->kernels->compiled) compiled++;
    settings->kernels->compiled = 1;
    Public *context = new_context(engine);
    ((Context *)context->implementation)->settings = &settings->contexts;
    return context;
}
static Public *create_plain_context(Engine *engine, int32_t strategy) {
    if (strategy != 0) die("another strategy of allocation than the usual one");
    compiled++;
    return new_context(engine);
}
#elif MAJOR < 10
static Public *create_context(Engine *engine) { return new_context(engine); }
#else
static Public *create_context(Engine *engine, int32_t strategy) {
    if (strategy != 0) die("another strategy of allocation than the usual one");
    return new_context(engine);
}
#endif

static void destroy_engine(Public *object) {
    Engine *engine = object->implementation;
    if (engine->children) die("an engine was destroyed before its contexts");
    engine->runtime->children--;
    free(engine->constant);
    free(engine->slope);
    free(engine->table);
    free(engine);
    unpublish(object);
}

static void parse_tensor(Engine *engine, const char *rest) {
    if (engine->count == MOST_TENSORS) die("an engine of too many tensors");
    Tensor *tensor = &engine->tensors[engine->count++];
    char way[8];
    int used = 0;
    if (sscanf(rest, "%7s %63s %d %d%n", way, tensor->name, &tensor->type, &tensor->dims.count, &used) != 4)
        die("an engine with a tensor that can't be read");
    tensor->input = !strcmp(way, "in");
    for (int i = 0; i < tensor->dims.count; i++) {
        long side;
        int more = 0;
        sscanf(rest + used, "%ld%n", &side, &more);
        tensor->dims.sizes[i] = side;
        used += more;
    }
    if (!tensor->input) {
        size_t before = engine->numbers;
        engine->numbers += per_picture(tensor);
        engine->constant = realloc(engine->constant, engine->numbers * sizeof(float));
        engine->slope = realloc(engine->slope, engine->numbers * sizeof(float));
        memset(engine->constant + before, 0, (engine->numbers - before) * sizeof(float));
        memset(engine->slope + before, 0, (engine->numbers - before) * sizeof(float));
    }
}

static const char *parse(Engine *engine, char *text) {
    static _Thread_local char words[200];
    const char *compute = getenv("DOUBLE_COMPUTE") ? getenv("DOUBLE_COMPUTE") : "8.7";
    int ended = 0;
    char *state, *line = strtok_r(text, "\n", &state);
    if (!line || strcmp(line, "double-engine")) return "1: Serialization assertion plan->header.magicTag == kPLAN_MAGIC_TAG failed.";
    while ((line = strtok_r(NULL, "\n", &state))) {
        int number, least, most;
        float constant, slope;
        char name[16];
        if (sscanf(line, "version %d", &number) == 1 && number != VERSION) {
            snprintf(words, sizeof words, "6: The engine plan file is not compatible with this version of TensorRT, "
                     "expecting library version %d got %d, please rebuild.", VERSION, number);
            return words;
        } else if (sscanf(line, "compute %15s", name) == 1 && strcmp(name, compute)) {
            snprintf(words, sizeof words, "6: The engine plan file is generated on an incompatible device, expecting "
                     "compute %s got compute %s, please rebuild.", compute, name);
            return words;
        } else if (sscanf(line, "batch %d %d", &least, &most) == 2) {
            engine->least = least;
            engine->most = most;
        } else if (sscanf(line, "dla %d", &number) == 1) {
            engine->dla = number;
        } else if (!strncmp(line, "tensor ", 7)) {
            parse_tensor(engine, line + 7);
        } else if (sscanf(line, "set %d %f %f", &number, &constant, &slope) == 3) {
            if ((size_t)number >= engine->numbers) die("an engine that sets what it has not");
            engine->constant[number] = constant;
            engine->slope[number] = slope;
        } else if (!strcmp(line, "end")) {
            ended = 1;
        }
    }
    return ended ? NULL : "1: Serialization assertion sizeRead == size failed.";
}

#if MAJOR < 10
static Public *deserialize(Runtime *runtime, const void *blob, size_t size, void *plugins) {
    if (plugins) die("a plugin factory");
#else
static Public *deserialize(Runtime *runtime, const void *blob, size_t size) {
#endif
    char *text = calloc(1, size + 1);
    memcpy(text, blob, size);
    Engine *engine = calloc(1, sizeof *engine);
    engine->least = engine->most = 1;
    engine->dla = -1;
    const char *wrong = parse(engine, text);
    free(text);
    if (!wrong && engine->dla >= 0 && engine->dla != runtime->dla) wrong = "3: the engine is for another DLA core";
    if (wrong) {
        free(engine->constant);
        free(engine->slope);
        free(engine);
        return refuse(runtime->logger, wrong);
    }
    say(runtime->logger, 3, "Loaded engine size: some");
    engine->runtime = runtime;
    engine->table = slots();
#ifdef RTX
    engine->table[CREATE_CONTEXT] = (void *)create_plain_context;
    engine->table[MAJOR == 10 ? 53 : 47] = (void *)create_context;
    engine->table[MAJOR == 10 ? 54 : 48] = (void *)create_settings;
#else
    engine->table[CREATE_CONTEXT] = (void *)create_context;
#endif
    engine->table[SHAPE] = (void *)shape;
    engine->table[TYPE] = (void *)type;
    engine->table[MODE] = (void *)mode;
    engine->table[PROFILE] = (void *)profile;
    engine->table[TENSORS] = (void *)tensors;
    engine->table[NAME] = (void *)tensor_name;
    runtime->children++;
    return engine->self = publish(engine, destroy_engine);
}

/* Runtimes. */

static void destroy_runtime(Public *object) {
    Runtime *runtime = object->implementation;
    if (runtime->children) die("a runtime was destroyed before its engines");
    free(runtime->table);
    free(runtime);
    unpublish(object);
}

static int32_t dla_cores(Runtime *runtime) {
    (void)runtime;
    const char *cores = getenv("DOUBLE_DLA_CORES");
    return cores ? atoi(cores) : 0;
}

static void set_dla(Runtime *runtime, int32_t core) { runtime->dla = core; }

void *createInferRuntime_INTERNAL(void *logger, int version) {
    const char *gpus = getenv("DOUBLE_GPUS");
    check_logger(logger);
    if (version != VERSION) return refuse(logger, "6: the header's version is not the library's");
    if (getenv("DOUBLE_BOGUS") || (gpus && !atoi(gpus))) return (void *)0x228;
    Runtime *runtime = calloc(1, sizeof *runtime);
    runtime->logger = logger;
    runtime->table = slots();
    runtime->table[DESERIALIZE] = (void *)deserialize;
    runtime->table[SET_DLA] = (void *)set_dla;
    runtime->table[DLA_CORES] = (void *)dla_cores;
    say(logger, 2, "the double warns: it is none");
    return runtime->self = publish(runtime, destroy_runtime);
}

#ifdef ONLY_BUILDER
void *createInferBuilder_INTERNAL(void *logger, int version) {
    (void)logger, (void)version;
    die("a version that is built by trtexec was asked for a builder");
    return NULL;
}
#endif

#ifdef BUILDER
/* Builders, and what they make. They belong to a process that ends with the build: nothing is given back. */

#if MAJOR == 10
enum { CREATE_CONFIG = 7, CREATE_NETWORK = 8, CREATE_PROFILE = 9, BUILD = 14, SET_FLAG = 11, ADD_PROFILE = 25,
       SET_MEMORY = 43, PARSER_ERRORS = 5, PARSER_ERROR = 6 };
#else
enum { CREATE_CONFIG = 5, CREATE_NETWORK = 6, CREATE_PROFILE = 7, BUILD = 11, SET_FLAG = 9, ADD_PROFILE = 23,
       SET_MEMORY = 32, PARSER_ERRORS = 3, PARSER_ERROR = 4 };
#endif
enum { INPUTS = 14, INPUT = 15, INPUT_NAME = 3, INPUT_DIMS = 5, SET_DIMS = 2, DATA = 2, SIZE = 3 };

typedef struct { void **table; void *logger; } Builder;
typedef struct { void **table; int fp16, int8; size_t workspace; struct Profile *profile; } Config;
typedef struct { void **table; int parsed; Public *input; } Network;
typedef struct { void **table; } Input;
typedef struct Profile { void **table; Dims dims[3]; } Profile;
typedef struct { void **table; char *data; size_t size; } Memory;
/* A parser and its error have their methods in their own tables. */
typedef struct { void **table; Network *network; char error[400]; } Parser;
typedef struct { void **table; const char *text; } ParserError;

static void keep(Public *object) { (void)object; die("an object of a builder was destroyed"); }

static const char *input_name(Input *input) { (void)input; return "images"; }
static Dims input_dims(Input *input) {
    (void)input;
    int open = getenv("DOUBLE_OPEN_INPUT") != NULL;
    return (Dims){4, {open ? -1 : 1, 3, open ? -1 : 64, open ? -1 : 96}};
}
static int32_t inputs(Network *network) { (void)network; return 1; }
static Public *input(Network *network, int32_t index) {
    if (index != 0) die("an input beyond the last");
    return network->input;
}
static Public *create_network(Builder *builder, uint32_t flags) {
    (void)builder;
    if (flags) die("a network with unusual flags");
    Network *network = calloc(1, sizeof *network);
    network->table = slots();
    network->table[INPUTS] = (void *)inputs;
    network->table[INPUT] = (void *)input;
    Input *only = calloc(1, sizeof *only);
    only->table = slots();
    only->table[INPUT_NAME] = (void *)input_name;
    only->table[INPUT_DIMS] = (void *)input_dims;
    network->input = publish(only, keep);
    return publish(network, keep);
}

static _Bool set_dims(Profile *profile, const char *name, int32_t selector, const Dims *dims) {
    if (strcmp(name, "images") || dims->count != 4) die("a profile of another input");
    profile->dims[selector] = *dims;
    return 1;
}
static Public *create_profile(Builder *builder) {
    (void)builder;
    Profile *profile = calloc(1, sizeof *profile);
    profile->table = slots();
    profile->table[SET_DIMS] = (void *)set_dims;
    return publish(profile, keep);
}

static void set_flag(Config *config, int32_t flag) {
    if (MAJOR > 10) die("a precision was asked for that the file has");
    if (flag == 0) config->fp16 = 1;
    else if (flag == 1) config->int8 = 1;
    else die("a flag that nobody should set");
}
static void set_memory(Config *config, int32_t pool, size_t bytes) {
    if (pool != 0) die("another pool than the workspace");
    config->workspace = bytes;
}
static int32_t add_profile(Config *config, Public *profile) {
    config->profile = profile->implementation;
    return 0;
}
static Public *create_config(Builder *builder) {
    (void)builder;
    Config *config = calloc(1, sizeof *config);
    config->table = slots();
    config->table[SET_FLAG] = (void *)set_flag;
    config->table[SET_MEMORY] = (void *)set_memory;
    config->table[ADD_PROFILE] = (void *)add_profile;
    return publish(config, keep);
}

static FILE *site_file(const char *name, const char *mode) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", getenv("TEST_SITE"), name);
    return fopen(path, mode);
}
static void *data(Memory *memory) { return memory->data; }
static size_t size(Memory *memory) { return memory->size; }
static Public *build(Builder *builder, Public *given, Public *settings) {
    Network *network = given->implementation;
    Config *config = settings->implementation;
    if (!network->parsed) die("a network was built that is empty");
    FILE *calls = site_file("builder.calls", "a");
    fprintf(calls, "fp16=%d int8=%d workspace=%zu", config->fp16, config->int8, config->workspace);
    for (int i = 0; config->profile && i < 3; i++) {
        const Side *sides = config->profile->dims[i].sizes;
        fprintf(calls, " %ldx%ldx%ldx%ld", (long)sides[0], (long)sides[1], (long)sides[2], (long)sides[3]);
    }
    fprintf(calls, "\n");
    fclose(calls);
    if (getenv("DOUBLE_OPEN_INPUT") && !config->profile)
        return refuse(builder->logger, "4: the network has dynamic inputs and no optimization profile");
    FILE *file = site_file("trtexec.engine", "r");
    if (!file) return refuse(builder->logger, "10: could not find any implementation for a node");
    Memory *memory = calloc(1, sizeof *memory);
    memory->data = malloc(1 << 20);
    memory->size = fread(memory->data, 1, 1 << 20, file);
    fclose(file);
    memory->table = slots();
    memory->table[DATA] = (void *)data;
    memory->table[SIZE] = (void *)size;
    return publish(memory, keep);
}

void *createInferBuilder_INTERNAL(void *logger, int version) {
    check_logger(logger);
    if (version != VERSION) return refuse(logger, "6: the header's version is not the library's");
    Builder *builder = calloc(1, sizeof *builder);
    builder->logger = logger;
    builder->table = slots();
    builder->table[CREATE_CONFIG] = (void *)create_config;
    builder->table[CREATE_NETWORK] = (void *)create_network;
    builder->table[CREATE_PROFILE] = (void *)create_profile;
    builder->table[BUILD] = (void *)build;
    return publish(builder, keep);
}

/* The parser. */

static const char *error_text(ParserError *error) { return error->text; }
static const char *error_node(ParserError *error) { (void)error; return "/model.0/conv"; }
static int parser_errors(Parser *parser) { return parser->error[0] != 0; }
static ParserError *parser_error(Parser *parser, int index) {
    if (index != 0) die("an error beyond the last");
    ParserError *error = calloc(1, sizeof *error);
    error->table = slots();
    error->table[1] = (void *)error_text;
    error->table[6] = (void *)error_node;
    error->text = parser->error;
    return error;
}
static _Bool parse_file(Parser *parser, const char *path, int severity) {
    if (severity != 2) die("another severity than that of warnings");
    FILE *file = fopen(path, "r");
    int first = file ? fgetc(file) : EOF;
    if (file) fclose(file);
    /* A ModelProto begins with its version. */
    parser->network->parsed = first == 8;
    if (first != 8) snprintf(parser->error, sizeof parser->error, "no graph in %s", path);
    return parser->network->parsed;
}

int getNvOnnxParserVersion(void) { return 100; }

void *createNvOnnxParser_INTERNAL(Public *network, void *logger, int version) {
    check_logger(logger);
    if (version != 100) die("a parser of another version");
    Parser *parser = calloc(1, sizeof *parser);
    parser->table = slots();
    parser->table[1] = (void *)parse_file;
    parser->table[PARSER_ERRORS] = (void *)parser_errors;
    parser->table[PARSER_ERROR] = (void *)parser_error;
    parser->network = network->implementation;
    return parser;
}
#endif
#endif
