//! Being written.
proctor::exercise!(fork_and_wait);
