//! A log of several partitions.
