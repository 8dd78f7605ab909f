//! What is published: the schema, and its encodings.
