//! The broker: the link to it, its topics, and one of our own. The only room that names MQTT libraries.
