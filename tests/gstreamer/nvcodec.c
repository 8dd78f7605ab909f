/* A double of GStreamer's plug-in for NVIDIA cards: under its name, and with its condition for each element. The elements do nothing.
 *
 * As plugin_init of sys/nvcodec/plugin.c (1.22 to 1.26): no element without libcuda.so.1, no decoder without libnvcuvid.so.1, no scaler
 * without libnvrtc.so. */
#define PACKAGE "nvr"
#include <dlfcn.h>
#include <gst/gst.h>

static gboolean opens(const char *library) { return dlopen(library, RTLD_LAZY) != NULL; }

static gboolean plugin_init(GstPlugin *plugin) {
    if (!opens("libcuda.so.1")) return TRUE;
    if (opens("libnvcuvid.so.1")) gst_element_register(plugin, "nvh264dec", GST_RANK_NONE, GST_TYPE_BIN);
    if (opens("libnvrtc.so")) gst_element_register(plugin, "cudascale", GST_RANK_NONE, GST_TYPE_BIN);
    return TRUE;
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, nvcodec, "double", plugin_init, "1", "LGPL", "nvr", "https://nvr.invalid/")
