//! Being written.
proctor::exercise!(ping_pong);
