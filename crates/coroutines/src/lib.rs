//! Fibers, generators, a scheduler, an executor, a reactor and an event loop.
