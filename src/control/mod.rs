//! The local control socket: status, capabilities, apply.
