//! Being written.
proctor::exercise!(fiber_generator);
