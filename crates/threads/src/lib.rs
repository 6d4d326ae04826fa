//! Threads that end when they should: a scoped map, background tasks, thread-local state, a bounded pool, fork and join.
