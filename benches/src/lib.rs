//! The course's libraries measured against those a professional would reach
//! for: side by side in one run, as ratios with intervals.
