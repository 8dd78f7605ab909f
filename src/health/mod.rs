//! Heartbeats to systemd's watchdog, counters to Prometheus, both to one small page.
