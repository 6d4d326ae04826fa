//! Being written.
proctor::exercise!(scoped_map);
