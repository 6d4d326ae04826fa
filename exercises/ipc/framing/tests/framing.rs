//! Being written.
proctor::exercise!(framing);
