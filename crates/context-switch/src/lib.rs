//! What a switch costs: pinning, counters, ping-pong over every channel, and the statistics to say so.
