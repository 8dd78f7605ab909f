/* Doubles of hardware elements, as a plug-in of GStreamer: they have the names, caps and properties of the real ones and
 * behave as those do where a program meets them, but libav decodes and the processor scales. GStreamer 1.16 or newer.
 *
 *     cc -Wall -Werror -shared -fPIC -o libgstnvrdoubles.so doubles.c \
 *         $(pkg-config --cflags --libs gstreamer-1.0 gstreamer-base-1.0 gstreamer-video-1.0)
 *     GST_PLUGIN_PATH=. GST_REGISTRY=private.bin NVR_DOUBLES=nvv4l2decoder:jetpack=7,nvvidconv gst-launch-1.0 …
 *
 * NVR_DOUBLES lists what is registered, and nothing else is: ELEMENT[:OPTION[=N]]…,… . What it says wrongly ends the process,
 * also where GStreamer's scanner reads it for that one: a test must not test nothing by mistake.
 *
 *     fail-open        NULL→READY fails with RESOURCE/OPEN_READ_WRITE, "double: no device"
 *     crash, hang      NULL→READY is a segmentation fault, or does not return
 *     no-frame         takes everything, gives nothing
 *     frames=N         fails with STREAM/DECODE after N pictures
 *     silent-after=N   gives nothing more after N pictures, and says nothing
 *     clip-only        gives pictures of 320×240 only, as the built-in clip's are (decoders)
 *     surfaces=N       has N output pictures in NVMM memory and waits until one comes back (L4T's decoders and camera)
 *     jetpack=5|6|7    whose properties it has (6); 7 is a Thor's (elements of L4T)
 *     orin             with jetpack=7: an Orin's, which keeps the properties of 6
 *     latched          reads drop-frame-interval when caps come, and later never (nvv4l2decoder)
 *     renegotiates     lacks the fault told of below (nvvidconv)
 *     sensors=N        how many cameras there are (nvarguscamerasrc; 1)
 *
 * `double-in` and `double-out`, which no real element has, count the pictures of each.
 *
 * Where it comes from, and what was taken. Nothing of it was seen on a board.
 *
 *     nvv4l2decoder     gst-v4l2/gstv4l2videodec.c of L4T, in the repositories Extend-Robotics/gst-nvvideo4linux2 (r35, fetched
 *                       in March 2023), ESWIN-DC/Linux_for_Tegra-source (r32.7.1), lagurus/gst-nvvideo4linux2_src (older), and a
 *                       copy of 2024: caps, properties and their stated defaults, which are not the values that they start
 *                       with (drop-frame-interval states 30 and is 0, num-extra-surfaces 55 and 1, mjpeg false and true).
 *                       Since r32.7 drop-frame-interval is read for each decoded picture, in the output loop: picture n comes
 *                       out where n mod interval is 0, and a change while playing holds from the next picture on, although
 *                       its flags say up to READY. Older ones hand it to the driver when caps come (`latched`). Pictures
 *                       before the first key frame are dropped. The input's metas are copied to the output. Caps tell
 *                       nvbuf-memory-type and gpu-id in the copy of 2024 and not in r35.
 *                       jetpack=7: OE4T/meta-tegra-community, pull request 187: on r39.2 enable-max-performance and
 *                       enable-frame-type-reporting are gone on Thor and there on Orin. DeepStream's page of
 *                       Gst-nvvideo4linux2: Thor decodes no JPEG. That Tegra's other properties are gone there too is read
 *                       out of the two sets of the source.
 *     nvvidconv         gst-nvvidconv/gstnvvconv.c: teledyne-e2v/gst-nvvidconv (r32) and a copy of 2023 with NvBufSurface:
 *                       formats, properties, the preference for NVMM, and that colorimetry and chroma-site are not handed on.
 *                       Its fault: from NVMM to system memory it scales into a surface that it makes for the first picture
 *                       and never again before READY. So after a change of size or format while playing, pictures hold
 *                       nothing of the input; here they are 0xA5 throughout. What NVIDIA's closed library does with two sizes
 *                       that differ was not seen. Widths that are no multiple of 8: both sources copy rows of the colours by
 *                       half the width of the caps, from and to rows of another length; here the whole picture is 0xA5.
 *                       Once it gave NVMM it can't go over to system memory. System to system: r32 fails at the first
 *                       picture, without a word; the copy of 2023 does it. Which r35 does is not known: jetpack=5 fails.
 *     nvarguscamerasrc  gst-nvarguscamera of r35.4.1 (srilakshmi-cavnue/Nvarguscamerasrc): caps, properties, 1920x1080 at 30
 *                       unless asked otherwise. Without such a camera it writes a line to stderr and ends: EOS, no error.
 *     nvjpegdec         ext/jpeg/gstjpegdec.c of L4T (hmelder/jetson-packages, t210)
 *     nvh264dec, nvh265dec, cuda*, vapostproc     gstreamer.freedesktop.org/documentation, nvcodec and va; that each asks for a CUDA
 *                       context, and makes one where the application gives none, is written in gst-libs/gst/cuda/gstcudautils.c
 *     v4l2*, va*dec     GStreamer's own: gst-plugins-good/sys/v4l2, gst-plugins-bad/sys/v4l2codecs and sys/va
 *
 * NVMM pictures are 64 bytes to whoever maps them, as the real ones are an NvBufSurface, and only a double finds the pixels; a
 * deep copy of such a buffer has none. Doubles don't flip pictures and have no block-linear layout. */
#include <gst/base/gstbasetransform.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

GST_DEBUG_CATEGORY_STATIC(doubles_debug);
#define GST_CAT_DEFAULT doubles_debug

/* What the doubles are. */

typedef enum { DECODER = 1, CONVERTER = 2, CAMERA = 4, L4T = 8 } Kind;
enum { JETPACK5 = 1, JETPACK6 = 2, THOR = 4, ORIN7 = 8, TEGRA = JETPACK5 | JETPACK6 | ORIN7, EVERY = TEGRA | THOR };
enum { SCALES = 1, CONVERTS = 2 };
enum { SURFACE_BYTES = 64, UNPAINTED = 0xA5 };

typedef struct {
    const char *name, *type;
    double least, most, stated, actual;
    const char *text;
    int in; /* the releases that have it */
    const GEnumValue *values;
} Property;
typedef struct {
    const char *name;
    int kind;
    guint rank;
    int does; /* of converters */
    const char *sink, *source;
    const Property *properties;
} Double;
typedef struct {
    const Double *of;
    gboolean fail_open, crash, hang, no_frame, clip_only, latched, renegotiates, orin;
    int frames, silent_after, surfaces, jetpack, sensors; /* -1: no such limit */
    int release;
} Behaviour;

#define NVMM "video/x-raw(memory:NVMM)"
#define SIZES "width=(int)[1,MAX],height=(int)[1,MAX]"
#define RAW_OF(formats) "video/x-raw,format=(string){" formats "}," SIZES
#define FEATURED(feature, formats) "video/x-raw(memory:" feature "),format=(string){" formats "}," SIZES
#define STREAM(codec, formats) "video/x-" codec ",stream-format=(string)" formats ",alignment=(string)au"
#define VIC "I420,UYVY,YUY2,YVYU,NV12,NV16,NV24,GRAY8,BGRx,RGBA,Y42B"
#define CUDA "I420,YV12,NV12,NV21,P010_10LE,I420_10LE,Y444,BGRA,RGBA,RGBx,BGRx,ARGB,ABGR,RGB,BGR,Y42B"
#define VA "NV12,I420,YV12,YUY2,RGBA,BGRA,P010_10LE,ARGB,ABGR"
#define V4L2 "I420,NV12,NV21,YUY2,UYVY,YVYU,GRAY8,RGB,BGR,BGRx,xRGB"

#define VALUES(name, ...) static const GEnumValue name[] = {__VA_ARGS__, {0, NULL, NULL}}
VALUES(skip_frames, {0, "all", "decode_all"}, {1, "non-ref", "decode_non_ref"}, {2, "key", "decode_key"});
VALUES(dynamic_allocation, {0, "off", "cap_buf_dyn_alloc_disabled"}, {1, "forward", "fw_cap_buf_dyn_alloc_enabled"},
       {2, "reverse", "rw_cap_buf_dyn_alloc_enabled"}, {3, "both", "fw_rw_cap_buf_dyn_alloc_enabled"});
VALUES(cuda_memory, {0, "device", "memtype_device"}, {1, "pinned", "memtype_pinned"}, {2, "unified", "memtype_unified"});
VALUES(io_mode, {0, "auto", "auto"}, {2, "mmap", "mmap"}, {3, "userptr", "userptr"});
VALUES(flip, {0, "Identity (no rotation)", "none"}, {1, "90 left", "counterclockwise"}, {2, "180", "rotate-180"},
       {3, "90 right", "clockwise"}, {4, "horizontal", "horizontal-flip"}, {5, "anti-transpose", "upper-right-diagonal"},
       {6, "vertical", "vertical-flip"}, {7, "transpose", "upper-left-diagonal"});
VALUES(interpolation, {0, "Nearest", "Nearest"}, {1, "Bilinear", "Bilinear"}, {2, "5-Tap", "5-Tap"}, {3, "10-Tap", "10-Tap"},
       {4, "Smart", "Smart"}, {5, "Nicest", "Nicest"});
VALUES(compute, {0, "Default, VIC for Jetson", "Default"}, {1, "GPU", "GPU"}, {2, "VIC", "VIC"});
VALUES(surface_memory, {0, "default", "nvbuf-mem-default"}, {1, "pinned", "nvbuf-mem-cuda-pinned"},
       {2, "device", "nvbuf-mem-cuda-device"}, {4, "surface array", "nvbuf-mem-surface-array"});
VALUES(white_balance, {0, "off", "off"}, {1, "auto", "auto"}, {2, "incandescent", "incandescent"}, {3, "fluorescent", "fluorescent"},
       {4, "warm", "warm-fluorescent"}, {5, "daylight", "daylight"}, {6, "cloudy", "cloudy-daylight"}, {7, "twilight", "twilight"},
       {8, "shade", "shade"}, {9, "manual", "manual"});
VALUES(noise_reduction, {0, "off", "NoiseReduction_Off"}, {1, "fast", "NoiseReduction_Fast"}, {2, "high", "NoiseReduction_HighQuality"});
VALUES(edge_enhancement, {0, "off", "EdgeEnhancement_Off"}, {1, "fast", "EdgeEnhancement_Fast"},
       {2, "high", "EdgeEnhancement_HighQuality"});
VALUES(antibanding, {0, "off", "AeAntibandingMode_Off"}, {1, "auto", "AeAntibandingMode_Auto"}, {2, "50", "AeAntibandingMode_50HZ"},
       {3, "60", "AeAntibandingMode_60HZ"});
VALUES(idct, {0, "slow", "islow"}, {1, "fast", "ifast"}, {2, "float", "float"});
VALUES(scaling, {0, "default", "default"}, {256, "fast", "fast"}, {512, "hq", "hq"});

/* Types: boolean, int, uint, unsigned 64 bits, float, string (its `text` is the value it starts with), enum. */
static const Property nvv4l2decoder[] = {
    {"skip-frames", "e", 0, 0, 0, 0, "Types of frames to skip", EVERY, skip_frames},
    {"drop-frame-interval", "u", 0, 30, 30, 0, "Every which picture comes out", EVERY},
    {"num-extra-surfaces", "u", 0, 55, 55, 1, "Surfaces beyond what the stream needs", EVERY},
    {"disable-dpb", "b", 0, 1, 0, 0, "Pictures in the order of decoding", TEGRA},
    {"enable-full-frame", "b", 0, 1, 0, 0, "Whether input is whole pictures", TEGRA},
    {"enable-frame-type-reporting", "b", 0, 1, 0, 0, "Reports frame types", TEGRA},
    {"mjpeg", "b", 0, 1, 0, 1, "Opens the block for MJPEG", TEGRA},
    {"enable-error-check", "b", 0, 1, 0, 0, "Reports errors", TEGRA},
    {"enable-max-performance", "b", 0, 1, 0, 0, "Keeps the clocks up", TEGRA},
    {"capture-buffer-dynamic-allocation", "e", 0, 0, 0, 0, "Allocates as needed", TEGRA, dynamic_allocation},
    {"output-io-mode", "e", 0, 0, 0, 0, "I/O of the sink pad", EVERY, io_mode},
    {"capture-io-mode", "e", 0, 0, 0, 0, "I/O of the source pad", EVERY, io_mode},
    {"cudadec-memtype", "e", 0, 0, 0, 0, "Memory of CUDA", THOR, cuda_memory},
    {"gpu-id", "u", 0, G_MAXUINT, 0, 0, "Which GPU", THOR},
    {"low-latency-mode", "b", 0, 1, 0, 0, "For streams of I and P", THOR},
    {"extract-sei-type5-data", "b", 0, 1, 0, 0, "Attaches SEI data", THOR},
    {"sei-uuid", "s", 0, 0, 0, 0, NULL, THOR},
    {NULL}};
static const Property nvvidconv[] = {
    {"silent", "b", 0, 1, 0, 0, "Verbose or not", EVERY},
    {"flip-method", "e", 0, 0, 0, 0, "Flips pictures", EVERY, flip},
    {"output-buffers", "u", 1, G_MAXUINT, 4, 4, "Output buffers", EVERY},
    {"interpolation-method", "e", 0, 0, 0, 0, "Interpolation", EVERY, interpolation},
    {"left", "i", 0, G_MAXINT, 0, 0, "Left edge of what is taken", EVERY},
    {"right", "i", 0, G_MAXINT, 0, 0, "Right edge of what is taken", EVERY},
    {"top", "i", 0, G_MAXINT, 0, 0, "Upper edge of what is taken", EVERY},
    {"bottom", "i", 0, G_MAXINT, 0, 0, "Lower edge of what is taken", EVERY},
    {"bl-output", "b", 0, 1, 1, 1, "Block-linear NV12 output", EVERY},
    {"compute-hw", "e", 0, 0, 0, 0, "What computes", EVERY & ~JETPACK5, compute},
    {"gpu-id", "u", 0, G_MAXUINT, 0, 0, "Which GPU", EVERY & ~JETPACK5},
    {"nvbuf-memory-type", "e", 0, 0, 0, 0, "Memory of the output", EVERY & ~JETPACK5, surface_memory},
    {NULL}};
static const Property nvarguscamerasrc[] = {
    {"wbmode", "e", 0, 0, 1, 1, "White balance", EVERY, white_balance},
    {"saturation", "f", 0, 2, 1, 1, "Saturation", EVERY},
    {"silent", "b", 0, 1, 0, 0, "Verbose or not", EVERY},
    {"timeout", "u", 0, G_MAXINT, 0, 0, "Seconds to capture for", EVERY},
    {"sensor-id", "i", 0, G_MAXUINT8, 0, 0, "Which camera", EVERY},
    {"sensor-mode", "i", -1, G_MAXUINT8, -1, -1, "Its mode", EVERY},
    {"total-sensor-modes", "r", 0, G_MAXUINT8, 0, 0, "How many modes it has", EVERY},
    {"exposuretimerange", "s", 0, 0, 0, 0, "34000 358733000", EVERY},
    {"aeregion", "s", 0, 0, 0, 0, NULL, EVERY},
    {"gainrange", "s", 0, 0, 0, 0, "1 16", EVERY},
    {"ispdigitalgainrange", "s", 0, 0, 0, 0, "1 256", EVERY},
    {"tnr-strength", "f", -1, 1, -1, -1, "Temporal noise reduction", EVERY},
    {"tnr-mode", "e", 0, 0, 1, 1, "Temporal noise reduction", EVERY, noise_reduction},
    {"ee-strength", "f", -1, 1, -1, -1, "Edge enhancement", EVERY},
    {"ee-mode", "e", 0, 0, 1, 1, "Edge enhancement", EVERY, edge_enhancement},
    {"aeantibanding", "e", 0, 0, 1, 1, "Antibanding", EVERY, antibanding},
    {"exposurecompensation", "f", -2, 2, 0, 0, "Exposure compensation", EVERY},
    {"aelock", "b", 0, 1, 0, 0, "Holds the exposure", EVERY},
    {"awblock", "b", 0, 1, 0, 0, "Holds the white balance", EVERY},
    {"event-wait", "U", 3e9, 1.8e19, 3e9, 3e9, "Nanoseconds to wait for an event", EVERY},
    {"acquire-wait", "U", 5e9, 1.8e19, 5e9, 5e9, "Nanoseconds to wait for a picture", EVERY},
    {NULL}};
static const Property nvjpegdec[] = {
    {"idct-method", "e", 0, 0, 1, 1, "Algorithm", EVERY, idct},
    {"max-errors", "i", -1, G_MAXINT, 0, 0, "Errors in a row before it fails", EVERY},
    {"Enableperf", "b", 0, 1, 0, 0, "Measures time", EVERY},
    {"DeepStream", "b", 0, 1, 0, 0, "In a DeepStream pipeline", EVERY},
    {NULL}};
static const Property nvdec[] = {
    {"cuda-device-id", "R", 0, G_MAXINT, 0, 0, "Which GPU", EVERY},
    {"num-output-surfaces", "u", 0, 64, 1, 1, "Output surfaces", EVERY},
    {"max-display-delay", "i", -1, G_MAXINT, -1, -1, "Pictures to hold back", EVERY},
    {NULL}};
static const Property cuda[] = {
    {"cuda-device-id", "i", -1, G_MAXINT, -1, -1, "Which GPU", EVERY},
    {"add-borders", "b", 0, 1, 1, 1, "Keeps the aspect with borders", EVERY},
    {NULL}};
static const Property v4l2[] = {
    {"device-fd", "R", 0, G_MAXINT, 0, 0, "The device", EVERY},
    {"output-io-mode", "e", 0, 0, 0, 0, "I/O of the sink pad", EVERY, io_mode},
    {"capture-io-mode", "e", 0, 0, 0, 0, "I/O of the source pad", EVERY, io_mode},
    {NULL}};
static const Property va[] = {
    {"qos", "b", 0, 1, 0, 0, "Handles quality of service", EVERY},
    {NULL}};
static const Property vapostproc[] = {
    {"disable-passthrough", "b", 0, 1, 0, 0, "Always at work", EVERY},
    {"add-borders", "b", 0, 1, 0, 0, "Keeps the aspect with borders", EVERY},
    {"scale-method", "e", 0, 0, 0, 0, "How it scales", EVERY, scaling},
    {NULL}};
static const Property none[] = {{NULL}};

#define CODED_NV STREAM("h264", "byte-stream") ";" STREAM("h265", "byte-stream")
#define EITHER "{avc,byte-stream}"
#define EITHER265 "{hvc1,hev1,byte-stream}"
#define CUDA_OR_SYSTEM FEATURED("CUDAMemory", "NV12") ";" RAW_OF("NV12")
#define VA_OR_SYSTEM FEATURED("VAMemory", "NV12") ";" RAW_OF("NV12")
#define VIC_CAPS FEATURED("NVMM", VIC) ";" RAW_OF(VIC)
#define CUDA_CAPS FEATURED("CUDAMemory", CUDA)
#define VA_CAPS FEATURED("VAMemory", VA) ";" RAW_OF(VA)

static const Double doubles[] = {
    {"nvv4l2decoder", DECODER | L4T, GST_RANK_PRIMARY + 11, 0, "image/jpeg;" CODED_NV, NVMM "," SIZES ",framerate=(fraction)[0/1,MAX]",
     nvv4l2decoder},
    {"nvvidconv", CONVERTER | L4T, GST_RANK_PRIMARY, SCALES | CONVERTS, VIC_CAPS, VIC_CAPS, nvvidconv},
    {"nvarguscamerasrc", CAMERA | L4T, GST_RANK_PRIMARY, 0, NULL,
     NVMM "," SIZES ",format=(string){NV12},framerate=(fraction)[0/1,MAX]", nvarguscamerasrc},
    {"nvjpegdec", DECODER | L4T, GST_RANK_PRIMARY + 15, 0, "image/jpeg", FEATURED("NVMM", "I420") ";" RAW_OF("I420"), nvjpegdec},
    {"nvh264dec", DECODER, GST_RANK_PRIMARY + 1, 0, STREAM("h264", EITHER) ",width=(int)[48,4096],height=(int)[16,4096]", CUDA_OR_SYSTEM,
     nvdec},
    {"nvh265dec", DECODER, GST_RANK_PRIMARY + 1, 0, STREAM("h265", EITHER265) ",width=(int)[144,8192],height=(int)[144,8192]",
     CUDA_OR_SYSTEM, nvdec},
    {"cudaconvertscale", CONVERTER, GST_RANK_NONE, SCALES | CONVERTS, CUDA_CAPS, CUDA_CAPS, cuda},
    {"cudascale", CONVERTER, GST_RANK_NONE, SCALES, CUDA_CAPS, CUDA_CAPS, cuda},
    {"cudaconvert", CONVERTER, GST_RANK_NONE, CONVERTS, CUDA_CAPS, CUDA_CAPS, cuda},
    {"cudadownload", CONVERTER, GST_RANK_NONE, 0, CUDA_CAPS ";" RAW_OF(CUDA), RAW_OF(CUDA), cuda},
    {"v4l2slh264dec", DECODER, GST_RANK_PRIMARY + 1, 0, STREAM("h264", EITHER), RAW_OF("NV12"), none},
    {"v4l2slh265dec", DECODER, GST_RANK_PRIMARY + 1, 0, STREAM("h265", EITHER265), RAW_OF("NV12"), none},
    {"v4l2h264dec", DECODER, GST_RANK_PRIMARY + 1, 0, STREAM("h264", "byte-stream"), RAW_OF("NV12"), v4l2},
    {"v4l2h265dec", DECODER, GST_RANK_PRIMARY + 1, 0, STREAM("h265", "byte-stream"), RAW_OF("NV12"), v4l2},
    {"v4l2jpegdec", DECODER, GST_RANK_PRIMARY + 1, 0, "image/jpeg", RAW_OF("NV12"), v4l2},
    {"v4l2convert", CONVERTER, GST_RANK_NONE, SCALES | CONVERTS, RAW_OF(V4L2), RAW_OF(V4L2), v4l2},
    {"vah264dec", DECODER, GST_RANK_PRIMARY, 0, STREAM("h264", EITHER), VA_OR_SYSTEM, va},
    {"vah265dec", DECODER, GST_RANK_PRIMARY, 0, STREAM("h265", EITHER265), VA_OR_SYSTEM, va},
    {"vajpegdec", DECODER, GST_RANK_PRIMARY, 0, "image/jpeg", VA_OR_SYSTEM, va},
    {"vapostproc", CONVERTER, GST_RANK_NONE, SCALES | CONVERTS, VA_CAPS, VA_CAPS, vapostproc},
};

static GQuark behaviour_quark, values_quark, picture_quark, count_quark;

static const Behaviour *behaviour_of(gpointer object) { return g_type_get_qdata(G_OBJECT_TYPE(object), behaviour_quark); }

/* Properties, and what every double does. */

typedef struct { guint64 in, out; gboolean keyed; } Count;

enum { COUNT_IN = 1000, COUNT_OUT };

static Count *count_of(gpointer object) { return g_object_get_qdata(object, count_quark); }

static gboolean has(const Property *property, const Behaviour *behaviour) { return (property->in & behaviour->release) != 0; }

static GType enum_of(const Double *of, const Property *property) {
    char *name = g_strdup_printf("NvrDouble-%s-%s", of->name, property->name);
    GType type = g_type_from_name(name);
    if (!type) type = g_enum_register_static(name, property->values);
    g_free(name);
    return type;
}

static GParamSpec *specification(const Double *of, const Property *p) {
    GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;
    const char *text = p->text ? p->text : "";
    switch (*p->type) {
        case 'b': return g_param_spec_boolean(p->name, p->name, text, p->stated != 0, flags);
        case 'i': return g_param_spec_int(p->name, p->name, text, p->least, p->most, p->stated, flags);
        case 'u': return g_param_spec_uint(p->name, p->name, text, p->least, p->most, p->stated, flags);
        case 'r': return g_param_spec_int(p->name, p->name, text, p->least, p->most, p->stated, G_PARAM_READABLE);
        case 'R': return g_param_spec_uint(p->name, p->name, text, p->least, p->most, p->stated, G_PARAM_READABLE);
        case 'U': return g_param_spec_uint64(p->name, p->name, text, p->least, p->most, p->stated, flags);
        case 'f': return g_param_spec_float(p->name, p->name, text, p->least, p->most, p->stated, flags);
        case 's': return g_param_spec_string(p->name, p->name, "", p->text, flags);
        case 'e': return g_param_spec_enum(p->name, p->name, text, enum_of(of, p), p->stated, flags);
    }
    g_assert_not_reached();
}

static void set_property(GObject *object, guint id, const GValue *value, GParamSpec *specification) {
    (void)specification;
    GValue *values = g_object_get_qdata(object, values_quark);
    GST_OBJECT_LOCK(object);
    g_value_copy(value, &values[id - 1]);
    GST_OBJECT_UNLOCK(object);
}

static void get_property(GObject *object, guint id, GValue *value, GParamSpec *specification) {
    (void)specification;
    GST_OBJECT_LOCK(object);
    if (id >= COUNT_IN) {
        const Count *count = count_of(object);
        g_value_set_uint64(value, id == COUNT_IN ? count->in : count->out);
    } else {
        GValue *values = g_object_get_qdata(object, values_quark);
        g_value_copy(&values[id - 1], value);
    }
    GST_OBJECT_UNLOCK(object);
}

/* What a whole number of a property is now; 0 where the double lacks it. */
static gint64 number(gpointer object, const char *name) {
    const Property *properties = behaviour_of(object)->of->properties;
    GValue *values = g_object_get_qdata(object, values_quark);
    gint64 number = 0;
    GST_OBJECT_LOCK(object);
    for (int i = 0; properties[i].name; i++) {
        if (strcmp(properties[i].name, name) || !has(&properties[i], behaviour_of(object))) continue;
        number = *properties[i].type == 'u' ? (gint64)g_value_get_uint(&values[i]) : g_value_get_int(&values[i]);
    }
    GST_OBJECT_UNLOCK(object);
    return number;
}

static void free_values(gpointer values) {
    for (GValue *value = values; G_IS_VALUE(value); value++) g_value_unset(value);
    g_free(values);
}

static void begin(gpointer object) {
    const Double *of = behaviour_of(object)->of;
    int count = 0;
    while (of->properties[count].name) count++;
    GValue *values = g_new0(GValue, count + 1);
    for (int i = 0; i < count; i++) {
        const Property *p = &of->properties[i];
        switch (*p->type) {
            case 'b': g_value_init(&values[i], G_TYPE_BOOLEAN), g_value_set_boolean(&values[i], p->actual != 0); break;
            case 'r':
            case 'i': g_value_init(&values[i], G_TYPE_INT), g_value_set_int(&values[i], p->actual); break;
            case 'R':
            case 'u': g_value_init(&values[i], G_TYPE_UINT), g_value_set_uint(&values[i], p->actual); break;
            case 'U': g_value_init(&values[i], G_TYPE_UINT64), g_value_set_uint64(&values[i], p->actual); break;
            case 'f': g_value_init(&values[i], G_TYPE_FLOAT), g_value_set_float(&values[i], p->actual); break;
            case 's': g_value_init(&values[i], G_TYPE_STRING), g_value_set_string(&values[i], p->text); break;
            case 'e': g_value_init(&values[i], enum_of(of, p)), g_value_set_enum(&values[i], p->actual); break;
        }
    }
    g_object_set_qdata_full(object, values_quark, values, free_values);
    g_object_set_qdata_full(object, count_quark, g_new0(Count, 1), g_free);
}

/* As gst_cuda_ensure_element_context of GStreamer 1.22: under a lock of the process an element asks the application for a CUDA context,
 * and makes one where it has none. */
static void ensure_cuda_context(GstElement *element) {
    static GRecMutex lock;
    static int made;
    const char *type = "gst.cuda.context";
    g_rec_mutex_lock(&lock);
    gst_element_post_message(element, gst_message_new_need_context(GST_OBJECT_CAST(element), type));
    GstContext *context = gst_element_get_context(element, type);
    if (!context) {
        GObject *cuda = g_object_new(G_TYPE_OBJECT, NULL);
        context = gst_context_new(type, TRUE);
        gst_structure_set(gst_context_writable_structure(context), type, G_TYPE_OBJECT, cuda, "cuda-device-id", G_TYPE_UINT, 0, NULL);
        g_object_unref(cuda);
        gst_element_set_context(element, context);
        fprintf(stderr, "double: CUDA context %d is made\n", ++made);
        gst_element_post_message(element, gst_message_new_have_context(GST_OBJECT_CAST(element), gst_context_ref(context)));
    }
    gst_context_unref(context);
    g_rec_mutex_unlock(&lock);
}

/* NULL→READY, where devices are opened. */
static gboolean opens(GstElement *element) {
    const Behaviour *behaviour = behaviour_of(element);
    GST_INFO_OBJECT(element, "double of %s opens", behaviour->of->name);
    if (behaviour->crash) {
        volatile int *volatile nowhere = NULL;
        *nowhere = 1;
    }
    while (behaviour->hang) g_usleep(G_USEC_PER_SEC);
    if (g_str_has_prefix(behaviour->of->name, "nvh26") || g_str_has_prefix(behaviour->of->name, "cuda")) ensure_cuda_context(element);
    if (!behaviour->fail_open) return TRUE;
    GST_ELEMENT_ERROR(element, RESOURCE, OPEN_READ_WRITE, ("double: no device"), (NULL));
    return FALSE;
}

/* Whether one more picture comes out: it does (OK), it doesn't (DROPPED), or there is an error, which is posted. */
static GstFlowReturn admit(GstElement *element, int width, int height) {
    const Behaviour *behaviour = behaviour_of(element);
    guint64 out = count_of(element)->out;
    if (behaviour->frames >= 0 && out >= (guint64)behaviour->frames) {
        GST_ELEMENT_ERROR(element, STREAM, DECODE, ("double: broken after %d pictures", behaviour->frames), (NULL));
        return GST_FLOW_ERROR;
    }
    gboolean silent = behaviour->no_frame || (behaviour->silent_after >= 0 && out >= (guint64)behaviour->silent_after) ||
                      (behaviour->clip_only && (width != 320 || height != 240));
    return silent ? GST_BASE_TRANSFORM_FLOW_DROPPED : GST_FLOW_OK;
}

static void came_out(GstElement *element) {
    GST_OBJECT_LOCK(element);
    guint64 out = ++count_of(element)->out;
    GST_OBJECT_UNLOCK(element);
    GST_DEBUG_OBJECT(element, "%s gives picture %" G_GUINT64_FORMAT, behaviour_of(element)->of->name, out);
}

static void closes(GstElement *element) {
    const Count *count = count_of(element);
    GST_INFO_OBJECT(element, "double of %s closes: %" G_GUINT64_FORMAT " in, %" G_GUINT64_FORMAT " out", behaviour_of(element)->of->name,
                    count->in, count->out);
}

static GstCaps *sink_caps(const Behaviour *behaviour) {
    GstCaps *caps = gst_caps_from_string(behaviour->of->sink);
    gboolean jpeg_too = gst_caps_get_size(caps) > 1 && gst_structure_has_name(gst_caps_get_structure(caps, 0), "image/jpeg");
    if (jpeg_too && behaviour->release == THOR) gst_caps_remove_structure(caps, 0);
    return caps;
}

static void add_template(GstElementClass *class, const char *name, GstPadDirection direction, GstCaps *caps) {
    gst_element_class_add_pad_template(class, gst_pad_template_new(name, direction, GST_PAD_ALWAYS, caps));
    gst_caps_unref(caps);
}

/* Of every double's class; the class of its kind was initialised before. */
static void class_of_double(gpointer class, gpointer data) {
    const Behaviour *behaviour = data;
    const Double *of = behaviour->of;
    GObjectClass *object = class;
    object->set_property = set_property;
    object->get_property = get_property;
    for (int i = 0; of->properties[i].name; i++)
        if (has(&of->properties[i], behaviour)) g_object_class_install_property(object, i + 1, specification(of, &of->properties[i]));
    const char *counts[] = {"double-in", "double-out"};
    for (int i = 0; i < 2; i++)
        g_object_class_install_property(
            object, COUNT_IN + i,
            g_param_spec_uint64(counts[i], counts[i], "Of doubles only: pictures", 0, G_MAXUINT64, 0, G_PARAM_READABLE));
    const char *class_name = of->kind & DECODER  ? "Codec/Decoder/Video/Hardware"
                             : of->kind & CAMERA ? "Video/Capture"
                                                 : "Filter/Converter/Video/Scaler";
    gst_element_class_set_metadata(class, of->name, class_name, "A test double", "-");
    if (of->sink) add_template(class, "sink", GST_PAD_SINK, sink_caps(behaviour));
    add_template(class, "src", GST_PAD_SRC, gst_caps_from_string(of->source));
}

/* NVMM pictures. */

/* How many of them are out; freed with the last that knows of it. */
typedef struct { GMutex lock; GCond returned; int out, holders; gboolean stopping; } Surfaces;
typedef struct { GstBuffer *pixels; Surfaces *surfaces; } Picture;

static Surfaces *surfaces_new(void) {
    Surfaces *surfaces = g_new0(Surfaces, 1);
    g_mutex_init(&surfaces->lock);
    g_cond_init(&surfaces->returned);
    surfaces->holders = 1;
    return surfaces;
}

static void surfaces_leave(Surfaces *surfaces, int pictures) {
    g_mutex_lock(&surfaces->lock);
    surfaces->out -= pictures;
    gboolean last = --surfaces->holders == 0;
    g_cond_broadcast(&surfaces->returned);
    g_mutex_unlock(&surfaces->lock);
    if (!last) return;
    g_cond_clear(&surfaces->returned);
    g_mutex_clear(&surfaces->lock);
    g_free(surfaces);
}

/* Waits until fewer than `most` are out; false where the element stops. */
static gboolean surfaces_take(Surfaces *surfaces, int most) {
    g_mutex_lock(&surfaces->lock);
    while (most >= 0 && surfaces->out >= most && !surfaces->stopping) g_cond_wait(&surfaces->returned, &surfaces->lock);
    gboolean taken = !surfaces->stopping;
    if (taken) surfaces->out++, surfaces->holders++;
    g_mutex_unlock(&surfaces->lock);
    return taken;
}

static void surfaces_stop(Surfaces *surfaces, gboolean stopping) {
    g_mutex_lock(&surfaces->lock);
    surfaces->stopping = stopping;
    g_cond_broadcast(&surfaces->returned);
    g_mutex_unlock(&surfaces->lock);
}

static void free_picture(gpointer data) {
    Picture *picture = data;
    gst_buffer_unref(picture->pixels);
    if (picture->surfaces) surfaces_leave(picture->surfaces, 1);
    g_free(picture);
}

/* `surfaces` may be null. */
static GstBuffer *wrap(GstBuffer *pixels, Surfaces *surfaces) {
    guint8 *bytes = g_malloc(SURFACE_BYTES);
    memset(bytes, 0xEE, SURFACE_BYTES);
    GstMemory *memory = gst_memory_new_wrapped(GST_MEMORY_FLAG_NO_SHARE, bytes, SURFACE_BYTES, 0, SURFACE_BYTES, bytes, g_free);
    Picture *picture = g_new(Picture, 1);
    *picture = (Picture){pixels, surfaces};
    gst_mini_object_set_qdata(GST_MINI_OBJECT_CAST(memory), picture_quark, picture, free_picture);
    GstBuffer *buffer = gst_buffer_new();
    gst_buffer_append_memory(buffer, memory);
    return buffer;
}

static GstBuffer *pixels_of(GstBuffer *buffer, gboolean nvmm) {
    if (!nvmm) return buffer;
    if (gst_buffer_n_memory(buffer) != 1) return NULL;
    Picture *picture = gst_mini_object_get_qdata(GST_MINI_OBJECT_CAST(gst_buffer_peek_memory(buffer, 0)), picture_quark);
    return picture ? picture->pixels : NULL;
}

static gboolean is_nvmm(GstCaps *caps) {
    GstCapsFeatures *features = gst_caps_get_features(caps, 0);
    return features && gst_caps_features_contains(features, "memory:NVMM");
}

/* Decoders and the camera: a bin of software elements, and at its end the seam, which makes of their pictures the double's. */

typedef struct {
    GstBin parent;
    GstElement *inner, *filter, *seam;
    const char *decodes; /* the media type that `inner` is for */
    Surfaces *surfaces;
    gint64 interval; /* latched; -1: not yet */
} NvrDoubleBin;
typedef struct { GstBinClass parent; } NvrDoubleBinClass;
typedef struct { GstBaseTransform parent; gboolean nvmm; int width, height; guint64 decoded; } NvrDoubleSeam;
typedef struct { GstBaseTransformClass parent; } NvrDoubleSeamClass;

GType nvr_double_bin_get_type(void);
GType nvr_double_seam_get_type(void);
G_DEFINE_TYPE(NvrDoubleBin, nvr_double_bin, GST_TYPE_BIN)
G_DEFINE_TYPE(NvrDoubleSeam, nvr_double_seam, GST_TYPE_BASE_TRANSFORM)

static NvrDoubleBin *owner_of(gpointer seam) { return (NvrDoubleBin *)GST_OBJECT_PARENT(seam); }

static GstCaps *seam_transform_caps(GstBaseTransform *seam, GstPadDirection direction, GstCaps *caps, GstCaps *filter) {
    const Behaviour *behaviour = behaviour_of(owner_of(seam));
    GstCaps *result = gst_caps_new_empty();
    GstCaps *source = gst_caps_from_string(behaviour->of->source);
    guint targets = direction == GST_PAD_SINK ? gst_caps_get_size(source) : 1;
    for (guint t = 0; t < targets; t++) {
        for (guint i = 0; i < gst_caps_get_size(caps); i++) {
            GstStructure *structure = gst_structure_copy(gst_caps_get_structure(caps, i));
            GstCapsFeatures *features = NULL;
            if (direction == GST_PAD_SINK) {
                features = gst_caps_features_copy(gst_caps_get_features(source, t));
                if (behaviour->of->properties == nvv4l2decoder && behaviour->release != JETPACK5)
                    gst_structure_set(structure, "nvbuf-memory-type", G_TYPE_STRING, "nvbuf-mem-surface-array", "gpu-id", G_TYPE_INT, 0,
                                      NULL);
            } else {
                gst_structure_remove_fields(structure, "nvbuf-memory-type", "gpu-id", NULL);
            }
            gst_caps_append_structure_full(result, structure, features);
        }
    }
    if (direction == GST_PAD_SINK) {
        GstCaps *all = result;
        result = gst_caps_intersect_full(all, source, GST_CAPS_INTERSECT_FIRST);
        gst_caps_unref(all);
    }
    gst_caps_unref(source);
    if (filter) {
        GstCaps *all = result;
        result = gst_caps_intersect_full(filter, all, GST_CAPS_INTERSECT_FIRST);
        gst_caps_unref(all);
    }
    return result;
}

static gboolean seam_set_caps(GstBaseTransform *transform, GstCaps *in, GstCaps *out) {
    (void)in;
    NvrDoubleSeam *seam = (NvrDoubleSeam *)transform;
    NvrDoubleBin *bin = owner_of(seam);
    GstVideoInfo info;
    if (!gst_video_info_from_caps(&info, out)) return FALSE;
    seam->nvmm = is_nvmm(out);
    seam->width = GST_VIDEO_INFO_WIDTH(&info);
    seam->height = GST_VIDEO_INFO_HEIGHT(&info);
    if (bin->interval < 0) bin->interval = number(bin, "drop-frame-interval");
    GST_INFO_OBJECT(bin, "%s gives %" GST_PTR_FORMAT, behaviour_of(bin)->of->name, out);
    return TRUE;
}

static gboolean unit_size(GstBaseTransform *transform, GstCaps *caps, gsize *size) {
    (void)transform;
    GstVideoInfo info;
    if (!gst_video_info_from_caps(&info, caps)) return FALSE;
    *size = GST_VIDEO_INFO_SIZE(&info);
    return TRUE;
}

static gboolean other_size(GstBaseTransform *transform, GstPadDirection direction, GstCaps *caps, gsize size, GstCaps *other,
                           gsize *other_size) {
    (void)direction, (void)caps, (void)size;
    return unit_size(transform, other, other_size);
}

static gboolean seam_start(GstBaseTransform *transform) {
    ((NvrDoubleSeam *)transform)->decoded = 0;
    return TRUE;
}

/* The whole of what becomes of a picture. */
static GstFlowReturn seam_output(GstBaseTransform *transform, GstBuffer **output) {
    NvrDoubleSeam *seam = (NvrDoubleSeam *)transform;
    NvrDoubleBin *bin = owner_of(seam);
    const Behaviour *behaviour = behaviour_of(bin);
    GstBuffer *picture = transform->queued_buf;
    transform->queued_buf = NULL;
    *output = NULL;
    if (!picture) return GST_FLOW_OK;
    if (behaviour->of->kind & CAMERA) {
        gint64 sensor = number(bin, "sensor-id");
        if (behaviour->sensors == 0 || sensor >= behaviour->sensors) {
            fprintf(stderr, "Error generated. the double of nvarguscamerasrc, execute: ");
            if (behaviour->sensors == 0) fprintf(stderr, "No cameras available\n");
            else fprintf(stderr, "Invalid camera device specified %d specified, %d max index\n", (int)sensor, behaviour->sensors - 1);
            gst_buffer_unref(picture);
            return GST_FLOW_EOS;
        }
        GST_OBJECT_LOCK(bin);
        count_of(bin)->in++;
        GST_OBJECT_UNLOCK(bin);
    }
    guint64 decoded = seam->decoded++;
    gint64 interval = behaviour->latched ? bin->interval : number(bin, "drop-frame-interval");
    if (interval > 0 && decoded % interval) {
        gst_buffer_unref(picture);
        return GST_FLOW_OK;
    }
    GstFlowReturn flow = admit(GST_ELEMENT_CAST(bin), seam->width, seam->height);
    if (flow == GST_FLOW_OK && seam->nvmm && !surfaces_take(bin->surfaces, behaviour->surfaces)) flow = GST_FLOW_FLUSHING;
    if (flow != GST_FLOW_OK) {
        gst_buffer_unref(picture);
        return flow == GST_BASE_TRANSFORM_FLOW_DROPPED ? GST_FLOW_OK : flow;
    }
    *output = picture;
    if (seam->nvmm) {
        *output = wrap(picture, bin->surfaces);
        gst_buffer_copy_into(*output, picture, GST_BUFFER_COPY_FLAGS | GST_BUFFER_COPY_TIMESTAMPS | GST_BUFFER_COPY_META, 0, -1);
        GstVideoMeta *layout = gst_buffer_get_video_meta(*output);
        if (layout) gst_buffer_remove_meta(*output, (GstMeta *)layout);
    }
    came_out(GST_ELEMENT_CAST(bin));
    return GST_FLOW_OK;
}

static GstFlowReturn never(GstBaseTransform *transform, GstBuffer *in, GstBuffer *out) {
    (void)transform, (void)in, (void)out;
    return GST_FLOW_ERROR;
}

static void nvr_double_seam_class_init(NvrDoubleSeamClass *class) {
    GstBaseTransformClass *transform = GST_BASE_TRANSFORM_CLASS(class);
    transform->transform_caps = seam_transform_caps;
    transform->set_caps = seam_set_caps;
    transform->get_unit_size = unit_size;
    transform->start = seam_start;
    transform->generate_output = seam_output;
    transform->transform = never;
    gst_element_class_set_metadata(GST_ELEMENT_CLASS(class), "Seam", "Filter/Video", "The end of a double", "-");
    add_template(GST_ELEMENT_CLASS(class), "sink", GST_PAD_SINK, gst_caps_from_string("video/x-raw"));
    add_template(GST_ELEMENT_CLASS(class), "src", GST_PAD_SRC, gst_caps_from_string("video/x-raw(ANY)"));
}

static void nvr_double_seam_init(NvrDoubleSeam *seam) { gst_base_transform_set_qos_enabled(GST_BASE_TRANSFORM(seam), FALSE); }

static GstElement *add(NvrDoubleBin *bin, const char *factory) {
    GstElement *element = gst_element_factory_make(factory, NULL);
    if (!element) g_error("the doubles need GStreamer's element %s", factory);
    gst_bin_add(GST_BIN(bin), element);
    return element;
}

static void set_filter(NvrDoubleBin *bin, const char *text) {
    GstCaps *caps = gst_caps_from_string(text);
    g_object_set(bin->filter, "caps", caps, NULL);
    gst_caps_unref(caps);
}

/* Puts in what decodes `media`. */
static gboolean decode(NvrDoubleBin *bin, const char *media) {
    if (bin->decodes && !strcmp(bin->decodes, media)) return TRUE;
    GstPad *pad = gst_element_get_static_pad(GST_ELEMENT(bin), "sink");
    GstElement *next = g_object_get_data(G_OBJECT(bin), "convert");
    if (bin->inner) {
        gst_ghost_pad_set_target(GST_GHOST_PAD(pad), NULL);
        gst_element_unlink(bin->inner, next);
        gst_element_set_state(bin->inner, GST_STATE_NULL);
        gst_bin_remove(GST_BIN(bin), bin->inner);
    }
    gboolean jpeg = !strcmp(media, "image/jpeg");
    bin->inner = add(bin, jpeg ? "jpegdec" : !strcmp(media, "video/x-h265") ? "avdec_h265" : "avdec_h264");
    if (!jpeg) g_object_set(bin->inner, "max-threads", 1, "output-corrupt", FALSE, NULL);
    bin->decodes = jpeg ? "image/jpeg" : !strcmp(media, "video/x-h265") ? "video/x-h265" : "video/x-h264";
    /* That JPEG gives I420 on L4T is remembered from logs, not read in a source. */
    set_filter(bin, jpeg && behaviour_of(bin)->of->kind & L4T ? "video/x-raw,format=I420" : "video/x-raw,format=NV12");
    GstPad *inside = gst_element_get_static_pad(bin->inner, "sink");
    gboolean done = gst_element_link(bin->inner, next) && gst_element_sync_state_with_parent(bin->inner) &&
                    gst_ghost_pad_set_target(GST_GHOST_PAD(pad), inside);
    gst_object_unref(inside);
    gst_object_unref(pad);
    return done;
}

static gboolean sink_event(GstPad *pad, GstObject *parent, GstEvent *event) {
    if (GST_EVENT_TYPE(event) == GST_EVENT_CAPS) {
        GstCaps *caps;
        gst_event_parse_caps(event, &caps);
        if (!decode((NvrDoubleBin *)parent, gst_structure_get_name(gst_caps_get_structure(caps, 0)))) {
            gst_event_unref(event);
            return FALSE;
        }
    }
    return gst_pad_event_default(pad, parent, event);
}

/* What a double takes is what its template says, whatever decodes inside. */
static gboolean sink_query(GstPad *pad, GstObject *parent, GstQuery *query) {
    GstCaps *caps, *filter, *template;
    switch (GST_QUERY_TYPE(query)) {
        case GST_QUERY_CAPS:
            template = gst_pad_get_pad_template_caps(pad);
            gst_query_parse_caps(query, &filter);
            caps = filter ? gst_caps_intersect_full(filter, template, GST_CAPS_INTERSECT_FIRST) : gst_caps_ref(template);
            gst_query_set_caps_result(query, caps);
            gst_caps_unref(caps);
            gst_caps_unref(template);
            return TRUE;
        case GST_QUERY_ACCEPT_CAPS:
            template = gst_pad_get_pad_template_caps(pad);
            gst_query_parse_accept_caps(query, &caps);
            gst_query_set_accept_caps_result(query, gst_caps_is_subset(caps, template));
            gst_caps_unref(template);
            return TRUE;
        default: return gst_pad_query_default(pad, parent, query);
    }
}

/* Counts what comes in; nothing is decoded before the first key frame. */
static GstPadProbeReturn count_in(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
    (void)pad;
    Count *count = count_of(data);
    gboolean delta = GST_BUFFER_FLAG_IS_SET(GST_PAD_PROBE_INFO_BUFFER(info), GST_BUFFER_FLAG_DELTA_UNIT);
    GST_OBJECT_LOCK(data);
    count->in++;
    count->keyed |= !delta;
    gboolean keyed = count->keyed;
    GST_OBJECT_UNLOCK(data);
    return keyed ? GST_PAD_PROBE_OK : GST_PAD_PROBE_DROP;
}

static GstPad *ghost(NvrDoubleBin *bin, const char *name, GstElement *of) {
    GstPadTemplate *template = gst_element_class_get_pad_template(GST_ELEMENT_GET_CLASS(bin), name);
    GstPad *pad;
    if (of) {
        GstPad *target = gst_element_get_static_pad(of, name);
        pad = gst_ghost_pad_new_from_template(name, target, template);
        gst_object_unref(target);
    } else {
        pad = gst_ghost_pad_new_no_target_from_template(name, template);
    }
    gst_element_add_pad(GST_ELEMENT(bin), pad);
    return pad;
}

static void bin_constructed(GObject *object) {
    G_OBJECT_CLASS(nvr_double_bin_parent_class)->constructed(object);
    NvrDoubleBin *bin = (NvrDoubleBin *)object;
    begin(bin);
    bin->surfaces = surfaces_new();
    bin->interval = -1;
    bin->filter = add(bin, "capsfilter");
    bin->seam = g_object_new(nvr_double_seam_get_type(), NULL);
    gst_bin_add(GST_BIN(bin), bin->seam);
    if (behaviour_of(bin)->of->kind & CAMERA) {
        bin->inner = add(bin, "videotestsrc");
        g_object_set(bin->inner, "is-live", TRUE, "do-timestamp", TRUE, NULL);
        gst_element_link_many(bin->inner, bin->filter, bin->seam, NULL);
    } else {
        GstElement *convert = add(bin, "videoconvert");
        g_object_set_data(object, "convert", convert);
        set_filter(bin, "video/x-raw,format={NV12,I420}");
        gst_element_link_many(convert, bin->filter, bin->seam, NULL);
        GstPad *sink = ghost(bin, "sink", NULL);
        gst_pad_set_event_function(sink, sink_event);
        gst_pad_set_query_function(sink, sink_query);
        gst_pad_add_probe(sink, GST_PAD_PROBE_TYPE_BUFFER, count_in, bin, NULL);
    }
    ghost(bin, "src", bin->seam);
}

static void bin_finalize(GObject *object) {
    surfaces_leave(((NvrDoubleBin *)object)->surfaces, 0);
    G_OBJECT_CLASS(nvr_double_bin_parent_class)->finalize(object);
}

/* What a camera gives is settled with what is downstream, before it starts. */
static void settle(NvrDoubleBin *bin) {
    GstPad *pad = gst_element_get_static_pad(GST_ELEMENT(bin), "src");
    GstCaps *template = gst_pad_get_pad_template_caps(pad);
    GstCaps *caps = gst_pad_peer_query_caps(pad, template);
    if (gst_caps_is_empty(caps)) gst_caps_replace(&caps, template);
    caps = gst_caps_make_writable(gst_caps_truncate(caps));
    gst_caps_set_features(caps, 0, NULL);
    GstStructure *structure = gst_caps_get_structure(caps, 0);
    gst_structure_remove_fields(structure, "nvbuf-memory-type", "gpu-id", NULL);
    gst_structure_fixate_field_nearest_int(structure, "width", 1920);
    gst_structure_fixate_field_nearest_int(structure, "height", 1080);
    gst_structure_fixate_field_nearest_fraction(structure, "framerate", 30, 1);
    g_object_set(bin->filter, "caps", caps, NULL);
    gst_caps_unref(caps);
    gst_caps_unref(template);
    gst_object_unref(pad);
}

static GstStateChangeReturn bin_change_state(GstElement *element, GstStateChange change) {
    NvrDoubleBin *bin = (NvrDoubleBin *)element;
    switch (change) {
        case GST_STATE_CHANGE_NULL_TO_READY:
            if (!opens(element)) return GST_STATE_CHANGE_FAILURE;
            break;
        case GST_STATE_CHANGE_READY_TO_PAUSED:
            surfaces_stop(bin->surfaces, FALSE);
            count_of(bin)->keyed = FALSE;
            bin->interval = -1;
            if (behaviour_of(bin)->of->kind & CAMERA) settle(bin);
            break;
        case GST_STATE_CHANGE_PAUSED_TO_READY: surfaces_stop(bin->surfaces, TRUE); break;
        case GST_STATE_CHANGE_READY_TO_NULL: closes(element); break;
        default: break;
    }
    return GST_ELEMENT_CLASS(nvr_double_bin_parent_class)->change_state(element, change);
}

/* A real decoder is one element: errors are its own. */
static void bin_message(GstBin *bin, GstMessage *message) {
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR && GST_MESSAGE_SRC(message) != GST_OBJECT_CAST(bin)) {
        GError *error;
        char *debug;
        gst_message_parse_error(message, &error, &debug);
        gst_message_unref(message);
        message = gst_message_new_error(GST_OBJECT_CAST(bin), error, debug);
        g_error_free(error);
        g_free(debug);
    }
    GST_BIN_CLASS(nvr_double_bin_parent_class)->handle_message(bin, message);
}

static void nvr_double_bin_class_init(NvrDoubleBinClass *class) {
    G_OBJECT_CLASS(class)->constructed = bin_constructed;
    G_OBJECT_CLASS(class)->finalize = bin_finalize;
    GST_ELEMENT_CLASS(class)->change_state = bin_change_state;
    GST_BIN_CLASS(class)->handle_message = bin_message;
}

static void nvr_double_bin_init(NvrDoubleBin *bin) { (void)bin; }

/* Converters. */

typedef struct {
    GstBaseTransform parent;
    GstVideoInfo from, to, surface;
    gboolean from_nvmm, to_nvmm, has_surface, gave_nvmm;
    GstVideoConverter *converter;
} NvrDoubleConverter;
typedef struct { GstBaseTransformClass parent; } NvrDoubleConverterClass;

GType nvr_double_converter_get_type(void);
G_DEFINE_TYPE(NvrDoubleConverter, nvr_double_converter, GST_TYPE_BASE_TRANSFORM)

static void widen(GstStructure *structure, int does) {
    if (does & SCALES) {
        gst_structure_set(structure, "width", GST_TYPE_INT_RANGE, 1, G_MAXINT, "height", GST_TYPE_INT_RANGE, 1, G_MAXINT, NULL);
        if (gst_structure_has_field(structure, "pixel-aspect-ratio"))
            gst_structure_set(structure, "pixel-aspect-ratio", GST_TYPE_FRACTION_RANGE, 1, G_MAXINT, G_MAXINT, 1, NULL);
    }
    if (does & CONVERTS) gst_structure_remove_fields(structure, "format", "colorimetry", "chroma-site", NULL);
    gst_structure_remove_fields(structure, "nvbuf-memory-type", "gpu-id", NULL);
}

static GstCaps *converter_transform_caps(GstBaseTransform *transform, GstPadDirection direction, GstCaps *caps, GstCaps *filter) {
    GstPad *other = direction == GST_PAD_SINK ? GST_BASE_TRANSFORM_SRC_PAD(transform) : GST_BASE_TRANSFORM_SINK_PAD(transform);
    GstCaps *template = gst_pad_get_pad_template_caps(other);
    GstCaps *all = gst_caps_new_empty();
    /* The same memory first, then the other. */
    for (int same = 1; same >= 0; same--) {
        for (guint i = 0; i < gst_caps_get_size(caps); i++) {
            for (guint t = 0; t < gst_caps_get_size(template); t++) {
                GstCapsFeatures *features = gst_caps_get_features(template, t);
                if (gst_caps_features_is_equal(features, gst_caps_get_features(caps, i)) != same) continue;
                GstStructure *structure = gst_structure_copy(gst_caps_get_structure(caps, i));
                widen(structure, behaviour_of(transform)->of->does);
                gst_caps_append_structure_full(all, structure, gst_caps_features_copy(features));
            }
        }
    }
    GstCaps *result = gst_caps_intersect_full(all, template, GST_CAPS_INTERSECT_FIRST);
    gst_caps_unref(all);
    gst_caps_unref(template);
    if (filter) {
        all = result;
        result = gst_caps_intersect_full(filter, all, GST_CAPS_INTERSECT_FIRST);
        gst_caps_unref(all);
    }
    return result;
}

/* NVMM where it may be, the input's format and size where they may be, its aspect where only one side is free. */
static GstCaps *converter_fixate(GstBaseTransform *transform, GstPadDirection direction, GstCaps *caps, GstCaps *other) {
    (void)transform, (void)direction;
    for (guint i = 0; i < gst_caps_get_size(other); i++) {
        if (!gst_caps_features_contains(gst_caps_get_features(other, i), "memory:NVMM")) continue;
        GstCaps *chosen = gst_caps_copy_nth(other, i);
        gst_caps_unref(other);
        other = chosen;
        break;
    }
    other = gst_caps_make_writable(gst_caps_truncate(other));
    GstStructure *in = gst_caps_get_structure(caps, 0), *out = gst_caps_get_structure(other, 0);
    const char *format = gst_structure_get_string(in, "format");
    if (format && gst_structure_has_field(out, "format")) gst_structure_fixate_field_string(out, "format", format);
    int width = 0, height = 0, fixed;
    gst_structure_get_int(in, "width", &width);
    gst_structure_get_int(in, "height", &height);
    if (width && height) {
        if (gst_structure_get_int(out, "height", &fixed)) width = gst_util_uint64_scale_int_round(fixed, width, height);
        gst_structure_fixate_field_nearest_int(out, "width", MAX(width, 1));
        int in_width = 1;
        gst_structure_get_int(in, "width", &in_width);
        if (gst_structure_get_int(out, "width", &fixed)) height = gst_util_uint64_scale_int_round(fixed, height, in_width);
        gst_structure_fixate_field_nearest_int(out, "height", MAX(height, 1));
    }
    /* Square pixels: pictures are made to fit what is asked for. */
    if (gst_structure_has_field(out, "pixel-aspect-ratio")) gst_structure_fixate_field_nearest_fraction(out, "pixel-aspect-ratio", 1, 1);
    return gst_caps_fixate(other);
}

static void converter_forget(NvrDoubleConverter *converter) {
    if (converter->converter) gst_video_converter_free(converter->converter);
    converter->converter = NULL;
}

static gboolean converter_set_caps(GstBaseTransform *transform, GstCaps *in, GstCaps *out) {
    NvrDoubleConverter *converter = (NvrDoubleConverter *)transform;
    if (!gst_video_info_from_caps(&converter->from, in) || !gst_video_info_from_caps(&converter->to, out)) return FALSE;
    converter->from_nvmm = is_nvmm(in);
    converter->to_nvmm = is_nvmm(out);
    converter_forget(converter);
    GST_INFO_OBJECT(transform, "%s makes %" GST_PTR_FORMAT, behaviour_of(transform)->of->name, out);
    return TRUE;
}

/* Made anew for each picture where `left` and the like changed, which the real one allows at any time. */
static GstVideoConverter *converter_of(NvrDoubleConverter *converter, gboolean nvvidconv) {
    static const char *edges[] = {"left", "right", "top", "bottom"};
    static const char *options[] = {GST_VIDEO_CONVERTER_OPT_SRC_X, GST_VIDEO_CONVERTER_OPT_SRC_WIDTH, GST_VIDEO_CONVERTER_OPT_SRC_Y,
                                    GST_VIDEO_CONVERTER_OPT_SRC_HEIGHT};
    int rectangle[4] = {0, GST_VIDEO_INFO_WIDTH(&converter->from), 0, GST_VIDEO_INFO_HEIGHT(&converter->from)};
    for (int i = 0; nvvidconv && i < 4; i += 2) {
        int first = number(converter, edges[i]), last = number(converter, edges[i + 1]);
        if (last > first && last <= rectangle[i + 1]) rectangle[i] = first, rectangle[i + 1] = last - first;
    }
    const GstStructure *now = converter->converter ? gst_video_converter_get_config(converter->converter) : NULL;
    gboolean same = now != NULL;
    GstStructure *config = gst_structure_new_empty("options");
    for (int i = 0; i < 4; i++) {
        int set = -1;
        if (now) gst_structure_get_int(now, options[i], &set);
        same = same && set == rectangle[i];
        gst_structure_set(config, options[i], G_TYPE_INT, rectangle[i], NULL);
    }
    if (same) {
        gst_structure_free(config);
    } else {
        converter_forget(converter);
        converter->converter = gst_video_converter_new(&converter->from, &converter->to, config);
    }
    return converter->converter;
}

static GstFlowReturn converter_prepare(GstBaseTransform *transform, GstBuffer *in, GstBuffer **out) {
    NvrDoubleConverter *converter = (NvrDoubleConverter *)transform;
    GstBaseTransformClass *class = GST_BASE_TRANSFORM_CLASS(nvr_double_converter_parent_class);
    if (!converter->to_nvmm || gst_base_transform_is_passthrough(transform)) return class->prepare_output_buffer(transform, in, out);
    GstBuffer *pixels = gst_buffer_new_allocate(NULL, GST_VIDEO_INFO_SIZE(&converter->to), NULL);
    *out = wrap(pixels, NULL);
    return GST_BASE_TRANSFORM_GET_CLASS(transform)->copy_metadata(transform, in, *out) ? GST_FLOW_OK : GST_FLOW_ERROR;
}

/* The real one makes its intermediate surface once, see above. */
static gboolean surface_fits(NvrDoubleConverter *converter) {
    if (converter->has_surface) {
        const GstVideoInfo *surface = &converter->surface, *to = &converter->to;
        return GST_VIDEO_INFO_FORMAT(surface) == GST_VIDEO_INFO_FORMAT(to) && surface->width == to->width && surface->height == to->height;
    }
    converter->surface = converter->to;
    converter->has_surface = TRUE;
    return TRUE;
}

static GstFlowReturn converter_transform(GstBaseTransform *transform, GstBuffer *in, GstBuffer *out) {
    NvrDoubleConverter *converter = (NvrDoubleConverter *)transform;
    const Behaviour *behaviour = behaviour_of(transform);
    gboolean nvvidconv = (behaviour->of->kind & L4T) != 0;
    GST_OBJECT_LOCK(transform);
    count_of(transform)->in++;
    GST_OBJECT_UNLOCK(transform);
    GstFlowReturn flow = admit(GST_ELEMENT_CAST(transform), converter->from.width, converter->from.height);
    if (flow != GST_FLOW_OK) return flow;
    if (nvvidconv && !converter->from_nvmm && !converter->to_nvmm && behaviour->release == JETPACK5) return GST_FLOW_ERROR;
    if (nvvidconv && converter->gave_nvmm && !converter->to_nvmm && !behaviour->renegotiates) {
        GST_ERROR_OBJECT(transform, "the real element can't go over from NVMM to system memory");
        return GST_FLOW_ERROR;
    }
    converter->gave_nvmm |= converter->to_nvmm;
    GstBuffer *source = pixels_of(in, converter->from_nvmm), *target = pixels_of(out, converter->to_nvmm);
    GstVideoFrame from, to;
    if (!source || !target || !gst_video_frame_map(&from, &converter->from, source, GST_MAP_READ)) {
        GST_ERROR_OBJECT(transform, "no surface in a buffer that is said to be one; was it copied?");
        return GST_FLOW_ERROR;
    }
    if (!gst_video_frame_map(&to, &converter->to, target, GST_MAP_WRITE)) {
        gst_video_frame_unmap(&from);
        return GST_FLOW_ERROR;
    }
    gboolean through_surface = nvvidconv && !converter->to_nvmm && !behaviour->renegotiates;
    /* See above: rows of other widths lie elsewhere than the real element writes them. */
    gboolean aligned = !through_surface || GST_VIDEO_INFO_WIDTH(&converter->to) % 8 == 0;
    gboolean fits = aligned && (!through_surface || surface_fits(converter));
    if (fits) gst_video_converter_frame(converter_of(converter, nvvidconv), &from, &to);
    gst_video_frame_unmap(&to);
    gst_video_frame_unmap(&from);
    if (!fits) {
        if (!aligned) GST_ERROR_OBJECT(transform, "a width of %d is no multiple of 8", GST_VIDEO_INFO_WIDTH(&converter->to));
        else GST_ERROR_OBJECT(transform, "caps changed while playing: the intermediate surface is still %dx%d", converter->surface.width,
                         converter->surface.height);
        gst_buffer_memset(target, 0, UNPAINTED, gst_buffer_get_size(target));
    }
    came_out(GST_ELEMENT_CAST(transform));
    return GST_FLOW_OK;
}

static GstStateChangeReturn converter_change_state(GstElement *element, GstStateChange change) {
    NvrDoubleConverter *converter = (NvrDoubleConverter *)element;
    if (change == GST_STATE_CHANGE_NULL_TO_READY && !opens(element)) return GST_STATE_CHANGE_FAILURE;
    GstStateChangeReturn result = GST_ELEMENT_CLASS(nvr_double_converter_parent_class)->change_state(element, change);
    if (change == GST_STATE_CHANGE_PAUSED_TO_READY) {
        converter_forget(converter);
        converter->has_surface = FALSE;
    }
    if (change == GST_STATE_CHANGE_READY_TO_NULL) closes(element);
    return result;
}

static void converter_constructed(GObject *object) {
    G_OBJECT_CLASS(nvr_double_converter_parent_class)->constructed(object);
    begin(object);
    gst_base_transform_set_qos_enabled(GST_BASE_TRANSFORM(object), FALSE);
}

static void nvr_double_converter_class_init(NvrDoubleConverterClass *class) {
    GstBaseTransformClass *transform = GST_BASE_TRANSFORM_CLASS(class);
    G_OBJECT_CLASS(class)->constructed = converter_constructed;
    GST_ELEMENT_CLASS(class)->change_state = converter_change_state;
    transform->transform_caps = converter_transform_caps;
    transform->fixate_caps = converter_fixate;
    transform->set_caps = converter_set_caps;
    transform->get_unit_size = unit_size;
    transform->transform_size = other_size;
    transform->prepare_output_buffer = converter_prepare;
    transform->transform = converter_transform;
    transform->passthrough_on_same_caps = TRUE;
}

static void nvr_double_converter_init(NvrDoubleConverter *converter) { (void)converter; }

/* What NVR_DOUBLES says. */

G_GNUC_PRINTF(1, 2) G_GNUC_NORETURN static void refuse(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "NVR_DOUBLES: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    /* GStreamer reads plug-ins in a helper, whose end it takes for that of a broken plug-in, and goes on. */
    char self[4096] = "";
    if (readlink("/proc/self/exe", self, sizeof self - 1) > 0 && strstr(self, "gst-plugin-scanner")) kill(getppid(), SIGABRT);
    abort();
}

static int whole(const char *option, const char *value) {
    char *end = NULL;
    long number = value ? strtol(value, &end, 10) : -1;
    if (!value || !*value || *end || number < 0 || number > 1000000) refuse("%s needs a whole number, %s=N", option, option);
    return number;
}

static void read_option(Behaviour *behaviour, const char *text) {
    enum { ANY = DECODER | CONVERTER | CAMERA };
    /* Of one of `kinds`, and where `only` is there, of that element alone. */
    const struct { const char *name; int kinds; const char *only; gboolean *flag; int *number; } options[] = {
        {"fail-open", ANY, NULL, &behaviour->fail_open, NULL},
        {"crash", ANY, NULL, &behaviour->crash, NULL},
        {"hang", ANY, NULL, &behaviour->hang, NULL},
        {"no-frame", ANY, NULL, &behaviour->no_frame, NULL},
        {"frames", ANY, NULL, NULL, &behaviour->frames},
        {"silent-after", ANY, NULL, NULL, &behaviour->silent_after},
        {"clip-only", DECODER, NULL, &behaviour->clip_only, NULL},
        {"surfaces", L4T, NULL, NULL, &behaviour->surfaces},
        {"jetpack", L4T, NULL, NULL, &behaviour->jetpack},
        {"orin", L4T, NULL, &behaviour->orin, NULL},
        {"latched", L4T, "nvv4l2decoder", &behaviour->latched, NULL},
        {"renegotiates", L4T, "nvvidconv", &behaviour->renegotiates, NULL},
        {"sensors", CAMERA, NULL, NULL, &behaviour->sensors},
    };
    const Double *of = behaviour->of;
    char **parts = g_strsplit(text, "=", 2);
    for (guint i = 0; i < G_N_ELEMENTS(options); i++) {
        if (strcmp(options[i].name, parts[0])) continue;
        gboolean has_it = (options[i].kinds & of->kind) && (!options[i].only || !strcmp(options[i].only, of->name));
        if (!has_it || (options[i].number == &behaviour->surfaces && of->kind & CONVERTER)) refuse("%s has no option %s", of->name, parts[0]);
        if (options[i].flag && parts[1]) refuse("%s takes no value", parts[0]);
        if (options[i].flag) *options[i].flag = TRUE;
        else *options[i].number = whole(parts[0], parts[1]);
        g_strfreev(parts);
        return;
    }
    refuse("there is no option `%s`", text);
}

static const Behaviour *read_double(const char *text) {
    char **parts = g_strsplit(text, ":", -1);
    Behaviour *behaviour = g_new0(Behaviour, 1);
    for (guint i = 0; i < G_N_ELEMENTS(doubles); i++)
        if (!strcmp(doubles[i].name, parts[0])) behaviour->of = &doubles[i];
    if (!behaviour->of) refuse("there is no double of `%s`", parts[0]);
    behaviour->frames = behaviour->silent_after = behaviour->surfaces = -1;
    behaviour->jetpack = 6;
    behaviour->sensors = 1;
    for (char **option = parts + 1; *option; option++) read_option(behaviour, *option);
    if (behaviour->jetpack < 5 || behaviour->jetpack > 7) refuse("jetpack is 5, 6 or 7, not %d", behaviour->jetpack);
    if (behaviour->orin && behaviour->jetpack != 7) refuse("orin is said of jetpack=7");
    behaviour->release = behaviour->jetpack == 5   ? JETPACK5
                         : behaviour->jetpack == 6 ? JETPACK6
                         : behaviour->orin         ? ORIN7
                                                   : THOR;
    g_strfreev(parts);
    return behaviour;
}

static gboolean register_double(GstPlugin *plugin, const Behaviour *behaviour) {
    char *name = g_strdup_printf("NvrDouble-%s", behaviour->of->name);
    if (g_type_from_name(name)) refuse("%s is named twice", behaviour->of->name);
    GType parent = behaviour->of->kind & CONVERTER ? nvr_double_converter_get_type() : nvr_double_bin_get_type();
    GTypeQuery query;
    g_type_query(parent, &query);
    GTypeInfo info = {.class_size = query.class_size,
                      .class_init = class_of_double,
                      .class_data = behaviour,
                      .instance_size = query.instance_size};
    GType type = g_type_register_static(parent, name, &info, 0);
    g_type_set_qdata(type, behaviour_quark, (gpointer)behaviour);
    g_free(name);
    return gst_element_register(plugin, behaviour->of->name, behaviour->of->rank, type);
}

static gboolean plugin_init(GstPlugin *plugin) {
    GST_DEBUG_CATEGORY_INIT(doubles_debug, "nvrdoubles", 0, "doubles of hardware elements");
    behaviour_quark = g_quark_from_static_string("nvr-double-behaviour");
    values_quark = g_quark_from_static_string("nvr-double-values");
    picture_quark = g_quark_from_static_string("nvr-double-picture");
    count_quark = g_quark_from_static_string("nvr-double-count");
    const char *variables[] = {"NVR_DOUBLES", NULL};
    gst_plugin_add_dependency(plugin, variables, NULL, NULL, GST_PLUGIN_DEPENDENCY_FLAG_NONE);
    const char *list = g_getenv("NVR_DOUBLES");
    if (!list || !*list) return TRUE;
    char **names = g_strsplit(list, ",", -1);
    gboolean done = TRUE;
    for (char **name = names; *name; name++) done = register_double(plugin, read_double(*name)) && done;
    g_strfreev(names);
    return done;
}

#define PACKAGE "nvr"
GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, nvrdoubles, "Doubles of hardware elements", plugin_init, "1",
                  GST_LICENSE_UNKNOWN, PACKAGE, "https://example.org/")
